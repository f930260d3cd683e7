//! Workspaces with tokens to revoke or a disconnect to finish.

use std::time::Duration;

use domain::WorkspaceId;
use jiff::Timestamp;
use sqlx::PgConnection;

use super::StoreError;
use super::moment::to_db;

/// Asks for a look at a workspace at `at`, or earlier if one was asked for.
pub async fn ask(conn: &mut PgConnection, workspace: WorkspaceId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into auth.ending (workspace_id, next_attempt_at)
        values ($1, $2)
        on conflict (workspace_id) do update
           set next_attempt_at = least(ending.next_attempt_at, excluded.next_attempt_at),
               failures        = 0
        "#,
        workspace.0,
        to_db(at),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Brings a look forward if one was asked for.
pub async fn hasten(conn: &mut PgConnection, workspace: WorkspaceId, at: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "update auth.ending set next_attempt_at = least(next_attempt_at, $2) where workspace_id = $1",
        workspace.0,
        to_db(at),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Takes at most `limit` that are due, with the attempts that failed; others leave them alone for `lease`.
pub async fn take_due(
    conn: &mut PgConnection,
    now: Timestamp,
    lease: Duration,
    limit: i64,
) -> Result<Vec<(WorkspaceId, i32)>, StoreError> {
    let rows = sqlx::query!(
        r#"
        update auth.ending
           set next_attempt_at = $2
         where workspace_id in (
                   select workspace_id
                     from auth.ending
                    where next_attempt_at <= $1
                    order by next_attempt_at
                    limit $3
                      for update skip locked)
        returning workspace_id, failures
        "#,
        to_db(now),
        to_db(now + lease),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| (WorkspaceId(row.workspace_id), row.failures)).collect())
}

/// Asks for another look later.
pub async fn postpone(conn: &mut PgConnection, workspace: WorkspaceId, until: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        "update auth.ending set failures = failures + 1, next_attempt_at = $2 where workspace_id = $1",
        workspace.0,
        to_db(until),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that nothing is left to do.
pub async fn done(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), StoreError> {
    sqlx::query!("delete from auth.ending where workspace_id = $1", workspace.0).execute(conn).await?;
    Ok(())
}
