//! Mapped records as they travel: cells, batches, and batches cut into parts.

use contract::common::v1 as common;
use contract::event::v1::{
    Cell as WireCell, CellAction, ChunkRef, IdentityState, MappedBatch, MappedRecord, RecordFault, RunMode,
};
use contract::{body, streams, subjects};
use domain::{Object, Value, WorkspaceId};
use mapping::{Cell, FaultCode, LastKnown, Reader};
use messaging::Publication;
use prost::Message;

use crate::rules::Rules;
use crate::source::Stored;

/// Parts are cut before they unpack to more; packed they are far below the limit of a message.
const PART_BYTES: usize = 900 * 1024;
/// A single record that packs to more can't travel.
const RECORD_BYTES: usize = 1_000_000;
/// Full name of [`MappedBatch`].
const MESSAGE_TYPE: &str = "lanesync.event.v1.MappedBatch";

/// What one stored record is for the writer.
#[derive(Debug)]
pub(crate) enum Told {
    /// The record in Lane's terms.
    Record {
        record: MappedRecord,
        /// Whether a picklist value of it is unmapped.
        has_unmapped: bool,
    },
    /// It can't be mapped.
    Fault(RecordFault),
    /// Nothing is mapped for its kind, so there is nothing to say.
    Nothing,
}

/// Says in Lane's terms what the store holds of a record.
pub(crate) fn tell(rules: &Rules, object: Object, reader: &Reader<'_>, stored: &Stored) -> Told {
    let image = &stored.image;
    #[cfg(debug_assertions)]
    crate::fail_point::reach(&image.id);
    let (state, target) = image.identity();
    let mut record = MappedRecord {
        id: image.id.clone(),
        read_seq: image.read_seq,
        revision: stored.revision,
        modified_ms: image.modified_ms,
        state: state.into(),
        target_id: target.to_owned(),
        account_id: image.account_id.clone().unwrap_or_default(),
        cells: Vec::new(),
    };
    if state != IdentityState::Live {
        return Told::Record { record, has_unmapped: false };
    }
    let compiled = rules.compiled(object);
    if compiled.is_empty() {
        return Told::Nothing;
    }
    let mut mapped = reader.map(&image.text);
    if let Some(fault) = mapped.faults.first() {
        // The stored image may be newer than the chunk, and is older than a replay's number.
        let fault = fault_of(&image.id, fault.code, &fault.field);
        return Told::Fault(RecordFault { read_seq: image.read_seq, ..fault });
    }
    stored.carry.complete(compiled, &mut mapped);
    let has_unmapped = mapped.cells.iter().any(|cell| matches!(cell, Cell::Unmapped(_)));
    record.cells = mapped.cells.into_iter().map(cell).collect();
    Told::Record { record, has_unmapped }
}

/// Makes the fault of one record.
pub(crate) fn fault_of(id: &str, code: FaultCode, field: &str) -> RecordFault {
    RecordFault { id: id.to_owned(), code: code.as_str().to_owned(), field: field.to_owned(), read_seq: 0 }
}

fn cell(cell: Cell) -> WireCell {
    let (action, value, last_known_empty) = match cell {
        Cell::Set(value) => (CellAction::Set, Some(wire_value(value)), false),
        Cell::Clear => (CellAction::Clear, None, false),
        Cell::Unmapped(LastKnown::Option(option)) => {
            (CellAction::Unmapped, Some(wire_value(Value::Option(option))), false)
        }
        Cell::Unmapped(LastKnown::Empty) => (CellAction::Unmapped, None, true),
        Cell::Unmapped(LastKnown::Unknown) => (CellAction::Unmapped, None, false),
        Cell::Absent => (CellAction::Absent, None, false),
    };
    WireCell { action: action.into(), value, last_known_empty }
}

/// As the conversion of `contract`, without copying text.
fn wire_value(value: Value) -> common::Value {
    use common::value::Value as Wire;
    match value {
        Value::Text(text) => common::Value { value: Some(Wire::Text(text)) },
        Value::Option(key) => common::Value { value: Some(Wire::Option(key)) },
        other => common::Value::from(&other),
    }
}

/// A mapped chunk before it is cut into parts.
#[derive(Debug)]
pub(crate) struct Chunk {
    pub(crate) chunk_ref: ChunkRef,
    pub(crate) mode: RunMode,
    pub(crate) records: Vec<MappedRecord>,
    pub(crate) faults: Vec<RecordFault>,
}

/// Cuts a chunk into parts and packs them; there is always at least one, even if nothing is in it.
pub(crate) fn publications(
    workspace: WorkspaceId,
    object: Object,
    rules: Option<&Rules>,
    mut chunk: Chunk,
    captured_at: Option<&str>,
) -> std::io::Result<Vec<Publication>> {
    let batch = |records, faults, part| MappedBatch {
        r#ref: Some(chunk.chunk_ref.clone()),
        mode: chunk.mode.into(),
        part,
        parts: 0,
        mapping_version: rules.map_or(0, |rules| rules.version),
        locks: rules.map(|rules| rules.locks.clone()).unwrap_or_default(),
        fields: rules
            .map(|rules| rules.compiled(object).fields().map(|field| field.as_str().to_owned()).collect())
            .unwrap_or_default(),
        records,
        faults,
    };
    let mut faults = std::mem::take(&mut chunk.faults);
    let mut slices: Vec<Vec<MappedRecord>> = vec![Vec::new()];
    let mut bytes = 0;
    for record in std::mem::take(&mut chunk.records) {
        let size = record.encoded_len();
        if size > PART_BYTES && body::pack(&record)?.len() > RECORD_BYTES {
            faults.push(fault_of(&record.id, FaultCode::RecordTooLarge, ""));
            continue;
        }
        if bytes > 0 && bytes + size > PART_BYTES {
            slices.push(Vec::new());
            bytes = 0;
        }
        bytes += size;
        if let Some(slice) = slices.last_mut() {
            slice.push(record);
        }
    }
    let parts = u32::try_from(slices.len()).unwrap_or(u32::MAX);
    let mut publications = Vec::with_capacity(slices.len());
    for (records, part) in slices.into_iter().zip(0..) {
        let mut batch = batch(records, std::mem::take(&mut faults), part);
        batch.parts = parts;
        publications.push(Publication {
            subject: subjects::mapped(workspace, object),
            template: subjects::template::MAPPED,
            stream: streams::MAPPED.name,
            message_type: MESSAGE_TYPE,
            // Deduplication would swallow a publish that is needed: the same chunk may be told anew.
            message_id: None,
            run_id: Some(chunk.chunk_ref.run_id.clone()),
            workspace_id: workspace.to_string(),
            captured_at: captured_at.map(str::to_owned),
            body: body::pack(&batch)?,
            compressed: true,
        });
    }
    Ok(publications)
}
