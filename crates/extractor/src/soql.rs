//! Queries are built here and nowhere else: the object from a fixed list, field names checked, values only as typed
//! literals. No text of a person ever reaches a query.

use std::fmt;
use std::str::FromStr;

use domain::{Object, SalesforceId};
use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;
use crate::window::Scan;

/// The longest address of a query; Salesforce refuses 16,384 bytes with its headers.
pub const MAX_URI_BYTES: usize = 15_000;

/// An API name of a field, or a path over one relation, e.g. `Owner.Name`.
///
/// Only [`FromStr`] builds one, so holding a value is proof that it can't change the meaning of a query.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct FieldPath(String);

/// The text is not a field path.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a Salesforce field name, or more than one relation deep")]
pub struct InvalidFieldPath;

impl FieldPath {
    /// Returns the path as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns relation and field of a path over a relation.
    #[must_use]
    pub fn relation(&self) -> Option<(&str, &str)> {
        self.0.split_once('.')
    }
}

fn is_name(text: &str) -> bool {
    text.len() <= 80
        && text.bytes().next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

impl FromStr for FieldPath {
    type Err = InvalidFieldPath;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let well_formed = match text.split_once('.') {
            Some((relation, field)) => is_name(relation) && is_name(field),
            None => is_name(text),
        };
        if well_formed { Ok(Self(text.to_owned())) } else { Err(InvalidFieldPath) }
    }
}

impl TryFrom<String> for FieldPath {
    type Error = InvalidFieldPath;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.parse()
    }
}

impl From<FieldPath> for String {
    fn from(path: FieldPath) -> Self {
        path.0
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A query, ready to be sent. Its literals are no secrets, but they are not logged either.
#[derive(Clone, PartialEq, Eq)]
pub struct Query(String);

impl Query {
    /// Returns the text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Returns the text as it stands in an address.
    #[must_use]
    pub fn encoded(&self) -> String {
        url::form_urlencoded::byte_serialize(self.0.as_bytes()).collect()
    }
}

fn columns(fields: &[FieldPath]) -> String {
    fields.iter().map(FieldPath::as_str).collect::<Vec<_>>().join(",")
}

/// Returns the query that reads `scan` in the order of (SystemModstamp, Id).
#[must_use]
pub fn scan(object: Object, fields: &[FieldPath], scan: &Scan) -> Query {
    let condition = condition(scan);
    let object = object.api_name();
    Query(format!("SELECT {} FROM {object}{condition} ORDER BY SystemModstamp ASC, Id ASC", columns(fields)))
}

/// Returns the query of a bulk job over `scan`: no order, because an order would switch off its chunking.
#[must_use]
pub fn bulk(object: Object, fields: &[FieldPath], scan: &Scan) -> Query {
    Query(format!("SELECT {} FROM {}{}", columns(fields), object.api_name(), condition(scan)))
}

/// Returns the query that counts `scan`.
#[must_use]
pub fn count(object: Object, scan: &Scan) -> Query {
    Query(format!("SELECT COUNT() FROM {}{}", object.api_name(), condition(scan)))
}

/// Returns the query that counts the records that are not in the bin.
#[must_use]
pub fn count_live(object: Object) -> Query {
    Query(format!("SELECT COUNT() FROM {} WHERE IsDeleted = false", object.api_name()))
}

/// Returns the query that reads the newest records that are not in the bin.
#[must_use]
pub fn newest(object: Object, fields: &[FieldPath], limit: usize) -> Query {
    Query(format!(
        "SELECT {} FROM {} WHERE IsDeleted = false ORDER BY SystemModstamp DESC LIMIT {limit}",
        columns(fields),
        object.api_name()
    ))
}

/// Returns the query that reads records by id.
#[must_use]
pub fn by_ids(object: Object, fields: &[FieldPath], ids: &[SalesforceId]) -> Query {
    let ids = ids.iter().map(|id| format!("'{id}'")).collect::<Vec<_>>().join(",");
    Query(format!("SELECT {} FROM {} WHERE Id IN ({ids})", columns(fields), object.api_name()))
}

/// Returns a query with `REDACTED` in the place of each literal: quoted text, numbers, dates and moments.
#[must_use]
pub fn redact(query: &str) -> String {
    let mut shown = String::with_capacity(query.len());
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | ':' | '+' | '-');
        let length = match first {
            '\'' => quoted_length(rest),
            _ if is_word(first) => rest.find(|c| !is_word(c)).unwrap_or(rest.len()),
            other => other.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        let is_literal = first == '\'' || token.starts_with(|c: char| c.is_ascii_digit() || matches!(c, '+' | '-'));
        shown.push_str(if is_literal { "REDACTED" } else { token });
        rest = after;
    }
    shown
}

/// Returns where a quoted literal ends; one that is not closed ends with the text.
fn quoted_length(text: &str) -> usize {
    let mut escaped = false;
    for (place, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '\'' => return place + 1,
            _ => {}
        }
    }
    text.len()
}

/// Returns the query for the org's own currency.
#[must_use]
pub fn default_currency() -> Query {
    Query("SELECT DefaultCurrencyIsoCode FROM Organization".to_owned())
}

fn condition(scan: &Scan) -> String {
    let lower = match (&scan.after, scan.since) {
        (Some(position), _) => {
            let (stamp, id) = (position.modified, &position.id);
            Some(format!("(SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > '{id}'))"))
        }
        (None, Some(since)) => Some(since_clause(since)),
        (None, None) => None,
    };
    let upper = scan.end().map(|end| format!("SystemModstamp < {end}"));
    let clauses: Vec<String> = [lower, upper].into_iter().flatten().collect();
    if clauses.is_empty() { String::new() } else { format!(" WHERE {}", clauses.join(" AND ")) }
}

fn since_clause(since: Stamp) -> String {
    format!("SystemModstamp >= {since}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::window::Position;

    fn fields(names: &[&str]) -> Vec<FieldPath> {
        names.iter().map(|name| name.parse().unwrap()).collect()
    }

    fn at(text: &str) -> Stamp {
        Stamp::parse(text).unwrap()
    }

    #[test]
    fn s29_only_field_names_pass() {
        for good in ["Name", "Tier__c", "Owner.Name", "ns__Thing__r.Name"] {
            assert!(good.parse::<FieldPath>().is_ok(), "{good}");
        }
        let long = "a".repeat(81);
        for bad in ["", "1Name", "Name ", "Na'me", "A.B.C", "Name,Id", "(Name)", "Owner.", "Näme", long.as_str()] {
            assert!(bad.parse::<FieldPath>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_scan_goes_on_after_the_pair_of_stamp_and_id() {
        let mut window = Scan { since: Some(at("2026-08-01T00:00:00Z")), ..Scan::default() };
        assert_eq!(
            scan(Object::Account, &fields(&["Id", "Name"]), &window).as_str(),
            "SELECT Id,Name FROM Account WHERE SystemModstamp >= 2026-08-01T00:00:00Z ORDER BY SystemModstamp ASC, Id ASC"
        );
        window.after =
            Some(Position { modified: at("2026-08-02T10:11:12.000+0000"), id: "001Kd00001a2B3cIAE".parse().unwrap() });
        window.before = Some(at("2026-08-03T00:00:00Z"));
        assert_eq!(
            scan(Object::Lead, &fields(&["Id"]), &window).as_str(),
            "SELECT Id FROM Lead WHERE (SystemModstamp > 2026-08-02T10:11:12Z OR (SystemModstamp = 2026-08-02T10:11:12Z \
             AND Id > '001Kd00001a2B3cIAE')) AND SystemModstamp < 2026-08-03T00:00:00Z ORDER BY SystemModstamp ASC, Id ASC"
        );
    }

    #[test]
    fn no_literal_is_shown() {
        assert_eq!(
            redact(
                "SELECT Id,Owner.Name FROM Lead WHERE (SystemModstamp = 2026-08-02T10:11:12Z AND Id > '001Kd00001a2B3c') \
                 AND Name IN ('O\\'Neil','b') AND Amount > -1.5E3 LIMIT 200"
            ),
            "SELECT Id,Owner.Name FROM Lead WHERE (SystemModstamp = REDACTED AND Id > REDACTED) \
             AND Name IN (REDACTED,REDACTED) AND Amount > REDACTED LIMIT REDACTED"
        );
        assert_eq!(redact("WHERE Name = 'never closed"), "WHERE Name = REDACTED");
    }

    #[test]
    fn a_bulk_query_has_no_order_and_a_count_no_columns() {
        let everything = Scan::default();
        assert_eq!(bulk(Object::Contact, &fields(&["Id"]), &everything).as_str(), "SELECT Id FROM Contact");
        assert_eq!(count(Object::Contact, &everything).as_str(), "SELECT COUNT() FROM Contact");
        assert_eq!(count_live(Object::Lead).as_str(), "SELECT COUNT() FROM Lead WHERE IsDeleted = false");
        assert_eq!(
            newest(Object::Lead, &fields(&["Id", "Owner.Name"]), 200).as_str(),
            "SELECT Id,Owner.Name FROM Lead WHERE IsDeleted = false ORDER BY SystemModstamp DESC LIMIT 200"
        );
    }

    #[test]
    fn a_plus_in_an_address_is_a_space_and_a_colon_is_escaped() {
        let ids = ["001Kd00001a2B3cIAE".parse().unwrap()];
        assert_eq!(
            by_ids(Object::Account, &fields(&["Id"]), &ids).encoded(),
            "SELECT+Id+FROM+Account+WHERE+Id+IN+%28%27001Kd00001a2B3cIAE%27%29"
        );
    }
}
