//! The whole life of the process.

use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use contract::admin::v1::workspace_state_service_server::WorkspaceStateServiceServer;
use contract::streams::{DLQ, EVENTS, MAPPED, WRITER};
use contract::writer::v1::apply_service_server::ApplyServiceServer;
use contract::writer::v1::customer_service_server::CustomerServiceServer;
use contract::writer::v1::history_service_server::HistoryServiceServer;
use contract::writer::v1::parked_service_server::ParkedServiceServer;
use contract::writer::v1::standing_service_server::StandingServiceServer;
use messaging::Options;
use service::Lifecycle;
use service::credentials::Credentials;
use service::grpc::{Server, peer};
use service::health::Health;
use service::status::Board;

use crate::{Config, SERVICE, VERSION, Writer};

/// Chunks applied in one transaction when they wait; each more saves less of the fixed cost.
const BATCH: usize = 16;
/// One parses while the other's statement runs.
const WORKERS: usize = 2;

/// Runs the process from its arguments to its exit code.
#[must_use]
pub fn launch() -> ExitCode {
    service::launch(SERVICE, VERSION, serve)
}

/// Runs the writer until it is asked to stop.
///
/// # Errors
/// When Postgres or NATS can't be reached or are not in shape, or a task fails.
async fn serve(config: Config) -> anyhow::Result<()> {
    let health = Health::new().await;
    let board = Board::new(SERVICE, VERSION).depends_on("postgres", true).depends_on("nats", true);
    let pool = service::postgres::connect(&config.database, SERVICE).await?;
    let bus = service::nats::connect(&config.nats, SERVICE).await?;
    messaging::setup::verify(&bus, &[MAPPED, EVENTS, DLQ], &[WRITER]).await.context("checking the streams")?;

    let credentials = Credentials::load(&config.common.tls)?;
    let mapper = peer(&config.mapper_url, credentials.as_ref())?;
    let writer = Writer::new(pool.clone());
    let consumer = Arc::new(writer.consumer(board.clone()));
    let server = Server::new(&config.common, &health, &board)?
        .add_service(CustomerServiceServer::new(writer.customer_service()))
        .add_service(ApplyServiceServer::new(writer.apply_service()))
        .add_service(ParkedServiceServer::new(writer.parked_service()))
        .add_service(StandingServiceServer::new(writer.standing_service()))
        .add_service(HistoryServiceServer::new(writer.history_service()))
        .add_service(WorkspaceStateServiceServer::new(writer.workspace_state_service()));

    let mut tasks = Lifecycle::new(config.common.shutdown_grace);
    let options = Options { batch: BATCH, workers: WORKERS, stage: "writer" };
    let (consumer_bus, stopping) = (bus.clone(), tasks.stopping());
    tasks.spawn("apply mapped batches", async move {
        messaging::consume(&consumer_bus, WRITER, options, consumer, stopping).await.map_err(anyhow::Error::from)
    });
    tasks.spawn("publish changes", writer.clone().publish_changes(bus.clone(), tasks.stopping()));
    tasks.spawn("pass erase orders on", writer.clone().pass_on_erasures(mapper, tasks.stopping()));
    tasks.spawn("keep house", writer.keep_house(tasks.stopping()));
    tasks.spawn("watch postgres", service::postgres::watch(pool.clone(), board.clone(), tasks.stopping()));
    tasks.spawn("watch nats", service::nats::watch(bus.clone(), Some(WRITER), board, tasks.stopping()));
    tasks.spawn("serve", server.serve(tasks.stopping()));
    let outcome = tasks.run().await;
    bus.drain().await;
    pool.close().await;
    outcome
}
