//! Pages of lists. A token says where the last page ended and is good for the same arguments only.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Serialize;
use serde::de::DeserializeOwned;
use xxhash_rust::xxh3::xxh3_64;

use super::{CallError, invalid};

/// Largest page.
const MAX_SIZE: i32 = 1000;
/// Page of callers that don't say.
const DEFAULT_SIZE: i32 = 50;

/// Returns how many rows to read for a wished page size.
pub(super) fn size(wished: i32) -> Result<i64, CallError> {
    match wished {
        ..0 => Err(invalid("page_size", "is negative")),
        0 => Ok(DEFAULT_SIZE.into()),
        wished => Ok(wished.min(MAX_SIZE).into()),
    }
}

/// Makes a token for `last`, bound to the call's other arguments.
pub(super) fn token<L: Serialize>(arguments: &impl Serialize, last: &L) -> String {
    let bound = (fingerprint(arguments), last);
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&bound).unwrap_or_default())
}

/// Reads a token; `None` for the first page.
pub(super) fn read<L: DeserializeOwned>(arguments: &impl Serialize, token: &str) -> Result<Option<L>, CallError> {
    if token.is_empty() {
        return Ok(None);
    }
    let forged = || invalid("page_token", "is not from the previous answer to the same arguments");
    let bytes = URL_SAFE_NO_PAD.decode(token).map_err(|_| forged())?;
    let (fingerprint_then, last): (u64, L) = serde_json::from_slice(&bytes).map_err(|_| forged())?;
    if fingerprint_then == fingerprint(arguments) { Ok(Some(last)) } else { Err(forged()) }
}

fn fingerprint(arguments: &impl Serialize) -> u64 {
    xxh3_64(&serde_json::to_vec(arguments).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_good_for_the_same_arguments_only() {
        let here = ("customers", "workspace", "search");
        let made = token(&here, &7);
        assert_eq!(read::<i64>(&here, &made).unwrap(), Some(7));
        assert_eq!(read::<i64>(&here, "").unwrap(), None);
        assert!(read::<i64>(&("customers", "workspace", "other"), &made).is_err());
        assert!(read::<i64>(&here, "nonsense").is_err());
    }

    #[test]
    fn a_page_has_at_most_a_thousand_rows() {
        assert_eq!(size(0).unwrap(), 50);
        assert_eq!(size(5000).unwrap(), 1000);
        assert!(size(-1).is_err());
    }
}
