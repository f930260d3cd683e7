//! The newest connection of each workspace, ended or not.

use domain::{Epoch, OrgId, WorkspaceId};
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::moment::{from_db, to_db};

/// How a grant was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Flow {
    /// By a person in a browser.
    Web,
    /// By the app itself; there is no refresh token.
    ClientCredentials,
}

impl Flow {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::ClientCredentials => "client_credentials",
        }
    }

    pub(super) fn from_text(text: &str) -> Option<Self> {
        [Self::Web, Self::ClientCredentials].into_iter().find(|flow| flow.as_str() == text)
    }
}

/// A workspace's link to one org.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connection {
    /// Its id.
    pub id: Uuid,
    /// How the grant was given.
    pub flow: Flow,
    /// Epoch that it began.
    pub epoch: Epoch,
    /// The org.
    pub org: OrgId,
    /// The org whose customers are here; none once they were purged.
    pub bound_org: Option<OrgId>,
    /// Name of the org.
    pub org_name: String,
    /// Whether the org is a sandbox.
    pub sandbox: bool,
    /// Where API calls go.
    pub instance_url: String,
    /// Where the grant came from.
    pub login_url: String,
    /// Name of the user that the sync runs as.
    pub salesforce_username: String,
    /// Replication start date.
    pub start_at: Option<Timestamp>,
    /// When it was connected.
    pub connected_at: Timestamp,
    /// Who connected it.
    pub connected_by: String,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
    /// Whether the customers go with it.
    pub purge: bool,
    /// Revision that told of the end.
    pub ended_revision: Option<i64>,
}

/// Returns the newest connection of a workspace.
pub async fn read(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Option<Connection>, StoreError> {
    let row = sqlx::query!(
        r#"
        select connection_id, flow, epoch, org_id, bound_org_id, org_name, sandbox, instance_url, login_url,
               salesforce_username, start_at, connected_at, connected_by, ended_at, purge, ended_revision
          from auth.connection
         where workspace_id = $1
        "#,
        workspace.0,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let impossible = || StoreError::Impossible { table: "auth.connection", workspace };
    let org = |text: String| text.parse::<OrgId>().map_err(|_| impossible());
    Ok(Some(Connection {
        id: row.connection_id,
        flow: Flow::from_text(&row.flow).ok_or_else(impossible)?,
        epoch: row.epoch,
        org: org(row.org_id)?,
        bound_org: row.bound_org_id.map(org).transpose()?,
        org_name: row.org_name,
        sandbox: row.sandbox,
        instance_url: row.instance_url,
        login_url: row.login_url,
        salesforce_username: row.salesforce_username,
        start_at: row.start_at.map(from_db),
        connected_at: from_db(row.connected_at),
        connected_by: row.connected_by,
        ended_at: row.ended_at.map(from_db),
        purge: row.purge,
        ended_revision: row.ended_revision,
    }))
}

/// Writes the connection of a locked workspace.
pub async fn save(conn: &mut PgConnection, workspace: WorkspaceId, connection: &Connection) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into auth.connection
               (workspace_id, connection_id, flow, epoch, org_id, bound_org_id, org_name, sandbox, instance_url,
                login_url, salesforce_username, start_at, connected_at, connected_by, ended_at, purge, ended_revision)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)
        on conflict (workspace_id) do update
           set connection_id       = excluded.connection_id,
               flow                = excluded.flow,
               epoch               = excluded.epoch,
               org_id              = excluded.org_id,
               bound_org_id        = excluded.bound_org_id,
               org_name            = excluded.org_name,
               sandbox             = excluded.sandbox,
               instance_url        = excluded.instance_url,
               login_url           = excluded.login_url,
               salesforce_username = excluded.salesforce_username,
               start_at            = excluded.start_at,
               connected_at        = excluded.connected_at,
               connected_by        = excluded.connected_by,
               ended_at            = excluded.ended_at,
               purge               = excluded.purge,
               ended_revision      = excluded.ended_revision
        "#,
        workspace.0,
        connection.id,
        connection.flow.as_str(),
        connection.epoch,
        connection.org.as_str(),
        connection.bound_org.as_ref().map(OrgId::as_str),
        connection.org_name,
        connection.sandbox,
        connection.instance_url,
        connection.login_url,
        connection.salesforce_username,
        connection.start_at.map(to_db),
        to_db(connection.connected_at),
        connection.connected_by,
        connection.ended_at.map(to_db),
        connection.purge,
        connection.ended_revision,
    )
    .execute(conn)
    .await?;
    Ok(())
}
