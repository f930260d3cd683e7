//! Record ids: 15 case-sensitive base-62 characters, shown with a 3-character checksum.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

const SUFFIX: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";
const BASE_62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// A record id, compared like Salesforce compares it: by its 15 characters, case-sensitively,
/// in base-62 order (`0-9 A-Z a-z`, which is also the order of the bytes).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id([u8; 15]);

/// Neither 15 nor 18 alphanumeric characters, or the last three are not the checksum.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid ID field: {0}")]
pub struct InvalidId(pub String);

impl Id {
    /// The smallest possible id.
    pub(crate) const MIN: Self = Self(*b"000000000000000");
    /// The greatest possible id.
    pub(crate) const MAX: Self = Self(*b"zzzzzzzzzzzzzzz");

    /// Builds `prefix` + `pod` (2 characters) + `number` in base 62.
    pub(crate) fn numbered(prefix: &str, pod: &str, number: u64) -> Self {
        let mut bytes = *b"000000000000000";
        bytes[..3].copy_from_slice(&prefix.as_bytes()[..3]);
        bytes[3..5].copy_from_slice(&pod.as_bytes()[..2]);
        let mut rest = number;
        for place in bytes[5..].iter_mut().rev() {
            *place = BASE_62[(rest % 62) as usize];
            rest /= 62;
        }
        Self(bytes)
    }

    /// The 15-character form.
    pub fn short(&self) -> &str {
        std::str::from_utf8(&self.0).expect("an id holds ASCII only")
    }

    /// The 18-character form as bytes, for rendering without an allocation.
    pub(crate) fn long_bytes(&self) -> [u8; 18] {
        let mut long = [0; 18];
        long[..15].copy_from_slice(&self.0);
        for group in 0..3 {
            let mut index = 0usize;
            for bit in 0..5 {
                if self.0[group * 5 + bit].is_ascii_uppercase() {
                    index |= 1 << bit;
                }
            }
            long[15 + group] = SUFFIX[index];
        }
        long
    }

    /// The first three characters: which object the id belongs to.
    pub(crate) fn prefix(&self) -> &str {
        &self.short()[..3]
    }
}

impl FromStr for Id {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let invalid = || InvalidId(text.to_owned());
        let bytes = text.as_bytes();
        if !matches!(bytes.len(), 15 | 18) || !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(invalid());
        }
        let mut short = [0; 15];
        short.copy_from_slice(&bytes[..15]);
        let id = Self(short);
        if bytes.len() == 18 && id.long_bytes() != bytes {
            return Err(invalid());
        }
        Ok(id)
    }
}

impl fmt::Display for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let long = self.long_bytes();
        out.write_str(std::str::from_utf8(&long).expect("an id holds ASCII only"))
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, out)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, out: S) -> Result<S::Ok, S::Error> {
        out.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(input: D) -> Result<Self, D::Error> {
        String::deserialize(input)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_vectors_hold() {
        for (short, suffix) in [
            ("001Kd00001a2B3c", "IAE"),
            ("001Kd00001a2B3C", "IAU"),
            ("00D000000000062", "EAA"),
            ("001aaaaaaaaaaaa", "AAA"),
            ("001AAAAAAAAAAAA", "Y55"),
            ("012000000000000", "AAA"),
            ("00DKd0000AbCdEf", "MQK"),
            ("005Kd000007uVwX", "IAU"),
            ("003Kd00002Xy9Zq", "IAJ"),
            ("00QKd00000LmNoP", "MAV"),
        ] {
            let id: Id = short.parse().unwrap();
            assert_eq!(id.to_string(), format!("{short}{suffix}"));
            assert_eq!(id.to_string().parse::<Id>().unwrap(), id);
        }
    }

    #[test]
    fn ids_that_differ_only_by_case_are_two_ids_in_base_62_order() {
        let upper: Id = "001Kd00001a2B3CIAU".parse().unwrap();
        let lower: Id = "001Kd00001a2B3cIAE".parse().unwrap();
        assert!(upper < lower);
        assert!("001Kd00001a2B3cIAU".parse::<Id>().is_err(), "a wrong checksum is not an id");
    }

    #[test]
    fn numbered_ids_grow_with_their_number() {
        let ids: Vec<Id> = (0..5000).map(|n| Id::numbered("001", "Kd", n)).collect();
        assert!(ids.windows(2).all(|pair| pair[0] < pair[1]));
    }
}
