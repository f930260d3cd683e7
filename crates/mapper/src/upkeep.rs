//! What is looked after without anybody asking: describes, gauges, leftovers.

use std::sync::Arc;
use std::time::Duration;

use domain::{FieldType, Kind, WorkspaceId};
use tokio_util::sync::CancellationToken;

use crate::store::{self, StoreError, Workspace};
use crate::{Mapper, audit, metrics, reads, registry};

/// How often all workspaces are looked at.
const ROUND: Duration = Duration::from_secs(15);
/// Every so many rounds the audit log is checked: once an hour.
const ROUNDS_PER_AUDIT: u64 = 240;

impl Mapper {
    /// Looks after all workspaces until `stopping`.
    pub(crate) async fn keep_up(self: Arc<Self>, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(ROUND);
        for round in 1_u64.. {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                _ = tick.tick() => {}
            }
            if let Err(error) = self.round(&stopping, round % ROUNDS_PER_AUDIT == 0).await {
                tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "looking after workspaces");
            }
        }
        Ok(())
    }

    async fn round(&self, stopping: &CancellationToken, audits: bool) -> Result<(), StoreError> {
        let mut conn = self.pool.acquire().await?;
        let workspaces = store::workspaces(&mut conn).await?;
        sqlx::query!("delete from mapper.replay where ended_at < now() - interval '7 days'")
            .execute(&mut *conn)
            .await?;
        drop(conn);
        let mut shown = 0;
        for workspace in workspaces {
            if stopping.is_cancelled() {
                return Ok(());
            }
            self.sweep(workspace.id, workspace.first_kept_epoch()).await?;
            if audits {
                self.audit(workspace.id).await?;
            }
            if !workspace.connected {
                self.forget_old_mapping(workspace.id).await?;
                continue;
            }
            self.refresh_describes(&workspace).await?;
            let mut tx = self.transaction(workspace.id).await?;
            reads::forget_unnamed(&mut tx, workspace.id).await?;
            tx.commit().await?;
            if shown < self.max_workspaces_shown {
                shown += 1;
                self.show_unmapped(&workspace).await?;
            }
        }
        Ok(())
    }

    /// Forgets old entries of the audit log and checks the others.
    async fn audit(&self, workspace: WorkspaceId) -> Result<(), StoreError> {
        let mut tx = self.transaction(workspace).await?;
        audit::forget_old(&mut tx, workspace).await?;
        if let Err(broken) = audit::verify(&mut tx, workspace).await? {
            tracing::error!(%workspace, entry = broken.number, "the audit log was changed");
        }
        tx.commit().await?;
        Ok(())
    }

    /// Registers what the describes list now, every ten minutes.
    async fn refresh_describes(&self, workspace: &Workspace) -> Result<(), StoreError> {
        if workspace.mapping_version == 0 {
            return Ok(());
        }
        let due = sqlx::query!(
            r#"
            update mapper.chore
               set described_at = now()
             where workspace_id = $1 and (described_at is null or described_at < now() - interval '10 minutes')
            "#,
            workspace.id.0,
        )
        .execute(&self.pool)
        .await?;
        if due.rows_affected() == 0 {
            return Ok(());
        }
        for kind in Kind::ALL {
            // Salesforce or the extractor may be away: the values known so far stand, and the next round asks again.
            let Ok(schemas) = self.describe_kind(workspace.id, kind).await else { continue };
            let mut tx = self.transaction(workspace.id).await?;
            // For update: the rows of values are then taken by nobody else, in whatever order.
            let Some(known) = store::workspace_for_update(&mut tx, workspace.id).await? else { return Ok(()) };
            // While Salesforce was asked, the connection may have ended, and its values with it.
            if !known.connected || known.epoch != workspace.epoch {
                return Ok(());
            }
            let rules = self.rules.at(&mut tx, workspace.id, known.mapping_version).await?;
            registry::list_from_describes(&mut tx, workspace.id, rules.kind(kind), &schemas).await?;
            registry::announce_all(&mut tx, workspace.id, rules.kind(kind)).await?;
            tx.commit().await?;
        }
        Ok(())
    }

    async fn show_unmapped(&self, workspace: &Workspace) -> Result<(), StoreError> {
        let mut tx = self.transaction(workspace.id).await?;
        let Some(known) = store::workspace_for_share(&mut tx, workspace.id).await? else { return Ok(()) };
        let rules = self.rules.at(&mut tx, workspace.id, known.mapping_version).await?;
        let open = registry::open_counts(&mut tx, workspace.id).await?;
        for kind in Kind::ALL {
            let options = rules.kind(kind).fields.iter().filter(|field| field.field_type == FieldType::Option);
            for field in options.map(|field| field.id.as_str()) {
                let found = open.iter().find(|open| open.kind == kind.token() && open.field == field);
                let count = found.map_or(0, |open| u64::try_from(open.count).unwrap_or_default());
                metrics::unmapped_values(kind, field, &workspace.id.to_string(), count);
            }
        }
        tx.commit().await?;
        Ok(())
    }

    /// Deletes the mapping of a workspace that was disconnected thirty days ago. The version goes on growing.
    async fn forget_old_mapping(&self, workspace: WorkspaceId) -> Result<(), StoreError> {
        let mut tx = self.transaction(workspace).await?;
        let forgotten = sqlx::query!(
            r#"
            delete from mapper.kind_mapping
             where workspace_id = $1
               and exists (select 1
                             from mapper.workspace
                            where workspace_id = $1 and disconnected_at < now() - interval '30 days')
            "#,
            workspace.0,
        )
        .execute(&mut *tx)
        .await?;
        if forgotten.rows_affected() == 0 {
            return Ok(());
        }
        sqlx::query!("delete from mapper.field_mapping where workspace_id = $1", workspace.0).execute(&mut *tx).await?;
        sqlx::query!("delete from mapper.value_mapping where workspace_id = $1", workspace.0).execute(&mut *tx).await?;
        if let Some(known) = store::workspace_for_update(&mut tx, workspace).await? {
            store::set_mapping_version(&mut tx, workspace, known.mapping_version + 1).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}
