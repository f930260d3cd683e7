//! The one place that decides what counts as a Salesforce field path.

use std::fmt;
use std::str::FromStr;

/// A field of an object, at most one relation deep: "AnnualRevenue", "Owner.Name".
///
/// Only [`FromStr`] builds one, so a path can stand in a query without being quoted.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldPath(String);

/// The text is not a field path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a Salesforce field: letters, digits and underscores, at most one relation deep")]
pub struct InvalidFieldPath;

impl FieldPath {
    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

fn is_name(text: &str) -> bool {
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic());
    starts_well && text.len() <= 80 && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl FromStr for FieldPath {
    type Err = InvalidFieldPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let holds = match text.split_once('.') {
            Some((relation, field)) => is_name(relation) && is_name(field),
            None => is_name(text),
        };
        if holds { Ok(Self(text.to_owned())) } else { Err(InvalidFieldPath) }
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_at_most_one_relation_deep() {
        for text in ["Name", "Owner.Name", "ARR__c", "Parent__r.Tier__c"] {
            assert_eq!(text.parse::<FieldPath>().unwrap().as_str(), text);
        }
    }

    #[test]
    fn nothing_that_could_leave_its_place_in_a_query_is_a_path() {
        let long = "a".repeat(81);
        let bad =
            ["", "1a", "_a", "a b", "a'b", "a,b", "a(b)", "A.B.C", ".a", "a.", "a-b", "Näme", "Name ", "a\n", &long];
        for text in bad {
            assert!(text.parse::<FieldPath>().is_err(), "{text:?}");
        }
    }
}
