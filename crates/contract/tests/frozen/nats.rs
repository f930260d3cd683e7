//! What waits in the streams: bodies of the last release as they lie there, read by the code of the services.

use contract::body;
use contract::common::v1::{Money, RecordKind, SalesforceObject, Value, value};
use contract::event::v1::command::Command as Wish;
use contract::event::v1::*;
use contract::{headers, subjects};
use domain::Object;
use prost::Message;

const WORKSPACE: &str = "01930c5e-7d6b-7c3a-8b1e-2f6a9c4d5e01";
const RUN: &str = "01930c5e-7d6b-7c3a-8b1e-2f6a9c4d5e02";
const ID: &str = "0018d00000AbCdEAAV";

fn chunk() -> ChunkRef {
    ChunkRef {
        workspace_id: WORKSPACE.to_owned(),
        run_id: RUN.to_owned(),
        object: SalesforceObject::Account.into(),
        page: 3,
        chunk: 1,
        epoch: 2,
        read_seq: 4711,
    }
}

fn fault() -> RecordFault {
    RecordFault {
        id: ID.to_owned(),
        code: "number_out_of_range".to_owned(),
        field: "AnnualRevenue".to_owned(),
        read_seq: 4700,
    }
}

fn raw_batch() -> RawBatch {
    RawBatch {
        r#ref: Some(chunk()),
        mode: RunMode::Incremental.into(),
        field_list_version: 5,
        fields: vec!["Name".to_owned(), "Owner.Name".to_owned()],
        read_at: Some(prost_types::Timestamp { seconds: 1_790_000_000, nanos: 5_000_000 }),
        default_currency: "EUR".to_owned(),
        records: vec![
            RawRecord {
                id: ID.to_owned(),
                modified_ms: 1_789_999_999_000,
                state: SourceState::Live.into(),
                image: r#"{"Name":"Acme","Owner.Name":null}"#.to_owned(),
                ..RawRecord::default()
            },
            RawRecord { id: ID.to_owned(), state: SourceState::NotVisible.into(), ..RawRecord::default() },
        ],
        faults: vec![fault()],
    }
}

fn mapped_batch() -> MappedBatch {
    let cell = |action: CellAction, value| Cell { action: action.into(), value, ..Cell::default() };
    let text = Value { value: Some(value::Value::Text("Acme".to_owned())) };
    let money = Money { amount: "120000.50".to_owned(), currency_code: "EUR".to_owned() };
    MappedBatch {
        r#ref: Some(chunk()),
        mode: RunMode::Replay.into(),
        part: 1,
        parts: 2,
        mapping_version: 9,
        locks: vec![LockedField {
            kind: RecordKind::Account.into(),
            field: "arr".to_owned(),
            source: "Account.AnnualRevenue".to_owned(),
        }],
        fields: ["name", "arr", "tier", "status", "website"].map(str::to_owned).to_vec(),
        records: vec![MappedRecord {
            id: ID.to_owned(),
            read_seq: 4711,
            revision: 1,
            modified_ms: 1_789_999_999_000,
            state: IdentityState::Live.into(),
            cells: vec![
                cell(CellAction::Set, Some(text)),
                cell(CellAction::Set, Some(Value { value: Some(value::Value::Money(money)) })),
                cell(CellAction::Unmapped, None),
                cell(CellAction::Clear, None),
                cell(CellAction::Absent, None),
            ],
            ..MappedRecord::default()
        }],
        faults: vec![fault()],
    }
}

fn unmapped_value() -> UnmappedValue {
    UnmappedValue {
        workspace_id: WORKSPACE.to_owned(),
        kind: RecordKind::Contact.into(),
        field: "tier".to_owned(),
        change: UnmappedChange::Resized.into(),
        unmapped_value_id: RUN.to_owned(),
        record_count: 12,
    }
}

fn run_event() -> RunEvent {
    RunEvent {
        workspace_id: WORKSPACE.to_owned(),
        run_id: RUN.to_owned(),
        phase: "failed".to_owned(),
        reason: "quota_exhausted".to_owned(),
    }
}

fn command(wish: Wish) -> Command {
    Command { workspace_id: WORKSPACE.to_owned(), command: Some(wish) }
}

fn read_fields() -> Command {
    command(Wish::ReadFields(ReadFieldsCommand { object: SalesforceObject::Lead.into() }))
}

fn refetch() -> Command {
    command(Wish::Refetch(RefetchCommand { object: SalesforceObject::Contact.into(), ids: vec![ID.to_owned()] }))
}

fn customer_changed() -> CustomerChanged {
    CustomerChanged {
        workspace_id: WORKSPACE.to_owned(),
        sequence: 77,
        customer_id: RUN.to_owned(),
        fields: vec!["arr".to_owned()],
        continued_by: WORKSPACE.to_owned(),
    }
}

fn frozen(name: &str) -> Vec<u8> {
    std::fs::read(super::folder().join("nats").join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn plain<M: Message + Default>(name: &str) -> M {
    M::decode(frozen(name).as_slice()).unwrap()
}

pub(super) fn freeze() {
    let folder = super::folder().join("nats");
    std::fs::create_dir_all(&folder).unwrap();
    let keep = |name: &str, bytes: Vec<u8>| std::fs::write(folder.join(name), bytes).unwrap();
    keep("RawBatch.zst", body::pack(&raw_batch()).unwrap());
    keep("MappedBatch.zst", body::pack(&mapped_batch()).unwrap());
    keep("UnmappedValue.bin", unmapped_value().encode_to_vec());
    keep("RunEvent.bin", run_event().encode_to_vec());
    keep("Command.ReadFields.bin", read_fields().encode_to_vec());
    keep("Command.Refetch.bin", refetch().encode_to_vec());
    keep("CustomerChanged.bin", customer_changed().encode_to_vec());
}

#[test]
fn bodies_that_the_last_release_left_in_the_streams_mean_the_same() {
    assert_eq!(body::unpack::<RawBatch>(&frozen("RawBatch.zst")).unwrap(), raw_batch());
    assert_eq!(body::unpack::<MappedBatch>(&frozen("MappedBatch.zst")).unwrap(), mapped_batch());
    assert_eq!(plain::<UnmappedValue>("UnmappedValue.bin"), unmapped_value());
    assert_eq!(plain::<RunEvent>("RunEvent.bin"), run_event());
    assert_eq!(plain::<Command>("Command.ReadFields.bin"), read_fields());
    assert_eq!(plain::<Command>("Command.Refetch.bin"), refetch());
    assert_eq!(plain::<CustomerChanged>("CustomerChanged.bin"), customer_changed());
}

#[test]
fn messages_lie_where_the_last_release_looks_and_say_what_they_are_as_it_did() {
    let workspace = WORKSPACE.parse().unwrap();
    assert_eq!(subjects::raw(workspace, Object::Account), format!("lanesync.v1.raw.{WORKSPACE}.account"));
    assert_eq!(subjects::mapped(workspace, Object::Lead), format!("lanesync.v1.mapped.{WORKSPACE}.lead"));
    assert_eq!(subjects::unmapped(workspace, Object::Contact), format!("lanesync.v1.unmapped.{WORKSPACE}.contact"));
    assert_eq!(subjects::run(workspace), format!("lanesync.v1.run.{WORKSPACE}"));
    assert_eq!(subjects::customer(workspace), format!("lanesync.v1.customer.{WORKSPACE}"));
    assert_eq!(subjects::command(workspace), format!("lanesync.v1.cmd.{WORKSPACE}"));
    let names = [headers::MESSAGE_TYPE, headers::SCHEMA, headers::RUN_ID, headers::WORKSPACE, headers::CAPTURED_AT];
    let then = ["Message-Type", "Schema", "Run-Id", "Workspace", "Captured-At"].map(|name| format!("Lanesync-{name}"));
    assert_eq!(names.as_slice(), then.as_slice());
    assert_eq!(headers::SCHEMA_VERSION, 1, "the last release reads none above: let a release read the next one first");
}
