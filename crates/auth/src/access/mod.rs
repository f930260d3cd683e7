//! Access tokens for those who call Salesforce: one refresh per expiry, whoever asks, on however many replicas.
//!
//! The newest access token is stored sealed, so that a replica that did not refresh can hand it out too; opened it is in
//! memory only. A refresh is single-flight twice: one turn per workspace in the process, one row lock among replicas.

mod refresh;
mod turns;
mod unsaved;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{Epoch, OrgId, WorkspaceId};
use jiff::Timestamp;
use secrecy::SecretString;
use service::status::Board;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::salesforce::Salesforce;
use crate::store::workspace::{GrantState, Standing};
use crate::store::{Store, StoreError, token, traffic, workspace};
use crate::vault::{DataKey, KeyRing, OpenError};
use turns::Turns;
use unsaved::Unsaved;

/// An access token and what it is good for.
#[derive(Clone)]
pub struct Access {
    /// The token.
    pub token: SecretString,
    /// Where it is good.
    pub instance_url: String,
    /// Names the token.
    pub generation: i64,
    /// Epoch of the connection.
    pub epoch: Epoch,
    /// The org.
    pub org: OrgId,
}

impl std::fmt::Debug for Access {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Access")
            .field("instance_url", &self.instance_url)
            .field("generation", &self.generation)
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// Why there is no access token.
#[derive(Debug, thiserror::Error)]
pub enum AccessError {
    /// There is no such workspace.
    #[error("workspace {0} does not exist")]
    UnknownWorkspace(WorkspaceId),
    /// There is no connection.
    #[error("workspace {0} is not connected")]
    NotConnected(WorkspaceId),
    /// Salesforce refused the grant.
    #[error("Salesforce refused the grant of workspace {0}")]
    Revoked(WorkspaceId),
    /// An operator stopped all traffic, or that of the workspace.
    #[error("Salesforce traffic is stopped")]
    Stopped,
    /// Salesforce gave no answer that counts; the grant stays.
    #[error("the token endpoint gives no token now ({cause})")]
    Later {
        /// When it makes sense to ask again.
        after: Duration,
        /// What was seen last.
        cause: &'static str,
    },
    /// A sealed token does not open.
    #[error("opening the tokens of workspace {workspace}")]
    Sealed {
        /// The workspace.
        workspace: WorkspaceId,
        /// Why not.
        #[source]
        source: OpenError,
    },
    /// Postgres failed.
    #[error("reading the stored grant")]
    Store(#[from] StoreError),
    /// The task that refreshed died.
    #[error("the refresh was cut off")]
    CutOff,
}

impl From<sqlx::Error> for AccessError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// How long things may take.
#[derive(Clone, Copy, Debug)]
pub struct Timing {
    /// How long another refresher's open attempt is left alone: it may still be storing what came.
    pub doubt: Duration,
    /// First pause after an attempt without an answer that counts.
    pub first_pause: Duration,
    /// Longest such pause.
    pub longest_pause: Duration,
    /// First pause after Salesforce said that a limit is used up.
    pub limit_pause: Duration,
    /// After this long without a refresh, one is made.
    pub idle: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            doubt: Duration::from_secs(30),
            first_pause: Duration::from_secs(1),
            longest_pause: Duration::from_secs(300),
            limit_pause: Duration::from_secs(60),
            // Salesforce may end a grant after 30 idle days; a refresh is promised at least every 14.
            idle: Duration::from_secs(13 * 86_400),
        }
    }
}

/// Hands out access tokens.
#[derive(Clone)]
pub struct Tokens(Arc<Inner>);

struct Inner {
    store: Store,
    ring: Arc<KeyRing>,
    salesforce: Arc<Salesforce>,
    timing: Timing,
    /// Opened tokens; a row in Postgres says which of them is the newest.
    opened: Mutex<HashMap<WorkspaceId, (Uuid, Access)>>,
    turns: Turns,
    unsaved: Unsaved,
    /// A refresh holds two connections for a moment; this leaves some for everybody else.
    refreshing: Semaphore,
    tasks: TaskTracker,
    board: Board,
}

/// What the store says about a request.
enum Found {
    Token(Access),
    Stale,
    /// Salesforce said that this connection is dead, and the workspace does not say so yet.
    Dead(Uuid),
}

impl Tokens {
    /// Uses a pool of at least three connections; `board` learns whether Salesforce answers.
    #[must_use]
    pub fn new(store: Store, ring: Arc<KeyRing>, salesforce: Arc<Salesforce>, timing: Timing, board: Board) -> Self {
        let connections = store.pool().options().get_max_connections() as usize;
        Self(Arc::new(Inner {
            store,
            ring,
            salesforce,
            timing,
            opened: Mutex::default(),
            turns: Turns::default(),
            unsaved: Unsaved::default(),
            refreshing: Semaphore::new((connections / 3).max(1)),
            tasks: TaskTracker::new(),
            board,
        }))
    }

    /// Returns the newest access token; if its generation is the `rejected` one, a newer.
    ///
    /// A refresh goes on if the caller leaves: a token that was asked for is stored whoever waits for it.
    ///
    /// # Errors
    /// [`AccessError`].
    pub async fn access_token(&self, workspace: WorkspaceId, rejected: i64) -> Result<Access, AccessError> {
        if let Found::Token(access) = self.0.look(workspace, rejected).await? {
            return Ok(access);
        }
        let turn = self.0.turns.take(workspace).await;
        match self.0.look(workspace, rejected).await? {
            Found::Token(access) => return Ok(access),
            Found::Dead(connection) => {
                self.0.note_revoked(workspace, connection, "the grant was found dead").await?;
                return Err(AccessError::Revoked(workspace));
            }
            Found::Stale => {}
        }
        let inner = Arc::clone(&self.0);
        let refresh = self.0.tasks.spawn(async move {
            let _turn = turn;
            inner.refresh(workspace, rejected).await
        });
        refresh.await.map_err(|_| AccessError::CutOff)??;
        // Whatever happened meanwhile (a disconnect, a reconnect) counts: the store says so.
        match self.0.look(workspace, rejected).await? {
            Found::Token(access) => Ok(access),
            Found::Dead(_) => Err(AccessError::Revoked(workspace)),
            Found::Stale => Err(AccessError::Later { after: Duration::from_secs(1), cause: "superseded" }),
        }
    }

    /// Refreshes a connection that nobody asked for, so that Salesforce does not count it as idle.
    ///
    /// # Errors
    /// As [`Self::access_token`].
    pub async fn refresh_idle(&self, workspace: WorkspaceId) -> Result<(), AccessError> {
        let mut conn = self.0.store.begin(workspace).await?;
        let standing = workspace::standing(&mut conn, workspace).await?;
        let Some(connection) = standing.and_then(|standing| standing.connection) else {
            return Err(AccessError::NotConnected(workspace));
        };
        let row = token::read(&mut conn, workspace, connection).await?;
        conn.commit().await?;
        let generation = row.ok_or(AccessError::NotConnected(workspace))?.generation;
        self.access_token(workspace, generation).await.map(|_| ())
    }

    /// Stores tokens that Postgres could not take when they came.
    pub async fn store_unsaved(&self) {
        self.0.store_unsaved().await;
    }

    /// Waits until no refresh is under way; none begins after.
    pub async fn finish(&self) {
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Inner {
    /// Returns the token that the store calls the newest, from memory if it was opened before.
    async fn look(&self, workspace: WorkspaceId, rejected: i64) -> Result<Found, AccessError> {
        let mut conn = self.store.begin_reading(workspace).await?;
        let standing = workspace::standing(&mut conn, workspace).await?;
        let connection = usable(workspace, standing, traffic::is_stopped(&mut conn).await?)?;
        let row = token::read(&mut conn, workspace, connection).await?;
        conn.commit().await?;

        let row = row.ok_or(StoreError::Impossible { table: "auth.token", workspace })?;
        if row.dead {
            return Ok(Found::Dead(connection));
        }
        let Some(sealed) = row.access.as_ref().filter(|_| row.generation != rejected) else {
            return Ok(Found::Stale);
        };
        if let Some((opened_of, access)) = self.opened().get(&workspace)
            && *opened_of == connection
            && access.generation == row.generation
        {
            return Ok(Found::Token(access.clone()));
        }
        let open = || {
            let key = DataKey::unwrap(&row.key, &self.ring, &row.place)?;
            key.open(&row.place, "access_token", sealed)
        };
        let token = open().map_err(|source| AccessError::Sealed { workspace, source })?;
        let access = Access {
            token,
            instance_url: row.instance_url,
            generation: row.generation,
            epoch: row.place.epoch,
            org: row.org,
        };
        self.opened().insert(workspace, (connection, access.clone()));
        Ok(Found::Token(access))
    }

    fn opened(&self) -> std::sync::MutexGuard<'_, HashMap<WorkspaceId, (Uuid, Access)>> {
        // Every change is one insert or remove, so a panic leaves nothing half done.
        self.opened.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn now() -> Timestamp {
        Timestamp::now()
    }
}

/// Returns the connection whose tokens may be used.
fn usable(workspace: WorkspaceId, standing: Option<Standing>, all_stopped: bool) -> Result<Uuid, AccessError> {
    let standing = standing.ok_or(AccessError::UnknownWorkspace(workspace))?;
    match standing.grant {
        GrantState::Active => {}
        GrantState::Revoked => return Err(AccessError::Revoked(workspace)),
        GrantState::Never | GrantState::Disconnecting | GrantState::Disconnected => {
            return Err(AccessError::NotConnected(workspace));
        }
    }
    if all_stopped || standing.stopped {
        return Err(AccessError::Stopped);
    }
    standing.connection.ok_or(AccessError::NotConnected(workspace))
}
