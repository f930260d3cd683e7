//! What the figures of the fleet are made of. These tables hold no customer data, so one look sees all workspaces.

use std::time::Duration;

use domain::{Object, WorkspaceId};
use sqlx::PgConnection;

use super::StoreError;
use crate::stamp::Stamp;

/// A figure of one workspace, or of all those together that have no name of their own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfWorkspace<T> {
    /// Workspace; absent: the rest.
    pub workspace: Option<WorkspaceId>,
    /// The figure.
    pub figure: T,
}

/// How far an object is; of several workspaces, how far the last of them is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Object.
    pub object: Object,
    /// When it was last wholly applied, in seconds since 1970.
    pub applied_at: i64,
    /// Everything up to this time of Salesforce is applied; absent before the first load is complete.
    pub synced_to: Option<Stamp>,
}

/// What an org said of its calls; of several orgs, their sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrgCalls {
    /// Used by everybody.
    pub used: i64,
    /// The limit.
    pub limit: i64,
}

/// Puts a workspace first in the queue of those whose standing is decided.
///
/// # Errors
/// When Postgres fails.
pub async fn decide_soon(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into extractor.standing (workspace_id)
        values ($1)
        on conflict (workspace_id) do update set due_at = '-infinity'
        "#,
        workspace.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes at most `limit` workspaces whose standing is due; each is due again after `again`, whatever becomes of it.
///
/// # Errors
/// When Postgres fails.
pub async fn take_due(conn: &mut PgConnection, limit: i64, again: Duration) -> Result<Vec<WorkspaceId>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"
        update extractor.standing
           set due_at = now() + make_interval(secs => $2)
         where workspace_id = any (array(
                   select workspace_id
                     from extractor.standing
                    where due_at <= now()
                    order by due_at
                    limit $1
                      for update skip locked))
        returning workspace_id
        "#,
        limit,
        again.as_secs_f64(),
    )
    .fetch_all(conn)
    .await?;
    Ok(ids.into_iter().map(WorkspaceId).collect())
}

/// Notes where a workspace stands.
///
/// # Errors
/// When Postgres fails.
pub async fn note_state(conn: &mut PgConnection, workspace: WorkspaceId, state: &str) -> Result<(), StoreError> {
    sqlx::query!(
        "update extractor.standing set state = $2 where workspace_id = $1 and state is distinct from $2",
        workspace.0,
        state
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns how many workspaces stand where, as last decided.
///
/// # Errors
/// When Postgres fails.
pub async fn count_states(conn: &mut PgConnection) -> Result<Vec<(String, i64)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select state as "state!", count(*) as "workspaces!" from extractor.standing where state is not null group by state
        "#
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (row.state, row.workspaces)).collect())
}

/// Notes that all that was read of an object is applied, and up to when; within the workspace's own transaction.
///
/// # Errors
/// When Postgres fails.
pub async fn note_applied(conn: &mut PgConnection, workspace: WorkspaceId, object: Object) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into extractor.applied (workspace_id, object, epoch, synced_to_ms, applied_at)
        select workspace_id, object, epoch, synced_to_ms, now()
          from extractor.coverage
         where workspace_id = $1 and object = $2
        on conflict (workspace_id, object) do update
           set epoch        = excluded.epoch,
               synced_to_ms = excluded.synced_to_ms,
               applied_at   = excluded.applied_at
        "#,
        workspace.0,
        object.token(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns how far the objects of all workspaces are that are read: connected, and on a plan that includes it. The first `named`
/// of them stand for themselves.
///
/// # Errors
/// When Postgres fails.
pub async fn applied(conn: &mut PgConnection, named: i64) -> Result<Vec<OfWorkspace<Applied>>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select case when number <= $1 then workspace_id end as workspace_id,
               object as "object!",
               extract(epoch from min(applied_at))::bigint as "applied_at!",
               min(synced_to_ms) as synced_to_ms
          from (select a.*, dense_rank() over (order by a.workspace_id) as number
                  from extractor.applied a
                  join extractor.workspace w using (workspace_id)
                 where w.connected and w.plan = 'business' and w.epoch = a.epoch) as numbered
         group by 1, 2
        "#,
        named,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let workspace = row.workspace_id.map(WorkspaceId);
            let object = Object::from_token(&row.object)
                .ok_or_else(|| StoreError::impossible("applied", row.workspace_id.unwrap_or_default()))?;
            let synced_to = row.synced_to_ms.map(Stamp::from_millis);
            Ok(OfWorkspace { workspace, figure: Applied { object, applied_at: row.applied_at, synced_to } })
        })
        .collect()
}

/// Returns what the orgs of all connected workspaces said of their calls. The first `named` of them stand for themselves.
///
/// # Errors
/// When Postgres fails.
pub async fn org_calls(conn: &mut PgConnection, named: i64) -> Result<Vec<OfWorkspace<OrgCalls>>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select case when number <= $1 then workspace_id end as workspace_id,
               sum(org_calls_used)::bigint as "used!",
               sum(org_calls_limit)::bigint as "limit!"
          from (select workspace_id, org_calls_used, org_calls_limit,
                       row_number() over (order by workspace_id) as number
                  from extractor.workspace
                 where connected and org_calls_used is not null and org_calls_limit is not null) as numbered
         group by 1
        "#,
        named,
    )
    .fetch_all(conn)
    .await?;
    let figure = |used, limit| OrgCalls { used, limit };
    Ok(rows
        .into_iter()
        .map(|row| OfWorkspace { workspace: row.workspace_id.map(WorkspaceId), figure: figure(row.used, row.limit) })
        .collect())
}
