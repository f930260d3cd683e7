//! A writer in memory: takes mapped batches as the real one does, and remembers what it was told.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, MutexGuard};

use contract::common::v1 as common;
use contract::event::v1::{CellAction, ChunkRef, MappedBatch, MappedRecord, RunMode};
use contract::writer::v1::apply_service_server::ApplyService;
use contract::writer::v1::standing_service_server::StandingService;
use contract::writer::v1::{
    AppliedChunk, Counts, DisconnectPreview, GetCountsRequest, ListAccountContactsRequest, ListAccountContactsResponse,
    ListAppliedChunksRequest, ListAppliedChunksResponse, ListStandingValuesRequest, ListStandingValuesResponse,
    ListUnseenRecordsRequest, ListUnseenRecordsResponse, PreviewDisconnectRequest, SetMappingRequest,
    SetMappingResponse, StandingRecord,
};
use domain::SourceVersion;
use messaging::{Delivery, Handler, Outcome};
use tonic::{Request, Response, Status};

/// A Lane field of one record, as the writer holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Field {
    pub(crate) value: Option<String>,
    pub(crate) is_unmapped: bool,
}

/// A record as the writer holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) state: i32,
    pub(crate) target: String,
    pub(crate) fields: BTreeMap<String, Field>,
}

#[derive(Debug, Default)]
pub(crate) struct Inner {
    /// Every batch in the order of arrival.
    pub(crate) batches: Vec<MappedBatch>,
    /// Whether some mapped message had a deduplication id.
    pub(crate) has_message_ids: bool,
    pub(crate) rows: BTreeMap<String, Row>,
    pub(crate) faults: BTreeMap<String, String>,
    pub(crate) told: Vec<SetMappingRequest>,
    versions: HashMap<String, SourceVersion>,
    mapping_version: i64,
    applied: Vec<(String, AppliedChunk)>,
    /// What stands in rows, whoever put it there, by id.
    pub(crate) standing: BTreeMap<String, StandingRecord>,
    /// Answers nothing but "unavailable".
    pub(crate) is_away: bool,
}

/// The writer; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Writer(Arc<Mutex<Inner>>);

impl Writer {
    pub(crate) fn look(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap()
    }

    /// What a field of a record holds now.
    pub(crate) fn field(&self, id: &str, field: &str) -> Field {
        self.look().rows.get(id).and_then(|row| row.fields.get(field)).cloned().unwrap_or_default()
    }

    pub(crate) fn value(&self, id: &str, field: &str) -> Option<String> {
        self.field(id, field).value
    }

    /// Batches that no replay made.
    pub(crate) fn live_count(&self) -> usize {
        self.look().batches.iter().filter(|batch| batch.mode() != RunMode::Replay).count()
    }

    pub(crate) fn batch_count(&self) -> usize {
        self.look().batches.len()
    }
}

impl Inner {
    fn apply(&mut self, batch: MappedBatch) {
        let chunk = batch.r#ref.clone().unwrap();
        let is_superseded = batch.mapping_version < self.mapping_version;
        self.mapping_version = self.mapping_version.max(batch.mapping_version);
        if !is_superseded {
            for record in &batch.records {
                self.apply_record(&chunk, &batch, record);
            }
            for fault in &batch.faults {
                self.faults.insert(fault.id.clone(), fault.code.clone());
            }
        }
        if batch.part + 1 == batch.parts {
            let position = self.applied.len() as i64 + 1;
            self.applied.push((
                chunk.run_id.clone(),
                AppliedChunk {
                    position,
                    object: chunk.object,
                    page: chunk.page,
                    chunk: chunk.chunk,
                    read_seq: chunk.read_seq,
                    mapped: batch.records.len() as i64,
                    ..AppliedChunk::default()
                },
            ));
        }
        self.batches.push(batch);
    }

    fn apply_record(&mut self, chunk: &ChunkRef, batch: &MappedBatch, record: &MappedRecord) {
        let version = SourceVersion {
            epoch: chunk.epoch,
            read_seq: record.read_seq,
            mapping_version: batch.mapping_version,
            revision: record.revision,
        };
        if self.versions.get(&record.id).is_some_and(|known| *known >= version) {
            return;
        }
        self.versions.insert(record.id.clone(), version);
        self.faults.remove(&record.id);
        let row = self.rows.entry(record.id.clone()).or_default();
        (row.state, row.target) = (record.state, record.target_id.clone());
        for (field, cell) in batch.fields.iter().zip(&record.cells) {
            let held = row.fields.entry(field.clone()).or_default();
            let value = cell.value.as_ref().map(text);
            match cell.action() {
                CellAction::Set => *held = Field { value, is_unmapped: false },
                CellAction::Clear => *held = Field::default(),
                CellAction::Unmapped => {
                    held.is_unmapped = true;
                    if value.is_some() || cell.last_known_empty {
                        held.value = value;
                    }
                }
                CellAction::Absent => held.is_unmapped = false,
                CellAction::Unspecified => panic!("a cell without an action"),
            }
        }
    }
}

/// A value as text.
pub(crate) fn text(value: &common::Value) -> String {
    use common::value::Value;
    match value.value.as_ref().unwrap() {
        Value::Text(text) | Value::Number(text) | Value::Option(text) | Value::Date(text) => text.clone(),
        Value::Money(money) => format!("{} {}", money.amount, money.currency_code),
        Value::Boolean(boolean) => boolean.to_string(),
    }
}

impl Handler for Writer {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        for delivery in deliveries {
            let batch = delivery.decode::<MappedBatch>("lanesync.event.v1.MappedBatch").unwrap();
            let mut inner = self.look();
            inner.has_message_ids |= delivery.header(contract::headers::MESSAGE_ID).is_some();
            inner.apply(batch);
        }
        vec![Outcome::Done; deliveries.len()]
    }
}

#[tonic::async_trait]
impl StandingService for Writer {
    async fn list_standing_values(
        &self,
        request: Request<ListStandingValuesRequest>,
    ) -> Result<Response<ListStandingValuesResponse>, Status> {
        let request = request.into_inner();
        let prefix = contract::convert::object(request.object).unwrap().id_prefix();
        let inner = self.look();
        if inner.is_away {
            return Err(Status::unavailable("away"));
        }
        let shown = |row: &StandingRecord| {
            let mut row = row.clone();
            row.fields.retain(|field| request.fields.contains(&field.field));
            row
        };
        let is_asked = |row: &StandingRecord| match request.ids.as_slice() {
            [] => !row.fields.is_empty(),
            ids => ids.contains(&row.id),
        };
        let rows = inner.standing.range(request.after_id.clone()..).map(|(_, row)| shown(row));
        let rows = rows.filter(|row| row.id.starts_with(prefix) && row.id > request.after_id && is_asked(row));
        let size = if request.page_size == 0 { 50 } else { usize::try_from(request.page_size).unwrap() };
        Ok(Response::new(ListStandingValuesResponse { records: rows.take(size).collect() }))
    }

    async fn preview_disconnect(
        &self,
        _: Request<PreviewDisconnectRequest>,
    ) -> Result<Response<DisconnectPreview>, Status> {
        Err(Status::unimplemented("not asked by the mapper"))
    }
}

#[tonic::async_trait]
impl ApplyService for Writer {
    async fn set_mapping(&self, request: Request<SetMappingRequest>) -> Result<Response<SetMappingResponse>, Status> {
        let request = request.into_inner();
        let mut inner = self.look();
        if inner.is_away {
            return Err(Status::unavailable("away"));
        }
        inner.mapping_version = inner.mapping_version.max(request.mapping_version);
        inner.told.push(request);
        Ok(Response::new(SetMappingResponse { mapping_version: inner.mapping_version }))
    }

    async fn list_applied_chunks(
        &self,
        request: Request<ListAppliedChunksRequest>,
    ) -> Result<Response<ListAppliedChunksResponse>, Status> {
        let request = request.into_inner();
        let inner = self.look();
        let chunks = inner
            .applied
            .iter()
            .filter(|(run, chunk)| *run == request.run_id && chunk.position > request.after_position)
            .map(|(_, chunk)| *chunk)
            .take(usize::try_from(request.page_size).unwrap());
        Ok(Response::new(ListAppliedChunksResponse { chunks: chunks.collect() }))
    }

    async fn list_unseen_records(
        &self,
        _: Request<ListUnseenRecordsRequest>,
    ) -> Result<Response<ListUnseenRecordsResponse>, Status> {
        Err(Status::unimplemented("not asked by the mapper"))
    }

    async fn list_account_contacts(
        &self,
        _: Request<ListAccountContactsRequest>,
    ) -> Result<Response<ListAccountContactsResponse>, Status> {
        Err(Status::unimplemented("not asked by the mapper"))
    }

    async fn get_counts(&self, _: Request<GetCountsRequest>) -> Result<Response<Counts>, Status> {
        Err(Status::unimplemented("not asked by the mapper"))
    }
}
