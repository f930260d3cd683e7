//! Keeps an example of every message as this release writes it, for the next one to read. `cargo x freeze` runs it, after it
//! froze the contracts; `tests/frozen` reads what lies there.

#![allow(clippy::unwrap_used, reason = "a tool of the checkout: what it can't write, it can only say")]

#[path = "../tests/frozen/examples.rs"]
mod examples;
#[path = "../tests/frozen/fill.rs"]
mod fill;

use contract::body;
use examples::{file_of, folder, ours};
use prost::Message as _;

fn main() {
    let messages = folder().join("messages");
    if messages.exists() {
        std::fs::remove_dir_all(&messages).unwrap();
    }
    std::fs::create_dir_all(&messages).unwrap();
    for message in ours(&examples::contracts()) {
        let mut bytes = Vec::new();
        for example in fill::examples(&message) {
            example.encode_length_delimited(&mut bytes).unwrap();
        }
        std::fs::write(file_of(message.full_name()), bytes).unwrap();
    }
    freeze_bodies();
}

fn freeze_bodies() {
    let folder = folder().join("nats");
    std::fs::create_dir_all(&folder).unwrap();
    let keep = |name: &str, bytes: Vec<u8>| std::fs::write(folder.join(name), bytes).unwrap();
    keep("RawBatch.zst", body::pack(&examples::raw_batch()).unwrap());
    keep("MappedBatch.zst", body::pack(&examples::mapped_batch()).unwrap());
    keep("UnmappedValue.bin", examples::unmapped_value().encode_to_vec());
    keep("RunEvent.bin", examples::run_event().encode_to_vec());
    keep("Command.ReadFields.bin", examples::read_fields().encode_to_vec());
    keep("Command.Refetch.bin", examples::refetch().encode_to_vec());
    keep("CustomerChanged.bin", examples::customer_changed().encode_to_vec());
}
