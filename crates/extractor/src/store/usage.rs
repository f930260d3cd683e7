//! Calls that we made, by the hour.

use domain::WorkspaceId;
use sqlx::PgConnection;

use super::StoreError;

/// Adds calls to the hour.
///
/// # Errors
/// When Postgres fails.
pub async fn add(conn: &mut PgConnection, workspace: WorkspaceId, calls: u64) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into extractor.api_usage (workspace_id, hour, calls)
        values ($1, date_trunc('hour', now()), $2)
        on conflict (workspace_id, hour) do update set calls = api_usage.calls + excluded.calls
        "#,
        workspace.0,
        i64::try_from(calls).unwrap_or(i64::MAX),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns the calls of the last 24 hours.
///
/// # Errors
/// When Postgres fails.
pub async fn last_day(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<u64, StoreError> {
    let calls = sqlx::query_scalar!(
        r#"
        select coalesce(sum(calls), 0)::bigint as "calls!"
          from extractor.api_usage
         where workspace_id = $1 and hour > now() - interval '24 hours'
        "#,
        workspace.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(u64::try_from(calls).unwrap_or(0))
}
