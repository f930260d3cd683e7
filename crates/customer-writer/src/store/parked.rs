//! Records set aside with a reason, and the failures that we counted ourselves. No values anywhere.

use chrono::{DateTime, Utc};
use domain::{Object, RunId, SourceVersion, WorkspaceId};
use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::record::Record;

/// A record, or a whole chunk, to set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parking {
    pub(crate) object: Object,
    /// The 18-character id, or the place of the chunk when there is no usable id.
    pub(crate) key: String,
    pub(crate) salesforce_id: Option<String>,
    pub(crate) code: String,
    pub(crate) field: String,
    pub(crate) run: Uuid,
    pub(crate) version: SourceVersion,
    /// The version's read is that of the chunk of a replay, not of the image: the row's own counts, if there is one.
    pub(crate) takes_read_of_row: bool,
}

/// Sets records aside, unless the store already holds something newer about them.
pub(crate) async fn park(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    parking: &[Parking],
) -> Result<(), sqlx::Error> {
    let text = |of: fn(&Parking) -> &str| parking.iter().map(of).collect::<Vec<&str>>();
    let number = |of: fn(&Parking) -> i64| parking.iter().map(of).collect::<Vec<i64>>();
    let ids: Vec<_> = parking.iter().map(|one| one.salesforce_id.as_deref()).collect();
    let runs: Vec<_> = parking.iter().map(|one| one.run).collect();
    let revisions: Vec<_> = parking.iter().map(|one| one.version.revision).collect();
    let takes: Vec<_> = parking.iter().map(|one| one.takes_read_of_row).collect();
    sqlx::query!(
        r#"
        insert into customers.parked as p
               (workspace_id, object, key, salesforce_id, code, field, run_id, epoch, read_seq, mapping_version, revision)
        select distinct on (n.object, n.key)
               $1, n.object, n.key, n.salesforce_id, n.code, n.field, n.run_id, n.epoch,
               case when n.takes then coalesce(c.read_seq, 0) else n.read_seq end, n.mapping_version, n.revision
          from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::uuid[], $8::bigint[], $9::bigint[],
                      $10::bigint[], $11::integer[], $12::boolean[])
            as n (object, key, salesforce_id, code, field, run_id, epoch, read_seq, mapping_version, revision, takes)
          left join lateral (
               select epoch, read_seq, mapping_version, revision from customers.customer
                where n.object = 'account' and workspace_id = $1 and key = n.key
               union all
               select epoch, read_seq, mapping_version, revision from customers.contact
                where n.object <> 'account' and workspace_id = $1 and key = n.key
               ) as c on true
         where c.epoch is null
            or (c.epoch, c.read_seq, c.mapping_version, c.revision)
             < (n.epoch, case when n.takes then c.read_seq else n.read_seq end, n.mapping_version, n.revision)
         order by n.object, n.key, n.epoch desc, n.read_seq desc, n.mapping_version desc, n.revision desc
        on conflict (workspace_id, object, key) do update
           set code            = excluded.code,
               field           = excluded.field,
               run_id          = excluded.run_id,
               epoch           = excluded.epoch,
               read_seq        = excluded.read_seq,
               mapping_version = excluded.mapping_version,
               revision        = excluded.revision,
               parked_at       = now(),
               requeued_at     = null
         where (p.epoch, p.read_seq, p.mapping_version, p.revision)
             < (excluded.epoch, excluded.read_seq, excluded.mapping_version, excluded.revision)
        "#,
        workspace.0,
        &text(|one| one.object.token()) as &[&str],
        &text(|one| &one.key) as &[&str],
        &ids as &[Option<&str>],
        &text(|one| &one.code) as &[&str],
        &text(|one| &one.field) as &[&str],
        &runs,
        &number(|one| one.version.epoch),
        &number(|one| one.version.read_seq),
        &number(|one| one.version.mapping_version),
        &revisions,
        &takes,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets that records were set aside, now that something as new or newer is known about them.
pub(crate) async fn clear_records(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    records: &[&Record],
) -> Result<(), sqlx::Error> {
    let objects: Vec<_> = records.iter().map(|record| record.object.token()).collect();
    let keys: Vec<_> = records.iter().map(|record| record.key.as_str()).collect();
    let number = |of: fn(&SourceVersion) -> i64| records.iter().map(|record| of(&record.version)).collect::<Vec<i64>>();
    let revisions: Vec<_> = records.iter().map(|record| record.version.revision).collect();
    sqlx::query!(
        r#"
        delete from customers.parked p
         using unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::integer[])
            as n (object, key, epoch, read_seq, mapping_version, revision)
         where p.workspace_id = $1
           and p.object = n.object
           and p.key = n.key
           and (p.epoch, p.read_seq, p.mapping_version, p.revision)
            <= (n.epoch, n.read_seq, n.mapping_version, n.revision)
        "#,
        workspace.0,
        &objects as &[&str],
        &keys as &[&str],
        &number(|version| version.epoch),
        &number(|version| version.read_seq),
        &number(|version| version.mapping_version),
        &revisions,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets that a chunk was set aside, now that a newer attempt of it was applied.
pub(crate) async fn clear_chunk(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    place: &str,
    read_seq: i64,
) -> Result<(), sqlx::Error> {
    sqlx::query!(
        "delete from customers.parked where workspace_id = $1 and object = $2 and key = $3 and read_seq < $4",
        workspace.0,
        object.token(),
        place,
        read_seq,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Counts one more failure of a chunk and returns how many we know of.
pub(crate) async fn count_failure(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    chunk: &str,
) -> Result<i32, sqlx::Error> {
    sqlx::query_scalar!(
        r#"
        insert into customers.chunk_failure as f (workspace_id, chunk_key, failures)
        values ($1, $2, 1)
        on conflict (workspace_id, chunk_key) do update set failures = f.failures + 1, failed_at = now()
        returning failures
        "#,
        workspace.0,
        chunk,
    )
    .fetch_one(conn)
    .await
}

/// Forgets the failures of a chunk that went through.
pub(crate) async fn forget_failures(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    chunk: &str,
) -> Result<(), sqlx::Error> {
    sqlx::query!("delete from customers.chunk_failure where workspace_id = $1 and chunk_key = $2", workspace.0, chunk)
        .execute(conn)
        .await?;
    Ok(())
}

/// A record that was set aside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parked {
    pub(crate) object: Object,
    pub(crate) key: String,
    pub(crate) salesforce_id: Option<String>,
    pub(crate) code: String,
    pub(crate) field: String,
    pub(crate) run: RunId,
    pub(crate) parked_at: Timestamp,
    pub(crate) requeued_at: Option<Timestamp>,
    /// Name of its row; empty when there is none.
    pub(crate) name: String,
}

macro_rules! parked_of {
    ($row:expr) => {
        Parked {
            object: Object::from_token(&$row.object).unwrap_or(Object::Account),
            key: $row.key,
            salesforce_id: $row.salesforce_id,
            code: $row.code,
            field: $row.field,
            run: RunId($row.run_id),
            parked_at: crate::store::read::moment($row.parked_at),
            requeued_at: $row.requeued_at.map(crate::store::read::moment),
            name: $row.name.unwrap_or_default(),
        }
    };
}

/// Where a page of parked records ended.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(crate) struct AfterParked {
    pub(crate) parked_at: Timestamp,
    pub(crate) object: String,
    pub(crate) key: String,
}

/// Returns parked records, newest first, of one group or of all.
pub(crate) async fn list(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    group: Option<&GroupKey>,
    after: Option<&AfterParked>,
    limit: i64,
) -> Result<Vec<Parked>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select object, key, salesforce_id, code, field, run_id, parked_at, requeued_at,
               case when p.object = 'account'
                    then (select c.name from customers.customer c where c.workspace_id = $1 and c.key = p.key)
                    else (select c.name from customers.contact c where c.workspace_id = $1 and c.key = p.key) end as name
          from customers.parked p
         where workspace_id = $1
           and ($2::timestamptz is null
                or parked_at < $2
                or (parked_at = $2 and (object, key) > ($3::text, $4::text collate "C")))
           and ($6::text is null or (code = $6 and object = $7 and field = $8))
         order by parked_at desc, object, key
         limit $5
        "#,
        workspace.0,
        after.map(|after| crate::store::read::column(after.parked_at)),
        after.map_or("", |after| after.object.as_str()),
        after.map_or("", |after| after.key.as_str()),
        limit,
        group.map(|group| group.code.as_str()),
        group.map(|group| group.object.token()),
        group.map(|group| group.field.as_str()),
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.into_iter().map(|row| parked_of!(row)).collect())
}

/// Marks parked records as asked for again and returns them. Empty `ids`: all of the object; no object: all; no group: of all.
pub(crate) async fn requeue(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Option<Object>,
    ids: &[String],
    group: Option<&GroupKey>,
) -> Result<Vec<Parked>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        update customers.parked
           set requeued_at = now()
         where workspace_id = $1
           and ($2::text is null or object = $2)
           and (cardinality($3::text[]) = 0 or key = any($3))
           and ($4::text is null or (code = $4 and object = $5 and field = $6))
        returning object, key, salesforce_id, code, field, run_id, parked_at, requeued_at,
                  case when parked.object = 'account'
                       then (select c.name from customers.customer c where c.workspace_id = $1 and c.key = parked.key)
                       else (select c.name from customers.contact c where c.workspace_id = $1 and c.key = parked.key) end as name
        "#,
        workspace.0,
        object.map(Object::token),
        ids,
        group.map(|group| group.code.as_str()),
        group.map(|group| group.object.token()),
        group.map(|group| group.field.as_str()),
    )
    .fetch_all(&mut *conn)
    .await?;
    // No record's apply could ever clear a chunk, so asking for it again ends its row: its range is read once more.
    sqlx::query!(
        "delete from customers.parked where workspace_id = $1 and salesforce_id is null and requeued_at = now()",
        workspace.0,
    )
    .execute(conn)
    .await?;
    Ok(rows.into_iter().map(|row| parked_of!(row)).collect())
}

/// Returns how many records are parked, and when the oldest of them was parked last.
pub(crate) async fn count(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
) -> Result<(i64, Option<DateTime<Utc>>), sqlx::Error> {
    let row = sqlx::query!(
        r#"select count(*) as "count!", min(parked_at) as oldest from customers.parked where workspace_id = $1"#,
        workspace.0
    )
    .fetch_one(conn)
    .await?;
    Ok((row.count, row.oldest))
}

/// Parked records with the same reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) key: GroupKey,
    pub(crate) count: i64,
    pub(crate) requeued: i64,
    pub(crate) oldest: Timestamp,
    pub(crate) newest: Timestamp,
    pub(crate) samples: Vec<Parked>,
}

/// What the records of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash, serde::Serialize)]
pub(crate) struct GroupKey {
    pub(crate) code: String,
    pub(crate) object: Object,
    pub(crate) field: String,
}

/// Returns the groups of parked records, largest first, each with its newest ones up to `samples`.
pub(crate) async fn groups(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    samples: i64,
) -> Result<Vec<Group>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select object as "object!", key as "key!", salesforce_id, code as "code!", field as "field!", run_id as "run_id!",
               parked_at as "parked_at!", requeued_at, count as "count!", requeued as "requeued!", oldest as "oldest!",
               newest as "newest!",
               case when ranked.object = 'account'
                    then (select c.name from customers.customer c where c.workspace_id = $1 and c.key = ranked.key)
                    else (select c.name from customers.contact c where c.workspace_id = $1 and c.key = ranked.key) end as name
          from (select p.*, row_number() over (partition by code, object, field order by parked_at desc, key) as place,
                       count(*) over own as count, count(requeued_at) over own as requeued,
                       min(parked_at) over own as oldest, max(parked_at) over own as newest
                  from customers.parked p
                 where workspace_id = $1
                window own as (partition by code, object, field)) as ranked
         where place <= $2
         order by count desc, code, object, field, place
        "#,
        workspace.0,
        samples,
    )
    .fetch_all(conn)
    .await?;
    let mut groups: Vec<Group> = Vec::new();
    for row in rows {
        let moment = crate::store::read::moment;
        let (count, requeued) = (row.count, row.requeued);
        let (oldest, newest) = (moment(row.oldest), moment(row.newest));
        let parked = parked_of!(row);
        let key = GroupKey { code: parked.code.clone(), object: parked.object, field: parked.field.clone() };
        match groups.last_mut().filter(|group| group.key == key) {
            Some(group) => group.samples.push(parked),
            None => groups.push(Group { key, count, requeued, oldest, newest, samples: vec![parked] }),
        }
    }
    Ok(groups)
}
