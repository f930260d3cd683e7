//! Erase orders: values go, hashes of keys stay. Runs only while the workspace is held alone, so no apply is in hand.

use std::collections::{BTreeSet, HashSet};

use contract::KeyHash;
use domain::{Kind, SalesforceId, WorkspaceId};
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::store::applied::Change;
use crate::store::read::{RowName, moment};
use crate::store::{audit, touched};

/// An order as it came in.
#[derive(Clone, Debug)]
pub(crate) struct Order<'a> {
    pub(crate) id: Uuid,
    pub(crate) named: KeyHash,
    pub(crate) actor: &'a str,
    /// Salesforce ids that are forbidden whether a row is held or not.
    pub(crate) keys: BTreeSet<String>,
}

/// An order as it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Standing {
    pub(crate) named: Vec<u8>,
    pub(crate) rows_erased: i64,
    pub(crate) ordered_at: Timestamp,
    pub(crate) source_erased_at: Option<Timestamp>,
}

/// An order that the mapper has not carried out yet.
#[derive(Clone, Debug)]
pub(crate) struct Pending {
    pub(crate) id: Uuid,
    pub(crate) actor: String,
    pub(crate) keys: Vec<String>,
}

/// A row that goes, with everything that means the same.
#[derive(Clone, Debug)]
struct Doomed {
    key: String,
    lane_id: Uuid,
    target_id: Option<String>,
    is_synced: bool,
    is_shown: bool,
    epoch: i64,
    read_seq: i64,
    mapping_version: i64,
    revision: i32,
}

macro_rules! statements {
    ($module:ident, $table:literal) => {
        mod $module {
            use super::*;

            /// Deletes the rows of the groups that an id or keys belong to.
            pub(super) async fn remove(
                conn: &mut PgConnection,
                workspace: WorkspaceId,
                lane: Option<Uuid>,
                keys: &[String],
            ) -> Result<Vec<Doomed>, sqlx::Error> {
                sqlx::query_as!(
                    Doomed,
                    "delete from customers." + $table + r#" c
                      where c.workspace_id = $1
                        and c.lane_id in (select lane_id from customers."# + $table + r#"
                                           where workspace_id = $1 and (key = any($3) or own_id = $2 or lane_id = $2))
                    returning key, lane_id, target_id, source = 'salesforce' as "is_synced!",
                              is_root and held as "is_shown!", epoch, read_seq, mapping_version, revision"#,
                    workspace.0,
                    lane,
                    keys,
                )
                .fetch_all(conn)
                .await
            }
        }
    };
}

statements!(customers, "customer");
statements!(contacts, "contact");

/// What an order did.
#[derive(Clone, Debug, Default)]
pub(crate) struct Erased {
    pub(crate) rows: u64,
    /// What the change feed must tell.
    pub(crate) changes: Vec<Change>,
}

/// Returns the order with an id.
pub(crate) async fn standing(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    id: Uuid,
) -> Result<Option<Standing>, sqlx::Error> {
    let row = sqlx::query!(
        r#"
        select named_hash, rows_erased, ordered_at, source_erased_at
          from customers.erase_order
         where workspace_id = $1 and order_id = $2
        "#,
        workspace.0,
        id,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Standing {
        named: row.named_hash,
        rows_erased: row.rows_erased,
        ordered_at: moment(row.ordered_at),
        source_erased_at: row.source_erased_at.map(moment),
    }))
}

/// Carries an order out and logs it. Erases what `name` names, if anything is held, and everything that means the same.
///
/// A key of the group that has no row yet is forbidden too: it would continue what was erased.
pub(crate) async fn carry_out(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    order: Order<'_>,
    lane: Option<Uuid>,
) -> Result<Erased, sqlx::Error> {
    let named: Vec<_> = order.keys.iter().cloned().collect();
    let mut keys = order.keys;
    let mut erased = Erased::default();
    let (mut doomed, mut lanes) = (Vec::new(), Vec::new());
    for kind in Kind::ALL {
        let rows = match kind {
            Kind::Account => customers::remove(conn, workspace, lane, &named).await?,
            Kind::Contact => contacts::remove(conn, workspace, lane, &named).await?,
        };
        for row in &rows {
            lanes.push(row.lane_id);
            if kind == Kind::Account && row.is_shown {
                let bits = touched::ARCHIVED;
                erased.changes.push(Change { customer: row.lane_id, bits, continued_by: None });
            }
        }
        doomed.extend(rows);
    }
    erased.rows = doomed.len() as u64;
    for row in doomed.iter().filter(|row| row.is_synced) {
        keys.insert(row.key.clone());
        keys.extend(row.target_id.clone());
    }
    // A contact made by hand may stand at a customer that is gone now.
    sqlx::query!(
        r#"
        update customers.contact
           set customer_id = null, etag = etag + 1, updated_at = now()
         where workspace_id = $1 and customer_id = any($2)
        "#,
        workspace.0,
        &lanes,
    )
    .execute(&mut *conn)
    .await?;
    let keys: Vec<_> = keys.into_iter().collect();
    sqlx::query!("delete from customers.parked where workspace_id = $1 and key = any($2)", workspace.0, &keys)
        .execute(&mut *conn)
        .await?;
    let hashes = forbid(conn, workspace, &keys, &doomed).await?;
    sqlx::query!(
        r#"
        insert into customers.erase_order
               (workspace_id, order_id, named_hash, actor, rows_erased, pending_keys, source_erased_at)
        values ($1, $2, $3, $4, $5, $6, case when cardinality($6::text[]) = 0 then now() end)
        "#,
        workspace.0,
        order.id,
        order.named.as_bytes(),
        order.actor,
        i64::try_from(erased.rows).unwrap_or(i64::MAX),
        &keys,
    )
    .execute(&mut *conn)
    .await?;
    let proof: Vec<_> = hashes.iter().map(KeyHash::hex).collect();
    let detail = format!("order {}, {} rows, keys {}", order.id, erased.rows, proof.join(" "));
    let entry = audit::Entry { actor: order.actor, action: "erase", outcome: "done", detail: &detail };
    audit::append(conn, workspace, &entry, Timestamp::now()).await?;
    Ok(erased)
}

/// Remembers keys by hash, with the version that was held.
async fn forbid(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    keys: &[String],
    doomed: &[Doomed],
) -> Result<Vec<KeyHash>, sqlx::Error> {
    let hashes: Vec<_> = keys.iter().map(|key| KeyHash::of(workspace, key)).collect();
    let held: Vec<_> = keys.iter().map(|key| doomed.iter().find(|row| row.key == *key)).collect();
    let number = |of: fn(&Doomed) -> i64| held.iter().map(|row| row.map_or(0, of)).collect::<Vec<i64>>();
    let revisions: Vec<_> = held.iter().map(|row| row.map_or(0, |row| row.revision)).collect();
    let bytes: Vec<_> = hashes.iter().map(|hash| hash.as_bytes().to_vec()).collect();
    let added = sqlx::query!(
        r#"
        insert into customers.erased (workspace_id, key_hash, epoch, read_seq, mapping_version, revision)
        select $1, n.key_hash, n.epoch, n.read_seq, n.mapping_version, n.revision
          from unnest($2::bytea[], $3::bigint[], $4::bigint[], $5::bigint[], $6::integer[])
            as n (key_hash, epoch, read_seq, mapping_version, revision)
        on conflict (workspace_id, key_hash) do nothing
        "#,
        workspace.0,
        &bytes,
        &number(|row| row.epoch),
        &number(|row| row.read_seq),
        &number(|row| row.mapping_version),
        &revisions,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    sqlx::query!(
        "update customers.workspace set erased = erased + $2 where workspace_id = $1",
        workspace.0,
        i64::try_from(added).unwrap_or(i64::MAX),
    )
    .execute(conn)
    .await?;
    Ok(hashes)
}

/// Returns those of `keys` that are erased.
pub(crate) async fn among(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    keys: &BTreeSet<&str>,
) -> Result<HashSet<String>, sqlx::Error> {
    let hashes: Vec<_> = keys.iter().map(|key| KeyHash::of(workspace, key).as_bytes().to_vec()).collect();
    let known: HashSet<Vec<u8>> = sqlx::query_scalar!(
        "select key_hash from customers.erased where workspace_id = $1 and key_hash = any($2)",
        workspace.0,
        &hashes,
    )
    .fetch_all(conn)
    .await?
    .into_iter()
    .collect();
    let erased = keys.iter().zip(&hashes).filter(|(_, hash)| known.contains(*hash));
    Ok(erased.map(|(key, _)| (*key).to_owned()).collect())
}

/// Returns what a caller named as an order's keys and Lane id.
pub(crate) fn of_name(name: &RowName) -> (BTreeSet<String>, Option<Uuid>) {
    match name {
        RowName::Lane(id) => (BTreeSet::new(), Some(*id)),
        RowName::Source(key) => ([SalesforceId::as_str(key).to_owned()].into(), None),
    }
}

/// Returns workspaces that ever had an erase order.
pub(crate) async fn workspaces(conn: &mut PgConnection) -> Result<Vec<WorkspaceId>, sqlx::Error> {
    let ids =
        sqlx::query_scalar!("select workspace_id from customers.workspace where erased > 0").fetch_all(conn).await?;
    Ok(ids.into_iter().map(WorkspaceId).collect())
}

/// Returns orders that the mapper has not carried out yet, oldest first.
pub(crate) async fn pending(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Vec<Pending>, sqlx::Error> {
    sqlx::query_as!(
        Pending,
        r#"
        select order_id as id, actor, pending_keys as keys
          from customers.erase_order
         where workspace_id = $1 and source_erased_at is null
         order by ordered_at, order_id
         limit 100
        "#,
        workspace.0,
    )
    .fetch_all(conn)
    .await
}

/// Notes that the mapper has carried an order out; its keys are forgotten with that.
pub(crate) async fn settle(conn: &mut PgConnection, workspace: WorkspaceId, id: Uuid) -> Result<(), sqlx::Error> {
    sqlx::query!(
        r#"
        update customers.erase_order
           set pending_keys = '{}', source_erased_at = now()
         where workspace_id = $1 and order_id = $2 and source_erased_at is null
        "#,
        workspace.0,
        id,
    )
    .execute(conn)
    .await?;
    Ok(())
}
