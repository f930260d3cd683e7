//! Page after page of what is stored: mapped, published, and only then stamped.

use std::collections::HashMap;
use std::panic::{AssertUnwindSafe, catch_unwind};

use chrono::{DateTime, Utc};
use contract::common::v1 as common;
use contract::event::v1::{ChunkRef, RunMode};
use domain::{CurrencyCode, Object};
use mapping::{FaultCode, Reader};
use messaging::Publication;
use tokio_util::sync::CancellationToken;

use super::lease::{LEASE_SECONDS, Leased};
use super::{Step, StepError};
use crate::Mapper;
use crate::lists::Lists;
use crate::metrics::{self, MappedCounts};
use crate::rules::Rules;
use crate::source::{self, Stored};
use crate::store::{self, StoreError};
use crate::wire::{self, Told, fault_of};

/// Rows mapped and published together.
const PAGE: i64 = 4_000;
/// Records of one chunk, as the extractor cuts them.
const CHUNK: usize = 200;

enum Next {
    Page(Page),
    /// No row is left after the cursor.
    None,
    /// The replay does not bring what is in force any more.
    Over,
}

/// A page, mapped and packed.
struct Page {
    object: Object,
    number: i32,
    read_seq: i64,
    last_id: String,
    /// Records per chunk.
    chunk_records: Vec<i32>,
    publications: Vec<Publication>,
    rows: Vec<Stored>,
}

/// Where a page stands in its replay.
struct Slot {
    leased: Leased,
    object: Object,
    number: i32,
    read_seq: i64,
}

impl Mapper {
    /// Maps page after page. While one is published and stamped, the next is read and mapped.
    pub(super) async fn map_all(&self, leased: &mut Leased, stopping: &CancellationToken) -> Result<Step, StepError> {
        let mut ready = match self.next_page(leased, leased.cursor.clone(), leased.next_page).await? {
            Next::Page(page) => Some(page),
            Next::None => None,
            Next::Over => return Ok(Step::Over),
        };
        loop {
            let Some(page) = ready.take() else {
                // A live chunk may have come between mapping and stamping; what it left is taken in another round.
                match self.finish_mapping(leased).await? {
                    Step::Wait => {
                        leased.cursor = None;
                        match self.next_page(leased, None, leased.next_page).await? {
                            Next::Page(page) => ready = Some(page),
                            Next::None => {}
                            Next::Over => return Ok(Step::Over),
                        }
                        continue;
                    }
                    over_or_applying => return Ok(over_or_applying),
                }
            };
            let after = Some((page.object, page.last_id.clone()));
            let page_number = leased.next_page + 1;
            let (finished, next) =
                tokio::join!(self.publish_then_stamp(leased, page), self.next_page(leased, after.clone(), page_number));
            match finished? {
                Some(until) => leased.until = until,
                None => return Ok(Step::Over),
            }
            leased.cursor = after;
            leased.next_page = page_number;
            match next? {
                Next::Page(page) => ready = Some(page),
                Next::None => {}
                Next::Over => return Ok(Step::Over),
            }
            if stopping.is_cancelled() {
                self.release(leased, 0.0).await?;
                return Ok(Step::Over);
            }
        }
    }

    /// Reads and maps the page after a cursor; pages go by object, then by id.
    async fn next_page(
        &self,
        leased: &Leased,
        cursor: Option<(Object, String)>,
        number: i32,
    ) -> Result<Next, StepError> {
        let mut tx = self.transaction(leased.workspace).await?;
        let known = store::workspace_for_share(&mut tx, leased.workspace).await?;
        if !leased.is_current(known.as_ref()) {
            return Ok(Next::Over);
        }
        let rules = self.rules.at(&mut tx, leased.workspace, leased.version).await?;
        let (mut object, mut after) = cursor.unwrap_or((Object::Account, String::new()));
        let rows = loop {
            let (workspace, epoch) = (leased.workspace, leased.epoch);
            let rows = source::page_to_replay(&mut tx, workspace, object, epoch, leased.version, &after, PAGE).await?;
            if !rows.is_empty() {
                break rows;
            }
            let place = Object::ALL.iter().position(|known| *known == object).map_or(0, |place| place + 1);
            match Object::ALL.get(place) {
                Some(next) => (object, after) = (*next, String::new()),
                None => return Ok(Next::None),
            }
        };
        let mut lists = Lists::new();
        let versions = rows.iter().map(|row| row.image.field_list_version);
        self.lists.complete(&mut tx, (leased.workspace, leased.epoch, object), &mut lists, versions).await?;
        let read_seq = sqlx::query_scalar!(r#"select nextval('mapper.replay_seq') as "seq!""#)
            .fetch_one(&mut *tx)
            .await
            .map_err(StoreError::from)?;
        tx.commit().await.map_err(StoreError::from)?;
        self.lists.learn(leased.workspace, leased.epoch, object, &lists);

        let slot = Slot { leased: leased.clone(), object, number, read_seq };
        let mapped = tokio::task::spawn_blocking(move || map_page(&slot, &rules, &lists, rows)).await??;
        Ok(Next::Page(mapped))
    }

    /// Publishes a page, waits for the acks, then stamps what is still as it was mapped and notes manifest and cursor.
    /// Returns how long the lease now runs; `None` when the replay is over, or somebody else's.
    async fn publish_then_stamp(&self, leased: &Leased, page: Page) -> Result<Option<DateTime<Utc>>, StepError> {
        self.bus.publish_all(page.publications).await?;

        let mut tx = self.transaction(leased.workspace).await?;
        let known = store::workspace_for_share(&mut tx, leased.workspace).await?;
        if !leased.is_current(known.as_ref()) {
            return Ok(None);
        }
        source::stamp(&mut tx, leased.workspace, page.object, leased.version, &page.rows).await?;
        let chunk_records: Vec<i32> = page.chunk_records.clone();
        let chunks: Vec<i32> = (0..).take(chunk_records.len()).collect();
        sqlx::query!(
            r#"
            insert into mapper.replay_chunk (run_id, object, page, chunk, read_seq, records)
            select $1, $2, $3, n.chunk, $4, n.records
              from unnest($5::int[], $6::int[]) n (chunk, records)
                on conflict (run_id, object, page, chunk) do update
               set read_seq = excluded.read_seq, records = excluded.records, applied = false
            "#,
            leased.run.0,
            page.object.token(),
            page.number,
            page.read_seq,
            &chunks,
            &chunk_records,
        )
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        let count = i64::try_from(page.rows.len()).unwrap_or(i64::MAX);
        let until = sqlx::query_scalar!(
            r#"
            update mapper.replay
               set mapped = mapped + $2, next_page = $3 + 1, cursor_object = $4, cursor_id = $5,
                   leased_until = now() + make_interval(secs => $6)
             where run_id = $1 and phase = 'mapping' and leased_until = $7
            returning leased_until as "until!"
            "#,
            leased.run.0,
            count,
            page.number,
            page.object.token(),
            page.last_id,
            LEASE_SECONDS,
            leased.until,
        )
        .fetch_optional(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        if until.is_some() {
            tx.commit().await.map_err(StoreError::from)?;
        }
        Ok(until)
    }

    /// Ends mapping when no row is stamped below the version: `Again` then, `Wait` when there still is one.
    async fn finish_mapping(&self, leased: &Leased) -> Result<Step, StepError> {
        let mut tx = self.transaction(leased.workspace).await?;
        let known = store::workspace_for_share(&mut tx, leased.workspace).await?;
        if !leased.is_current(known.as_ref()) {
            return Ok(Step::Over);
        }
        for object in Object::ALL {
            let (workspace, epoch) = (leased.workspace, leased.epoch);
            let rest = source::page_to_replay(&mut tx, workspace, object, epoch, leased.version, "", 1).await?;
            if !rest.is_empty() {
                return Ok(Step::Wait);
            }
        }
        let moved = sqlx::query!(
            "update mapper.replay set phase = 'applying' where run_id = $1 and phase = 'mapping'",
            leased.run.0,
        )
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        tx.commit().await.map_err(StoreError::from)?;
        Ok(if moved.rows_affected() == 1 { Step::Again } else { Step::Over })
    }
}

fn map_page(slot: &Slot, rules: &Rules, lists: &Lists, rows: Vec<Stored>) -> Result<Page, StepError> {
    let compiled = rules.compiled(slot.object);
    let mut readers: HashMap<(i64, Option<&str>), Reader<'_>> = HashMap::new();
    let mut counts = MappedCounts::default();
    let mut publications = Vec::new();
    let mut chunk_records = Vec::new();
    for (slice, number) in rows.chunks(CHUNK).zip(0..) {
        let mut chunk = wire::Chunk {
            chunk_ref: ChunkRef {
                workspace_id: slot.leased.workspace.to_string(),
                run_id: slot.leased.run.to_string(),
                object: common::SalesforceObject::from(slot.object).into(),
                page: u32::try_from(slot.number).unwrap_or_default(),
                chunk: number,
                epoch: slot.leased.epoch,
                read_seq: slot.read_seq,
            },
            mode: RunMode::Replay,
            records: Vec::with_capacity(slice.len()),
            faults: Vec::new(),
        };
        for row in slice {
            let key = (row.image.field_list_version, row.image.currency.as_deref());
            let reader = readers.entry(key).or_insert_with(|| {
                let fields = lists.get(&key.0).map(AsRef::as_ref).unwrap_or_default();
                let currency = key.1.and_then(|code| code.parse::<CurrencyCode>().ok());
                compiled.reader(fields.iter().map(String::as_str), currency)
            });
            // A live chunk is tried five times first. A replay has nobody to try it again: it would stand still for ever.
            let told = catch_unwind(AssertUnwindSafe(|| wire::tell(rules, slot.object, reader, row)))
                .unwrap_or_else(|_| Told::Fault(fault_of(&row.image.id, FaultCode::MapperFailed, "")));
            match told {
                Told::Record { record, has_unmapped } => {
                    counts.mapped += u64::from(!has_unmapped);
                    counts.with_unmapped_value += u64::from(has_unmapped);
                    chunk.records.push(record);
                }
                Told::Fault(fault) => {
                    counts.rejected += 1;
                    chunk.faults.push(fault);
                }
                Told::Nothing => {}
            }
        }
        chunk_records.push(i32::try_from(slice.len()).unwrap_or(i32::MAX));
        publications.extend(wire::publications(slot.leased.workspace, slot.object, Some(rules), chunk, None)?);
    }
    drop(readers);
    metrics::mapped(slot.object, counts);
    Ok(Page {
        object: slot.object,
        number: slot.number,
        read_seq: slot.read_seq,
        last_id: rows.last().map(|row| row.image.id.clone()).unwrap_or_default(),
        chunk_records,
        publications,
        rows,
    })
}
