//! What stands for mapper and writer: takes every raw chunk, keeps the newest image of each record, counts what it applied.

use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use contract::event::v1::{RawBatch, RawRecord, RecordFault};
use contract::streams::MAPPER;
use contract::writer::v1::AppliedChunk;
use domain::Object;
use messaging::{Bus, Delivery, Handler, Options, Outcome};
use tokio_util::sync::CancellationToken;

/// Everything that arrived; cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Lane(Arc<Inner>);

#[derive(Default)]
struct Inner {
    state: Mutex<State>,
    /// Chunks wait at the broker while this is set.
    held_back: AtomicBool,
    /// So many chunks are acked and lost: the writer never hears of them.
    to_lose: AtomicUsize,
}

#[derive(Default)]
struct State {
    records: BTreeMap<(Object, String), Held>,
    applied: HashMap<String, Vec<AppliedChunk>>,
    position: i64,
    batches: Vec<RawBatch>,
}

/// The newest image of a record.
#[derive(Clone, Debug)]
pub(crate) struct Held {
    pub(crate) version: (i64, i64),
    pub(crate) record: RawRecord,
    pub(crate) object: Object,
    pub(crate) times: usize,
}

impl Lane {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.0.state.lock().unwrap()
    }

    /// Lets chunks wait, or lets them through.
    pub(crate) fn hold_back(&self, held_back: bool) {
        self.0.held_back.store(held_back, Ordering::SeqCst);
    }

    /// Loses the next chunks.
    pub(crate) fn lose(&self, chunks: usize) {
        self.0.to_lose.store(chunks, Ordering::SeqCst);
    }

    /// The newest images of an object, in id order.
    pub(crate) fn held(&self, object: Object) -> Vec<Held> {
        self.state().records.values().filter(|held| held.object == object).cloned().collect()
    }

    /// The newest image of one record.
    pub(crate) fn record(&self, object: Object, id: &str) -> Option<Held> {
        self.state().records.get(&(object, id.to_owned())).cloned()
    }

    /// One field of one record's image.
    pub(crate) fn field(&self, object: Object, id: &str, field: &str) -> Option<serde_json::Value> {
        let held = self.record(object, id)?;
        let image: serde_json::Value = serde_json::from_str(&held.record.image).ok()?;
        image.get(field).cloned()
    }

    /// Everything that arrived, in order of arrival.
    pub(crate) fn batches(&self) -> Vec<RawBatch> {
        self.state().batches.clone()
    }

    /// Records of all chunks that arrived.
    pub(crate) fn arrived(&self) -> usize {
        self.state().batches.iter().map(|batch| batch.records.len()).sum()
    }

    /// Faults of all chunks that arrived.
    pub(crate) fn faults(&self) -> Vec<RecordFault> {
        self.state().batches.iter().flat_map(|batch| batch.faults.clone()).collect()
    }

    /// What was applied of a run after a position.
    pub(crate) fn applied(&self, run: &str, after: i64, most: usize) -> Vec<AppliedChunk> {
        let state = self.state();
        let chunks = state.applied.get(run).into_iter().flatten();
        chunks.filter(|chunk| chunk.position > after).take(most).cloned().collect()
    }

    fn take(&self, batch: RawBatch) {
        let reference = batch.r#ref.clone().unwrap();
        let object = contract::convert::object(reference.object).unwrap();
        let mut state = self.state();
        for record in &batch.records {
            let version = (reference.epoch, reference.read_seq);
            let held = Held { version, record: record.clone(), object, times: 1 };
            state
                .records
                .entry((object, record.id.clone()))
                .and_modify(|known| {
                    known.times += 1;
                    if version > known.version {
                        *known = Held { times: known.times, ..held.clone() };
                    }
                })
                .or_insert(held);
        }
        state.position += 1;
        let count = i64::try_from(batch.records.len()).unwrap();
        let chunk = AppliedChunk {
            position: state.position,
            object: reference.object,
            page: reference.page,
            chunk: reference.chunk,
            read_seq: reference.read_seq,
            mapped: count,
            written: count,
            parked: i64::try_from(batch.faults.len()).unwrap(),
        };
        state.applied.entry(reference.run_id).or_default().push(chunk);
        state.batches.push(batch);
    }
}

struct Take(Lane);

impl Handler for Take {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        while self.0.0.held_back.load(Ordering::SeqCst) {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        for delivery in deliveries {
            let batch = delivery.decode::<RawBatch>("lanesync.event.v1.RawBatch").expect("a raw batch");
            let lost = self.0.0.to_lose.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            if lost.is_err() {
                self.0.take(batch);
            }
        }
        vec![Outcome::Done; deliveries.len()]
    }
}

/// Takes raw chunks until stopped.
pub(crate) async fn take_raw(bus: Bus, lane: Lane, stopping: CancellationToken) {
    let options = Options { batch: 16, workers: 1, stage: "mapper" };
    messaging::consume(&bus, MAPPER, options, Arc::new(Take(lane)), stopping).await.unwrap();
}
