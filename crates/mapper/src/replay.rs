//! Maps what is stored once more after a change of mappings: its own run, its own manifest, no Salesforce call.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use contract::common::v1 as common;
use contract::event::v1::{ChunkRef, RunMode};
use contract::writer::v1::ListAppliedChunksRequest;
use domain::{CurrencyCode, Epoch, MappingVersion, Object, RunId, WorkspaceId};
use mapping::Reader;
use messaging::Publication;
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;

use crate::Mapper;
use crate::lists::Lists;
use crate::metrics::{self, MappedCounts};
use crate::rules::Rules;
use crate::source::{self, Stored};
use crate::store::{self, StoreError, Workspace};
use crate::wire::{self, Told};

/// Rows mapped and published together.
const PAGE: i64 = 4_000;
/// Records of one chunk, as the extractor cuts them.
const CHUNK: usize = 200;
/// How long a worker may be silent before another takes the replay over.
const LEASE_SECONDS: f64 = 15.0;
/// How long to wait before asking the writer again.
const PATIENCE_SECONDS: f64 = 0.3;
/// Applied chunks asked for at once.
const APPLIED_PAGE: i32 = 1_000;

/// Begins a replay under `version` in the transaction that saves it; one in hand gives way.
pub(crate) async fn start(
    conn: &mut PgConnection,
    workspace: &Workspace,
    version: MappingVersion,
) -> Result<(), StoreError> {
    end_all(conn, workspace.id, "superseded").await?;
    let mut expected = 0;
    for object in Object::ALL {
        expected += source::count(conn, workspace.id, object, workspace.epoch, version).await?.1;
    }
    sqlx::query!(
        r#"
        insert into mapper.replay (run_id, workspace_id, epoch, mapping_version, phase, expected, ended_at)
        values ($1, $2, $3, $4, case when $5::bigint > 0 then 'mapping' else 'done' end, $5,
                case when $5::bigint = 0 then now() end)
        "#,
        RunId::generate().0,
        workspace.id.0,
        workspace.epoch,
        version,
        expected,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Ends the replay in hand, if there is one.
pub(crate) async fn end_all(conn: &mut PgConnection, workspace: WorkspaceId, phase: &str) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update mapper.replay
           set phase = $2, ended_at = now()
         where workspace_id = $1 and phase in ('mapping', 'applying')
        "#,
        workspace.0,
        phase,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// A replay that this process works on.
#[derive(Clone, Debug)]
struct Leased {
    run: RunId,
    workspace: WorkspaceId,
    epoch: Epoch,
    version: MappingVersion,
    is_mapping: bool,
    next_page: i32,
    cursor: Option<(Object, String)>,
    applied_position: i64,
}

/// Why a step of a replay did not work.
#[derive(Debug, thiserror::Error)]
enum StepError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("publishing mapped chunks")]
    Publish(#[from] messaging::PublishError),
    #[error("packing mapped chunks")]
    Pack(#[from] std::io::Error),
    #[error("mapping panicked")]
    Panicked(#[from] tokio::task::JoinError),
    #[error("asking the writer what was applied")]
    Writer(#[source] Box<tonic::Status>),
}

/// How a step ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    /// There is more to do at once.
    Again,
    /// It waits for the writer.
    Wait,
    /// It is over, or not ours any more.
    Over,
}

impl Mapper {
    /// Works on replays until `stopping`.
    pub(crate) async fn replay(self: Arc<Self>, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(Duration::from_millis(200));
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = self.wake.notified() => {}
                _ = tick.tick() => {}
            }
            loop {
                match self.lease().await {
                    Ok(Some(leased)) => {
                        if let Err(error) = self.drive(leased, &stopping).await {
                            tracing::warn!(
                                error = format!("{:#}", anyhow::Error::from(error)),
                                "replaying; it goes on"
                            );
                            break;
                        }
                    }
                    Ok(None) => break,
                    Err(error) => {
                        tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "looking for replays");
                        break;
                    }
                }
            }
        }
    }

    async fn lease(&self) -> Result<Option<Leased>, StoreError> {
        let row = sqlx::query!(
            r#"
            update mapper.replay
               set leased_until = now() + make_interval(secs => $1)
             where run_id = (select run_id
                               from mapper.replay
                              where phase in ('mapping', 'applying')
                                and (leased_until is null or leased_until < now())
                              order by started_at
                              limit 1
                                for update skip locked)
            returning run_id, workspace_id, epoch, mapping_version, phase, next_page, cursor_object, cursor_id,
                      applied_position
            "#,
            LEASE_SECONDS,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Leased {
            run: RunId(row.run_id),
            workspace: WorkspaceId(row.workspace_id),
            epoch: row.epoch,
            version: row.mapping_version,
            is_mapping: row.phase == "mapping",
            next_page: row.next_page,
            cursor: row.cursor_object.as_deref().and_then(Object::from_token).zip(row.cursor_id),
            applied_position: row.applied_position,
        }))
    }

    async fn drive(&self, mut leased: Leased, stopping: &CancellationToken) -> Result<(), StepError> {
        if leased.is_mapping && self.map_all(&mut leased, stopping).await? != Step::Again {
            return Ok(());
        }
        match self.look_at_applied(&leased).await? {
            Step::Wait => self.release(&leased, PATIENCE_SECONDS).await?,
            Step::Again | Step::Over => {}
        }
        Ok(())
    }

    /// Gives the replay back for a while.
    async fn release(&self, leased: &Leased, seconds: f64) -> Result<(), StoreError> {
        sqlx::query!(
            "update mapper.replay set leased_until = now() + make_interval(secs => $2) where run_id = $1",
            leased.run.0,
            seconds,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Maps page after page. While one is published and stamped, the next is read and mapped.
    async fn map_all(&self, leased: &mut Leased, stopping: &CancellationToken) -> Result<Step, StepError> {
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
            if finished? == Step::Over {
                return Ok(Step::Over);
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
    async fn publish_then_stamp(&self, leased: &Leased, page: Page) -> Result<Step, StepError> {
        self.bus.publish_all(page.publications).await?;

        let mut tx = self.transaction(leased.workspace).await?;
        let known = store::workspace_for_share(&mut tx, leased.workspace).await?;
        if !leased.is_current(known.as_ref()) {
            return Ok(Step::Over);
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
        let moved = sqlx::query!(
            r#"
            update mapper.replay
               set mapped = mapped + $2, next_page = $3 + 1, cursor_object = $4, cursor_id = $5,
                   leased_until = now() + make_interval(secs => $6)
             where run_id = $1 and phase = 'mapping'
            "#,
            leased.run.0,
            count,
            page.number,
            page.object.token(),
            page.last_id,
            LEASE_SECONDS,
        )
        .execute(&mut *tx)
        .await
        .map_err(StoreError::from)?;
        if moved.rows_affected() == 0 {
            return Ok(Step::Over);
        }
        tx.commit().await.map_err(StoreError::from)?;
        Ok(Step::Again)
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

    /// Asks the writer what was applied since the last look; the replay is done when the manifest is.
    async fn look_at_applied(&self, leased: &Leased) -> Result<Step, StepError> {
        let mut position = leased.applied_position;
        loop {
            let request = ListAppliedChunksRequest {
                workspace_id: leased.workspace.to_string(),
                run_id: leased.run.to_string(),
                after_position: position,
                page_size: APPLIED_PAGE,
            };
            let answered = self.writer.clone().list_applied_chunks(request).await;
            let applied = match answered {
                Ok(applied) => applied.into_inner().chunks,
                Err(status) => {
                    self.release(leased, 2.0).await?;
                    return Err(StepError::Writer(Box::new(status)));
                }
            };
            let Some(last) = applied.last() else { break };
            position = last.position;
            let objects: Vec<&str> =
                applied.iter().map(|chunk| contract::convert::object(chunk.object).map_or("", Object::token)).collect();
            let pages: Vec<i32> = applied.iter().map(|chunk| i32::try_from(chunk.page).unwrap_or(-1)).collect();
            let chunks: Vec<i32> = applied.iter().map(|chunk| i32::try_from(chunk.chunk).unwrap_or(-1)).collect();
            let read_seqs: Vec<i64> = applied.iter().map(|chunk| chunk.read_seq).collect();
            sqlx::query!(
                r#"
                with noted as (
                    update mapper.replay_chunk c
                       set applied = true
                      from unnest($2::text[], $3::int[], $4::int[], $5::bigint[]) n (object, page, chunk, read_seq)
                     where c.run_id = $1 and c.object = n.object and c.page = n.page and c.chunk = n.chunk
                       and c.read_seq = n.read_seq
                )
                update mapper.replay set applied_position = $6 where run_id = $1
                "#,
                leased.run.0,
                &objects as &[&str],
                &pages,
                &chunks,
                &read_seqs,
                position,
            )
            .execute(&self.pool)
            .await
            .map_err(StoreError::from)?;
        }
        let done = sqlx::query!(
            r#"
            update mapper.replay r
               set phase = 'done', ended_at = now()
             where run_id = $1 and phase = 'applying'
               and not exists (select 1 from mapper.replay_chunk c where c.run_id = r.run_id and not c.applied)
            "#,
            leased.run.0,
        )
        .execute(&self.pool)
        .await
        .map_err(StoreError::from)?;
        Ok(if done.rows_affected() == 1 { Step::Over } else { Step::Wait })
    }
}

impl Leased {
    /// Whether the replay still brings what is in force.
    fn is_current(&self, known: Option<&Workspace>) -> bool {
        known.is_some_and(|known| known.connected && known.epoch == self.epoch && known.mapping_version == self.version)
    }
}

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
            match wire::tell(rules, slot.object, reader, row) {
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

/// What is shown of a replay.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) run_id: uuid::Uuid,
    pub(crate) mapping_version: i64,
    pub(crate) expected: i64,
    pub(crate) mapped: i64,
    pub(crate) chunks_pending: i64,
    pub(crate) phase: String,
    pub(crate) started_at: chrono::DateTime<chrono::Utc>,
    pub(crate) ended_at: Option<chrono::DateTime<chrono::Utc>>,
}

/// Returns the newest replay of a workspace.
pub(crate) async fn newest(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Option<Shown>, StoreError> {
    let shown = sqlx::query_as!(
        Shown,
        r#"
        select run_id, mapping_version, expected, mapped, phase, started_at, ended_at,
               (select count(*) from mapper.replay_chunk c where c.run_id = r.run_id and not c.applied)
                   as "chunks_pending!"
          from mapper.replay r
         where workspace_id = $1
         order by started_at desc, run_id desc
         limit 1
        "#,
        workspace.0,
    )
    .fetch_optional(conn)
    .await?;
    Ok(shown)
}
