//! Reads a span by REST pages. The next page downloads while the last one is published; the books stay in order.

use std::time::Instant;

use domain::Object;
use tokio::task::JoinSet;
use tracing::{Instrument, Span};

use super::TurnError;
use super::fields::Prepared;
use super::memory::{Locator, lock};
use super::page::{BookEntry, PageRead, RunRef, page_span};
use super::turn::{Step, Turn};
use crate::describe::Freshness;
use crate::record::page::{self, Page};
use crate::run::{Purpose, Stage, Work};
use crate::salesforce::verdict::Verdict;
use crate::salesforce::{CallError, Request};
use crate::soql;
use crate::stamp::Stamp;
use crate::store;
use crate::window::{PageOrder, Seen, cursor_after, position_after};

/// Where time begins for spans without a beginning: no org is older.
const BEGINNING: &str = "1999-01-01T00:00:00Z";

/// A page that was downloaded and parsed.
pub(crate) struct Fetched {
    page: Page,
    read_seq: i64,
    server_time: Stamp,
    server_time_at_start: Stamp,
    order: PageOrder,
    began: Instant,
    span: Span,
}

impl Turn {
    /// Reads pages of a span until it is read or the turn is over.
    pub(crate) async fn read_rest(&mut self, run: RunRef, object: Object, mut work: Work) -> Result<Step, TurnError> {
        let prepared = self.prepare(object, Freshness::Minutes).await?;
        let mut downloads = JoinSet::new();
        let (request, order) = self.next_request(run, object, &prepared, &work);
        self.download(&mut downloads, &prepared, request, order);
        loop {
            let fetched = match next_of(&mut downloads).await {
                Ok(fetched) => fetched,
                Err(error) => return self.after_refusal(run, object, work, error).await,
            };
            self.pages_left = self.pages_left.saturating_sub(1);
            let began = *work.began.get_or_insert(fetched.server_time_at_start);
            let query_began = match fetched.order {
                PageOrder::Fresh => fetched.server_time_at_start,
                PageOrder::Continued { trusted_before } => trusted_before.later(self.reader.pace.overlap),
            };
            let seen = fetched
                .page
                .records
                .records
                .iter()
                .filter_map(|record| Some(Seen { modified: record.modified?, id: &record.id }));
            work.scan.advance(position_after(seen.collect::<Vec<_>>().into_iter(), fetched.order));

            let next = fetched.page.next.clone();
            let goes_on = self.pages_left > 0 && !self.stopping.is_cancelled();
            if let (Some(next), true) = (&next, goes_on) {
                let trusted_before = query_began.earlier(self.reader.pace.overlap);
                let request = Request::get(next.clone(), "/services/data/{version}/query/{locator}");
                self.download(&mut downloads, &prepared, request, PageOrder::Continued { trusted_before });
            }
            let span_is_read = next.is_none() && !work.scan.next_slice();
            let entries = if span_is_read {
                self.after_span(run, object, &work, began)
            } else {
                vec![BookEntry::Work(object, Some(work.clone()))]
            };
            let page = PageRead {
                object,
                records: fetched.page.records,
                read_seq: fetched.read_seq,
                read_at: fetched.server_time,
                began: fetched.began,
            };
            self.enter_page(run, &prepared, page, entries).instrument(fetched.span).await?;
            lock(&self.memory).invalid_pages = 0;
            self.remember_locator(run, object, &prepared, &work, next.as_ref(), query_began);

            if span_is_read {
                return Ok(Step::Progress);
            }
            if !goes_on {
                return Ok(Step::TurnOver);
            }
            if next.is_none() {
                let (request, order) = self.next_request(run, object, &prepared, &work);
                self.download(&mut downloads, &prepared, request, order);
            }
        }
    }

    /// Goes on where the last turn stopped: by its locator if it still fits, else by a new query from the last position.
    fn next_request(&self, run: RunRef, object: Object, prepared: &Prepared, work: &Work) -> (Request, PageOrder) {
        let locator = lock(&self.memory).locators.remove(&(run.id, object));
        let fits =
            |locator: &Locator| locator.after == work.scan.after && locator.list_version == prepared.list_version;
        match locator.filter(fits) {
            Some(locator) => {
                let trusted_before = locator.query_began.earlier(self.reader.pace.overlap);
                let request = Request::get(locator.next, "/services/data/{version}/query/{locator}");
                (request, PageOrder::Continued { trusted_before })
            }
            None => {
                let query = soql::scan(object, &prepared.layout.select(), &work.scan);
                (self.reader.client.query_all(&query), PageOrder::Fresh)
            }
        }
    }

    fn remember_locator(
        &self,
        run: RunRef,
        object: Object,
        prepared: &Prepared,
        work: &Work,
        next: Option<&String>,
        query_began: Stamp,
    ) {
        let mut memory = lock(&self.memory);
        match next {
            Some(next) => {
                let locator = Locator {
                    after: work.scan.after.clone(),
                    list_version: prepared.list_version,
                    next: next.clone(),
                    query_began,
                };
                memory.locators.insert((run.id, object), locator);
            }
            None => {
                memory.locators.remove(&(run.id, object));
            }
        }
    }

    /// Takes a read number, calls, parses: on a task of its own, so that it overlaps with publishing.
    fn download(
        &self,
        downloads: &mut JoinSet<Result<Fetched, TurnError>>,
        prepared: &Prepared,
        request: Request,
        order: PageOrder,
    ) {
        let (reader, session, layout) = (self.reader.clone(), self.session.clone(), prepared.layout.clone());
        let span = page_span(layout.object());
        let page_span = span.clone();
        let fetch = async move {
            let began = Instant::now();
            let read_seq = store::next_read_seq(&mut *reader.pool.acquire().await?).await?;
            let answer = reader.client.call(&session, &request).await?;
            let page = page::parse(&answer.body, &layout, answer.server_time).map_err(CallError::from)?;
            Ok(Fetched {
                page,
                read_seq,
                server_time: answer.server_time,
                server_time_at_start: answer.server_time_at_start,
                order,
                began,
                span: page_span,
            })
        };
        downloads.spawn(fetch.instrument(span));
    }

    /// Returns what the books get once a span is read.
    pub(crate) fn after_span(&self, run: RunRef, object: Object, work: &Work, began: Stamp) -> Vec<BookEntry> {
        let pace = &self.reader.pace;
        let next = run.purpose.stage_after(work.stage).map(|stage| Work { stage, job: None, ..work.clone() });
        let mut entries = vec![BookEntry::Work(object, next)];
        let previous = self.coverage_of(object).and_then(|coverage| coverage.poll_cursor);
        match run.purpose {
            Purpose::FirstLoad => {
                // A bulk job may have begun long before its result was read, and its rows stand for its beginning.
                let cursor = if work.stage == Stage::Bulk {
                    began.earlier(pace.overlap)
                } else {
                    cursor_after(began, pace.settle, None)
                };
                entries.push(BookEntry::Loaded { object, covered_from: work.start, cursor });
                entries.push(BookEntry::RunCursor(object, Some(cursor)));
            }
            Purpose::Poll => {
                let cursor = cursor_after(began, pace.settle, previous);
                entries.push(BookEntry::PollCursor(object, cursor));
                entries.push(BookEntry::RunCursor(object, Some(cursor)));
            }
            // The covered start moves once the run is applied; until then the run remembers to where.
            Purpose::Span => entries.push(BookEntry::RunCursor(object, work.start)),
            Purpose::Resync | Purpose::Reread | Purpose::Daily => {
                entries.push(BookEntry::RunCursor(object, Some(began)));
            }
            Purpose::Refetch => {}
        }
        entries
    }

    /// Heals what a smaller or a new query heals; everything else is for the turn to decide.
    async fn after_refusal(
        &mut self,
        run: RunRef,
        object: Object,
        mut work: Work,
        error: TurnError,
    ) -> Result<Step, TurnError> {
        let TurnError::Call(call) = &error else { return Err(error) };
        match &call.verdict {
            Verdict::RestartFromKeyset => {
                lock(&self.memory).locators.remove(&(run.id, object));
                Ok(Step::Progress)
            }
            Verdict::SplitWindow => {
                let now = work.began.unwrap_or_else(|| Stamp::from(jiff::Timestamp::now()));
                let earliest = Stamp::parse(BEGINNING).unwrap_or(now);
                if !work.scan.halve(earliest, now) {
                    self.pause_object(run.id, object, "query_timeout").await?;
                    return Ok(Step::Progress);
                }
                self.book(run.id, &[BookEntry::Work(object, Some(work))]).await?;
                Ok(Step::Progress)
            }
            _ => Err(error),
        }
    }
}

async fn next_of(downloads: &mut JoinSet<Result<Fetched, TurnError>>) -> Result<Fetched, TurnError> {
    match downloads.join_next().await {
        Some(Ok(fetched)) => fetched,
        // A download that panicked brought nothing; it is tried again like one that failed.
        Some(Err(_)) | None => Err(CallError::new(Verdict::RetryNow, "download_failed").into()),
    }
}
