//! `lanesync-dev` as a whole: what it started is gone after it, however it ends.

use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use rustix::process::{Pid, kill_process};
use sqlx::{Connection as _, PgConnection};
use stack::Signal;
use testkit::eventually_true;

use crate::{LIMIT, is_running};

/// A running `lanesync-dev with` and what its command saw.
struct Running {
    dev: Child,
    database_url: String,
    command: u32,
}

impl Running {
    fn start(script: &str) -> Self {
        let mut dev = Command::new(env!("CARGO_BIN_EXE_lanesync-dev"))
            .args(["with", "--", "/bin/sh", "-c"])
            .arg(format!("echo \"$LANESYNC_TEST_DATABASE_URL\"; echo $$; {script}"))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(dev.stdout.take().unwrap()).lines();
        let mut line = || lines.next().unwrap().unwrap();
        Self { database_url: line(), command: line().parse().unwrap(), dev }
    }

    fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.dev), signal).unwrap();
    }

    async fn everything_is_gone(&self) {
        let command = self.command;
        eventually_true(LIMIT, "the command to end", || async move { !is_running(command) }).await;
        eventually_true(LIMIT, "Postgres to end", || async {
            PgConnection::connect(&self.database_url).await.is_err()
        })
        .await;
    }
}

#[tokio::test]
async fn the_exit_code_of_the_command_is_handed_on_and_postgres_is_gone() {
    let mut running = Running::start("exit 7");
    let status = running.dev.wait().unwrap();
    assert_eq!(status.code(), Some(7));
    running.everything_is_gone().await;
}

#[tokio::test]
async fn ctrl_c_ends_the_command_and_postgres() {
    let mut running = Running::start("exec sleep 1000");
    let mut conn = PgConnection::connect(&running.database_url).await.unwrap();
    let data: String = sqlx::query_scalar("show data_directory").fetch_one(&mut conn).await.unwrap();

    running.signal(Signal::INT);
    let status = running.dev.wait().unwrap();

    assert_eq!(status.code(), Some(130));
    running.everything_is_gone().await;
    assert!(!PathBuf::from(data).exists());
}

#[tokio::test]
async fn a_kill_of_lanesync_dev_leaves_nothing_running() {
    let mut running = Running::start("exec sleep 1000");
    assert!(PgConnection::connect(&running.database_url).await.is_ok());
    assert!(is_running(running.command));

    running.signal(Signal::KILL);
    let status = running.dev.wait().unwrap();

    assert_eq!(status.signal(), Some(9));
    running.everything_is_gone().await;
}
