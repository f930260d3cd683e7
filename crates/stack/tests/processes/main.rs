//! Whatever this crate starts, ends.

#![allow(clippy::unwrap_used, reason = "a test that can not go on fails")]

mod dev;
mod nats;
mod postgres;
mod process;
mod rights;
mod service;

use std::path::Path;
use std::time::Duration;

use rustix::process::{Pid, test_kill_process};

/// Longer than anything here takes on a busy machine.
const LIMIT: Duration = Duration::from_secs(30);

/// Where these tests look for servers.
fn search() -> servers::Search {
    servers::Search::from_env(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

/// Whether a process with this id exists.
fn is_running(pid: u32) -> bool {
    let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
    pid.is_some_and(|pid| test_kill_process(pid).is_ok())
}
