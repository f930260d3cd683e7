//! The program as a process.

use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;

use crate::scripted::Scripted;

/// The workspace that every test speaks of.
pub(crate) const WORKSPACE: &str = "0190a1b2-0000-7000-8000-0000000000aa";
/// No invocation takes longer.
const LIMIT: Duration = Duration::from_secs(60);

/// How an invocation ended.
pub(crate) struct Ended {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ended {
    /// Returns the one JSON document of standard output.
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {:?} {:?}", self.out, self.err))
    }
}

impl From<Output> for Ended {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Returns the program with its services at `url`, not started yet.
pub(crate) fn command(url: &str, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_lanesync"));
    command.args(args).env("LANESYNC_WORKSPACE", WORKSPACE).env("USER", "ada");
    for service in ["AUTH", "EXTRACTOR", "MAPPER", "WRITER"] {
        command.env(format!("LANESYNC_{service}_URL"), url);
    }
    command.stdin(Stdio::null()).kill_on_drop(true);
    command
}

/// Runs the program to its end.
pub(crate) async fn lanesync(services: &Scripted, args: &[&str]) -> Ended {
    ended(&mut command(services.url(), args)).await
}

/// Runs a command to its end.
pub(crate) async fn ended(command: &mut Command) -> Ended {
    tokio::time::timeout(LIMIT, command.output()).await.expect("the program ends").unwrap().into()
}
