//! The writer without its process: what `main` serves, and what a test can hold in its hand.

use std::sync::Arc;

use contract::admin::v1::workspace_state_service_server::WorkspaceStateService;
use contract::event::v1::MappedBatch;
use contract::mapper::v1::erasure_service_client::ErasureServiceClient;
use contract::writer::v1::apply_service_server::ApplyService;
use contract::writer::v1::customer_service_server::CustomerService;
use contract::writer::v1::history_service_server::HistoryService;
use contract::writer::v1::parked_service_server::ParkedService;
use contract::writer::v1::standing_service_server::StandingService;
use domain::WorkspaceId;
use messaging::{Bus, Handler, Outcome};
use service::audit::Broken;
use service::grpc::Peer;
use service::status::Board;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::api::{ApplyApi, CustomerApi, HistoryApi, ParkedApi, StandingApi, WorkspaceStateApi};
use crate::apply::{Applier, Verdict};
use crate::chunk::{self, Chunk};
use crate::consumer::Consumer;
use crate::store::audit;
use crate::{erasure, outbox};

/// Keeps customers in one database; cheap to clone.
#[derive(Clone, Debug)]
pub struct Writer {
    pool: PgPool,
    feed: Arc<Notify>,
    orders: Arc<Notify>,
}

impl Writer {
    /// Works on the database of `pool`, whose role is the writer's.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool, feed: Arc::new(Notify::new()), orders: Arc::new(Notify::new()) }
    }

    /// Applies batches as a delivery of the stream would; returns one outcome for each.
    ///
    /// Batches of one workspace that stand together are applied together.
    pub async fn apply(&self, batches: Vec<MappedBatch>) -> Vec<Outcome> {
        self.applier().apply_all(batches.into_iter().map(|batch| chunk::read(batch, None).ok()).collect()).await
    }

    /// Returns the handler of mapped batches; `board` is told how much is in hand.
    #[must_use]
    pub fn consumer(&self, board: Board) -> impl Handler + use<> {
        Consumer::new(self.applier(), board)
    }

    /// Returns the service of customers and contacts.
    #[must_use]
    pub fn customer_service(&self) -> impl CustomerService + use<> {
        CustomerApi::new(self.pool.clone(), Arc::clone(&self.feed), Arc::clone(&self.orders))
    }

    /// Returns the service for extractor and mapper.
    #[must_use]
    pub fn apply_service(&self) -> impl ApplyService + use<> {
        ApplyApi::new(self.pool.clone())
    }

    /// Returns the service of parked records.
    #[must_use]
    pub fn parked_service(&self) -> impl ParkedService + use<> {
        ParkedApi::new(self.pool.clone())
    }

    /// Returns the service of what stands in Lane.
    #[must_use]
    pub fn standing_service(&self) -> impl StandingService + use<> {
        StandingApi::new(self.pool.clone())
    }

    /// Returns the service of what was written when.
    #[must_use]
    pub fn history_service(&self) -> impl HistoryService + use<> {
        HistoryApi::new(self.pool.clone())
    }

    /// Returns the service that auth calls.
    #[must_use]
    pub fn workspace_state_service(&self) -> impl WorkspaceStateService + use<> {
        WorkspaceStateApi::new(self.pool.clone())
    }

    /// Publishes what the change feed gains, until `stopping`.
    ///
    /// # Errors
    /// Never; a failure is logged and tried again.
    pub async fn publish_changes(self, bus: Bus, stopping: CancellationToken) -> anyhow::Result<()> {
        outbox::publish_changes(self.pool, bus, self.feed, stopping).await
    }

    /// Passes erase orders on to the mapper until it has carried them out, until `stopping`.
    ///
    /// # Errors
    /// Never; a failure is logged and tried again.
    pub async fn pass_on_erasures(self, mapper: Peer, stopping: CancellationToken) -> anyhow::Result<()> {
        erasure::pass_on(self.pool, ErasureServiceClient::new(mapper), self.orders, stopping).await
    }

    /// Checks the audit log of a workspace and returns the number of its last entry.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn verify_audit(&self, workspace: WorkspaceId) -> Result<Result<i64, Broken>, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        service::postgres::in_workspace(&mut transaction, workspace).await?;
        audit::verify(&mut transaction, workspace).await
    }

    /// Counts parked records and forgets what is too old, until `stopping`.
    ///
    /// # Errors
    /// Never; a failure is logged and tried again.
    pub async fn keep_house(self, stopping: CancellationToken) -> anyhow::Result<()> {
        outbox::keep_house(self.pool, stopping).await
    }

    fn applier(&self) -> Applier {
        Applier::new(self.pool.clone(), Arc::clone(&self.feed))
    }
}

impl Applier {
    /// Applies chunks, those of one workspace together. A chunk that could not be read is rejected.
    pub(crate) async fn apply_all(&self, chunks: Vec<Option<Chunk>>) -> Vec<Outcome> {
        let mut outcomes = vec![Outcome::Reject { reason: "message_invalid" }; chunks.len()];
        let mut readable: Vec<(usize, Chunk)> =
            chunks.into_iter().enumerate().filter_map(|(place, chunk)| Some((place, chunk?))).collect();
        // Stable, so that the chunks of a workspace stay in their order.
        readable.sort_by_key(|(_, chunk)| chunk.workspace);
        for group in readable.chunk_by(|(_, a), (_, b)| a.workspace == b.workspace) {
            let workspace: Option<WorkspaceId> = group.first().map(|(_, chunk)| chunk.workspace);
            let Some(workspace) = workspace else { continue };
            let together: Vec<_> = group.iter().map(|(_, chunk)| chunk).collect();
            let verdicts = self.apply(workspace, &together).await;
            for ((place, _), verdict) in group.iter().zip(verdicts) {
                outcomes[*place] = verdict.into();
            }
        }
        outcomes
    }
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Done => Self::Done,
            Verdict::Again(reason) => Self::Retry { reason },
        }
    }
}
