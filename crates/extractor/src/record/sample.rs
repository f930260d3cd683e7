//! Reads values of a few records as people see them, for choosing a field. Nothing of them is stored or logged.

use std::collections::HashMap;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::AnswerInvalid;
use super::cell::canonical_number;
use crate::soql::FieldPath;

/// Longer values are cut: enough to recognize one.
const MOST_CHARS: usize = 80;
/// Different values shown of a field.
const VALUES: usize = 3;

/// What the records of an answer hold in one field.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Held {
    /// Records in which it is not empty.
    pub filled: i32,
    /// A few different values, in the order of the records.
    pub values: Vec<String>,
}

#[derive(Deserialize)]
struct WirePage<'a> {
    #[serde(borrow)]
    records: Vec<HashMap<String, &'a RawValue>>,
}

/// Returns how many records the answer has, and what they hold in each of `paths`.
///
/// # Errors
/// [`AnswerInvalid::Page`] when the answer is no page of records.
pub fn read(body: &[u8], paths: &[FieldPath]) -> Result<(i32, Vec<Held>), AnswerInvalid> {
    let page: WirePage<'_> = serde_json::from_slice(body).map_err(|_| AnswerInvalid::Page)?;
    let mut held = vec![Held::default(); paths.len()];
    for record in &page.records {
        for (path, held) in paths.iter().zip(&mut held) {
            let value = match path.relation() {
                None => record.get(path.as_str()).and_then(|raw| text(raw.get())),
                Some((relation, field)) => record.get(relation).and_then(|raw| over_relation(raw.get(), field)),
            };
            let Some(value) = value else { continue };
            held.filled += 1;
            let value: String = value.chars().take(MOST_CHARS).collect();
            if held.values.len() < VALUES && !held.values.contains(&value) {
                held.values.push(value);
            }
        }
    }
    Ok((i32::try_from(page.records.len()).unwrap_or(i32::MAX), held))
}

fn over_relation(raw: &str, field: &str) -> Option<String> {
    let members: HashMap<String, &RawValue> = serde_json::from_str(raw).ok()?;
    members.get(field).and_then(|raw| text(raw.get()))
}

/// Returns a value as text; `None` when it is empty or not one value.
fn text(raw: &str) -> Option<String> {
    match raw.bytes().next()? {
        b'"' => serde_json::from_str::<String>(raw).ok().filter(|text| !text.is_empty()),
        b'n' | b'{' | b'[' => None,
        b't' | b'f' => Some(raw.to_owned()),
        _ => Some(canonical_number(raw).map_or_else(|| raw.to_owned(), |number| number.into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_filled_where_it_is_not_empty_and_shows_different_values() {
        let body = r#"{"totalSize":4,"done":true,"records":[
            {"attributes":{},"Tier__c":"Gold","ARR__c":9.0E7,"Owner":{"attributes":{},"Name":"Ann"},"Note":""},
            {"attributes":{},"Tier__c":"Gold","ARR__c":null,"Owner":null,"Note":null},
            {"attributes":{},"Tier__c":"Sil\u00fcver","ARR__c":0.5,"Owner":{"Name":"Bo"},"Flag":false},
            {"attributes":{},"Tier__c":"x","ARR__c":1,"Owner":{"Name":null}}]}"#;
        let paths: Vec<FieldPath> =
            ["Tier__c", "ARR__c", "Owner.Name", "Note", "Flag"].map(|path| path.parse().unwrap()).into();
        let (records, held) = read(body.as_bytes(), &paths).unwrap();
        assert_eq!(records, 4);
        let told: Vec<_> = held.iter().map(|held| (held.filled, held.values.join(" "))).collect();
        let expected = [(4, "Gold Silüver x"), (3, "90000000 0.5 1"), (2, "Ann Bo"), (0, ""), (1, "false")];
        assert_eq!(told, expected.map(|(filled, values)| (filled, values.to_owned())));
        assert_eq!(read(b"[]", &paths), Err(AnswerInvalid::Page));
    }
}
