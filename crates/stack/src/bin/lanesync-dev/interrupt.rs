//! Ctrl-C and its relatives.

use anyhow::Context as _;
use stack::Signal;
use tokio::signal::unix::{Signal as Stream, SignalKind, signal};

/// The signals that ask this program to end; from its creation on they no longer end it by themselves.
pub(crate) struct Interrupts {
    interrupt: Stream,
    terminate: Stream,
    hangup: Stream,
}

impl Interrupts {
    pub(crate) fn new() -> anyhow::Result<Self> {
        let listen = |kind| signal(kind).context("listening for signals");
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Waits for the next one.
    pub(crate) async fn next(&mut self) -> Signal {
        tokio::select! {
            _ = self.interrupt.recv() => Signal::INT,
            _ = self.terminate.recv() => Signal::TERM,
            _ = self.hangup.recv() => Signal::HUP,
        }
    }
}
