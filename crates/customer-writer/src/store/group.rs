//! Keys that mean the same row: loads the groups that a write may have changed, resolves them, writes what differs.
//!
//! Runs only while the workspace is held alone, so nobody adds a key to a group meanwhile.

use std::collections::{BTreeSet, HashMap, HashSet};

use domain::catalogue::standard_fields;
use domain::{Kind, LaneId, SourceVersion, WorkspaceId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::alias::{self, Node, Place};
use crate::chunk::Lock;
use crate::column::bit_of;
use crate::record::Existence;
use crate::store::applied::Change;
use crate::store::touched;

/// A row as far as groups need it.
#[derive(Clone, Debug)]
struct Member {
    key: String,
    own_id: Uuid,
    lane_id: Uuid,
    is_root: bool,
    held: bool,
    state: i16,
    epoch: i64,
    read_seq: i64,
    mapping_version: i64,
    revision: i32,
    target_id: Option<String>,
    archived: bool,
    /// Made by the transaction in hand: nobody has seen its id.
    is_new: bool,
    arr: Option<String>,
    tier: Option<String>,
    status: Option<String>,
}

impl Member {
    fn node(&self) -> Node {
        Node {
            key: self.key.clone(),
            own_id: LaneId(self.own_id),
            existence: Existence::from_code(self.state).unwrap_or(Existence::NotVisible),
            version: SourceVersion {
                epoch: self.epoch,
                read_seq: self.read_seq,
                mapping_version: self.mapping_version,
                revision: self.revision,
            },
            target: self.target_id.clone(),
            held: self.held,
        }
    }

    /// Returns the bits of the feed in which two rows under one id differ; `None` is an id that nobody saw.
    fn difference(&self, before: Option<(&Self, bool)>, archived: bool) -> i16 {
        let (arr, tier, status, was_archived) = before.map_or((None, None, None, false), |(row, archived)| {
            (row.arr.as_ref(), row.tier.as_ref(), row.status.as_ref(), archived)
        });
        touched::bits([
            (arr != self.arr.as_ref(), touched::ARR),
            (tier != self.tier.as_ref(), touched::TIER),
            (status != self.status.as_ref(), touched::STATUS),
            (archived != was_archived, touched::ARCHIVED),
        ])
    }
}

/// What the change feed must tell of regrouped rows.
#[derive(Clone, Debug, Default)]
pub(crate) struct Regrouped {
    /// Ids that ended in another, or that look different now.
    pub(crate) changes: Vec<Change>,
    /// Ids that rows had only within the transaction in hand.
    pub(crate) never_seen: HashSet<Uuid>,
}

/// A row whose place changes.
struct Moved<'a> {
    key: &'a str,
    lane_id: Uuid,
    is_root: bool,
    archived: bool,
}

macro_rules! statements {
    ($module:ident, $table:literal, $arr:literal, $inherit:literal) => {
        mod $module {
            use super::*;

            pub(super) async fn grouped(
                conn: &mut PgConnection,
                workspace: WorkspaceId,
                keys: &[&str],
            ) -> Result<Vec<String>, sqlx::Error> {
                sqlx::query_scalar!(
                    r#"select key as "key!" from customers."# + $table + r#"
                        where workspace_id = $1 and key = any($2)
                          and (not is_root or lane_id <> own_id or target_id is not null)
                       union
                       select target_id from customers."# + $table + r#"
                        where workspace_id = $1 and target_id = any($2)"#,
                    workspace.0,
                    keys as &[&str],
                )
                .fetch_all(conn)
                .await
            }

            pub(super) async fn around(
                conn: &mut PgConnection,
                workspace: WorkspaceId,
                keys: &[String],
                lanes: &[Uuid],
            ) -> Result<Vec<Member>, sqlx::Error> {
                sqlx::query_as!(
                    Member,
                    r#"with found as (
                           select key from customers."# + $table + r#" where workspace_id = $1 and key = any($2)
                           union
                           select key from customers."# + $table + r#" where workspace_id = $1 and target_id = any($2)
                           union
                           select key from customers."# + $table + r#"
                            where workspace_id = $1 and is_root and lane_id = any($3)
                           union
                           select key from customers."# + $table + r#"
                            where workspace_id = $1 and not is_root and lane_id = any($3)
                       )
                       select c.key, c.own_id, c.lane_id, c.is_root, c.held, c.state, c.epoch, c.read_seq,
                              c.mapping_version, c.revision, c.target_id, c.archived_at is not null as "archived!",
                              c.created_at = now() as "is_new!", "# + $arr + r#" as arr, c.tier, c.status
                         from found join customers."# + $table + r#" c on c.workspace_id = $1 and c.key = found.key
                        order by c.key"#,
                    workspace.0,
                    keys,
                    lanes,
                )
                .fetch_all(conn)
                .await
            }

            /// In two steps: an id has one root at any moment, also between two rows of one statement.
            pub(super) async fn place(
                conn: &mut PgConnection,
                workspace: WorkspaceId,
                moved: &[Moved<'_>],
            ) -> Result<(), sqlx::Error> {
                let keys: Vec<_> = moved.iter().map(|one| one.key).collect();
                let lanes: Vec<_> = moved.iter().map(|one| one.lane_id).collect();
                let roots: Vec<_> = moved.iter().map(|one| one.is_root).collect();
                let archived: Vec<_> = moved.iter().map(|one| one.archived).collect();
                sqlx::query!(
                    "update customers." + $table + " set is_root = false where workspace_id = $1 and key = any($2)",
                    workspace.0,
                    &keys as &[&str],
                )
                .execute(&mut *conn)
                .await?;
                sqlx::query!(
                    "update customers." + $table + r#" c
                        set lane_id     = n.lane_id,
                            is_root     = n.is_root,
                            archived_at = case when n.archived then coalesce(c.archived_at, now()) end,
                            etag        = c.etag + 1,
                            updated_at  = now()
                       from unnest($2::text[], $3::uuid[], $4::boolean[], $5::boolean[])
                         as n (key, lane_id, is_root, archived)
                      where c.workspace_id = $1 and c.key = n.key"#,
                    workspace.0,
                    &keys as &[&str],
                    &lanes,
                    &roots,
                    &archived,
                )
                .execute(conn)
                .await?;
                Ok(())
            }

            /// Fills empty editable columns of the row `to` from the row `from`.
            pub(super) async fn inherit(
                conn: &mut PgConnection,
                workspace: WorkspaceId,
                from: &str,
                to: &str,
                editable: i32,
                locked_custom: &[String],
            ) -> Result<(), sqlx::Error> {
                sqlx::query!(
                    "update customers." + $table + " c set " + $inherit + r#",
                            custom   = (a.custom - $5::text[]) || jsonb_strip_nulls(c.custom),
                            row_hash = 0
                       from customers."# + $table + r#" a
                      where c.workspace_id = $1 and c.key = $3 and a.workspace_id = $1 and a.key = $2 and $4 <> -1"#,
                    workspace.0,
                    from,
                    to,
                    editable,
                    locked_custom,
                )
                .execute(conn)
                .await?;
                Ok(())
            }
        }
    };
}

statements!(
    customers,
    "customer",
    "c.arr::text || coalesce(c.arr_currency, '')",
    "website        = case when $4 &    2 <> 0 then coalesce(c.website, a.website)         else c.website        end,
     domain         = case when $4 &    4 <> 0 then coalesce(c.domain, a.domain)           else c.domain         end,
     arr_currency   = case when $4 &    8 <> 0 and c.arr is null then a.arr_currency       else c.arr_currency   end,
     arr            = case when $4 &    8 <> 0 then coalesce(c.arr, a.arr)                 else c.arr            end,
     tier           = case when $4 &   16 <> 0 then coalesce(c.tier, a.tier)               else c.tier           end,
     status         = case when $4 &   32 <> 0 then coalesce(c.status, a.status)           else c.status         end,
     industry       = case when $4 &   64 <> 0 then coalesce(c.industry, a.industry)       else c.industry       end,
     employee_count = case when $4 &  128 <> 0 then coalesce(c.employee_count, a.employee_count) else c.employee_count end,
     owner_name     = case when $4 &  256 <> 0 then coalesce(c.owner_name, a.owner_name)   else c.owner_name     end,
     owner_email    = case when $4 &  512 <> 0 then coalesce(c.owner_email, a.owner_email) else c.owner_email    end,
     phone          = case when $4 & 1024 <> 0 then coalesce(c.phone, a.phone)             else c.phone          end,
     country        = case when $4 & 2048 <> 0 then coalesce(c.country, a.country)         else c.country        end,
     description    = case when $4 & 4096 <> 0 then coalesce(c.description, a.description) else c.description    end"
);

statements!(
    contacts,
    "contact",
    "null::text",
    "email      = case when $4 &   2 <> 0 then coalesce(c.email, a.email)           else c.email      end,
     phone      = case when $4 &   4 <> 0 then coalesce(c.phone, a.phone)           else c.phone      end,
     title      = case when $4 &   8 <> 0 then coalesce(c.title, a.title)           else c.title      end,
     status     = case when $4 &  16 <> 0 then coalesce(c.status, a.status)         else c.status     end,
     tier       = case when $4 &  32 <> 0 then coalesce(c.tier, a.tier)             else c.tier       end,
     country    = case when $4 &  64 <> 0 then coalesce(c.country, a.country)       else c.country    end,
     company    = case when $4 & 128 <> 0 then coalesce(c.company, a.company)       else c.company    end,
     owner_name = case when $4 & 256 <> 0 then coalesce(c.owner_name, a.owner_name) else c.owner_name end"
);

/// Returns those of `keys` that take part in an alias already.
pub(crate) async fn grouped(
    conn: &mut PgConnection,
    kind: Kind,
    workspace: WorkspaceId,
    keys: &[&str],
) -> Result<Vec<String>, sqlx::Error> {
    match kind {
        Kind::Account => customers::grouped(conn, workspace, keys).await,
        Kind::Contact => contacts::grouped(conn, workspace, keys).await,
    }
}

/// Resolves the groups around `seeds` after their rows were written. Returns what the change feed must tell.
pub(crate) async fn regroup(
    conn: &mut PgConnection,
    kind: Kind,
    workspace: WorkspaceId,
    seeds: BTreeSet<String>,
    locks: &[Lock],
) -> Result<Regrouped, sqlx::Error> {
    let members = closure(conn, kind, workspace, seeds).await?;
    let nodes: Vec<_> = members.iter().map(Member::node).collect();
    let places = alias::resolve(&nodes);

    let moved: Vec<_> = members
        .iter()
        .filter_map(|member| {
            let place = places.get(&member.key)?;
            let archived = is_archived(member, place);
            let stays =
                member.lane_id == place.lane_id.0 && member.is_root == place.is_root && member.archived == archived;
            let moved = Moved { key: &member.key, lane_id: place.lane_id.0, is_root: place.is_root, archived };
            (!stays).then_some(moved)
        })
        .collect();
    if moved.is_empty() {
        return Ok(Regrouped::default());
    }
    match kind {
        Kind::Account => customers::place(conn, workspace, &moved).await?,
        Kind::Contact => contacts::place(conn, workspace, &moved).await?,
    }
    hand_over(conn, kind, workspace, &members, &places, locks).await?;
    let changed = match kind {
        Kind::Account => changes(&members, &places),
        Kind::Contact => Vec::new(),
    };
    let renamed = |member: &&Member| member.is_new && places[&member.key].lane_id.0 != member.lane_id;
    let never_seen = members.iter().filter(renamed).map(|member| member.lane_id).collect();
    Ok(Regrouped { changes: changed, never_seen })
}

fn is_archived(member: &Member, place: &Place) -> bool {
    member.state == Existence::Deleted.code() || place.archived_stand_in == Some(true)
}

/// Loads everything connected with the seeds: by target, and by the group they are in now.
async fn closure(
    conn: &mut PgConnection,
    kind: Kind,
    workspace: WorkspaceId,
    seeds: BTreeSet<String>,
) -> Result<Vec<Member>, sqlx::Error> {
    let (mut keys, mut lanes): (BTreeSet<String>, BTreeSet<Uuid>) = (seeds, BTreeSet::new());
    loop {
        let (known_keys, known_lanes): (Vec<_>, Vec<_>) =
            (keys.iter().cloned().collect(), lanes.iter().copied().collect());
        let members = match kind {
            Kind::Account => customers::around(conn, workspace, &known_keys, &known_lanes).await?,
            Kind::Contact => contacts::around(conn, workspace, &known_keys, &known_lanes).await?,
        };
        for member in &members {
            keys.insert(member.key.clone());
            keys.extend(member.target_id.clone());
            lanes.insert(member.lane_id);
        }
        if keys.len() == known_keys.len() && lanes.len() == known_lanes.len() {
            return Ok(members);
        }
    }
}

/// Where another row carries a Lane id from now on, it inherits what people wrote on the row before.
async fn hand_over(
    conn: &mut PgConnection,
    kind: Kind,
    workspace: WorkspaceId,
    members: &[Member],
    places: &HashMap<String, Place>,
    locks: &[Lock],
) -> Result<(), sqlx::Error> {
    let locked = || locks.iter().filter(|lock| lock.kind == kind);
    let all = (1 << standard_fields(kind).len()) - 1;
    let editable = locked().fold(all, |mask, lock| mask & !bit_of(kind, lock.field.as_str()));
    let locked_custom: Vec<_> =
        locked().filter(|lock| lock.field.is_custom()).map(|lock| lock.field.to_string()).collect();
    let heirs: HashMap<Uuid, &Member> = members
        .iter()
        .filter(|member| places[&member.key].is_root)
        .map(|member| (places[&member.key].lane_id.0, member))
        .collect();
    for before in members.iter().filter(|member| member.is_root && member.held) {
        let heir = heirs.get(&before.lane_id).filter(|heir| heir.key != before.key);
        let Some(heir) = heir else { continue };
        let (from, to) = (before.key.as_str(), heir.key.as_str());
        match kind {
            Kind::Account => customers::inherit(conn, workspace, from, to, editable, &locked_custom).await?,
            Kind::Contact => contacts::inherit(conn, workspace, from, to, editable, &locked_custom).await?,
        }
    }
    Ok(())
}

/// Tells which ids ended in another, and which ids look different now.
fn changes(members: &[Member], places: &HashMap<String, Place>) -> Vec<Change> {
    let before: HashMap<Uuid, &Member> = members
        .iter()
        .filter(|member| member.is_root && member.held && !member.is_new)
        .map(|member| (member.lane_id, member))
        .collect();
    let after: HashMap<Uuid, &Member> = members
        .iter()
        .filter(|member| places[&member.key].is_root && member.held)
        .map(|member| (places[&member.key].lane_id.0, member))
        .collect();
    let mut changes = Vec::new();
    for (lane_id, member) in &before {
        if !after.contains_key(lane_id) {
            let continued_by = Some(places[&member.key].lane_id.0);
            changes.push(Change { customer: *lane_id, bits: 0, continued_by });
        }
    }
    for (lane_id, member) in &after {
        let predecessor = before.get(lane_id).copied();
        if predecessor.is_some_and(|predecessor| predecessor.key == member.key) {
            continue;
        }
        let archived = is_archived(member, &places[&member.key]);
        let bits = member.difference(predecessor.map(|row| (row, row.archived)), archived);
        changes.push(Change { customer: *lane_id, bits, continued_by: None });
    }
    changes.sort_by_key(|change| (change.customer, change.continued_by));
    changes
}
