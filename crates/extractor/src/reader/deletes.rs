//! Asks the delete log what was deleted: rows that are gone from the bin show nowhere else.

use std::time::{Duration, Instant};

use domain::{Object, SalesforceId};
use serde::Deserialize;

use super::TurnError;
use super::memory::lock;
use super::page::{BookEntry, RunRef};
use super::turn::{Step, Turn};
use crate::record::AnswerInvalid;
use crate::run::{Purpose, Work};
use crate::salesforce::verdict::Verdict;
use crate::salesforce::{CallError, Request};
use crate::stamp::Stamp;
use crate::store;
use crate::store::pending::Cause;

/// How far back the log reaches, less a margin.
const REACH: Duration = Duration::from_secs(15 * 86_400 - 3_600);
/// The log refuses shorter spans.
const SHORTEST: Duration = Duration::from_secs(120);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteLog {
    deleted_records: Vec<DeletedRecord>,
    earliest_date_available: String,
    latest_date_covered: String,
}

#[derive(Deserialize)]
struct DeletedRecord {
    id: String,
}

/// What the log tells of a span.
struct Deletes {
    ids: Vec<SalesforceId>,
    latest_covered: Stamp,
    has_gap: bool,
}

impl Turn {
    /// Asks the log from the delete cursor on; every id it lists is read by id before anything is believed of it.
    pub(crate) async fn read_deletes(&mut self, run: RunRef, object: Object, work: Work) -> Result<Step, TurnError> {
        let next = run.purpose.stage_after(work.stage).map(|stage| Work { stage, ..work.clone() });
        let move_on = BookEntry::Work(object, next);
        let now = work.began.unwrap_or_else(|| Stamp::from(jiff::Timestamp::now()));
        let cursor = self.coverage_of(object).and_then(|coverage| coverage.delete_cursor);
        let since = match (run.purpose, cursor) {
            (Purpose::Resync, _) | (_, None) => now.earlier(REACH),
            // Ids that were told before are told again: that costs a read by id, and nobody is told "later".
            (_, Some(cursor)) if work.wished => cursor.min(now.earlier(SHORTEST)),
            (_, Some(cursor)) => cursor,
        };
        let asked = lock(&self.memory).deletes_asked.get(&object).copied();
        let is_of_schedule = run.purpose == Purpose::Poll && !work.wished;
        let too_soon = is_of_schedule && asked.is_some_and(|at| at.elapsed() < self.reader.pace.deletes_every);
        if too_soon || since.later(SHORTEST) > now {
            self.book(run.id, &[move_on]).await?;
            return Ok(Step::Progress);
        }
        match self.ask_delete_log(object, since, now).await {
            Ok(deletes) => {
                let mut entries = vec![move_on, BookEntry::DeleteCursor(object, deletes.latest_covered)];
                if !deletes.ids.is_empty() {
                    entries.push(BookEntry::Pending(object, Cause::Deleted, deletes.ids));
                }
                self.book(run.id, &entries).await?;
                if deletes.has_gap && run.purpose != Purpose::Resync {
                    self.want_compare(object).await?;
                }
                lock(&self.memory).deletes_asked.insert(object, Instant::now());
                Ok(Step::Progress)
            }
            Err(TurnError::Call(CallError { verdict: Verdict::FullCompare, .. })) => {
                self.book(run.id, &[move_on, BookEntry::DeleteCursor(object, now)]).await?;
                if run.purpose != Purpose::Resync {
                    self.want_compare(object).await?;
                }
                Ok(Step::Progress)
            }
            Err(error) => Err(error),
        }
    }

    /// Asks the log, in halves when it lists too many ids at once.
    async fn ask_delete_log(&mut self, object: Object, since: Stamp, until: Stamp) -> Result<Deletes, TurnError> {
        let (mut start, mut end) = (since, until);
        let mut all = Deletes { ids: Vec::new(), latest_covered: since, has_gap: false };
        loop {
            match self.ask_span(object, start, end).await {
                Ok(deletes) => {
                    all.ids.extend(deletes.ids);
                    all.has_gap |= deletes.has_gap;
                    all.latest_covered = all.latest_covered.max(deletes.latest_covered);
                    // Held back by an open transaction: the rest is asked for next time.
                    if end >= until || deletes.latest_covered < end {
                        return Ok(all);
                    }
                    (start, end) = (end, until);
                }
                Err(CallError { verdict: Verdict::SplitWindow, .. }) if start.later(SHORTEST * 2) < end => {
                    end = start.midway(end);
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn ask_span(&mut self, object: Object, start: Stamp, end: Stamp) -> Result<Deletes, CallError> {
        let encode = |stamp: Stamp| whole_second(stamp).to_string().replace(':', "%3A").replace('Z', "%2B00%3A00");
        let (name, start_text, end_text) = (object.api_name(), encode(start), encode(end));
        let path = self.reader.client.path(&format!("sobjects/{name}/deleted/?start={start_text}&end={end_text}"));
        let request = Request::get(path, "/services/data/{version}/sobjects/{object}/deleted");
        let answer = self.reader.client.call(&self.session, &request).await?;
        let log: DeleteLog = serde_json::from_slice(&answer.body).map_err(|_| AnswerInvalid::Page)?;
        let stamp = |text: &str| Stamp::parse(text).ok_or(AnswerInvalid::Page);
        let earliest = stamp(&log.earliest_date_available)?;
        Ok(Deletes {
            ids: log.deleted_records.iter().filter_map(|record| record.id.parse().ok()).collect(),
            latest_covered: stamp(&log.latest_date_covered)?.min(end),
            // The log keeps whole seconds only, and drops them from our start.
            has_gap: earliest > start.later(Duration::from_secs(60)),
        })
    }

    /// What was deleted can't be told any more: everything must be compared.
    async fn want_compare(&mut self, object: Object) -> Result<(), TurnError> {
        tracing::warn!(lanesync.object = object.token(), "the delete log has a gap; comparing everything");
        let mut conn = self.reader.pool.acquire().await?;
        store::workspace::set_compare_due(&mut conn, self.workspace.id, true).await?;
        Ok(())
    }
}

fn whole_second(stamp: Stamp) -> Stamp {
    Stamp::from_millis(stamp.as_millis().div_euclid(1_000) * 1_000)
}
