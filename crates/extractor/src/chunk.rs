//! Cuts pages into the chunks that travel: at most 200 records and 512 KiB, one message each.

use contract::event::v1::{ChunkRef, RawBatch, RawRecord, RecordFault};
use prost::Message;

use crate::record::Records;

/// Most records of one chunk.
pub const MAX_RECORDS: usize = 200;
/// Most bytes of one chunk before compression; what is packed is smaller in practice, and never above the limit.
pub const MAX_BYTES: usize = 512 * 1024;

/// What all chunks of a page share.
#[derive(Clone, Debug)]
pub struct Head {
    /// Names the page; `chunk` is filled in here.
    pub reference: ChunkRef,
    /// Everything of the batch but records and faults.
    pub batch: RawBatch,
}

/// Cuts a page. An empty page gives no chunk; a record larger than a chunk travels as a fault.
#[must_use]
pub fn cut(head: &Head, records: Records) -> Vec<RawBatch> {
    let mut chunks = Vec::new();
    let mut open = Open::default();
    for record in records.records {
        let record = RawRecord::from(record);
        let size = record.encoded_len() + 8;
        if size > MAX_BYTES {
            open.push_fault(RecordFault { id: record.id, code: "record_too_large".into(), ..RecordFault::default() });
            continue;
        }
        if open.is_full(size) {
            chunks.push(std::mem::take(&mut open));
        }
        open.push_record(record, size);
    }
    for fault in records.faults {
        let fault = RecordFault::from(fault);
        if open.is_full(fault.encoded_len() + 8) {
            chunks.push(std::mem::take(&mut open));
        }
        open.push_fault(fault);
    }
    if open.count() > 0 {
        chunks.push(open);
    }
    chunks
        .into_iter()
        .zip(0_u32..)
        .map(|(open, chunk)| RawBatch {
            r#ref: Some(ChunkRef { chunk, ..head.reference.clone() }),
            records: open.records,
            faults: open.faults,
            ..head.batch.clone()
        })
        .collect()
}

#[derive(Default)]
struct Open {
    records: Vec<RawRecord>,
    faults: Vec<RecordFault>,
    bytes: usize,
}

impl Open {
    fn count(&self) -> usize {
        self.records.len() + self.faults.len()
    }

    fn is_full(&self, next: usize) -> bool {
        self.count() >= MAX_RECORDS || (self.count() > 0 && self.bytes + next > MAX_BYTES)
    }

    fn push_record(&mut self, record: RawRecord, size: usize) {
        self.records.push(record);
        self.bytes += size;
    }

    fn push_fault(&mut self, fault: RecordFault) {
        self.bytes += fault.encoded_len() + 8;
        self.faults.push(fault);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::record::{Fault, Record, State};

    fn head() -> Head {
        Head { reference: ChunkRef { page: 7, ..ChunkRef::default() }, batch: RawBatch::default() }
    }

    fn record(n: usize, bytes: usize) -> Record {
        let id = format!("001Kd0000{n:06}").parse().unwrap();
        Record { image: "x".repeat(bytes), ..Record::without_image(id, State::Live) }
    }

    #[test]
    fn chunks_hold_at_most_200_records_in_order() {
        let records = Records { records: (0..450).map(|n| record(n, 100)).collect(), faults: Vec::new() };
        let chunks = cut(&head(), records.clone());
        assert_eq!(chunks.iter().map(|chunk| chunk.records.len()).collect::<Vec<_>>(), [200, 200, 50]);
        let ids: Vec<_> = chunks.iter().flat_map(|chunk| &chunk.records).map(|record| record.id.clone()).collect();
        assert!(ids.iter().zip(&records.records).all(|(id, record)| id == record.id.as_str()));
        let references: Vec<_> = chunks.iter().map(|chunk| chunk.r#ref.clone().unwrap()).collect();
        assert!(references.iter().zip(0..).all(|(reference, n)| (reference.page, reference.chunk) == (7, n)));
    }

    #[test]
    fn large_records_fill_a_chunk_by_bytes_and_a_giant_one_is_a_fault() {
        let records = Records {
            records: vec![record(1, 300_000), record(2, 300_000), record(3, 600_000), record(4, 10)],
            faults: vec![Fault { id: None, code: "id_invalid", field: "Id".into() }],
        };
        let chunks = cut(&head(), records);
        assert_eq!(chunks.iter().map(|chunk| chunk.records.len()).collect::<Vec<_>>(), [1, 2]);
        assert!(chunks.iter().all(|chunk| chunk.encoded_len() < MAX_BYTES + 1_024));
        let codes: Vec<_> = chunks[1].faults.iter().map(|fault| fault.code.as_str()).collect();
        assert_eq!(codes, ["record_too_large", "id_invalid"]);
    }

    #[test]
    fn an_empty_page_sends_nothing() {
        assert!(cut(&head(), Records::default()).is_empty());
    }
}
