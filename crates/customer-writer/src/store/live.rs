//! The hot path: one statement per table for live records, with the guard in the statement itself.
//!
//! Only mapped columns are written, record by record, as the record's mask says. A row whose content is the same keeps
//! its etag and time of change, but remembers the newest guard: an older image that comes late must still lose.

use domain::WorkspaceId;
use rust_decimal::Decimal;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::record::{Image, Record};
use crate::store::touched;

/// A live record with the run that brought it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LiveRecord<'a> {
    /// The record.
    pub(crate) record: &'a Record,
    /// Its image.
    pub(crate) image: &'a Image,
    /// The run that brought it.
    pub(crate) run: Uuid,
    /// The trace that brought it, when sampled.
    pub(crate) trace: Option<&'a str>,
}

/// What became of live records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Upserted {
    /// Rows made.
    pub(crate) created: u64,
    /// Rows whose content changed.
    pub(crate) updated: u64,
    /// Rows that were the same already.
    pub(crate) unchanged: u64,
    /// Customers whose ARR, tier, status or archival changed, with what changed.
    pub(crate) changes: Vec<(Uuid, i16)>,
}

impl Upserted {
    pub(crate) fn total(&self) -> u64 {
        self.created + self.updated + self.unchanged
    }

    pub(crate) fn count(&mut self, bits: i16, rows: i64, customers: Option<Vec<Uuid>>) {
        let rows = u64::try_from(rows).unwrap_or_default();
        if bits & touched::CREATED != 0 {
            self.created += rows;
        } else if bits & touched::CONTENT != 0 {
            self.updated += rows;
        } else {
            self.unchanged += rows;
        }
        self.changes.extend(customers.unwrap_or_default().into_iter().map(|id| (id, bits & touched::FEED)));
    }
}

/// What all records have, as columns.
pub(super) struct Heads<'a> {
    pub(super) own_ids: Vec<Uuid>,
    pub(super) keys: Vec<&'a str>,
    pub(super) epochs: Vec<i64>,
    pub(super) read_seqs: Vec<i64>,
    pub(super) mapping_versions: Vec<i64>,
    pub(super) revisions: Vec<i32>,
    pub(super) modified: Vec<i64>,
    pub(super) runs: Vec<Uuid>,
    pub(super) traces: Vec<Option<&'a str>>,
}

impl<'a> Heads<'a> {
    pub(super) fn of(records: impl ExactSizeIterator<Item = (&'a Record, Uuid, Option<&'a str>)>) -> Self {
        let count = records.len();
        let mut heads = Self {
            own_ids: Vec::with_capacity(count),
            keys: Vec::with_capacity(count),
            epochs: Vec::with_capacity(count),
            read_seqs: Vec::with_capacity(count),
            mapping_versions: Vec::with_capacity(count),
            revisions: Vec::with_capacity(count),
            modified: Vec::with_capacity(count),
            runs: Vec::with_capacity(count),
            traces: Vec::with_capacity(count),
        };
        for (record, run, trace) in records {
            heads.own_ids.push(Uuid::now_v7());
            heads.keys.push(record.key.as_str());
            heads.epochs.push(record.version.epoch);
            heads.read_seqs.push(record.version.read_seq);
            heads.mapping_versions.push(record.version.mapping_version);
            heads.revisions.push(record.version.revision);
            heads.modified.push(record.modified_ms);
            heads.runs.push(run);
            heads.traces.push(trace);
        }
        heads
    }
}

/// What live records have on top, as columns.
pub(super) struct Bodies {
    pub(super) set_masks: Vec<i32>,
    pub(super) unmapped: Vec<i32>,
    pub(super) hashes: Vec<i64>,
    pub(super) customs: Vec<serde_json::Value>,
    pub(super) custom_unmapped: Vec<serde_json::Value>,
    pub(super) amounts: Vec<Option<Decimal>>,
    pub(super) currencies: Vec<Option<String>>,
    pub(super) numbers: Vec<Option<Decimal>>,
}

impl Bodies {
    pub(super) fn of(live: &[LiveRecord<'_>]) -> Self {
        let images = || live.iter().map(|one| one.image);
        Self {
            set_masks: images().map(|image| image.set_mask).collect(),
            unmapped: images().map(|image| image.unmapped).collect(),
            hashes: images().map(Image::hash).collect(),
            customs: images().map(|image| image.custom.clone().into()).collect(),
            custom_unmapped: images().map(|image| image.custom_unmapped.clone().into()).collect(),
            amounts: images().map(|image| image.money.as_ref().map(|(amount, _)| *amount)).collect(),
            currencies: images().map(|image| image.money.as_ref().map(|(_, currency)| currency.clone())).collect(),
            numbers: images().map(|image| image.number).collect(),
        }
    }
}

/// Returns a text column by its place in the catalogue.
pub(super) fn texts<'a>(live: &[LiveRecord<'a>], place: usize) -> Vec<Option<&'a str>> {
    live.iter().map(|one| one.image.texts[place].as_deref()).collect()
}

/// Writes live accounts; `live` is sorted by key and holds no key twice.
pub(crate) async fn upsert_customers(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    live: &[LiveRecord<'_>],
) -> Result<Upserted, sqlx::Error> {
    let heads = Heads::of(live.iter().map(|one| (one.record, one.run, one.trace)));
    let bodies = Bodies::of(live);
    let rows = sqlx::query!(
        r#"
        with written as (
            insert into customers.customer as c
                   (workspace_id, own_id, lane_id, key, epoch, read_seq, mapping_version, revision, modified_ms,
                    sync_run_id, sync_trace_id, set_mask, unmapped, row_hash, touched,
                    name, website, domain, arr, arr_currency, tier, status, industry, employee_count,
                    owner_name, owner_email, phone, country, description, custom, custom_unmapped)
            select $1, n.own_id, n.own_id, n.key, n.epoch, n.read_seq, n.mapping_version, n.revision, n.modified_ms,
                   n.run_id, n.trace_id, n.set_mask, n.unmapped, n.row_hash,
                   (16 | case when n.arr is null then 0 else 2 end | case when n.tier is null then 0 else 4 end
                       | case when n.status is null then 0 else 8 end)::smallint,
                   n.name, n.website, n.domain, n.arr, n.arr_currency, n.tier, n.status, n.industry, n.employee_count,
                   n.owner_name, n.owner_email, n.phone, n.country, n.description, n.custom, n.custom_unmapped
              from unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::integer[], $8::bigint[],
                          $9::uuid[], $10::text[], $11::integer[], $12::integer[], $13::bigint[],
                          $14::text[], $15::text[], $16::text[], $17::numeric[], $18::text[], $19::text[], $20::text[],
                          $21::text[], $22::numeric[], $23::text[], $24::text[], $25::text[], $26::text[], $27::text[],
                          $28::jsonb[], $29::jsonb[])
                as n (own_id, key, epoch, read_seq, mapping_version, revision, modified_ms, run_id, trace_id,
                      set_mask, unmapped, row_hash, name, website, domain, arr, arr_currency, tier, status, industry,
                      employee_count, owner_name, owner_email, phone, country, description, custom, custom_unmapped)
            on conflict (workspace_id, key) do update
               set epoch           = excluded.epoch,
                   read_seq        = excluded.read_seq,
                   mapping_version = excluded.mapping_version,
                   revision        = excluded.revision,
                   modified_ms     = excluded.modified_ms,
                   sync_run_id     = excluded.sync_run_id,
                   sync_trace_id   = excluded.sync_trace_id,
                   state           = 1,
                   held            = true,
                   target_id       = null,
                   archived_at     = null,
                   hidden_at       = null,
                   image_version   = null,
                   row_hash        = excluded.row_hash,
                   set_mask        = excluded.set_mask,
                   unmapped        = (c.unmapped & ~(excluded.set_mask | excluded.unmapped)) | excluded.unmapped,
                   name            = case when excluded.set_mask &    1 <> 0 then excluded.name            else c.name            end,
                   website         = case when excluded.set_mask &    2 <> 0 then excluded.website         else c.website         end,
                   domain          = case when excluded.set_mask &    4 <> 0 then excluded.domain          else c.domain          end,
                   arr             = case when excluded.set_mask &    8 <> 0 then excluded.arr             else c.arr             end,
                   arr_currency    = case when excluded.set_mask &    8 <> 0 then excluded.arr_currency    else c.arr_currency    end,
                   tier            = case when excluded.set_mask &   16 <> 0 then excluded.tier            else c.tier            end,
                   status          = case when excluded.set_mask &   32 <> 0 then excluded.status          else c.status          end,
                   industry        = case when excluded.set_mask &   64 <> 0 then excluded.industry        else c.industry        end,
                   employee_count  = case when excluded.set_mask &  128 <> 0 then excluded.employee_count  else c.employee_count  end,
                   owner_name      = case when excluded.set_mask &  256 <> 0 then excluded.owner_name      else c.owner_name      end,
                   owner_email     = case when excluded.set_mask &  512 <> 0 then excluded.owner_email     else c.owner_email     end,
                   phone           = case when excluded.set_mask & 1024 <> 0 then excluded.phone           else c.phone           end,
                   country         = case when excluded.set_mask & 2048 <> 0 then excluded.country         else c.country         end,
                   description     = case when excluded.set_mask & 4096 <> 0 then excluded.description     else c.description     end,
                   custom          = case when excluded.custom = '{}' then c.custom else c.custom || excluded.custom end,
                   custom_unmapped = case when excluded.custom_unmapped = '{}' then c.custom_unmapped
                                          else c.custom_unmapped || excluded.custom_unmapped end,
                   touched         = case when c.row_hash = excluded.row_hash and c.state = 1 then 0 else
                                       1 | case when excluded.set_mask & 8 <> 0
                                                 and (excluded.arr is distinct from c.arr
                                                      or excluded.arr_currency is distinct from c.arr_currency)
                                                then 2 else 0 end
                                         | case when excluded.set_mask & 16 <> 0 and excluded.tier is distinct from c.tier
                                                then 4 else 0 end
                                         | case when excluded.set_mask & 32 <> 0 and excluded.status is distinct from c.status
                                                then 8 else 0 end
                                         | case when c.archived_at is null then 0 else 32 end
                                     end,
                   etag            = case when c.row_hash = excluded.row_hash and c.state = 1 then c.etag else c.etag + 1 end,
                   updated_at      = case when c.row_hash = excluded.row_hash and c.state = 1 then c.updated_at else now() end
             where (c.epoch, c.read_seq, c.mapping_version, c.revision)
                 < (excluded.epoch, excluded.read_seq, excluded.mapping_version, excluded.revision)
            returning c.touched, c.lane_id
        )
        select touched as "touched!", count(*) as "rows!", array_agg(lane_id) filter (where touched & 46 <> 0) as customers
          from written
         group by touched
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
        &bodies.set_masks,
        &bodies.unmapped,
        &bodies.hashes,
        &texts(live, 0) as &[Option<&str>],
        &texts(live, 1) as &[Option<&str>],
        &texts(live, 2) as &[Option<&str>],
        &bodies.amounts as &[Option<Decimal>],
        &bodies.currencies as &[Option<String>],
        &texts(live, 4) as &[Option<&str>],
        &texts(live, 5) as &[Option<&str>],
        &texts(live, 6) as &[Option<&str>],
        &bodies.numbers as &[Option<Decimal>],
        &texts(live, 8) as &[Option<&str>],
        &texts(live, 9) as &[Option<&str>],
        &texts(live, 10) as &[Option<&str>],
        &texts(live, 11) as &[Option<&str>],
        &texts(live, 12) as &[Option<&str>],
        &bodies.customs,
        &bodies.custom_unmapped,
    )
    .fetch_all(conn)
    .await?;
    let mut upserted = Upserted::default();
    for row in rows {
        upserted.count(row.touched, row.rows, row.customers);
    }
    Ok(upserted)
}

/// Writes live contacts and leads; `live` is sorted by key and holds no key twice.
pub(crate) async fn upsert_contacts(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    live: &[LiveRecord<'_>],
) -> Result<Upserted, sqlx::Error> {
    let heads = Heads::of(live.iter().map(|one| (one.record, one.run, one.trace)));
    let bodies = Bodies::of(live);
    let objects: Vec<_> = live.iter().map(|one| one.record.object.token()).collect();
    let accounts: Vec<_> = live.iter().map(|one| one.image.account_id.as_ref().map(|id| id.as_str())).collect();
    let rows = sqlx::query!(
        r#"
        with written as (
            insert into customers.contact as c
                   (workspace_id, own_id, lane_id, key, epoch, read_seq, mapping_version, revision, modified_ms,
                    sync_run_id, sync_trace_id, set_mask, unmapped, row_hash, touched, object, account_id,
                    name, email, phone, title, status, tier, country, company, owner_name, custom, custom_unmapped)
            select $1, n.own_id, n.own_id, n.key, n.epoch, n.read_seq, n.mapping_version, n.revision, n.modified_ms,
                   n.run_id, n.trace_id, n.set_mask, n.unmapped, n.row_hash, 16::smallint, n.object, n.account_id,
                   n.name, n.email, n.phone, n.title, n.status, n.tier, n.country, n.company, n.owner_name,
                   n.custom, n.custom_unmapped
              from unnest($2::uuid[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::integer[], $8::bigint[],
                          $9::uuid[], $10::text[], $11::integer[], $12::integer[], $13::bigint[], $14::text[], $15::text[],
                          $16::text[], $17::text[], $18::text[], $19::text[], $20::text[], $21::text[], $22::text[],
                          $23::text[], $24::text[], $25::jsonb[], $26::jsonb[])
                as n (own_id, key, epoch, read_seq, mapping_version, revision, modified_ms, run_id, trace_id,
                      set_mask, unmapped, row_hash, object, account_id, name, email, phone, title, status, tier, country,
                      company, owner_name, custom, custom_unmapped)
            on conflict (workspace_id, key) do update
               set epoch           = excluded.epoch,
                   read_seq        = excluded.read_seq,
                   mapping_version = excluded.mapping_version,
                   revision        = excluded.revision,
                   modified_ms     = excluded.modified_ms,
                   sync_run_id     = excluded.sync_run_id,
                   sync_trace_id   = excluded.sync_trace_id,
                   state           = 1,
                   held            = true,
                   target_id       = null,
                   archived_at     = null,
                   hidden_at       = null,
                   image_version   = null,
                   account_id      = excluded.account_id,
                   row_hash        = excluded.row_hash,
                   set_mask        = excluded.set_mask,
                   unmapped        = (c.unmapped & ~(excluded.set_mask | excluded.unmapped)) | excluded.unmapped,
                   name            = case when excluded.set_mask &   1 <> 0 then excluded.name       else c.name       end,
                   email           = case when excluded.set_mask &   2 <> 0 then excluded.email      else c.email      end,
                   phone           = case when excluded.set_mask &   4 <> 0 then excluded.phone      else c.phone      end,
                   title           = case when excluded.set_mask &   8 <> 0 then excluded.title      else c.title      end,
                   status          = case when excluded.set_mask &  16 <> 0 then excluded.status     else c.status     end,
                   tier            = case when excluded.set_mask &  32 <> 0 then excluded.tier       else c.tier       end,
                   country         = case when excluded.set_mask &  64 <> 0 then excluded.country    else c.country    end,
                   company         = case when excluded.set_mask & 128 <> 0 then excluded.company    else c.company    end,
                   owner_name      = case when excluded.set_mask & 256 <> 0 then excluded.owner_name else c.owner_name end,
                   custom          = case when excluded.custom = '{}' then c.custom else c.custom || excluded.custom end,
                   custom_unmapped = case when excluded.custom_unmapped = '{}' then c.custom_unmapped
                                          else c.custom_unmapped || excluded.custom_unmapped end,
                   touched         = case when c.row_hash = excluded.row_hash and c.state = 1 then 0 else 1 end,
                   etag            = case when c.row_hash = excluded.row_hash and c.state = 1 then c.etag else c.etag + 1 end,
                   updated_at      = case when c.row_hash = excluded.row_hash and c.state = 1 then c.updated_at else now() end
             where (c.epoch, c.read_seq, c.mapping_version, c.revision)
                 < (excluded.epoch, excluded.read_seq, excluded.mapping_version, excluded.revision)
            returning c.touched
        )
        select touched as "touched!", count(*) as "rows!" from written group by touched
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
        &bodies.set_masks,
        &bodies.unmapped,
        &bodies.hashes,
        &objects as &[&str],
        &accounts as &[Option<&str>],
        &texts(live, 0) as &[Option<&str>],
        &texts(live, 1) as &[Option<&str>],
        &texts(live, 2) as &[Option<&str>],
        &texts(live, 3) as &[Option<&str>],
        &texts(live, 4) as &[Option<&str>],
        &texts(live, 5) as &[Option<&str>],
        &texts(live, 6) as &[Option<&str>],
        &texts(live, 7) as &[Option<&str>],
        &texts(live, 8) as &[Option<&str>],
        &bodies.customs,
        &bodies.custom_unmapped,
    )
    .fetch_all(conn)
    .await?;
    let mut upserted = Upserted::default();
    for row in rows {
        upserted.count(row.touched, row.rows, None);
    }
    Ok(upserted)
}
