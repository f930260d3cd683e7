//! What became of workspaces, as auth tells it: plans, epochs, connections, and the end of what was stored.

use domain::{Epoch, Plan, WorkspaceId};
use jiff::Timestamp;
use sqlx::PgConnection;

use crate::store::{self, StoreError};
use crate::{Mapper, audit, registry, replay, source};

/// Rows deleted in one transaction.
const SWEEP: i64 = 20_000;

/// A state as auth told it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) workspace: WorkspaceId,
    pub(crate) revision: i64,
    pub(crate) epoch: Epoch,
    pub(crate) plan: Plan,
    pub(crate) connected: bool,
}

impl Mapper {
    /// Takes over a state unless a newer one is known, and returns the revision known then.
    ///
    /// What was stored in epochs that are over is gone when this returns; a repeated call goes on with the rest.
    pub(crate) async fn take_state(&self, told: Told, actor: &str) -> Result<i64, StoreError> {
        let revision = self.note_state(told, actor).await?;
        let mut conn = self.pool.acquire().await?;
        if let Some(known) = store::workspace(&mut conn, told.workspace).await? {
            drop(conn);
            self.sweep(known.id, known.first_kept_epoch()).await?;
        }
        self.wake.notify_waiters();
        Ok(revision)
    }

    async fn note_state(&self, told: Told, actor: &str) -> Result<i64, StoreError> {
        let mut tx = self.transaction(told.workspace).await?;
        // The row is made first, so that two first calls meet at its lock.
        sqlx::query!(
            r#"
            insert into mapper.workspace (workspace_id, revision, epoch, plan, connected)
            values ($1, -1, $2, $3, false)
                on conflict (workspace_id) do nothing
            "#,
            told.workspace.0,
            told.epoch,
            told.plan.token(),
        )
        .execute(&mut *tx)
        .await?;
        let known = sqlx::query!(
            "select revision, epoch, connected from mapper.workspace where workspace_id = $1 for update",
            told.workspace.0,
        )
        .fetch_one(&mut *tx)
        .await?;
        if known.revision >= told.revision {
            return Ok(known.revision);
        }
        let epoch = told.epoch.max(known.epoch);
        sqlx::query!(
            r#"
            update mapper.workspace
               set revision = $2, epoch = $3, plan = $4, connected = $5,
                   disconnected_at = case when $5 then null else coalesce(disconnected_at, now()) end
             where workspace_id = $1
            "#,
            told.workspace.0,
            told.revision,
            epoch,
            told.plan.token(),
            told.connected,
        )
        .execute(&mut *tx)
        .await?;
        sqlx::query!(
            "insert into mapper.chore (workspace_id) values ($1) on conflict (workspace_id) do nothing",
            told.workspace.0,
        )
        .execute(&mut *tx)
        .await?;
        if epoch > known.epoch || (known.connected && !told.connected) {
            forget_reads(&mut tx, told.workspace).await?;
            let detail = format!("epoch {}", known.epoch);
            let entry = audit::Entry { actor, action: "purge stored records", outcome: "done", detail: &detail };
            audit::append(&mut tx, told.workspace, &entry, Timestamp::now()).await?;
        }
        tx.commit().await?;
        Ok(told.revision)
    }

    /// Deletes stored records of epochs before `first_kept`, in portions.
    pub(crate) async fn sweep(&self, workspace: WorkspaceId, first_kept: Epoch) -> Result<(), StoreError> {
        loop {
            let mut tx = self.transaction(workspace).await?;
            let swept = source::sweep(&mut tx, workspace, first_kept, SWEEP).await?;
            tx.commit().await?;
            if swept < SWEEP.unsigned_abs() {
                return Ok(());
            }
        }
    }
}

impl store::Workspace {
    /// Returns the lowest epoch whose records are kept: none of them while there is no connection.
    pub(crate) fn first_kept_epoch(&self) -> Epoch {
        if self.connected { self.epoch } else { self.epoch + 1 }
    }
}

/// Forgets what reads of an epoch that is over brought, except the records, which are swept in portions.
async fn forget_reads(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), StoreError> {
    registry::clear(conn, workspace).await?;
    sqlx::query!("delete from mapper.field_read where workspace_id = $1", workspace.0).execute(&mut *conn).await?;
    sqlx::query!("delete from mapper.field_list where workspace_id = $1", workspace.0).execute(&mut *conn).await?;
    sqlx::query!("delete from mapper.chunk_failure where workspace_id = $1", workspace.0).execute(&mut *conn).await?;
    replay::end_all(conn, workspace, "cancelled").await
}
