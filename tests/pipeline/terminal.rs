//! A terminal: the real `lanesync` program against the services of a world.

use std::path::PathBuf;
use std::process::Stdio;

use contract::access::Identity;
use serde_json::Value;
use stack::ServiceName;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout, Command};

use crate::world::{PATIENCE, World, programs};

/// A terminal whose environment names the services.
#[derive(Clone)]
pub(crate) struct Terminal {
    program: PathBuf,
    environment: Vec<(String, String)>,
}

/// What a command that has ended said.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// The one document on standard output.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Terminal {
    pub(crate) fn of(world: &World) -> Self {
        let sealed = world.stack.mutual().into_iter().flat_map(|mutual| mutual.settings(Identity::Operator));
        let sealed = sealed.map(|(name, file)| (name.to_owned(), file.display().to_string()));
        let services = ServiceName::ALL.map(|name| {
            let variable = format!("LANESYNC_{}_URL", name.short().to_uppercase());
            (variable, world.stack.grpc_url(name))
        });
        Self { program: programs().join("lanesync"), environment: services.into_iter().chain(sealed).collect() }
    }

    /// The same terminal with a workspace chosen.
    pub(crate) fn workspace(&self, workspace: &str) -> Self {
        let mut terminal = self.clone();
        terminal.environment.push(("LANESYNC_WORKSPACE".to_owned(), workspace.to_owned()));
        terminal
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(arguments).env_clear().envs(self.environment.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
        command
    }

    /// Runs a command to its end.
    pub(crate) async fn run(&self, arguments: &[&str]) -> Said {
        let ended = tokio::time::timeout(PATIENCE, self.command(arguments).output()).await;
        let ended = ended.unwrap_or_else(|_| panic!("{arguments:?} does not end")).unwrap();
        Said {
            code: ended.status.code().expect("a signal ended it"),
            out: String::from_utf8(ended.stdout).unwrap(),
            err: String::from_utf8(ended.stderr).unwrap(),
        }
    }

    /// Runs a command that succeeds and returns its document.
    pub(crate) async fn done(&self, arguments: &[&str]) -> Value {
        let said = self.run(&[&["--json"], arguments].concat()).await;
        assert_eq!(said.code, 0, "{arguments:?}: {said:?}");
        said.json()
    }

    /// Runs a command that is refused for `reason` with `code`, and returns the error.
    pub(crate) async fn refused(&self, code: i32, reason: &str, arguments: &[&str]) -> Value {
        let said = self.run(&[&["--json"], arguments].concat()).await;
        let error = said.json()["error"].clone();
        assert_eq!((said.code, error["reason"].as_str()), (code, Some(reason)), "{arguments:?}: {said:?}");
        error
    }

    /// Starts a command that tells its story line by line.
    pub(crate) fn start(&self, arguments: &[&str]) -> Story {
        let mut child = self.command(&[&["--json"], arguments].concat()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Story { child, lines }
    }
}

/// A command that runs; dropping it kills it.
pub(crate) struct Story {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Story {
    /// Waits for the next document; `None` at the end of the output.
    pub(crate) async fn next(&mut self) -> Option<Value> {
        let line = tokio::time::timeout(PATIENCE, self.lines.next_line()).await.expect("a line in time").unwrap()?;
        Some(serde_json::from_str(&line).unwrap_or_else(|error| panic!("{error}: {line}")))
    }

    /// Waits until the command has ended and returns its exit code.
    pub(crate) async fn code(mut self) -> i32 {
        let ended = tokio::time::timeout(PATIENCE, self.child.wait()).await.expect("the command ends").unwrap();
        ended.code().expect("a signal ended it")
    }
}
