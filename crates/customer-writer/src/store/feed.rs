//! Which workspaces have changes that were not published yet. Without policy: nothing of a customer stands here.

use domain::WorkspaceId;
use sqlx::PgConnection;

/// A workspace whose feed grew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Unpublished {
    pub(crate) workspace: WorkspaceId,
    pub(crate) sequence: i64,
    pub(crate) published_sequence: i64,
}

/// Returns workspaces with unpublished changes.
pub(crate) async fn unpublished(conn: &mut PgConnection) -> Result<Vec<Unpublished>, sqlx::Error> {
    let rows = sqlx::query!(
        "select workspace_id, sequence, published_sequence from customers.ledger where sequence > published_sequence"
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Unpublished {
            workspace: WorkspaceId(row.workspace_id),
            sequence: row.sequence,
            published_sequence: row.published_sequence,
        })
        .collect())
}

/// Notes how far a feed is published.
pub(crate) async fn published(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    sequence: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "update customers.ledger set published_sequence = greatest(published_sequence, $2) where workspace_id = $1",
        workspace.0,
        sequence,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets changes and applied chunks of a workspace that are older than anybody may still ask for: 30 days.
pub(crate) async fn forget_old(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from customers.change where workspace_id = $1 and changed_at < now() - interval '30 days'",
        workspace.0,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from customers.applied_chunk where workspace_id = $1 and applied_at < now() - interval '30 days'",
        workspace.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns all workspaces that we were told of.
pub(crate) async fn workspaces(conn: &mut PgConnection) -> Result<Vec<WorkspaceId>, sqlx::Error> {
    let ids = sqlx::query_scalar!("select workspace_id from customers.workspace").fetch_all(conn).await?;
    Ok(ids.into_iter().map(WorkspaceId).collect())
}
