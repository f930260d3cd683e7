//! When idle connections are refreshed.

use std::time::Duration;

use domain::WorkspaceId;
use jiff::Timestamp;
use sqlx::PgConnection;

use super::StoreError;
use super::moment::to_db;

/// Sets when a workspace's connection is refreshed though nobody asked.
pub async fn set(conn: &mut PgConnection, workspace: WorkspaceId, due_at: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into auth.refresh_schedule (workspace_id, due_at)
        values ($1, $2)
        on conflict (workspace_id) do update set due_at = excluded.due_at
        "#,
        workspace.0,
        to_db(due_at),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes at most `limit` that are due; others leave them alone for `lease`.
pub async fn take_due(
    conn: &mut PgConnection,
    now: Timestamp,
    lease: Duration,
    limit: i64,
) -> Result<Vec<WorkspaceId>, StoreError> {
    let rows = sqlx::query!(
        r#"
        update auth.refresh_schedule
           set due_at = $2
         where workspace_id in (
                   select workspace_id
                     from auth.refresh_schedule
                    where due_at <= $1
                    order by due_at
                    limit $3
                      for update skip locked)
        returning workspace_id
        "#,
        to_db(now),
        to_db(now + lease),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| WorkspaceId(row.workspace_id)).collect())
}

/// Takes a workspace off the schedule.
pub async fn remove(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), StoreError> {
    sqlx::query!("delete from auth.refresh_schedule where workspace_id = $1", workspace.0).execute(conn).await?;
    Ok(())
}
