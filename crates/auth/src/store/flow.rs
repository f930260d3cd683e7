//! OAuth flows that were begun. A flow is taken once, by whoever brings its state first.

use domain::WorkspaceId;
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::moment::{from_db, to_db};
use crate::vault::{Sealed, WrappedKey};

/// A flow on its way.
#[derive(Clone, Debug)]
pub struct Flow {
    /// Its id; the connection that comes of it has the same.
    pub id: Uuid,
    /// The workspace that it is for.
    pub workspace: WorkspaceId,
    /// Hash of its state.
    pub state_hash: [u8; 32],
    /// Where it began.
    pub login_url: String,
    /// Key of the verifier.
    pub key: WrappedKey,
    /// The PKCE verifier.
    pub verifier: Sealed,
    /// Replication start date.
    pub start_at: Option<Timestamp>,
    /// Who began it.
    pub actor: String,
    /// Whether another org than before is meant.
    pub confirm_org_switch: bool,
    /// When it began.
    pub created_at: Timestamp,
    /// When it is over.
    pub expires_at: Timestamp,
}

/// How far a flow came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The code was exchanged.
    Exchanged,
    /// The connection is there.
    Stored,
    /// There will be none.
    Failed,
}

impl Step {
    fn as_str(self) -> &'static str {
        match self {
            Self::Exchanged => "exchanged",
            Self::Stored => "stored",
            Self::Failed => "failed",
        }
    }
}

/// Stores a new flow.
pub async fn begin(conn: &mut PgConnection, flow: &Flow) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into auth.flow
               (workspace_id, state_hash, flow_id, login_url, kek_id, wrapped_key, verifier, start_at, actor,
                confirm_org_switch, created_at, expires_at)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)
        "#,
        flow.workspace.0,
        flow.state_hash.as_slice(),
        flow.id,
        flow.login_url,
        flow.key.kek_id,
        flow.key.bytes,
        flow.verifier.0,
        flow.start_at.map(to_db),
        flow.actor,
        flow.confirm_org_switch,
        to_db(flow.created_at),
        to_db(flow.expires_at),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes the flow of a state, once. `None`: unknown, taken before, or over.
pub async fn take(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    state_hash: [u8; 32],
    now: Timestamp,
) -> Result<Option<Flow>, StoreError> {
    let row = sqlx::query!(
        r#"
        update auth.flow
           set step = 'taken'
         where workspace_id = $1 and state_hash = $2 and step = 'started' and expires_at > $3
        returning flow_id, login_url, kek_id, wrapped_key, verifier, start_at, actor, confirm_org_switch, created_at,
                  expires_at
        "#,
        workspace.0,
        state_hash.as_slice(),
        to_db(now),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Flow {
        id: row.flow_id,
        workspace,
        state_hash,
        login_url: row.login_url,
        key: WrappedKey { kek_id: row.kek_id, bytes: row.wrapped_key },
        verifier: Sealed(row.verifier),
        start_at: row.start_at.map(from_db),
        actor: row.actor,
        confirm_org_switch: row.confirm_org_switch,
        created_at: from_db(row.created_at),
        expires_at: from_db(row.expires_at),
    }))
}

/// Notes how far a flow came.
pub async fn note(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    state_hash: &[u8; 32],
    step: Step,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update auth.flow set step = $3 where workspace_id = $1 and state_hash = $2",
        workspace.0,
        state_hash.as_slice(),
        step.as_str(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns how many flows began since `since` that led to no connection.
pub async fn count_unfinished(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    since: Timestamp,
) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        select count(*) as "flows!"
          from auth.flow
         where workspace_id = $1 and created_at > $2 and step <> 'stored'
        "#,
        workspace.0,
        to_db(since),
    )
    .fetch_one(conn)
    .await?)
}

/// Forgets flows that were over before `before`.
pub async fn forget(conn: &mut PgConnection, workspace: WorkspaceId, before: Timestamp) -> Result<(), StoreError> {
    sqlx::query!("delete from auth.flow where workspace_id = $1 and expires_at < $2", workspace.0, to_db(before))
        .execute(conn)
        .await?;
    Ok(())
}

/// Returns the keys of flows that are not over.
pub async fn open_keys(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Vec<WrappedKey>, StoreError> {
    let rows = sqlx::query!(
        "select kek_id, wrapped_key from auth.flow where workspace_id = $1 and step = 'started' and expires_at > $2",
        workspace.0,
        to_db(now),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| WrappedKey { kek_id: row.kek_id, bytes: row.wrapped_key }).collect())
}
