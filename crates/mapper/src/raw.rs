//! A raw chunk as it arrives: checked once, record by record.

use contract::event::v1::{ChunkRef, RawBatch, RawRecord, RecordFault, RunMode, SourceState};
use contract::{convert, subjects};
use domain::{Epoch, Object, SalesforceId, WorkspaceId};
use jiff::Timestamp;
use mapping::FaultCode;

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
        convert::run_id(&chunk_ref.run_id).ok()?;
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
