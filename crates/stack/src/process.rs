//! One child process: started, watched, signalled, and never left behind.

use std::fs::File;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::guard::Guard;

/// How often a process is asked whether it has ended.
const GLANCE: Duration = Duration::from_millis(5);
/// How long a process may take to follow the last signal before it is killed.
const LAST_GRACE: Duration = Duration::from_secs(5);

/// A running child in a process group of its own.
///
/// Dropping it sends the signal it was spawned with and waits until it is gone. When this process is killed,
/// a guard sends that signal instead.
#[derive(Debug)]
pub struct Process {
    name: String,
    child: Child,
    last_signal: Signal,
    log: Option<PathBuf>,
    guard: Option<Guard>,
}

impl Process {
    /// Starts `command` with its output going to the end of the file `log`.
    ///
    /// # Errors
    /// The program can't be started, or the log can't be written.
    pub fn spawn(name: &str, mut command: Command, log: &Path, last_signal: Signal) -> anyhow::Result<Self> {
        let out = File::options()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("writing {}", log.display()))?;
        let err = out.try_clone().context("sharing a log file")?;
        command.stdin(Stdio::null()).stdout(out).stderr(err);
        Self::start(name, command, Some(log.to_owned()), last_signal)
    }

    /// Starts `command` with the output of this process and no input: it is not in the foreground of a terminal.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn spawn_in_terminal(name: &str, mut command: Command, last_signal: Signal) -> anyhow::Result<Self> {
        command.stdin(Stdio::null());
        Self::start(name, command, None, last_signal)
    }

    fn start(name: &str, mut command: Command, log: Option<PathBuf>, last_signal: Signal) -> anyhow::Result<Self> {
        // The guard comes first, so that no child ever runs without one.
        let mut guard = Guard::start(last_signal)?;
        let child = command
            .process_group(0)
            .spawn()
            .with_context(|| format!("starting {name} ({})", command.get_program().display()))?;
        guard.watch(child.id())?;
        Ok(Self { name: name.to_owned(), child, last_signal, log, guard: Some(guard) })
    }

    /// What it is called in messages.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends `signal`; a process that has ended already is left alone.
    ///
    /// # Errors
    /// The system refused.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        if self.exit_status()?.is_some() {
            return Ok(());
        }
        // The child leads its group until it is waited for, which only `exit_status` does.
        match kill_process_group(Pid::from_child(&self.child), signal) {
            // macOS says PERM of a group in which nobody is left but the dead.
            Ok(()) | Err(rustix::io::Errno::SRCH | rustix::io::Errno::PERM) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("signalling {}", self.name)),
        }
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// The system can't tell.
    pub fn exit_status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        let status = self.child.try_wait().with_context(|| format!("asking for {}", self.name))?;
        if status.is_some() {
            self.guard = None;
        }
        Ok(status)
    }

    /// Waits until it ends, at most for `limit`; `None` when it still runs then.
    ///
    /// # Errors
    /// The system can't tell.
    pub async fn ended_within(&mut self, limit: Duration) -> anyhow::Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        loop {
            if let Some(status) = self.exit_status()? {
                return Ok(Some(status));
            }
            if Instant::now() >= deadline {
                return Ok(None);
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Sends `signal` and waits for the end; after `grace` it is killed.
    ///
    /// # Errors
    /// The system refused.
    pub async fn stop(&mut self, signal: Signal, grace: Duration) -> anyhow::Result<ExitStatus> {
        self.signal(signal)?;
        if let Some(status) = self.ended_within(grace).await? {
            return Ok(status);
        }
        self.kill().await
    }

    /// Kills it outright and waits until it is gone.
    ///
    /// # Errors
    /// The system refused.
    pub async fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.signal(Signal::KILL)?;
        self.ended_within(LAST_GRACE).await?.with_context(|| format!("{} does not die", self.name))
    }

    /// The last `lines` lines it wrote, for a message about a failure.
    #[must_use]
    pub fn last_words(&self, lines: usize) -> String {
        let text = self
            .log
            .as_ref()
            .and_then(|log| std::fs::read(log).ok())
            .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
            .unwrap_or_default();
        let all: Vec<&str> = text.lines().collect();
        all[all.len().saturating_sub(lines)..].join("\n")
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let last_signal = self.last_signal;
        for signal in [last_signal, Signal::KILL] {
            // A process that can't be signalled is left to its guard.
            self.signal(signal).ok();
            let deadline = Instant::now() + LAST_GRACE;
            while Instant::now() < deadline {
                if !matches!(self.exit_status(), Ok(None)) {
                    return;
                }
                std::thread::sleep(GLANCE);
            }
        }
    }
}
