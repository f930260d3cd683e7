//! One workspace's world: a database, a Salesforce, three peers, and as many replicas of auth as a test wants.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth::access::Timing;
use auth::push::Peers;
use auth::salesforce::{HostRules, Http, Salesforce};
use auth::serve::Auth;
use auth::vault::KeyRing;
use contract::admin::v1::workspace_state_service_server::{WorkspaceStateService, WorkspaceStateServiceServer};
use contract::admin::v1::{SetWorkspaceStateRequest, SetWorkspaceStateResponse};
use contract::auth::v1 as wire;
use contract::auth::v1::connection_service_client::ConnectionServiceClient;
use contract::auth::v1::connection_service_server::ConnectionServiceServer;
use contract::auth::v1::token_service_client::TokenServiceClient;
use contract::auth::v1::token_service_server::TokenServiceServer;
use contract::auth::v1::workspace_service_client::WorkspaceServiceClient;
use contract::auth::v1::workspace_service_server::WorkspaceServiceServer;
use contract::common::v1::Plan;
use contract::error::Reason;
use domain::WorkspaceId;
use salesforce_sim::{AppSpec, Config, Simulator};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use testkit::{Role, TestDatabase};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Request, Response, Status};
use url::Url;

pub(crate) const LIMIT: Duration = Duration::from_secs(20);
pub(crate) const K1: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
pub(crate) const K2: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
pub(crate) const REDIRECT_URI: &str = "https://lane.example/integrations/salesforce/callback";

/// Short pauses: the rules are the same, only sooner.
pub(crate) fn quick() -> Timing {
    Timing {
        doubt: Duration::from_millis(300),
        first_pause: Duration::from_millis(50),
        longest_pause: Duration::from_millis(400),
        limit_pause: Duration::from_millis(100),
        ..Timing::default()
    }
}

pub(crate) fn ring(keys: &[(&str, &str)]) -> Arc<KeyRing> {
    let keys: Vec<_> = keys.iter().map(|(id, key)| serde_json::json!({ "id": id, "key": key })).collect();
    Arc::new(KeyRing::parse(&serde_json::json!({ "keys": keys }).to_string()).unwrap())
}

/// A peer that remembers what it was told, and is away when told to be.
#[derive(Clone, Default)]
pub(crate) struct Peer {
    told: Arc<Mutex<Vec<SetWorkspaceStateRequest>>>,
    away: Arc<Mutex<bool>>,
}

impl Peer {
    pub(crate) fn told(&self, workspace: WorkspaceId) -> Vec<SetWorkspaceStateRequest> {
        let id = workspace.to_string();
        self.told.lock().unwrap().iter().filter(|state| state.workspace_id == id).cloned().collect()
    }

    pub(crate) fn newest(&self, workspace: WorkspaceId) -> Option<SetWorkspaceStateRequest> {
        self.told(workspace).into_iter().max_by_key(|state| state.revision)
    }

    pub(crate) fn be_away(&self, away: bool) {
        *self.away.lock().unwrap() = away;
    }
}

#[tonic::async_trait]
impl WorkspaceStateService for Peer {
    async fn set_workspace_state(
        &self,
        request: Request<SetWorkspaceStateRequest>,
    ) -> Result<Response<SetWorkspaceStateResponse>, Status> {
        if *self.away.lock().unwrap() {
            return Err(Status::unavailable("away"));
        }
        let state = request.into_inner();
        let revision = state.revision;
        self.told.lock().unwrap().push(state);
        Ok(Response::new(SetWorkspaceStateResponse { revision }))
    }
}

/// One process of auth.
pub(crate) struct Replica {
    pub(crate) auth: Auth,
    pub(crate) workspaces: WorkspaceServiceClient<WorkspaceServiceServer<auth::grpc::WorkspaceApi>>,
    pub(crate) connections: ConnectionServiceClient<ConnectionServiceServer<auth::grpc::ConnectionApi>>,
    pub(crate) tokens: TokenServiceClient<TokenServiceServer<auth::grpc::TokenApi>>,
    _tasks: JoinSet<anyhow::Result<()>>,
}

pub(crate) struct World {
    pub(crate) db: TestDatabase,
    pub(crate) admin: PgPool,
    pub(crate) sim: Simulator,
    pub(crate) extractor: Peer,
    pub(crate) mapper: Peer,
    pub(crate) writer: Peer,
    peers: Peers,
    _servers: JoinSet<()>,
}

pub(crate) fn app() -> AppSpec {
    AppSpec { redirect_uris: vec![REDIRECT_URI.to_owned()], pkce_required: true, ..AppSpec::default() }
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn rotating() -> Self {
        Self::with(Config { apps: vec![AppSpec { rotation: true, ..app() }], ..Config::default() }).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let db = testkit::database().await;
        let admin = db.admin_pool().await;
        let apps = if config.apps == [AppSpec::default()] { vec![app()] } else { config.apps.clone() };
        let sim = Simulator::start(Config { apps, ..config });
        let mut servers = JoinSet::new();
        let (extractor, mapper, writer) = (Peer::default(), Peer::default(), Peer::default());
        let peers = Peers {
            extractor: serve(&extractor, &mut servers).await,
            mapper: serve(&mapper, &mut servers).await,
            writer: serve(&writer, &mut servers).await,
        };
        Self { db, admin, sim, extractor, mapper, writer, peers, _servers: servers }
    }

    pub(crate) fn peer_list(&self) -> [&Peer; 3] {
        [&self.extractor, &self.mapper, &self.writer]
    }

    pub(crate) async fn replica(&self) -> Replica {
        self.replica_with(ring(&[("k1", K1)]), quick()).await
    }

    pub(crate) async fn replica_with(&self, ring: Arc<KeyRing>, timing: Timing) -> Replica {
        let mut replica = self.idle_replica(ring, timing).await;
        let stopping = CancellationToken::new();
        replica._tasks.spawn(replica.auth.pusher.clone().run(stopping.clone()));
        replica._tasks.spawn(replica.auth.endings.clone().run(stopping));
        replica
    }

    /// A replica whose background tasks don't run.
    pub(crate) async fn idle_replica(&self, ring: Arc<KeyRing>, timing: Timing) -> Replica {
        let pool =
            PgPoolOptions::new().max_connections(8).connect(&self.db.url(Role::Auth)).await.expect("Postgres answers");
        let auth = Auth::new(pool, ring, self.salesforce(), self.peers.clone(), timing, auth::serve::board());
        Replica {
            workspaces: WorkspaceServiceClient::new(auth.workspace_service()),
            connections: ConnectionServiceClient::new(auth.connection_service()),
            tokens: TokenServiceClient::new(auth.token_service()),
            auth,
            _tasks: JoinSet::new(),
        }
    }

    pub(crate) fn salesforce(&self) -> Salesforce {
        let rules = HostRules::new(&self.sim.url(), true).unwrap();
        let app = AppSpec::default();
        let http = Http::new(None, true).unwrap();
        Salesforce::new(http, Arc::new(rules), app.client_id, app.client_secret.into(), REDIRECT_URI.to_owned())
    }

    /// What a browser does with the address: a person says yes (or no), and Salesforce calls back.
    pub(crate) async fn visit(
        &self,
        authorize_url: &str,
        decision: &str,
        org: Option<&str>,
    ) -> wire::CompleteAuthorizationRequest {
        let mut url = Url::parse(authorize_url).unwrap();
        url.query_pairs_mut().append_pair("sim_auto", decision).append_pair("sim_org", org.unwrap_or_default());
        let browser =
            reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy().build().unwrap();
        let answer = browser.get(url).send().await.unwrap();
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        let callback = Url::parse(&location).expect("Salesforce calls back");
        let value = |name: &str| {
            callback.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        wire::CompleteAuthorizationRequest {
            state: value("state"),
            code: value("code"),
            error: value("error"),
            error_description: value("error_description"),
            issuer: value("iss"),
        }
    }

    pub(crate) fn token_calls(&self, grant_type: &str) -> u64 {
        self.sim.stats().token_calls.get(grant_type).copied().unwrap_or(0)
    }
}

async fn serve(peer: &Peer, servers: &mut JoinSet<()>) -> service::grpc::Peer {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tonic::transport::Server::builder().add_service(WorkspaceStateServiceServer::new(peer.clone()));
    let incoming = tonic::transport::server::TcpIncoming::from(listener);
    servers.spawn(async move { server.serve_with_incoming(incoming).await.expect("a peer serves") });
    service::grpc::peer(&format!("http://{address}"), None).unwrap()
}

impl Replica {
    pub(crate) async fn workspace(&mut self, plan: Plan) -> WorkspaceId {
        let request = wire::CreateWorkspaceRequest {
            workspace_id: String::new(),
            display_name: "Acme".to_owned(),
            plan: plan.into(),
        };
        self.workspaces.create_workspace(request).await.unwrap().into_inner().id.parse().unwrap()
    }

    pub(crate) async fn begin(&mut self, workspace: WorkspaceId) -> Result<wire::AuthorizeConnectionResponse, Status> {
        self.begin_with(wish(workspace)).await
    }

    pub(crate) async fn begin_with(
        &mut self,
        wish: wire::AuthorizeConnectionRequest,
    ) -> Result<wire::AuthorizeConnectionResponse, Status> {
        self.connections.authorize_connection(wish).await.map(Response::into_inner)
    }

    pub(crate) async fn complete(
        &mut self,
        callback: wire::CompleteAuthorizationRequest,
    ) -> Result<wire::Connection, Status> {
        self.connections.complete_authorization(callback).await.map(Response::into_inner)
    }

    /// Connects by the web flow.
    pub(crate) async fn connect(&mut self, world: &World, workspace: WorkspaceId) -> wire::Connection {
        let begun = self.begin(workspace).await.unwrap();
        let callback = world.visit(&begun.authorize_url, "allow", None).await;
        self.complete(callback).await.unwrap()
    }

    /// A workspace on Business, connected.
    pub(crate) async fn connected(&mut self, world: &World) -> WorkspaceId {
        let workspace = self.workspace(Plan::Business).await;
        self.connect(world, workspace).await;
        workspace
    }

    pub(crate) async fn connection(&mut self, workspace: WorkspaceId) -> wire::Connection {
        let request = wire::GetConnectionRequest { workspace_id: workspace.to_string() };
        self.connections.get_connection(request).await.unwrap().into_inner()
    }

    pub(crate) async fn token(&mut self, workspace: WorkspaceId, rejected: i64) -> Result<wire::AccessToken, Status> {
        let request =
            wire::GetAccessTokenRequest { workspace_id: workspace.to_string(), rejected_generation: rejected };
        self.tokens.get_access_token(request).await.map(Response::into_inner)
    }

    /// Asks until there is a token, or a failure that does not pass by itself.
    pub(crate) async fn token_at_last(
        &mut self,
        workspace: WorkspaceId,
        rejected: i64,
    ) -> Result<wire::AccessToken, Status> {
        let client = self.tokens.clone();
        testkit::eventually(LIMIT, "a token or a final no", || {
            let mut client = client.clone();
            let request =
                wire::GetAccessTokenRequest { workspace_id: workspace.to_string(), rejected_generation: rejected };
            async move {
                match client.get_access_token(request).await {
                    Err(status) if status.code() == Code::Unavailable => None,
                    other => Some(other.map(Response::into_inner)),
                }
            }
        })
        .await
    }

    pub(crate) async fn disconnect(&mut self, workspace: WorkspaceId, purge: bool) -> Result<wire::Connection, Status> {
        let request =
            wire::DisconnectConnectionRequest { workspace_id: workspace.to_string(), purge, actor: "bo".to_owned() };
        self.connections.disconnect_connection(request).await.map(Response::into_inner)
    }

    pub(crate) async fn wait_for_state(&mut self, workspace: WorkspaceId, state: wire::GrantState) -> wire::Connection {
        let client = self.connections.clone();
        testkit::eventually(LIMIT, &format!("state {state:?}"), || {
            let mut client = client.clone();
            async move {
                let request = wire::GetConnectionRequest { workspace_id: workspace.to_string() };
                let connection = client.get_connection(request).await.unwrap().into_inner();
                (connection.state == i32::from(state)).then_some(connection)
            }
        })
        .await
    }
}

pub(crate) fn wish(workspace: WorkspaceId) -> wire::AuthorizeConnectionRequest {
    wire::AuthorizeConnectionRequest {
        workspace_id: workspace.to_string(),
        environment: "production".to_owned(),
        start_at: None,
        actor: "ann".to_owned(),
        confirm_org_switch: false,
    }
}

/// The reason that a refusal carries.
pub(crate) fn reason<T: std::fmt::Debug>(answer: Result<T, Status>) -> Reason {
    let status = answer.expect_err("a refusal");
    Reason::of(&status).unwrap_or_else(|| panic!("{status:?} carries no reason"))
}
