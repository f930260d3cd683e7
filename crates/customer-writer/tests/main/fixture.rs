//! A writer with a database of its own, and batches as the mapper makes them.

use contract::admin::v1::SetWorkspaceStateRequest;
use contract::admin::v1::workspace_state_service_server::WorkspaceStateService;
use contract::common::v1::{Money, Plan, RecordKind, SalesforceObject, Value, value};
use contract::event::v1::{
    Cell, CellAction, ChunkRef, IdentityState, LockedField, MappedBatch, MappedRecord, RecordFault, RunMode,
};
use contract::writer::v1::apply_service_server::ApplyService;
use contract::writer::v1::customer_service_server::CustomerService;
use contract::writer::v1::{
    Contact, Customer, FieldRule, FieldValue, GetContactRequest, GetCustomerRequest, SetMappingRequest,
};
use customer_writer::Writer;
use domain::{RunId, SalesforceId, WorkspaceId};
use messaging::Outcome;
use sqlx::PgPool;
use testkit::{Role, TestDatabase};
use tonic::{Request, Status};

/// The salesforce paths behind the fields that tests map.
const SOURCES: &[(RecordKind, &str, &str)] = &[
    (RecordKind::Account, "name", "Account.Name"),
    (RecordKind::Account, "website", "Account.Website"),
    (RecordKind::Account, "arr", "Account.AnnualRevenue"),
    (RecordKind::Account, "tier", "Account.Tier__c"),
    (RecordKind::Contact, "name", "Contact.Name"),
    (RecordKind::Contact, "email", "Contact.Email"),
];

pub(crate) struct House {
    /// Kept, because it goes with this value.
    _database: TestDatabase,
    pub(crate) pool: PgPool,
    pub(crate) admin: PgPool,
    pub(crate) writer: Writer,
    pub(crate) workspace: WorkspaceId,
}

impl House {
    /// A connected workspace in epoch 1.
    pub(crate) async fn new() -> Self {
        let database = testkit::database().await;
        let pool = database.pool(Role::Writer).await;
        let admin = database.admin_pool().await;
        let writer = Writer::new(pool.clone());
        let house = Self { _database: database, pool, admin, writer, workspace: WorkspaceId::generate() };
        house.tell(1, 1, true, false).await;
        house
    }

    /// Tells the state of the workspace as auth does.
    pub(crate) async fn tell(&self, revision: i64, epoch: i64, connected: bool, purge: bool) {
        self.tell_of(self.workspace, revision, epoch, connected, purge).await;
    }

    pub(crate) async fn tell_of(
        &self,
        workspace: WorkspaceId,
        revision: i64,
        epoch: i64,
        connected: bool,
        purge: bool,
    ) {
        let request = SetWorkspaceStateRequest {
            workspace_id: workspace.to_string(),
            revision,
            epoch,
            plan: Plan::Business.into(),
            connected,
            org_id: "00D000000000062EAA".to_owned(),
            instance_url: "https://acme.my.salesforce.com".to_owned(),
            start_at: None,
            purge,
        };
        self.writer.workspace_state_service().set_workspace_state(Request::new(request)).await.unwrap();
    }

    pub(crate) async fn set_mapping(&self, version: i64, fields: &[&str], rules: Vec<FieldRule>) -> i64 {
        let request = SetMappingRequest {
            workspace_id: self.workspace.to_string(),
            epoch: 1,
            mapping_version: version,
            locks: locks(fields),
            rules,
        };
        let answer = self.writer.apply_service().set_mapping(Request::new(request)).await.unwrap();
        answer.into_inner().mapping_version
    }

    /// Applies one batch.
    pub(crate) async fn apply(&self, batch: Batch) -> Outcome {
        self.writer.apply(vec![batch.build()]).await[0]
    }

    /// Applies one batch that must succeed.
    pub(crate) async fn applied(&self, batch: Batch) {
        assert_eq!(self.apply(batch).await, Outcome::Done);
    }

    pub(crate) fn batch(&self, object: SalesforceObject, read_seq: i64) -> Batch {
        Batch::new(self.workspace, object, read_seq)
    }

    pub(crate) async fn customer(&self, key: &str) -> Result<Customer, Status> {
        let request = GetCustomerRequest {
            workspace_id: self.workspace.to_string(),
            id: String::new(),
            salesforce_id: key.to_owned(),
        };
        self.writer.customer_service().get_customer(Request::new(request)).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn customer_by_id(&self, id: &str) -> Result<Customer, Status> {
        let request = GetCustomerRequest {
            workspace_id: self.workspace.to_string(),
            id: id.to_owned(),
            salesforce_id: String::new(),
        };
        self.writer.customer_service().get_customer(Request::new(request)).await.map(tonic::Response::into_inner)
    }

    pub(crate) async fn contact(&self, key: &str) -> Result<Contact, Status> {
        let request = GetContactRequest {
            workspace_id: self.workspace.to_string(),
            id: String::new(),
            salesforce_id: key.to_owned(),
        };
        self.writer.customer_service().get_contact(Request::new(request)).await.map(tonic::Response::into_inner)
    }

    /// Everything that must not depend on the order of delivery, as text.
    pub(crate) async fn digest(&self) -> Vec<String> {
        let mut digest = Vec::new();
        for table in ["customer", "contact"] {
            let statement = format!(
                "select (to_jsonb(c) - array['own_id', 'lane_id', 'workspace_id', 'created_at', 'updated_at', 'archived_at',
                         'hidden_at', 'etag', 'touched', 'row_hash', 'set_mask', 'sync_run_id']
                         || jsonb_build_object(
                                'archived', c.archived_at is not null, 'hidden', c.hidden_at is not null,
                                'group', (select min(g.key) from customers.{table} g where g.lane_id = c.lane_id)))::text
                   from customers.{table} c where c.workspace_id = $1 order by c.key"
            );
            let rows: Vec<String> = sqlx::query_scalar(sqlx::AssertSqlSafe(statement))
                .bind(self.workspace.0)
                .fetch_all(&self.admin)
                .await
                .unwrap();
            digest.extend(rows);
        }
        digest
    }
}

pub(crate) fn locks(fields: &[&str]) -> Vec<LockedField> {
    SOURCES
        .iter()
        .filter(|(_, field, _)| fields.contains(field))
        .map(|(kind, field, source)| LockedField {
            kind: (*kind).into(),
            field: (*field).to_owned(),
            source: (*source).to_owned(),
        })
        .collect()
}

fn id(prefix: &str, number: u32) -> String {
    format!("{prefix}Kd0000{number:06}").parse::<SalesforceId>().unwrap().as_str().to_owned()
}

pub(crate) fn account(number: u32) -> String {
    id("001", number)
}

pub(crate) fn contact(number: u32) -> String {
    id("003", number)
}

pub(crate) fn lead(number: u32) -> String {
    id("00Q", number)
}

fn cell(action: CellAction, value: Option<value::Value>) -> Cell {
    Cell { action: action.into(), value: value.map(|value| Value { value: Some(value) }), last_known_empty: false }
}

pub(crate) fn text(text: &str) -> Cell {
    cell(CellAction::Set, Some(value::Value::Text(text.to_owned())))
}

pub(crate) fn option(key: &str) -> Cell {
    cell(CellAction::Set, Some(value::Value::Option(key.to_owned())))
}

pub(crate) fn euros(amount: &str) -> Cell {
    let money = Money { amount: amount.to_owned(), currency_code: "EUR".to_owned() };
    cell(CellAction::Set, Some(value::Value::Money(money)))
}

pub(crate) fn clear() -> Cell {
    cell(CellAction::Clear, None)
}

pub(crate) fn absent() -> Cell {
    cell(CellAction::Absent, None)
}

pub(crate) fn unmapped(known: Option<&str>) -> Cell {
    cell(CellAction::Unmapped, known.map(|key| value::Value::Option(key.to_owned())))
}

/// A value without mapping, after the field was empty.
pub(crate) fn unmapped_after_empty() -> Cell {
    Cell { last_known_empty: true, ..unmapped(None) }
}

/// Makes a mapped batch. Fields are those of accounts or of people, mapped under version 1 unless said otherwise.
#[derive(Clone, Debug)]
pub(crate) struct Batch(MappedBatch);

impl Batch {
    pub(crate) fn new(workspace: WorkspaceId, object: SalesforceObject, read_seq: i64) -> Self {
        let fields: &[&str] =
            if object == SalesforceObject::Account { &["name", "arr", "tier"] } else { &["name", "email"] };
        Self(MappedBatch {
            r#ref: Some(ChunkRef {
                workspace_id: workspace.to_string(),
                run_id: RunId::generate().to_string(),
                object: object.into(),
                page: 0,
                chunk: 0,
                epoch: 1,
                read_seq,
            }),
            mode: RunMode::Incremental.into(),
            part: 0,
            parts: 1,
            mapping_version: 1,
            locks: locks(&["name", "arr", "tier", "email"]),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
            records: Vec::new(),
            faults: Vec::new(),
        })
    }

    pub(crate) fn reference(mut self, change: impl FnOnce(&mut ChunkRef)) -> Self {
        change(self.0.r#ref.as_mut().unwrap());
        self
    }

    pub(crate) fn change(mut self, change: impl FnOnce(&mut MappedBatch)) -> Self {
        change(&mut self.0);
        self
    }

    pub(crate) fn epoch(self, epoch: i64) -> Self {
        self.reference(|reference| reference.epoch = epoch)
    }

    pub(crate) fn mapping(mut self, version: i64, locked: &[&str]) -> Self {
        self.0.mapping_version = version;
        self.0.locks = locks(locked);
        self
    }

    pub(crate) fn fields(mut self, fields: &[&str]) -> Self {
        self.0.fields = fields.iter().map(|field| (*field).to_owned()).collect();
        self
    }

    pub(crate) fn record(mut self, record: MappedRecord) -> Self {
        self.0.records.push(record);
        self
    }

    fn read_seq(&self) -> i64 {
        self.0.r#ref.as_ref().unwrap().read_seq
    }

    pub(crate) fn live(self, key: &str, cells: &[Cell]) -> Self {
        self.live_at(key, "", cells)
    }

    pub(crate) fn live_at(self, key: &str, account: &str, cells: &[Cell]) -> Self {
        let read_seq = self.read_seq();
        self.record(MappedRecord {
            id: key.to_owned(),
            read_seq,
            revision: 0,
            modified_ms: 1_700_000_000_000 + read_seq,
            state: IdentityState::Live.into(),
            target_id: String::new(),
            account_id: account.to_owned(),
            cells: cells.to_vec(),
        })
    }

    pub(crate) fn gone(self, key: &str, state: IdentityState, target: &str) -> Self {
        let read_seq = self.read_seq();
        self.record(MappedRecord {
            id: key.to_owned(),
            read_seq,
            revision: 0,
            modified_ms: 1_700_000_000_000 + read_seq,
            state: state.into(),
            target_id: target.to_owned(),
            account_id: String::new(),
            cells: Vec::new(),
        })
    }

    pub(crate) fn fault(mut self, key: &str, code: &str) -> Self {
        self.0.faults.push(RecordFault {
            id: key.to_owned(),
            code: code.to_owned(),
            field: "Name".to_owned(),
            read_seq: 0,
        });
        self
    }

    pub(crate) fn build(self) -> MappedBatch {
        self.0
    }
}

/// An account with a name, 10 EUR and a tier.
pub(crate) fn cells(name: &str) -> Vec<Cell> {
    vec![text(name), euros("10"), option("smb")]
}

/// A person with a name and an address.
pub(crate) fn person(name: &str) -> Vec<Cell> {
    vec![text(name), text("someone@example.com")]
}

/// Returns a field of a row as text; empty when it is empty.
pub(crate) fn shown(fields: &[FieldValue], field: &str) -> String {
    let found = fields.iter().find(|one| one.field == field).unwrap();
    match found.value.as_ref().and_then(|value| value.value.clone()) {
        None => String::new(),
        Some(
            value::Value::Text(text)
            | value::Value::Option(text)
            | value::Value::Number(text)
            | value::Value::Date(text),
        ) => text,
        Some(value::Value::Money(money)) => format!("{} {}", money.amount, money.currency_code),
        Some(value::Value::Boolean(boolean)) => boolean.to_string(),
    }
}

pub(crate) fn value(field: &str, value: value::Value) -> FieldValue {
    FieldValue {
        field: field.to_owned(),
        value: Some(Value { value: Some(value) }),
        locked_by: String::new(),
        unmapped: false,
    }
}

pub(crate) fn text_value(field: &str, text: &str) -> FieldValue {
    value(field, value::Value::Text(text.to_owned()))
}
