//! One process.

use std::process::Command;
use std::time::{Duration, Instant};

use stack::{Folder, Process, Signal};
use testkit::eventually_true;

use crate::{LIMIT, is_running};

fn shell(script: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command.args(["-c", script]);
    command
}

fn started(folder: &Folder, script: &str) -> Process {
    Process::spawn("a shell", shell(script), &folder.path().join("log"), Signal::KILL).unwrap()
}

#[tokio::test]
async fn dropping_a_process_ends_it_and_its_children() {
    let folder = Folder::new("test").unwrap();
    let process = started(&folder, "sleep 1000 & echo $!; wait");
    let child = || process.last_words(1).parse::<u32>().ok();
    eventually_true(LIMIT, "the child to start", || {
        let child = child();
        async move { child.is_some() }
    })
    .await;
    let (parent, child) = (process.pid(), child().unwrap());
    assert!(is_running(parent) && is_running(child));

    drop(process);

    assert!(!is_running(parent));
    eventually_true(LIMIT, "the child to end", || async { !is_running(child) }).await;
}

#[tokio::test]
async fn a_process_that_ignores_the_request_to_stop_is_killed_after_its_grace() {
    let folder = Folder::new("test").unwrap();
    let mut process = started(&folder, "trap '' TERM; echo deaf; while true; do sleep 0.05; done");
    eventually_true(LIMIT, "the trap", || {
        let words = process.last_words(1);
        async move { words == "deaf" }
    })
    .await;

    let begin = Instant::now();
    let status = process.stop(Signal::TERM, Duration::from_millis(300)).await.unwrap();

    assert!(begin.elapsed() >= Duration::from_millis(300));
    assert!(!status.success());
    assert!(!is_running(process.pid()));
}

#[tokio::test]
async fn a_process_that_ends_by_itself_is_told_from_one_that_runs() {
    let folder = Folder::new("test").unwrap();
    let mut ends = started(&folder, "echo first; echo last; exit 3");
    let mut runs = started(&folder, "sleep 1000");

    let status = ends.ended_within(LIMIT).await.unwrap().unwrap();

    assert_eq!(status.code(), Some(3));
    assert_eq!(ends.last_words(2), "first\nlast");
    assert!(runs.exit_status().unwrap().is_none());
}

#[tokio::test]
async fn a_program_that_does_not_exist_is_named() {
    let folder = Folder::new("test").unwrap();
    let missing = Command::new("/nowhere/lanesync-nothing");
    let error = Process::spawn("nothing", missing, &folder.path().join("log"), Signal::KILL).unwrap_err();
    assert!(error.to_string().contains("/nowhere/lanesync-nothing"), "{error}");
}
