//! The fields of one row as a form: who decides each, what stands there, what is wrong with what was typed.

use std::collections::BTreeMap;

use contract::common::v1::FieldType;
use contract::mapper::v1::{FieldOption, LaneField};
use contract::writer::v1::FieldValue;
use domain::Kind;

use super::row::Row;
use super::value::{Typed, shown};
use super::{href, words};
use crate::moment::Moment;
use crate::web::ROOT;

/// Longest value that a form offers for editing, in bytes: a form as a whole is limited, and escaping makes it longer.
const LONGEST: usize = 5_000;

/// What is wrong, by field.
pub(super) type Faults = BTreeMap<String, String>;

/// What the mapper told of the record behind a row.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Told {
    /// When the record was read last.
    pub(super) read: Option<Moment>,
    /// The run that read it; may be empty.
    pub(super) run: String,
    /// Picklist values without mapping, by field.
    pub(super) raw: BTreeMap<String, String>,
}

/// One field of the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldRow {
    pub(super) id: String,
    pub(super) label: String,
    pub(super) is_required: bool,
    pub(super) control: Control,
    /// Mark of what stood there when the form was made.
    pub(super) was: String,
    pub(super) lock: Option<Lock>,
    pub(super) open: Option<Open>,
    /// What is wrong with it; empty when nothing is.
    pub(super) fault: String,
    /// Where its story is told; empty for rows made by hand.
    pub(super) why: String,
}

impl FieldRow {
    /// Returns the ids of what describes the control.
    pub(super) fn described_by(&self) -> String {
        let parts = [
            ("fault", !self.fault.is_empty()),
            ("lock", self.lock.is_some()),
            ("open", self.open.is_some()),
            ("hint", matches!(self.control, Control::TooLong { .. } | Control::Money { .. })),
        ];
        let ids = parts.into_iter().filter(|(_, is_there)| *is_there).map(|(part, _)| format!("{part}-{}", self.id));
        ids.collect::<Vec<_>>().join(" ")
    }
}

/// With what it is edited.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Control {
    /// Not here: a mapping feeds it.
    Locked { text: String, is_long: bool },
    /// Not here: it is too long for a form.
    TooLong { text: String },
    /// A line; `mode` is the keyboard that fits.
    Line { text: String, mode: &'static str },
    /// Several lines.
    Lines { text: String },
    /// A calendar date.
    Date { text: String },
    /// An amount with its currency.
    Money { text: String, currency: String },
    /// One of some.
    Choice { choices: Vec<Choice> },
}

/// One of some.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) key: String,
    pub(super) label: String,
    pub(super) is_chosen: bool,
}

/// Who feeds a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Lock {
    /// "Account.Industry".
    pub(super) source: String,
    pub(super) read: Option<Moment>,
    /// Its row on the mapping page.
    pub(super) mapping: String,
}

/// A picklist value without mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Open {
    /// As Salesforce has it; empty when that is not known now.
    pub(super) raw: String,
    /// Where it is mapped.
    pub(super) values: String,
}

/// Returns the fields of a row, or of a new one, with what was typed where something was.
pub(super) fn rows(
    kind: Kind,
    row: Option<&Row>,
    known: &[LaneField],
    told: &Told,
    sent: Option<&Sent>,
    faults: &Faults,
) -> Vec<FieldRow> {
    let empty = FieldValue::default();
    let listed = known.iter().map(|field| {
        let value = row.and_then(|row| row.field(&field.id)).unwrap_or(&empty);
        field_row(kind, row, field, value, told, sent, faults)
    });
    let is_known = |id: &str| known.iter().any(|field| field.id == id);
    // The workspace may hold fields that the mapper does not list now; they are shown and not edited.
    let more = row.into_iter().flat_map(|row| &row.fields).filter(|value| !is_known(&value.field)).map(|value| {
        let field = LaneField { id: value.field.clone(), display_name: value.field.clone(), ..LaneField::default() };
        let shown = field_row(kind, row, &field, value, told, None, faults);
        let text = self::shown(value.value.as_ref(), &[]);
        FieldRow { control: Control::TooLong { text }, ..shown }
    });
    listed.chain(more).collect()
}

/// Whether anything is wrong with what was typed.
pub(super) fn has_fault(rows: &[FieldRow]) -> bool {
    rows.iter().any(|row| !row.fault.is_empty())
}

fn field_row(
    kind: Kind,
    row: Option<&Row>,
    field: &LaneField,
    value: &FieldValue,
    told: &Told,
    sent: Option<&Sent>,
    faults: &Faults,
) -> FieldRow {
    let standing = Typed::of(value.value.as_ref());
    let lock = (!value.locked_by.is_empty()).then(|| Lock {
        source: value.locked_by.clone(),
        read: told.read.clone(),
        mapping: format!("{ROOT}{}#field-{}", words(kind).mapping, field.id),
    });
    let typed = sent.and_then(|sent| sent.typed(&field.id)).unwrap_or_else(|| standing.clone());
    let control = if lock.is_some() {
        let text = shown(value.value.as_ref(), &field.options);
        Control::Locked { is_long: text.len() > 80 || text.contains('\n'), text }
    } else if standing.text.len() > LONGEST {
        Control::TooLong { text: standing.text.clone() }
    } else {
        control(field, typed)
    };
    let origin = row.filter(|row| row.origin.is_some());
    FieldRow {
        id: field.id.clone(),
        label: field.display_name.clone(),
        is_required: field.required,
        control,
        was: standing.mark(),
        lock,
        open: value.unmapped.then(|| Open {
            raw: told.raw.get(&field.id).cloned().unwrap_or_default(),
            values: format!("{ROOT}/values/{}", field.id),
        }),
        fault: faults.get(&field.id).cloned().unwrap_or_default(),
        why: origin.map(|row| format!("{}/why/{}", href(kind, &row.id), field.id)).unwrap_or_default(),
    }
}

fn control(field: &LaneField, typed: Typed) -> Control {
    let text = typed.text;
    match field.r#type() {
        FieldType::Money => Control::Money { text, currency: typed.currency },
        FieldType::Number => Control::Line { text, mode: "decimal" },
        FieldType::Url => Control::Line { text, mode: "url" },
        FieldType::Date => Control::Date { text },
        FieldType::Option => Control::Choice { choices: choices(&field.options, &text) },
        FieldType::Boolean => {
            let yes_or_no = [("true", "Yes"), ("false", "No")];
            let options = yes_or_no.map(|(key, name)| FieldOption { key: key.into(), display_name: name.into() });
            Control::Choice { choices: choices(&options, &text) }
        }
        // A line would lose the breaks that somebody else put there.
        FieldType::Text | FieldType::Unspecified if field.id == "description" || text.contains('\n') => {
            Control::Lines { text }
        }
        FieldType::Text | FieldType::Unspecified => Control::Line { text, mode: "text" },
    }
}

/// Returns the options with "none" first; an option that is gone stays while it is the chosen one.
pub(super) fn choices(options: &[FieldOption], chosen: &str) -> Vec<Choice> {
    let one =
        |key: &str, label: &str| Choice { key: key.to_owned(), label: label.to_owned(), is_chosen: key == chosen };
    let mut choices = vec![one("", "—")];
    choices.extend(options.iter().map(|option| one(&option.key, &option.display_name)));
    if choices.iter().all(|choice| choice.key != chosen) {
        choices.push(one(chosen, chosen));
    }
    choices
}

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

    fn typed(&self, field: &str) -> Option<Typed> {
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
        let before = Typed::of(standing.and_then(|value| value.value.as_ref()));
        let typed = sent.typed(&field.id).unwrap_or_default();
        let was = sent.part(&format!("was.{}", field.id));
        let is_missing = row.is_none() && field.required && typed.text.trim().is_empty();
        if is_missing {
            faults.insert(field.id.clone(), format!("Enter the {}.", field.display_name.to_lowercase()));
            continue;
        }
        let is_sent = sent.typed(&field.id).is_some();
        if !is_sent || typed.mark() == was || typed == before {
            continue;
        }
        let is_locked = standing.is_some_and(|value| !value.locked_by.is_empty());
        if !is_locked && !was.is_empty() && was != before.mark() {
            let stands = shown(standing.and_then(|value| value.value.as_ref()), &field.options);
            let stands = if stands.is_empty() { "nothing".to_owned() } else { format!("“{stands}”") };
            let fault = format!("Somebody else changed this to {stands} meanwhile. Save again to overwrite it.");
            faults.insert(field.id.clone(), fault);
            continue;
        }
        match typed.read(field.r#type()) {
            Ok(None) if field.required && !is_locked => {
                faults.insert(field.id.clone(), format!("Enter the {}.", field.display_name.to_lowercase()));
            }
            Ok(value) => {
                edit.mask.push(field.id.clone());
                let field = field.id.clone();
                edit.fields.extend(value.map(|value| FieldValue {
                    field,
                    value: Some(value),
                    ..FieldValue::default()
                }));
            }
            Err(fault) => {
                faults.insert(field.id.clone(), fault.to_owned());
            }
        }
    }
    if faults.is_empty() { Ok(edit) } else { Err(faults) }
}

#[cfg(test)]
mod tests {
    use contract::common::v1::{Value, value};

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

    #[test]
    fn a_locked_field_names_its_source_and_the_row_of_its_mapping() {
        let mut tier = text("tier", "gone", "Account.Tier__c");
        tier.unmapped = true;
        let told = Told { raw: [("tier".to_owned(), "Gold".to_owned())].into(), ..Told::default() };
        let row = row(vec![tier, text("custom_x", "y", "")]);
        let rows = rows(Kind::Account, Some(&row), &catalogue(Kind::Account), &told, None, &Faults::new());
        let tier = rows.iter().find(|field| field.id == "tier").unwrap();
        let lock = tier.lock.as_ref().unwrap();
        assert_eq!(lock.source, "Account.Tier__c");
        assert_eq!(lock.mapping, "/integrations/salesforce/mapping/accounts#field-tier");
        assert_eq!(tier.open.as_ref().unwrap().raw, "Gold");
        assert_eq!(tier.described_by(), "lock-tier open-tier");
        assert!(matches!(rows.last().unwrap().control, Control::TooLong { .. }), "a field that nobody lists is shown");
    }

    #[test]
    fn what_is_too_long_for_a_form_is_shown_and_not_edited() {
        let row = row(vec![text("description", &"x".repeat(LONGEST + 1), "")]);
        let rows = rows(Kind::Account, Some(&row), &catalogue(Kind::Account), &Told::default(), None, &Faults::new());
        let field = rows.iter().find(|field| field.id == "description").unwrap();
        assert!(matches!(field.control, Control::TooLong { .. }));
    }
}
