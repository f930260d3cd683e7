//! Reads a span by a Bulk 2.0 query job: make it, wait for it, read its result pages, remove it.
//!
//! Results do not change once they are there, so the books keep the locator and the rows done: a crash reads on from there.

use std::time::{Duration, Instant};

use domain::{Object, SalesforceId};
use reqwest::Method;
use serde::Deserialize;
use tokio::task::JoinSet;
use tracing::{Instrument, Span};

use super::TurnError;
use super::fields::Prepared;
use super::page::{BookEntry, PageRead, RunRef, page_span};
use super::turn::{Step, Turn, our_clock_after};
use crate::describe::Freshness;
use crate::record::layout::Layout;
use crate::record::{AnswerInvalid, Records, csv};
use crate::run::{Job, Stage, Work};
use crate::salesforce::verdict::Verdict;
use crate::salesforce::{CallError, Client, Request, Session};
use crate::soql;
use crate::stamp::Stamp;
use crate::store;

/// Rows of one page in the books.
const ROWS_PER_PAGE: usize = 2_000;
/// Jobs that are made before REST takes over.
const MAX_JOBS: u32 = 2;
/// Times that a result page with the wrong number of rows is fetched.
const PAGE_TRIES: u32 = 3;
/// Looks at a job wait at most this long.
const LONGEST_POLL: Duration = Duration::from_secs(60);

#[derive(Deserialize)]
struct JobAnswer {
    id: String,
    #[serde(default)]
    state: String,
    #[serde(rename = "numberRecordsProcessed", default)]
    records: Option<u64>,
}

/// One page of a result.
struct ResultPage {
    records: Records,
    next: Option<String>,
    server_time: Stamp,
    began: Instant,
    span: Span,
}

impl Turn {
    /// Goes one step on with a bulk job.
    pub(crate) async fn read_bulk(&mut self, run: RunRef, object: Object, work: Work) -> Result<Step, TurnError> {
        let outcome = match work.job.clone() {
            None => self.make_job(run, object, work.clone()).await,
            Some(job) if job.total.is_none() => self.look_at_job(run, object, work.clone(), job).await,
            Some(job) => self.read_results(run, object, work.clone(), job).await,
        };
        match outcome {
            // A job that is gone, refused or wrong is made once more; then REST reads the same span.
            Err(TurnError::Call(error)) if heals_by_another_way(&error.verdict) => {
                tracing::warn!(lanesync.object = object.token(), code = error.code, "bulk job given up");
                let only_rest = error.verdict == Verdict::UseRest || work.jobs_made >= MAX_JOBS;
                self.begin_again(run, object, work, only_rest).await
            }
            other => other,
        }
    }

    async fn begin_again(&mut self, run: RunRef, object: Object, work: Work, by_rest: bool) -> Result<Step, TurnError> {
        let stage = if by_rest { Stage::Rest } else { Stage::Bulk };
        // REST begins its own span: its cursor is born with its own first query.
        let began = if by_rest { None } else { work.began };
        let work = Work { stage, job: None, began, ..work };
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        self.check_hold(&mut tx).await?;
        store::run::set_work(&mut tx, self.workspace.id, run.id, object, Some(&work)).await?;
        let path = if by_rest { "rest" } else { "bulk" };
        store::run::set_choice(&mut tx, self.workspace.id, run.id, object, path, None).await?;
        tx.commit().await?;
        Ok(Step::Progress)
    }

    async fn make_job(&mut self, run: RunRef, object: Object, work: Work) -> Result<Step, TurnError> {
        let prepared = self.prepare(object, Freshness::Minutes).await?;
        let query = soql::bulk(object, &prepared.layout.select(), &work.scan);
        let read_seq = store::next_read_seq(&mut *self.reader.pool.acquire().await?).await?;
        let body = serde_json::json!({
            "operation": "queryAll", "query": query.as_str(), "contentType": "CSV",
            "columnDelimiter": "COMMA", "lineEnding": "LF",
        });
        let path = self.reader.client.path("jobs/query");
        let request =
            Request::send(Method::POST, path, "/services/data/{version}/jobs/query", body.to_string().into_bytes());
        let answer = self.reader.client.call(&self.session, &request).await?;
        let answer = parse_job(&answer.body)?;
        let id = answer.id.parse::<SalesforceId>().map_err(|_| CallError::from(AnswerInvalid::Page))?;
        // Nothing is ready at once, so the first look waits too.
        let wait = self.reader.pace.job_poll;
        let look_at = Some(our_clock_after(wait));
        let job = Job { id, read_seq, total: None, locator: None, rows_done: 0, rows_before: 0, polls: 0, look_at };
        let work = Work { job: Some(job), jobs_made: work.jobs_made + 1, ..work };
        self.book(run.id, &[BookEntry::Work(object, Some(work))]).await?;
        Ok(Step::WaitAtLeast(wait))
    }

    async fn look_at_job(&mut self, run: RunRef, object: Object, work: Work, mut job: Job) -> Result<Step, TurnError> {
        // Other objects are read meanwhile, so a turn may begin before the job is due.
        let left = job.look_at.and_then(|at| (at - our_clock_after(Duration::ZERO)).to_std().ok());
        if let Some(left) = left.filter(|left| !left.is_zero()) {
            return Ok(Step::WaitAtLeast(left));
        }
        let path = self.reader.client.path(&format!("jobs/query/{}", job.id));
        let request = Request::get(path, "/services/data/{version}/jobs/query/{job}");
        let answer = parse_job(&self.reader.client.call(&self.session, &request).await?.body)?;
        match answer.state.as_str() {
            "JobComplete" => job.total = Some(answer.records.unwrap_or(0)),
            "Failed" | "Aborted" => {
                return Err(CallError::new(Verdict::PauseObject("bulk_job_failed"), "bulk_job_failed").into());
            }
            // States that nobody knows yet are no reason to stop waiting.
            _ => job.polls += 1,
        }
        let complete = job.total.is_some();
        let wait = self.reader.pace.job_poll.saturating_mul(1 << job.polls.min(6)).min(LONGEST_POLL);
        job.look_at = Some(our_clock_after(wait));
        let work = Work { job: Some(job), ..work };
        self.book(run.id, &[BookEntry::Work(object, Some(work))]).await?;
        Ok(if complete { Step::Progress } else { Step::WaitAtLeast(wait) })
    }

    /// Reads result pages until the job is read or the turn is over; the next one downloads while one is published.
    async fn read_results(
        &mut self,
        run: RunRef,
        object: Object,
        mut work: Work,
        mut job: Job,
    ) -> Result<Step, TurnError> {
        let prepared = self.prepare(object, Freshness::Minutes).await?;
        let total = job.total.unwrap_or(0);
        let mut downloads = JoinSet::new();
        self.download_results(&mut downloads, &prepared, &job, job.locator.clone());
        loop {
            let result = match downloads.join_next().await {
                Some(Ok(result)) => result?,
                Some(Err(_)) | None => return Err(CallError::new(Verdict::RetryNow, "download_failed").into()),
            };
            let rows = result.records.len();
            self.pages_left = self.pages_left.saturating_sub(rows.div_ceil(ROWS_PER_PAGE).max(1));
            let goes_on = self.pages_left > 0 && !self.stopping.is_cancelled();
            if let (Some(next), true) = (&result.next, goes_on) {
                self.download_results(&mut downloads, &prepared, &job, Some(next.clone()));
            }
            let pages = cut(result.records, job.rows_done);
            let is_last = result.next.is_none();
            if is_last && job.rows_before + u64::try_from(rows).unwrap_or(0) != total {
                return Err(CallError::new(Verdict::PauseObject("row_count_mismatch"), "row_count_mismatch").into());
            }
            for (records, last_of_page) in pages {
                job.rows_done += records.len();
                if last_of_page {
                    job.rows_before += u64::try_from(rows).unwrap_or(0);
                    job.rows_done = 0;
                    job.locator.clone_from(&result.next);
                }
                work.job = Some(job.clone());
                let began = work.began.unwrap_or(result.server_time);
                let entries = if last_of_page && is_last {
                    self.after_span(run, object, &work, began)
                } else {
                    vec![BookEntry::Work(object, Some(work.clone()))]
                };
                let page = PageRead { object, records, read_seq: job.read_seq, read_at: began, began: result.began };
                self.enter_page(run, &prepared, page, entries).instrument(result.span.clone()).await?;
            }
            if is_last {
                self.remove_job(&job).await;
                return Ok(Step::Progress);
            }
            if !goes_on {
                return Ok(Step::TurnOver);
            }
        }
    }

    fn download_results(
        &self,
        downloads: &mut JoinSet<Result<ResultPage, CallError>>,
        prepared: &Prepared,
        job: &Job,
        locator: Option<String>,
    ) {
        let (client, session, layout) = (self.reader.client.clone(), self.session.clone(), prepared.layout.clone());
        let rows = self.reader.pace.bulk_page_rows;
        let locator = locator.map(|locator| {
            format!("&locator={}", url::form_urlencoded::byte_serialize(locator.as_bytes()).collect::<String>())
        });
        let path =
            client.path(&format!("jobs/query/{}/results?maxRecords={rows}{}", job.id, locator.unwrap_or_default()));
        let span = page_span(layout.object());
        downloads.spawn(async move { fetch_results(&client, &session, &layout, path).await }.instrument(span));
    }

    /// Removes a job that is read. Salesforce removes it by itself after a week, so a failure is no matter.
    async fn remove_job(&self, job: &Job) {
        let path = self.reader.client.path(&format!("jobs/query/{}", job.id));
        let request = Request::delete(path, "/services/data/{version}/jobs/query/{job}");
        if let Err(error) = self.reader.client.call(&self.session, &request).await {
            tracing::debug!(code = error.code, "a bulk job stays until Salesforce removes it");
        }
    }
}

/// Fetches a result page; one with another number of rows than announced is fetched again.
async fn fetch_results(
    client: &Client,
    session: &Session,
    layout: &Layout,
    path: String,
) -> Result<ResultPage, CallError> {
    let request = Request::csv(path, "/services/data/{version}/jobs/query/{job}/results");
    let began = Instant::now();
    let mut tries = 0;
    loop {
        tries += 1;
        let answer = client.call(session, &request).await?;
        let announced = answer.header("sforce-numberofrecords").and_then(|text| text.parse::<usize>().ok());
        let invalid = match csv::parse(&answer.body, layout, answer.server_time) {
            Ok(records) if announced.is_none_or(|announced| announced == records.len()) => {
                // The last page says so with the four letters of "null".
                let next = answer.header("sforce-locator").filter(|text| !text.is_empty() && *text != "null");
                return Ok(ResultPage {
                    records,
                    next: next.map(str::to_owned),
                    server_time: answer.server_time,
                    began,
                    span: Span::current(),
                });
            }
            Ok(_) => AnswerInvalid::RowCount,
            Err(invalid) => invalid,
        };
        tracing::warn!(code = invalid.code(), tries, "a bulk result page can't be believed");
        if tries >= PAGE_TRIES {
            return Err(CallError::new(Verdict::PauseObject("bulk_result_invalid"), invalid.code()));
        }
    }
}

fn heals_by_another_way(verdict: &Verdict) -> bool {
    match verdict {
        Verdict::UseRest | Verdict::Gone | Verdict::SplitWindow => true,
        Verdict::PauseObject(reason) => {
            matches!(*reason, "not_found" | "bulk_job_failed" | "row_count_mismatch" | "bulk_result_invalid")
        }
        Verdict::Fatal(reason) => *reason == "request_refused",
        Verdict::RetryNow
        | Verdict::RetryAfter(_)
        | Verdict::WaitForQuota
        | Verdict::RefreshToken
        | Verdict::Reauthorize
        | Verdict::DropField(_)
        | Verdict::RestartFromKeyset
        | Verdict::FullCompare => false,
    }
}

fn parse_job(body: &[u8]) -> Result<JobAnswer, CallError> {
    serde_json::from_slice(body).map_err(|_| AnswerInvalid::Page.into())
}

/// Cuts a result page into pages for the books, without the first `done` rows; the last one is marked. A page without rows
/// gives one empty page, so that the books move on.
fn cut(records: Records, done: usize) -> impl Iterator<Item = (Records, bool)> {
    let Records { records, faults } = records;
    // Faults stand for rows too; they travel behind the records, in the same order each time.
    let faults_done = done.saturating_sub(records.len());
    let mut records = records.into_iter().skip(done).peekable();
    let mut faults = faults.into_iter().skip(faults_done).peekable();
    let mut over = false;
    std::iter::from_fn(move || {
        if over {
            return None;
        }
        let mut page = Records::default();
        page.records.extend(records.by_ref().take(ROWS_PER_PAGE));
        let room = ROWS_PER_PAGE - page.records.len();
        page.faults.extend(faults.by_ref().take(room));
        over = records.peek().is_none() && faults.peek().is_none();
        Some((page, over))
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Fault, Record, State};

    fn rows(records: usize, faults: usize) -> Records {
        let record = |n: usize| Record::without_image(format!("001Kd0000{n:06}").parse().unwrap(), State::Live);
        let fault = || Fault { id: None, code: "id_invalid", field: "Id".into() };
        Records { records: (0..records).map(record).collect(), faults: (0..faults).map(|_| fault()).collect() }
    }

    #[test]
    fn a_result_page_goes_on_after_the_rows_that_are_done() {
        let sizes = |done| cut(rows(4_100, 3), done).map(|(page, last)| (page.len(), last)).collect::<Vec<_>>();
        assert_eq!(sizes(0), [(2_000, false), (2_000, false), (103, true)]);
        assert_eq!(sizes(2_000), [(2_000, false), (103, true)]);
        assert_eq!(sizes(4_101), [(2, true)]);
        assert_eq!(cut(rows(0, 0), 0).map(|(page, last)| (page.len(), last)).collect::<Vec<_>>(), [(0, true)]);
    }
}
