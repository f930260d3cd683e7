//! Puts the service together and runs it.

use std::sync::Arc;

use anyhow::Context as _;
use contract::auth::v1::connection_service_server::ConnectionServiceServer;
use contract::auth::v1::token_service_server::TokenServiceServer;
use contract::auth::v1::workspace_service_server::WorkspaceServiceServer;
use service::Lifecycle;
use service::credentials::Credentials;
use service::grpc::{Server, peer};
use service::health::Health;
use service::status::Board;
use sqlx::PgPool;

use crate::access::{Timing, Tokens};
use crate::config::{Config, SalesforceApp};
use crate::connect::{Connector, Nudges};
use crate::connections::Connections;
use crate::ending::Endings;
use crate::grpc::{ConnectionApi, TokenApi, WorkspaceApi};
use crate::push::{Peers, Pusher};
use crate::salesforce::{HostRules, Http, Salesforce};
use crate::store::Store;
use crate::store::push::Peer;
use crate::upkeep::Upkeep;
use crate::vault::KeyRing;
use crate::workspaces::Workspaces;

/// Name of the service.
pub const SERVICE: &str = "lanesync-auth";
const FEWEST_CONNECTIONS: u32 = 3;

/// The parts of the service, put together: what answers calls, and what runs beside.
#[derive(Clone, Debug)]
pub struct Auth {
    /// Schema `auth`.
    pub store: Store,
    /// The keys that wrap data keys.
    pub ring: Arc<KeyRing>,
    /// Workspaces and plans.
    pub workspaces: Workspaces,
    /// Connecting.
    pub connector: Connector,
    /// Connections once they are there.
    pub connections: Connections,
    /// Access tokens.
    pub tokens: Tokens,
    /// Tells the peers.
    pub pusher: Pusher,
    /// Ends connections.
    pub endings: Endings,
    /// What nobody asks for.
    pub upkeep: Upkeep,
}

impl Auth {
    /// Puts the parts together.
    #[must_use]
    pub fn new(
        pool: PgPool,
        ring: Arc<KeyRing>,
        salesforce: Salesforce,
        peers: Peers,
        timing: Timing,
        board: Board,
    ) -> Self {
        let (store, salesforce, nudges) = (Store::new(pool), Arc::new(salesforce), Arc::new(Nudges::default()));
        let tokens = Tokens::new(store.clone(), Arc::clone(&ring), Arc::clone(&salesforce), timing, board.clone());
        Self {
            workspaces: Workspaces::new(store.clone(), Arc::clone(&nudges)),
            connector: Connector::new(store.clone(), Arc::clone(&ring), Arc::clone(&salesforce), Arc::clone(&nudges)),
            connections: Connections::new(store.clone(), Arc::clone(&nudges)),
            pusher: Pusher::new(store.clone(), peers, Arc::clone(&nudges), board),
            endings: Endings::new(store.clone(), Arc::clone(&ring), salesforce, nudges),
            upkeep: Upkeep::new(store.clone(), tokens.clone()),
            tokens,
            store,
            ring,
        }
    }

    /// Returns `WorkspaceService`.
    #[must_use]
    pub fn workspace_service(&self) -> WorkspaceServiceServer<WorkspaceApi> {
        WorkspaceApi::server(self.workspaces.clone(), Arc::clone(&self.ring))
    }

    /// Returns `ConnectionService`.
    #[must_use]
    pub fn connection_service(&self) -> ConnectionServiceServer<ConnectionApi> {
        ConnectionApi::server(self.connector.clone(), self.connections.clone(), Arc::clone(&self.ring))
    }

    /// Returns `TokenService`.
    #[must_use]
    pub fn token_service(&self) -> TokenServiceServer<TokenApi> {
        TokenApi::server(self.tokens.clone())
    }
}

/// Returns the board of the service: Postgres decides readiness; peers and Salesforce are for people to see.
#[must_use]
pub fn board() -> Board {
    let board = Board::new(SERVICE, env!("CARGO_PKG_VERSION")).depends_on("postgres", true);
    let others = Peer::ALL.map(Peer::as_str).into_iter().chain(["salesforce"]);
    others.fold(board, |board, name| board.depends_on(name, false))
}

/// Serves until the process is asked to stop.
///
/// # Errors
/// When something that it needs is missing at start, or a task ends unasked.
pub(crate) async fn serve(config: Config) -> anyhow::Result<()> {
    let ring = Arc::new(KeyRing::load(&config.keys.token_keys_file)?);
    let salesforce = salesforce(&config.salesforce, config.redirect_uri())?;
    let credentials = Credentials::load(&config.common.tls)?;
    let to = |url| peer(url, credentials.as_ref());
    let peers = Peers {
        extractor: to(&config.extractor_url)?,
        mapper: to(&config.mapper_url)?,
        writer: to(&config.writer_url)?,
    };
    anyhow::ensure!(
        config.database.database_max_connections >= FEWEST_CONNECTIONS,
        "LANESYNC_DATABASE_MAX_CONNECTIONS is below {FEWEST_CONNECTIONS}: a refresh holds two"
    );
    let pool = service::postgres::connect(&config.database, SERVICE).await?;
    let board = board();
    let auth = Auth::new(pool.clone(), ring, salesforce, peers, Timing::default(), board.clone());
    let health = Health::new().await;
    let server = Server::new(&config.common, &health, &board)?
        .add_service(auth.workspace_service())
        .add_service(auth.connection_service())
        .add_service(auth.token_service());

    let mut tasks = Lifecycle::new(config.common.shutdown_grace);
    let stopping = tasks.stopping();
    tasks.spawn("gRPC", server.serve(tasks.stopping()));
    tasks.spawn("watch Postgres", service::postgres::watch(pool, board, tasks.stopping()));
    tasks.spawn("tell peers", auth.pusher.run(tasks.stopping()));
    tasks.spawn("end connections", auth.endings.run(tasks.stopping()));
    tasks.spawn("upkeep", auth.upkeep.run(tasks.stopping()));
    tasks.spawn("finish calls to Salesforce", async move {
        stopping.cancelled().await;
        // A refresh or a flow that was begun is stored before the process ends.
        auth.tokens.finish().await;
        auth.connector.finish().await;
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
