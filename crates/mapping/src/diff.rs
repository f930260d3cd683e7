//! What a change of mappings does to one record: the preview's arithmetic.

use domain::{FieldId, Value};

use crate::compiled::{Cell, Compiled, LastKnown, Mapped};

/// One Lane value that changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Lane field.
    pub field: FieldId,
    /// Value under the mapping in force; `None` when it has none or does not feed the field.
    pub before: Option<Value>,
    /// Value under the new mapping.
    pub after: Option<Value>,
}

/// What a cell leaves in the Lane field.
enum Outcome {
    Value(Value),
    Empty,
    /// What is there stays.
    Kept,
}

fn outcome(cell: &Cell) -> Outcome {
    match cell {
        Cell::Set(value) => Outcome::Value(value.clone()),
        Cell::Unmapped(LastKnown::Option(option)) => Outcome::Value(Value::Option(option.clone())),
        Cell::Clear | Cell::Unmapped(LastKnown::Empty) => Outcome::Empty,
        Cell::Unmapped(LastKnown::Unknown) | Cell::Absent => Outcome::Kept,
    }
}

fn cell_of<'m>(compiled: &Compiled, mapped: &'m Mapped<'_>, field: &FieldId) -> &'m Cell {
    let place = compiled.fields().position(|id| id == field);
    place.and_then(|place| mapped.cells.get(place)).unwrap_or(&Cell::Absent)
}

/// Whether the change of mappings concerns the record: some field is treated differently, or its faults differ.
#[must_use]
pub fn is_touched(old: (&Compiled, &Mapped<'_>), new: (&Compiled, &Mapped<'_>)) -> bool {
    old.1.faults != new.1.faults || touched_fields(old, new).next().is_some()
}

/// Returns the Lane fields that the change of mappings treats differently in the record, each once.
pub fn touched_fields<'c>(
    old: (&'c Compiled, &'c Mapped<'c>),
    new: (&'c Compiled, &'c Mapped<'c>),
) -> impl Iterator<Item = &'c FieldId> {
    let gone = old.0.fields().filter(move |field| new.0.fields().all(|other| other != *field));
    let all = new.0.fields().chain(gone);
    all.filter(move |field| cell_of(old.0, old.1, field) != cell_of(new.0, new.1, field))
}

/// Returns the Lane values of the record that change.
///
/// A field that is unmapped keeps its last value, and a value that becomes unmapped leaves the old one: neither is a change.
/// A faulty record is parked, so nothing of it changes.
#[must_use]
pub fn changes(old: (&Compiled, &Mapped<'_>), new: (&Compiled, &Mapped<'_>)) -> Vec<Change> {
    if !new.1.faults.is_empty() {
        return Vec::new();
    }
    let was_parked = !old.1.faults.is_empty();
    let change_of = |field: &FieldId| {
        let before = match outcome(cell_of(old.0, old.1, field)) {
            _ if was_parked => Outcome::Kept,
            before => before,
        };
        let (before, after) = match (before, outcome(cell_of(new.0, new.1, field))) {
            (Outcome::Value(before), Outcome::Value(after)) if before == after => return None,
            (Outcome::Value(before), Outcome::Value(after)) => (Some(before), Some(after)),
            (Outcome::Value(before), Outcome::Empty) => (Some(before), None),
            (Outcome::Empty | Outcome::Kept, Outcome::Value(after)) => (None, Some(after)),
            (Outcome::Empty | Outcome::Kept, Outcome::Empty) | (_, Outcome::Kept) => return None,
        };
        Some(Change { field: field.clone(), before, after })
    };
    new.0.fields().filter_map(change_of).collect()
}
