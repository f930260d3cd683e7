//! auth, mapper and writer as small servers that answer from memory.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard};

use contract::auth::v1 as auth;
use contract::auth::v1::connection_service_server::{ConnectionService, ConnectionServiceServer};
use contract::auth::v1::token_service_server::{TokenService, TokenServiceServer};
use contract::auth::v1::workspace_service_server::{WorkspaceService, WorkspaceServiceServer};
use contract::common::v1::{Plan, SalesforceObject};
use contract::error::{Failure, Reason};
use contract::event::v1::SourceState;
use contract::mapper::v1 as mapper;
use contract::mapper::v1::mapping_service_server::{MappingService, MappingServiceServer};
use contract::mapper::v1::read_plan_service_server::{ReadPlanService, ReadPlanServiceServer};
use contract::writer::v1 as writer;
use contract::writer::v1::apply_service_server::{ApplyService, ApplyServiceServer};
use domain::Object;
use salesforce_sim::AppSpec;
use tokio::task::JoinSet;
use tonic::{Request, Response, Status};

use super::Lane;

/// The peers; cheap to clone.
#[derive(Clone)]
pub(crate) struct Peered(Arc<Inner>);

struct Inner {
    salesforce: String,
    org_id: String,
    lane: Lane,
    http: reqwest::Client,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    address: String,
    epoch: i64,
    token: Option<(String, i64)>,
    tokens_issued: u64,
    revoked: bool,
    fields: BTreeMap<Object, BTreeSet<String>>,
    unread: BTreeMap<Object, BTreeSet<String>>,
    marked: Vec<mapper::MarkFieldsReadRequest>,
    replay_runs: bool,
    unmapped: usize,
    entries: Vec<(i32, mapper::FieldMappingEntry)>,
    counts: writer::Counts,
}

impl Peered {
    pub(crate) fn new(salesforce: String, org_id: String, lane: Lane) -> Self {
        let peered = Self(Arc::new(Inner {
            salesforce,
            org_id,
            lane,
            http: reqwest::Client::new(),
            state: Mutex::new(State { epoch: 1, ..State::default() }),
        }));
        peered.map(Object::Account, &["Name", "Industry", "AnnualRevenue", "NumberOfEmployees", "Type"]);
        peered.map(Object::Contact, &["Name", "Email", "Phone"]);
        peered.map(Object::Lead, &["Name", "Email", "Company"]);
        peered
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// Serves all of them on one free port.
    pub(crate) async fn serve(self, tasks: &mut JoinSet<()>) -> String {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap());
        self.state().address.clone_from(&address);
        let server = tonic::transport::Server::builder()
            .add_service(TokenServiceServer::new(self.clone()))
            .add_service(ConnectionServiceServer::new(self.clone()))
            .add_service(WorkspaceServiceServer::new(self.clone()))
            .add_service(ReadPlanServiceServer::new(self.clone()))
            .add_service(MappingServiceServer::new(self.clone()))
            .add_service(ApplyServiceServer::new(self));
        let incoming = tokio_stream::wrappers::TcpListenerStream::new(listener);
        tasks.spawn(async move { server.serve_with_incoming(incoming).await.unwrap() });
        address
    }

    pub(crate) fn address(&self) -> String {
        self.state().address.clone()
    }

    pub(crate) fn set_epoch(&self, epoch: i64) {
        self.state().epoch = epoch;
    }

    /// What the mapping reads of an object; nothing of it counts as unread.
    pub(crate) fn map(&self, object: Object, fields: &[&str]) {
        self.state().fields.insert(object, fields.iter().map(|field| (*field).to_owned()).collect());
    }

    /// Maps one more field, which was never read.
    pub(crate) fn map_unread(&self, object: Object, field: &str) {
        let mut state = self.state();
        state.fields.entry(object).or_default().insert(field.to_owned());
        state.unread.entry(object).or_default().insert(field.to_owned());
    }

    pub(crate) fn unread(&self, object: Object) -> usize {
        self.state().unread.get(&object).map_or(0, BTreeSet::len)
    }

    pub(crate) fn marked(&self) -> Vec<mapper::MarkFieldsReadRequest> {
        self.state().marked.clone()
    }

    pub(crate) fn revoke(&self, revoked: bool) {
        self.state().revoked = revoked;
    }

    pub(crate) fn tokens_issued(&self) -> u64 {
        self.state().tokens_issued
    }

    pub(crate) fn set_replay(&self, runs: bool) {
        self.state().replay_runs = runs;
    }

    pub(crate) fn set_unmapped(&self, values: usize) {
        self.state().unmapped = values;
    }

    /// Lane fields and what feeds them, for those who ask about the mapping itself.
    pub(crate) fn feed(&self, kind: contract::common::v1::RecordKind, lane_field: &str, path: &str, lead_path: &str) {
        let entry = mapper::FieldMappingEntry {
            lane_field: lane_field.to_owned(),
            salesforce_field: path.to_owned(),
            lead_field: lead_path.to_owned(),
            fit: String::new(),
        };
        self.state().entries.push((kind.into(), entry));
    }

    /// What the writer counts besides rows.
    pub(crate) fn set_counts(&self, counts: writer::Counts) {
        self.state().counts = counts;
    }

    async fn fetch_token(&self) -> String {
        let app = AppSpec::default();
        let form = [
            ("grant_type", "client_credentials".to_owned()),
            ("client_id", app.client_id),
            ("client_secret", app.client_secret),
        ];
        let url = format!("{}/services/oauth2/token", self.0.salesforce);
        let answer = self.0.http.post(url).form(&form).send().await.unwrap();
        let answer: serde_json::Value = answer.json().await.unwrap();
        answer["access_token"].as_str().unwrap().to_owned()
    }
}

fn unused<T>() -> Result<Response<T>, Status> {
    Err(Status::unimplemented("not asked for in these tests"))
}

#[tonic::async_trait]
impl TokenService for Peered {
    async fn get_access_token(
        &self,
        request: Request<auth::GetAccessTokenRequest>,
    ) -> Result<Response<auth::AccessToken>, Status> {
        if self.state().revoked {
            return Err(Failure::new(Reason::SalesforceAuthRevoked, "Revoked.").into());
        }
        let rejected = request.into_inner().rejected_generation;
        let held = self.state().token.clone();
        let (token, generation) = match held {
            Some((token, generation)) if generation > rejected => (token, generation),
            held => {
                let token = self.fetch_token().await;
                let generation = held.map_or(0, |(_, generation)| generation) + 1;
                let mut state = self.state();
                state.token = Some((token.clone(), generation));
                state.tokens_issued += 1;
                (token, generation)
            }
        };
        Ok(Response::new(auth::AccessToken {
            token,
            instance_url: self.0.salesforce.clone(),
            generation,
            epoch: self.state().epoch,
            org_id: self.0.org_id.clone(),
        }))
    }
}

#[tonic::async_trait]
impl ConnectionService for Peered {
    async fn authorize_connection(
        &self,
        _: Request<auth::AuthorizeConnectionRequest>,
    ) -> Result<Response<auth::AuthorizeConnectionResponse>, Status> {
        unused()
    }

    async fn complete_authorization(
        &self,
        _: Request<auth::CompleteAuthorizationRequest>,
    ) -> Result<Response<auth::Connection>, Status> {
        unused()
    }

    async fn connect_client_credentials(
        &self,
        _: Request<auth::ConnectClientCredentialsRequest>,
    ) -> Result<Response<auth::Connection>, Status> {
        unused()
    }

    async fn get_connection(
        &self,
        request: Request<auth::GetConnectionRequest>,
    ) -> Result<Response<auth::Connection>, Status> {
        let state = if self.state().revoked { auth::GrantState::Revoked } else { auth::GrantState::Active };
        Ok(Response::new(auth::Connection {
            workspace_id: request.into_inner().workspace_id,
            state: state.into(),
            salesforce_username: "sync@oma.example".to_owned(),
            connect_time: Some(prost_types::Timestamp { seconds: 1_000, nanos: 0 }),
            end_time: self.state().revoked.then_some(prost_types::Timestamp { seconds: 2_000, nanos: 0 }),
            ..auth::Connection::default()
        }))
    }

    async fn list_connections(
        &self,
        _: Request<auth::ListConnectionsRequest>,
    ) -> Result<Response<auth::ListConnectionsResponse>, Status> {
        unused()
    }

    async fn update_start_date(
        &self,
        _: Request<auth::UpdateStartDateRequest>,
    ) -> Result<Response<auth::Connection>, Status> {
        unused()
    }

    async fn disconnect_connection(
        &self,
        _: Request<auth::DisconnectConnectionRequest>,
    ) -> Result<Response<auth::Connection>, Status> {
        unused()
    }
}

#[tonic::async_trait]
impl WorkspaceService for Peered {
    async fn create_workspace(
        &self,
        _: Request<auth::CreateWorkspaceRequest>,
    ) -> Result<Response<auth::Workspace>, Status> {
        unused()
    }

    async fn get_workspace(
        &self,
        request: Request<auth::GetWorkspaceRequest>,
    ) -> Result<Response<auth::Workspace>, Status> {
        let id = request.into_inner().workspace_id;
        Ok(Response::new(auth::Workspace { id, plan: Plan::Starter.into(), ..auth::Workspace::default() }))
    }

    async fn list_workspaces(
        &self,
        _: Request<auth::ListWorkspacesRequest>,
    ) -> Result<Response<auth::ListWorkspacesResponse>, Status> {
        unused()
    }

    async fn set_workspace_plan(
        &self,
        _: Request<auth::SetWorkspacePlanRequest>,
    ) -> Result<Response<auth::Workspace>, Status> {
        unused()
    }
}

#[tonic::async_trait]
impl ReadPlanService for Peered {
    async fn get_read_plan(
        &self,
        _: Request<mapper::GetReadPlanRequest>,
    ) -> Result<Response<mapper::ReadPlan>, Status> {
        let state = self.state();
        let objects = state
            .fields
            .iter()
            .map(|(object, fields)| mapper::ObjectReadPlan {
                object: SalesforceObject::from(*object).into(),
                fields: fields.iter().cloned().collect(),
                unread_fields: state.unread.get(object).into_iter().flatten().cloned().collect(),
            })
            .collect();
        Ok(Response::new(mapper::ReadPlan { mapping_version: 1, objects }))
    }

    async fn mark_fields_read(
        &self,
        request: Request<mapper::MarkFieldsReadRequest>,
    ) -> Result<Response<mapper::MarkFieldsReadResponse>, Status> {
        let request = request.into_inner();
        let object = contract::convert::object(request.object)?;
        let mut state = self.state();
        if let Some(unread) = state.unread.get_mut(&object) {
            unread.retain(|field| !request.fields.contains(field));
        }
        state.marked.push(request);
        Ok(Response::new(mapper::MarkFieldsReadResponse {}))
    }
}

#[tonic::async_trait]
impl MappingService for Peered {
    async fn list_lane_fields(
        &self,
        _: Request<mapper::ListLaneFieldsRequest>,
    ) -> Result<Response<mapper::ListLaneFieldsResponse>, Status> {
        unused()
    }

    async fn create_custom_field(
        &self,
        _: Request<mapper::CreateCustomFieldRequest>,
    ) -> Result<Response<mapper::LaneField>, Status> {
        unused()
    }

    async fn update_options(
        &self,
        _: Request<mapper::UpdateOptionsRequest>,
    ) -> Result<Response<mapper::LaneField>, Status> {
        unused()
    }

    async fn get_field_mapping(
        &self,
        request: Request<mapper::GetFieldMappingRequest>,
    ) -> Result<Response<mapper::FieldMapping>, Status> {
        let kind = request.into_inner().kind;
        let mut entries = self.state().entries.clone();
        entries.retain(|(of, _)| *of == kind);
        let entries = entries.into_iter().map(|(_, entry)| entry).collect();
        Ok(Response::new(mapper::FieldMapping { kind, entries, ..mapper::FieldMapping::default() }))
    }

    async fn update_field_mapping(
        &self,
        _: Request<mapper::UpdateFieldMappingRequest>,
    ) -> Result<Response<mapper::UpdateFieldMappingResponse>, Status> {
        unused()
    }

    async fn suggest_field_mappings(
        &self,
        request: Request<mapper::SuggestFieldMappingsRequest>,
    ) -> Result<Response<mapper::SuggestFieldMappingsResponse>, Status> {
        let is_account = request.into_inner().kind == i32::from(contract::common::v1::RecordKind::Account);
        let suggestion = mapper::FieldSuggestion {
            lane_field: "tier".to_owned(),
            salesforce_field: "Rating".to_owned(),
            reason: String::new(),
        };
        let suggestions = if is_account { vec![suggestion] } else { Vec::new() };
        Ok(Response::new(mapper::SuggestFieldMappingsResponse { suggestions }))
    }

    async fn list_candidate_fields(
        &self,
        _: Request<mapper::ListCandidateFieldsRequest>,
    ) -> Result<Response<mapper::ListCandidateFieldsResponse>, Status> {
        unused()
    }

    async fn list_value_mappings(
        &self,
        _: Request<mapper::ListValueMappingsRequest>,
    ) -> Result<Response<mapper::ListValueMappingsResponse>, Status> {
        unused()
    }

    async fn batch_update_value_mappings(
        &self,
        _: Request<mapper::BatchUpdateValueMappingsRequest>,
    ) -> Result<Response<mapper::BatchUpdateValueMappingsResponse>, Status> {
        unused()
    }

    async fn list_unmapped_values(
        &self,
        _: Request<mapper::ListUnmappedValuesRequest>,
    ) -> Result<Response<mapper::ListUnmappedValuesResponse>, Status> {
        unused()
    }

    async fn count_unmapped_values(
        &self,
        _: Request<mapper::CountUnmappedValuesRequest>,
    ) -> Result<Response<mapper::CountUnmappedValuesResponse>, Status> {
        let count = i64::try_from(self.state().unmapped).unwrap();
        Ok(Response::new(mapper::CountUnmappedValuesResponse { count, ..Default::default() }))
    }

    async fn get_replay(&self, _: Request<mapper::GetReplayRequest>) -> Result<Response<mapper::Replay>, Status> {
        let runs = self.state().replay_runs;
        let run_id = if runs { domain::RunId::generate().to_string() } else { String::new() };
        Ok(Response::new(mapper::Replay { run_id, done: !runs, ..mapper::Replay::default() }))
    }

    async fn start_replay(&self, _: Request<mapper::StartReplayRequest>) -> Result<Response<mapper::Replay>, Status> {
        unused()
    }
}

#[tonic::async_trait]
impl ApplyService for Peered {
    async fn set_mapping(
        &self,
        _: Request<writer::SetMappingRequest>,
    ) -> Result<Response<writer::SetMappingResponse>, Status> {
        unused()
    }

    async fn list_applied_chunks(
        &self,
        request: Request<writer::ListAppliedChunksRequest>,
    ) -> Result<Response<writer::ListAppliedChunksResponse>, Status> {
        let request = request.into_inner();
        let most = usize::try_from(request.page_size).unwrap().clamp(1, 1_000);
        let chunks = self.0.lane.applied(&request.run_id, request.after_position, most);
        Ok(Response::new(writer::ListAppliedChunksResponse { chunks }))
    }

    async fn list_unseen_records(
        &self,
        request: Request<writer::ListUnseenRecordsRequest>,
    ) -> Result<Response<writer::ListUnseenRecordsResponse>, Status> {
        let request = request.into_inner();
        let object = contract::convert::object(request.object)?;
        let unseen: Vec<writer::HeldRecord> = self
            .0
            .lane
            .held(object)
            .into_iter()
            .filter(|held| held.version.1 < request.before_read_seq && held.record.id > request.after_id)
            .map(|held| writer::HeldRecord { id: held.record.id, modified_ms: held.record.modified_ms })
            .collect();
        let total = i64::try_from(unseen.len()).unwrap();
        let most = usize::try_from(request.page_size).unwrap();
        Ok(Response::new(writer::ListUnseenRecordsResponse { records: unseen.into_iter().take(most).collect(), total }))
    }

    async fn list_account_contacts(
        &self,
        request: Request<writer::ListAccountContactsRequest>,
    ) -> Result<Response<writer::ListAccountContactsResponse>, Status> {
        let accounts = request.into_inner().account_ids;
        let contacts = self.0.lane.held(Object::Contact).into_iter();
        let contact_ids =
            contacts.filter(|held| accounts.contains(&held.record.account_id)).map(|held| held.record.id).collect();
        Ok(Response::new(writer::ListAccountContactsResponse { contact_ids }))
    }

    async fn get_counts(&self, _: Request<writer::GetCountsRequest>) -> Result<Response<writer::Counts>, Status> {
        let live = Object::ALL.map(|object| writer::ObjectCount {
            object: SalesforceObject::from(object).into(),
            count: i64::try_from(
                self.0.lane.held(object).iter().filter(|held| held.record.state() == SourceState::Live).count(),
            )
            .unwrap(),
        });
        let hidden = Object::ALL.map(|object| {
            self.0.lane.held(object).iter().filter(|held| held.record.state() == SourceState::NotVisible).count()
        });
        let not_visible = i64::try_from(hidden.iter().sum::<usize>()).unwrap();
        Ok(Response::new(writer::Counts { live: live.to_vec(), not_visible, ..self.state().counts.clone() }))
    }
}
