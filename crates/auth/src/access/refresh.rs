//! One refresh, from the lock to the stored token.
//!
//! 1. Lock the token row and look again: somebody else may have refreshed.
//! 2. Commit an intent row by another connection, so that a crash is known to the next one.
//! 3. Ask Salesforce.
//! 4. Store what came in the transaction that holds the lock, if the generation is still the one that was refreshed.
//!
//! Only a definite refusal ends a grant. A reply that was lost leaves a doubt: with rotation the token that we hold may
//! be dead. The only way to know is to present it once more, after a pause that grows; a refusal then is final.

use std::time::{Duration, Instant};

use domain::WorkspaceId;
use jiff::Timestamp;
use secrecy::ExposeSecret as _;
use sqlx::{Postgres, Transaction};
use uuid::Uuid;

use super::unsaved::Pending;
use super::{AccessError, Inner, usable};
use crate::metrics::{self, Refreshed};
use crate::salesforce::{Grant, Permanent, TokenError, Transient};
use crate::store::connection::Flow;
use crate::store::intent::{self, Intent};
use crate::store::state::{self, Delivery};
use crate::store::token::{self, Renewed, TokenRow};
use crate::store::workspace::{self, GrantState};
use crate::store::{StoreError, audit, connection, schedule, traffic};
use crate::vault::DataKey;

/// A holder of the lock is done after this long, whatever Salesforce does: 15 s for the call, the rest to store.
const HOLDER_DEADLINE: Duration = Duration::from_secs(20);

impl Inner {
    /// Refreshes unless somebody else did meanwhile.
    pub(super) async fn refresh(&self, workspace: WorkspaceId, rejected: i64) -> Result<(), AccessError> {
        let _permit = self.refreshing.acquire().await.map_err(|_| AccessError::CutOff)?;
        let begun = Instant::now();
        if let Some(pending) = self.unsaved.of(workspace) {
            self.store_pending(&pending).await?;
            return Ok(());
        }

        let mut holder = self.store.begin(workspace).await?;
        // Longer than any holder may take, shorter than for ever.
        sqlx::query!("set local lock_timeout = '25s'").execute(&mut *holder).await?;
        let current = self.current_connection(&mut holder, workspace).await?;
        // Gone between the two statements: the connection has ended, and the caller looks again.
        let Some(row) = token::lock(&mut holder, workspace, current).await? else { return Ok(()) };
        // Looked at again with the lock in hand: a disconnect or reconnect may have come while we waited.
        if self.current_connection(&mut holder, workspace).await? != current || row.dead {
            return Ok(());
        }
        if row.access.is_some() && row.generation != rejected {
            return Ok(());
        }
        let now = Self::now();
        let before = intent::read(&mut holder, &row.place).await?;
        if let Some(wait) = before.and_then(|intent| self.wait_of(&intent, &row, now)) {
            return Err(AccessError::Later { after: wait, cause: "waits_for_last_attempt" });
        }

        let mut other = self.store.begin(workspace).await?;
        intent::begin(&mut other, &row.place, row.generation, now).await?;
        other.commit().await?;

        metrics::note_refresh_attempt(workspace);
        let answer = self.ask_salesforce(&row).await?;
        match &answer {
            Err(TokenError::Transient(why)) => self.board.down("salesforce", why.as_str()),
            Ok(_) | Err(TokenError::Permanent(_) | TokenError::Incomplete { .. }) => self.board.up("salesforce"),
        }
        match answer {
            Ok(grant) => self.store_grant(holder, &row, grant, begun).await,
            Err(TokenError::Permanent(why)) => {
                metrics::count_refresh(Refreshed::Revoked);
                token::bury(&mut holder, &row.place, row.generation).await?;
                intent::settle(&mut holder, &row.place).await?;
                holder.commit().await?;
                let in_doubt = before.is_some_and(|intent| intent.generation == row.generation);
                metrics::count_refused_grant(why, in_doubt);
                self.note_revoked(workspace, current, why.as_str()).await?;
                Err(AccessError::Revoked(workspace))
            }
            // An answer without a token is as good as none: the grant itself was not refused.
            Err(TokenError::Incomplete { .. }) => self.postpone(holder, &row, before, Transient::Unavailable).await,
            Err(TokenError::Transient(why)) => self.postpone(holder, &row, before, why).await,
        }
    }

    async fn current_connection(
        &self,
        conn: &mut sqlx::PgConnection,
        workspace: WorkspaceId,
    ) -> Result<Uuid, AccessError> {
        let standing = workspace::standing(conn, workspace).await?;
        usable(workspace, standing, traffic::is_stopped(conn).await?)
    }

    /// Returns how long to wait before the next attempt.
    fn wait_of(&self, intent: &Intent, row: &TokenRow, now: Timestamp) -> Option<Duration> {
        if intent.generation != row.generation {
            return None;
        }
        let until = if intent.in_doubt { intent.begun_at + self.timing.doubt } else { intent.next_attempt_at };
        Duration::try_from(until.duration_since(now)).ok().filter(|wait| !wait.is_zero())
    }

    async fn ask_salesforce(&self, row: &TokenRow) -> Result<Result<Grant, TokenError>, AccessError> {
        let workspace = row.place.workspace;
        // The rules may have become stricter since the grant was made.
        let Ok(login) = self.salesforce.rules().login(&row.login_url) else {
            return Ok(Err(TokenError::Transient(Transient::NotReached)));
        };
        let answer = match (row.flow, &row.refresh) {
            (Flow::ClientCredentials, _) => self.salesforce.client_credentials(&login).await,
            (Flow::Web, Some(sealed)) => {
                let open =
                    || DataKey::unwrap(&row.key, &self.ring, &row.place)?.open(&row.place, "refresh_token", sealed);
                let refresh_token = open().map_err(|source| AccessError::Sealed { workspace, source })?;
                self.salesforce.refresh(&login, &refresh_token).await
            }
            (Flow::Web, None) => return Err(StoreError::Impossible { table: "auth.token", workspace }.into()),
        };
        // A token of another org is no token of ours, whatever else the reply says.
        Ok(match answer {
            Ok(grant) if grant.identity.as_ref().is_some_and(|identity| identity.org != row.org) => {
                metrics::count_anomaly("org_changed");
                Err(TokenError::Permanent(Permanent::InvalidGrant))
            }
            other => other,
        })
    }

    async fn store_grant(
        &self,
        mut holder: Transaction<'static, Postgres>,
        row: &TokenRow,
        grant: Grant,
        begun: Instant,
    ) -> Result<(), AccessError> {
        let workspace = row.place.workspace;
        let key = DataKey::unwrap(&row.key, &self.ring, &row.place)
            .map_err(|source| AccessError::Sealed { workspace, source })?;
        let refresh = grant.refresh_token.as_ref().filter(|token| !token.expose_secret().is_empty());
        let instance_url = match &grant.instance {
            // Another host counts only if the same reply names the org that we are bound to.
            Some(Ok(host)) if grant.identity.is_some() => host.as_str().to_owned(),
            Some(Err(_)) => {
                metrics::count_anomaly("instance_url_not_allowed");
                row.instance_url.clone()
            }
            _ => row.instance_url.clone(),
        };
        let pending = Pending {
            place: row.place,
            of_generation: row.generation,
            access: key.seal(&row.place, "access_token", &grant.access_token),
            refresh: refresh.map(|token| key.seal(&row.place, "refresh_token", token)),
            instance_url,
        };
        // Kept before it is stored: if Postgres fails now, this is the only copy of a token that still works.
        self.unsaved.keep(pending.clone());
        let rest = HOLDER_DEADLINE.saturating_sub(begun.elapsed()).max(Duration::from_secs(1));
        let stored = tokio::time::timeout(rest, async {
            let generation = write(&mut holder, &pending, self.timing.idle).await?;
            holder.commit().await?;
            Ok::<_, StoreError>(generation)
        })
        .await;
        match stored {
            Ok(Ok(generation)) => {
                self.unsaved.stored(&pending);
                self.note_stored(&pending, generation).await
            }
            Ok(Err(_)) | Err(_) => self.store_pending(&pending).await,
        }
    }

    /// Stores by a new connection what could not be stored by the holder. The generation decides whether it still counts.
    async fn store_pending(&self, pending: &Pending) -> Result<(), AccessError> {
        let workspace = pending.place.workspace;
        let later = |_| AccessError::Later { after: Duration::from_secs(1), cause: "token_not_stored_yet" };
        let store = async {
            let mut conn = self.store.begin(workspace).await?;
            let generation = write(&mut conn, pending, self.timing.idle).await?;
            conn.commit().await?;
            Ok::<_, StoreError>(generation)
        };
        let generation = store.await.inspect_err(|error| {
            tracing::error!(%workspace, error = ?error, "a refreshed token is not stored yet; it is kept and tried again");
        });
        let generation = generation.map_err(later)?;
        self.unsaved.stored(pending);
        self.note_stored(pending, generation).await
    }

    pub(super) async fn store_unsaved(&self) {
        for pending in self.unsaved.all() {
            // The error was logged, and the next tick tries again.
            let _ = self.store_pending(&pending).await;
        }
    }

    async fn note_stored(&self, pending: &Pending, generation: Option<i64>) -> Result<(), AccessError> {
        let Some(_) = generation else {
            // Somebody else's newer token is there; ours is not needed, and it was never handed out.
            metrics::count_refresh(Refreshed::Superseded);
            return Ok(());
        };
        metrics::count_refresh(Refreshed::Succeeded);
        self.adopt_instance_url(pending).await
    }

    /// Tells people and peers of a new address of the org.
    async fn adopt_instance_url(&self, pending: &Pending) -> Result<(), AccessError> {
        let workspace = pending.place.workspace;
        let mut conn = self.store.begin(workspace).await?;
        let known = connection::read(&mut conn, workspace).await?;
        let moved = known
            .is_some_and(|known| known.id == pending.place.connection && known.instance_url != pending.instance_url);
        if !moved {
            return Ok(());
        }
        let Some(mut standing) = workspace::lock(&mut conn, workspace).await? else { return Ok(()) };
        let Some(mut known) = connection::read(&mut conn, workspace).await? else { return Ok(()) };
        if known.id == pending.place.connection && standing.connection == Some(known.id) {
            known.instance_url.clone_from(&pending.instance_url);
            connection::save(&mut conn, workspace, &known).await?;
            standing.revision += 1;
            workspace::save(&mut conn, workspace, &standing).await?;
            state::tell(&mut conn, workspace, Delivery::NewestOnly, Self::now()).await?;
            conn.commit().await?;
        }
        Ok(())
    }

    async fn postpone(
        &self,
        holder: Transaction<'static, Postgres>,
        row: &TokenRow,
        before: Option<Intent>,
        why: Transient,
    ) -> Result<(), AccessError> {
        metrics::count_refresh(Refreshed::Postponed);
        if why == Transient::ReplyLost {
            metrics::count_anomaly("reply_lost");
        }
        let failures = before.filter(|intent| intent.generation == row.generation).map_or(0, |intent| intent.failures);
        let pause = self.pause(failures, why);
        let mut holder = holder;
        intent::fail(&mut holder, &row.place, row.generation, Self::now() + pause).await?;
        holder.commit().await?;
        tracing::warn!(workspace = %row.place.workspace, cause = why.as_str(), "no token from Salesforce; tried again later");
        Err(AccessError::Later { after: pause, cause: why.as_str() })
    }

    fn pause(&self, failures: i32, why: Transient) -> Duration {
        let first = match why {
            Transient::RequestLimit | Transient::LoginRate => self.timing.limit_pause,
            Transient::NotReached | Transient::ReplyLost | Transient::Unavailable | Transient::Busy => {
                self.timing.first_pause
            }
        };
        let doubled = first * 2_u32.saturating_pow(failures.clamp(0, 16).unsigned_abs());
        let longest = self.timing.longest_pause.max(first);
        doubled.min(longest).mul_f64(0.8 + 0.2 * rand::random::<f64>())
    }

    /// Says that a person must connect again; once, and only for the connection that counts.
    pub(super) async fn note_revoked(
        &self,
        workspace: WorkspaceId,
        connection_id: Uuid,
        why: &str,
    ) -> Result<(), AccessError> {
        self.opened().remove(&workspace);
        let mut conn = self.store.begin(workspace).await?;
        let Some(mut standing) = workspace::lock(&mut conn, workspace).await? else { return Ok(()) };
        if standing.connection != Some(connection_id) || standing.grant != GrantState::Active {
            return Ok(());
        }
        let now = Self::now();
        standing.grant = GrantState::Revoked;
        standing.revision += 1;
        workspace::save(&mut conn, workspace, &standing).await?;
        if let Some(mut known) = connection::read(&mut conn, workspace).await? {
            known.ended_at = Some(now);
            connection::save(&mut conn, workspace, &known).await?;
        }
        schedule::remove(&mut conn, workspace).await?;
        state::tell(&mut conn, workspace, Delivery::NewestOnly, now).await?;
        let entry = audit::Entry { actor: "salesforce", action: "revoke", outcome: "done", detail: why };
        audit::append(&mut conn, workspace, &entry, now).await?;
        conn.commit().await?;
        tracing::warn!(%workspace, why, "Salesforce refused the grant; a person must connect again");
        Ok(())
    }
}

/// Writes what a refresh brought, forgets the intent, and sets the next idle refresh.
async fn write(conn: &mut sqlx::PgConnection, pending: &Pending, idle: Duration) -> Result<Option<i64>, StoreError> {
    let renewed = Renewed {
        of_generation: pending.of_generation,
        access: &pending.access,
        refresh: pending.refresh.as_ref(),
        instance_url: &pending.instance_url,
    };
    let now = Inner::now();
    let generation = token::renew(conn, &pending.place, &renewed, now).await?;
    if generation.is_some() {
        intent::settle(conn, &pending.place).await?;
        schedule::set(conn, pending.place.workspace, now + idle).await?;
    }
    Ok(generation)
}
