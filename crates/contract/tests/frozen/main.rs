//! The last release and this one read each other: while replicas are replaced, both are there.
//!
//! `cargo x freeze` keeps the contracts of a release and an example of every message, as its code wrote them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod examples;
mod fill;
mod nats;

use std::collections::BTreeSet;
use std::sync::LazyLock;

use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, ReflectMessage as _, Value};

use examples::{file_of, folder, ours};

/// The contracts of the last release.
static THEN: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(std::fs::read(folder().join("contracts.binpb")).unwrap().as_slice()).unwrap()
});
/// The contracts as they are compiled into the services.
static NOW: LazyLock<DescriptorPool> = LazyLock::new(examples::contracts);

fn today(message: &MessageDescriptor) -> MessageDescriptor {
    let name = message.full_name();
    NOW.get_message_by_name(name).unwrap_or_else(|| panic!("{name} is gone, and the last release still sends it"))
}

#[test]
fn every_message_that_the_last_release_wrote_is_read_whole() {
    for then in ours(&THEN) {
        let (now, name) = (today(&then), then.full_name());
        let bytes = std::fs::read(file_of(name)).unwrap_or_else(|error| panic!("no example of {name}: {error}"));
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let length = prost::decode_length_delimiter(&mut rest).unwrap();
            let (example, others) = rest.split_at(length);
            rest = others;
            let meant = DynamicMessage::decode(then.clone(), example).unwrap();
            let read = DynamicMessage::decode(now.clone(), example).unwrap();
            assert!(understood(&read), "{name} has fields that are not known any more");
            assert_same(&meant, &read, name);
        }
    }
}

#[test]
fn the_last_release_reads_what_is_written_today_as_far_as_it_knows_the_fields() {
    for then in ours(&THEN) {
        for written in fill::examples(&today(&then)) {
            let read = DynamicMessage::decode(then.clone(), written.encode_to_vec().as_slice()).unwrap();
            assert_same(&read, &written, then.full_name());
        }
    }
}

#[test]
fn every_example_is_of_a_message_that_the_last_release_had() {
    let kept: BTreeSet<_> = std::fs::read_dir(folder().join("messages"))
        .unwrap()
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    let known: BTreeSet<_> = ours(&THEN).map(|message| message.full_name().to_owned()).collect();
    assert_eq!(kept, known);
}

/// Whether every byte belonged to a field.
fn understood(message: &DynamicMessage) -> bool {
    fn value(of: &Value) -> bool {
        match of {
            Value::Message(inner) => understood(inner),
            Value::List(items) => items.iter().all(value),
            Value::Map(entries) => entries.values().all(value),
            _ => true,
        }
    }
    message.unknown_fields().next().is_none() && message.fields().all(|(_, of)| value(of))
}

/// Compares what the contracts of then know; fields that were added since are left out.
fn assert_same(then: &DynamicMessage, now: &DynamicMessage, path: &str) {
    for field in then.descriptor().fields() {
        let path = format!("{path}.{}", field.name());
        let other = now.descriptor().get_field(field.number()).unwrap_or_else(|| panic!("{path} is gone"));
        assert_eq!(then.has_field(&field), now.has_field(&other), "{path}");
        assert_same_value(&then.get_field(&field), &now.get_field(&other), &path);
    }
}

fn assert_same_value(then: &Value, now: &Value, path: &str) {
    match (then, now) {
        (Value::Message(then), Value::Message(now)) => assert_same(then, now, path),
        (Value::List(then), Value::List(now)) => {
            assert_eq!(then.len(), now.len(), "{path}");
            then.iter().zip(now).for_each(|(then, now)| assert_same_value(then, now, path));
        }
        (Value::Map(then), Value::Map(now)) => {
            assert_eq!(then.len(), now.len(), "{path}");
            then.iter().for_each(|(key, then)| assert_same_value(then, &now[key], path));
        }
        _ => assert_eq!(then, now, "{path}"),
    }
}
