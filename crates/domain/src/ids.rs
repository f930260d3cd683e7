//! Identities. The one place that decides what counts as a Salesforce id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

macro_rules! uuid_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub Uuid);

        impl $name {
            /// Makes a new one; ids made later sort later.
            #[must_use]
            pub fn generate() -> Self {
                Self(Uuid::now_v7())
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Uuid::parse_str(text).map(Self)
            }
        }
    };
}

uuid_id! {
    /// A workspace of Lane: the tenant.
    WorkspaceId
}
uuid_id! {
    /// One pass of reading or replaying.
    RunId
}
uuid_id! {
    /// A customer or contact in Lane.
    LaneId
}

/// The 18-character, case-safe form of a Salesforce record id.
///
/// Only [`FromStr`] builds one (15 characters are completed, 18 are checked), so holding a value is proof of its shape.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct SalesforceId(String);

/// The id of a Salesforce org.
pub type OrgId = SalesforceId;

/// The text is not a Salesforce id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a Salesforce id: {length} characters, or a wrong check suffix")]
pub struct InvalidSalesforceId {
    length: usize,
}

const CHECK_LETTERS: &[u8; 32] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345";

/// Returns the three check letters of a 15-character id: they tell which letters are upper case.
fn check_suffix(id15: &[u8]) -> [u8; 3] {
    let mut suffix = [0; 3];
    for (letter, group) in suffix.iter_mut().zip(id15.chunks(5)) {
        let index = group
            .iter()
            .enumerate()
            .filter(|(_, byte)| byte.is_ascii_uppercase())
            .map(|(bit, _)| 1_usize << bit)
            .sum::<usize>();
        *letter = CHECK_LETTERS[index % CHECK_LETTERS.len()];
    }
    suffix
}

impl SalesforceId {
    /// Returns the 18 characters.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the three characters that tell the object, e.g. "001" for Account.
    #[must_use]
    pub fn prefix(&self) -> &str {
        self.0.get(..3).unwrap_or_default()
    }
}

impl FromStr for SalesforceId {
    type Err = InvalidSalesforceId;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let invalid = InvalidSalesforceId { length: text.len() };
        let bytes = text.as_bytes();
        if !bytes.iter().all(u8::is_ascii_alphanumeric) {
            return Err(invalid);
        }
        let (Some(id15), rest) = (bytes.get(..15), bytes.get(15..).unwrap_or_default()) else {
            return Err(invalid);
        };
        let suffix = check_suffix(id15);
        if rest.is_empty() {
            let mut whole = text.to_owned();
            whole.extend(suffix.map(char::from));
            return Ok(Self(whole));
        }
        if rest == suffix { Ok(Self(text.to_owned())) } else { Err(invalid) }
    }
}

impl TryFrom<String> for SalesforceId {
    type Error = InvalidSalesforceId;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<SalesforceId> for String {
    fn from(id: SalesforceId) -> Self {
        id.0
    }
}

impl fmt::Display for SalesforceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_suffix_tells_which_letters_are_upper_case() {
        for (id15, id18) in [
            ("001Kd00001a2B3c", "001Kd00001a2B3cIAE"),
            ("001Kd00001a2B3C", "001Kd00001a2B3CIAU"),
            ("00D000000000062", "00D000000000062EAA"),
            ("001aaaaaaaaaaaa", "001aaaaaaaaaaaaAAA"),
            ("001AAAAAAAAAAAA", "001AAAAAAAAAAAAY55"),
        ] {
            assert_eq!(id15.parse::<SalesforceId>().unwrap().as_str(), id18);
            assert_eq!(id18.parse::<SalesforceId>().unwrap().as_str(), id18);
        }
    }

    #[test]
    fn a_wrong_suffix_length_or_character_is_refused() {
        for text in [
            "",
            "001",
            "001Kd00001a2B3cIAU",
            "001Kd00001a2B3cIA",
            "001Kd00001a2B3!",
            "001Kd00001a2Bäc",
            "001Kd00001a2B3cIAEE",
        ] {
            assert!(text.parse::<SalesforceId>().is_err(), "{text}");
        }
    }
}
