//! Tells extractor, mapper and writer of every change of a workspace, until each has answered.
//!
//! What is owed stands in `auth.push`, so a restart owes it still. At start everybody is told once more: a peer that came
//! back from a backup may know less than it said.

use std::sync::Arc;
use std::time::Duration;

use contract::admin::v1::SetWorkspaceStateRequest;
use contract::admin::v1::workspace_state_service_client::WorkspaceStateServiceClient;
use contract::common::v1 as wire;
use contract::convert::to_wire_time;
use domain::WorkspaceId;
use jiff::Timestamp;
use service::status::Board;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::connect::Nudges;
use crate::store::push::{self, Due, Peer};
use crate::store::state::{self, State};
use crate::store::{Store, StoreError, ending};

const TICK: Duration = Duration::from_millis(500);
const LEASE: Duration = Duration::from_secs(30);
const DEADLINE: Duration = Duration::from_secs(10);
const MOST_CALLS: usize = 64;
const FIRST_PAUSE: Duration = Duration::from_millis(250);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// At start peers are told again within this time, so that a restart is no storm.
const RETELL_SPREAD: Duration = Duration::from_secs(10);

/// The way to the peers.
#[derive(Clone, Debug)]
pub struct Peers {
    /// `lanesync-extractor`.
    pub extractor: service::grpc::Peer,
    /// `lanesync-mapper`.
    pub mapper: service::grpc::Peer,
    /// `lanesync-customer-writer`.
    pub writer: service::grpc::Peer,
}

impl Peers {
    fn of(&self, peer: Peer) -> WorkspaceStateServiceClient<service::grpc::Peer> {
        WorkspaceStateServiceClient::new(match peer {
            Peer::Extractor => self.extractor.clone(),
            Peer::Mapper => self.mapper.clone(),
            Peer::Writer => self.writer.clone(),
        })
    }
}

/// Tells the peers.
#[derive(Clone, Debug)]
pub struct Pusher {
    store: Store,
    peers: Peers,
    nudges: Arc<Nudges>,
    board: Board,
}

/// Why a peer does not know yet.
#[derive(Debug, thiserror::Error)]
enum PushError {
    #[error("telling {peer} (gRPC code {code:?})")]
    Peer { peer: &'static str, code: tonic::Code },
    #[error("{peer} says it knows revision {known} after being told {told}")]
    NotTaken { peer: &'static str, told: i64, known: i64 },
    #[error("there is no state to tell")]
    NoState,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for PushError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Pusher {
    /// Puts the parts together; `board` learns which peers answer.
    #[must_use]
    pub fn new(store: Store, peers: Peers, nudges: Arc<Nudges>, board: Board) -> Self {
        Self { store, peers, nudges, board }
    }

    /// Tells what is owed, until `stopping`.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let (mut retold, mut calls) = (false, JoinSet::new());
        while !stopping.is_cancelled() {
            if !retold {
                retold = self.retell().await.is_ok();
            }
            while calls.try_join_next().is_some() {}
            if let Err(error) = self.take_up(&mut calls).await {
                tracing::error!(error = ?error, "what is owed to peers could not be read; tried again");
            }
            tokio::select! {
                () = stopping.cancelled() => {}
                () = self.nudges.push.notified() => {}
                Some(_) = calls.join_next(), if calls.len() >= MOST_CALLS => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
        // Calls that are cut off here are still owed.
        Ok(())
    }

    async fn retell(&self) -> Result<(), StoreError> {
        let mut conn = self.store.pool().acquire().await?;
        push::retell_all(&mut conn, Timestamp::now(), RETELL_SPREAD).await
    }

    /// Begins the calls that are due, as long as there are not too many: a peer that does not answer holds its own
    /// calls up, not those of others.
    async fn take_up(&self, calls: &mut JoinSet<()>) -> Result<(), StoreError> {
        let room = MOST_CALLS.saturating_sub(calls.len());
        if room == 0 {
            return Ok(());
        }
        let limit = i64::try_from(room).unwrap_or(i64::MAX);
        let mut conn = self.store.pool().acquire().await?;
        for due in push::take_due(&mut conn, Timestamp::now(), LEASE, limit).await? {
            let pusher = self.clone();
            calls.spawn(async move { pusher.tell_or_postpone(&due).await });
        }
        Ok(())
    }

    async fn tell_or_postpone(&self, due: &Due) {
        let Err(error) = self.tell(due).await else {
            self.board.up(due.peer.as_str());
            return;
        };
        if let PushError::Peer { .. } | PushError::NotTaken { .. } = error {
            self.board.down(due.peer.as_str(), "not_told");
        }
        tracing::warn!(workspace = %due.workspace, peer = due.peer.as_str(), error = %error, "a peer is told later");
        let postponed = async {
            let mut conn = self.store.pool().acquire().await?;
            push::postpone(&mut conn, due, Timestamp::now() + pause(due.failures)).await
        };
        if let Err(error) = postponed.await {
            // The lease runs out by itself, so the peer is told all the same.
            tracing::error!(error = ?error, "noting that a peer did not answer");
        }
    }

    async fn tell(&self, due: &Due) -> Result<(), PushError> {
        let mut acknowledged = due.acknowledged;
        loop {
            let mut conn = self.store.begin(due.workspace).await?;
            let next = state::next_for(&mut conn, due.workspace, acknowledged).await?.ok_or(PushError::NoState)?;
            conn.commit().await?;
            let told = next.revision;
            self.call(due, next).await?;
            acknowledged = acknowledged.max(told);

            let mut conn = self.store.begin(due.workspace).await?;
            push::acknowledge(&mut conn, due, told).await?;
            state::forget_known(&mut conn, due.workspace).await?;
            ending::hasten(&mut conn, due.workspace, Timestamp::now()).await?;
            conn.commit().await?;
            self.nudges.ending.notify_one();
            if acknowledged >= due.wanted {
                return Ok(());
            }
        }
    }

    async fn call(&self, due: &Due, state: State) -> Result<(), PushError> {
        let (peer, told) = (due.peer.as_str(), state.revision);
        let mut request = tonic::Request::new(request_of(due.workspace, state));
        request.set_timeout(DEADLINE);
        let mut client = self.peers.of(due.peer);
        let answer = tokio::time::timeout(DEADLINE, client.set_workspace_state(request)).await;
        let answer = answer.map_err(|_| PushError::Peer { peer, code: tonic::Code::DeadlineExceeded })?;
        let known = answer.map_err(|status| PushError::Peer { peer, code: status.code() })?.into_inner().revision;
        if known < told { Err(PushError::NotTaken { peer, told, known }) } else { Ok(()) }
    }
}

fn request_of(workspace: WorkspaceId, state: State) -> SetWorkspaceStateRequest {
    SetWorkspaceStateRequest {
        workspace_id: workspace.to_string(),
        revision: state.revision,
        epoch: state.epoch,
        plan: wire::Plan::from(state.plan).into(),
        connected: state.connected,
        org_id: state.org_id,
        instance_url: state.instance_url,
        start_at: state.start_at.map(to_wire_time),
        purge: state.purge,
    }
}

fn pause(failures: i32) -> Duration {
    let doubled = FIRST_PAUSE * 2_u32.saturating_pow(failures.clamp(0, 16).unsigned_abs());
    doubled.min(LONGEST_PAUSE).mul_f64(0.8 + 0.2 * rand::random::<f64>())
}
