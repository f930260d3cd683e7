//! Runs, their progress, the state of the sync, the schedule.

use std::pin::Pin;
use std::time::Duration;

use contract::convert;
use contract::error::{Failure, Reason};
use contract::extractor::v1::sync_service_server::SyncService;
use contract::extractor::v1::{
    ApiBudget, CancelSyncRunRequest, EstimateStartDatesRequest, EstimateStartDatesResponse, EstimateSyncRequest,
    GetApiBudgetRequest, GetSyncRunRequest, GetSyncStatusRequest, ListSyncRunsRequest, ListSyncRunsResponse,
    RefetchRecordsRequest, Schedule, StartSyncRequest, SyncEstimate, SyncRun, SyncStatus, UpdateApiBudgetRequest,
    UpdateScheduleRequest, WatchSyncStatusRequest,
};
use domain::{Object, RunId, SalesforceId, WorkspaceId};
use futures::{Stream, StreamExt};
use tokio_stream::wrappers::IntervalStream;
use tonic::{Request, Response, Status};

use super::runs::wire_run;
use super::{books, not_found, readable, status};
use crate::reader::Reader;
use crate::refetch::refetch;
use crate::run::Phase;
use crate::store::run::Creation;
use crate::store::{self, StoreError, coverage};

mod budget;
mod estimate;
mod start;

/// Most ids of one refetch.
const MAX_REFETCH: usize = 10_000;

/// Answers about runs.
#[derive(Clone, Debug)]
pub struct SyncApi {
    reader: Reader,
}

impl SyncApi {
    /// Answers for a reader.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }

    async fn load_run(&self, workspace: WorkspaceId, run: RunId) -> Result<SyncRun, Status> {
        let loaded = async {
            let mut tx = store::begin(&self.reader.pool, workspace).await?;
            let known = store::workspace::load(&mut tx, workspace).await?;
            let run = store::run::load(&mut tx, workspace, run).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(run.map(|run| (run, known.map_or(String::new(), |known| known.wait_reason))))
        };
        let (run, waits) = loaded.await.map_err(books)?.ok_or_else(not_found)?;
        Ok(wire_run(&run, &waits))
    }

    async fn cancel(&self, workspace: WorkspaceId, run: RunId) -> Result<(), StoreError> {
        let mut tx = store::begin(&self.reader.pool, workspace).await?;
        store::workspace::wake(&mut tx, workspace).await?;
        if store::run::set_phase(&mut tx, workspace, run, Phase::Cancelled, "cancelled").await?
            && let Some(cancelled) = store::run::load(&mut tx, workspace, run).await?
        {
            // Planning must not begin by itself again what a person just cancelled: only StartSync does.
            for object in cancelled.objects.iter().filter(|object| object.work.is_some() && cancelled.purpose.is_pass())
            {
                coverage::ensure(&mut tx, workspace, object.object, cancelled.epoch).await?;
                let never = chrono::DateTime::from_timestamp(32_503_680_000, 0);
                coverage::set_paused(&mut tx, workspace, object.object, "cancelled", never).await?;
            }
        }
        tx.commit().await?;
        Ok(())
    }
}

/// Reads a list of objects; empty means all.
fn objects_of(numbers: &[i32]) -> Result<Vec<Object>, Status> {
    if numbers.is_empty() {
        return Ok(Object::ALL.to_vec());
    }
    let mut objects = numbers.iter().map(|number| convert::object(*number)).collect::<Result<Vec<_>, _>>()?;
    objects.sort_unstable();
    objects.dedup();
    Ok(objects)
}

#[tonic::async_trait]
impl SyncService for SyncApi {
    async fn start_sync(&self, request: Request<StartSyncRequest>) -> Result<Response<SyncRun>, Status> {
        let request = request.into_inner();
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let Some(creation) = self.start(workspace, &request).await? else {
            return Ok(Response::new(SyncRun { workspace_id: workspace.to_string(), ..SyncRun::default() }));
        };
        match creation {
            Creation::Created(run) | Creation::Repeated(run) => Ok(Response::new(self.load_run(workspace, run).await?)),
            Creation::Running(run) => Err(Failure::new(Reason::SyncAlreadyRunning, "A sync is running.")
                .with("runId", run.to_string())
                .into()),
        }
    }

    async fn cancel_sync_run(&self, request: Request<CancelSyncRunRequest>) -> Result<Response<SyncRun>, Status> {
        let request = request.into_inner();
        let (workspace, run) = (convert::workspace_id(&request.workspace_id)?, convert::run_id(&request.run_id)?);
        self.load_run(workspace, run).await?;
        self.cancel(workspace, run).await.map_err(books)?;
        Ok(Response::new(self.load_run(workspace, run).await?))
    }

    async fn get_sync_run(&self, request: Request<GetSyncRunRequest>) -> Result<Response<SyncRun>, Status> {
        let request = request.into_inner();
        let (workspace, run) = (convert::workspace_id(&request.workspace_id)?, convert::run_id(&request.run_id)?);
        Ok(Response::new(self.load_run(workspace, run).await?))
    }

    async fn list_sync_runs(
        &self,
        request: Request<ListSyncRunsRequest>,
    ) -> Result<Response<ListSyncRunsResponse>, Status> {
        let request = request.into_inner();
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let before = match request.page_token.as_str() {
            "" => None,
            token => Some(
                convert::run_id(token)
                    .map_err(|_| convert::InvalidField { field: "page_token", problem: "is not one of ours" })?,
            ),
        };
        let size = match request.page_size {
            0 => 50,
            size if size < 0 => {
                return Err(convert::InvalidField { field: "page_size", problem: "is negative" }.into());
            }
            size => i64::from(size.min(1_000)),
        };
        let listed = async {
            let mut tx = store::begin(&self.reader.pool, workspace).await?;
            let runs = store::run::list(&mut tx, workspace, before, size + 1).await?;
            tx.commit().await?;
            Ok::<_, StoreError>(runs)
        };
        let mut runs = listed.await.map_err(books)?;
        let size = usize::try_from(size).unwrap_or(50);
        let more = runs.len() > size;
        runs.truncate(size);
        let next_page_token = runs.last().filter(|_| more).map(|run| run.id.to_string()).unwrap_or_default();
        let runs = runs.iter().map(|run| wire_run(run, "")).collect();
        Ok(Response::new(ListSyncRunsResponse { runs, next_page_token }))
    }

    async fn get_sync_status(&self, request: Request<GetSyncStatusRequest>) -> Result<Response<SyncStatus>, Status> {
        let workspace = convert::workspace_id(&request.into_inner().workspace_id)?;
        Ok(Response::new(status::gather(&self.reader, workspace).await?))
    }

    type WatchSyncStatusStream = Pin<Box<dyn Stream<Item = Result<SyncStatus, Status>> + Send>>;

    async fn watch_sync_status(
        &self,
        request: Request<WatchSyncStatusRequest>,
    ) -> Result<Response<Self::WatchSyncStatusStream>, Status> {
        let workspace = convert::workspace_id(&request.into_inner().workspace_id)?;
        let reader = self.reader.clone();
        let ticks = IntervalStream::new(tokio::time::interval(Duration::from_secs(1)));
        let states = ticks.then(move |_| {
            let reader = reader.clone();
            async move { status::gather(&reader, workspace).await }
        });
        let mut last = None;
        let changes = states.filter_map(move |state| {
            let news = match &state {
                Ok(state) => last.replace(state.clone()).as_ref() != Some(state),
                Err(_) => true,
            };
            futures::future::ready(news.then_some(state))
        });
        Ok(Response::new(changes.boxed()))
    }

    async fn estimate_sync(&self, request: Request<EstimateSyncRequest>) -> Result<Response<SyncEstimate>, Status> {
        Ok(Response::new(self.estimate(request.into_inner()).await?))
    }

    async fn estimate_start_dates(
        &self,
        request: Request<EstimateStartDatesRequest>,
    ) -> Result<Response<EstimateStartDatesResponse>, Status> {
        Ok(Response::new(self.estimate_dates(request.into_inner()).await?))
    }

    async fn refetch_records(&self, request: Request<RefetchRecordsRequest>) -> Result<Response<SyncRun>, Status> {
        let request = request.into_inner();
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let object = convert::object(request.object)?;
        if request.ids.is_empty() || request.ids.len() > MAX_REFETCH {
            return Err(convert::InvalidField { field: "ids", problem: "must be 1 to 10,000" }.into());
        }
        let ids =
            request.ids.iter().map(|id| convert::salesforce_id("ids", id)).collect::<Result<Vec<SalesforceId>, _>>()?;
        if ids.iter().any(|id| id.prefix() != object.id_prefix()) {
            return Err(convert::InvalidField { field: "ids", problem: "holds an id of another object" }.into());
        }
        readable(&self.reader, workspace).await?;
        let run = refetch(&self.reader, workspace, object, &ids).await.map_err(books)?;
        Ok(Response::new(self.load_run(workspace, run.ok_or_else(not_found)?).await?))
    }

    async fn update_schedule(&self, request: Request<UpdateScheduleRequest>) -> Result<Response<Schedule>, Status> {
        let request = request.into_inner();
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let interval = request.poll_interval.and_then(|interval| Duration::try_from(interval).ok());
        let allowed = Duration::from_secs(60)..=Duration::from_secs(86_400);
        let interval = interval.filter(|interval| allowed.contains(interval)).ok_or_else(|| {
            Status::from(Failure::new(Reason::PollIntervalInvalid, "The poll interval is out of range."))
        })?;
        let changed = async {
            let mut conn = self.reader.pool.acquire().await?;
            store::workspace::set_poll_interval(&mut conn, workspace, interval).await
        };
        if !changed.await.map_err(books)? {
            return Err(not_found());
        }
        let poll_interval = prost_types::Duration::try_from(Duration::from_secs(interval.as_secs())).ok();
        Ok(Response::new(Schedule { workspace_id: workspace.to_string(), poll_interval }))
    }

    async fn get_api_budget(&self, request: Request<GetApiBudgetRequest>) -> Result<Response<ApiBudget>, Status> {
        let workspace = convert::workspace_id(&request.into_inner().workspace_id)?;
        Ok(Response::new(self.budget(workspace).await?))
    }

    async fn update_api_budget(&self, request: Request<UpdateApiBudgetRequest>) -> Result<Response<ApiBudget>, Status> {
        Ok(Response::new(self.change_budget(request.into_inner()).await?))
    }
}
