//! What our other services ask: the mapping in force, applied chunks, candidates of a sweep, counts.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use contract::convert::{self, to_wire_time};
use contract::writer::v1::apply_service_server::ApplyService;
use contract::writer::v1::{
    AppliedChunk, Counts, GetCountsRequest, HeldRecord, ListAccountContactsRequest, ListAccountContactsResponse,
    ListAppliedChunksRequest, ListAppliedChunksResponse, ListUnseenRecordsRequest, ListUnseenRecordsResponse,
    ObjectCount, SetMappingRequest, SetMappingResponse,
};
use contract::{common::v1 as common, writer::v1 as wire};
use domain::WorkspaceId;
use sqlx::{PgConnection, PgPool};
use tonic::{Request, Response, Status};

use super::history::tally;
use super::{CallError, begin, invalid, page};
use crate::chunk::{self, UnreadableBatch};
use crate::store::read::Counts as Counted;
use crate::store::workspace::{self, Mapping, Rule};
use crate::store::{applied, history, parked, read};

/// Most accounts that one question about their contacts may name.
const MAX_ACCOUNTS: usize = 1000;

/// Counting reads every row, so what took longer than this is kept for a while.
const QUICK: Duration = Duration::from_millis(20);
/// For so many times as long as it took: counting never takes more than a twentieth of the time.
const KEPT: u32 = 20;

/// Serves `ApplyService`.
#[derive(Clone, Debug)]
pub(crate) struct ApplyApi {
    pool: PgPool,
    /// Counts with the time until which they are good enough.
    counted: Arc<Mutex<HashMap<WorkspaceId, (Instant, Counted)>>>,
}

impl ApplyApi {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool, counted: Arc::default() }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<WorkspaceId, (Instant, Counted)>> {
        self.counted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts rows, or says what was counted a moment ago.
    async fn counted(&self, conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Counted, CallError> {
        let now = Instant::now();
        {
            let mut kept = self.kept();
            kept.retain(|_, (until, _)| *until > now);
            if let Some((_, counts)) = kept.get(&workspace) {
                return Ok(counts.clone());
            }
        }
        let counts = read::counts(conn, workspace).await?;
        let took = now.elapsed();
        if took > QUICK {
            self.kept().insert(workspace, (Instant::now() + took * KEPT, counts.clone()));
        }
        Ok(counts)
    }

    async fn set_mapping(&self, request: SetMappingRequest) -> Result<SetMappingResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let locks = chunk::locks(request.locks).map_err(|error| match error {
            UnreadableBatch::Field(field) => field.into(),
            UnreadableBatch::NoReference | UnreadableBatch::Lock(_) | UnreadableBatch::WrongWorkspace => {
                invalid("locks", "name no Lane field")
            }
        })?;
        let rules = request.rules.into_iter().map(rule).collect::<Result<Vec<_>, _>>()?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let mapping = Mapping { version: request.mapping_version, locks: &locks, rules: Some(&rules) };
        let mapping_version = workspace::set_mapping(&mut transaction, workspace, mapping).await?;
        transaction.commit().await?;
        Ok(SetMappingResponse { mapping_version })
    }

    async fn list_applied(&self, request: ListAppliedChunksRequest) -> Result<ListAppliedChunksResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let run = convert::run_id(&request.run_id)?;
        // Callers page by position, and there is one page size for those who don't care: the largest.
        let limit = page::size(if request.page_size == 0 { i32::MAX } else { request.page_size })?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let chunks = applied::list(&mut transaction, workspace, run, request.after_position, limit).await?;
        let number = |value: i64| u32::try_from(value).unwrap_or(u32::MAX);
        let chunks = chunks.into_iter().map(|chunk| AppliedChunk {
            position: chunk.position,
            object: common::SalesforceObject::from(chunk.object).into(),
            page: number(chunk.page),
            chunk: number(chunk.chunk),
            read_seq: chunk.read_seq,
            mapped: chunk.tally.mapped,
            written: chunk.tally.written,
            parked: chunk.tally.parked,
        });
        Ok(ListAppliedChunksResponse { chunks: chunks.collect() })
    }

    async fn list_unseen(&self, request: ListUnseenRecordsRequest) -> Result<ListUnseenRecordsResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let object = convert::object(request.object)?;
        let limit = page::size(request.page_size)?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let unseen = read::unseen(
            &mut transaction,
            workspace,
            object,
            request.before_read_seq,
            request.show_deleted,
            &request.after_id,
            limit,
        )
        .await?;
        let records = unseen.records.into_iter().map(|(id, modified_ms)| HeldRecord { id, modified_ms });
        Ok(ListUnseenRecordsResponse { records: records.collect(), total: unseen.total })
    }

    async fn list_contacts(
        &self,
        request: ListAccountContactsRequest,
    ) -> Result<ListAccountContactsResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        if request.account_ids.len() > MAX_ACCOUNTS {
            return Err(invalid("account_ids", "are more than 1000"));
        }
        let accounts = request
            .account_ids
            .iter()
            .map(|id| convert::salesforce_id("account_ids", id).map(|id| id.as_str().to_owned()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let contact_ids = read::contacts_of_accounts(&mut transaction, workspace, &accounts).await?;
        Ok(ListAccountContactsResponse { contact_ids })
    }

    async fn count(&self, request: GetCountsRequest) -> Result<Counts, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let counts = self.counted(&mut transaction, workspace).await?;
        let (parked, oldest_parked) = parked::count(&mut transaction, workspace).await?;
        let day = history::last_day(&mut transaction, workspace).await?;
        let live = counts
            .live
            .into_iter()
            .map(|(object, count)| ObjectCount { object: common::SalesforceObject::from(object).into(), count });
        Ok(Counts {
            live: live.collect(),
            parked,
            not_visible: counts.not_visible,
            oldest_park_time: oldest_parked.map(|at| to_wire_time(read::moment(at))),
            last_change_time: day.changed_at.map(|at| to_wire_time(read::moment(at))),
            last_day: Some(tally(&day.tally)),
        })
    }
}

fn rule(rule: wire::FieldRule) -> Result<Rule, CallError> {
    Ok(Rule {
        kind: convert::kind(rule.kind)?,
        field: rule.field.parse().map_err(|_| invalid("rules", "name no Lane field"))?,
        field_type: convert::field_type(rule.r#type)?,
        options: rule.options,
    })
}

#[tonic::async_trait]
impl ApplyService for ApplyApi {
    async fn set_mapping(&self, request: Request<SetMappingRequest>) -> Result<Response<SetMappingResponse>, Status> {
        Ok(Response::new(self.set_mapping(request.into_inner()).await?))
    }

    async fn list_applied_chunks(
        &self,
        request: Request<ListAppliedChunksRequest>,
    ) -> Result<Response<ListAppliedChunksResponse>, Status> {
        Ok(Response::new(self.list_applied(request.into_inner()).await?))
    }

    async fn list_unseen_records(
        &self,
        request: Request<ListUnseenRecordsRequest>,
    ) -> Result<Response<ListUnseenRecordsResponse>, Status> {
        Ok(Response::new(self.list_unseen(request.into_inner()).await?))
    }

    async fn list_account_contacts(
        &self,
        request: Request<ListAccountContactsRequest>,
    ) -> Result<Response<ListAccountContactsResponse>, Status> {
        Ok(Response::new(self.list_contacts(request.into_inner()).await?))
    }

    async fn get_counts(&self, request: Request<GetCountsRequest>) -> Result<Response<Counts>, Status> {
        Ok(Response::new(self.count(request.into_inner()).await?))
    }
}
