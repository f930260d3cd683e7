//! What a run would cost, before anybody starts it.

use std::time::Duration;

use contract::common::v1::SalesforceObject;
use contract::convert;
use contract::extractor::v1::{EstimateSyncRequest, ObjectEstimate, SyncEstimate, SyncScope};
use domain::{Object, WorkspaceId};
use tonic::Status;

use super::{SyncApi, objects_of};
use crate::api::{books, call_failed, readable};
use crate::reader::work_for;
use crate::record::page::parse_count;
use crate::run::Purpose;
use crate::salesforce::CallError;
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

impl SyncApi {
    pub(super) async fn estimate(&self, request: EstimateSyncRequest) -> Result<SyncEstimate, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let objects = objects_of(&request.objects)?;
        let since = request.start_at.as_ref().map(|start| convert::from_wire_time("start_at", start)).transpose()?;
        let scope = SyncScope::try_from(request.scope).unwrap_or(SyncScope::Changes);
        let known = readable(&self.reader, workspace).await?;
        let (covered, rate) = self.known_so_far(&known).await.map_err(books)?;
        let session = self.reader.sessions.of(workspace, known.epoch);
        let mut estimates = Vec::with_capacity(objects.len());
        for object in objects {
            let coverage = covered.iter().find(|coverage| coverage.object == object);
            let scan = self.scan_of(&known, scope, coverage, since.map(Stamp::from));
            let request = self.reader.client.query_all(&soql::count(object, &scan));
            let counted = self.reader.client.call(&session, &request).await;
            let counted = counted.and_then(|answer| parse_count(&answer.body).map_err(CallError::from));
            let records = counted.map_err(|error| call_failed(&error, Some(object)))?;
            estimates.push(self.estimate_of(object, records));
        }
        self.book(workspace, session.take_unsaved_calls()).await.map_err(books)?;
        let records: i64 = estimates.iter().map(|estimate| estimate.records).sum();
        #[allow(clippy::cast_precision_loss, reason = "an estimate")]
        let seconds = records as f64 / rate;
        Ok(SyncEstimate {
            api_calls: estimates.iter().map(|estimate| estimate.api_calls).sum(),
            duration: Duration::try_from_secs_f64(seconds).ok().and_then(|span| span.try_into().ok()),
            objects: estimates,
        })
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
        }
    }

    /// Returns what is covered, and the rate of the last whole reads.
    async fn known_so_far(&self, known: &Workspace) -> Result<(Vec<Coverage>, f64), StoreError> {
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
        let rate = if records > 0.0 && seconds > 0.0 { records / seconds } else { FIRST_GUESS };
        Ok((covered, rate))
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
