//! Which run made which read, and when: what the story of a field names.

use chrono::{DateTime, Utc};
use domain::{ReadSeq, WorkspaceId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::StoreError;

/// One read of Salesforce.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Read {
    pub(crate) read_seq: ReadSeq,
    pub(crate) run: Uuid,
    /// By Salesforce's clock.
    pub(crate) at: DateTime<Utc>,
}

/// Notes a read. The chunks of a page share one.
pub(crate) async fn note(conn: &mut PgConnection, workspace: WorkspaceId, read: &Read) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into mapper.read (workspace_id, read_seq, run_id, read_at)
        values ($1, $2, $3, $4)
            on conflict (workspace_id, read_seq) do nothing
        "#,
        workspace.0,
        read.read_seq,
        read.run,
        read.at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns a read; `None` if it was made before reads were noted.
pub(crate) async fn find(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    read_seq: ReadSeq,
) -> Result<Option<Read>, StoreError> {
    let row = sqlx::query!(
        "select run_id, read_at from mapper.read where workspace_id = $1 and read_seq = $2",
        workspace.0,
        read_seq,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Read { read_seq, run: row.run_id, at: row.read_at }))
}

/// Forgets reads of more than a day ago that no image names any more, at most once a day; returns how many.
pub(crate) async fn forget_unnamed(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<u64, StoreError> {
    let due = sqlx::query!(
        r#"
        update mapper.chore set reads_swept_at = now()
         where workspace_id = $1 and reads_swept_at < now() - interval '1 day'
        "#,
        workspace.0,
    )
    .execute(&mut *conn)
    .await?;
    if due.rows_affected() == 0 {
        return Ok(0);
    }
    let forgotten = sqlx::query!(
        r#"
        delete from mapper.read r
         where r.workspace_id = $1 and r.read_at < now() - interval '1 day'
           and not exists (select from mapper.source_record s where s.workspace_id = $1 and s.read_seq = r.read_seq)
        "#,
        workspace.0,
    )
    .execute(conn)
    .await?;
    Ok(forgotten.rows_affected())
}
