//! The newest mapped value of each option field, kept beside the image, so that "the old value stays" does not
//! depend on the order in which images arrive.

use std::collections::BTreeMap;

use domain::{MappingVersion, ReadSeq, Value};
use serde::{Deserialize, Serialize};

use crate::compiled::{Cell, Compiled, LastKnown, Mapped, OptionSeen};

/// Per Lane field: what an image older than the stored one said, where the stored one does not decide itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Carry(BTreeMap<String, Carried>);

/// A value that was mapped, or null, when it was read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Carried {
    /// Raw value; `None` for null.
    #[serde(rename = "v")]
    value: Option<String>,
    /// Read that brought it.
    #[serde(rename = "r")]
    read_seq: ReadSeq,
    /// [`crate::Entry::since`] of the mapping that it was seen under: a later mapping of the field starts afresh.
    #[serde(rename = "m")]
    since: MappingVersion,
}

impl Carry {
    /// Whether there is nothing to keep.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Learns what an image read at `read_seq` decided; an older observation never replaces a newer one.
    pub fn observe(&mut self, compiled: &Compiled, options: &[OptionSeen<'_>], read_seq: ReadSeq) {
        for seen in options.iter().filter(|seen| seen.is_decided()) {
            let entry = &compiled.entries()[seen.cell];
            let known = self.0.get(entry.field.as_str());
            if known.is_some_and(|known| known.since == entry.since && known.read_seq >= read_seq) {
                continue;
            }
            let value = seen.mapped.map(|mapped| seen.values[mapped].clone().into_owned());
            self.0.insert(entry.field.as_str().to_owned(), Carried { value, read_seq, since: entry.since });
        }
    }

    /// Drops what the stored image decides itself, and what was seen under an earlier mapping of a field.
    pub fn settle(&mut self, compiled: &Compiled, stored: &[OptionSeen<'_>]) {
        self.0.retain(|field, carried| {
            let Some(cell) = compiled.fields().position(|id| id.as_str() == field) else {
                return false;
            };
            let decided = stored.iter().any(|seen| seen.cell == cell && seen.is_decided());
            !decided && compiled.entries()[cell].since == carried.since
        });
    }

    /// Completes the cells of undecided option fields with what is known from before.
    ///
    /// An ignored value leaves the field as it is, so it too brings back what was last decided.
    pub fn complete(&self, compiled: &Compiled, mapped: &mut Mapped<'_>) {
        if self.0.is_empty() {
            return;
        }
        for seen in mapped.options.iter().filter(|seen| !seen.is_decided()) {
            let entry = &compiled.entries()[seen.cell];
            let Some(carried) = self.0.get(entry.field.as_str()).filter(|carried| carried.since == entry.since) else {
                continue;
            };
            let option = carried.value.as_deref().map(|raw| compiled.option(seen.cell, raw));
            mapped.cells[seen.cell] = match (seen.has_open, option) {
                (true, None) => Cell::Unmapped(LastKnown::Empty),
                (true, Some(Some(option))) => Cell::Unmapped(LastKnown::Option(option.to_owned())),
                (false, None) => Cell::Clear,
                (false, Some(Some(option))) => Cell::Set(Value::Option(option.to_owned())),
                // The value was mapped once and is not any more: nothing is known.
                (_, Some(None)) => continue,
            };
        }
    }
}
