//! The gRPC face of the mapper.

use std::sync::Arc;

use contract::admin::v1::workspace_state_service_server::WorkspaceStateService;
use contract::admin::v1::{SetWorkspaceStateRequest, SetWorkspaceStateResponse};
use contract::common::v1 as common;
use contract::convert::{self, InvalidField};
use contract::mapper::v1 as wire;
use contract::mapper::v1::erasure_service_server::ErasureService;
use contract::mapper::v1::mapping_service_server::MappingService;
use contract::mapper::v1::read_plan_service_server::ReadPlanService;
use contract::mapper::v1::record_service_server::RecordService;
use domain::Object;
use service::grpc;
use tonic::{Request, Response, Status};

use crate::saving::{Change, Rows};
use crate::times::to_wire_time;
use crate::{Mapper, erasure, plan, refusal, replay, store, workspaces};

/// Serves the mapper's calls; cheap to clone.
#[derive(Clone, Debug)]
pub struct Api(Arc<Mapper>);

impl Api {
    /// Serves `mapper`.
    #[must_use]
    pub fn new(mapper: Arc<Mapper>) -> Self {
        Self(mapper)
    }
}

#[tonic::async_trait]
impl MappingService for Api {
    async fn list_lane_fields(
        &self,
        request: Request<wire::ListLaneFieldsRequest>,
    ) -> Result<Response<wire::ListLaneFieldsResponse>, Status> {
        self.0.list_lane_fields(request.into_inner()).await.map(Response::new)
    }

    async fn create_custom_field(
        &self,
        request: Request<wire::CreateCustomFieldRequest>,
    ) -> Result<Response<wire::LaneField>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0.create_custom_field(request, grpc::caller(&metadata)).await.map(Response::new)
    }

    async fn update_options(
        &self,
        request: Request<wire::UpdateOptionsRequest>,
    ) -> Result<Response<wire::LaneField>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0.update_options(request, grpc::caller(&metadata)).await.map(Response::new)
    }

    async fn get_field_mapping(
        &self,
        request: Request<wire::GetFieldMappingRequest>,
    ) -> Result<Response<wire::FieldMapping>, Status> {
        self.0.get_field_mapping(request.into_inner()).await.map(Response::new)
    }

    async fn update_field_mapping(
        &self,
        request: Request<wire::UpdateFieldMappingRequest>,
    ) -> Result<Response<wire::UpdateFieldMappingResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0.update_field_mapping(request, grpc::caller(&metadata)).await.map(Response::new)
    }

    async fn suggest_field_mappings(
        &self,
        request: Request<wire::SuggestFieldMappingsRequest>,
    ) -> Result<Response<wire::SuggestFieldMappingsResponse>, Status> {
        self.0.suggest_field_mappings(request.into_inner()).await.map(Response::new)
    }

    async fn list_candidate_fields(
        &self,
        request: Request<wire::ListCandidateFieldsRequest>,
    ) -> Result<Response<wire::ListCandidateFieldsResponse>, Status> {
        self.0.list_candidate_fields(request.into_inner()).await.map(Response::new)
    }

    async fn list_value_mappings(
        &self,
        request: Request<wire::ListValueMappingsRequest>,
    ) -> Result<Response<wire::ListValueMappingsResponse>, Status> {
        self.0.list_value_mappings(request.into_inner()).await.map(Response::new)
    }

    async fn batch_update_value_mappings(
        &self,
        request: Request<wire::BatchUpdateValueMappingsRequest>,
    ) -> Result<Response<wire::BatchUpdateValueMappingsResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        self.0.batch_update_value_mappings(request, grpc::caller(&metadata)).await.map(Response::new)
    }

    async fn list_unmapped_values(
        &self,
        request: Request<wire::ListUnmappedValuesRequest>,
    ) -> Result<Response<wire::ListUnmappedValuesResponse>, Status> {
        self.0.list_unmapped_values(request.into_inner()).await.map(Response::new)
    }

    async fn count_unmapped_values(
        &self,
        request: Request<wire::CountUnmappedValuesRequest>,
    ) -> Result<Response<wire::CountUnmappedValuesResponse>, Status> {
        self.0.count_unmapped_values(request.into_inner()).await.map(Response::new)
    }

    async fn get_replay(&self, request: Request<wire::GetReplayRequest>) -> Result<Response<wire::Replay>, Status> {
        let workspace = convert::workspace_id(&request.into_inner().workspace_id)?;
        let mut tx = self.0.snapshot(workspace).await?;
        store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let shown = replay::newest(&mut tx, workspace).await?;
        Ok(Response::new(shown.map(replay_to_wire).unwrap_or_default()))
    }

    async fn start_replay(&self, request: Request<wire::StartReplayRequest>) -> Result<Response<wire::Replay>, Status> {
        let (metadata, _, request) = request.into_parts();
        let workspace = convert::workspace_id(&request.workspace_id)?;
        self.0.start_replay(workspace, request.everything, grpc::caller(&metadata)).await.map(Response::new)
    }
}

impl Mapper {
    async fn start_replay(
        &self,
        workspace: domain::WorkspaceId,
        everything: bool,
        actor: &str,
    ) -> Result<wire::Replay, Status> {
        let mut tx = self.transaction(workspace).await?;
        let known = store::workspace_for_update(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        if !known.plan.includes_salesforce() {
            return Err(refusal::plan_required());
        }
        if !known.connected {
            return Err(refusal::not_connected());
        }
        if everything {
            // The same mapping under a new version: every row is older then, and the writer takes each anew.
            let old = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
            let kind = domain::Kind::Account;
            let changed = old.kind(kind).clone();
            let rows = Rows::Written;
            let change = Change { workspace: &known, kind, old: &old, changed, schemas: None, rows, actor };
            self.save(tx, change).await?;
            self.tell_writer(workspace).await;
        } else {
            let in_hand = replay::newest(&mut tx, workspace).await?;
            let is_running = in_hand.is_some_and(|shown| shown.phase == "mapping" || shown.phase == "applying");
            if !is_running {
                replay::start(&mut tx, &known, known.mapping_version).await?;
            }
            tx.commit().await.map_err(refusal::postgres)?;
            self.wake.notify_waiters();
        }
        let mut tx = self.snapshot(workspace).await?;
        let shown = replay::newest(&mut tx, workspace).await?;
        Ok(shown.map(replay_to_wire).unwrap_or_default())
    }
}

fn replay_to_wire(shown: replay::Shown) -> wire::Replay {
    wire::Replay {
        run_id: shown.run_id.to_string(),
        mapping_version: shown.mapping_version,
        expected: shown.expected,
        mapped: shown.mapped,
        chunks_pending: shown.chunks_pending,
        done: shown.phase == "done",
        start_time: Some(to_wire_time(shown.started_at)),
        end_time: shown.ended_at.map(to_wire_time),
    }
}

/// Most records that one erase order names.
const MAX_ERASED: usize = 1000;

#[tonic::async_trait]
impl ErasureService for Api {
    async fn erase_source_records(
        &self,
        request: Request<wire::EraseSourceRecordsRequest>,
    ) -> Result<Response<wire::EraseSourceRecordsResponse>, Status> {
        let caller = grpc::caller(request.metadata()).to_owned();
        let request = request.into_inner();
        if request.ids.len() > MAX_ERASED {
            return Err(InvalidField { field: "ids", problem: "names more than 1000 records" }.into());
        }
        let order = erasure::Order {
            workspace: convert::workspace_id(&request.workspace_id)?,
            id: request.order_id.parse().map_err(|_| InvalidField { field: "order_id", problem: "is not a UUID" })?,
            actor: if request.actor.is_empty() { caller } else { request.actor },
            ids: request.ids.iter().map(|id| convert::salesforce_id("ids", id)).collect::<Result<_, _>>()?,
        };
        let erased = self.0.erase(order).await?;
        let erased_images = i64::try_from(erased).unwrap_or(i64::MAX);
        Ok(Response::new(wire::EraseSourceRecordsResponse { erased_images }))
    }
}

#[tonic::async_trait]
impl RecordService for Api {
    async fn preview_record(
        &self,
        request: Request<wire::PreviewRecordRequest>,
    ) -> Result<Response<wire::RecordPreview>, Status> {
        self.0.preview_record(request.into_inner()).await.map(Response::new)
    }

    async fn get_field_story(
        &self,
        request: Request<wire::GetFieldStoryRequest>,
    ) -> Result<Response<wire::FieldStory>, Status> {
        self.0.field_story(request.into_inner()).await.map(Response::new)
    }

    async fn list_overwritten_values(
        &self,
        request: Request<wire::ListOverwrittenValuesRequest>,
    ) -> Result<Response<wire::ListOverwrittenValuesResponse>, Status> {
        self.0.list_overwritten(request.into_inner()).await.map(Response::new)
    }
}

#[tonic::async_trait]
impl ReadPlanService for Api {
    async fn get_read_plan(
        &self,
        request: Request<wire::GetReadPlanRequest>,
    ) -> Result<Response<wire::ReadPlan>, Status> {
        let workspace = convert::workspace_id(&request.into_inner().workspace_id)?;
        let mut tx = self.0.snapshot(workspace).await?;
        let known = store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let rules = self.0.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let mut objects = Vec::new();
        for object in Object::ALL {
            let needed = plan::needed(&rules, object);
            let unread_fields = plan::unread(&mut tx, workspace, object, &needed).await?;
            objects.push(wire::ObjectReadPlan {
                object: common::SalesforceObject::from(object).into(),
                fields: needed.into_iter().collect(),
                unread_fields,
            });
        }
        Ok(Response::new(wire::ReadPlan { mapping_version: known.mapping_version, objects }))
    }

    async fn mark_fields_read(
        &self,
        request: Request<wire::MarkFieldsReadRequest>,
    ) -> Result<Response<wire::MarkFieldsReadResponse>, Status> {
        let request = request.into_inner();
        let (workspace, object) = (convert::workspace_id(&request.workspace_id)?, convert::object(request.object)?);
        let mut tx = self.0.transaction(workspace).await?;
        store::workspace_for_share(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let (since, version) = (request.since_read_seq, request.field_list_version);
        plan::mark_read(&mut tx, workspace, object, &request.fields, since, version).await?;
        tx.commit().await.map_err(refusal::postgres)?;
        Ok(Response::new(wire::MarkFieldsReadResponse {}))
    }
}

#[tonic::async_trait]
impl WorkspaceStateService for Api {
    async fn set_workspace_state(
        &self,
        request: Request<SetWorkspaceStateRequest>,
    ) -> Result<Response<SetWorkspaceStateResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        let told = workspaces::Told {
            workspace: convert::workspace_id(&request.workspace_id)?,
            revision: request.revision,
            epoch: request.epoch,
            plan: convert::plan(request.plan)?,
            connected: request.connected,
        };
        let revision = self.0.take_state(told, grpc::caller(&metadata)).await?;
        Ok(Response::new(SetWorkspaceStateResponse { revision }))
    }
}
