//! A raw chunk as it arrives: checked once, record by record.

use contract::event::v1::{ChunkRef, RawBatch, RawRecord, RecordFault, RunMode, SourceState};
use contract::{convert, subjects};
use domain::{Epoch, Object, SalesforceId, WorkspaceId};
use jiff::Timestamp;
use mapping::FaultCode;

use crate::reads::Read;
use crate::source::Image;
use crate::wire::fault_of;

/// Salesforce's clock may be ahead of the read's own time by so much.
const DAY_MS: i64 = 86_400_000;
/// No record of Salesforce is older than Salesforce.
const EARLIEST_MS: i64 = 915_148_800_000;

/// A raw chunk whose header holds.
#[derive(Clone, Debug)]
pub(crate) struct RawChunk {
    pub(crate) workspace: WorkspaceId,
    pub(crate) object: Object,
    pub(crate) epoch: Epoch,
    pub(crate) chunk_ref: ChunkRef,
    pub(crate) mode: RunMode,
    pub(crate) list_version: i64,
    pub(crate) fields: Vec<String>,
    /// Which read brought the records.
    pub(crate) read: Option<Read>,
    /// When the records were read, RFC 3339.
    pub(crate) captured_at: Option<String>,
    pub(crate) images: Vec<Image>,
    pub(crate) faults: Vec<RecordFault>,
}

impl RawChunk {
    /// Reads a batch that arrived under `subject`.
    ///
    /// A record that can't be one becomes a fault; its neighbours stand. `None` when the header itself is unusable.
    pub(crate) fn read(batch: RawBatch, subject: &str) -> Option<Self> {
        let mode = batch.mode();
        let chunk_ref = batch.r#ref?;
        let workspace = convert::workspace_id(&chunk_ref.workspace_id).ok()?;
        let object = convert::object(chunk_ref.object).ok()?;
        let run = convert::run_id(&chunk_ref.run_id).ok()?;
        let numbers_fit = i32::try_from(chunk_ref.page).is_ok() && i32::try_from(chunk_ref.chunk).is_ok();
        if mode == RunMode::Unspecified || !numbers_fit || subject != subjects::raw(workspace, object) {
            return None;
        }
        let read_at = batch.read_at.and_then(|read_at| convert::from_wire_time("read_at", &read_at).ok());
        let context = Context {
            object,
            read_seq: chunk_ref.read_seq,
            list_version: batch.field_list_version,
            currency: batch.default_currency.parse::<domain::CurrencyCode>().ok().map(String::from),
            latest_ms: read_at.map_or(i64::MAX, |read_at| read_at.as_millisecond().saturating_add(DAY_MS)),
        };
        let (mut images, mut faults) = (Vec::with_capacity(batch.records.len()), batch.faults);
        for record in batch.records {
            match context.image(record) {
                Ok(image) => images.push(image),
                Err(fault) => faults.push(fault),
            }
        }
        Some(Self {
            workspace,
            object,
            epoch: chunk_ref.epoch,
            mode,
            list_version: batch.field_list_version,
            fields: batch.fields,
            read: read_at.and_then(|at| chrono::DateTime::from_timestamp_micros(at.as_microsecond())).map(|at| Read {
                read_seq: chunk_ref.read_seq,
                run: run.0,
                at,
            }),
            captured_at: read_at.map(|read_at: Timestamp| read_at.to_string()),
            images,
            faults,
            chunk_ref,
        })
    }
}

/// What all records of a chunk share.
struct Context {
    object: Object,
    read_seq: i64,
    list_version: i64,
    currency: Option<String>,
    latest_ms: i64,
}

impl Context {
    fn image(&self, record: RawRecord) -> Result<Image, RecordFault> {
        let state = record.state();
        let id = match record.id.parse::<SalesforceId>() {
            Ok(id) if id.prefix() == self.object.id_prefix() => id,
            // An unusable id is not repeated: it may hold anything.
            _ => return Err(fault_of("", FaultCode::IdInvalid, "Id")),
        };
        let fault = |code, field| fault_of(id.as_str(), code, field);
        let other_id = |field, text: &str| match text {
            "" => Ok(None),
            text => match text.parse::<SalesforceId>() {
                Ok(other) => Ok(Some(String::from(other))),
                Err(_) => Err(fault(FaultCode::IdInvalid, field)),
            },
        };
        let master_id = other_id("MasterRecordId", &record.master_record_id)?;
        let converted_id = other_id("ConvertedContactId", &record.converted_contact_id)?;
        let account_id = other_id("AccountId", &record.account_id)?;
        let is_stamped = (EARLIEST_MS..=self.latest_ms).contains(&record.modified_ms);
        let may_be_unknown = state != SourceState::Live && record.modified_ms == 0;
        if !is_stamped && !may_be_unknown {
            return Err(fault(FaultCode::ModstampInvalid, "SystemModstamp"));
        }
        if state == SourceState::Unspecified || record.image.contains('\0') {
            return Err(fault(FaultCode::ImageInvalid, ""));
        }
        Ok(Image {
            id: String::from(id),
            read_seq: self.read_seq,
            state,
            master_id,
            converted_id,
            account_id,
            modified_ms: record.modified_ms,
            field_list_version: self.list_version,
            currency: self.currency.clone(),
            text: record.image,
        })
    }
}

#[cfg(test)]
mod tests {
    use contract::common::v1::SalesforceObject;

    use super::*;

    const READ_AT: i64 = 1_780_000_000;

    fn batch(workspace: WorkspaceId, records: Vec<RawRecord>) -> RawBatch {
        RawBatch {
            r#ref: Some(ChunkRef {
                workspace_id: workspace.to_string(),
                run_id: domain::RunId::generate().to_string(),
                object: SalesforceObject::Account.into(),
                epoch: 1,
                read_seq: 7,
                ..ChunkRef::default()
            }),
            mode: RunMode::Incremental.into(),
            read_at: Some(prost_types::Timestamp { seconds: READ_AT, nanos: 0 }),
            records,
            ..RawBatch::default()
        }
    }

    fn good() -> RawRecord {
        RawRecord {
            id: "001Kd00001a2B3cIAE".to_owned(),
            modified_ms: READ_AT * 1_000,
            state: SourceState::Live.into(),
            image: "{}".to_owned(),
            ..RawRecord::default()
        }
    }

    #[test]
    fn a_record_that_is_none_is_named_by_its_fault_and_its_neighbour_stands() {
        let bad = [
            (RawRecord { id: String::new(), ..good() }, "id_invalid"),
            (RawRecord { id: "001Kd00001a2B3cIAU".to_owned(), ..good() }, "id_invalid"),
            (RawRecord { id: "003Kd00001a2B3cIAE".to_owned(), ..good() }, "id_invalid"),
            (RawRecord { id: "not an id'; drop".to_owned(), ..good() }, "id_invalid"),
            (RawRecord { master_record_id: "001".to_owned(), ..good() }, "id_invalid"),
            (RawRecord { account_id: "nobody".to_owned(), ..good() }, "id_invalid"),
            (RawRecord { modified_ms: 0, ..good() }, "modstamp_invalid"),
            (RawRecord { modified_ms: 1_000, ..good() }, "modstamp_invalid"),
            (RawRecord { modified_ms: (READ_AT + 90_000) * 1_000, ..good() }, "modstamp_invalid"),
            (RawRecord { modified_ms: i64::MAX, ..good() }, "modstamp_invalid"),
            (RawRecord { image: "{\"Name\":\"\0\"}".to_owned(), ..good() }, "image_invalid"),
            (RawRecord { state: 0, ..good() }, "image_invalid"),
        ];
        let workspace = WorkspaceId::generate();
        for (record, code) in bad {
            let batch = batch(workspace, vec![record.clone(), good()]);
            let chunk = RawChunk::read(batch, &subjects::raw(workspace, Object::Account)).unwrap();
            assert_eq!(chunk.images.len(), 1, "{record:?}");
            assert_eq!(chunk.faults[0].code, code, "{record:?}");
        }
    }

    #[test]
    fn a_gone_record_needs_no_stamp() {
        let workspace = WorkspaceId::generate();
        let gone = RawRecord { modified_ms: 0, state: SourceState::Deleted.into(), ..good() };
        let chunk = RawChunk::read(batch(workspace, vec![gone]), &subjects::raw(workspace, Object::Account)).unwrap();
        assert!(chunk.faults.is_empty());
    }

    #[test]
    fn a_chunk_under_another_workspaces_subject_is_none() {
        let (workspace, other) = (WorkspaceId::generate(), WorkspaceId::generate());
        let read = |subject: &str| RawChunk::read(batch(workspace, vec![]), subject);
        assert!(read(&subjects::raw(workspace, Object::Account)).is_some());
        assert!(read(&subjects::raw(other, Object::Account)).is_none());
        assert!(read(&subjects::raw(workspace, Object::Lead)).is_none());
    }
}
