//! What a run would cost, before anybody starts it.

use std::time::Duration;

use contract::common::v1::SalesforceObject;
use contract::convert;
use contract::extractor::v1::{
    EstimateStartDatesRequest, EstimateStartDatesResponse, EstimateSyncRequest, ObjectEstimate, SyncEstimate, SyncScope,
};
use domain::{Object, WorkspaceId};
use tonic::Status;

use super::{SyncApi, objects_of};
use crate::api::{books, call_failed, readable};
use crate::reader::work_for;
use crate::record::page::parse_count;
use crate::run::Purpose;
use crate::salesforce::verdict::Verdict;
use crate::salesforce::{CallError, Session};
use crate::stamp::Stamp;
use crate::store::coverage::Coverage;
use crate::store::workspace::Workspace;
use crate::store::{self, StoreError};
use crate::{soql, window};

/// Records per second where no run has shown a rate yet.
const FIRST_GUESS: f64 = 5_000.0;

/// Returns the calls of reading so many records: pages and what goes around them.
fn calls_for(records: u64, by_bulk: bool, bulk_page_rows: u64) -> u64 {
    if by_bulk { 3 + 5 + records.div_ceil(bulk_page_rows.max(1)) } else { 2 + records.div_ceil(2_000).max(1) }
}

/// How much shorter than the mean a load may be, and how much longer: Salesforce and the org's other apps decide.
const MEASURED: (f64, f64) = (0.6, 2.0);
/// The same for the first guess.
const GUESSED: (f64, f64) = (0.4, 5.0);
/// What Salesforce may take to begin with a bulk job.
const JOB_QUEUE: Duration = Duration::from_secs(120);
/// Most start dates of one question.
const MOST_DATES: usize = 5;

/// What is known before Salesforce is asked.
struct Before {
    known: Workspace,
    covered: Vec<Coverage>,
    /// Records per second of the last whole reads, if there were any.
    rate: Option<f64>,
}

impl SyncApi {
    pub(super) async fn estimate(&self, request: EstimateSyncRequest) -> Result<SyncEstimate, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let objects = objects_of(&request.objects)?;
        let since = request.start_at.as_ref().map(|start| convert::from_wire_time("start_at", start)).transpose()?;
        let scope = SyncScope::try_from(request.scope).unwrap_or(SyncScope::Changes);
        let before = self.before(workspace).await?;
        let session = self.reader.sessions.of(&before.known);
        let scans = objects.into_iter().map(|object| {
            let coverage = before.covered.iter().find(|coverage| coverage.object == object);
            (object, self.scan_of(&before.known, scope, coverage, since.map(Stamp::from)))
        });
        let counts = self.count_all(&session, scans).await;
        self.book(workspace, session.take_unsaved_calls()).await.map_err(books)?;
        Ok(self.add_up(&counts?, before.rate))
    }

    pub(super) async fn estimate_dates(
        &self,
        request: EstimateStartDatesRequest,
    ) -> Result<EstimateStartDatesResponse, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        if request.start_dates.is_empty() || request.start_dates.len() > MOST_DATES {
            return Err(convert::InvalidField { field: "start_dates", problem: "must be 1 to 5" }.into());
        }
        let dates = request
            .start_dates
            .iter()
            .map(|date| date.start_at.as_ref().map(|start| convert::from_wire_time("start_at", start)).transpose())
            .collect::<Result<Vec<_>, _>>()?;
        let before = self.before(workspace).await?;
        let session = self.reader.sessions.of(&before.known);
        let estimates = dates.into_iter().map(|since| {
            let scan = window::Scan { since: since.map(Stamp::from), ..window::Scan::default() };
            let scans = Object::ALL.into_iter().map(move |object| (object, scan.clone()));
            self.count_all(&session, scans)
        });
        let counted = futures::future::try_join_all(estimates).await;
        self.book(workspace, session.take_unsaved_calls()).await.map_err(books)?;
        let estimates = counted?.iter().map(|counts| self.add_up(counts, before.rate)).collect();
        Ok(EstimateStartDatesResponse { estimates })
    }

    async fn before(&self, workspace: WorkspaceId) -> Result<Before, Status> {
        let known = readable(&self.reader, workspace).await?;
        let (covered, rate) = self.known_so_far(&known).await.map_err(books)?;
        Ok(Before { known, covered, rate })
    }

    /// Counts scans side by side.
    async fn count_all(
        &self,
        session: &Session,
        scans: impl Iterator<Item = (Object, window::Scan)>,
    ) -> Result<Vec<ObjectEstimate>, Status> {
        let counts = scans.map(|(object, scan)| async move {
            let request = self.reader.client.query_all(&soql::count(object, &scan));
            let counted = self.reader.client.call(session, &request).await;
            match counted.and_then(|answer| parse_count(&answer.body).map_err(CallError::from)) {
                Ok(records) => Ok(self.estimate_of(object, records)),
                Err(CallError { verdict: Verdict::PauseObject(_), .. }) => Ok(ObjectEstimate {
                    object: SalesforceObject::from(object).into(),
                    path: "rest".to_owned(),
                    reason: "object_not_visible".to_owned(),
                    ..ObjectEstimate::default()
                }),
                Err(error) => Err(call_failed(&error, Some(object))),
            }
        });
        futures::future::try_join_all(counts).await
    }

    fn add_up(&self, objects: &[ObjectEstimate], rate: Option<f64>) -> SyncEstimate {
        let records: i64 = objects.iter().map(|estimate| estimate.records).sum();
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = records as f64 / rate.unwrap_or(FIRST_GUESS);
        let (quick, slow) = if rate.is_some() { MEASURED } else { GUESSED };
        let queued = if objects.iter().any(|object| object.path == "bulk") { JOB_QUEUE } else { Duration::ZERO };
        let span = |seconds: f64, more: Duration| {
            Duration::try_from_secs_f64(seconds).ok().and_then(|span| (span + more).try_into().ok())
        };
        SyncEstimate {
            api_calls: objects.iter().map(|estimate| estimate.api_calls).sum(),
            duration: span(seconds, Duration::ZERO),
            shortest: span(seconds * quick, Duration::ZERO),
            longest: span(seconds * slow, queued),
            rate_measured: rate.is_some(),
            objects: objects.to_vec(),
        }
    }

    fn scan_of(
        &self,
        known: &Workspace,
        scope: SyncScope,
        coverage: Option<&Coverage>,
        since: Option<Stamp>,
    ) -> window::Scan {
        if since.is_some() {
            return window::Scan { since, ..window::Scan::default() };
        }
        let purpose = match (scope, coverage.is_some_and(|coverage| coverage.loaded)) {
            (_, false) => Purpose::FirstLoad,
            (SyncScope::Everything, true) => Purpose::Resync,
            (SyncScope::Changes | SyncScope::Unspecified, true) => Purpose::Poll,
        };
        work_for(purpose, known, coverage, self.reader.pace.overlap).map(|work| work.scan).unwrap_or_default()
    }

    fn estimate_of(&self, object: Object, records: u64) -> ObjectEstimate {
        let by_bulk = records > self.reader.pace.bulk_threshold;
        let calls = calls_for(records, by_bulk, u64::from(self.reader.pace.bulk_page_rows));
        ObjectEstimate {
            object: SalesforceObject::from(object).into(),
            records: i64::try_from(records).unwrap_or(i64::MAX),
            api_calls: i64::try_from(calls).unwrap_or(i64::MAX),
            path: if by_bulk { "bulk" } else { "rest" }.to_owned(),
            reason: String::new(),
        }
    }

    /// Returns what is covered, and the rate of the last whole reads, if there were any.
    async fn known_so_far(&self, known: &Workspace) -> Result<(Vec<Coverage>, Option<f64>), StoreError> {
        let mut tx = store::begin(&self.reader.pool, known.id).await?;
        let covered = store::coverage::list(&mut tx, known.id, known.epoch).await?;
        let runs = store::run::list(&mut tx, known.id, None, 20).await?;
        tx.commit().await?;
        let (mut records, mut seconds) = (0.0, 0.0);
        for run in runs.iter().filter(|run| run.purpose.is_whole()) {
            if let Some(span) = run.ended_at.and_then(|ended| (ended - run.started_at).to_std().ok()) {
                #[allow(clippy::cast_precision_loss, reason = "an estimate")]
                let read = run.objects.iter().map(|object| object.read).sum::<i64>() as f64;
                records += read;
                seconds += span.as_secs_f64();
            }
        }
        Ok((covered, (records > 0.0 && seconds > 0.0).then(|| records / seconds)))
    }

    async fn book(&self, workspace: WorkspaceId, calls: u64) -> Result<(), StoreError> {
        store::usage::add(&mut *self.reader.pool.acquire().await?, workspace, calls).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hundred_thousand_records_cost_at_most_sixty_calls_by_rest_and_thirty_by_bulk() {
        assert!(calls_for(100_000, false, 25_000) <= 60);
        assert!(calls_for(100_000, true, 25_000) <= 30);
        assert_eq!(calls_for(0, false, 25_000), 3);
    }
}
