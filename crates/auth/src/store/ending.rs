//! Workspaces with tokens to revoke or a disconnect to finish.

use std::time::Duration;

use domain::WorkspaceId;
use jiff::Timestamp;
use sqlx::PgConnection;

use super::StoreError;
use super::moment::{from_db, to_db};

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

/// A workspace that was taken to be looked at.
#[derive(Clone, Copy, Debug)]
pub struct Due {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// Looks in a row that did not finish it.
    pub failures: i32,
    /// Others leave it alone until then; asked for anew meanwhile, it has another time.
    lease: Timestamp,
}

/// Takes at most `limit` that are due; others leave them alone for `lease`.
pub async fn take_due(
    conn: &mut PgConnection,
    now: Timestamp,
    lease: Duration,
    limit: i64,
) -> Result<Vec<Due>, StoreError> {
    let lease = from_db(to_db(now + lease));
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
        to_db(lease),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| Due { workspace: WorkspaceId(row.workspace_id), failures: row.failures, lease })
        .collect())
}

/// Asks for another look later, unless one was asked for meanwhile.
pub async fn postpone(conn: &mut PgConnection, due: &Due, until: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update auth.ending
           set failures = failures + 1, next_attempt_at = $3
         where workspace_id = $1 and next_attempt_at = $2
        "#,
        due.workspace.0,
        to_db(due.lease),
        to_db(until),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that nothing is left to do, unless another look was asked for meanwhile.
pub async fn done(conn: &mut PgConnection, due: &Due) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from auth.ending where workspace_id = $1 and next_attempt_at = $2",
        due.workspace.0,
        to_db(due.lease),
    )
    .execute(conn)
    .await?;
    Ok(())
}
