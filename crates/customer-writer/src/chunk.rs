//! A mapped batch as it came in: one part of one chunk.

use contract::convert;
use contract::event::v1::{MappedBatch, RecordFault, RunMode};
use domain::{FieldId, Kind, Object, RunId, WorkspaceId};
use serde::{Deserialize, Serialize};

use crate::column::Column;
use crate::record::{self, Fault, Record};

/// A Lane field that a mapping feeds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub(crate) struct Lock {
    /// The kind that has the field.
    pub(crate) kind: Kind,
    /// The field.
    pub(crate) field: FieldId,
    /// Salesforce path that feeds it, with its object.
    pub(crate) source: String,
}

/// One part of one chunk, read and checked.
#[derive(Clone, Debug)]
pub(crate) struct Chunk {
    pub(crate) workspace: WorkspaceId,
    pub(crate) run: RunId,
    pub(crate) object: Object,
    pub(crate) page: i64,
    pub(crate) chunk: i64,
    pub(crate) epoch: i64,
    pub(crate) read_seq: i64,
    pub(crate) part: i64,
    pub(crate) parts: i64,
    pub(crate) mapping_version: i64,
    pub(crate) mode: RunMode,
    pub(crate) locks: Vec<Lock>,
    pub(crate) records: Vec<Record>,
    pub(crate) faults: Vec<Fault>,
    /// Trace of the page, in lower-case hex, when it is sampled.
    pub(crate) trace_id: Option<String>,
}

impl Chunk {
    /// Names the chunk among all chunks of the workspace.
    pub(crate) fn name(&self) -> String {
        let Self { run, object, page, chunk, read_seq, part, .. } = self;
        format!("{run}/{object}/{page}/{chunk}/{read_seq}/{part}")
    }

    /// Names the place of the chunk in its run, the same for each attempt to read it.
    pub(crate) fn place(&self) -> String {
        let Self { run, page, chunk, .. } = self;
        format!("{run}/{page}/{chunk}")
    }
}

/// The batch does not say which chunk it is, or not in a way that we know: nothing of it can be counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum UnreadableBatch {
    /// It has no reference.
    #[error("the batch does not say which chunk it is")]
    NoReference,
    /// A field does not hold.
    #[error("reading the batch")]
    Field(#[from] convert::InvalidField),
    /// A lock names no field.
    #[error("a lock names no Lane field")]
    Lock(#[from] domain::catalogue::InvalidFieldId),
    /// The workspace in the subject is another one than in the body.
    #[error("subject and body name different workspaces")]
    WrongWorkspace,
}

/// Reads a batch. A record that can't be read becomes a fault; its neighbours stay.
pub(crate) fn read(batch: MappedBatch, trace_id: Option<String>) -> Result<Chunk, UnreadableBatch> {
    let reference = batch.r#ref.ok_or(UnreadableBatch::NoReference)?;
    let object = convert::object(reference.object)?;
    let places: Vec<_> = batch
        .fields
        .into_iter()
        .map(|field| {
            let column = Column::of(object.kind(), &field);
            (field, column)
        })
        .collect();

    let mut records = Vec::with_capacity(batch.records.len());
    let mut faults: Vec<_> = batch.faults.into_iter().map(fault).collect();
    for wire in batch.records {
        match record::read(object, reference.epoch, batch.mapping_version, &places, wire) {
            Ok(record) => records.push(record),
            Err(fault) => faults.push(fault),
        }
    }
    Ok(Chunk {
        workspace: convert::workspace_id(&reference.workspace_id)?,
        run: convert::run_id(&reference.run_id)?,
        object,
        page: reference.page.into(),
        chunk: reference.chunk.into(),
        epoch: reference.epoch,
        read_seq: reference.read_seq,
        part: batch.part.into(),
        parts: batch.parts.max(1).into(),
        mapping_version: batch.mapping_version,
        mode: RunMode::try_from(batch.mode).unwrap_or_default(),
        locks: locks(batch.locks)?,
        records,
        faults,
        trace_id,
    })
}

/// Reads locked fields.
pub(crate) fn locks(wire: Vec<contract::event::v1::LockedField>) -> Result<Vec<Lock>, UnreadableBatch> {
    let read = |lock: contract::event::v1::LockedField| {
        Ok(Lock { kind: convert::kind(lock.kind)?, field: lock.field.parse()?, source: lock.source })
    };
    let mut locks = wire.into_iter().map(read).collect::<Result<Vec<_>, UnreadableBatch>>()?;
    locks.sort();
    Ok(locks)
}

fn fault(wire: RecordFault) -> Fault {
    Fault {
        key: wire.id.parse().ok(),
        code: if wire.code.is_empty() { "unknown".to_owned() } else { wire.code },
        field: wire.field,
        read_seq: (wire.read_seq > 0).then_some(wire.read_seq),
    }
}
