//! Ends connections: revokes at Salesforce, destroys the keys, and says when all is done.
//!
//! Any token that is not of the workspace's current connection is on its way out: after a disconnect, a reconnect, a
//! switch of org, or a grant that never became a connection.

use std::sync::Arc;
use std::time::Duration;

use domain::WorkspaceId;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use subtle::ConstantTimeEq as _;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::connect::Nudges;
use crate::salesforce::Salesforce;
use crate::store::connection;
use crate::store::ending::Due;
use crate::store::state::{self, Delivery};
use crate::store::token::{self, TokenRow};
use crate::store::workspace::{self, GrantState};
use crate::store::{Store, StoreError, audit, ending, push, traffic};
use crate::vault::{DataKey, KeyRing, OpenError};

const TICK: Duration = Duration::from_secs(1);
const LEASE: Duration = Duration::from_secs(60);
const BATCH: i64 = 16;
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);
/// Salesforce is asked to revoke for this long; then the key is destroyed all the same.
const REVOKE_PATIENCE: jiff::SignedDuration = jiff::SignedDuration::from_hours(24);

/// Ends connections.
#[derive(Clone)]
pub struct Endings {
    store: Store,
    ring: Arc<KeyRing>,
    salesforce: Arc<Salesforce>,
    nudges: Arc<Nudges>,
}

/// What is left of a workspace's ending.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Nothing,
    Something,
}

impl Endings {
    /// Puts the parts together.
    #[must_use]
    pub fn new(store: Store, ring: Arc<KeyRing>, salesforce: Arc<Salesforce>, nudges: Arc<Nudges>) -> Self {
        Self { store, ring, salesforce, nudges }
    }

    /// Ends what is to be ended, until `stopping`.
    ///
    /// # Errors
    /// Never: what fails is tried again.
    pub async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        while !stopping.is_cancelled() {
            if let Err(error) = self.tick().await {
                tracing::error!(error = ?error, "connections could not be ended; tried again");
            }
            tokio::select! {
                () = stopping.cancelled() => {}
                () = self.nudges.ending.notified() => {}
                () = tokio::time::sleep(TICK) => {}
            }
        }
        Ok(())
    }

    /// Has what is due looked at now.
    pub fn nudge(&self) {
        self.nudges.ending.notify_one();
    }

    async fn tick(&self) -> Result<(), StoreError> {
        let mut conn = self.store.pool().acquire().await?;
        let due = ending::take_due(&mut conn, Timestamp::now(), LEASE, BATCH).await?;
        drop(conn);
        // One org that is slow to answer keeps nobody else waiting.
        let mut looks = JoinSet::new();
        for due in due {
            let endings = self.clone();
            looks.spawn(async move { endings.look(&due).await });
        }
        while let Some(looked) = looks.join_next().await {
            if let Ok(Err(error)) = looked {
                // The lease runs out by itself, so the workspace is looked at again all the same.
                tracing::error!(error = ?error, "noting how far a connection has ended");
            }
        }
        Ok(())
    }

    async fn look(&self, due: &Due) -> Result<(), StoreError> {
        let rest = self.end(due.workspace).await.unwrap_or_else(|error| {
            tracing::error!(workspace = %due.workspace, error = ?error, "a connection could not be ended; tried again");
            Rest::Something
        });
        let mut conn = self.store.pool().acquire().await?;
        match rest {
            Rest::Nothing => ending::done(&mut conn, due).await,
            Rest::Something => ending::postpone(&mut conn, due, Timestamp::now() + pause(due.failures)).await,
        }
    }

    async fn end(&self, workspace: WorkspaceId) -> Result<Rest, StoreError> {
        let mut conn = self.store.begin(workspace).await?;
        let Some(standing) = workspace::standing(&mut conn, workspace).await? else { return Ok(Rest::Nothing) };
        let stopped = standing.stopped || traffic::is_stopped(&mut conn).await?;
        let connections = token::connections(&mut conn, workspace).await?;
        conn.commit().await?;

        let mut rest = Rest::Nothing;
        // The current one is left alone without a lock; if it ends meanwhile, whoever ends it asks for another look.
        for connection in connections.into_iter().filter(|id| standing.connection != Some(*id)) {
            if self.end_token(workspace, connection, stopped).await? == Rest::Something {
                rest = Rest::Something;
            }
        }
        if rest == Rest::Nothing && standing.grant == GrantState::Disconnecting {
            rest = self.finish_disconnect(workspace).await?;
        }
        Ok(rest)
    }

    /// Revokes the token of a connection that does not count at Salesforce, then destroys its key.
    async fn end_token(&self, workspace: WorkspaceId, id: Uuid, stopped: bool) -> Result<Rest, StoreError> {
        let now = Timestamp::now();
        let mut conn = self.store.begin(workspace).await?;
        // A refresh that began before the end holds the lock; what it stores must be what we revoke.
        let Some(row) = token::lock(&mut conn, workspace, id).await? else { return Ok(Rest::Nothing) };
        // Asked with the lock in hand: who makes it the connection needs the same lock, so it can't become it now.
        let standing = workspace::standing(&mut conn, workspace).await?;
        let current = standing.and_then(|standing| standing.connection);
        if current == Some(id) {
            return Ok(Rest::Nothing);
        }
        if stopped || row.adopt_until.is_some_and(|until| until > now) {
            return Ok(Rest::Something);
        }
        token::begin_revoking(&mut conn, &row.place, now).await?;
        let current = match current {
            Some(current) => token::read(&mut conn, workspace, current).await?,
            None => None,
        };
        conn.commit().await?;

        let Some(outcome) = self.revoke(&row, current.as_ref(), now).await else { return Ok(Rest::Something) };
        let mut conn = self.store.begin(workspace).await?;
        token::destroy(&mut conn, &row.place).await?;
        let entry = audit::Entry { actor: "auth", action: "revoke tokens", outcome, detail: row.org.as_str() };
        audit::append(&mut conn, workspace, &entry, now).await?;
        conn.commit().await?;
        Ok(Rest::Nothing)
    }

    /// Returns what became of the tokens, or `None` if it is to be tried again.
    async fn revoke(&self, row: &TokenRow, current: Option<&TokenRow>, now: Timestamp) -> Option<&'static str> {
        if row.dead {
            return Some("was dead");
        }
        let since = row.revoke_since.map_or(jiff::SignedDuration::ZERO, |since| now.duration_since(since));
        let otherwise = (since > REVOKE_PATIENCE).then_some("gave up");
        // Without its key nobody can use a token, nor revoke it.
        let Ok(tokens) = self.tokens_of(row) else { return otherwise };
        let Ok(login) = self.salesforce.rules().login(&row.login_url) else { return otherwise };
        // Revoking a refresh token ends its access tokens; without one, the access token itself is revoked.
        let Some(token) = tokens.into_iter().next() else { return Some("done") };
        // Salesforce may give the same token to the same user twice; the connection that goes on keeps it.
        let kept = current.and_then(|current| self.tokens_of(current).ok()).unwrap_or_default();
        if kept.iter().any(|kept| is_same(kept, &token)) {
            return Some("kept by the new connection");
        }
        match self.salesforce.revoke(&login, &token).await {
            Ok(()) => Some("done"),
            Err(error) => {
                tracing::warn!(workspace = %row.place.workspace, status = error.status, "revoking failed; tried again");
                otherwise
            }
        }
    }

    /// Returns the refresh token, then the access token.
    fn tokens_of(&self, row: &TokenRow) -> Result<Vec<SecretString>, OpenError> {
        let key = DataKey::unwrap(&row.key, &self.ring, &row.place)?;
        let fields = [("refresh_token", &row.refresh), ("access_token", &row.access)];
        fields
            .into_iter()
            .filter_map(|(field, sealed)| sealed.as_ref().map(|sealed| key.open(&row.place, field, sealed)))
            .collect()
    }

    /// Says that the workspace is disconnected, once every peer knows of the end and no token is left.
    async fn finish_disconnect(&self, workspace: WorkspaceId) -> Result<Rest, StoreError> {
        let now = Timestamp::now();
        let mut conn = self.store.begin(workspace).await?;
        let Some(mut standing) = workspace::lock(&mut conn, workspace).await? else { return Ok(Rest::Nothing) };
        let connection = connection::read(&mut conn, workspace).await?;
        if standing.grant != GrantState::Disconnecting {
            return Ok(Rest::Nothing);
        }
        let told = connection.and_then(|connection| connection.ended_revision).unwrap_or(standing.revision);
        if !push::all_know(&mut conn, workspace, told).await? {
            return Ok(Rest::Something);
        }
        standing.grant = GrantState::Disconnected;
        standing.revision += 1;
        workspace::save(&mut conn, workspace, &standing).await?;
        state::tell(&mut conn, workspace, Delivery::NewestOnly, now).await?;
        let entry = audit::Entry { actor: "auth", action: "disconnected", outcome: "done", detail: "" };
        audit::append(&mut conn, workspace, &entry, now).await?;
        conn.commit().await?;
        self.nudges.push.notify_one();
        Ok(Rest::Nothing)
    }
}

impl std::fmt::Debug for Endings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Endings")
    }
}

fn is_same(one: &SecretString, other: &SecretString) -> bool {
    one.expose_secret().as_bytes().ct_eq(other.expose_secret().as_bytes()).into()
}

fn pause(failures: i32) -> Duration {
    let doubled = FIRST_PAUSE * 2_u32.saturating_pow(failures.clamp(0, 16).unsigned_abs());
    doubled.min(LONGEST_PAUSE).mul_f64(0.8 + 0.2 * rand::random::<f64>())
}
