//! What has to be done though nobody asks: idle refreshes, tokens that wait to be stored, the audit logs.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;

use crate::access::{AccessError, Tokens};
use crate::store::{Store, StoreError, audit, schedule, workspace};

const TICK: Duration = Duration::from_secs(5);
/// A refresh that fails for a reason that passes is tried again after this.
const LEASE: Duration = Duration::from_secs(3_600);
const BATCH: i64 = 16;
/// Every so many ticks the audit log is checked: once an hour.
const TICKS_PER_AUDIT: u64 = 720;
/// Workspaces listed at once.
const PAGE: i64 = 500;

/// Keeps connections alive.
#[derive(Clone, Debug)]
pub struct Upkeep {
    store: Store,
    tokens: Tokens,
}

impl Upkeep {
    /// Puts the parts together.
    #[must_use]
    pub fn new(store: Store, tokens: Tokens) -> Self {
        Self { store, tokens }
    }

    /// Goes on until `stopping`.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut ticks: u64 = 0;
        while !stopping.is_cancelled() {
            self.tokens.store_unsaved().await;
            ticks += 1;
            let outcome = match ticks % TICKS_PER_AUDIT {
                0 => self.audit().await,
                _ => self.refresh_idle(Timestamp::now()).await.map(|_| ()),
            };
            if let Err(error) = outcome {
                tracing::error!(error = ?error, "upkeep failed; tried again");
            }
            tokio::select! {
                () = stopping.cancelled() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
        Ok(())
    }

    /// Forgets old entries of every audit log and checks the others.
    async fn audit(&self) -> Result<(), StoreError> {
        let mut chains = vec![audit::OPERATOR];
        while let Some(last) = chains.last().copied() {
            for chain in &chains {
                let mut conn = self.store.begin(*chain).await?;
                audit::forget_old(&mut conn, *chain).await?;
                if let Err(broken) = audit::verify(&mut conn, *chain).await? {
                    tracing::error!(workspace = %chain, entry = broken.number, "the audit log was changed");
                }
                conn.commit().await?;
            }
            // The operator's chain has the lowest id of all.
            let mut conn = self.store.pool().acquire().await?;
            chains = workspace::ids(&mut conn, last, PAGE).await?;
        }
        Ok(())
    }

    /// Refreshes what nobody refreshed for long. Returns how many connections were due.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn refresh_idle(&self, now: Timestamp) -> Result<usize, StoreError> {
        let mut conn = self.store.pool().acquire().await?;
        let due = schedule::take_due(&mut conn, now, LEASE, BATCH).await?;
        drop(conn);
        for workspace in &due {
            match self.tokens.refresh_idle(*workspace).await {
                Ok(()) => {}
                // Noted where it was found, and off the schedule.
                Err(AccessError::Revoked(_) | AccessError::NotConnected(_) | AccessError::UnknownWorkspace(_)) => {}
                Err(error) => tracing::warn!(%workspace, error = %error, "an idle connection is refreshed later"),
            }
        }
        Ok(due.len())
    }
}
