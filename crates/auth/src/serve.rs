//! Puts the service together and runs it.

use std::sync::Arc;

use anyhow::Context as _;
use service::Lifecycle;
use service::grpc::{Server, peer};
use service::health::Health;
use service::status::Board;

use crate::access::{Timing, Tokens};
use crate::config::{Config, SalesforceApp};
use crate::connect::{Connector, Nudges};
use crate::connections::Connections;
use crate::ending::Endings;
use crate::grpc::{ConnectionApi, TokenApi, WorkspaceApi};
use crate::push::{Peers, Pusher};
use crate::salesforce::{HostRules, Http, Salesforce};
use crate::store::Store;
use crate::upkeep::Upkeep;
use crate::vault::KeyRing;
use crate::workspaces::Workspaces;

/// Name of the service.
pub const SERVICE: &str = "lanesync-auth";

/// Serves until the process is asked to stop.
///
/// # Errors
/// When something that it needs is missing at start, or a task ends unasked.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    let ring = Arc::new(KeyRing::load(&config.keys.token_keys_file)?);
    let salesforce = Arc::new(salesforce(&config.salesforce, config.redirect_uri())?);
    let peers = Peers {
        extractor: peer(&config.extractor_url)?,
        mapper: peer(&config.mapper_url)?,
        writer: peer(&config.writer_url)?,
    };
    let pool = service::postgres::connect(&config.database, SERVICE).await?;

    let store = Store::new(pool.clone());
    let nudges = Arc::new(Nudges::default());
    let tokens = Tokens::new(store.clone(), Arc::clone(&ring), Arc::clone(&salesforce), Timing::default());
    let connector = Connector::new(store.clone(), Arc::clone(&ring), Arc::clone(&salesforce), Arc::clone(&nudges));
    let connections = Connections::new(store.clone(), Arc::clone(&nudges));
    let workspaces = Workspaces::new(store.clone(), Arc::clone(&nudges));
    let endings = Endings::new(store.clone(), Arc::clone(&ring), salesforce, Arc::clone(&nudges));

    let health = Health::new().await;
    let board = Board::new(SERVICE, env!("CARGO_PKG_VERSION")).depends_on("postgres", true);
    let server = Server::new(&config.common, &health, &board)?
        .add_service(WorkspaceApi::server(workspaces, Arc::clone(&ring)))
        .add_service(ConnectionApi::server(connector.clone(), connections, ring))
        .add_service(TokenApi::server(tokens.clone()));

    let mut tasks = Lifecycle::new(config.common.shutdown_grace);
    let stopping = tasks.stopping();
    tasks.spawn("gRPC", server.serve(tasks.stopping()));
    tasks.spawn("watch Postgres", service::postgres::watch(pool, board, tasks.stopping()));
    tasks.spawn("tell peers", Pusher::new(store.clone(), peers, nudges).run(tasks.stopping()));
    tasks.spawn("end connections", endings.run(tasks.stopping()));
    tasks.spawn("upkeep", Upkeep::new(store, tokens.clone()).run(tasks.stopping()));
    tasks.spawn("finish calls to Salesforce", async move {
        stopping.cancelled().await;
        // A refresh or a flow that was begun is stored before the process ends.
        tokens.finish().await;
        connector.finish().await;
        Ok(())
    });
    tasks.run().await
}

/// Builds the way to Salesforce.
///
/// # Errors
/// When the login URL, the CA file or the secret file is wrong.
pub fn salesforce(config: &SalesforceApp, redirect_uri: String) -> anyhow::Result<Salesforce> {
    let rules = HostRules::new(&config.salesforce_login_url, config.salesforce_allow_test_hosts)
        .context("LANESYNC_SALESFORCE_LOGIN_URL is not a host that may be called")?;
    let http = Http::new(config.salesforce_ca_file.as_deref(), config.salesforce_allow_test_hosts)?;
    let secret = service::config::secret(&config.salesforce_client_secret_file)?;
    Ok(Salesforce::new(http, Arc::new(rules), config.salesforce_client_id.clone(), secret, redirect_uri))
}
