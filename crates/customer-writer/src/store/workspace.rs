//! What is known about a workspace: epoch, connection, mapping in force.

use domain::{FieldId, FieldType, Kind, Object, Plan, WorkspaceId};
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::chunk::Lock;

/// What an edit by hand of a field must satisfy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Rule {
    /// The kind.
    pub(crate) kind: Kind,
    /// The field.
    pub(crate) field: FieldId,
    /// Its type.
    #[serde(rename = "type")]
    pub(crate) field_type: FieldType,
    /// Option keys of an option field.
    pub(crate) options: Vec<String>,
}

/// A workspace as it is known now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Workspace {
    pub(crate) epoch: i64,
    pub(crate) connected: bool,
    pub(crate) instance_url: Option<String>,
    pub(crate) mapping_version: i64,
    locks: Vec<Lock>,
    pub(crate) rules: Vec<Rule>,
    /// Whether keys of the workspace were erased: a column of its row, so whoever waited for the row sees it as it is.
    pub(crate) has_erased: bool,
    /// Whether any record of the workspace is parked.
    pub(crate) has_parked: bool,
    /// Whether failures of any chunk were counted.
    pub(crate) has_failures: bool,
}

impl Workspace {
    /// Returns the fields that are locked now: none once the connection is gone.
    pub(crate) fn locks(&self) -> &[Lock] {
        if self.connected { &self.locks } else { &[] }
    }

    /// Returns what locks a field of rows of `object` now. Contacts and leads share their locks; of two sources the one
    /// that the row really has is named.
    pub(crate) fn lock(&self, object: Object, field: &str) -> Option<&Lock> {
        let of_field = |lock: &&Lock| lock.kind == object.kind() && lock.field.as_str() == field;
        let is_own =
            |lock: &&Lock| lock.source.strip_prefix(object.api_name()).is_some_and(|rest| rest.starts_with('.'));
        let mut locks = self.locks().iter().filter(of_field);
        locks.clone().find(is_own).or_else(|| locks.next())
    }
}

macro_rules! workspace_of {
    ($row:expr) => {
        $row.map(|row| Workspace {
            epoch: row.epoch,
            connected: row.connected,
            instance_url: row.instance_url,
            mapping_version: row.mapping_version,
            locks: row.locks.0,
            rules: row.rules.0,
            has_erased: row.has_erased,
            has_parked: row.has_parked,
            has_failures: row.has_failures,
        })
    };
}

/// Binds the transaction to one workspace, with an end to waiting: who waits longer gives its work back.
pub(crate) async fn enter(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "select set_config('lanesync.workspace', $1, true) as workspace, set_config('lock_timeout', '10s', true) as lock,
                set_config('statement_timeout', '30s', true) as statement",
        workspace.0.to_string(),
    )
    .fetch_one(conn)
    .await
    .map(|_| ())
}

/// Reads the workspace as it is at the moment, for reading only.
pub(crate) async fn read(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Option<Workspace>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        select epoch, connected, instance_url, mapping_version, locks as "locks: Json<Vec<Lock>>",
               rules as "rules: Json<Vec<Rule>>", erased > 0 as "has_erased!", false as "has_parked!", false as "has_failures!"
          from customers.workspace
         where workspace_id = $1
        "#,
        workspace.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(workspace_of!(row))
}

/// Reads the workspace and keeps it as it is until the transaction ends.
pub(crate) async fn hold(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Option<Workspace>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        select epoch, connected, instance_url, mapping_version, locks as "locks: Json<Vec<Lock>>",
               rules as "rules: Json<Vec<Rule>>", erased > 0 as "has_erased!",
               exists (select from customers.parked p where p.workspace_id = $1) as "has_parked!",
               exists (select from customers.chunk_failure f where f.workspace_id = $1) as "has_failures!"
          from customers.workspace
         where workspace_id = $1
           for share of workspace
        "#,
        workspace.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(workspace_of!(row))
}

/// As [`hold`], and nobody else applies or edits meanwhile: for moving aliases.
pub(crate) async fn hold_alone(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
) -> Result<Option<Workspace>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        select epoch, connected, instance_url, mapping_version, locks as "locks: Json<Vec<Lock>>",
               rules as "rules: Json<Vec<Rule>>", erased > 0 as "has_erased!",
               exists (select from customers.parked p where p.workspace_id = $1) as "has_parked!",
               exists (select from customers.chunk_failure f where f.workspace_id = $1) as "has_failures!"
          from customers.workspace
         where workspace_id = $1
           for update of workspace
        "#,
        workspace.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(workspace_of!(row))
}

/// The mapping in force, as told by a save or by a batch.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mapping<'a> {
    pub(crate) version: i64,
    pub(crate) locks: &'a [Lock],
    /// Batches carry none.
    pub(crate) rules: Option<&'a [Rule]>,
}

/// Puts a mapping in force unless a newer one is; returns the version in force.
///
/// Rules have a version of their own: a batch may bring the version and the locks before the save's call brings the rules.
pub(crate) async fn set_mapping(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    mapping: Mapping<'_>,
) -> Result<i64, sqlx::Error> {
    let version = sqlx::query_scalar!(
        r#"
        insert into customers.workspace as w (workspace_id, mapping_version, locks, rules, rules_version)
        values ($1, $2::bigint, $3, coalesce($4::jsonb, '[]'), case when $4::jsonb is null then 0 else $2::bigint end)
        on conflict (workspace_id) do update
           set locks           = case when excluded.mapping_version > w.mapping_version then excluded.locks else w.locks end,
               mapping_version = greatest(w.mapping_version, excluded.mapping_version),
               rules           = case when excluded.rules_version > w.rules_version then excluded.rules else w.rules end,
               rules_version   = greatest(w.rules_version, excluded.rules_version),
               updated_at      = now()
        returning mapping_version
        "#,
        workspace.0,
        mapping.version,
        Json(mapping.locks) as _,
        mapping.rules.map(Json) as _,
    )
    .fetch_one(conn)
    .await?;
    Ok(version)
}

/// The newest state of a workspace, as auth tells it.
#[derive(Clone, Debug)]
pub(crate) struct State {
    pub(crate) revision: i64,
    pub(crate) epoch: i64,
    pub(crate) plan: Plan,
    pub(crate) connected: bool,
    pub(crate) org_id: String,
    pub(crate) instance_url: String,
}

/// Takes over a state unless a newer one is known. Returns whether it was taken over, and the revision known now.
pub(crate) async fn set_state(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    state: &State,
) -> Result<(bool, i64), sqlx::Error> {
    let taken = sqlx::query_scalar!(
        r#"
        insert into customers.workspace as w (workspace_id, revision, epoch, plan, connected, org_id, instance_url)
        values ($1, $2, $3, $4, $5, nullif($6, ''), nullif($7, ''))
        on conflict (workspace_id) do update
           set revision     = excluded.revision,
               epoch        = greatest(w.epoch, excluded.epoch),
               plan         = excluded.plan,
               connected    = excluded.connected,
               org_id       = coalesce(excluded.org_id, w.org_id),
               instance_url = coalesce(excluded.instance_url, w.instance_url),
               updated_at   = now()
         where w.revision < excluded.revision
        returning revision
        "#,
        workspace.0,
        state.revision,
        state.epoch,
        state.plan.token(),
        state.connected,
        state.org_id,
        state.instance_url,
    )
    .fetch_optional(&mut *conn)
    .await?;
    if let Some(revision) = taken {
        return Ok((true, revision));
    }
    let known = sqlx::query_scalar!("select revision from customers.workspace where workspace_id = $1", workspace.0)
        .fetch_one(conn)
        .await?;
    Ok((false, known))
}

/// Removes everything that came from Salesforce, and returns how many rows that were; what people made stays.
pub(crate) async fn purge(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<u64, sqlx::Error> {
    let contacts =
        sqlx::query!("delete from customers.contact where workspace_id = $1 and source = 'salesforce'", workspace.0)
            .execute(&mut *conn)
            .await?;
    let customers =
        sqlx::query!("delete from customers.customer where workspace_id = $1 and source = 'salesforce'", workspace.0)
            .execute(&mut *conn)
            .await?;
    sqlx::query!("delete from customers.parked where workspace_id = $1", workspace.0).execute(&mut *conn).await?;
    sqlx::query!("delete from customers.chunk_failure where workspace_id = $1", workspace.0).execute(conn).await?;
    Ok(contacts.rows_affected() + customers.rows_affected())
}
