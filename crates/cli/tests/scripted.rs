//! One gRPC server that plays all four services: it answers from a script and keeps what it was asked.

use std::collections::HashMap;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use contract::auth::v1::{self as auth, connection_service_server as connections, workspace_service_server as spaces};
use contract::extractor::v1::{
    self as extractor, access_service_server as access, schema_service_server as schemas, sync_service_server as syncs,
};
use contract::mapper::v1::{self as mapper, mapping_service_server as mappings, record_service_server as records};
use contract::writer::v1::{
    self as writer, customer_service_server as rows, history_service_server as history,
    parked_service_server as parking, standing_service_server as standing,
};
use prost::Message;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

type Answer = Box<dyn FnMut(&[u8]) -> Result<Vec<u8>, Status> + Send>;

/// A call: its method and its request.
type Call = (&'static str, Vec<u8>);

/// The script, shared by all services.
#[derive(Clone, Default)]
pub(crate) struct Script {
    answers: Arc<Mutex<HashMap<&'static str, Answer>>>,
    asked: Arc<Mutex<Vec<Call>>>,
}

/// A server under way; it ends with its value.
pub(crate) struct Scripted {
    script: Script,
    url: String,
    serving: JoinHandle<()>,
}

impl Drop for Scripted {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Scripted {
    /// Starts a server that answers nothing yet.
    pub(crate) async fn start() -> Self {
        let script = Script::default();
        let socket = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", socket.local_addr().unwrap());
        let server = tonic::transport::Server::builder()
            .add_service(spaces::WorkspaceServiceServer::new(script.clone()))
            .add_service(connections::ConnectionServiceServer::new(script.clone()))
            .add_service(schemas::SchemaServiceServer::new(script.clone()))
            .add_service(syncs::SyncServiceServer::new(script.clone()))
            .add_service(access::AccessServiceServer::new(script.clone()))
            .add_service(records::RecordServiceServer::new(script.clone()))
            .add_service(standing::StandingServiceServer::new(script.clone()))
            .add_service(history::HistoryServiceServer::new(script.clone()))
            .add_service(mappings::MappingServiceServer::new(script.clone()))
            .add_service(rows::CustomerServiceServer::new(script.clone()))
            .add_service(parking::ParkedServiceServer::new(script.clone()))
            .serve_with_incoming(TcpListenerStream::new(socket));
        #[expect(clippy::disallowed_methods, reason = "the server ends with this value")]
        let serving = tokio::spawn(async move { server.await.unwrap() });
        Self { script, url, serving }
    }

    /// Returns the address that stands for all services.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Answers calls of `method`, e.g. "get_connection".
    pub(crate) fn on<Q, A>(&self, method: &'static str, mut answer: impl FnMut(Q) -> Result<A, Status> + Send + 'static)
    where
        Q: Message + Default,
        A: Message,
    {
        let answer = move |request: &[u8]| answer(Q::decode(request).unwrap()).map(|answer| answer.encode_to_vec());
        self.script.answers.lock().unwrap().insert(method, Box::new(answer));
    }

    /// Answers every call of `method` with the same.
    pub(crate) fn always<A: Message + Clone + 'static>(&self, method: &'static str, answer: A) {
        self.script.answers.lock().unwrap().insert(method, Box::new(move |_| Ok(answer.encode_to_vec())));
    }

    /// Refuses every call of `method`.
    pub(crate) fn refuse(&self, method: &'static str, failure: contract::error::Failure) {
        let answer = move |_: &[u8]| Err(Status::from(failure.clone()));
        self.script.answers.lock().unwrap().insert(method, Box::new(answer));
    }

    /// Returns what `method` was asked, in order.
    pub(crate) fn asked<Q: Message + Default>(&self, method: &str) -> Vec<Q> {
        let asked = self.script.asked.lock().unwrap();
        let of_method = asked.iter().filter(|(name, _)| *name == method);
        of_method.map(|(_, request)| Q::decode(request.as_slice()).unwrap()).collect()
    }
}

impl Script {
    fn answer<Q: Message, A: Message + Default>(&self, method: &'static str, request: &Q) -> Result<A, Status> {
        let request = request.encode_to_vec();
        self.asked.lock().unwrap().push((method, request.clone()));
        let mut answers = self.answers.lock().unwrap();
        let answer = answers.get_mut(method).ok_or_else(|| Status::unimplemented(format!("{method} has no script")))?;
        answer(&request).map(|answer| A::decode(answer.as_slice()).unwrap())
    }
}

macro_rules! scripted {
    ($service:path { $($method:ident: $request:ty => $answer:ty;)* } $($rest:tt)*) => {
        #[tonic::async_trait]
        impl $service for Script {
            $(async fn $method(&self, request: Request<$request>) -> Result<Response<$answer>, Status> {
                self.answer(stringify!($method), request.get_ref()).map(Response::new)
            })*
            $($rest)*
        }
    };
}

scripted!(spaces::WorkspaceService {
    create_workspace: auth::CreateWorkspaceRequest => auth::Workspace;
    get_workspace: auth::GetWorkspaceRequest => auth::Workspace;
    list_workspaces: auth::ListWorkspacesRequest => auth::ListWorkspacesResponse;
    set_workspace_plan: auth::SetWorkspacePlanRequest => auth::Workspace;
});

scripted!(connections::ConnectionService {
    authorize_connection: auth::AuthorizeConnectionRequest => auth::AuthorizeConnectionResponse;
    complete_authorization: auth::CompleteAuthorizationRequest => auth::Connection;
    connect_client_credentials: auth::ConnectClientCredentialsRequest => auth::Connection;
    get_connection: auth::GetConnectionRequest => auth::Connection;
    list_connections: auth::ListConnectionsRequest => auth::ListConnectionsResponse;
    update_start_date: auth::UpdateStartDateRequest => auth::Connection;
    disconnect_connection: auth::DisconnectConnectionRequest => auth::Connection;
});

scripted!(schemas::SchemaService {
    describe_object: extractor::DescribeObjectRequest => extractor::ObjectSchema;
});

type Changes = Pin<Box<dyn futures::Stream<Item = Result<extractor::SyncStatus, Status>> + Send>>;

scripted!(syncs::SyncService {
    start_sync: extractor::StartSyncRequest => extractor::SyncRun;
    cancel_sync_run: extractor::CancelSyncRunRequest => extractor::SyncRun;
    get_sync_run: extractor::GetSyncRunRequest => extractor::SyncRun;
    list_sync_runs: extractor::ListSyncRunsRequest => extractor::ListSyncRunsResponse;
    get_sync_status: extractor::GetSyncStatusRequest => extractor::SyncStatus;
    estimate_sync: extractor::EstimateSyncRequest => extractor::SyncEstimate;
    estimate_start_dates: extractor::EstimateStartDatesRequest => extractor::EstimateStartDatesResponse;
    refetch_records: extractor::RefetchRecordsRequest => extractor::SyncRun;
    update_schedule: extractor::UpdateScheduleRequest => extractor::Schedule;
    get_api_budget: extractor::GetApiBudgetRequest => extractor::ApiBudget;
    update_api_budget: extractor::UpdateApiBudgetRequest => extractor::ApiBudget;
}
    type WatchSyncStatusStream = Changes;

    /// Sends what the script answers, one state a call, and then breaks off as a restarted service does.
    async fn watch_sync_status(
        &self,
        request: Request<extractor::WatchSyncStatusRequest>,
    ) -> Result<Response<Changes>, Status> {
        let first = self.answer("watch_sync_status", request.get_ref())?;
        let broken = Status::unavailable("restarting");
        Ok(Response::new(Box::pin(futures::stream::iter([Ok(first), Err(broken)]))))
    }
);

scripted!(access::AccessService {
    get_access_report: extractor::GetAccessReportRequest => extractor::AccessReport;
    sample_fields: extractor::SampleFieldsRequest => extractor::FieldSamples;
});

scripted!(records::RecordService {
    preview_record: mapper::PreviewRecordRequest => mapper::RecordPreview;
    get_field_story: mapper::GetFieldStoryRequest => mapper::FieldStory;
    list_overwritten_values: mapper::ListOverwrittenValuesRequest => mapper::ListOverwrittenValuesResponse;
});

scripted!(standing::StandingService {
    list_standing_values: writer::ListStandingValuesRequest => writer::ListStandingValuesResponse;
    preview_disconnect: writer::PreviewDisconnectRequest => writer::DisconnectPreview;
});

scripted!(history::HistoryService {
    get_history: writer::GetHistoryRequest => writer::GetHistoryResponse;
});

scripted!(mappings::MappingService {
    list_lane_fields: mapper::ListLaneFieldsRequest => mapper::ListLaneFieldsResponse;
    create_custom_field: mapper::CreateCustomFieldRequest => mapper::LaneField;
    update_options: mapper::UpdateOptionsRequest => mapper::LaneField;
    get_field_mapping: mapper::GetFieldMappingRequest => mapper::FieldMapping;
    update_field_mapping: mapper::UpdateFieldMappingRequest => mapper::UpdateFieldMappingResponse;
    suggest_field_mappings: mapper::SuggestFieldMappingsRequest => mapper::SuggestFieldMappingsResponse;
    list_candidate_fields: mapper::ListCandidateFieldsRequest => mapper::ListCandidateFieldsResponse;
    list_value_mappings: mapper::ListValueMappingsRequest => mapper::ListValueMappingsResponse;
    batch_update_value_mappings: mapper::BatchUpdateValueMappingsRequest => mapper::BatchUpdateValueMappingsResponse;
    list_unmapped_values: mapper::ListUnmappedValuesRequest => mapper::ListUnmappedValuesResponse;
    count_unmapped_values: mapper::CountUnmappedValuesRequest => mapper::CountUnmappedValuesResponse;
    get_replay: mapper::GetReplayRequest => mapper::Replay;
    start_replay: mapper::StartReplayRequest => mapper::Replay;
});

scripted!(rows::CustomerService {
    list_customers: writer::ListCustomersRequest => writer::ListCustomersResponse;
    get_customer: writer::GetCustomerRequest => writer::Customer;
    create_customer: writer::CreateCustomerRequest => writer::Customer;
    update_customer: writer::UpdateCustomerRequest => writer::Customer;
    list_contacts: writer::ListContactsRequest => writer::ListContactsResponse;
    get_contact: writer::GetContactRequest => writer::Contact;
    create_contact: writer::CreateContactRequest => writer::Contact;
    update_contact: writer::UpdateContactRequest => writer::Contact;
    list_customer_changes: writer::ListCustomerChangesRequest => writer::ListCustomerChangesResponse;
    erase_record: writer::EraseRecordRequest => writer::EraseRecordResponse;
});

scripted!(parking::ParkedService {
    list_parked_records: writer::ListParkedRecordsRequest => writer::ListParkedRecordsResponse;
    group_parked_records: writer::GroupParkedRecordsRequest => writer::GroupParkedRecordsResponse;
    requeue_parked_records: writer::RequeueParkedRecordsRequest => writer::RequeueParkedRecordsResponse;
});
