//! Lane as an admin uses it: the steps from a new workspace to a finished sync, over the services' own gRPC.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use contract::access::Identity;
use contract::auth::v1 as auth;
use contract::auth::v1::connection_service_client::ConnectionServiceClient;
use contract::auth::v1::workspace_service_client::WorkspaceServiceClient;
use contract::common::v1::{Plan, RecordKind, SalesforceObject};
use contract::error::Reason;
use contract::extractor::v1 as extractor;
use contract::extractor::v1::sync_service_client::SyncServiceClient;
use contract::extractor::v1::{RunPhase, SyncRun, SyncScope};
use contract::mapper::v1 as mapper;
use contract::mapper::v1::mapping_service_client::MappingServiceClient;
use contract::mapper::v1::{FieldMappingEntry, ValueDecision, ValueMapping};
use contract::writer::v1::customer_service_client::CustomerServiceClient;
use contract::writer::v1::parked_service_client::ParkedServiceClient;
use service::credentials::Credentials;
use tonic::transport::{Channel, Endpoint};

use crate::{ServiceName, Stack};

/// How often a run that is waited for is looked at.
const GLANCE: Duration = Duration::from_millis(100);
/// A call that takes longer than this is a failure of the stack.
const CALL_LIMIT: Duration = Duration::from_secs(60);

/// The option fields of Lane: kind and field.
pub const OPTION_FIELDS: [(RecordKind, &str); 4] = [
    (RecordKind::Account, "tier"),
    (RecordKind::Account, "status"),
    (RecordKind::Contact, "status"),
    (RecordKind::Contact, "tier"),
];

/// Clients of the four services, all of one stack.
#[derive(Clone, Debug)]
pub struct Lane {
    auth: Channel,
    extractor: Channel,
    mapper: Channel,
    writer: Channel,
}

/// How to connect: without a person.
#[derive(Clone, Debug)]
pub struct Headless<'a> {
    /// The org's own address.
    pub environment: &'a str,
    /// Seconds since the epoch; `None` for everything.
    pub start_at: Option<i64>,
}

impl Lane {
    /// Returns clients that connect on first use.
    ///
    /// # Errors
    /// Never for a stack that is up.
    pub fn of(stack: &Stack) -> anyhow::Result<Self> {
        let credentials = stack.mutual().map(|mutual| mutual.credentials(Identity::Operator)).transpose()?;
        Self::at(|name| stack.grpc_url(name), credentials.as_ref())
    }

    /// Returns clients of services that run elsewhere; they connect on first use.
    ///
    /// # Errors
    /// An address is none, or its scheme does not go with the credentials.
    pub fn at(address_of: impl Fn(ServiceName) -> String, credentials: Option<&Credentials>) -> anyhow::Result<Self> {
        let channel = |name| -> anyhow::Result<Channel> {
            service::grpc::channel(Endpoint::from_shared(address_of(name))?.timeout(CALL_LIMIT), credentials)
        };
        Ok(Self {
            auth: channel(ServiceName::Auth)?,
            extractor: channel(ServiceName::Extractor)?,
            mapper: channel(ServiceName::Mapper)?,
            writer: channel(ServiceName::Writer)?,
        })
    }

    /// Workspaces and plans.
    #[must_use]
    pub fn workspaces(&self) -> WorkspaceServiceClient<Channel> {
        WorkspaceServiceClient::new(self.auth.clone())
    }

    /// Connections.
    #[must_use]
    pub fn connections(&self) -> ConnectionServiceClient<Channel> {
        ConnectionServiceClient::new(self.auth.clone())
    }

    /// Runs and status.
    #[must_use]
    pub fn syncs(&self) -> SyncServiceClient<Channel> {
        SyncServiceClient::new(self.extractor.clone())
    }

    /// Mappings.
    #[must_use]
    pub fn mappings(&self) -> MappingServiceClient<Channel> {
        MappingServiceClient::new(self.mapper.clone())
    }

    /// Customers and contacts.
    #[must_use]
    pub fn customers(&self) -> CustomerServiceClient<Channel> {
        CustomerServiceClient::new(self.writer.clone())
    }

    /// Parked records.
    #[must_use]
    pub fn parked(&self) -> ParkedServiceClient<Channel> {
        ParkedServiceClient::new(self.writer.clone())
    }

    /// Creates a workspace and returns its id.
    ///
    /// # Errors
    /// The call fails.
    pub async fn create_workspace(&self, name: &str, plan: Plan) -> anyhow::Result<String> {
        let request =
            auth::CreateWorkspaceRequest { display_name: name.to_owned(), plan: plan.into(), ..Default::default() };
        let created = self.workspaces().create_workspace(request).await.context("creating the workspace")?;
        Ok(created.into_inner().id)
    }

    /// Connects a workspace by client credentials.
    ///
    /// # Errors
    /// The call fails.
    pub async fn connect(&self, workspace: &str, how: &Headless<'_>) -> anyhow::Result<auth::Connection> {
        let request = auth::ConnectClientCredentialsRequest {
            workspace_id: workspace.to_owned(),
            environment: how.environment.to_owned(),
            start_at: how.start_at.map(|seconds| prost_types::Timestamp { seconds, nanos: 0 }),
            actor: "demo".to_owned(),
            confirm_org_switch: false,
        };
        let connected = self.connections().connect_client_credentials(request).await.context("connecting")?;
        Ok(connected.into_inner())
    }

    /// Saves the suggested field mapping of both kinds.
    ///
    /// # Errors
    /// A call fails.
    pub async fn adopt_suggestions(&self, workspace: &str) -> anyhow::Result<()> {
        for kind in [RecordKind::Account, RecordKind::Contact] {
            let request = mapper::SuggestFieldMappingsRequest { workspace_id: workspace.to_owned(), kind: kind.into() };
            let suggested = self.suggestions(request).await.context("asking for suggestions")?;
            let entries = suggested.into_inner().suggestions.into_iter().map(|suggestion| FieldMappingEntry {
                lane_field: suggestion.lane_field,
                salesforce_field: suggestion.salesforce_field,
                ..Default::default()
            });
            self.map_fields(workspace, kind, entries.collect()).await?;
        }
        Ok(())
    }

    /// Asks for suggestions; auth tells the others of a new connection one by one, so the first answers may be too early.
    async fn suggestions(
        &self,
        request: mapper::SuggestFieldMappingsRequest,
    ) -> Result<tonic::Response<mapper::SuggestFieldMappingsResponse>, tonic::Status> {
        let deadline = Instant::now() + CALL_LIMIT;
        loop {
            match self.mappings().suggest_field_mappings(request.clone()).await {
                Err(status) if Reason::of(&status) == Some(Reason::NotConnected) && Instant::now() < deadline => {
                    tokio::time::sleep(GLANCE).await;
                }
                answer => return answer,
            }
        }
    }

    /// Replaces the field mapping of a kind.
    ///
    /// # Errors
    /// The call fails.
    pub async fn map_fields(
        &self,
        workspace: &str,
        kind: RecordKind,
        entries: Vec<FieldMappingEntry>,
    ) -> anyhow::Result<mapper::UpdateFieldMappingResponse> {
        let request = mapper::UpdateFieldMappingRequest {
            workspace_id: workspace.to_owned(),
            kind: kind.into(),
            entries,
            ..Default::default()
        };
        let saved = self.mappings().update_field_mapping(request).await.context("saving the field mapping")?;
        Ok(saved.into_inner())
    }

    /// Returns the field mapping of a kind.
    ///
    /// # Errors
    /// The call fails.
    pub async fn field_mapping(&self, workspace: &str, kind: RecordKind) -> anyhow::Result<mapper::FieldMapping> {
        let request = mapper::GetFieldMappingRequest { workspace_id: workspace.to_owned(), kind: kind.into() };
        Ok(self.mappings().get_field_mapping(request).await.context("reading the field mapping")?.into_inner())
    }

    /// Returns the known values of an option field.
    ///
    /// # Errors
    /// The call fails.
    pub async fn values(&self, workspace: &str, kind: RecordKind, field: &str) -> anyhow::Result<Vec<ValueMapping>> {
        let request = mapper::ListValueMappingsRequest {
            workspace_id: workspace.to_owned(),
            kind: kind.into(),
            field: field.to_owned(),
        };
        Ok(self.mappings().list_value_mappings(request).await.context("listing values")?.into_inner().values)
    }

    /// Maps values that are called like an option, in whatever case and spacing, and returns how many.
    ///
    /// # Errors
    /// A call fails.
    pub async fn match_same_names(&self, workspace: &str) -> anyhow::Result<usize> {
        let mut matched = 0;
        for (kind, field) in OPTION_FIELDS {
            let request = mapper::ListLaneFieldsRequest { workspace_id: workspace.to_owned(), kind: kind.into() };
            let fields = self.mappings().list_lane_fields(request).await.context("listing Lane's fields")?;
            let fields = fields.into_inner().fields;
            let options = fields.into_iter().find(|known| known.id == field).map(|known| known.options);
            let options = options.unwrap_or_default();
            let open = self.values(workspace, kind, field).await?;
            let open = open.into_iter().filter(|value| value.decision() == ValueDecision::Open);
            let decisions: Vec<_> = open
                .filter_map(|value| {
                    let option = options.iter().find(|option| same_name(&option.display_name, &value.value))?;
                    let (decision, option) = (ValueDecision::Map.into(), option.key.clone());
                    Some(ValueMapping { value: value.value, decision, option, ..Default::default() })
                })
                .collect();
            matched += decisions.len();
            if !decisions.is_empty() {
                self.decide(workspace, kind, field, decisions).await?;
            }
        }
        Ok(matched)
    }

    /// Decides values of an option field.
    ///
    /// # Errors
    /// The call fails.
    pub async fn decide(
        &self,
        workspace: &str,
        kind: RecordKind,
        field: &str,
        values: Vec<ValueMapping>,
    ) -> anyhow::Result<()> {
        let request = mapper::BatchUpdateValueMappingsRequest {
            workspace_id: workspace.to_owned(),
            kind: kind.into(),
            field: field.to_owned(),
            values,
            ..Default::default()
        };
        self.mappings().batch_update_value_mappings(request).await.context("deciding values")?;
        Ok(())
    }

    /// Starts a run.
    ///
    /// # Errors
    /// The call fails.
    pub async fn start(&self, workspace: &str, scope: SyncScope) -> anyhow::Result<SyncRun> {
        let request = extractor::StartSyncRequest {
            workspace_id: workspace.to_owned(),
            scope: scope.into(),
            ..Default::default()
        };
        Ok(self.syncs().start_sync(request).await.context("starting a run")?.into_inner())
    }

    /// Starts a run as soon as no other is in hand: polls and compares begin by themselves and are let through.
    ///
    /// # Errors
    /// A call fails otherwise, or no run could be started within `limit`.
    pub async fn start_when_free(&self, workspace: &str, scope: SyncScope, limit: Duration) -> anyhow::Result<SyncRun> {
        let deadline = Instant::now() + limit;
        loop {
            let error = match self.start(workspace, scope).await {
                Ok(run) => return Ok(run),
                Err(error) => error,
            };
            let reason = error.downcast_ref::<tonic::Status>().and_then(Reason::of);
            if reason != Some(Reason::SyncAlreadyRunning) || Instant::now() >= deadline {
                return Err(error);
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Returns a run as it stands.
    ///
    /// # Errors
    /// The call fails.
    pub async fn run(&self, workspace: &str, run: &str) -> anyhow::Result<SyncRun> {
        let request = extractor::GetSyncRunRequest { workspace_id: workspace.to_owned(), run_id: run.to_owned() };
        Ok(self.syncs().get_sync_run(request).await.context("looking at a run")?.into_inner())
    }

    /// Waits until a run is complete, telling `progress` of each look; services may come and go meanwhile.
    ///
    /// # Errors
    /// The run ends otherwise than complete, or not within `limit`.
    pub async fn finished(
        &self,
        workspace: &str,
        run: &str,
        limit: Duration,
        mut progress: impl FnMut(&SyncRun),
    ) -> anyhow::Result<SyncRun> {
        let deadline = Instant::now() + limit;
        let mut last = None;
        loop {
            if let Ok(run) = self.run(workspace, run).await {
                progress(&run);
                match run.phase() {
                    RunPhase::Completed => return Ok(run),
                    RunPhase::Failed | RunPhase::Cancelled | RunPhase::NeedsLook => {
                        bail!("the run ended as {:?}: {}", run.phase(), run.reason)
                    }
                    RunPhase::Unspecified | RunPhase::Queued | RunPhase::Reading | RunPhase::Applying => {}
                }
                last = Some(run);
            }
            if Instant::now() >= deadline {
                bail!("the run is not complete within {limit:?}; last seen: {last:?}");
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Waits until the newest replay is done.
    ///
    /// # Errors
    /// It is not within `limit`.
    pub async fn replayed(&self, workspace: &str, limit: Duration) -> anyhow::Result<mapper::Replay> {
        let deadline = Instant::now() + limit;
        loop {
            let request = mapper::GetReplayRequest { workspace_id: workspace.to_owned() };
            let replay = self.mappings().get_replay(request).await.map(tonic::Response::into_inner);
            match replay {
                Ok(replay) if replay.done || replay.run_id.is_empty() => return Ok(replay),
                replay if Instant::now() >= deadline => bail!("the replay is not done within {limit:?}: {replay:?}"),
                _ => tokio::time::sleep(GLANCE).await,
            }
        }
    }

    /// Returns the state of the workspace's sync.
    ///
    /// # Errors
    /// The call fails.
    pub async fn status(&self, workspace: &str) -> anyhow::Result<extractor::SyncStatus> {
        let request = extractor::GetSyncStatusRequest { workspace_id: workspace.to_owned() };
        Ok(self.syncs().get_sync_status(request).await.context("asking for the status")?.into_inner())
    }

    /// Returns the open unmapped values.
    ///
    /// # Errors
    /// The call fails.
    pub async fn unmapped(&self, workspace: &str) -> anyhow::Result<Vec<mapper::UnmappedValueEntry>> {
        let request = mapper::ListUnmappedValuesRequest { workspace_id: workspace.to_owned() };
        Ok(self.mappings().list_unmapped_values(request).await.context("listing unmapped values")?.into_inner().values)
    }
}

/// Whether two names are the same to a person: case and everything but letters and digits set aside.
fn same_name(one: &str, other: &str) -> bool {
    let plain =
        |name: &str| name.chars().filter(|c| c.is_alphanumeric()).flat_map(char::to_lowercase).collect::<String>();
    plain(one) == plain(other)
}

/// Returns the progress of one object in a run.
#[must_use]
pub fn progress_of(run: &SyncRun, object: SalesforceObject) -> extractor::ObjectProgress {
    run.objects.iter().find(|progress| progress.object() == object).cloned().unwrap_or_default()
}
