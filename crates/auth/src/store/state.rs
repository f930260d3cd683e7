//! What the other services are told of a workspace, revision by revision.

use domain::{Epoch, Plan, WorkspaceId};
use jiff::Timestamp;
use sqlx::PgConnection;

use super::StoreError;
use super::moment::{from_db, to_db};

/// The state of a workspace at one revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct State {
    /// Revision.
    pub revision: i64,
    /// Epoch.
    pub epoch: Epoch,
    /// What it pays for.
    pub plan: Plan,
    /// Whether a connection exists.
    pub connected: bool,
    /// The org; empty when never connected.
    pub org_id: String,
    /// Where API calls go; empty when never connected.
    pub instance_url: String,
    /// Replication start date.
    pub start_at: Option<Timestamp>,
    /// Whether the customers go.
    pub purge: bool,
}

/// Whether a state may be left out when a newer one is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// The newest is enough.
    NewestOnly,
    /// The end of an epoch: told even if a newer epoch began meanwhile.
    Always,
}

/// Notes the state that a locked workspace has now, and that every peer is to be told.
pub async fn tell(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    delivery: Delivery,
    now: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into auth.workspace_state
               (workspace_id, revision, epoch, plan, connected, org_id, instance_url, start_at, purge, must_deliver)
        select workspace.workspace_id, workspace.revision, workspace.epoch, workspace.plan,
               workspace.grant_state in ('active', 'revoked'),
               coalesce(connection.org_id, ''), coalesce(connection.instance_url, ''), connection.start_at,
               workspace.grant_state not in ('active', 'revoked') and coalesce(connection.purge, false),
               $2
          from auth.workspace
          left join auth.connection using (workspace_id)
         where workspace.workspace_id = $1
        "#,
        workspace.0,
        delivery == Delivery::Always,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        insert into auth.push (workspace_id, peer, wanted_revision, next_attempt_at)
        select workspace_id, peer, revision, $2
          from auth.workspace
         cross join unnest(array['extractor', 'mapper', 'writer']) as peer
         where workspace_id = $1
        on conflict (workspace_id, peer) do update
           set wanted_revision = excluded.wanted_revision,
               failures        = 0,
               next_attempt_at = excluded.next_attempt_at
        "#,
        workspace.0,
        to_db(now),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns what a peer that knows `acknowledged` is told next: the first end of an epoch that it does not know, or the
/// newest state.
pub async fn next_for(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    acknowledged: i64,
) -> Result<Option<State>, StoreError> {
    let row = sqlx::query!(
        r#"
        select revision, epoch, plan, connected, org_id, instance_url, start_at, purge
          from auth.workspace_state
         where workspace_id = $1
         order by must_deliver and revision > $2 desc,
                  case when must_deliver and revision > $2 then revision else -revision end
         limit 1
        "#,
        workspace.0,
        acknowledged,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let impossible = StoreError::Impossible { table: "auth.workspace_state", workspace };
    Ok(Some(State {
        revision: row.revision,
        epoch: row.epoch,
        plan: Plan::from_token(&row.plan).ok_or(impossible)?,
        connected: row.connected,
        org_id: row.org_id,
        instance_url: row.instance_url,
        start_at: row.start_at.map(from_db),
        purge: row.purge,
    }))
}

/// Forgets states that every peer knows, except the newest.
pub async fn forget_known(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        delete from auth.workspace_state
         where workspace_id = $1
           and revision <= (select min(acknowledged_revision) from auth.push where workspace_id = $1)
           and revision < (select revision from auth.workspace where workspace_id = $1)
        "#,
        workspace.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}
