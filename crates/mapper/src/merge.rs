//! Decides what the source store holds of a record after an image arrived, in whatever order images arrive.

use domain::MappingVersion;
use mapping::Compiled;

use crate::registry::Deltas;
use crate::source::{Image, Stored};

/// What an arrival makes of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Merged {
    pub(crate) row: Stored,
    pub(crate) change: RowChange,
}

/// What is to be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RowChange {
    /// The key was not there.
    Insert,
    /// The row is another; its text as well, or not.
    Replace {
        /// Whether the text differs.
        text: bool,
    },
    /// Nothing: what arrived was known or older.
    Keep,
}

/// Merges arrivals of one key into its row and notes what that means for the counts of option values.
///
/// The image with the highest `read_seq` is kept whole. Older ones still teach what option fields were mapped to:
/// a row whose carry grows that way gets a higher revision and keeps its stamp.
pub(crate) fn merge(
    compiled: &Compiled,
    version: MappingVersion,
    old: Option<&Stored>,
    arrived: &[&Image],
    deltas: &mut Deltas,
) -> Option<Merged> {
    let newest = *arrived.iter().max_by_key(|image| image.read_seq)?;
    let is_newer = old.is_none_or(|old| old.image.read_seq < newest.read_seq);
    let image = match old {
        Some(old) if !is_newer => &old.image,
        _ => newest,
    };
    let has_new_text = old.is_none_or(|old| old.image.text != image.text);

    let options = compiled.options_of(&image.text);
    let mut carry = old.map(|old| old.carry.clone()).unwrap_or_default();
    let decides_all = options.len() == compiled.option_count() && options.iter().all(mapping::OptionSeen::is_decided);
    if !decides_all {
        let older =
            arrived.iter().copied().chain(old.map(|old| &old.image)).filter(|other| other.read_seq < image.read_seq);
        for other in older {
            carry.observe(compiled, &compiled.options_of(&other.text), other.read_seq);
        }
    }
    carry.settle(compiled, &options);

    let (was_live, is_live) = (old.is_some_and(|old| old.image.is_live()), image.is_live());
    if has_new_text || was_live != is_live {
        if let Some(old) = old.filter(|_| was_live) {
            deltas.subtract(compiled, &compiled.options_of(&old.image.text));
        }
        if is_live {
            deltas.add(compiled, &options);
        }
    } else if is_live && is_newer {
        deltas.see(compiled, &options);
    }

    let row = match old {
        Some(old) if !is_newer => {
            if carry == old.carry {
                return Some(Merged { row: old.clone(), change: RowChange::Keep });
            }
            Stored { revision: old.revision + 1, carry, ..old.clone() }
        }
        _ => Stored { image: image.clone(), stamp: version, revision: 0, carry },
    };
    let change = match old {
        Some(_) => RowChange::Replace { text: has_new_text },
        None => RowChange::Insert,
    };
    Some(Merged { row, change })
}
