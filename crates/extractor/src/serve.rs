//! The whole life of the process.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use contract::admin::v1::workspace_state_service_server::WorkspaceStateServiceServer;
use contract::extractor::v1::access_service_server::AccessServiceServer;
use contract::extractor::v1::schema_service_server::SchemaServiceServer;
use contract::extractor::v1::sync_service_server::SyncServiceServer;
use contract::streams::{CMD, DLQ, EVENTS, EXTRACTOR, RAW};
use messaging::Options;
use service::Lifecycle;
use service::credentials::Credentials;
use service::grpc::Server;
use service::health::Health;
use service::status::Board;

use crate::api::{AccessApi, SchemaApi, SyncApi, WorkspaceStateApi};
use crate::commands::Commands;
use crate::peers::Peers;
use crate::reader::Reader;
use crate::salesforce::host::Hosts;
use crate::salesforce::{Client, ClientOptions};
use crate::{Config, SERVICE};

/// Workspaces that are read at the same time by one process.
const READERS: usize = 4;

/// Runs the process from its arguments to its exit code.
#[must_use]
pub fn launch() -> ExitCode {
    service::launch(SERVICE, env!("CARGO_PKG_VERSION"), serve)
}

/// Runs the extractor until it is asked to stop.
///
/// # Errors
/// When Postgres or NATS can't be reached or are not in shape, or a task fails.
async fn serve(config: Config) -> anyhow::Result<()> {
    let health = Health::new().await;
    let board = Board::new(SERVICE, env!("CARGO_PKG_VERSION")).depends_on("postgres", true).depends_on("nats", true);
    let pool = service::postgres::connect(&config.database, SERVICE).await?;
    let bus = service::nats::connect(&config.nats, SERVICE).await?;
    messaging::setup::verify(&bus, &[RAW, EVENTS, CMD, DLQ], &[EXTRACTOR]).await.context("checking the streams")?;
    let credentials = Credentials::load(&config.common.tls)?;
    let peers = Peers::new(&config.auth_url, &config.mapper_url, &config.writer_url, credentials.as_ref())?;
    let client = Client::new(peers.tokens.clone(), client_options(&config)?).context("making the Salesforce client")?;
    let reader = Reader::new(pool.clone(), bus.clone(), peers, client, config.pace());

    let server = Server::new(&config.common, &health, &board)?
        .add_service(SchemaServiceServer::new(SchemaApi::new(reader.clone())))
        .add_service(AccessServiceServer::new(AccessApi::new(reader.clone())))
        .add_service(SyncServiceServer::new(SyncApi::new(reader.clone())))
        .add_service(WorkspaceStateServiceServer::new(WorkspaceStateApi::new(reader.clone())));
    let mut tasks = Lifecycle::new(config.common.shutdown_grace);
    for _ in 0..READERS {
        tasks.spawn("read", reader.another().serve(tasks.stopping()));
    }
    let options = Options { batch: 16, workers: 1, stage: "extractor" };
    let (consumer_bus, stopping) = (bus.clone(), tasks.stopping());
    let commands = Arc::new(Commands::new(reader));
    tasks.spawn("take commands", async move {
        messaging::consume(&consumer_bus, EXTRACTOR, options, commands, stopping).await.map_err(anyhow::Error::from)
    });
    tasks.spawn("watch postgres", service::postgres::watch(pool.clone(), board.clone(), tasks.stopping()));
    tasks.spawn("watch nats", service::nats::watch(bus.clone(), None, board, tasks.stopping()));
    tasks.spawn("serve", server.serve(tasks.stopping()));
    let outcome = tasks.run().await;
    bus.drain().await;
    pool.close().await;
    outcome
}

fn client_options(config: &Config) -> anyhow::Result<ClientOptions> {
    let extra_roots = config
        .salesforce_ca_file
        .as_ref()
        .map(|path| std::fs::read(path).with_context(|| format!("reading {}", path.display())))
        .transpose()?;
    Ok(ClientOptions {
        api_version: config.salesforce_api_version.clone(),
        hosts: if config.salesforce_allow_test_hosts { Hosts::Test } else { Hosts::Salesforce },
        extra_roots,
        share_percent: config.salesforce_api_budget_percent,
        usage_believed_for: Duration::from_secs(900),
        patience: 1.0,
    })
}
