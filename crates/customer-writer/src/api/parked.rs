//! Records that were set aside.

use contract::common::v1 as common;
use contract::convert::{self, to_wire_time};
use contract::writer::v1::parked_service_server::ParkedService;
use contract::writer::v1::{
    ListParkedRecordsRequest, ListParkedRecordsResponse, ParkedRecord, RequeueParkedRecordsRequest,
    RequeueParkedRecordsResponse,
};
use domain::Object;
use jiff::Timestamp;
use service::grpc::caller;
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::{CallError, begin, page, view};
use crate::store::parked::{self, AfterParked, Parked};
use crate::store::{audit, workspace};

/// Serves `ParkedService`.
#[derive(Clone, Debug)]
pub(crate) struct ParkedApi {
    pool: PgPool,
}

impl ParkedApi {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    async fn list(&self, request: ListParkedRecordsRequest) -> Result<ListParkedRecordsResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let arguments = ("parked", workspace);
        let size = page::size(request.page_size)?;
        let after: Option<AfterParked> = page::read(&arguments, &request.page_token)?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let known = workspace::read(&mut transaction, workspace).await?.unwrap_or_default();
        let mut records = parked::list(&mut transaction, workspace, after.as_ref(), size + 1).await?;
        let size = usize::try_from(size).unwrap_or(usize::MAX);
        let has_more = records.len() > size;
        records.truncate(size);
        let next_page_token = records
            .last()
            .filter(|_| has_more)
            .map(|last| AfterParked {
                parked_at: last.parked_at,
                object: last.object.token().to_owned(),
                key: last.key.clone(),
            })
            .map(|last| page::token(&arguments, &last))
            .unwrap_or_default();
        let records = records.into_iter().map(|record| wire(known.instance_url.as_deref(), record)).collect();
        Ok(ListParkedRecordsResponse { records, next_page_token })
    }

    async fn requeue(
        &self,
        request: RequeueParkedRecordsRequest,
        caller: &str,
    ) -> Result<RequeueParkedRecordsResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let object = match common::SalesforceObject::try_from(request.object) {
            Ok(common::SalesforceObject::Unspecified) => None,
            Ok(_) | Err(_) => Some(convert::object(request.object)?),
        };
        let ids = request
            .ids
            .iter()
            .map(|id| convert::salesforce_id("ids", id).map(|id| id.as_str().to_owned()))
            .collect::<Result<Vec<_>, _>>()?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let known = workspace::read(&mut transaction, workspace).await?.unwrap_or_default();
        let records = parked::requeue(&mut transaction, workspace, object, &ids).await?;
        let what = object.map_or("all objects", Object::token);
        let detail = format!("{what}, {} records", records.len());
        let entry = audit::Entry { actor: caller, action: "requeue parked", outcome: "done", detail: &detail };
        audit::append(&mut transaction, workspace, &entry, Timestamp::now()).await?;
        transaction.commit().await?;
        let records = records.into_iter().map(|record| wire(known.instance_url.as_deref(), record)).collect();
        Ok(RequeueParkedRecordsResponse { records })
    }
}

fn wire(instance_url: Option<&str>, record: Parked) -> ParkedRecord {
    let id = record.salesforce_id.unwrap_or_default();
    ParkedRecord {
        object: common::SalesforceObject::from(record.object).into(),
        url: if id.is_empty() { String::new() } else { view::record_url(instance_url, &id) },
        id,
        code: record.code,
        field: record.field,
        park_time: Some(to_wire_time(record.parked_at)),
        requeue_time: record.requeued_at.map(to_wire_time),
        run_id: record.run.to_string(),
    }
}

#[tonic::async_trait]
impl ParkedService for ParkedApi {
    async fn list_parked_records(
        &self,
        request: Request<ListParkedRecordsRequest>,
    ) -> Result<Response<ListParkedRecordsResponse>, Status> {
        Ok(Response::new(self.list(request.into_inner()).await?))
    }

    async fn requeue_parked_records(
        &self,
        request: Request<RequeueParkedRecordsRequest>,
    ) -> Result<Response<RequeueParkedRecordsResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        Ok(Response::new(self.requeue(request, caller(&metadata)).await?))
    }
}
