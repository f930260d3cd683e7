//! Tells the writer which mapping and which locks are in force, until it has answered.

use std::sync::Arc;
use std::time::Duration;

use contract::writer::v1::SetMappingRequest;
use domain::WorkspaceId;
use tokio_util::sync::CancellationToken;

use crate::Mapper;
use crate::store::{self, StoreError};

/// How long a save waits for the writer's answer; later the task tells it.
const PATIENCE: Duration = Duration::from_secs(3);

impl Mapper {
    /// Tells the writer what is in force in a workspace, if it does not know yet. A failure only delays.
    pub(crate) async fn tell_writer(&self, workspace: WorkspaceId) {
        match tokio::time::timeout(PATIENCE, self.tell(workspace)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => {
                tracing::warn!(error = format!("{error:#}"), "telling the writer the mapping; it is tried again");
            }
            Err(_) => tracing::warn!("telling the writer the mapping timed out; it is tried again"),
        }
    }

    async fn tell(&self, workspace: WorkspaceId) -> anyhow::Result<()> {
        let mut tx = self.transaction(workspace).await?;
        let Some(known) = store::workspace_for_share(&mut tx, workspace).await? else { return Ok(()) };
        let rules = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        // Not held while the writer answers: what it is told is monotone, so a newer version may overtake this one.
        tx.commit().await?;
        let request = SetMappingRequest {
            workspace_id: workspace.to_string(),
            epoch: known.epoch,
            mapping_version: rules.version,
            locks: rules.locks.clone(),
            rules: rules.field_rules(),
        };
        self.writer.clone().set_mapping(request).await?;
        sqlx::query!(
            r#"
            update mapper.chore
               set told_version = greatest(told_version, $2), told_epoch = greatest(told_epoch, $3)
             where workspace_id = $1
            "#,
            workspace.0,
            rules.version,
            known.epoch,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Tells every mapping that the writer does not know yet, until `stopping`.
    pub(crate) async fn tell_all(self: Arc<Self>, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = self.wake.notified() => {}
                _ = tick.tick() => {}
            }
            match self.untold().await {
                Ok(workspaces) => {
                    for workspace in workspaces {
                        self.tell_writer(workspace).await;
                    }
                }
                Err(error) => {
                    let error = anyhow::Error::from(error);
                    tracing::warn!(error = format!("{error:#}"), "looking for mappings that the writer does not know");
                }
            }
        }
    }

    async fn untold(&self) -> Result<Vec<WorkspaceId>, StoreError> {
        let rows = sqlx::query_scalar!(
            r#"
            select w.workspace_id
              from mapper.workspace w
              join mapper.chore c using (workspace_id)
             where w.mapping_version > 0
               and (c.told_version < w.mapping_version or (w.connected and c.told_epoch < w.epoch))
             limit 100
            "#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(WorkspaceId).collect())
    }
}
