//! Nothing secret and nothing personal leaves: known values run through connect, sync, failures and a dead letter, then
//! everything that the services said is searched for them.

use std::fmt::Write as _;

use contract::auth::v1::{AuthorizeConnectionRequest, CompleteAuthorizationRequest, GetConnectionRequest};
use contract::common::v1::value::Value as Wire;
use contract::common::v1::{Plan, RecordKind, Value};
use contract::error::Reason;
use contract::extractor::v1::{ListSyncRunsRequest, SyncScope, SyncState};
use contract::mapper::v1::FieldMappingEntry;
use contract::status::v1::GetServiceStatusRequest;
use contract::status::v1::status_service_client::StatusServiceClient;
use contract::writer::v1::{
    Customer, FieldValue, GetCustomerRequest, ListContactsRequest, ListParkedRecordsRequest, ParkedRecord,
    UpdateCustomerRequest,
};
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use stack::{NatsUser, ServiceName};
use tonic::{Response, Status};

use crate::collector::Collector;
use crate::world::{PATIENCE, SMALL, World};

/// What the services log in this test: all that they can say themselves.
const LOG: &str =
    "info,auth=trace,extractor=trace,mapper=trace,customer_writer=trace,messaging=trace,service=trace,contract=trace";

// Stems that no encoding changes: an address or a form escapes the signs between them.
const NAME: &str = "Kanariana";
const SURNAME: &str = "Goldfinchzx81";
const COMPANY: &str = "Voliere-zx81";
const EMAIL: &str = "kanari.zx81";
const PHONE: &str = "4955501234567";
const MISTYPED: &str = "drosselzx81";
/// The replication start date, which no record is older than: a literal of the first query.
const START: &str = "2003-02-01T04:05:06Z";
const START_STEMS: [&str; 2] = ["2003-02-01T04:05:06", "2003-02-01T04%3A05%3A06"];

/// What one channel said, and something that it must have said.
struct Channel {
    name: String,
    text: String,
    control: String,
}

/// Every place where the canaries are.
fn found(canaries: &[(&str, String)], channels: &[Channel]) -> Vec<String> {
    let mut found = Vec::new();
    for channel in channels {
        for (what, canary) in canaries {
            assert!(canary.len() >= 8, "{what} is too short to be told apart");
            if channel.text.contains(canary.as_str()) {
                found.push(format!("{what} in {}", channel.name));
            }
        }
    }
    found
}

/// The errors of the calls that were refused.
#[derive(Default)]
struct Refusals(String);

impl Refusals {
    fn keep<T: std::fmt::Debug>(&mut self, reason: Reason, answer: Result<Response<T>, Status>) {
        let status = answer.expect_err("the call is refused");
        assert_eq!(Reason::of(&status), Some(reason), "{status:?}");
        // The details are protobuf: text stands in them as it is.
        let details = String::from_utf8_lossy(status.details());
        writeln!(self.0, "{} {} {details} {:?}", status.code(), status.message(), status.metadata()).unwrap();
    }
}

fn text(text: &str) -> Option<Value> {
    Some(Value { value: Some(Wire::Text(text.to_owned())) })
}

/// A world with its telemetry, and what is searched for in the end.
struct Aviary {
    world: World,
    collector: Collector,
    secrets: Vec<(&'static str, String)>,
    refusals: Refusals,
}

impl Aviary {
    async fn new() -> Self {
        let collector = Collector::start().await;
        let mut settings = collector.settings();
        settings.extend(ServiceName::ALL.map(|name| (name, "LANESYNC_LOG", LOG)));
        let world = World::new(SMALL, Plan::Business, &settings).await;
        let secret_file = world.simulator.salesforce().client_secret_file.unwrap();
        let secrets = vec![("the client secret", std::fs::read_to_string(secret_file).unwrap().trim().to_owned())];
        Self { world, collector, secrets, refusals: Refusals::default() }
    }

    /// The web flow, played by hand: the code of the callback is a canary, and so are the tokens it brings.
    async fn connect(&mut self) {
        let request = AuthorizeConnectionRequest {
            workspace_id: self.world.workspace.clone(),
            environment: "production".to_owned(),
            start_at: Some(START.parse().unwrap()),
            actor: "test".to_owned(),
            confirm_org_switch: false,
        };
        let mut connections = self.world.lane.connections();
        let flow = connections.authorize_connection(request).await.unwrap().into_inner();
        let browser = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none());
        let mut consent: url::Url = flow.authorize_url.parse().unwrap();
        consent.query_pairs_mut().append_pair("sim_auto", "allow");
        let answer = browser.build().unwrap().get(consent).send().await.unwrap();
        let callback: url::Url = answer.headers()["location"].to_str().unwrap().parse().unwrap();
        let part = |name: &str| {
            let found = callback.query_pairs().find(|(key, _)| key == name);
            found.map(|(_, value)| value.into_owned()).unwrap_or_default()
        };
        let code = part("code");
        self.secrets.push(("the authorization code", code.trim_end_matches('=').to_owned()));
        let complete = CompleteAuthorizationRequest { state: part("state"), code, ..Default::default() };
        connections.complete_authorization(complete.clone()).await.unwrap();
        self.note_tokens().await;
        // A second use of the callback, and one that nobody began.
        self.refusals.keep(Reason::OauthStateInvalid, connections.complete_authorization(complete.clone()).await);
        let foreign = CompleteAuthorizationRequest { state: "x".repeat(43), ..complete };
        self.refusals.keep(Reason::OauthStateInvalid, connections.complete_authorization(foreign).await);
    }

    /// What is good now is searched for later, also once it is not good any more.
    async fn note_tokens(&mut self) {
        let tokens = self.world.order("tokens", json!({})).await;
        for (kind, what) in [("access", "an access token"), ("refresh", "a refresh token")] {
            let live = tokens[kind].as_array().unwrap();
            assert!(!live.is_empty(), "{what} is in use");
            for token in live {
                // From its middle: the beginning is the org's id, and signs may be escaped.
                let token = token.as_str().unwrap();
                let stem = token.rsplit(['.', '!']).next().unwrap();
                self.secrets.push((what, stem.to_owned()));
            }
        }
    }

    /// Puts a person and a company into the org.
    async fn hatch(&self) -> (String, String) {
        let (account, contact) =
            (self.world.ids("Account", 1).await.remove(0), self.world.ids("Contact", 1).await.remove(0));
        let phone = format!("+{PHONE}");
        self.world.order("update", json!({ "id": account, "fields": { "Name": COMPANY, "Phone": phone } })).await;
        let person = json!({
            "FirstName": NAME, "LastName": SURNAME, "Email": format!("{EMAIL}@canary.example"), "Phone": phone,
        });
        self.world.order("update", json!({ "id": contact, "fields": person })).await;
        (account, contact)
    }

    async fn customer(&self, salesforce_id: &str) -> Customer {
        let request = GetCustomerRequest {
            workspace_id: self.world.workspace.clone(),
            salesforce_id: salesforce_id.to_owned(),
            ..Default::default()
        };
        self.world.lane.customers().get_customer(request).await.unwrap().into_inner()
    }

    /// Edits that are refused, with personal data in them.
    async fn refused_edits(&mut self, account: &str) {
        let customer = self.customer(account).await;
        let edit = |field: &str, value: &str| UpdateCustomerRequest {
            workspace_id: self.world.workspace.clone(),
            id: customer.id.clone(),
            fields: vec![FieldValue { field: field.to_owned(), value: text(value), ..Default::default() }],
            update_mask: Some(prost_types::FieldMask { paths: vec![field.to_owned()] }),
            ..Default::default()
        };
        let mut customers = self.world.lane.customers();
        let locked = customers.update_customer(edit("name", SURNAME)).await;
        self.refusals.keep(Reason::FieldLocked, locked);
        let wrong_type = customers.update_customer(edit("employee_count", EMAIL)).await.unwrap_err();
        let reason = Reason::of(&wrong_type).unwrap();
        self.refusals.keep(reason, Err::<Response<()>, _>(wrong_type));
    }

    /// Salesforce fails and repeats what it knows; a record has a value of the wrong type; a message can't be read.
    async fn failures(&self, account: &str) {
        let world = &self.world;
        let told = format!("{NAME} {SURNAME} <{EMAIL}@canary.example> +{PHONE}");
        for (code, status) in [("UNKNOWN_EXCEPTION", 500), (SURNAME, 500)] {
            let fault = json!({ "kind": "error", "status": status, "code": code, "message": told });
            world.order("fault", json!({ "rule": { "endpoints": ["query"], "times": 1, "fault": fault } })).await;
        }
        world.order("mistype", json!({ "id": account, "field": "NumberOfEmployees", "text": MISTYPED })).await;
        world.order("update", json!({ "id": account, "fields": { "Site": "Main" } })).await;
        world.sync(SyncScope::Changes).await;
        let left = world.order("faults", json!({})).await;
        assert_eq!(left, json!([]), "every fault has struck");
        let parked = self.parked().await;
        assert_eq!(parked.len(), 1, "{parked:?}");
        assert_eq!((parked[0].id.as_str(), parked[0].code.as_str()), (account, "type_mismatch"));

        for (user, subject) in [(NatsUser::Extractor, "raw"), (NatsUser::Mapper, "mapped")] {
            let subject = format!("lanesync.v1.{subject}.{}.account", world.workspace);
            let stream = async_nats::jetstream::new(world.nats(user).await);
            stream.publish(subject, told.clone().into()).await.unwrap().await.unwrap();
        }
        let observer = async_nats::jetstream::new(world.nats(NatsUser::Observer).await);
        testkit::eventually_true(PATIENCE, "both messages are dead letters", || async {
            observer.get_stream("LANESYNC_DLQ").await.unwrap().cached_info().state.messages == 2
        })
        .await;
    }

    /// The grant ends, and Salesforce says why in words of its own.
    async fn revocation(&self) {
        let world = &self.world;
        let fault = json!({ "kind": "invalid_grant", "description": format!("revoked by {EMAIL}@canary.example") });
        world.order("fault", json!({ "rule": { "endpoints": ["token"], "fault": fault } })).await;
        world.order("expire_sessions", json!({})).await;
        let started = world.lane.start(&world.workspace, SyncScope::Everything).await;
        assert!(started.is_ok(), "{started:?}");
        testkit::eventually_true(PATIENCE, "the grant is seen to be gone", || async {
            world.lane.status(&world.workspace).await.is_ok_and(|status| status.state() == SyncState::AuthRevoked)
        })
        .await;
    }

    async fn parked(&self) -> Vec<ParkedRecord> {
        let request = ListParkedRecordsRequest {
            workspace_id: self.world.workspace.clone(),
            page_size: 100,
            ..Default::default()
        };
        self.world.lane.parked().list_parked_records(request).await.unwrap().into_inner().records
    }

    /// Everything that the services told of their state.
    async fn status(&self) -> String {
        let (lane, workspace_id) = (&self.world.lane, self.world.workspace.clone());
        let mut said = format!("{:?}", lane.status(&workspace_id).await.unwrap());
        let runs =
            ListSyncRunsRequest { workspace_id: workspace_id.clone(), page_size: 100, page_token: String::new() };
        write!(said, "{:?}", lane.syncs().list_sync_runs(runs).await.unwrap().into_inner()).unwrap();
        let connection = GetConnectionRequest { workspace_id };
        write!(said, "{:?}", lane.connections().get_connection(connection).await.unwrap().into_inner()).unwrap();
        // The console has no gRPC API of its own.
        for name in ServiceName::ALL.into_iter().filter(|name| *name != ServiceName::Console) {
            let mut board = StatusServiceClient::connect(self.world.stack.grpc_url(name)).await.unwrap();
            let answer = board.get_service_status(GetServiceStatusRequest {}).await.unwrap();
            write!(said, "{:?}", answer.into_inner()).unwrap();
        }
        said
    }

    /// The parked rows with every column, also those that no API shows.
    async fn parked_rows(&self) -> String {
        let url = std::fs::read_to_string(self.world.stack.database_url_file()).unwrap();
        let mut admin = PgConnection::connect(&url).await.unwrap();
        let rows: Vec<String> =
            sqlx::query_scalar("select to_jsonb(p)::text from customers.parked p").fetch_all(&mut admin).await.unwrap();
        rows.join("\n")
    }

    /// All channels with what each must have said.
    async fn channels(&self, account: &str) -> Vec<Channel> {
        let mut channels = Vec::new();
        let channel = |name: &str, text: String, control: &str| Channel {
            name: name.to_owned(),
            text,
            control: control.to_owned(),
        };
        for entry in std::fs::read_dir(self.world.stack.folder()).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "log") {
                let text = String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned();
                let service = ServiceName::ALL.into_iter().find(|name| self.world.stack.service(*name).log() == path);
                let control = service.map_or("", ServiceName::program);
                channels.push(channel(&path.display().to_string(), text, control));
            }
        }
        assert!(channels.len() >= ServiceName::ALL.len());
        for name in ServiceName::ALL {
            let address = self.world.stack.service(name).addresses().metrics;
            let client = reqwest::Client::builder().no_proxy().build().unwrap();
            let page = client.get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
            channels.push(channel(&format!("the metrics of {}", name.program()), page, name.program()));
        }
        channels.push(channel("the spans", self.collector.text(), &self.world.workspace));
        channels.push(channel("the error details", self.refusals.0.clone(), "Account.Name"));
        // Their name is the customer's, taken from where customers lie for whoever may read those.
        let parked: Vec<_> =
            self.parked().await.into_iter().map(|record| ParkedRecord { name: String::new(), ..record }).collect();
        channels.push(channel("the parked records", format!("{parked:?}"), account));
        channels.push(channel("the parked rows", self.parked_rows().await, account));
        channels.push(channel("the status answers", self.status().await, &self.world.workspace));
        channels
    }

    /// The canaries did fly: Salesforce was asked with the literal, and Lane holds the person.
    async fn assert_they_were_there(&self, account: &str) {
        assert_eq!(
            self.customer(account).await.fields.iter().find(|field| field.field == "name").unwrap().value,
            text(COMPANY)
        );
        let request =
            ListContactsRequest { workspace_id: self.world.workspace.clone(), page_size: 1_000, ..Default::default() };
        let contacts = self.world.lane.customers().list_contacts(request).await.unwrap().into_inner();
        let held = format!("{contacts:?}");
        for canary in [NAME, SURNAME, EMAIL, PHONE] {
            assert!(held.contains(canary), "Lane holds {canary}");
        }
        let asked = self.world.order("requests", json!({})).await.to_string();
        assert!(asked.contains(START_STEMS[0]), "Salesforce was asked with the literal");
    }
}

#[tokio::test]
async fn no_secret_and_no_personal_value_is_told_anywhere() {
    let mut aviary = Aviary::new().await;
    aviary.connect().await;
    aviary.world.lane.adopt_suggestions(&aviary.world.workspace).await.unwrap();
    aviary.world.lane.match_same_names(&aviary.world.workspace).await.unwrap();
    let (account, _) = aviary.hatch().await;
    aviary.world.sync(SyncScope::Changes).await;
    aviary.assert_they_were_there(&account).await;
    aviary.refused_edits(&account).await;
    let entry = FieldMappingEntry {
        lane_field: "name".to_owned(),
        salesforce_field: format!("{SURNAME}__c"),
        ..Default::default()
    };
    let refused = aviary.world.lane.map_fields(&aviary.world.workspace, RecordKind::Account, vec![entry]).await;
    assert!(refused.is_err(), "a mapping that does not hold is refused");
    aviary.failures(&account).await;
    aviary.note_tokens().await;
    aviary.revocation().await;

    let mut canaries = std::mem::take(&mut aviary.secrets);
    for (what, value) in [
        ("a first name", NAME),
        ("a surname", SURNAME),
        ("a company", COMPANY),
        ("an e-mail address", EMAIL),
        ("a phone number", PHONE),
        ("a value of the wrong type", MISTYPED),
    ] {
        canaries.push((what, value.to_owned()));
    }
    canaries.extend(START_STEMS.map(|stem| ("a literal of a query", stem.to_owned())));
    let channels = testkit::eventually(PATIENCE, "every channel has spoken", || async {
        let channels = aviary.channels(&account).await;
        channels.iter().all(|channel| channel.text.contains(&channel.control)).then_some(channels)
    })
    .await;
    assert_eq!(found(&canaries, &channels), Vec::<String>::new());

    // The search would find one: in each channel it finds what that channel did say.
    for channel in &channels {
        if channel.control.len() >= 8 {
            let control = [("the control", channel.control.clone())];
            assert_eq!(found(&control, std::slice::from_ref(channel)).len(), 1, "{}", channel.name);
        }
    }
}
