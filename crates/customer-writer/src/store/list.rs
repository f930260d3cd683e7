//! Lists of customers and contacts: what passes the filters, in the wished order, page by page.
//!
//! The orders of ids and of revenue have an index. The others sort what passes: an index on what syncs rewrite would cost
//! each record of each pass more than the pages of people do; 100,000 rows sort in a fraction of a second.

use chrono::{DateTime, Utc};
use domain::{Kind, SalesforceId, WorkspaceId};
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::read::{self, RowName, contacts, customers};
use crate::store::row::Row;

/// In which order rows stand; equal ones by id.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Order {
    /// By id.
    #[default]
    Id,
    /// By name, ignoring case.
    Name,
    /// Highest ARR first, whatever the currency; customers only.
    Arr,
    /// Newest change first.
    Updated,
}

/// Where a page ended, or what stands before the first one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct After {
    id: Uuid,
    name: Option<String>,
    arr: Option<Decimal>,
    updated_at: DateTime<Utc>,
}

impl Default for After {
    fn default() -> Self {
        Self {
            id: Uuid::nil(),
            name: Some(String::new()),
            arr: Some(Decimal::MAX),
            updated_at: DateTime::<Utc>::MAX_UTC,
        }
    }
}

impl After {
    /// Returns the place of a row.
    pub(crate) fn of(row: &Row) -> Self {
        let of_field = |wanted: &str| {
            let fields = domain::catalogue::standard_fields(row.kind).iter();
            fields.zip(&row.values).find(|(field, _)| field.id == wanted).and_then(|(_, value)| value.clone())
        };
        let name = match of_field("name") {
            Some(domain::Value::Text(name)) => Some(name),
            _ => None,
        };
        let arr = match of_field("arr") {
            Some(domain::Value::Money(money)) => Some(money.amount),
            _ => None,
        };
        Self { id: row.lane_id, name, arr, updated_at: row.updated_at }
    }

    /// The last moment that a column can hold stands for "before everything".
    fn updated_at(&self) -> DateTime<Utc> {
        self.updated_at.min(DateTime::from_timestamp(253_402_300_799, 0).unwrap_or(DateTime::UNIX_EPOCH))
    }
}

/// Which rows a list shows; every condition must hold.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Text that the name contains, or that an e-mail address begins with, or a Salesforce id.
    pub(crate) search: String,
    /// Also archived rows.
    pub(crate) show_archived: bool,
    /// Only archived rows.
    pub(crate) archived_only: bool,
    /// Only this source.
    pub(crate) source: Option<&'static str>,
    /// Only these; empty: all.
    pub(crate) statuses: Vec<String>,
    /// Only these; empty: all.
    pub(crate) tiers: Vec<String>,
    /// Only rows with a mark of an unmapped value in a field that is locked: by bit, and custom ones by name.
    pub(crate) unmapped_in: Option<(i32, Vec<String>)>,
    /// Only rows with a parked record.
    pub(crate) parked_only: bool,
}

impl Filter {
    /// Returns the text with nothing in it that has a meaning of its own for `ilike`; `None` when nothing is searched.
    fn escaped(&self) -> Option<String> {
        if self.search.is_empty() {
            return None;
        }
        let mut escaped = String::with_capacity(self.search.len() + 2);
        for letter in self.search.chars() {
            if matches!(letter, '%' | '_' | '\\') {
                escaped.push('\\');
            }
            escaped.push(letter);
        }
        Some(escaped)
    }

    fn contains(&self) -> Option<String> {
        self.escaped().map(|text| format!("%{text}%"))
    }

    fn begins(&self) -> Option<String> {
        self.escaped().map(|text| format!("{text}%"))
    }

    /// Returns the row that the text names by its Salesforce id, if it is one.
    async fn named(
        &self,
        conn: &mut PgConnection,
        kind: Kind,
        workspace: WorkspaceId,
    ) -> Result<Option<Uuid>, sqlx::Error> {
        match self.search.trim().parse::<SalesforceId>() {
            Ok(id) => read::lane_of(conn, kind, workspace, &RowName::Source(id)).await,
            Err(_) => Ok(None),
        }
    }
}

/// One page of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    pub(crate) order: Order,
    pub(crate) after: After,
    pub(crate) limit: i64,
}

/// The rows that pass, and how many there are on all pages if that was asked.
#[derive(Debug)]
pub(crate) struct Listed {
    pub(crate) rows: Vec<Row>,
    pub(crate) total: Option<i64>,
}

/// Returns customers that pass.
pub(crate) async fn of_customers(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    filter: &Filter,
    page: &Page,
    count: bool,
) -> Result<Listed, sqlx::Error> {
    let named = filter.named(conn, Kind::Account, workspace).await?;
    let (mask, custom) = filter.unmapped_in.clone().unwrap_or_default();
    macro_rules! passing {
        ($run:ident, [$($head:literal)?], [$($tail:literal)?], $($more:expr),* $(,)?) => {
            $run!(
                $($head)?
                "where c.workspace_id = $1 and c.is_root and c.held
                   and ($2 or $3 or c.archived_at is null) and (not $3 or c.archived_at is not null)
                   and ($4::text is null or c.name ilike $4 or c.lane_id = $5)
                   and ($6::text is null or c.source = $6)
                   and (cardinality($7::text[]) = 0 or c.status = any($7))
                   and (cardinality($8::text[]) = 0 or c.tier = any($8))
                   and (not $9 or c.unmapped & $10 <> 0
                        or exists (select from jsonb_each(c.custom_unmapped) m where m.key = any($11) and m.value = 'true'))
                   and (not $12 or c.lane_id in (
                        select m.lane_id from customers.parked p
                          join customers.customer m on m.workspace_id = p.workspace_id and m.key = p.key
                         where p.workspace_id = $1 and p.object = 'account')) "
                $($tail)?,
                workspace.0,
                filter.show_archived,
                filter.archived_only,
                filter.contains(),
                named,
                filter.source,
                &filter.statuses,
                &filter.tiers,
                filter.unmapped_in.is_some(),
                mask,
                &custom,
                filter.parked_only,
                $($more),*
            )
        };
    }
    macro_rules! counted {
        ($($part:literal)+, $($argument:expr),* $(,)?) => { sqlx::query_scalar!("" $(+ $part)+, $($argument),*) };
    }
    let after = &page.after;
    let rows = match page.order {
        Order::Id => {
            passing!(customers, [], ["and c.lane_id > $13 order by c.lane_id limit $14"], after.id, page.limit)
                .fetch_all(&mut *conn)
                .await?
        }
        Order::Name => {
            passing!(
                customers,
                [],
                ["and (c.name is null, lower(coalesce(c.name, '')), c.lane_id) > ($15::text is null, lower(coalesce($15, '')), $13)
                   order by c.name is null, lower(coalesce(c.name, '')), c.lane_id limit $14"],
                after.id,
                page.limit,
                after.name.as_deref(),
            )
            .fetch_all(&mut *conn)
            .await?
        }
        Order::Arr => {
            passing!(
                customers,
                [],
                ["and (c.arr is null, -coalesce(c.arr, 0), c.lane_id) > ($15::numeric is null, -coalesce($15, 0), $13)
                   order by c.arr is null, -coalesce(c.arr, 0), c.lane_id limit $14"],
                after.id,
                page.limit,
                after.arr,
            )
            .fetch_all(&mut *conn)
            .await?
        }
        Order::Updated => {
            passing!(
                customers,
                [],
                ["and (c.updated_at < $15 or (c.updated_at = $15 and c.lane_id > $13))
                   order by c.updated_at desc, c.lane_id limit $14"],
                after.id,
                page.limit,
                after.updated_at(),
            )
            .fetch_all(&mut *conn)
            .await?
        }
    };
    let total = match count {
        true => {
            let total = passing!(counted, [r#"select count(*) as "count!" from customers.customer c "#], [],);
            Some(total.fetch_one(conn).await?)
        }
        false => None,
    };
    Ok(Listed { rows: rows.into_iter().map(Row::from).collect(), total })
}

/// Returns contacts that pass, of all customers or only those with the given ids.
pub(crate) async fn of_contacts(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    among: Option<&[Uuid]>,
    filter: &Filter,
    page: &Page,
    count: bool,
) -> Result<Listed, sqlx::Error> {
    let named = filter.named(conn, Kind::Contact, workspace).await?;
    let (mask, custom) = filter.unmapped_in.clone().unwrap_or_default();
    macro_rules! passing {
        ($run:ident, [$($head:literal)?], [$($tail:literal)*], $($more:expr),* $(,)?) => {
            $run!(
                $($head)?
                "where c.workspace_id = $1 and c.is_root and c.held
                   and ($2 or $3 or c.archived_at is null) and (not $3 or c.archived_at is not null)
                   and ($4::text is null or c.name ilike $4 or c.email ilike $13 or c.lane_id = $5)
                   and ($6::text is null or c.source = $6)
                   and (cardinality($7::text[]) = 0 or c.status = any($7))
                   and (cardinality($8::text[]) = 0 or c.tier = any($8))
                   and (not $9 or c.unmapped & $10 <> 0
                        or exists (select from jsonb_each(c.custom_unmapped) m where m.key = any($11) and m.value = 'true'))
                   and (not $12 or c.lane_id in (
                        select m.lane_id from customers.parked p
                          join customers.contact m on m.workspace_id = p.workspace_id and m.key = p.key
                         where p.workspace_id = $1 and p.object <> 'account')) "
                $($tail)*,
                workspace.0,
                filter.show_archived,
                filter.archived_only,
                filter.contains(),
                named,
                filter.source,
                &filter.statuses,
                &filter.tiers,
                filter.unmapped_in.is_some(),
                mask,
                &custom,
                filter.parked_only,
                filter.begins(),
                among,
                $($more),*
            )
        };
    }
    macro_rules! counted {
        ($($part:literal)+, $($argument:expr),* $(,)?) => { sqlx::query_scalar!("" $(+ $part)+, $($argument),*) };
    }
    let after = &page.after;
    // Two statements for each order: the few contacts of a customer are found by their ids, not by looking at all.
    macro_rules! listed {
        ($among:literal) => {{
            let rows = match page.order {
                Order::Id | Order::Arr => {
                    passing!(
                        contacts,
                        [],
                        [$among "and c.lane_id > $15 order by c.lane_id limit $16"],
                        after.id,
                        page.limit,
                    )
                    .fetch_all(&mut *conn)
                    .await?
                }
                Order::Name => {
                    passing!(
                        contacts,
                        [],
                        [$among "and (c.name is null, lower(coalesce(c.name, '')), c.lane_id)
                                   > ($17::text is null, lower(coalesce($17, '')), $15)
                                 order by c.name is null, lower(coalesce(c.name, '')), c.lane_id limit $16"],
                        after.id,
                        page.limit,
                        after.name.as_deref(),
                    )
                    .fetch_all(&mut *conn)
                    .await?
                }
                Order::Updated => {
                    passing!(
                        contacts,
                        [],
                        [$among "and (c.updated_at < $17 or (c.updated_at = $17 and c.lane_id > $15))
                                 order by c.updated_at desc, c.lane_id limit $16"],
                        after.id,
                        page.limit,
                        after.updated_at(),
                    )
                    .fetch_all(&mut *conn)
                    .await?
                }
            };
            let total = match count {
                true => {
                    let head = passing!(
                        counted,
                        [r#"select count(*) as "count!" from customers.contact c "#],
                        [$among],
                    );
                    Some(head.fetch_one(&mut *conn).await?)
                }
                false => None,
            };
            Listed { rows: rows.into_iter().map(Row::from).collect(), total }
        }};
    }
    Ok(match among {
        Some(_) => listed!("and c.lane_id = any($14) "),
        None => listed!("and $14::uuid[] is null "),
    })
}

/// Returns all contacts of a customer, unfiltered and in the order of ids: those of every source key and former id that means
/// the customer. A customer has few, so that what else a list asks is done with them in hand.
pub(crate) async fn ids_at_customer(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    customer: Uuid,
) -> Result<Vec<Uuid>, sqlx::Error> {
    let lane = read::lane_of(conn, Kind::Account, workspace, &RowName::Lane(customer)).await?.unwrap_or(customer);
    let group = sqlx::query!(
        r#"
        select key as "key!", own_id as "own_id!" from customers.customer
         where workspace_id = $1 and is_root and lane_id = $2
        union all
        select key, own_id from customers.customer where workspace_id = $1 and not is_root and lane_id = $2
        "#,
        workspace.0,
        lane,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut ids: Vec<_> = group.iter().map(|member| member.own_id).collect();
    ids.push(lane);
    let keys: Vec<_> = group.into_iter().map(|member| member.key).collect();
    sqlx::query_scalar!(
        r#"
        select lane_id from customers.contact
         where workspace_id = $1 and is_root and held and (account_id = any($2) or customer_id = any($3))
        "#,
        workspace.0,
        &keys,
        &ids,
    )
    .fetch_all(conn)
    .await
}
