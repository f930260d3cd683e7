//! The life of a process: named tasks, a signal, a grace period. Every task has an owner.

use std::future::Future;
use std::time::Duration;

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// Runs the tasks of a process until a signal comes or one of them ends.
///
/// A task that ends unasked is a failure even if it returned `Ok`: a consumer that quietly stopped is an outage.
#[derive(Debug)]
pub struct Lifecycle {
    grace: Duration,
    stopping: CancellationToken,
    tasks: JoinSet<(&'static str, anyhow::Result<()>)>,
}

impl Lifecycle {
    /// Begins with no task; `grace` is how long work in hand may take once asked to stop.
    #[must_use]
    pub fn new(grace: Duration) -> Self {
        Self { grace, stopping: CancellationToken::new(), tasks: JoinSet::new() }
    }

    /// Returns the token that is cancelled when the process is asked to stop.
    #[must_use]
    pub fn stopping(&self) -> CancellationToken {
        self.stopping.clone()
    }

    /// Adds a task that runs until `stopping`.
    pub fn spawn(&mut self, name: &'static str, task: impl Future<Output = anyhow::Result<()>> + Send + 'static) {
        self.tasks.spawn(async move { (name, task.await) });
    }

    /// Waits for a signal or for the first task to end, then stops the rest.
    ///
    /// # Errors
    /// When a task ended unasked, failed while stopping, or did not stop within the grace period.
    pub async fn run(mut self) -> anyhow::Result<()> {
        let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
        let mut interrupt = signal(SignalKind::interrupt()).context("listening for SIGINT")?;
        let mut outcome = tokio::select! {
            _ = terminate.recv() => Ok(()),
            _ = interrupt.recv() => Ok(()),
            Some(ended) = self.tasks.join_next() => Err(ended_unasked(ended)),
        };
        tracing::info!("stopping");
        self.stopping.cancel();
        let rest = async {
            while let Some(ended) = self.tasks.join_next().await {
                let result = match ended {
                    Ok((name, result)) => result.with_context(|| format!("stopping {name}")),
                    Err(error) => Err(error).context("a task panicked while stopping"),
                };
                if outcome.is_ok() {
                    outcome = result;
                }
            }
        };
        tokio::select! {
            () = rest => {}
            () = tokio::time::sleep(self.grace) => anyhow::bail!("tasks did not stop within the grace period"),
            _ = terminate.recv() => std::process::exit(130),
            _ = interrupt.recv() => std::process::exit(130),
        }
        outcome
    }
}

fn ended_unasked(ended: Result<(&'static str, anyhow::Result<()>), tokio::task::JoinError>) -> anyhow::Error {
    match ended {
        Ok((name, Ok(()))) => anyhow::anyhow!("{name} ended unasked"),
        Ok((name, Err(error))) => error.context(format!("{name} failed")),
        Err(error) => anyhow::Error::new(error).context("a task panicked"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_task_that_ends_unasked_stops_the_process_with_its_name() {
        let mut tasks = Lifecycle::new(Duration::from_secs(5));
        let stopping = tasks.stopping();
        tasks.spawn("consume", async { Ok(()) });
        tasks.spawn("serve", async move {
            stopping.cancelled().await;
            Ok(())
        });
        let error = tasks.run().await.unwrap_err();
        assert_eq!(error.to_string(), "consume ended unasked");
    }
}
