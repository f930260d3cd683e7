//! The mapper's tables: the row of a workspace, and what can go wrong.

use domain::{Epoch, MappingVersion, Plan, WorkspaceId};
use sqlx::PgConnection;

/// Why the store did not answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StoreError {
    /// Postgres failed.
    #[error("asking Postgres")]
    Postgres(#[from] sqlx::Error),
    /// A row that no code of ours writes.
    #[error("table {table} holds an impossible row: {key}")]
    Impossible {
        /// Table.
        table: &'static str,
        /// Key; never a value of a record.
        key: String,
    },
}

impl StoreError {
    /// Whether trying the same again can help.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Self::Postgres(error) => service::postgres::is_transient(error),
            Self::Impossible { .. } => false,
        }
    }

    /// Whether the data itself is what Postgres refuses: then a smaller piece may pass.
    pub(crate) fn is_about_data(&self) -> bool {
        let Self::Postgres(sqlx::Error::Database(error)) = self else { return false };
        // Data exception, constraint violation, program limit exceeded.
        error.code().is_some_and(|code| ["22", "23", "54"].iter().any(|class| code.starts_with(class)))
    }
}

/// What is known of a workspace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Workspace {
    pub(crate) id: WorkspaceId,
    pub(crate) epoch: Epoch,
    pub(crate) plan: Plan,
    pub(crate) connected: bool,
    pub(crate) mapping_version: MappingVersion,
    /// Whether keys were erased: a column of the row, so whoever waited for the row sees it as it is.
    pub(crate) has_erased: bool,
}

struct Row {
    epoch: i64,
    plan: String,
    connected: bool,
    mapping_version: i64,
    has_erased: bool,
}

impl Row {
    fn into_workspace(self, id: WorkspaceId) -> Result<Workspace, StoreError> {
        let plan = Plan::from_token(&self.plan);
        let plan = plan.ok_or_else(|| StoreError::Impossible { table: "workspace", key: id.to_string() })?;
        Ok(Workspace {
            id,
            epoch: self.epoch,
            plan,
            connected: self.connected,
            mapping_version: self.mapping_version,
            has_erased: self.has_erased,
        })
    }
}

/// Reads a workspace without holding it.
pub(crate) async fn workspace(conn: &mut PgConnection, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"
        select epoch, plan, connected, mapping_version, erased > 0 as "has_erased!"
          from mapper.workspace
         where workspace_id = $1
        "#,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| row.into_workspace(id)).transpose()
}

/// Reads a workspace and keeps epoch and mapping as they are until the transaction ends; others may do the same.
pub(crate) async fn workspace_for_share(
    conn: &mut PgConnection,
    id: WorkspaceId,
) -> Result<Option<Workspace>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"
        select epoch, plan, connected, mapping_version, erased > 0 as "has_erased!"
          from mapper.workspace
         where workspace_id = $1
           for share
        "#,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| row.into_workspace(id)).transpose()
}

/// Reads a workspace for changing epoch or mapping: waits for every chunk in hand, and holds back the next ones.
pub(crate) async fn workspace_for_update(
    conn: &mut PgConnection,
    id: WorkspaceId,
) -> Result<Option<Workspace>, StoreError> {
    let row = sqlx::query_as!(
        Row,
        r#"
        select epoch, plan, connected, mapping_version, erased > 0 as "has_erased!"
          from mapper.workspace
         where workspace_id = $1
           for update
        "#,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| row.into_workspace(id)).transpose()
}

/// Sets the mapping version; the caller holds the row for update.
pub(crate) async fn set_mapping_version(
    conn: &mut PgConnection,
    id: WorkspaceId,
    version: MappingVersion,
) -> Result<(), StoreError> {
    sqlx::query!("update mapper.workspace set mapping_version = $2 where workspace_id = $1", id.0, version)
        .execute(conn)
        .await?;
    Ok(())
}

/// Returns every workspace, for tasks that look after all of them.
pub(crate) async fn workspaces(conn: &mut PgConnection) -> Result<Vec<Workspace>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select workspace_id, epoch, plan, connected, mapping_version, erased > 0 as "has_erased!"
          from mapper.workspace
         order by workspace_id
        "#
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let id = WorkspaceId(row.workspace_id);
            Row {
                epoch: row.epoch,
                plan: row.plan,
                connected: row.connected,
                mapping_version: row.mapping_version,
                has_erased: row.has_erased,
            }
            .into_workspace(id)
        })
        .collect()
}
