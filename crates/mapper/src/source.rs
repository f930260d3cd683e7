//! The source store: the newest whole image of every record, in bulk.

use std::collections::HashMap;

use contract::event::v1::{IdentityState, SourceState};
use domain::{Epoch, MappingVersion, Object, ReadSeq, WorkspaceId};
use mapping::Carry;
use sqlx::PgConnection;

use crate::store::StoreError;

/// A record as a read brought it, or as the store holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Image {
    pub(crate) id: String,
    pub(crate) read_seq: ReadSeq,
    pub(crate) state: SourceState,
    pub(crate) master_id: Option<String>,
    pub(crate) converted_id: Option<String>,
    pub(crate) account_id: Option<String>,
    pub(crate) modified_ms: i64,
    pub(crate) field_list_version: i64,
    pub(crate) currency: Option<String>,
    pub(crate) text: String,
}

impl Image {
    /// Returns what the source key means, and the other key that it points to.
    pub(crate) fn identity(&self) -> (IdentityState, &str) {
        match (self.state, &self.master_id, &self.converted_id) {
            (SourceState::Deleted, Some(winner), _) => (IdentityState::Merged, winner),
            // A lead lives on as its contact even when the lead itself is deleted later.
            (SourceState::Live | SourceState::Deleted, _, Some(contact)) => (IdentityState::Converted, contact),
            (SourceState::Deleted, None, None) => (IdentityState::Deleted, ""),
            (SourceState::NotVisible, ..) => (IdentityState::NotVisible, ""),
            (SourceState::Live | SourceState::Unspecified, ..) => (IdentityState::Live, ""),
        }
    }

    /// Whether the record writes columns and counts in the registry.
    pub(crate) fn is_live(&self) -> bool {
        self.identity().0 == IdentityState::Live
    }
}

/// A row of the store.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) image: Image,
    pub(crate) stamp: MappingVersion,
    pub(crate) revision: i32,
    pub(crate) carry: Carry,
}

fn state_token(state: SourceState) -> &'static str {
    match state {
        SourceState::Live | SourceState::Unspecified => "live",
        SourceState::Deleted => "deleted",
        SourceState::NotVisible => "not_visible",
    }
}

fn state_from(token: &str) -> Option<SourceState> {
    [SourceState::Live, SourceState::Deleted, SourceState::NotVisible]
        .into_iter()
        .find(|state| state_token(*state) == token)
}

fn carry_text(carry: &Carry) -> Option<String> {
    if carry.is_empty() { None } else { serde_json::to_string(carry).ok() }
}

struct Row {
    salesforce_id: String,
    read_seq: i64,
    state: String,
    master_id: Option<String>,
    converted_id: Option<String>,
    account_id: Option<String>,
    modified_ms: i64,
    field_list_version: i64,
    currency: Option<String>,
    stamp: i64,
    revision: i32,
    image: String,
    carry: Option<String>,
}

impl Row {
    fn into_stored(self) -> Result<Stored, StoreError> {
        let impossible = || StoreError::Impossible { table: "source_record", key: self.salesforce_id.clone() };
        let state = state_from(&self.state).ok_or_else(impossible)?;
        let carry = self.carry.as_deref().map(serde_json::from_str).transpose().map_err(|_| impossible())?;
        Ok(Stored {
            stamp: self.stamp,
            revision: self.revision,
            carry: carry.unwrap_or_default(),
            image: Image {
                id: self.salesforce_id,
                read_seq: self.read_seq,
                state,
                master_id: self.master_id,
                converted_id: self.converted_id,
                account_id: self.account_id,
                modified_ms: self.modified_ms,
                field_list_version: self.field_list_version,
                currency: self.currency,
                text: self.image,
            },
        })
    }
}

/// Reads and locks the rows of `ids`, which are sorted; a row of an older epoch counts as not there.
///
/// One look into the primary key for each id, in their order. `= any(ids) order by` reads all rows of the object: before
/// release 17 Postgres takes no list as a condition of an ordered index scan.
pub(crate) async fn lock(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    epoch: Epoch,
    ids: &[&str],
) -> Result<HashMap<String, Stored>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select held.*
          from unnest($3::text[]) with ordinality wanted (id, place)
         cross join lateral (
               select salesforce_id, read_seq, state, master_id, converted_id, account_id, modified_ms,
                      field_list_version, currency, stamp, revision, image, carry
                 from mapper.source_record
                where workspace_id = $1 and object = $2 and salesforce_id = wanted.id and epoch = $4
                  for update) held
        "#,
        workspace.0,
        object.token(),
        ids as &[&str],
        epoch,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(|row| Ok((row.salesforce_id.clone(), row.into_stored()?))).collect()
}

/// Returns rows by id without holding them; a row of an older epoch counts as not there.
pub(crate) async fn find(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    epoch: Epoch,
    ids: &[&str],
) -> Result<Vec<Stored>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select salesforce_id, read_seq, state, master_id, converted_id, account_id, modified_ms,
               field_list_version, currency, stamp, revision, image, carry
          from mapper.source_record
         where workspace_id = $1 and object = $2 and salesforce_id = any($3::text[]) and epoch = $4
        "#,
        workspace.0,
        object.token(),
        ids as &[&str],
        epoch,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Row::into_stored).collect()
}

/// Inserts rows, sorted by id, and returns the ids of those that were not there; the others are left as they are.
pub(crate) async fn insert(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    epoch: Epoch,
    rows: &[&Stored],
) -> Result<Vec<String>, StoreError> {
    let columns = Columns::of(rows, |_| true);
    let inserted = sqlx::query_scalar!(
        r#"
        insert into mapper.source_record
               (workspace_id, object, epoch, salesforce_id, read_seq, state, master_id, converted_id, account_id,
                modified_ms, field_list_version, currency, stamp, revision, image, carry)
        select $1, $2, $3, n.*
          from unnest($4::text[], $5::bigint[], $6::text[], $7::text[], $8::text[], $9::text[], $10::bigint[],
                      $11::bigint[], $12::text[], $13::bigint[], $14::int[], $15::text[], $16::text[]) n
            on conflict (workspace_id, object, salesforce_id) do nothing
        returning salesforce_id
        "#,
        workspace.0,
        object.token(),
        epoch,
        &columns.id as &[&str],
        &columns.read_seq,
        &columns.state as &[&str],
        &columns.master_id as &[Option<&str>],
        &columns.converted_id as &[Option<&str>],
        &columns.account_id as &[Option<&str>],
        &columns.modified_ms,
        &columns.field_list_version,
        &columns.currency as &[Option<&str>],
        &columns.stamp,
        &columns.revision,
        &columns.image as &[Option<&str>],
        &columns.carry as &[Option<String>],
    )
    .fetch_all(conn)
    .await?;
    Ok(inserted)
}

/// Replaces rows that the transaction holds; written as an upsert, which can't but go by the key (see [`lock`]).
/// `has_new_image` tells whose text differs from the stored one.
pub(crate) async fn replace(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    rows: &[&Stored],
    has_new_image: impl Fn(&Stored) -> bool,
) -> Result<(), StoreError> {
    let columns = Columns::of(rows, has_new_image);
    sqlx::query!(
        r#"
        insert into mapper.source_record
               (workspace_id, object, epoch, salesforce_id, read_seq, state, master_id, converted_id, account_id,
                modified_ms, field_list_version, currency, stamp, revision, image, carry)
        select $1, $2, held.epoch, n.salesforce_id, n.read_seq, n.state, n.master_id, n.converted_id, n.account_id,
               n.modified_ms, n.field_list_version, n.currency, n.stamp, n.revision, coalesce(n.image, held.image), n.carry
          from unnest($3::text[], $4::bigint[], $5::text[], $6::text[], $7::text[], $8::text[], $9::bigint[],
                      $10::bigint[], $11::text[], $12::bigint[], $13::int[], $14::text[], $15::text[])
               n (salesforce_id, read_seq, state, master_id, converted_id, account_id, modified_ms,
                  field_list_version, currency, stamp, revision, image, carry)
         cross join lateral (
               select epoch, image
                 from mapper.source_record
                where workspace_id = $1 and object = $2 and salesforce_id = n.salesforce_id
                  for update) held
            on conflict (workspace_id, object, salesforce_id) do update
           set read_seq           = excluded.read_seq,
               state              = excluded.state,
               master_id          = excluded.master_id,
               converted_id       = excluded.converted_id,
               account_id         = excluded.account_id,
               modified_ms        = excluded.modified_ms,
               field_list_version = excluded.field_list_version,
               currency           = excluded.currency,
               stamp              = excluded.stamp,
               revision           = excluded.revision,
               image              = excluded.image,
               carry              = excluded.carry
        "#,
        workspace.0,
        object.token(),
        &columns.id as &[&str],
        &columns.read_seq,
        &columns.state as &[&str],
        &columns.master_id as &[Option<&str>],
        &columns.converted_id as &[Option<&str>],
        &columns.account_id as &[Option<&str>],
        &columns.modified_ms,
        &columns.field_list_version,
        &columns.currency as &[Option<&str>],
        &columns.stamp,
        &columns.revision,
        &columns.image as &[Option<&str>],
        &columns.carry as &[Option<String>],
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Deletes rows of older epochs among `ids`, so that their keys are free.
pub(crate) async fn forget_older(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    epoch: Epoch,
    ids: &[&str],
) -> Result<u64, StoreError> {
    let forgotten = sqlx::query!(
        r#"
        delete from mapper.source_record
         where workspace_id = $1 and object = $2 and salesforce_id = any($3::text[]) and epoch < $4
        "#,
        workspace.0,
        object.token(),
        ids as &[&str],
        epoch,
    )
    .execute(conn)
    .await?;
    Ok(forgotten.rows_affected())
}

/// Deletes rows of any epoch by id and returns how many there were.
pub(crate) async fn erase(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    ids: &[&str],
) -> Result<u64, StoreError> {
    let erased = sqlx::query!(
        "delete from mapper.source_record where workspace_id = $1 and object = $2 and salesforce_id = any($3::text[])",
        workspace.0,
        object.token(),
        ids as &[&str],
    )
    .execute(conn)
    .await?;
    Ok(erased.rows_affected())
}

/// Deletes up to `limit` rows of epochs below `epoch` and returns how many there were.
pub(crate) async fn sweep(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    epoch: Epoch,
    limit: i64,
) -> Result<u64, StoreError> {
    let swept = sqlx::query!(
        r#"
        delete from mapper.source_record s
         using (select object, salesforce_id
                  from mapper.source_record
                 where workspace_id = $1 and epoch < $2
                 limit $3) old
         where s.workspace_id = $1 and s.object = old.object and s.salesforce_id = old.salesforce_id and s.epoch < $2
        "#,
        workspace.0,
        epoch,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(swept.rows_affected())
}

/// Returns a page of an object's rows after an id, by id.
pub(crate) async fn page(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    epoch: Epoch,
    after_id: &str,
    limit: i64,
) -> Result<Vec<Stored>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select salesforce_id, read_seq, state, master_id, converted_id, account_id, modified_ms,
               field_list_version, currency, stamp, revision, image, carry
          from mapper.source_record
         where workspace_id = $1 and object = $2 and salesforce_id > $3 and epoch = $4
         order by salesforce_id
         limit $5
        "#,
        workspace.0,
        object.token(),
        after_id,
        epoch,
        limit,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Row::into_stored).collect()
}

/// Returns a page of an object's rows that were last published under an older mapping, by id.
pub(crate) async fn page_to_replay(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    epoch: Epoch,
    version: MappingVersion,
    after_id: &str,
    limit: i64,
) -> Result<Vec<Stored>, StoreError> {
    let rows = sqlx::query_as!(
        Row,
        r#"
        select salesforce_id, read_seq, state, master_id, converted_id, account_id, modified_ms,
               field_list_version, currency, stamp, revision, image, carry
          from mapper.source_record
         where workspace_id = $1 and object = $2 and salesforce_id > $3 and stamp < $4 and epoch = $6
         order by salesforce_id
         limit $5
        "#,
        workspace.0,
        object.token(),
        after_id,
        version,
        limit,
        epoch,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter().map(Row::into_stored).collect()
}

/// Stamps rows that are still as they were when they were mapped, and returns how many; by the key, as [`replace`].
pub(crate) async fn stamp(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    version: MappingVersion,
    rows: &[Stored],
) -> Result<u64, StoreError> {
    let ids: Vec<&str> = rows.iter().map(|row| row.image.id.as_str()).collect();
    let read_seqs: Vec<i64> = rows.iter().map(|row| row.image.read_seq).collect();
    let revisions: Vec<i32> = rows.iter().map(|row| row.revision).collect();
    let stamped = sqlx::query!(
        r#"
        insert into mapper.source_record
               (workspace_id, object, epoch, salesforce_id, read_seq, state, modified_ms, field_list_version, stamp,
                revision, image)
        select $1, $2, held.*
          from unnest($4::text[], $5::bigint[], $6::int[]) n (salesforce_id, read_seq, revision)
         cross join lateral (
               select epoch, salesforce_id, read_seq, state, modified_ms, field_list_version, $3::bigint, revision, image
                 from mapper.source_record
                where workspace_id = $1 and object = $2 and salesforce_id = n.salesforce_id
                  and read_seq = n.read_seq and revision = n.revision and stamp < $3
                  for update) held
            on conflict (workspace_id, object, salesforce_id) do update set stamp = excluded.stamp
        "#,
        workspace.0,
        object.token(),
        version,
        &ids as &[&str],
        &read_seqs,
        &revisions,
    )
    .execute(conn)
    .await?;
    Ok(stamped.rows_affected())
}

/// Returns how many rows an object has, and how many of them are stamped below `version`.
pub(crate) async fn count(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    epoch: Epoch,
    version: MappingVersion,
) -> Result<(i64, i64), StoreError> {
    let counted = sqlx::query!(
        r#"
        select count(*) as "all!", count(*) filter (where stamp < $4) as "older!"
          from mapper.source_record
         where workspace_id = $1 and object = $2 and epoch = $3
        "#,
        workspace.0,
        object.token(),
        epoch,
        version,
    )
    .fetch_one(conn)
    .await?;
    Ok((counted.all, counted.older))
}

/// The members of rows as arrays, for one statement over all of them.
struct Columns<'r> {
    id: Vec<&'r str>,
    read_seq: Vec<i64>,
    state: Vec<&'r str>,
    master_id: Vec<Option<&'r str>>,
    converted_id: Vec<Option<&'r str>>,
    account_id: Vec<Option<&'r str>>,
    modified_ms: Vec<i64>,
    field_list_version: Vec<i64>,
    currency: Vec<Option<&'r str>>,
    stamp: Vec<i64>,
    revision: Vec<i32>,
    image: Vec<Option<&'r str>>,
    carry: Vec<Option<String>>,
}

impl<'r> Columns<'r> {
    fn of(rows: &[&'r Stored], sends_image: impl Fn(&Stored) -> bool) -> Self {
        let images = || rows.iter().map(|row| &row.image);
        Self {
            id: images().map(|image| image.id.as_str()).collect(),
            read_seq: images().map(|image| image.read_seq).collect(),
            state: images().map(|image| state_token(image.state)).collect(),
            master_id: images().map(|image| image.master_id.as_deref()).collect(),
            converted_id: images().map(|image| image.converted_id.as_deref()).collect(),
            account_id: images().map(|image| image.account_id.as_deref()).collect(),
            modified_ms: images().map(|image| image.modified_ms).collect(),
            field_list_version: images().map(|image| image.field_list_version).collect(),
            currency: images().map(|image| image.currency.as_deref()).collect(),
            stamp: rows.iter().map(|row| row.stamp).collect(),
            revision: rows.iter().map(|row| row.revision).collect(),
            image: rows.iter().map(|row| sends_image(row).then_some(row.image.text.as_str())).collect(),
            carry: rows.iter().map(|row| carry_text(&row.carry)).collect(),
        }
    }
}
