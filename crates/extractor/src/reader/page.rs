//! A page on its way: chunks published, every ack awaited, then manifest, cursor and work in one transaction.
//!
//! A crash before the transaction leaves chunks that are in no books: the page is read again under a new read number, and the
//! guard of every store absorbs the difference.

use std::time::{Duration, Instant};

use contract::common::v1::SalesforceObject;
use contract::convert::to_wire_time;
use contract::event::v1::{ChunkRef, RawBatch};
use contract::{body, streams, subjects};
use domain::{Object, RunId, SalesforceId};
use messaging::Publication;
use sqlx::PgConnection;
use tracing::{Span, info_span};

use super::TurnError;
use super::fields::Prepared;
use super::memory::lock;
use super::turn::Turn;
use crate::chunk::{self, Head};
use crate::metrics;
use crate::record::{Record, Records};
use crate::run::{Purpose, Stage, Work};
use crate::stamp::Stamp;
use crate::store::manifest::{Entry, PageKey};
use crate::store::pending::Cause;
use crate::store::run::NotedPage;
use crate::store::{self, StoreError, coverage, manifest, pending};

/// Tries to store a chunk before the run pauses.
const PUBLISH_TRIES: u32 = 3;

/// Which run a page belongs to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RunRef {
    pub(crate) id: RunId,
    pub(crate) purpose: Purpose,
}

/// The records of one answer, ready to travel.
#[derive(Clone, Debug)]
pub(crate) struct PageRead {
    pub(crate) object: Object,
    pub(crate) records: Records,
    pub(crate) read_seq: i64,
    pub(crate) read_at: Stamp,
    pub(crate) began: Instant,
}

/// Begins the trace of a page: one from the HTTP call to the row in Postgres, linked to its run.
pub(crate) fn page_span(object: Object) -> Span {
    let span = info_span!(
        parent: None,
        "page",
        otel.name = format!("lanesync.page {object}"),
        lanesync.object = object.token(),
        lanesync.page.number = tracing::field::Empty,
        lanesync.page.records = tracing::field::Empty,
    );
    span.follows_from(Span::current());
    span
}

/// What the transaction of a page writes beside its manifest.
#[derive(Clone, Debug)]
pub(crate) enum BookEntry {
    /// What is left to do.
    Work(Object, Option<Work>),
    /// The object is loaded.
    Loaded { object: Object, covered_from: Option<Stamp>, cursor: Stamp },
    /// Polls go on from here.
    PollCursor(Object, Stamp),
    /// The delete log was read to here.
    DeleteCursor(Object, Stamp),
    /// What the run leaves behind once it is applied.
    RunCursor(Object, Option<Stamp>),
    /// Records were read by id.
    NoLongerPending(Object, Vec<SalesforceId>),
    /// Records are to be read by id.
    Pending(Object, Cause, Vec<SalesforceId>),
    /// The last compare found more than is safe, or it did not.
    NeedsLook(Object, bool),
}

impl Turn {
    /// Enters a page: skips what polls published before, brings parents, publishes, then writes the books.
    ///
    /// # Errors
    /// [`TurnError`]; the page is not in the books then, whatever was published.
    pub(crate) async fn enter_page(
        &mut self,
        run: RunRef,
        prepared: &Prepared,
        mut page: PageRead,
        mut entries: Vec<BookEntry>,
    ) -> Result<(), TurnError> {
        if run.purpose == Purpose::Poll {
            self.skip_published(prepared.list_version, &mut page.records);
        }
        self.bring_parents(run, &page.records).await?;
        if !run.purpose.is_whole() {
            entries.extend(contacts_of_gone_accounts(page.object, &page.records));
        }
        self.publish_and_book(run, prepared, page, entries).await
    }

    /// Publishes a page whose parents are there, and writes the books.
    pub(crate) async fn publish_and_book(
        &mut self,
        run: RunRef,
        prepared: &Prepared,
        page: PageRead,
        entries: Vec<BookEntry>,
    ) -> Result<(), TurnError> {
        let object = page.object;
        let count = page.records.len();
        let number = self.next_page(run.id, object).await?;
        Span::current().record("lanesync.page.number", number).record("lanesync.page.records", count);
        let published = self.fingerprints(prepared.list_version, &page);
        let reference = ChunkRef {
            workspace_id: self.workspace.id.to_string(),
            run_id: run.id.to_string(),
            object: SalesforceObject::from(object).into(),
            page: u32::try_from(number).unwrap_or(0),
            chunk: 0,
            epoch: self.workspace.epoch,
            read_seq: page.read_seq,
        };
        let batch = RawBatch {
            r#ref: None,
            mode: run.purpose.mode().into(),
            field_list_version: prepared.list_version,
            fields: prepared.layout.fields().iter().map(ToString::to_string).collect(),
            read_at: Some(to_wire_time(page.read_at.to_timestamp())),
            default_currency: prepared.schema.default_currency.clone(),
            records: Vec::new(),
            faults: Vec::new(),
        };
        let chunks = chunk::cut(&Head { reference, batch }, page.records);
        let manifest: Vec<Entry> = chunks.iter().map(entry_of).collect();
        if !chunks.is_empty() {
            self.wait_for_room(chunks.len()).await?;
            self.publish(object, page.read_at, chunks).await?;
        }

        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        self.check_hold(&mut tx).await?;
        if !manifest.is_empty() {
            let key =
                PageKey { run: run.id, object, page: number, read_seq: page.read_seq, epoch: self.workspace.epoch };
            manifest::enter(&mut tx, self.workspace.id, &key, &manifest).await?;
        }
        let noted = NotedPage {
            next_page: if manifest.is_empty() { number } else { number + 1 },
            records: i64::try_from(count).unwrap_or(i64::MAX),
            read_seq: page.read_seq,
            field_list_version: prepared.list_version,
        };
        store::run::note_page(&mut tx, self.workspace.id, run.id, object, &noted).await?;
        for entry in &entries {
            self.write_entry(&mut tx, run.id, entry).await?;
        }
        tx.commit().await?;

        self.pages.insert((run.id, object), noted.next_page);
        self.open += i64::try_from(manifest.len()).unwrap_or(0);
        let forget_before = page.read_at.earlier(self.reader.pace.overlap * 2);
        lock(&self.memory).note_published(published, forget_before);
        metrics::page(object, run.purpose.mode_token(), count, page.began.elapsed());
        if count > 0 {
            tracing::info!(
                lanesync.object = object.token(),
                lanesync.run.mode = run.purpose.mode_token(),
                lanesync.page.number = number,
                lanesync.page.records = count,
                "page published"
            );
        }
        Ok(())
    }

    /// Writes entries alone, for steps that publish nothing.
    pub(crate) async fn book(&mut self, run: RunId, entries: &[BookEntry]) -> Result<(), TurnError> {
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        self.check_hold(&mut tx).await?;
        for entry in entries {
            self.write_entry(&mut tx, run, entry).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn write_entry(&self, conn: &mut PgConnection, run: RunId, entry: &BookEntry) -> Result<(), StoreError> {
        let workspace = self.workspace.id;
        match entry {
            BookEntry::Work(object, work) => store::run::set_work(conn, workspace, run, *object, work.as_ref()).await,
            BookEntry::Loaded { object, covered_from, cursor } => {
                coverage::set_paused(&mut *conn, workspace, *object, "", None).await?;
                coverage::set_loaded(conn, workspace, *object, *covered_from, *cursor).await
            }
            BookEntry::PollCursor(object, cursor) => {
                coverage::move_poll_cursor(conn, workspace, *object, *cursor).await
            }
            BookEntry::DeleteCursor(object, cursor) => {
                coverage::move_delete_cursor(conn, workspace, *object, *cursor).await
            }
            BookEntry::RunCursor(object, cursor) => {
                store::run::set_cursor(conn, workspace, run, *object, *cursor).await
            }
            BookEntry::NoLongerPending(object, ids) => pending::remove(conn, workspace, run, *object, ids).await,
            BookEntry::Pending(object, cause, ids) => {
                pending::add(&mut *conn, workspace, run, *object, *cause, ids).await?;
                let work = Work { stage: Stage::ById, ..Work::begin(Purpose::Refetch, crate::window::Scan::default()) };
                store::run::ensure_work(conn, workspace, run, *object, &work).await
            }
            BookEntry::NeedsLook(object, needs_look) => {
                coverage::set_needs_look(conn, workspace, *object, *needs_look).await
            }
        }
    }

    /// Returns the number of the object's next page in the run.
    async fn next_page(&mut self, run: RunId, object: Object) -> Result<i32, TurnError> {
        if let Some(page) = self.pages.get(&(run, object)) {
            return Ok(*page);
        }
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        store::run::ensure_object(&mut tx, self.workspace.id, run, object).await?;
        let loaded = store::run::load(&mut tx, self.workspace.id, run).await?;
        tx.commit().await?;
        let page = loaded.and_then(|run| run.object(object).map(|object| object.next_page)).unwrap_or(0);
        self.pages.insert((run, object), page);
        Ok(page)
    }

    /// Leaves out records that were published exactly so before: the overlap reads them again with every poll.
    fn skip_published(&self, list_version: i64, records: &mut Records) {
        let memory = lock(&self.memory);
        records.records.retain(|record| !memory.was_published(&record.id, record.fingerprint(list_version)));
    }

    /// Returns what to remember of a page: only what polls can meet again.
    fn fingerprints(&self, list_version: i64, page: &PageRead) -> Vec<(SalesforceId, u128, Stamp)> {
        let recent = page.read_at.earlier(self.reader.pace.overlap * 2);
        let recently = |record: &&Record| record.modified.is_none_or(|modified| modified >= recent);
        page.records
            .records
            .iter()
            .filter(recently)
            .map(|record| {
                (record.id.clone(), record.fingerprint(list_version), record.modified.unwrap_or(page.read_at))
            })
            .collect()
    }

    /// Waits until so many more chunks may be under way; a workspace must not fill the queue for the others.
    async fn wait_for_room(&mut self, chunks: usize) -> Result<(), TurnError> {
        let wanted = i64::try_from(chunks).unwrap_or(i64::MAX);
        let most = self.reader.pace.max_unsettled;
        let patience = Instant::now() + Duration::from_secs(3);
        while self.open > 0 && self.open + wanted > most {
            if self.settle_applied().await? > 0 {
                continue;
            }
            if Instant::now() > patience {
                return Err(TurnError::CatchingUp);
            }
            tokio::time::sleep(self.reader.pace.settle_poll).await;
        }
        Ok(())
    }

    async fn publish(&self, object: Object, read_at: Stamp, chunks: Vec<RawBatch>) -> Result<(), TurnError> {
        let publications = chunks.iter().map(|chunk| self.publication(object, read_at, chunk)).collect::<Vec<_>>();
        let mut tries = 0;
        loop {
            tries += 1;
            match self.reader.bus.publish_all(publications.clone()).await {
                Ok(()) => return Ok(()),
                Err(error) if error.is_back_pressure() => return Err(TurnError::CatchingUp),
                Err(error) if tries >= PUBLISH_TRIES || error.is_permanent() => return Err(error.into()),
                // The same bytes under the same id: a chunk that was stored after all is not stored twice.
                Err(_) => tokio::time::sleep(Duration::from_millis(200) * tries).await,
            }
        }
    }

    fn publication(&self, object: Object, read_at: Stamp, chunk: &RawBatch) -> Publication {
        let reference = chunk.r#ref.clone().unwrap_or_default();
        let ChunkRef { run_id, page, chunk: number, read_seq, .. } = &reference;
        Publication {
            subject: subjects::raw(self.workspace.id, object),
            template: subjects::template::RAW,
            stream: streams::RAW.name,
            message_type: "lanesync.event.v1.RawBatch",
            message_id: Some(format!("{run_id}/{page}/{number}/{read_seq}")),
            run_id: Some(run_id.clone()),
            workspace_id: self.workspace.id.to_string(),
            captured_at: Some(read_at.to_string()),
            body: body::pack(chunk).expect("compressing in memory does not fail"),
            compressed: true,
        }
    }
}

fn entry_of(chunk: &RawBatch) -> Entry {
    let records = i32::try_from(chunk.records.len() + chunk.faults.len()).unwrap_or(i32::MAX);
    let ids = chunk.records.iter().map(|record| record.id.as_str());
    let faulty = chunk.faults.iter().map(|fault| fault.id.as_str());
    Entry { records, keys: ids.chain(faulty).collect() }
}

/// A merged or deleted account gives up its contacts, and their stamps need not move: they are read again by id.
fn contacts_of_gone_accounts(object: Object, records: &Records) -> Option<BookEntry> {
    let gone: Vec<SalesforceId> = records
        .records
        .iter()
        .filter(|record| object == Object::Account && record.state == crate::record::State::Deleted)
        .map(|record| record.id.clone())
        .collect();
    (!gone.is_empty()).then_some(BookEntry::Pending(Object::Contact, Cause::ContactsOf, gone))
}
