//! Values that stand in the rows of Salesforce records, whoever put them there.

use domain::{Kind, Object, WorkspaceId};
use sqlx::PgConnection;

use crate::store::read::{contacts, customers};
use crate::store::row::Row;

/// Which rows are wanted.
#[derive(Clone, Debug)]
pub(crate) struct Wanted<'a> {
    pub(crate) object: Object,
    /// Standard fields, by their bits in the order of the catalogue.
    pub(crate) columns: i32,
    /// Custom fields.
    pub(crate) custom: &'a [String],
    /// Only these keys; empty: every row with a value in one of the fields.
    pub(crate) keys: &'a [String],
    pub(crate) after: &'a str,
    pub(crate) limit: i64,
}

/// Returns rows by key. Archived ones are left out: no sync writes them, and nobody edits them.
pub(crate) async fn list(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    wanted: &Wanted<'_>,
) -> Result<Vec<Row>, sqlx::Error> {
    let (columns, custom, keys) = (wanted.columns, wanted.custom, wanted.keys);
    let rows = match wanted.object.kind() {
        Kind::Account => customers!(
            r#"where c.workspace_id = $1 and c.source = 'salesforce' and c.held and c.archived_at is null
                 and c.state in (1, 5) and c.key > $2::text collate "C"
                 and (cardinality($3::text[]) = 0 or c.key = any($3))
                 and (cardinality($3) > 0 or c.custom ?| $5
                      or ($4 & 1 <> 0 and c.name is not null) or ($4 & 2 <> 0 and c.website is not null)
                      or ($4 & 4 <> 0 and c.domain is not null) or ($4 & 8 <> 0 and c.arr is not null)
                      or ($4 & 16 <> 0 and c.tier is not null) or ($4 & 32 <> 0 and c.status is not null)
                      or ($4 & 64 <> 0 and c.industry is not null) or ($4 & 128 <> 0 and c.employee_count is not null)
                      or ($4 & 256 <> 0 and c.owner_name is not null) or ($4 & 512 <> 0 and c.owner_email is not null)
                      or ($4 & 1024 <> 0 and c.phone is not null) or ($4 & 2048 <> 0 and c.country is not null)
                      or ($4 & 4096 <> 0 and c.description is not null))
               order by c.key
               limit $6"#,
            workspace.0,
            wanted.after,
            keys,
            columns,
            custom,
            wanted.limit,
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(Row::from)
        .collect(),
        Kind::Contact => contacts!(
            r#"where c.workspace_id = $1 and c.source = 'salesforce' and c.object = $7 and c.held and c.archived_at is null
                 and c.state in (1, 5) and c.key > $2::text collate "C"
                 and (cardinality($3::text[]) = 0 or c.key = any($3))
                 and (cardinality($3) > 0 or c.custom ?| $5
                      or ($4 & 1 <> 0 and c.name is not null) or ($4 & 2 <> 0 and c.email is not null)
                      or ($4 & 4 <> 0 and c.phone is not null) or ($4 & 8 <> 0 and c.title is not null)
                      or ($4 & 16 <> 0 and c.status is not null) or ($4 & 32 <> 0 and c.tier is not null)
                      or ($4 & 64 <> 0 and c.country is not null) or ($4 & 128 <> 0 and c.company is not null)
                      or ($4 & 256 <> 0 and c.owner_name is not null))
               order by c.key
               limit $6"#,
            workspace.0,
            wanted.after,
            keys,
            columns,
            custom,
            wanted.limit,
            wanted.object.token(),
        )
        .fetch_all(conn)
        .await?
        .into_iter()
        .map(Row::from)
        .collect(),
    };
    Ok(rows)
}

/// What a disconnect leaves.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Staying {
    pub(crate) customers: i64,
    pub(crate) contacts: i64,
    pub(crate) parked: i64,
}

/// Counts what stays and what is forgotten.
pub(crate) async fn staying(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Staying, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        select (select count(*) from customers.customer
                 where workspace_id = $1 and source = 'salesforce' and is_root and held) as "customers!",
               (select count(*) from customers.contact
                 where workspace_id = $1 and source = 'salesforce' and is_root and held) as "contacts!",
               (select count(*) from customers.parked where workspace_id = $1) as "parked!"
        "#,
        workspace.0,
    )
    .fetch_one(conn)
    .await?;
    Ok(Staying { customers: row.customers, contacts: row.contacts, parked: row.parked })
}
