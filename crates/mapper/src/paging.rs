//! Pages of lists: how many entries, and where the last page ended. A token is good for the same arguments only.

use std::fmt::Debug;

use contract::convert::InvalidField;
use xxhash_rust::xxh3::xxh3_64;

/// Largest page.
pub(crate) const MOST: i32 = 1_000;
/// Page of callers that don't say.
const USUAL: i32 = 50;

/// Returns how many entries a page holds.
pub(crate) fn size(wished: i32) -> Result<i32, InvalidField> {
    match wished {
        ..0 => Err(InvalidField { field: "page_size", problem: "is negative" }),
        0 => Ok(USUAL),
        wished => Ok(wished.min(MOST)),
    }
}

/// The arguments that a token is bound to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound(u64);

impl Bound {
    pub(crate) fn to(arguments: &impl Debug) -> Self {
        Self(xxh3_64(format!("{arguments:?}").as_bytes()))
    }

    /// Makes the token for a place in the list.
    pub(crate) fn token(self, place: &str) -> String {
        format!("{:016x}.{place}", self.0)
    }

    /// Returns the place of a token.
    pub(crate) fn place<T>(self, token: &str, read: impl FnOnce(&str) -> Option<T>) -> Result<T, InvalidField> {
        let place = token.strip_prefix(&format!("{:016x}.", self.0));
        place.and_then(read).ok_or(InvalidField {
            field: "page_token",
            problem: "is not from the previous answer to the same arguments",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_the_same_arguments_only() {
        let read = |place: &str| place.parse::<usize>().ok();
        let bound = Bound::to(&("tier", "gold"));
        let token = bound.token("50");
        assert_eq!(bound.place(&token, read).unwrap(), 50);
        assert!(Bound::to(&("tier", "silver")).place(&token, read).is_err());
        for forged in ["nonsense", "50", &bound.token("-1")] {
            assert!(bound.place(forged, read).is_err(), "{forged}");
        }
    }

    #[test]
    fn a_page_has_at_most_a_thousand_entries() {
        assert_eq!((size(0).unwrap(), size(7).unwrap(), size(5_000).unwrap()), (50, 7, 1_000));
        assert!(size(-1).is_err());
    }
}
