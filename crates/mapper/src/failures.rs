//! Failures of chunks that we recorded ourselves: the broker's delivery count decides nothing.

use sqlx::PgPool;

use crate::raw::RawChunk;
use crate::store::StoreError;

/// Records a failure of a chunk and returns how many there were.
pub(crate) async fn record(pool: &PgPool, chunk: &RawChunk, reason: &str) -> Result<i32, StoreError> {
    let mut tx = pool.begin().await?;
    service::postgres::in_workspace(&mut tx, chunk.workspace).await?;
    let chunk_ref = &chunk.chunk_ref;
    let run_id: uuid::Uuid = chunk_ref
        .run_id
        .parse()
        .map_err(|_| StoreError::Impossible { table: "chunk_failure", key: chunk_ref.run_id.clone() })?;
    let failures = sqlx::query_scalar!(
        r#"
        insert into mapper.chunk_failure as known
               (workspace_id, run_id, object, page, chunk, read_seq, failures, reason)
        values ($1, $2, $3, $4, $5, $6, 1, $7)
            on conflict (workspace_id, run_id, object, page, chunk, read_seq) do update
           set failures = known.failures + 1, reason = excluded.reason, failed_at = now()
        returning failures
        "#,
        chunk.workspace.0,
        run_id,
        chunk.object.token(),
        i32::try_from(chunk_ref.page).unwrap_or(i32::MAX),
        i32::try_from(chunk_ref.chunk).unwrap_or(i32::MAX),
        chunk_ref.read_seq,
        reason,
    )
    .fetch_one(&mut *tx)
    .await?;
    tx.commit().await?;
    Ok(failures)
}
