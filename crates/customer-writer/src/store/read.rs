//! Reading customers and contacts for people and peers.

use chrono::{DateTime, Utc};
use domain::{Kind, Object, SalesforceId, WorkspaceId};
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::row::{ContactRow, CustomerRow};

/// A moment as our code has it.
pub(crate) fn moment(column: DateTime<Utc>) -> Timestamp {
    Timestamp::from_microsecond(column.timestamp_micros()).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A moment as a column has it.
pub(crate) fn column(moment: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(moment.as_microsecond()).unwrap_or(DateTime::UNIX_EPOCH)
}

/// Customers of whatever the rest of the statement says.
macro_rules! customers {
    ($($tail:literal)+, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            $crate::store::row::CustomerRow,
            r#"select c.own_id, c.lane_id, c.source, c.key, c.modified_ms, c.archived_at, c.hidden_at, c.etag,
                      c.created_at, c.updated_at, c.unmapped, c.custom as "custom: crate::store::row::Document",
                      c.custom_unmapped as "custom_unmapped: crate::store::row::Document",
                      c.name, c.website, c.domain, c.arr as "arr: rust_decimal::Decimal", c.arr_currency, c.tier, c.status, c.industry,
                      c.employee_count as "employee_count: rust_decimal::Decimal", c.owner_name, c.owner_email, c.phone, c.country,
                      c.description
                 from customers.customer c "# $(+ $tail)+,
            $($argument),*
        )
    };
}
pub(crate) use customers;

/// Contacts of whatever the rest of the statement says.
macro_rules! contacts {
    ($($tail:literal)+, $($argument:expr),* $(,)?) => {
        sqlx::query_as!(
            $crate::store::row::ContactRow,
            r#"select c.own_id, c.lane_id, c.source, c.object, c.key, c.modified_ms, c.archived_at, c.hidden_at,
                      c.etag, c.created_at, c.updated_at, c.unmapped,
                      c.custom as "custom: crate::store::row::Document",
                      c.custom_unmapped as "custom_unmapped: crate::store::row::Document",
                      c.name, c.email, c.phone, c.title, c.status, c.tier, c.country, c.company, c.owner_name,
                      coalesce(
                          (select r.lane_id
                             from customers.customer a
                             join customers.customer r
                               on r.workspace_id = a.workspace_id and r.lane_id = a.lane_id and r.is_root and r.held
                            where a.workspace_id = c.workspace_id and a.key = c.account_id),
                          (select r.lane_id from customers.customer r
                            where r.workspace_id = c.workspace_id and r.lane_id = c.customer_id and r.is_root and r.held),
                          (select r.lane_id from customers.customer r
                            where r.workspace_id = c.workspace_id and r.own_id = c.customer_id and r.lane_id <> r.own_id)
                      ) as linked_id
                 from customers.contact c "# $(+ $tail)+,
            $($argument),*
        )
    };
}
pub(crate) use contacts;

/// Names a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum RowName {
    /// By the id that people see, or one that it continues.
    Lane(Uuid),
    /// By a source key.
    Source(SalesforceId),
}

/// Returns the id that continues the named row, if there is one.
pub(crate) async fn lane_of(
    conn: &mut PgConnection,
    kind: Kind,
    workspace: WorkspaceId,
    name: &RowName,
) -> Result<Option<Uuid>, sqlx::Error> {
    macro_rules! lookup {
        ($table:literal) => {
            match name {
                RowName::Lane(id) => {
                    sqlx::query_scalar!(
                        r#"select lane_id as "lane_id!" from (
                               select lane_id, 1 as rank from customers."#
                            + $table
                            + r#"
                                where workspace_id = $1 and lane_id = $2 and is_root
                               union all
                               select lane_id, 2 from customers."#
                            + $table
                            + r#"
                                where workspace_id = $1 and own_id = $2 and lane_id <> own_id
                           ) as found order by rank limit 1"#,
                        workspace.0,
                        id,
                    )
                    .fetch_optional(conn)
                    .await
                }
                RowName::Source(key) => {
                    sqlx::query_scalar!(
                        "select lane_id from customers." + $table + " where workspace_id = $1 and key = $2",
                        workspace.0,
                        key.as_str(),
                    )
                    .fetch_optional(conn)
                    .await
                }
            }
        };
    }
    match kind {
        Kind::Account => lookup!("customer"),
        Kind::Contact => lookup!("contact"),
    }
}

/// Returns the customer of that name, or the one that continues it.
pub(crate) async fn customer(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    name: &RowName,
) -> Result<Option<CustomerRow>, sqlx::Error> {
    let Some(lane) = lane_of(conn, Kind::Account, workspace, name).await? else { return Ok(None) };
    customers!("where c.workspace_id = $1 and c.lane_id = $2 and c.is_root and c.held", workspace.0, lane)
        .fetch_optional(conn)
        .await
}

/// As [`customer`], and nobody writes the row until the transaction ends.
pub(crate) async fn customer_for_edit(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    lane: Uuid,
) -> Result<Option<CustomerRow>, sqlx::Error> {
    customers!(
        "where c.workspace_id = $1 and c.lane_id = $2 and c.is_root and c.held for update of c",
        workspace.0,
        lane
    )
    .fetch_optional(conn)
    .await
}

/// Returns the contact of that name, or the one that continues it.
pub(crate) async fn contact(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    name: &RowName,
) -> Result<Option<ContactRow>, sqlx::Error> {
    let Some(lane) = lane_of(conn, Kind::Contact, workspace, name).await? else { return Ok(None) };
    contacts!("where c.workspace_id = $1 and c.lane_id = $2 and c.is_root and c.held", workspace.0, lane)
        .fetch_optional(conn)
        .await
}

/// As [`contact`], and nobody writes the row until the transaction ends.
pub(crate) async fn contact_for_edit(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    lane: Uuid,
) -> Result<Option<ContactRow>, sqlx::Error> {
    contacts!(
        "where c.workspace_id = $1 and c.lane_id = $2 and c.is_root and c.held for update of c",
        workspace.0,
        lane
    )
    .fetch_optional(conn)
    .await
}

/// Returns the keys that mean the given ids beside the row's own.
pub(crate) async fn alias_keys(
    conn: &mut PgConnection,
    kind: Kind,
    workspace: WorkspaceId,
    lanes: &[Uuid],
) -> Result<Vec<(Uuid, String)>, sqlx::Error> {
    macro_rules! lookup {
        ($table:literal) => {
            sqlx::query!(
                "select lane_id, key from customers."
                    + $table
                    + " where workspace_id = $1 and not is_root and lane_id = any($2) order by key",
                workspace.0,
                lanes,
            )
            .fetch_all(conn)
            .await?
            .into_iter()
            .map(|row| (row.lane_id, row.key))
            .collect()
        };
    }
    Ok(match kind {
        Kind::Account => lookup!("customer"),
        Kind::Contact => lookup!("contact"),
    })
}

/// Records that the reads of a run did not bring.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Unseen {
    /// Some of them by id, with their `SystemModstamp`.
    pub(crate) records: Vec<(String, i64)>,
    /// How many there are in all.
    pub(crate) total: i64,
}

/// Returns live and hidden records of an object whose newest image is older than a read.
pub(crate) async fn unseen(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    before_read_seq: i64,
    show_deleted: bool,
    after: &str,
    limit: i64,
) -> Result<Unseen, sqlx::Error> {
    macro_rules! lookup {
        ($table:literal, $object:literal) => {{
            let records = sqlx::query!(
                "select key, modified_ms from customers."
                    + $table
                    + r#"
                  where workspace_id = $1 and source = 'salesforce' and key > $2::text collate "C" and read_seq < $3
                    and (state in (1, 5) or ($4 and state = 2)) and "#
                    + $object
                    + r#" = $5
                  order by key
                  limit $6"#,
                workspace.0,
                after,
                before_read_seq,
                show_deleted,
                object.token(),
                limit,
            )
            .fetch_all(&mut *conn)
            .await?;
            let total = sqlx::query_scalar!(
                r#"select count(*) as "count!" from customers."#
                    + $table
                    + r#"
                    where workspace_id = $1 and source = 'salesforce' and read_seq < $2
                      and (state in (1, 5) or ($3 and state = 2)) and "#
                    + $object
                    + " = $4",
                workspace.0,
                before_read_seq,
                show_deleted,
                object.token(),
            )
            .fetch_one(conn)
            .await?;
            Unseen { records: records.into_iter().map(|row| (row.key, row.modified_ms)).collect(), total }
        }};
    }
    Ok(match object.kind() {
        Kind::Account => lookup!("customer", "'account'"),
        Kind::Contact => lookup!("contact", "object"),
    })
}

/// Returns the keys of Salesforce contacts at the given accounts.
pub(crate) async fn contacts_of_accounts(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    accounts: &[String],
) -> Result<Vec<String>, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        select key from customers.contact
         where workspace_id = $1 and account_id = any($2) and object = 'contact' and state in (1, 5)
         order by key
        "#,
        workspace.0,
        accounts,
    )
    .fetch_all(conn)
    .await
}

/// Counts of rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Live rows by object.
    pub(crate) live: Vec<(Object, i64)>,
    /// Records not visible any more.
    pub(crate) not_visible: i64,
}

/// Counts the rows that came from Salesforce.
pub(crate) async fn counts(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Counts, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select 'account' as "object!", state, count(*) as "rows!" from customers.customer
         where workspace_id = $1 and source = 'salesforce' group by state
        union all
        select object, state, count(*) from customers.contact
         where workspace_id = $1 and source = 'salesforce' group by object, state
        "#,
        workspace.0,
    )
    .fetch_all(conn)
    .await?;
    let mut counts = Counts { live: Object::ALL.map(|object| (object, 0)).into(), not_visible: 0 };
    for row in rows {
        match row.state {
            Some(1) => {
                for (object, count) in &mut counts.live {
                    *count += if object.token() == row.object { row.rows } else { 0 };
                }
            }
            Some(5) => counts.not_visible += row.rows,
            _ => {}
        }
    }
    Ok(counts)
}

/// One entry of the change feed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FeedEntry {
    pub(crate) sequence: i64,
    pub(crate) customer: Uuid,
    pub(crate) fields: Vec<String>,
    pub(crate) continued_by: Option<Uuid>,
}

/// Returns entries of the change feed after a position, in order.
pub(crate) async fn changes(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    after: i64,
    limit: i64,
) -> Result<Vec<FeedEntry>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select sequence, customer_id, fields, continued_by from customers.change
         where workspace_id = $1 and sequence > $2
         order by sequence
         limit $3
        "#,
        workspace.0,
        after,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .map(|row| FeedEntry {
            sequence: row.sequence,
            customer: row.customer_id,
            fields: row.fields,
            continued_by: row.continued_by,
        })
        .collect())
}
