//! One mapper with everything around it, and the words that tests use.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::admin::v1::SetWorkspaceStateRequest;
use contract::admin::v1::workspace_state_service_server::WorkspaceStateService;
use contract::common::v1 as common;
use contract::event::v1::{ChunkRef, RawBatch, RawRecord, RunMode, SourceState};
use contract::extractor::v1 as extractor;
use contract::extractor::v1::schema_service_server::{SchemaService, SchemaServiceServer};
use contract::mapper::v1 as wire;
use contract::mapper::v1::mapping_service_server::MappingService;
use contract::writer::v1::apply_service_server::ApplyServiceServer;
use contract::writer::v1::standing_service_server::StandingServiceServer;
use contract::{streams, subjects};
use domain::{Kind, Object, RunId, WorkspaceId};
use mapper::{Api, Config, Mapper};
use messaging::{Bus, Publication};
use service::Lifecycle;
use service::status::Board;
use sqlx::PgPool;
use testkit::{NatsUser, Role, TestDatabase, TestNats, eventually_true};
use tokio::net::TcpListener;
use tokio::task::{AbortHandle, JoinSet};
use tokio_stream::wrappers::TcpListenerStream;
use tonic::{Request, Response, Status};

use crate::writer::Writer;

/// How long a test waits for what must happen.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct World {
    pub(crate) workspace: WorkspaceId,
    pub(crate) api: Api,
    pub(crate) mapper: Arc<Mapper>,
    pub(crate) writer: Writer,
    pub(crate) org: Org,
    pub(crate) admin: PgPool,
    pub(crate) database: TestDatabase,
    pub(crate) nats: TestNats,
    pub(crate) urls: (String, String),
    extractor_bus: Bus,
    tasks: JoinSet<()>,
    /// The mapper at work.
    replica: Option<AbortHandle>,
}

/// A raw chunk in a few words.
#[derive(Clone, Debug)]
pub(crate) struct RawChunk {
    pub(crate) object: Object,
    pub(crate) run: RunId,
    pub(crate) page: u32,
    pub(crate) epoch: i64,
    pub(crate) read_seq: i64,
    pub(crate) list_version: i64,
    pub(crate) fields: Vec<String>,
    pub(crate) records: Vec<RawRecord>,
}

impl World {
    /// Everything but the mapper's consumer and chores; the workspace is on Business and connected in epoch 1.
    pub(crate) async fn quiet() -> Self {
        let (database, nats) = tokio::join!(testkit::database(), testkit::nats());
        let (writer, org, mut tasks) = (Writer::default(), Org::default(), JoinSet::new());
        let extractor_url = serve(&mut tasks, tonic::service::Routes::new(SchemaServiceServer::new(org.clone()))).await;
        let routes = tonic::service::Routes::new(ApplyServiceServer::new(writer.clone()));
        let routes = routes.add_service(StandingServiceServer::new(writer.clone()));
        let writer_url = serve(&mut tasks, routes).await;
        let config = config(&extractor_url, &writer_url);
        let pool = database.pool(Role::Mapper).await;
        let mapper =
            Arc::new(Mapper::new(&config, pool, nats.bus(NatsUser::Mapper).await, Board::new("mapper", "0")).unwrap());
        let world = Self {
            workspace: WorkspaceId::generate(),
            api: Api::new(Arc::clone(&mapper)),
            mapper,
            writer,
            org,
            admin: database.admin_pool().await,
            extractor_bus: nats.bus(NatsUser::Extractor).await,
            database,
            nats,
            urls: (extractor_url, writer_url),
            tasks,
            replica: None,
        };
        world.state(1, 1, common::Plan::Business, true).await;
        world
    }

    /// A mapper at work.
    pub(crate) async fn new() -> Self {
        let mut world = Self::quiet().await;
        world.start_writer().await;
        world.start_mapper();
        world
    }

    pub(crate) async fn start_writer(&mut self) {
        let (bus, writer) = (self.nats.bus(NatsUser::Writer).await, Arc::new(self.writer.clone()));
        let options = messaging::Options { batch: 16, workers: 1, stage: "writer" };
        self.tasks.spawn(async move {
            messaging::consume(&bus, streams::WRITER, options, writer, Default::default()).await.unwrap();
        });
    }

    pub(crate) fn start_mapper(&mut self) {
        let mut lifecycle = Lifecycle::new(Duration::from_secs(5));
        self.mapper.spawn_chores(&mut lifecycle);
        lifecycle.spawn("map", Arc::clone(&self.mapper).map_chunks(8, 3, lifecycle.stopping()));
        self.replica = Some(self.tasks.spawn(async move { lifecycle.run().await.unwrap() }));
    }

    /// Ends the mapper at work wherever it is: what a SIGKILL does.
    pub(crate) async fn kill_mapper(&mut self) {
        let replica = self.replica.take().unwrap();
        replica.abort();
        eventually_true(LIMIT, "the replica is gone", async || replica.is_finished()).await;
    }

    /// Starts a mapper that remembers nothing of the others.
    pub(crate) async fn another_mapper(&mut self) {
        let config = config(&self.urls.0, &self.urls.1);
        let (pool, bus) = (self.database.pool(Role::Mapper).await, self.nats.bus(NatsUser::Mapper).await);
        self.mapper = Arc::new(Mapper::new(&config, pool, bus, Board::new("mapper", "0")).unwrap());
        self.api = Api::new(Arc::clone(&self.mapper));
        self.start_mapper();
    }

    /// Tells the mapper a state of the workspace.
    pub(crate) async fn state(&self, revision: i64, epoch: i64, plan: common::Plan, connected: bool) {
        let request = SetWorkspaceStateRequest {
            workspace_id: self.workspace.to_string(),
            revision,
            epoch,
            plan: plan.into(),
            connected,
            ..SetWorkspaceStateRequest::default()
        };
        self.api.set_workspace_state(Request::new(request)).await.unwrap();
    }

    /// Saves a field mapping.
    pub(crate) async fn map(&self, kind: Kind, pairs: &[(&str, &str)]) -> wire::UpdateFieldMappingResponse {
        self.try_map(kind, pairs, false).await.unwrap()
    }

    pub(crate) async fn try_map(
        &self,
        kind: Kind,
        pairs: &[(&str, &str)],
        validate_only: bool,
    ) -> Result<wire::UpdateFieldMappingResponse, Status> {
        let entries = pairs.iter().map(|(lane, path)| wire::FieldMappingEntry {
            lane_field: (*lane).to_owned(),
            salesforce_field: (*path).to_owned(),
            ..wire::FieldMappingEntry::default()
        });
        let request = wire::UpdateFieldMappingRequest {
            workspace_id: self.workspace.to_string(),
            kind: common::RecordKind::from(kind).into(),
            entries: entries.collect(),
            validate_only,
            ..wire::UpdateFieldMappingRequest::default()
        };
        self.api.update_field_mapping(Request::new(request)).await.map(Response::into_inner)
    }

    /// Decides values of the account's tier: an option, "ignore" or "open".
    pub(crate) async fn decide(&self, decisions: &[(&str, &str)]) -> wire::BatchUpdateValueMappingsResponse {
        self.try_decide(Kind::Account, "tier", decisions, false).await.unwrap()
    }

    pub(crate) async fn try_decide(
        &self,
        kind: Kind,
        field: &str,
        decisions: &[(&str, &str)],
        validate_only: bool,
    ) -> Result<wire::BatchUpdateValueMappingsResponse, Status> {
        let values = decisions.iter().map(|(value, option)| {
            let decision = match *option {
                "ignore" => wire::ValueDecision::Ignore,
                "open" => wire::ValueDecision::Open,
                _ => wire::ValueDecision::Map,
            };
            wire::ValueMapping {
                value: (*value).to_owned(),
                decision: decision.into(),
                option: (*option).to_owned(),
                ..wire::ValueMapping::default()
            }
        });
        let request = wire::BatchUpdateValueMappingsRequest {
            workspace_id: self.workspace.to_string(),
            kind: common::RecordKind::from(kind).into(),
            field: field.to_owned(),
            values: values.collect(),
            validate_only,
            ..wire::BatchUpdateValueMappingsRequest::default()
        };
        self.api.batch_update_value_mappings(Request::new(request)).await.map(Response::into_inner)
    }

    /// Open values as (field, value, live records), most records first.
    pub(crate) async fn open_values(&self) -> Vec<(String, String, i64)> {
        let request = wire::ListUnmappedValuesRequest {
            workspace_id: self.workspace.to_string(),
            page_size: 1_000,
            page_token: String::new(),
        };
        let listed = self.api.list_unmapped_values(Request::new(request)).await.unwrap().into_inner().values;
        let mut open: Vec<_> = listed
            .into_iter()
            .map(|entry| {
                let value = entry.value.unwrap();
                (entry.field, value.value, value.record_count)
            })
            .collect();
        open.sort();
        open
    }

    pub(crate) async fn replay(&self) -> wire::Replay {
        let request = wire::GetReplayRequest { workspace_id: self.workspace.to_string() };
        self.api.get_replay(Request::new(request)).await.unwrap().into_inner()
    }

    /// Waits until the newest replay is done.
    pub(crate) async fn replayed(&self) {
        eventually_true(LIMIT, "the replay is done", async || self.replay().await.done).await;
    }

    /// Publishes a raw chunk as the extractor does.
    pub(crate) async fn publish(&self, chunk: &RawChunk) {
        let body = contract::body::pack(&chunk.batch(self.workspace)).unwrap();
        self.extractor_bus.publish(raw(self.workspace, chunk, body)).await.unwrap();
    }

    pub(crate) async fn publish_all(&self, chunks: &[RawChunk]) {
        let publications: Vec<_> = chunks
            .iter()
            .map(|chunk| raw(self.workspace, chunk, contract::body::pack(&chunk.batch(self.workspace)).unwrap()))
            .collect();
        self.extractor_bus.publish_all(publications).await.unwrap();
    }

    /// Publishes chunks and waits until the writer had a batch for each.
    pub(crate) async fn sync(&self, chunks: &[RawChunk]) {
        let expected = self.writer.live_count() + chunks.len();
        self.publish_all(chunks).await;
        eventually_true(LIMIT, "every chunk reaches the writer", async || self.writer.live_count() >= expected).await;
    }

    /// Publishes any bytes on the subject of raw accounts.
    pub(crate) async fn publish_bytes(&self, body: Vec<u8>) {
        let chunk = chunk(1, vec![]);
        self.extractor_bus.publish(raw(self.workspace, &chunk, body)).await.unwrap();
    }

    /// Reads one number as the superuser.
    pub(crate) async fn number(&self, sql: &'static str) -> i64 {
        sqlx::query_scalar(sql).bind(self.workspace.0).fetch_one(&self.admin).await.unwrap()
    }
}

fn raw(workspace: WorkspaceId, chunk: &RawChunk, body: Vec<u8>) -> Publication {
    Publication {
        subject: subjects::raw(workspace, chunk.object),
        template: subjects::template::RAW,
        stream: streams::RAW.name,
        message_type: "lanesync.event.v1.RawBatch",
        message_id: None,
        run_id: Some(chunk.run.to_string()),
        workspace_id: workspace.to_string(),
        captured_at: None,
        body,
        compressed: true,
    }
}

impl RawChunk {
    pub(crate) fn batch(&self, workspace: WorkspaceId) -> RawBatch {
        RawBatch {
            r#ref: Some(ChunkRef {
                workspace_id: workspace.to_string(),
                run_id: self.run.to_string(),
                object: common::SalesforceObject::from(self.object).into(),
                page: self.page,
                chunk: 0,
                epoch: self.epoch,
                read_seq: self.read_seq,
            }),
            mode: RunMode::Incremental.into(),
            field_list_version: self.list_version,
            fields: self.fields.clone(),
            read_at: Some(prost_types::Timestamp { seconds: 1_780_000_000, nanos: 0 }),
            default_currency: "EUR".to_owned(),
            records: self.records.clone(),
            faults: Vec::new(),
        }
    }

    pub(crate) fn of(mut self, object: Object) -> Self {
        self.object = object;
        self
    }

    pub(crate) fn epoch(mut self, epoch: i64) -> Self {
        self.epoch = epoch;
        self
    }

    pub(crate) fn reading(mut self, list_version: i64, fields: &[&str]) -> Self {
        self.list_version = list_version;
        self.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self
    }
}

/// The fields that accounts are read with unless a test says otherwise.
pub(crate) const FIELDS: [&str; 4] = ["Name", "Phone", "Tier__c", "ARR__c"];

/// A chunk of accounts.
pub(crate) fn chunk(read_seq: i64, records: Vec<RawRecord>) -> RawChunk {
    let chunk = RawChunk {
        object: Object::Account,
        run: RunId::generate(),
        page: 0,
        epoch: 1,
        read_seq,
        list_version: 1,
        fields: Vec::new(),
        records,
    };
    chunk.reading(1, &FIELDS)
}

/// The id of the account with a number.
pub(crate) fn account(number: u32) -> String {
    id("001", number)
}

pub(crate) fn id(prefix: &str, number: u32) -> String {
    let short = format!("{prefix}{number:012}");
    String::from(short.parse::<domain::SalesforceId>().unwrap())
}

/// A live record.
pub(crate) fn record(id: &str, image: serde_json::Value) -> RawRecord {
    RawRecord {
        id: id.to_owned(),
        modified_ms: 1_700_000_000_000,
        state: SourceState::Live.into(),
        image: image.to_string(),
        ..RawRecord::default()
    }
}

/// A live account with a tier.
pub(crate) fn tiered(number: u32, tier: Option<&str>) -> RawRecord {
    let image =
        serde_json::json!({ "Name": format!("Account {number}"), "Phone": null, "Tier__c": tier, "ARR__c": number });
    record(&account(number), image)
}

pub(crate) fn deleted(id: &str) -> RawRecord {
    RawRecord { id: id.to_owned(), state: SourceState::Deleted.into(), ..RawRecord::default() }
}

/// The mapping that most tests begin with.
pub(crate) const NAME_AND_TIER: [(&str, &str); 2] = [("name", "Name"), ("tier", "Tier__c")];

fn config(extractor_url: &str, writer_url: &str) -> Config {
    let arguments =
        ["mapper", "--database-url-file", "unused", "--extractor-url", extractor_url, "--writer-url", writer_url];
    <Config as clap::Parser>::parse_from(arguments)
}

async fn serve(tasks: &mut JoinSet<()>, routes: tonic::service::Routes) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    tasks.spawn(async move {
        let server = tonic::transport::Server::builder().add_routes(routes);
        server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap();
    });
    url
}

/// The org's schema, as the extractor tells it; cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Org(Arc<Mutex<Vec<(Object, extractor::FieldSchema)>>>);

impl Default for Org {
    fn default() -> Self {
        let fields = [
            (Object::Account, "Name", "string"),
            (Object::Account, "Phone", "phone"),
            (Object::Account, "Fax", "phone"),
            (Object::Account, "ARR__c", "currency"),
            (Object::Account, "Tier__c", "picklist"),
            (Object::Account, "Segment__c", "picklist"),
            (Object::Account, "BillingAddress", "address"),
            (Object::Contact, "Name", "string"),
            (Object::Contact, "Email", "email"),
            (Object::Contact, "Account.Name", "string"),
            (Object::Contact, "Level__c", "picklist"),
            (Object::Lead, "Name", "string"),
            (Object::Lead, "Email", "email"),
            (Object::Lead, "Company", "string"),
            (Object::Lead, "Level__c", "picklist"),
        ];
        let field = |(object, path, describe_type): (Object, &str, &str)| {
            let schema = extractor::FieldSchema {
                path: path.to_owned(),
                label: path.trim_end_matches("__c").to_owned(),
                r#type: describe_type.to_owned(),
                custom: path.ends_with("__c"),
                ..extractor::FieldSchema::default()
            };
            (object, schema)
        };
        Self(Arc::new(Mutex::new(fields.into_iter().map(field).collect())))
    }
}

impl Org {
    /// Sets the values that a picklist lists: (value, active).
    pub(crate) fn list(&self, object: Object, path: &str, values: &[(&str, bool)]) {
        let mut fields = self.0.lock().unwrap();
        let (_, field) = fields.iter_mut().find(|(of, field)| *of == object && field.path == path).unwrap();
        field.picklist_values = values
            .iter()
            .map(|(value, active)| extractor::PicklistValue {
                value: (*value).to_owned(),
                label: value.to_uppercase(),
                active: *active,
            })
            .collect();
    }
}

#[tonic::async_trait]
impl SchemaService for Org {
    async fn describe_object(
        &self,
        request: Request<extractor::DescribeObjectRequest>,
    ) -> Result<Response<extractor::ObjectSchema>, Status> {
        let object = contract::convert::object(request.into_inner().object).unwrap();
        let fields = self.0.lock().unwrap();
        Ok(Response::new(extractor::ObjectSchema {
            object: common::SalesforceObject::from(object).into(),
            fields: fields.iter().filter(|(of, _)| *of == object).map(|(_, field)| field.clone()).collect(),
            ..extractor::ObjectSchema::default()
        }))
    }
}
