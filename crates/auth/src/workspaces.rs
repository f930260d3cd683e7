//! Workspaces and their plans.

use std::sync::Arc;

use domain::{Plan, WorkspaceId};
use jiff::Timestamp;

use crate::connect::Nudges;
use crate::store::state::{self, Delivery};
use crate::store::workspace::{self, Workspace};
use crate::store::{Store, StoreError, audit};

/// Creates workspaces, returns them, and sets their plans.
#[derive(Clone, Debug)]
pub struct Workspaces {
    store: Store,
    nudges: Arc<Nudges>,
}

/// Why there is no workspace.
#[derive(Debug, thiserror::Error)]
pub enum WorkspaceError {
    /// There is none of that id.
    #[error("workspace {0} does not exist")]
    Unknown(WorkspaceId),
    /// Postgres failed.
    #[error("storing the workspace")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for WorkspaceError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Workspaces {
    /// Puts the parts together.
    #[must_use]
    pub fn new(store: Store, nudges: Arc<Nudges>) -> Self {
        Self { store, nudges }
    }

    /// Creates a workspace, or returns the one of that id as it is.
    ///
    /// # Errors
    /// [`WorkspaceError`].
    pub async fn create(
        &self,
        id: WorkspaceId,
        display_name: &str,
        plan: Plan,
        now: Timestamp,
    ) -> Result<Workspace, WorkspaceError> {
        let mut conn = self.store.begin(id).await?;
        let created = workspace::create(&mut conn, id, display_name, plan, now).await?;
        if created {
            state::tell(&mut conn, id, Delivery::NewestOnly, now).await?;
            let entry = audit::Entry { actor: "", action: "create", outcome: "done", detail: plan.token() };
            audit::append(&mut conn, id, &entry, now).await?;
        }
        let workspace = workspace::read(&mut conn, id).await?.ok_or(WorkspaceError::Unknown(id))?;
        conn.commit().await?;
        self.nudges.push.notify_one();
        Ok(workspace)
    }

    /// Returns a workspace.
    ///
    /// # Errors
    /// [`WorkspaceError`].
    pub async fn read(&self, id: WorkspaceId) -> Result<Workspace, WorkspaceError> {
        let mut conn = self.store.begin(id).await?;
        workspace::read(&mut conn, id).await?.ok_or(WorkspaceError::Unknown(id))
    }

    /// Returns at most `limit` workspaces in order of creation, after the one at `ordinal`.
    ///
    /// # Errors
    /// [`WorkspaceError`].
    pub async fn list(&self, ordinal: i64, limit: i64) -> Result<Vec<Workspace>, WorkspaceError> {
        let mut conn = self.store.pool().acquire().await?;
        Ok(workspace::list(&mut conn, ordinal, limit).await?)
    }

    /// Changes the plan. The epoch stays: a downgrade pauses the sync and ends nothing.
    ///
    /// # Errors
    /// [`WorkspaceError`].
    pub async fn set_plan(&self, id: WorkspaceId, plan: Plan, now: Timestamp) -> Result<Workspace, WorkspaceError> {
        let mut conn = self.store.begin(id).await?;
        let mut standing = workspace::lock(&mut conn, id).await?.ok_or(WorkspaceError::Unknown(id))?;
        if standing.plan != plan {
            standing.plan = plan;
            standing.revision += 1;
            workspace::save(&mut conn, id, &standing).await?;
            state::tell(&mut conn, id, Delivery::NewestOnly, now).await?;
            let entry = audit::Entry { actor: "billing", action: "set plan", outcome: "done", detail: plan.token() };
            audit::append(&mut conn, id, &entry, now).await?;
        }
        let workspace = workspace::read(&mut conn, id).await?.ok_or(WorkspaceError::Unknown(id))?;
        conn.commit().await?;
        self.nudges.push.notify_one();
        Ok(workspace)
    }
}
