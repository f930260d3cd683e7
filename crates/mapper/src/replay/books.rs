//! A replay in the books: begun with a save, ended by a newer one, shown to whoever asks.

use domain::{MappingVersion, Object, RunId, WorkspaceId};
use sqlx::PgConnection;

use crate::source;
use crate::store::{StoreError, Workspace};

/// Begins a replay under `version` in the transaction that saves it; one in hand gives way.
pub(crate) async fn start(
    conn: &mut PgConnection,
    workspace: &Workspace,
    version: MappingVersion,
) -> Result<(), StoreError> {
    end_all(conn, workspace.id, "superseded").await?;
    let mut expected = 0;
    for object in Object::ALL {
        expected += source::count(conn, workspace.id, object, workspace.epoch, version).await?.1;
    }
    sqlx::query!(
        r#"
        insert into mapper.replay (run_id, workspace_id, epoch, mapping_version, phase, expected, ended_at)
        values ($1, $2, $3, $4, case when $5::bigint > 0 then 'mapping' else 'done' end, $5,
                case when $5::bigint = 0 then now() end)
        "#,
        RunId::generate().0,
        workspace.id.0,
        workspace.epoch,
        version,
        expected,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the replay in hand, if there is one.
pub(crate) async fn end_all(conn: &mut PgConnection, workspace: WorkspaceId, phase: &str) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update mapper.replay
           set phase = $2, ended_at = now()
         where workspace_id = $1 and phase in ('mapping', 'applying')
        "#,
        workspace.0,
        phase,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What is shown of a replay.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) run_id: uuid::Uuid,
    pub(crate) mapping_version: i64,
    pub(crate) expected: i64,
    pub(crate) mapped: i64,
    pub(crate) chunks_pending: i64,
    pub(crate) phase: String,
    pub(crate) started_at: chrono::DateTime<chrono::Utc>,
    pub(crate) ended_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Returns the newest replay of a workspace.
pub(crate) async fn newest(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Option<Shown>, StoreError> {
    let shown = sqlx::query_as!(
        Shown,
        r#"
        select run_id, mapping_version, expected, mapped, phase, started_at, ended_at,
               (select count(*) from mapper.replay_chunk c where c.run_id = r.run_id and not c.applied)
                   as "chunks_pending!"
          from mapper.replay r
         where workspace_id = $1
         order by started_at desc, run_id desc
         limit 1
        "#,
        workspace.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(shown)
}
