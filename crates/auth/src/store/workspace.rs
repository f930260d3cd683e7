//! Workspaces, and where each stands.

use domain::{Epoch, Plan, WorkspaceId};
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::moment::{from_db, to_db};

/// A customer of Lane.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Id.
    pub id: WorkspaceId,
    /// Name for people.
    pub display_name: String,
    /// What it pays for.
    pub plan: Plan,
    /// When it was created.
    pub created_at: Timestamp,
    /// Place in the order of creation.
    pub ordinal: i64,
}

/// Where a workspace's grant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum GrantState {
    /// There never was one.
    Never,
    /// Authorized.
    Active,
    /// Salesforce refused it.
    Revoked,
    /// The end is under way.
    Disconnecting,
    /// Ended.
    Disconnected,
}

impl GrantState {
    /// All states.
    pub const ALL: [Self; 5] = [Self::Never, Self::Active, Self::Revoked, Self::Disconnecting, Self::Disconnected];

    /// Returns the name in the table.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Active => "active",
            Self::Revoked => "revoked",
            Self::Disconnecting => "disconnecting",
            Self::Disconnected => "disconnected",
        }
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}

/// What changes about a workspace; every change takes the next revision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// What it pays for.
    pub plan: Plan,
    /// Newest revision.
    pub revision: i64,
    /// Newest epoch.
    pub epoch: Epoch,
    /// Where the grant stands.
    pub grant: GrantState,
    /// The connection that counts.
    pub connection: Option<Uuid>,
    /// Kill switch of the workspace.
    pub stopped: bool,
}

/// Creates a workspace unless there is one of that id. Returns whether it was created.
pub async fn create(
    conn: &mut PgConnection,
    id: WorkspaceId,
    display_name: &str,
    plan: Plan,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let created = sqlx::query!(
        r#"
        insert into auth.workspace (workspace_id, display_name, plan, created_at, revision)
        values ($1, $2, $3, $4, 1)
        on conflict (workspace_id) do nothing
        "#,
        id.0,
        display_name,
        plan.token(),
        to_db(now),
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(created == 1)
}

/// Returns a workspace.
pub async fn read(conn: &mut PgConnection, id: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
    let row = sqlx::query!(
        "select ordinal, display_name, plan, created_at from auth.workspace where workspace_id = $1",
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| {
        let plan = plan_of(id, &row.plan)?;
        let created_at = from_db(row.created_at);
        Ok(Workspace { id, display_name: row.display_name, plan, created_at, ordinal: row.ordinal })
    })
    .transpose()
}

/// Returns at most `limit` workspaces in order of creation, after the one at `ordinal`.
pub async fn list(conn: &mut PgConnection, ordinal: i64, limit: i64) -> Result<Vec<Workspace>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select workspace_id, ordinal, display_name, plan, created_at
          from auth.workspace
         where ordinal > $1
         order by ordinal
         limit $2
        "#,
        ordinal,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let id = WorkspaceId(row.workspace_id);
            let plan = plan_of(id, &row.plan)?;
            let created_at = from_db(row.created_at);
            Ok(Workspace { id, display_name: row.display_name, plan, created_at, ordinal: row.ordinal })
        })
        .collect()
}

/// Returns at most `limit` ids of workspaces that were ever connected, after `after`, in order of id.
pub async fn ever_connected(
    conn: &mut PgConnection,
    after: WorkspaceId,
    limit: i64,
) -> Result<Vec<WorkspaceId>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select workspace_id
          from auth.workspace
         where workspace_id > $1 and grant_state <> 'never'
         order by workspace_id
         limit $2
        "#,
        after.0,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| WorkspaceId(row.workspace_id)).collect())
}

/// Returns at most `limit` ids of workspaces after `after`, in order of id.
pub async fn ids(conn: &mut PgConnection, after: WorkspaceId, limit: i64) -> Result<Vec<WorkspaceId>, StoreError> {
    let rows = sqlx::query!(
        "select workspace_id from auth.workspace where workspace_id > $1 order by workspace_id limit $2",
        after.0,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| WorkspaceId(row.workspace_id)).collect())
}

/// Returns where a workspace stands.
pub async fn standing(conn: &mut PgConnection, id: WorkspaceId) -> Result<Option<Standing>, StoreError> {
    let row = sqlx::query!(
        r#"
        select plan, revision, epoch, grant_state, connection_id, stopped
          from auth.workspace
         where workspace_id = $1
        "#,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| standing_of(id, &row.plan, row.revision, row.epoch, &row.grant_state, row.connection_id, row.stopped))
        .transpose()
}

/// Returns where a workspace stands and keeps others from changing it until the transaction ends.
///
/// Whoever also locks a token locks the workspace first.
pub async fn lock(conn: &mut PgConnection, id: WorkspaceId) -> Result<Option<Standing>, StoreError> {
    // Not FOR UPDATE: rows that refer to the workspace are inserted meanwhile.
    let row = sqlx::query!(
        r#"
        select plan, revision, epoch, grant_state, connection_id, stopped
          from auth.workspace
         where workspace_id = $1
           for no key update
        "#,
        id.0,
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| standing_of(id, &row.plan, row.revision, row.epoch, &row.grant_state, row.connection_id, row.stopped))
        .transpose()
}

/// Writes where a locked workspace stands now. Revision and epoch never fall: the statement refuses that.
pub async fn save(conn: &mut PgConnection, id: WorkspaceId, standing: &Standing) -> Result<(), StoreError> {
    let saved = sqlx::query!(
        r#"
        update auth.workspace
           set plan          = $2,
               revision      = $3,
               epoch         = $4,
               grant_state   = $5,
               connection_id = $6,
               stopped       = $7
         where workspace_id = $1
           and revision <= $3
           and epoch <= $4
        "#,
        id.0,
        standing.plan.token(),
        standing.revision,
        standing.epoch,
        standing.grant.as_str(),
        standing.connection,
        standing.stopped,
    )
    .execute(conn)
    .await?
    .rows_affected();
    if saved == 1 { Ok(()) } else { Err(StoreError::Impossible { table: "auth.workspace", workspace: id }) }
}

fn plan_of(workspace: WorkspaceId, text: &str) -> Result<Plan, StoreError> {
    Plan::from_token(text).ok_or(StoreError::Impossible { table: "auth.workspace", workspace })
}

fn standing_of(
    id: WorkspaceId,
    plan: &str,
    revision: i64,
    epoch: i64,
    grant: &str,
    connection: Option<Uuid>,
    stopped: bool,
) -> Result<Standing, StoreError> {
    let impossible = StoreError::Impossible { table: "auth.workspace", workspace: id };
    let grant = GrantState::from_text(grant).ok_or(impossible)?;
    Ok(Standing { plan: plan_of(id, plan)?, revision, epoch, grant, connection, stopped })
}
