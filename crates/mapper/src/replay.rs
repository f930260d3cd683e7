//! Maps what is stored once more after a change of mappings: its own run, its own manifest, no Salesforce call.

mod applied;
mod books;
mod lease;
mod pages;

use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use self::lease::Leased;
use crate::Mapper;
use crate::store::StoreError;

pub(crate) use self::books::{Shown, end_all, newest, start};

/// How long to wait before asking the writer again.
const PATIENCE_SECONDS: f64 = 0.3;

/// Why a step of a replay did not work.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("publishing mapped chunks")]
    Publish(#[from] messaging::PublishError),
    #[error("packing mapped chunks")]
    Pack(#[from] std::io::Error),
    #[error("mapping panicked")]
    Panicked(#[from] tokio::task::JoinError),
    #[error("asking the writer what was applied")]
    Writer(#[source] Box<tonic::Status>),
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There is more to do at once.
    Again,
    /// It waits for the writer.
    Wait,
    /// It is over, or not ours any more.
    Over,
}

impl Mapper {
    /// Works on replays until `stopping`.
    pub(crate) async fn replay(self: Arc<Self>, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = self.wake.notified() => {}
                _ = tick.tick() => {}
            }
            loop {
                match self.lease().await {
                    Ok(Some(leased)) => {
                        if let Err(error) = self.drive(leased, &stopping).await {
                            tracing::warn!(
                                error = format!("{:#}", anyhow::Error::from(error)),
                                "replaying; it goes on"
                            );
                            break;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "looking for replays");
                        break;
                    }
                }
            }
        }
    }

    async fn drive(&self, mut leased: Leased, stopping: &CancellationToken) -> Result<(), StepError> {
        if leased.is_mapping && self.map_all(&mut leased, stopping).await? != Step::Again {
            return Ok(());
        }
        match self.look_at_applied(&leased).await? {
            Step::Wait => self.release(&leased, PATIENCE_SECONDS).await?,
            Step::Again | Step::Over => {}
        }
        Ok(())
    }
}
