//! What a form sent, and what of it is an edit.

use std::collections::BTreeMap;

use contract::common::v1::Value;
use contract::mapper::v1::LaneField;
use contract::writer::v1::FieldValue;

use super::field::Faults;
use super::row::Row;
use super::value::{Typed, shown};

/// What a form sent: `field.<id>` with the value, `currency.<id>` for money, `was.<id>` with the mark of what stood there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Sent(BTreeMap<String, String>);

impl Sent {
    /// Reads a form.
    pub(super) fn of(pairs: Vec<(String, String)>) -> Self {
        Self(pairs.into_iter().collect())
    }

    /// Returns a part by its name.
    pub(super) fn part(&self, name: &str) -> &str {
        self.0.get(name).map_or("", String::as_str)
    }

    /// Returns what was typed for a field; `None` when the form does not have it.
    pub(super) fn typed(&self, field: &str) -> Option<Typed> {
        let text = self.0.get(&format!("field.{field}"))?;
        Some(Typed::sent(text, self.part(&format!("currency.{field}"))))
    }
}

/// What is to be written.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Edit {
    pub(super) fields: Vec<FieldValue>,
    pub(super) mask: Vec<String>,
}

/// Returns what a form changes: only what somebody touched, so that what a sync wrote meanwhile stays.
///
/// A field that got locked meanwhile is left for the writer to refuse.
///
/// # Errors
/// What is wrong, by field.
pub(super) fn edit(known: &[LaneField], row: Option<&Row>, sent: &Sent) -> Result<Edit, Faults> {
    let (mut edit, mut faults) = (Edit::default(), Faults::new());
    for field in known {
        let standing = row.and_then(|row| row.field(&field.id));
        match change(field, standing, sent) {
            Ok(None) if row.is_none() && field.required => {
                faults.insert(field.id.clone(), missing(field));
            }
            Ok(None) => {}
            Ok(Some(value)) => {
                edit.mask.push(field.id.clone());
                let field = field.id.clone();
                edit.fields.extend(value.map(|value| FieldValue { field, value: Some(value), ..Default::default() }));
            }
            Err(fault) => {
                faults.insert(field.id.clone(), fault);
            }
        }
    }
    if faults.is_empty() { Ok(edit) } else { Err(faults) }
}

/// Returns what a form makes of one field: a value, or an empty field; `None` when nobody touched it.
fn change(field: &LaneField, standing: Option<&FieldValue>, sent: &Sent) -> Result<Option<Option<Value>>, String> {
    let Some(typed) = sent.typed(&field.id) else { return Ok(None) };
    let before = Typed::of(standing.and_then(|standing| standing.value.as_ref()));
    let was = sent.part(&format!("was.{}", field.id));
    if typed.mark() == was || typed == before {
        return Ok(None);
    }
    if standing.is_none_or(|standing| standing.locked_by.is_empty()) {
        if !was.is_empty() && was != before.mark() {
            let stands = shown(standing.and_then(|standing| standing.value.as_ref()), &field.options);
            let stands = if stands.is_empty() { "nothing".to_owned() } else { format!("“{stands}”") };
            return Err(format!("Somebody else changed this to {stands} meanwhile. Save again to overwrite it."));
        }
        if field.required && typed.text.trim().is_empty() {
            return Err(missing(field));
        }
    }
    Ok(Some(typed.read(field.r#type())?))
}

fn missing(field: &LaneField) -> String {
    format!("Enter the {}.", field.display_name.to_lowercase())
}

#[cfg(test)]
mod tests {
    use contract::common::v1::value;
    use domain::Kind;

    use super::super::call::catalogue;
    use super::*;

    fn text(field: &str, text: &str, locked_by: &str) -> FieldValue {
        let value = Some(Value { value: Some(value::Value::Text(text.into())) });
        FieldValue { field: field.into(), value, locked_by: locked_by.into(), unmapped: false }
    }

    fn row(fields: Vec<FieldValue>) -> Row {
        contract::writer::v1::Customer { id: "c1".into(), source: 1, fields, ..Default::default() }.into()
    }

    fn sent(pairs: &[(&str, &str)]) -> Sent {
        Sent::of(pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
    }

    fn mark(text: &str) -> String {
        Typed::sent(text, "").mark()
    }

    #[test]
    fn only_what_somebody_touched_is_written() {
        let row = row(vec![text("name", "Acme", "Account.Name"), text("phone", "1", ""), text("country", "FI", "")]);
        let (one, country) = (mark("1"), mark("SE"));
        // The sync changed the country while the form was open; the person did not touch it.
        let form = sent(&[
            ("field.phone", "2"),
            ("was.phone", &one),
            ("field.country", "SE"),
            ("was.country", &country),
            ("field.nobody", "x"),
        ]);
        let edit = edit(&catalogue(Kind::Account), Some(&row), &form).unwrap();
        assert_eq!(edit.mask, ["phone"]);
        assert_eq!(edit.fields, [text("phone", "2", "")]);
    }

    #[test]
    fn a_field_that_two_people_touched_asks_once_and_a_lock_is_left_to_the_writer() {
        let row = row(vec![text("name", "Acme", "Account.Name"), text("phone", "3", "")]);
        let one = mark("1");
        let form = sent(&[("field.phone", "2"), ("was.phone", &one)]);
        let faults = edit(&catalogue(Kind::Account), Some(&row), &form).unwrap_err();
        assert!(faults["phone"].contains("“3”"), "{faults:?}");
        let form = sent(&[("field.name", ""), ("was.name", &one)]);
        assert_eq!(edit(&catalogue(Kind::Account), Some(&row), &form).unwrap().mask, ["name"]);
    }

    #[test]
    fn a_new_row_needs_its_name_and_clears_nothing() {
        let faults = edit(&catalogue(Kind::Contact), None, &sent(&[("field.name", " ")])).unwrap_err();
        assert_eq!(faults["name"], "Enter the name.");
        let form = sent(&[("field.name", "Ada"), ("field.email", ""), ("field.status", "new")]);
        assert_eq!(edit(&catalogue(Kind::Contact), None, &form).unwrap().mask, ["name", "status"]);
    }
}
