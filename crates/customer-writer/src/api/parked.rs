//! Records that were set aside.

use contract::common::v1 as common;
use contract::convert::{self, to_wire_time};
use contract::parking;
use contract::writer::v1::parked_service_server::ParkedService;
use contract::writer::v1::{
    GroupParkedRecordsRequest, GroupParkedRecordsResponse, ListParkedRecordsRequest, ListParkedRecordsResponse,
    ParkedGroup, ParkedGroupKey, ParkedRecord, RequeueParkedRecordsRequest, RequeueParkedRecordsResponse,
};
use domain::Object;
use jiff::Timestamp;
use service::grpc::caller;
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::{CallError, begin, invalid, page, view};
use crate::store::parked::{self, AfterParked, Group, GroupKey, Parked};
use crate::store::{audit, workspace};

/// Records shown with each group.
const SAMPLES: i64 = 5;

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
        let group = request.group.map(group_key).transpose()?;
        let arguments = ("parked", workspace, &group);
        let size = page::size(request.page_size)?;
        let after: Option<AfterParked> = page::read(&arguments, &request.page_token)?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let known = workspace::read(&mut transaction, workspace).await?.unwrap_or_default();
        let mut records = parked::list(&mut transaction, workspace, group.as_ref(), after.as_ref(), size + 1).await?;
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
        let group = request.group.map(group_key).transpose()?;
        if group.as_ref().is_some_and(|group| object.is_some_and(|object| object != group.object)) {
            return Err(invalid("group", "is of another object"));
        }
        let mut transaction = begin(&self.pool, workspace).await?;
        let known = workspace::read(&mut transaction, workspace).await?.unwrap_or_default();
        let records = parked::requeue(&mut transaction, workspace, object, &ids, group.as_ref()).await?;
        let what = object.map_or("all objects", Object::token);
        let detail = format!("{what}, {} records", records.len());
        let entry = audit::Entry { actor: caller, action: "requeue parked", outcome: "done", detail: &detail };
        audit::append(&mut transaction, workspace, &entry, Timestamp::now()).await?;
        transaction.commit().await?;
        let records = records.into_iter().map(|record| wire(known.instance_url.as_deref(), record)).collect();
        Ok(RequeueParkedRecordsResponse { records })
    }

    async fn groups(&self, request: GroupParkedRecordsRequest) -> Result<GroupParkedRecordsResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let mut transaction = begin(&self.pool, workspace).await?;
        let known = workspace::read(&mut transaction, workspace).await?.unwrap_or_default();
        let groups = parked::groups(&mut transaction, workspace, SAMPLES).await?;
        let groups = groups.into_iter().map(|group| wire_group(known.instance_url.as_deref(), group)).collect();
        Ok(GroupParkedRecordsResponse { groups })
    }
}

fn group_key(key: ParkedGroupKey) -> Result<GroupKey, CallError> {
    Ok(GroupKey { code: key.code, object: convert::object(key.object)?, field: key.field })
}

fn wire_group(instance_url: Option<&str>, group: Group) -> ParkedGroup {
    let advice = parking::advice(&group.key.code);
    ParkedGroup {
        title: advice.title.to_owned(),
        remedy: advice.remedy.to_owned(),
        fixer: advice.fixer.into(),
        count: group.count,
        requeued: group.requeued,
        oldest_park_time: Some(to_wire_time(group.oldest)),
        newest_park_time: Some(to_wire_time(group.newest)),
        samples: group.samples.into_iter().map(|record| wire(instance_url, record)).collect(),
        key: Some(ParkedGroupKey {
            code: group.key.code,
            object: common::SalesforceObject::from(group.key.object).into(),
            field: group.key.field,
        }),
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
        name: record.name,
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

    async fn group_parked_records(
        &self,
        request: Request<GroupParkedRecordsRequest>,
    ) -> Result<Response<GroupParkedRecordsResponse>, Status> {
        Ok(Response::new(self.groups(request.into_inner()).await?))
    }

    async fn requeue_parked_records(
        &self,
        request: Request<RequeueParkedRecordsRequest>,
    ) -> Result<Response<RequeueParkedRecordsResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        Ok(Response::new(self.requeue(request, caller(&metadata)).await?))
    }
}
