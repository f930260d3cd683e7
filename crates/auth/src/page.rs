//! Page tokens: opaque, and only ours. A forged one, or one of another list, is refused.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use contract::convert::InvalidField;

use crate::vault::KeyRing;

const PROOF_BYTES: usize = 32;
const DEFAULT_SIZE: i32 = 50;
const LARGEST_SIZE: i32 = 1_000;

/// Returns how many a page holds.
///
/// # Errors
/// When it is negative.
pub(crate) fn size(asked: i32) -> Result<i64, InvalidField> {
    match asked {
        ..0 => Err(InvalidField { field: "page_size", problem: "is negative" }),
        0 => Ok(DEFAULT_SIZE.into()),
        _ => Ok(asked.min(LARGEST_SIZE).into()),
    }
}

/// Writes where a list goes on.
pub(crate) fn write(ring: &KeyRing, list: &str, position: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode([ring.sign(list, position).as_slice(), position].concat())
}

/// Reads where a list goes on; `None` for its beginning.
///
/// # Errors
/// When the token is not one of [`write`] for the same list.
pub(crate) fn read<const N: usize>(ring: &KeyRing, list: &str, token: &str) -> Result<Option<[u8; N]>, InvalidField> {
    if token.is_empty() {
        return Ok(None);
    }
    let invalid = InvalidField { field: "page_token", problem: "is not a token of this list" };
    let Ok(bytes) = URL_SAFE_NO_PAD.decode(token) else { return Err(invalid) };
    let Some((proof, position)) = bytes.split_at_checked(PROOF_BYTES) else { return Err(invalid) };
    if !ring.verify(list, position, proof) {
        return Err(invalid);
    }
    position.try_into().map(Some).map_err(|_| invalid)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_token_is_of_its_list_and_unforged() {
        let key = base64::engine::general_purpose::STANDARD.encode([7; 32]);
        let ring = KeyRing::parse(&format!(r#"{{"keys":[{{"id":"k1","key":"{key}"}}]}}"#)).unwrap();
        let token = write(&ring, "workspaces", &17_i64.to_be_bytes());

        assert_eq!(read(&ring, "workspaces", &token), Ok(Some(17_i64.to_be_bytes())));
        assert_eq!(read::<8>(&ring, "workspaces", ""), Ok(None));
        assert!(read::<8>(&ring, "connections", &token).is_err());
        assert!(read::<16>(&ring, "workspaces", &token).is_err());
        let forged = URL_SAFE_NO_PAD.encode([[0; 32].as_slice(), &18_i64.to_be_bytes()].concat());
        for other in ["x", "AAAA", &token[1..], &forged] {
            assert!(read::<8>(&ring, "workspaces", other).is_err(), "{other}");
        }
    }

    #[test]
    fn a_page_has_fifty_unless_asked_and_a_thousand_at_most() {
        assert_eq!([0, 1, 1_000, 5_000].map(|asked| size(asked).unwrap()), [50, 1, 1_000, 1_000]);
        assert!(size(-1).is_err());
    }
}
