//! Keeps field and value mappings and the source store; applies them to the stream.
//!
//! A raw chunk goes one way: `intake` stores its images under the mapping in force, `wire` says in Lane's terms
//! what the store now holds of its keys, `chunks` publishes that and settles. A change of mappings goes the other:
//! `saving` previews and saves it, `replay` maps every stored record once more. No Salesforce call in either.

mod apart;
mod api;
mod arr;
mod audit;
mod candidates;
mod chunks;
mod config;
mod describe;
mod erasure;
#[cfg(debug_assertions)]
pub mod fail_point;
mod failures;
mod field_mappings;
mod fields;
mod intake;
mod lists;
mod merge;
mod metrics;
mod outbox;
mod overwrites;
mod plan;
mod preview;
mod raw;
mod reads;
mod records;
mod refusal;
mod registry;
mod replay;
mod rules;
mod saving;
mod sights;
mod source;
mod store;
mod telling;
mod times;
mod upkeep;
mod value_mappings;
mod wire;
mod workspaces;

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use contract::admin::v1::workspace_state_service_server::WorkspaceStateServiceServer;
use contract::extractor::v1::schema_service_client::SchemaServiceClient;
use contract::mapper::v1::erasure_service_server::ErasureServiceServer;
use contract::mapper::v1::mapping_service_server::MappingServiceServer;
use contract::mapper::v1::read_plan_service_server::ReadPlanServiceServer;
use contract::mapper::v1::record_service_server::RecordServiceServer;
use contract::streams::{self, StreamSpec};
use contract::writer::v1::apply_service_client::ApplyServiceClient;
use contract::writer::v1::standing_service_client::StandingServiceClient;
use domain::WorkspaceId;
use messaging::Bus;
use service::Lifecycle;
use service::audit::Broken;
use service::credentials::Credentials;
use service::grpc::{MAX_MESSAGE_BYTES, Peer, peer};
use service::health::Health;
use service::status::Board;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

pub use api::Api;
pub use config::Config;

/// The streams that the mapper reads and writes.
const STREAMS: [StreamSpec; 4] = [streams::RAW, streams::MAPPED, streams::EVENTS, streams::CMD];

/// The process's name.
pub const SERVICE: &str = "lanesync-mapper";

/// What the mapper's tasks and calls share.
#[derive(Debug)]
pub struct Mapper {
    pool: PgPool,
    bus: Bus,
    board: Board,
    extractor: SchemaServiceClient<Peer>,
    writer: ApplyServiceClient<Peer>,
    standing: StandingServiceClient<Peer>,
    max_workspaces_shown: usize,
    rules: rules::RulesCache,
    lists: lists::ListCache,
    sights: sights::Sights,
    sums: arr::SumCache,
    /// Told when a replay or a mapping waits to be worked on.
    wake: Notify,
}

impl Mapper {
    /// Begins with what `config` names as peers.
    ///
    /// # Errors
    /// When the address of a peer is not a URL, or the files of TLS don't hold together.
    pub fn new(config: &Config, pool: PgPool, bus: Bus, board: Board) -> anyhow::Result<Self> {
        let credentials = Credentials::load(&config.common.tls)?;
        let to = |url| peer(url, credentials.as_ref());
        let writer = to(&config.writer_url)?;
        Ok(Self {
            pool,
            bus,
            board,
            extractor: SchemaServiceClient::new(to(&config.extractor_url)?),
            writer: ApplyServiceClient::new(writer.clone()),
            standing: StandingServiceClient::new(writer).max_decoding_message_size(MAX_MESSAGE_BYTES),
            max_workspaces_shown: config.metrics_max_workspaces,
            rules: rules::RulesCache::default(),
            lists: lists::ListCache::default(),
            sights: sights::Sights::default(),
            sums: arr::SumCache::default(),
            wake: Notify::new(),
        })
    }

    /// Maps raw chunks until `stopping`.
    ///
    /// # Errors
    /// When the durable consumer is missing or breaks down for good.
    pub async fn map_chunks(
        self: Arc<Self>,
        batch: usize,
        workers: usize,
        stopping: CancellationToken,
    ) -> anyhow::Result<()> {
        let options = messaging::Options { batch, workers, stage: "mapper" };
        let bus = self.bus.clone();
        messaging::consume(&bus, streams::MAPPER, options, self, stopping).await.context("consuming raw chunks")
    }

    /// Checks the audit log of a workspace and returns the number of its last entry.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn verify_audit(&self, workspace: WorkspaceId) -> anyhow::Result<Result<i64, Broken>> {
        let mut tx = self.transaction(workspace).await?;
        Ok(audit::verify(&mut tx, workspace).await?)
    }

    /// Adds every task but the consumer: replays, the outbox, telling the writer, upkeep.
    pub fn spawn_chores(self: &Arc<Self>, tasks: &mut Lifecycle) {
        tasks.spawn("replay mappings", Arc::clone(self).replay(tasks.stopping()));
        tasks.spawn("tell the writer", Arc::clone(self).tell_all(tasks.stopping()));
        tasks.spawn("look after workspaces", Arc::clone(self).keep_up(tasks.stopping()));
        tasks.spawn("publish the outbox", outbox::publish(self.pool.clone(), self.bus.clone(), tasks.stopping()));
    }
}

/// Runs the process from its arguments to its exit code.
#[must_use]
pub fn launch() -> ExitCode {
    service::launch(SERVICE, env!("CARGO_PKG_VERSION"), run)
}

/// Runs the service until a signal comes or a part of it fails.
///
/// # Errors
/// When Postgres or NATS is not there at the start, or a task ends unasked.
pub async fn run(config: Config) -> anyhow::Result<()> {
    let health = Health::new().await;
    let board = Board::new(SERVICE, env!("CARGO_PKG_VERSION")).depends_on("postgres", true).depends_on("nats", true);
    let pool = service::postgres::connect(&config.database, SERVICE).await?;
    let bus = service::nats::connect(&config.nats, SERVICE).await?;
    messaging::setup::verify(&bus, &STREAMS, &[streams::MAPPER]).await.context("looking at the streams")?;
    let mapper = Arc::new(Mapper::new(&config, pool.clone(), bus.clone(), board.clone())?);

    let mut tasks = Lifecycle::new(config.common.shutdown_grace);
    let server = service::grpc::Server::new(&config.common, &health, &board)?
        .add_service(MappingServiceServer::new(Api::new(Arc::clone(&mapper))))
        .add_service(RecordServiceServer::new(Api::new(Arc::clone(&mapper))))
        .add_service(ErasureServiceServer::new(Api::new(Arc::clone(&mapper))))
        .add_service(ReadPlanServiceServer::new(Api::new(Arc::clone(&mapper))))
        .add_service(WorkspaceStateServiceServer::new(Api::new(Arc::clone(&mapper))));
    tasks.spawn("serve gRPC", server.serve(tasks.stopping()));
    tasks.spawn("watch Postgres", service::postgres::watch(pool, board.clone(), tasks.stopping()));
    tasks.spawn("watch NATS", service::nats::watch(bus.clone(), Some(streams::MAPPER), board, tasks.stopping()));
    tasks.spawn("map chunks", Arc::clone(&mapper).map_chunks(config.batch, config.workers, tasks.stopping()));
    mapper.spawn_chores(&mut tasks);
    let outcome = tasks.run().await;
    bus.drain().await;
    outcome
}
