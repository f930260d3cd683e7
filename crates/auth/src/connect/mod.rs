//! Connecting a workspace to an org: by a person in a browser, or by the app itself.
//!
//! Tokens are stored (sealed, of no connection yet) the moment they come. Only then it is asked whose they are, and only
//! then they become the connection. Whatever goes wrong in between, no grant is forgotten: what did not become a
//! connection is revoked by [`crate::ending`].

mod adopt;
mod callback;
mod state;

use std::sync::Arc;
use std::time::Duration;

use domain::{OrgId, Plan, WorkspaceId};
use jiff::Timestamp;
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::salesforce::{
    Grant, HostNotAllowed, IdentityError, Permanent, Salesforce, SalesforceHost, TokenError, Verifier,
};
use crate::store::connection::{Connection, Flow as GrantFlow};
use crate::store::flow::{self, Flow};
use crate::store::workspace::Standing;
use crate::store::{Store, StoreError, audit, push, traffic, workspace};
use crate::vault::{DataKey, KeyRing, OpenError, Place};

pub use callback::Callback;
use state::FlowState;

/// A flow is over after this long.
const FLOW_LIFE: Duration = Duration::from_secs(600);
/// Flows that lead nowhere: more than this many an hour are refused.
const MOST_UNFINISHED_AN_HOUR: i64 = 10;
const HOUR: Duration = Duration::from_secs(3_600);
/// 1999-01-01T00:00:00Z: Salesforce holds nothing older.
const FIRST_START: Timestamp = Timestamp::constant(915_148_800, 0);

/// What a person wants to connect.
#[derive(Clone, Debug)]
pub struct Wish {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// "production", "sandbox", or a My Domain host.
    pub environment: String,
    /// Replication start date; none: everything.
    pub start_at: Option<Timestamp>,
    /// Who connects.
    pub actor: String,
    /// Whether another org than before is meant.
    pub confirm_org_switch: bool,
}

/// Where to send the person.
#[derive(Clone, Debug)]
pub struct Begun {
    /// Address to open.
    pub authorize_url: String,
    /// Where Salesforce sends the person back to.
    pub redirect_uri: String,
    /// When the flow is over.
    pub expires_at: Timestamp,
}

/// Why there is no connection. Holds no token, code or state.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// There is no such workspace.
    #[error("workspace {0} does not exist")]
    UnknownWorkspace(WorkspaceId),
    /// The plan does not include Salesforce.
    #[error("the plan {} does not include Salesforce", .0.token())]
    PlanRequired(Plan),
    /// An operator stopped all traffic, or that of the workspace.
    #[error("Salesforce traffic is stopped")]
    Stopped,
    /// The start date is before 1999 or in the future.
    #[error("the start date is before 1999-01-01 or in the future")]
    StartDate,
    /// Not a login host.
    #[error("choosing the login host")]
    LoginHost(#[source] HostNotAllowed),
    /// Too many flows that led nowhere.
    #[error("too many flows were begun and not finished")]
    TooMany,
    /// The state is unknown, used, or over.
    #[error("the state is unknown, used, or over")]
    State,
    /// The callback has both code and error, neither, or a code that is none.
    #[error("the callback can't be read")]
    Malformed,
    /// The person said no.
    #[error("the person denied the access")]
    Denied,
    /// Salesforce refused the flow in the callback.
    #[error("Salesforce refused the flow")]
    Refused {
        /// Salesforce's words, without markup, cut at 200 characters.
        words: String,
    },
    /// The app is not installed in the org.
    #[error("the app is not installed in the org")]
    NotApproved,
    /// The token endpoint gave no token.
    #[error("asking for a token")]
    Token(#[source] TokenError),
    /// The org's address is not one that we call.
    #[error("reading the token reply")]
    Instance(#[source] HostNotAllowed),
    /// The reply is of another side or issuer than the flow began with.
    #[error("the reply comes from another host than the flow began with")]
    OtherHost,
    /// It is not known whose grant it is.
    #[error("asking whose grant it is")]
    Identity(#[source] IdentityError),
    /// Another org than before.
    #[error("org {found} is not {bound}, which the workspace holds customers of")]
    OrgMismatch {
        /// The org before.
        bound: OrgId,
        /// The org now.
        found: OrgId,
    },
    /// The verifier does not open.
    #[error("opening the verifier of the flow")]
    Sealed(#[source] OpenError),
    /// Postgres failed.
    #[error("storing the connection")]
    Store(#[from] StoreError),
    /// The task that connected died.
    #[error("connecting was cut off")]
    CutOff,
}

impl From<sqlx::Error> for ConnectError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl From<TokenError> for ConnectError {
    fn from(error: TokenError) -> Self {
        match error {
            TokenError::Permanent(Permanent::AppNotApproved) => Self::NotApproved,
            other => Self::Token(other),
        }
    }
}

/// A workspace, its new connection, and where it stands.
pub type Connected = (WorkspaceId, Connection, Standing);

/// Wakes those who wait for a change to be told.
#[derive(Debug, Default)]
pub struct Nudges {
    /// For the pusher.
    pub push: Notify,
    /// For the one who ends connections.
    pub ending: Notify,
}

/// Connects workspaces.
#[derive(Clone)]
pub struct Connector(Arc<Inner>);

struct Inner {
    store: Store,
    ring: Arc<KeyRing>,
    salesforce: Arc<Salesforce>,
    nudges: Arc<Nudges>,
    tasks: TaskTracker,
}

/// How long a new connection waits until every peer knows of it.
const TOLD_PATIENCE: Duration = Duration::from_secs(3);
/// How often it looks.
const TOLD_GLANCE: Duration = Duration::from_millis(20);

impl Inner {
    async fn all_know(&self, workspace: WorkspaceId, revision: i64) -> Result<bool, StoreError> {
        let mut conn = self.store.begin(workspace).await?;
        let known = push::all_know(&mut conn, workspace, revision).await?;
        conn.commit().await?;
        Ok(known)
    }
}

impl Connector {
    /// Puts the parts together.
    #[must_use]
    pub fn new(store: Store, ring: Arc<KeyRing>, salesforce: Arc<Salesforce>, nudges: Arc<Nudges>) -> Self {
        Self(Arc::new(Inner { store, ring, salesforce, nudges, tasks: TaskTracker::new() }))
    }

    /// Begins the web-server flow.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn authorize(&self, wish: &Wish, now: Timestamp) -> Result<Begun, ConnectError> {
        self.0.authorize(wish, now).await
    }

    /// Waits a few seconds until every peer knows of a connection, so that whoever connects can go on at once.
    ///
    /// A peer that is down is told when it comes back; nobody waits for it here.
    pub async fn told(&self, (workspace, _, standing): &Connected) {
        let told = async {
            loop {
                match self.0.all_know(*workspace, standing.revision).await {
                    Ok(false) => tokio::time::sleep(TOLD_GLANCE).await,
                    // An error here takes nothing away from the connection, which is stored.
                    Ok(true) | Err(_) => return,
                }
            }
        };
        let _ = tokio::time::timeout(TOLD_PATIENCE, told).await;
    }

    /// Finishes a flow with what the callback brought. It goes on if the caller leaves: the code counts only once.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn complete(&self, callback: Callback) -> Result<Connected, ConnectError> {
        let inner = Arc::clone(&self.0);
        let task = self.0.tasks.spawn(async move { inner.complete(callback).await });
        task.await.map_err(|_| ConnectError::CutOff)?
    }

    /// Connects by the client-credentials flow.
    ///
    /// # Errors
    /// [`ConnectError`].
    pub async fn client_credentials(&self, wish: Wish) -> Result<Connected, ConnectError> {
        let inner = Arc::clone(&self.0);
        let task = self.0.tasks.spawn(async move { inner.client_credentials(wish).await });
        task.await.map_err(|_| ConnectError::CutOff)?
    }

    /// Waits until no flow is being finished; none begins after.
    pub async fn finish(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl std::fmt::Debug for Connector {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Connector")
    }
}

/// Checks a start date.
///
/// # Errors
/// When it is before 1999 or in the future.
pub fn check_start(start_at: Option<Timestamp>, now: Timestamp) -> Result<(), ConnectError> {
    let is_good = start_at.is_none_or(|start| FIRST_START <= start && start <= now);
    if is_good { Ok(()) } else { Err(ConnectError::StartDate) }
}

impl Inner {
    async fn authorize(&self, wish: &Wish, now: Timestamp) -> Result<Begun, ConnectError> {
        let workspace = wish.workspace;
        let mut conn = self.store.begin(workspace).await?;
        self.may_connect(&mut conn, workspace).await?;
        check_start(wish.start_at, now)?;
        let login = self.salesforce.rules().login(&wish.environment).map_err(ConnectError::LoginHost)?;
        if flow::count_unfinished(&mut conn, workspace, now - HOUR).await? >= MOST_UNFINISHED_AN_HOUR {
            return Err(ConnectError::TooMany);
        }

        let (state, verifier) = (FlowState::generate(workspace), Verifier::generate());
        let place = Place { workspace, connection: Uuid::now_v7(), epoch: 0 };
        let key = DataKey::generate();
        let begun = Flow {
            id: place.connection,
            workspace,
            state_hash: state.hash(),
            login_url: login.as_str().to_owned(),
            key: key.wrap(&self.ring, &place),
            verifier: key.seal(&place, "verifier", &verifier.0),
            start_at: wish.start_at,
            actor: wish.actor.clone(),
            confirm_org_switch: wish.confirm_org_switch,
            created_at: now,
            expires_at: now + FLOW_LIFE,
        };
        flow::begin(&mut conn, &begun).await?;
        flow::forget(&mut conn, workspace, now - HOUR * 24).await?;
        let entry = audit::Entry { actor: &wish.actor, action: "authorize", outcome: "done", detail: login.as_str() };
        audit::append(&mut conn, workspace, &entry, now).await?;
        conn.commit().await?;

        Ok(Begun {
            authorize_url: self.salesforce.authorize_url(&login, state.text(), &verifier).into(),
            redirect_uri: self.salesforce.redirect_uri().to_owned(),
            expires_at: begun.expires_at,
        })
    }

    async fn client_credentials(&self, wish: Wish) -> Result<Connected, ConnectError> {
        let now = Timestamp::now();
        let mut conn = self.store.begin(wish.workspace).await?;
        self.may_connect(&mut conn, wish.workspace).await?;
        conn.commit().await?;
        check_start(wish.start_at, now)?;
        let login = self.salesforce.rules().my_domain(&wish.environment).map_err(ConnectError::LoginHost)?;
        let grant = match self.salesforce.client_credentials(&login).await {
            Ok(grant) => grant,
            Err(error) => {
                self.note_refusal(wish.workspace, &wish.actor, error.to_string()).await?;
                return Err(error.into());
            }
        };
        self.connect(wish, GrantFlow::ClientCredentials, Uuid::now_v7(), &login, grant).await
    }

    /// Whether the workspace may connect now.
    async fn may_connect(&self, conn: &mut sqlx::PgConnection, id: WorkspaceId) -> Result<Standing, ConnectError> {
        let standing = workspace::standing(conn, id).await?.ok_or(ConnectError::UnknownWorkspace(id))?;
        if !standing.plan.includes_salesforce() {
            return Err(ConnectError::PlanRequired(standing.plan));
        }
        if standing.stopped || traffic::is_stopped(conn).await? {
            return Err(ConnectError::Stopped);
        }
        Ok(standing)
    }

    /// Makes a connection of a grant, or sees to it that the grant ends.
    async fn connect(
        &self,
        wish: Wish,
        flow: GrantFlow,
        connection: Uuid,
        login: &SalesforceHost,
        grant: Grant,
    ) -> Result<Connected, ConnectError> {
        let (workspace, actor) = (wish.workspace, wish.actor.clone());
        let connected = self.adopt(wish, flow, connection, login, grant).await;
        if let Err(error) = &connected {
            self.note_refusal(workspace, &actor, error.to_string()).await?;
            self.end_soon(workspace, connection).await?;
        }
        connected
    }

    async fn note_refusal(&self, workspace: WorkspaceId, actor: &str, why: String) -> Result<(), ConnectError> {
        let mut conn = self.store.begin(workspace).await?;
        let entry = audit::Entry { actor, action: "connect", outcome: "refused", detail: &why };
        audit::append(&mut conn, workspace, &entry, Timestamp::now()).await?;
        conn.commit().await?;
        Ok(())
    }
}
