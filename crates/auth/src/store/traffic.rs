//! The kill switch of the whole installation.

use sqlx::PgConnection;

use super::StoreError;

/// Whether all Salesforce traffic is stopped.
pub async fn is_stopped(conn: &mut PgConnection) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!("select stopped from auth.traffic").fetch_one(conn).await?)
}

/// Stops or resumes all Salesforce traffic.
pub async fn set_stopped(conn: &mut PgConnection, stopped: bool) -> Result<(), StoreError> {
    sqlx::query!("update auth.traffic set stopped = $1", stopped).execute(conn).await?;
    Ok(())
}
