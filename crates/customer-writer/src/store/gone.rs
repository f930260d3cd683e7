//! Keys that are gone: deleted, merged, converted, or hidden. Rare, so clear rather than fast.

use domain::WorkspaceId;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::record::{Existence, Record};
use crate::store::live::Heads;
use crate::store::touched;

/// A record that is gone, with the run that brought the news.
#[derive(Clone, Copy, Debug)]
pub(crate) struct GoneRecord<'a> {
    /// The record.
    pub(crate) record: &'a Record,
    /// What became of it.
    pub(crate) existence: Existence,
    /// The key that continues it.
    pub(crate) target: Option<&'a str>,
    /// The run that brought it.
    pub(crate) run: Uuid,
    /// The trace that brought it, when sampled.
    pub(crate) trace: Option<&'a str>,
}

/// What became of the rows.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Marked {
    /// Rows that are archived now.
    pub(crate) deleted: u64,
    /// Other rows whose meaning changed.
    pub(crate) updated: u64,
    /// Rows that meant the same already.
    pub(crate) unchanged: u64,
    /// Visible rows that were archived or came back.
    pub(crate) changes: Vec<(Uuid, i16)>,
}

impl Marked {
    /// Returns how many rows the guard let through.
    pub(crate) fn total(&self) -> u64 {
        self.deleted + self.updated + self.unchanged
    }

    fn count(&mut self, bits: i16, state: i16, visible: Option<Uuid>) {
        if bits == 0 {
            self.unchanged += 1;
        } else if state == Existence::Deleted.code() {
            self.deleted += 1;
        } else {
            self.updated += 1;
        }
        if bits & touched::ARCHIVED != 0 {
            self.changes.extend(visible.map(|id| (id, touched::ARCHIVED)));
        }
    }
}

/// Notes what became of accounts that do not stand for themselves any more, or can't be seen. Their columns stay.
///
/// A key that was never seen gets a tombstone, so that an older image that comes late still loses.
pub(crate) async fn mark_customers(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    gone: &[GoneRecord<'_>],
) -> Result<Marked, sqlx::Error> {
    let heads = Heads::of(gone.iter().map(|one| (one.record, one.run, one.trace)));
    let states: Vec<_> = gone.iter().map(|one| one.existence.code()).collect();
    let targets: Vec<_> = gone.iter().map(|one| one.target).collect();
    let rows = sqlx::query!(
        r#"
        insert into customers.customer as c
               (workspace_id, own_id, lane_id, key, epoch, read_seq, mapping_version, revision, modified_ms,
                sync_run_id, sync_trace_id, held, touched, state, target_id, archived_at, hidden_at)
        select $1, n.own_id, n.own_id, n.key, n.epoch, n.read_seq, n.mapping_version, n.revision, n.modified_ms,
               n.run_id, n.trace_id, false, 16::smallint, n.state, n.target_id,
               case when n.state = 2 then now() end, case when n.state = 5 then now() end
          from unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::integer[], $8::bigint[],
                      $9::uuid[], $10::text[], $11::smallint[], $12::text[])
            as n (own_id, key, epoch, read_seq, mapping_version, revision, modified_ms, run_id, trace_id, state, target_id)
        on conflict (workspace_id, key) do update
           set epoch           = excluded.epoch,
               read_seq        = excluded.read_seq,
               mapping_version = excluded.mapping_version,
               revision        = excluded.revision,
               modified_ms     = case when excluded.modified_ms = 0 then c.modified_ms else excluded.modified_ms end,
               sync_run_id     = excluded.sync_run_id,
               sync_trace_id   = excluded.sync_trace_id,
               image_version   = case when c.state = 1
                                      then array[c.epoch, c.read_seq, c.mapping_version, c.revision]
                                      else c.image_version end,
               state           = excluded.state,
               target_id       = excluded.target_id,
               archived_at     = case when excluded.state = 2 then coalesce(c.archived_at, now()) end,
               hidden_at       = case when excluded.state = 5 then coalesce(c.hidden_at, now()) end,
               touched         = case when c.state = excluded.state and c.target_id is not distinct from excluded.target_id
                                      then 0
                                      else 1 | case when (excluded.state = 2) <> (c.archived_at is not null) then 32 else 0 end
                                 end,
               etag            = case when c.state = excluded.state and c.target_id is not distinct from excluded.target_id
                                      then c.etag else c.etag + 1 end,
               updated_at      = case when c.state = excluded.state then c.updated_at else now() end
         where (c.epoch, c.read_seq, c.mapping_version, c.revision)
             < (excluded.epoch, excluded.read_seq, excluded.mapping_version, excluded.revision)
        returning touched, state, lane_id, is_root and held as "visible!"
        "#,
        workspace.0,
        &heads.own_ids,
        &heads.keys as &[&str],
        &heads.epochs,
        &heads.read_seqs,
        &heads.mapping_versions,
        &heads.revisions,
        &heads.modified,
        &heads.runs,
        &heads.traces as &[Option<&str>],
        &states,
        &targets as &[Option<&str>],
    )
    .fetch_all(conn)
    .await?;
    let mut marked = Marked::default();
    for row in rows {
        marked.count(row.touched, row.state, row.visible.then_some(row.lane_id));
    }
    Ok(marked)
}

/// Notes what became of contacts and leads that do not stand for themselves any more, or can't be seen. Their columns stay.
///
/// A key that was never seen gets a tombstone, so that an older image that comes late still loses.
pub(crate) async fn mark_contacts(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    gone: &[GoneRecord<'_>],
) -> Result<Marked, sqlx::Error> {
    let heads = Heads::of(gone.iter().map(|one| (one.record, one.run, one.trace)));
    let states: Vec<_> = gone.iter().map(|one| one.existence.code()).collect();
    let targets: Vec<_> = gone.iter().map(|one| one.target).collect();
    let objects: Vec<_> = gone.iter().map(|one| one.record.object.token()).collect();
    let rows = sqlx::query!(
        r#"
        insert into customers.contact as c
               (workspace_id, own_id, lane_id, key, epoch, read_seq, mapping_version, revision, modified_ms,
                sync_run_id, sync_trace_id, held, touched, state, target_id, archived_at, hidden_at, object)
        select $1, n.own_id, n.own_id, n.key, n.epoch, n.read_seq, n.mapping_version, n.revision, n.modified_ms,
               n.run_id, n.trace_id, false, 16::smallint, n.state, n.target_id,
               case when n.state = 2 then now() end, case when n.state = 5 then now() end, n.object
          from unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::integer[], $8::bigint[],
                      $9::uuid[], $10::text[], $11::smallint[], $12::text[], $13::text[])
            as n (own_id, key, epoch, read_seq, mapping_version, revision, modified_ms, run_id, trace_id, state, target_id, object)
        on conflict (workspace_id, key) do update
           set epoch           = excluded.epoch,
               read_seq        = excluded.read_seq,
               mapping_version = excluded.mapping_version,
               revision        = excluded.revision,
               modified_ms     = case when excluded.modified_ms = 0 then c.modified_ms else excluded.modified_ms end,
               sync_run_id     = excluded.sync_run_id,
               sync_trace_id   = excluded.sync_trace_id,
               image_version   = case when c.state = 1
                                      then array[c.epoch, c.read_seq, c.mapping_version, c.revision]
                                      else c.image_version end,
               state           = excluded.state,
               target_id       = excluded.target_id,
               archived_at     = case when excluded.state = 2 then coalesce(c.archived_at, now()) end,
               hidden_at       = case when excluded.state = 5 then coalesce(c.hidden_at, now()) end,
               touched         = case when c.state = excluded.state and c.target_id is not distinct from excluded.target_id
                                      then 0
                                      else 1 | case when (excluded.state = 2) <> (c.archived_at is not null) then 32 else 0 end
                                 end,
               etag            = case when c.state = excluded.state and c.target_id is not distinct from excluded.target_id
                                      then c.etag else c.etag + 1 end,
               updated_at      = case when c.state = excluded.state then c.updated_at else now() end
         where (c.epoch, c.read_seq, c.mapping_version, c.revision)
             < (excluded.epoch, excluded.read_seq, excluded.mapping_version, excluded.revision)
        returning touched, state, lane_id, is_root and held as "visible!"
        "#,
        workspace.0,
        &heads.own_ids,
        &heads.keys as &[&str],
        &heads.epochs,
        &heads.read_seqs,
        &heads.mapping_versions,
        &heads.revisions,
        &heads.modified,
        &heads.runs,
        &heads.traces as &[Option<&str>],
        &states,
        &targets as &[Option<&str>],
        &objects as &[&str],
    )
    .fetch_all(conn)
    .await?;
    let mut marked = Marked::default();
    for row in rows {
        marked.count(row.touched, row.state, row.visible.then_some(row.lane_id));
    }
    Ok(marked)
}
