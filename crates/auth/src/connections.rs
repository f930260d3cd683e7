//! Connections once they are there: shown, moved to another start date, ended.

use std::sync::Arc;

use domain::{Plan, WorkspaceId};
use jiff::Timestamp;

use crate::connect::{self, Nudges};
use crate::store::connection::{self, Connection};
use crate::store::state::{self, Delivery};
use crate::store::workspace::{self, GrantState, Standing};
use crate::store::{Store, StoreError, audit, ending, schedule};

/// Shows connections and ends them.
#[derive(Clone, Debug)]
pub struct Connections {
    store: Store,
    nudges: Arc<Nudges>,
}

/// Why a connection is not shown or changed.
#[derive(Debug, thiserror::Error)]
pub enum ConnectionError {
    /// There is no such workspace.
    #[error("workspace {0} does not exist")]
    UnknownWorkspace(WorkspaceId),
    /// The workspace was never connected, or is not any more.
    #[error("workspace {0} is not connected")]
    NotConnected(WorkspaceId),
    /// The plan does not include Salesforce.
    #[error("the plan {} does not include Salesforce", .0.token())]
    PlanRequired(Plan),
    /// The start date is before 1999 or in the future.
    #[error("the start date is before 1999-01-01 or in the future")]
    StartDate,
    /// Postgres failed.
    #[error("storing the connection")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for ConnectionError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

impl Connections {
    /// Puts the parts together.
    #[must_use]
    pub fn new(store: Store, nudges: Arc<Nudges>) -> Self {
        Self { store, nudges }
    }

    /// Returns the newest connection of a workspace, ended or not.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub async fn read(&self, id: WorkspaceId) -> Result<(Connection, Standing), ConnectionError> {
        let mut conn = self.store.begin_reading(id).await?;
        let standing = workspace::standing(&mut conn, id).await?.ok_or(ConnectionError::UnknownWorkspace(id))?;
        let connection = connection::read(&mut conn, id).await?.ok_or(ConnectionError::NotConnected(id))?;
        Ok((connection, standing))
    }

    /// Returns at most `limit` connections in order of workspace id, after the workspace `after`.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub async fn list(
        &self,
        after: WorkspaceId,
        limit: i64,
    ) -> Result<Vec<(WorkspaceId, Connection, Standing)>, ConnectionError> {
        let mut conn = self.store.begin_reading(after).await?;
        let mut listed = Vec::new();
        for id in workspace::ever_connected(&mut conn, after, limit).await? {
            // Row security shows one workspace at a time; ids come from a table that holds nothing else.
            service::postgres::in_workspace(&mut conn, id).await?;
            let (Some(standing), Some(connection)) =
                (workspace::standing(&mut conn, id).await?, connection::read(&mut conn, id).await?)
            else {
                return Err(StoreError::Impossible { table: "auth.connection", workspace: id }.into());
            };
            listed.push((id, connection, standing));
        }
        Ok(listed)
    }

    /// Moves the replication start date.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub async fn set_start(
        &self,
        id: WorkspaceId,
        start_at: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<(Connection, Standing), ConnectionError> {
        connect::check_start(start_at, now).map_err(|_| ConnectionError::StartDate)?;
        let mut conn = self.store.begin(id).await?;
        let mut standing = workspace::lock(&mut conn, id).await?.ok_or(ConnectionError::UnknownWorkspace(id))?;
        let mut connection = connection::read(&mut conn, id).await?.ok_or(ConnectionError::NotConnected(id))?;
        if !standing.plan.includes_salesforce() {
            return Err(ConnectionError::PlanRequired(standing.plan));
        }
        if !matches!(standing.grant, GrantState::Active | GrantState::Revoked) {
            return Err(ConnectionError::NotConnected(id));
        }
        if connection.start_at != start_at {
            connection.start_at = start_at;
            standing.revision += 1;
            workspace::save(&mut conn, id, &standing).await?;
            connection::save(&mut conn, id, &connection).await?;
            state::tell(&mut conn, id, Delivery::NewestOnly, now).await?;
            let detail = start_at.map(|start| start.to_string()).unwrap_or_default();
            let entry = audit::Entry { actor: "", action: "set start date", outcome: "done", detail: &detail };
            audit::append(&mut conn, id, &entry, now).await?;
            conn.commit().await?;
            self.nudges.push.notify_one();
        }
        Ok((connection, standing))
    }

    /// Begins the end of a connection. Again is no error: a connection that ends, or has ended, stays as it is, unless
    /// the customers are to go now and were not to go before.
    ///
    /// Allowed on every plan: nobody is kept in.
    ///
    /// # Errors
    /// [`ConnectionError`].
    pub async fn disconnect(
        &self,
        id: WorkspaceId,
        purge: bool,
        actor: &str,
        now: Timestamp,
    ) -> Result<(Connection, Standing), ConnectionError> {
        let mut conn = self.store.begin(id).await?;
        let mut standing = workspace::lock(&mut conn, id).await?.ok_or(ConnectionError::UnknownWorkspace(id))?;
        let mut connection = connection::read(&mut conn, id).await?.ok_or(ConnectionError::NotConnected(id))?;
        let is_open = matches!(standing.grant, GrantState::Active | GrantState::Revoked);
        if !is_open && (connection.purge || !purge) {
            return Ok((connection, standing));
        }
        standing.epoch += 1;
        standing.revision += 1;
        standing.grant = GrantState::Disconnecting;
        standing.connection = None;
        connection.purge = purge;
        connection.ended_revision = Some(standing.revision);
        if is_open {
            connection.ended_at = Some(now);
        }
        if purge {
            connection.bound_org = None;
        }
        workspace::save(&mut conn, id, &standing).await?;
        connection::save(&mut conn, id, &connection).await?;
        schedule::remove(&mut conn, id).await?;
        state::tell(&mut conn, id, Delivery::Always, now).await?;
        ending::ask(&mut conn, id, now).await?;
        let detail = if purge { "customers are removed" } else { "customers stay" };
        let entry = audit::Entry { actor, action: "disconnect", outcome: "begun", detail };
        audit::append(&mut conn, id, &entry, now).await?;
        conn.commit().await?;
        self.nudges.push.notify_one();
        self.nudges.ending.notify_one();
        Ok((connection, standing))
    }
}
