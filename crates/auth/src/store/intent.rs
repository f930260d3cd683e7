//! Calls to the token endpoint that were begun. A row outlives a crash, so the next refresher knows of a lost reply.

use jiff::Timestamp;
use sqlx::PgConnection;

use super::StoreError;
use super::moment::{from_db, to_db};
use crate::vault::Place;

/// What is known of the last attempts to refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Intent {
    /// The generation that was being refreshed.
    pub generation: i64,
    /// When the last attempt began.
    pub begun_at: Timestamp,
    /// Whether nobody wrote down what came of it: the refresher crashed, or is still at it.
    pub in_doubt: bool,
    /// Attempts without a token, in a row.
    pub failures: i32,
    /// No attempt before this.
    pub next_attempt_at: Timestamp,
}

/// Returns what is known of a connection's last attempts.
pub async fn read(conn: &mut PgConnection, place: &Place) -> Result<Option<Intent>, StoreError> {
    let row = sqlx::query!(
        r#"
        select generation, begun_at, in_doubt, failures, next_attempt_at
          from auth.refresh_intent
         where workspace_id = $1 and connection_id = $2
        "#,
        place.workspace.0,
        place.connection,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Intent {
        generation: row.generation,
        begun_at: from_db(row.begun_at),
        in_doubt: row.in_doubt,
        failures: row.failures,
        next_attempt_at: from_db(row.next_attempt_at),
    }))
}

/// Notes that a call is about to be made. Committed before the call.
pub async fn begin(conn: &mut PgConnection, place: &Place, generation: i64, now: Timestamp) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into auth.refresh_intent (workspace_id, connection_id, generation, begun_at, in_doubt, next_attempt_at)
        values ($1, $2, $3, $4, true, $4)
        on conflict (workspace_id, connection_id) do update
           set generation = excluded.generation,
               begun_at   = excluded.begun_at,
               in_doubt   = true
        "#,
        place.workspace.0,
        place.connection,
        generation,
        to_db(now),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that the attempt brought no token.
pub async fn fail(
    conn: &mut PgConnection,
    place: &Place,
    generation: i64,
    next_attempt_at: Timestamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update auth.refresh_intent
           set in_doubt = false, failures = failures + 1, next_attempt_at = $4
         where workspace_id = $1 and connection_id = $2 and generation = $3
        "#,
        place.workspace.0,
        place.connection,
        generation,
        to_db(next_attempt_at),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets the attempts: a token came, or none ever will.
pub async fn settle(conn: &mut PgConnection, place: &Place) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from auth.refresh_intent where workspace_id = $1 and connection_id = $2",
        place.workspace.0,
        place.connection,
    )
    .execute(conn)
    .await?;
    Ok(())
}
