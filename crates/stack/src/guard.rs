//! Ends a process when its owner dies without a chance to do so.

use std::io::Write as _;
use std::os::unix::process::CommandExt as _;
use std::process::{Child, Command, Stdio};

use anyhow::Context as _;
use rustix::process::Signal;

/// Waits for its input to end. `$1` is the signal, the first line the process group; a second line says that
/// all is well. Without that second line the owner is gone, and the group is asked to end, then made to.
const SCRIPT: &str = r#"
read -r group || exit 0
read -r done && exit 0
kill -"$1" "-$group" 2>/dev/null || exit 0
tries=0
while kill -0 "-$group" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt 50 ] || { kill -9 "-$group"; exit 0; }
    sleep 0.1
done
"#;

/// A small process beside the guarded one that outlives this process for a moment.
///
/// It listens to a pipe whose other end only this process holds: however this process ends, the pipe ends
/// with it. That works alike on Linux and macOS, needs no unsafe code, and unlike a parent-death signal does
/// not depend on which thread started the child.
#[derive(Debug)]
pub(crate) struct Guard {
    watcher: Child,
}

impl Guard {
    /// Starts a guard that will send `signal` to a process group, once it is told which.
    pub(crate) fn start(signal: Signal) -> anyhow::Result<Self> {
        let watcher = Command::new("/bin/sh")
            .args(["-c", SCRIPT, "guard"])
            .arg(signal.as_raw().to_string())
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C in a terminal reaches a whole group; the guard must outlive that.
            .process_group(0)
            .spawn()
            .context("starting the guard of a process")?;
        Ok(Self { watcher })
    }

    /// Tells the guard which process group it answers for.
    pub(crate) fn watch(&mut self, group: u32) -> anyhow::Result<()> {
        let mut input = self.watcher.stdin.as_ref().context("a guard has an input")?;
        writeln!(input, "{group}").context("telling the guard what to watch")
    }

    /// Sends the guard home: the process has ended, and its number may soon belong to another one.
    fn release(&mut self) {
        if let Some(mut input) = self.watcher.stdin.take() {
            // A guard that is gone has nothing left to guard.
            writeln!(input, "done").ok();
        }
        self.watcher.wait().ok();
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        self.release();
    }
}
