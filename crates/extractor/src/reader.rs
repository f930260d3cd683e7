//! Reads Salesforce, turn by turn: claim a workspace, settle what was applied, read some pages, give the turn back.
//!
//! A turn is short, so that one workspace's million records do not keep another's ten waiting; what is left to do stands in
//! the books, so any replica goes on where the last one stopped.

mod bulk;
mod by_id;
mod deletes;
mod fields;
mod memory;
mod page;
mod plan;
mod rest;
mod settle;
mod turn;
mod unseen;

use std::sync::Arc;
use std::time::Duration;

use messaging::{Bus, PublishError};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::describe::Describes;
use crate::peers::Peers;
use crate::salesforce::{CallError, Client, Sessions};
use crate::store::{self, StoreError};

pub(crate) use fields::needs_of;
pub(crate) use memory::Memory;
pub(crate) use plan::work_for;

/// How the reader behaves. The defaults are for production; tests shorten the times.
#[derive(Clone, Debug)]
pub struct Pace {
    /// How far a cursor stays behind Salesforce's clock.
    pub settle: Duration,
    /// How far a poll reaches back.
    pub overlap: Duration,
    /// From this many records on, a bulk job is used.
    pub bulk_threshold: u64,
    /// Rows of one page of a bulk result.
    pub bulk_page_rows: u32,
    /// Pages of one turn.
    pub quantum: usize,
    /// Unsettled chunks of one workspace at most.
    pub max_unsettled: i64,
    /// How long a lease is held without a sign of life.
    pub lease: Duration,
    /// How long a workspace without calls waits before it asks again.
    pub quota_probe: Duration,
    /// How long a paused object, or a workspace in need of a person, waits.
    pub pause: Duration,
    /// Wait after Salesforce or a peer did not answer.
    pub outage: Duration,
    /// When a chunk that is not applied is read again.
    pub overdue: Duration,
    /// How often the delete log is asked at most.
    pub deletes_every: Duration,
    /// How old fields without a stamp may become.
    pub unstamped_every: Duration,
    /// Wait between looks at a bulk job, longer each time.
    pub job_poll: Duration,
    /// Wait between looks for applied chunks.
    pub settle_poll: Duration,
    /// Wait between looks for a due turn.
    pub idle: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(60),
            overlap: Duration::from_secs(900),
            bulk_threshold: 20_000,
            bulk_page_rows: 25_000,
            quantum: 16,
            max_unsettled: 50,
            lease: Duration::from_secs(30),
            quota_probe: Duration::from_secs(900),
            pause: Duration::from_secs(900),
            outage: Duration::from_secs(5),
            overdue: Duration::from_secs(900),
            deletes_every: Duration::from_secs(300),
            unstamped_every: Duration::from_secs(86_400),
            job_poll: Duration::from_secs(1),
            settle_poll: Duration::from_millis(40),
            idle: Duration::from_millis(200),
        }
    }
}

/// Everything that reading needs; cheap to clone.
#[derive(Clone, Debug)]
pub struct Reader {
    pub(crate) pool: PgPool,
    pub(crate) bus: Bus,
    pub(crate) peers: Peers,
    pub(crate) client: Client,
    pub(crate) describes: Describes,
    pub(crate) sessions: Sessions,
    pub(crate) pace: Arc<Pace>,
    pub(crate) memory: Memory,
    pub(crate) id: Uuid,
}

/// Why a turn stopped early. What is in the books stays; the rest is read again.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TurnError {
    /// The books can't be used.
    #[error("using the books")]
    Store(#[from] StoreError),
    /// Salesforce brought nothing.
    #[error("reading Salesforce")]
    Call(#[from] CallError),
    /// A peer brought nothing.
    #[error("asking {peer}")]
    Peer {
        peer: &'static str,
        #[source]
        status: Box<tonic::Status>,
    },
    /// A chunk was not stored.
    #[error("publishing a chunk")]
    Publish(#[from] PublishError),
    /// The writer is behind: reading on would only fill the queue.
    #[error("too many chunks are not applied yet")]
    CatchingUp,
    /// Another reader holds the lease, or the epoch is over.
    #[error("the lease or the epoch is over")]
    Fenced,
}

impl From<sqlx::Error> for TurnError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl TurnError {
    pub(crate) fn peer(peer: &'static str, status: tonic::Status) -> Self {
        Self::Peer { peer, status: Box::new(status) }
    }
}

impl Reader {
    /// Puts a reader together.
    #[must_use]
    pub fn new(pool: PgPool, bus: Bus, peers: Peers, client: Client, pace: Pace) -> Self {
        Self {
            pool,
            bus,
            peers,
            describes: Describes::new(client.clone()),
            client,
            sessions: Sessions::default(),
            pace: Arc::new(pace),
            memory: Memory::default(),
            id: Uuid::now_v7(),
        }
    }

    /// Returns a reader with an identity of its own: several of one process share everything else.
    #[must_use]
    pub fn another(&self) -> Self {
        Self { id: Uuid::now_v7(), ..self.clone() }
    }

    /// Serves turns until `stopping`; the turn in hand is finished.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn serve(self, stopping: CancellationToken) -> anyhow::Result<()> {
        while !stopping.is_cancelled() {
            let served = match self.serve_one(&stopping).await {
                Ok(served) => served,
                Err(error) => {
                    tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), "a turn could not be taken");
                    false
                }
            };
            if !served {
                tokio::select! {
                    () = stopping.cancelled() => {}
                    () = tokio::time::sleep(self.pace.idle) => {}
                }
            }
        }
        Ok(())
    }

    /// Serves one turn; false when nobody's turn has come.
    async fn serve_one(&self, stopping: &CancellationToken) -> Result<bool, StoreError> {
        let mut conn = self.pool.acquire().await?;
        let begun = store::workspace::clock(&mut conn).await?;
        let Some(lease) = store::workspace::claim(&mut conn, self.id, self.pace.lease).await? else {
            return Ok(false);
        };
        drop(conn);
        let pause = self.take_turn(lease, stopping).await;
        let mut conn = self.pool.acquire().await?;
        store::workspace::release(&mut conn, &lease, begun, pause).await?;
        Ok(true)
    }
}
