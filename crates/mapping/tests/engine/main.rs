//! The engine by examples and by properties.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod carry;
mod checking;
mod mapping;
mod properties;
mod suggesting;

use std::collections::HashMap;

use ::mapping::{Cell, Decision, Entry, KindMapping, LastKnown, Reader};
use domain::{FieldType, Kind, Value};

pub(crate) fn entry(field: &str, field_type: FieldType, path: &str) -> Entry {
    Entry {
        field: field.parse().unwrap(),
        field_type,
        required: field == "name",
        path: path.parse().unwrap(),
        lead_path: None,
        multi_select: false,
        since: 1,
        values: HashMap::new(),
    }
}

/// A tier fed by `Tier__c`: Gold and Silver are mapped, Internal is ignored, all else is unmapped.
pub(crate) fn tier() -> Entry {
    let map = |option: &str| Decision::Map(option.to_owned());
    let values = [("Gold", map("enterprise")), ("Silver", map("smb")), ("Internal", Decision::Ignore)];
    Entry {
        values: values.into_iter().map(|(raw, decision)| (raw.to_owned(), decision)).collect(),
        ..entry("tier", FieldType::Option, "Tier__c")
    }
}

pub(crate) fn accounts(entries: Vec<Entry>) -> KindMapping {
    KindMapping { kind: Kind::Account, version: 1, entries }
}

pub(crate) fn option(key: &str) -> Cell {
    Cell::Set(Value::Option(key.to_owned()))
}

pub(crate) fn text(text: &str) -> Cell {
    Cell::Set(Value::Text(text.to_owned()))
}

pub(crate) const UNMAPPED: Cell = Cell::Unmapped(LastKnown::Unknown);

/// Maps an image and returns cells and fault codes.
pub(crate) fn map(reader: &Reader<'_>, image: &str) -> (Vec<Cell>, Vec<&'static str>) {
    let mapped = reader.map(image);
    let faults = mapped.faults.iter().map(|fault| fault.code.as_str()).collect();
    (mapped.cells, faults)
}
