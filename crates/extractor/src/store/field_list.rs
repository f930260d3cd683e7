//! Which fields a read carries: numbered lists, committed before the first read that uses them.

use domain::{Object, WorkspaceId};
use sqlx::PgConnection;

use super::StoreError;
use crate::soql::FieldPath;

/// A numbered list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldList {
    /// Grows with every change.
    pub version: i64,
    /// What images carry, sorted.
    pub fields: Vec<FieldPath>,
}

/// Returns the newest list of an object.
///
/// # Errors
/// When Postgres fails.
pub async fn current(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
) -> Result<Option<FieldList>, StoreError> {
    let row = sqlx::query!(
        r#"
        select version, fields
          from extractor.field_list
         where workspace_id = $1 and object = $2
         order by version desc
         limit 1
        "#,
        workspace.0,
        object.token(),
    )
    .fetch_optional(conn)
    .await?;
    row.map(|row| read_row(workspace, row.version, row.fields)).transpose()
}

/// Commits to a list: returns the newest one if it is the same, else adds it with the next number.
///
/// # Errors
/// When Postgres fails.
pub async fn commit_to(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    fields: &[FieldPath],
) -> Result<FieldList, StoreError> {
    let newest = current(&mut *conn, workspace, object).await?;
    if let Some(list) = newest.as_ref().filter(|list| list.fields == fields) {
        return Ok(list.clone());
    }
    let version = newest.map_or(0, |list| list.version) + 1;
    let names: Vec<String> = fields.iter().map(ToString::to_string).collect();
    sqlx::query!(
        "insert into extractor.field_list (workspace_id, object, version, fields) values ($1, $2, $3, $4)",
        workspace.0,
        object.token(),
        version,
        &names,
    )
    .execute(conn)
    .await?;
    Ok(FieldList { version, fields: fields.to_vec() })
}

/// Returns the fields that every list from `since` on carries: those were read throughout.
///
/// # Errors
/// When Postgres fails.
pub async fn carried_since(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    since: i64,
) -> Result<Vec<FieldPath>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select version, fields
          from extractor.field_list
         where workspace_id = $1 and object = $2 and version >= $3
         order by version
        "#,
        workspace.0,
        object.token(),
        since,
    )
    .fetch_all(conn)
    .await?;
    let mut lists = Vec::with_capacity(rows.len());
    for row in rows {
        lists.push(read_row(workspace, row.version, row.fields)?.fields);
    }
    let Some((first, rest)) = lists.split_first() else { return Ok(Vec::new()) };
    Ok(first.iter().filter(|field| rest.iter().all(|list| list.contains(field))).cloned().collect())
}

fn read_row(workspace: WorkspaceId, version: i64, fields: Vec<String>) -> Result<FieldList, StoreError> {
    let fields = fields
        .into_iter()
        .map(|field| field.parse().map_err(|_| StoreError::impossible("field_list", workspace)))
        .collect::<Result<_, _>>()?;
    Ok(FieldList { version, fields })
}
