//! What this release writes: where examples are kept, and one of each body that waits in the streams.

use std::path::PathBuf;

use contract::common::v1::{Money, RecordKind, SalesforceObject, Value, value};
use contract::event::v1::command::Command as Wish;
use contract::event::v1::*;
use prost_reflect::{DescriptorPool, MessageDescriptor};

pub(crate) const WORKSPACE: &str = "01930c5e-7d6b-7c3a-8b1e-2f6a9c4d5e01";
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

pub(crate) fn raw_batch() -> RawBatch {
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

pub(crate) fn mapped_batch() -> MappedBatch {
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

pub(crate) fn unmapped_value() -> UnmappedValue {
    UnmappedValue {
        workspace_id: WORKSPACE.to_owned(),
        kind: RecordKind::Contact.into(),
        field: "tier".to_owned(),
        change: UnmappedChange::Resized.into(),
        unmapped_value_id: RUN.to_owned(),
        record_count: 12,
    }
}

pub(crate) fn run_event() -> RunEvent {
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

pub(crate) fn read_fields() -> Command {
    command(Wish::ReadFields(ReadFieldsCommand { object: SalesforceObject::Lead.into() }))
}

pub(crate) fn refetch() -> Command {
    command(Wish::Refetch(RefetchCommand { object: SalesforceObject::Contact.into(), ids: vec![ID.to_owned()] }))
}

pub(crate) fn customer_changed() -> CustomerChanged {
    CustomerChanged {
        workspace_id: WORKSPACE.to_owned(),
        sequence: 77,
        customer_id: RUN.to_owned(),
        fields: vec!["arr".to_owned()],
        continued_by: WORKSPACE.to_owned(),
    }
}

pub(crate) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("frozen")
}

pub(crate) fn file_of(message: &str) -> PathBuf {
    folder().join("messages").join(format!("{message}.bin"))
}

/// The contracts as they are compiled into the services.
pub(crate) fn contracts() -> DescriptorPool {
    DescriptorPool::decode(contract::DESCRIPTORS).unwrap()
}

pub(crate) fn ours(pool: &DescriptorPool) -> impl Iterator<Item = MessageDescriptor> {
    pool.all_messages().filter(|message| message.package_name().starts_with("lanesync.") && !message.is_map_entry())
}
