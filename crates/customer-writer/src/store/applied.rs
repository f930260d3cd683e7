//! The books: which chunks are applied, and what the change feed tells. Written last, because the workspace's counter is
//! locked from here to the commit: that is what makes positions and sequences become visible in their order.

use domain::{Object, RunId, WorkspaceId};
use sqlx::PgConnection;
use uuid::Uuid;

use crate::chunk::Chunk;
use crate::store::history::Hour;

/// What became of a chunk's records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) mapped: i64,
    pub(crate) written: i64,
    pub(crate) parked: i64,
}

/// Something for the change feed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) customer: Uuid,
    /// Bits of `touched`.
    pub(crate) bits: i16,
    pub(crate) continued_by: Option<Uuid>,
}

/// Books chunks as applied, each once whatever the number of deliveries, adds to the hour's counts, and appends to the change feed.
pub(crate) async fn book(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    chunks: &[(&Chunk, Tally)],
    changes: &[Change],
    hour: &Hour,
) -> Result<(), sqlx::Error> {
    let column = |of: fn(&Chunk) -> i64| chunks.iter().map(|(chunk, _)| of(chunk)).collect::<Vec<i64>>();
    let tally = |of: fn(&Tally) -> i64| chunks.iter().map(|(_, tally)| of(tally)).collect::<Vec<i64>>();
    let runs: Vec<_> = chunks.iter().map(|(chunk, _)| chunk.run.0).collect();
    let objects: Vec<_> = chunks.iter().map(|(chunk, _)| chunk.object.token()).collect();
    let customers: Vec<_> = changes.iter().map(|change| change.customer).collect();
    let bits: Vec<_> = changes.iter().map(|change| change.bits).collect();
    let continued: Vec<_> = changes.iter().map(|change| change.continued_by).collect();
    sqlx::query!(
        r#"
        with counter as (
            insert into customers.ledger as l (workspace_id, position, sequence, changed_at)
            values ($1, $2::bigint, $3::bigint, case when $17 then now() end)
            on conflict (workspace_id) do update
               set position = l.position + excluded.position, sequence = l.sequence + excluded.sequence,
                   changed_at = coalesce(excluded.changed_at, l.changed_at)
            returning position - $2 as position, sequence - $3 as sequence
        ), booked as (
            insert into customers.applied_chunk
                   (workspace_id, run_id, object, page, chunk, read_seq, part, parts, mapped, written, parked, position)
            select $1, n.run_id, n.object, n.page, n.chunk, n.read_seq, n.part, n.parts, n.mapped, n.written, n.parked,
                   counter.position + n.place
              from counter,
                   unnest($4::uuid[], $5::text[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[], $10::bigint[],
                          $11::bigint[], $12::bigint[], $13::bigint[])
                   with ordinality
                as n (run_id, object, page, chunk, read_seq, part, parts, mapped, written, parked, place)
            on conflict do nothing
        ), counted as (
            insert into customers.history as h
                   (workspace_id, hour, created, updated, unchanged, deleted, parked, ages, oldest_ms)
            select $1, date_trunc('hour', now(), 'UTC'), $19, $20, $21, $22, $23, $24::bigint[], $25
              from counter
             where not $18::boolean
            on conflict (workspace_id, hour) do update
               set created   = h.created + excluded.created,
                   updated   = h.updated + excluded.updated,
                   unchanged = h.unchanged + excluded.unchanged,
                   deleted   = h.deleted + excluded.deleted,
                   parked    = h.parked + excluded.parked,
                   ages      = (select array_agg(a + b order by place)
                                  from unnest(h.ages, excluded.ages) with ordinality as n (a, b, place)),
                   oldest_ms = greatest(h.oldest_ms, excluded.oldest_ms)
        )
        insert into customers.change (workspace_id, sequence, customer_id, fields, continued_by)
        select $1, counter.sequence + n.place, n.customer_id,
               array_remove(array[case when n.bits &  2 <> 0 then 'arr' end,
                                  case when n.bits &  4 <> 0 then 'tier' end,
                                  case when n.bits &  8 <> 0 then 'status' end,
                                  case when n.bits & 32 <> 0 then 'archived' end], null),
               n.continued_by
          from counter,
               unnest($14::uuid[], $15::smallint[], $16::uuid[]) with ordinality as n (customer_id, bits, continued_by, place)
        "#,
        workspace.0,
        i64::try_from(chunks.len()).unwrap_or(i64::MAX),
        i64::try_from(changes.len()).unwrap_or(i64::MAX),
        &runs,
        &objects as &[&str],
        &column(|chunk| chunk.page),
        &column(|chunk| chunk.chunk),
        &column(|chunk| chunk.read_seq),
        &column(|chunk| chunk.part),
        &column(|chunk| chunk.parts),
        &tally(|tally| tally.mapped),
        &tally(|tally| tally.written),
        &tally(|tally| tally.parked),
        &customers,
        &bits,
        &continued as &[Option<Uuid>],
        hour.has_changes(),
        hour.is_empty(),
        hour.created,
        hour.updated,
        hour.unchanged,
        hour.deleted,
        hour.parked,
        &hour.ages,
        hour.oldest_ms,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A chunk whose parts are all applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct AppliedChunk {
    pub(crate) position: i64,
    pub(crate) object: Object,
    pub(crate) page: i64,
    pub(crate) chunk: i64,
    pub(crate) read_seq: i64,
    pub(crate) tally: Tally,
}

/// Returns chunks of a run in the order of application, after `after`. A chunk stands where its last part came in.
pub(crate) async fn list(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    after: i64,
    limit: i64,
) -> Result<Vec<AppliedChunk>, sqlx::Error> {
    let rows = sqlx::query!(
        r#"
        select a.position, a.object, a.page, a.chunk, a.read_seq,
               whole.mapped as "mapped!", whole.written as "written!", whole.parked as "parked!"
          from customers.applied_chunk a
         cross join lateral (
               select count(*) as parts, sum(b.mapped)::bigint as mapped, sum(b.written)::bigint as written,
                      sum(b.parked)::bigint as parked
                 from customers.applied_chunk b
                where b.workspace_id = a.workspace_id and b.run_id = a.run_id and b.object = a.object
                  and b.page = a.page and b.chunk = a.chunk and b.read_seq = a.read_seq and b.position <= a.position
               ) as whole
         where a.workspace_id = $1 and a.run_id = $2 and a.position > $3 and whole.parts = a.parts
         order by a.position
         limit $4
        "#,
        workspace.0,
        run.0,
        after,
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(AppliedChunk {
                position: row.position,
                object: Object::from_token(&row.object)?,
                page: row.page,
                chunk: row.chunk,
                read_seq: row.read_seq,
                tally: Tally { mapped: row.mapped, written: row.written, parked: row.parked },
            })
        })
        .collect())
}
