//! Takes raw chunks from the stream: store, map, publish, and only then settle.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use contract::event::v1::{RawBatch, RecordFault, RunMode};
use domain::{CurrencyCode, Object, WorkspaceId};
use mapping::{FaultCode, Reader};
use messaging::{Delivery, Handler, Outcome, PublishError};
use service::status::Board;

use crate::apart::{ApartError, Refused};
use crate::intake::{Arrival, Intake, Taken};
use crate::metrics::{self, MappedCounts};
use crate::raw::RawChunk;
use crate::store::StoreError;
use crate::wire::{self, Told, fault_of};
use crate::{Mapper, failures};

/// Failures of ours that were recorded for a chunk before it is taken apart.
const PATIENCE: i32 = 5;

/// Why chunks could not be mapped.
#[derive(Debug, thiserror::Error)]
enum MapError {
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("publishing mapped chunks")]
    Publish(#[from] PublishError),
    #[error("packing a mapped chunk")]
    Pack(#[from] std::io::Error),
    #[error(transparent)]
    Apart(ApartError),
}

impl From<ApartError> for MapError {
    fn from(error: ApartError) -> Self {
        match error {
            ApartError::Store(error) => Self::Store(error),
            ApartError::Panicked => Self::Apart(error),
        }
    }
}

/// Chunks that are being mapped; taken off the board even if mapping them panics.
struct InHand<'b>(&'b Board, i64);

impl<'b> InHand<'b> {
    fn new(board: &'b Board, count: usize) -> Self {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        board.work(count);
        Self(board, count)
    }
}

impl Drop for InHand<'_> {
    fn drop(&mut self) {
        self.0.work(-self.1);
    }
}

impl Handler for Mapper {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let _in_hand = InHand::new(&self.board, deliveries.len());
        let mut outcomes = vec![Outcome::Reject { reason: "message_invalid" }; deliveries.len()];
        let mut groups: HashMap<(WorkspaceId, Object, i64), Vec<(usize, RawChunk)>> = HashMap::new();
        for (place, delivery) in deliveries.iter().enumerate() {
            let batch = delivery.decode::<RawBatch>("lanesync.event.v1.RawBatch").ok();
            // What is no chunk stays rejected: it goes to the dead letters and its range is read once more.
            if let Some(chunk) = batch.and_then(|batch| RawChunk::read(batch, delivery.subject())) {
                groups.entry((chunk.workspace, chunk.object, chunk.epoch)).or_default().push((place, chunk));
            }
        }
        for chunks in groups.into_values() {
            let (places, chunks): (Vec<usize>, Vec<RawChunk>) = chunks.into_iter().unzip();
            for (place, outcome) in places.into_iter().zip(self.map_group(chunks).await) {
                outcomes[place] = outcome;
            }
        }
        outcomes
    }

    async fn handle_panic(&self, delivery: &Delivery) -> Outcome {
        let batch = delivery.decode::<RawBatch>("lanesync.event.v1.RawBatch").ok();
        let Some(chunk) = batch.and_then(|batch| RawChunk::read(batch, delivery.subject())) else {
            return Outcome::Reject { reason: "message_invalid" };
        };
        match failures::record(&self.pool, &chunk, "panicked").await {
            Ok(failures) if failures >= PATIENCE => self.map_apart(&chunk).await,
            _ => Outcome::Retry { reason: "panicked" },
        }
    }
}

impl Mapper {
    /// Maps chunks of one object of one workspace and epoch, and says what becomes of each.
    async fn map_group(&self, chunks: Vec<RawChunk>) -> Vec<Outcome> {
        let count = chunks.len();
        let error = match self.map_together(&chunks).await {
            Ok(outcome) => return vec![outcome; count],
            Err(error) => error,
        };
        if let Some(reason) = passing(&error) {
            tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "mapping chunks; they come again");
            return vec![Outcome::Retry { reason }; count];
        }
        tracing::warn!(
            error = format!("{:#}", anyhow::Error::from(error)),
            chunks = count,
            "mapping chunks one by one"
        );
        let mut outcomes = Vec::with_capacity(count);
        for chunk in &chunks {
            outcomes.push(self.map_alone(chunk).await);
        }
        outcomes
    }

    async fn map_together(&self, chunks: &[RawChunk]) -> Result<Outcome, MapError> {
        let Some(first) = chunks.first() else { return Ok(Outcome::Done) };
        let mut arrival = arrival_of(first);
        for chunk in &chunks[1..] {
            arrival.images.extend(chunk.images.iter().cloned());
            arrival.lists.insert(chunk.list_version, chunk.fields.clone().into());
            arrival.is_first_load &= is_first_load(chunk);
        }
        let intake = self.take(&arrival).await?;
        drop(arrival);
        self.publish(chunks, intake, &Refused::new()).await
    }

    /// Maps one chunk; records that Postgres refuses for themselves become faults, the others land.
    async fn map_alone(&self, chunk: &RawChunk) -> Outcome {
        let error = match self.map_together(std::slice::from_ref(chunk)).await {
            Ok(outcome) => return outcome,
            Err(error) => error,
        };
        if let Some(reason) = passing(&error) {
            return Outcome::Retry { reason };
        }
        let is_about_data = matches!(&error, MapError::Store(error) if error.is_about_data());
        tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "mapping a chunk");
        if !is_about_data {
            match failures::record(&self.pool, chunk, "failed").await {
                Ok(failures) if failures >= PATIENCE => {}
                _ => return Outcome::Retry { reason: "failed" },
            }
        }
        self.map_apart(chunk).await
    }

    /// Maps a chunk piece by piece: what fails by itself becomes a fault, its neighbours land.
    async fn map_apart(&self, chunk: &RawChunk) -> Outcome {
        let mapped = async {
            let (intake, refused) = self.take_apart(chunk).await?;
            self.publish(std::slice::from_ref(chunk), intake, &refused).await
        };
        match mapped.await {
            Ok(outcome) => outcome,
            Err(MapError::Apart(error)) => {
                tracing::error!(error = format!("{:#}", anyhow::Error::from(error)), "parking a chunk as a whole");
                let whole = RecordFault { code: FaultCode::MapperFailed.as_str().to_owned(), ..RecordFault::default() };
                self.publish_empty(chunk, vec![whole]).await
            }
            Err(error) => {
                let reason = passing(&error).unwrap_or("failed");
                tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "taking a chunk apart");
                Outcome::Retry { reason }
            }
        }
    }

    /// Publishes what the store now says of each chunk's keys, and waits until the server has it.
    async fn publish(&self, chunks: &[RawChunk], intake: Intake, refused: &Refused) -> Result<Outcome, MapError> {
        let taken = match intake {
            Intake::Taken(taken) => taken,
            Intake::NotYet => return Ok(Outcome::Retry { reason: "epoch_unknown" }),
            Intake::Closed => {
                // The books of a run close even if its epoch is over: each chunk ends as an empty batch of that epoch.
                for chunk in chunks {
                    if let Outcome::Retry { reason } = self.publish_empty(chunk, Vec::new()).await {
                        return Ok(Outcome::Retry { reason });
                    }
                }
                return Ok(Outcome::Done);
            }
        };
        let mut publications = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            let (mapped, counts) = tell_chunk(chunk, &taken, refused);
            metrics::mapped(chunk.object, counts);
            publications.extend(wire::publications(
                chunk.workspace,
                chunk.object,
                Some(&taken.rules),
                mapped,
                chunk.captured_at.as_deref(),
            )?);
        }
        drop(taken);
        self.bus.publish_all(publications).await?;
        Ok(Outcome::Done)
    }

    async fn publish_empty(&self, chunk: &RawChunk, faults: Vec<RecordFault>) -> Outcome {
        let empty = wire::Chunk { chunk_ref: chunk.chunk_ref.clone(), mode: chunk.mode, records: Vec::new(), faults };
        let published =
            match wire::publications(chunk.workspace, chunk.object, None, empty, chunk.captured_at.as_deref()) {
                Ok(publications) => self.bus.publish_all(publications).await.is_ok(),
                Err(_) => false,
            };
        if published { Outcome::Done } else { Outcome::Retry { reason: "publish_failed" } }
    }
}

/// Returns the reason to try again if the failure passes by itself: such a failure never parks anything.
fn passing(error: &MapError) -> Option<&'static str> {
    match error {
        MapError::Store(error) if error.is_transient() => Some("postgres_unavailable"),
        MapError::Publish(error) if error.is_back_pressure() => Some("back_pressure"),
        MapError::Publish(error) if !error.is_permanent() => Some("nats_unavailable"),
        MapError::Store(_) | MapError::Publish(_) | MapError::Pack(_) | MapError::Apart(_) => None,
    }
}

pub(crate) fn arrival_of(chunk: &RawChunk) -> Arrival {
    Arrival {
        workspace: chunk.workspace,
        object: chunk.object,
        epoch: chunk.epoch,
        images: chunk.images.clone(),
        lists: [(chunk.list_version, Arc::from(chunk.fields.as_slice()))].into(),
        read: chunk.read.filter(|_| chunk.chunk_ref.chunk == 0),
        is_first_load: is_first_load(chunk),
    }
}

fn is_first_load(chunk: &RawChunk) -> bool {
    chunk.mode == RunMode::Backfill
}

/// Says what the store holds of a chunk's keys, in the chunk's order.
pub(crate) fn tell_chunk(chunk: &RawChunk, taken: &Taken, refused: &Refused) -> (wire::Chunk, MappedCounts) {
    let compiled = taken.rules.compiled(chunk.object);
    let mut readers: HashMap<(i64, Option<&str>), Reader<'_>> = HashMap::new();
    let mut counts = MappedCounts { rejected: chunk.faults.len() as u64, ..MappedCounts::default() };
    let mut faults = chunk.faults.clone();
    let mut records = Vec::with_capacity(chunk.images.len());
    let mut told = HashSet::with_capacity(chunk.images.len());
    for image in &chunk.images {
        if !told.insert(image.id.as_str()) {
            continue;
        }
        if let Some(code) = refused.get(&image.id) {
            counts.rejected += 1;
            faults.push(fault_of(&image.id, *code, ""));
            continue;
        }
        let Some(stored) = taken.rows.get(&image.id) else { continue };
        let key = (stored.image.field_list_version, stored.image.currency.as_deref());
        let reader = readers.entry(key).or_insert_with(|| {
            let fields = taken.lists.get(&key.0).map(AsRef::as_ref).unwrap_or_default();
            let currency = key.1.and_then(|code| code.parse::<CurrencyCode>().ok());
            compiled.reader(fields.iter().map(String::as_str), currency)
        });
        match wire::tell(&taken.rules, chunk.object, reader, stored) {
            Told::Record { record, has_unmapped } => {
                counts.mapped += 1;
                counts.with_unmapped_value += u64::from(has_unmapped);
                records.push(record);
            }
            Told::Fault(fault) => {
                counts.rejected += 1;
                faults.push(fault);
            }
            Told::Nothing => {}
        }
    }
    counts.mapped -= counts.with_unmapped_value;
    (wire::Chunk { chunk_ref: chunk.chunk_ref.clone(), mode: chunk.mode, records, faults }, counts)
}
