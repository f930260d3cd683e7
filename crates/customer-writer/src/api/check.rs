//! Whether an edit by hand holds: locks first, then types and options. Pure.

use std::collections::{BTreeMap, BTreeSet};

use contract::error::{Failure, Reason, Violation};
use contract::writer::v1::FieldValue;
use domain::catalogue::{default_options, standard_fields};
use domain::{FieldType, Kind, Object, Value};

use crate::column::Column;
use crate::record::Image;
use crate::store::workspace::Workspace;

/// Longest text that a person may write into a field, in characters.
const MAX_TEXT: usize = 131_072;

/// What is edited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Edited {
    /// A new row.
    New,
    /// A row that was made by hand.
    Own,
    /// A row that came from a Salesforce object.
    Synced(Object),
}

/// Why an edit does not hold: one violation for each field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// Mappings feed the fields.
    Locked(Vec<Violation>),
    /// The values do not fit the fields.
    Rejected(Vec<Violation>),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Locked(violations) => {
                Self::new(Reason::FieldLocked, "Salesforce feeds some of these fields; nothing was changed.")
                    .with_violations(violations)
            }
            Refusal::Rejected(violations) => {
                Self::new(Reason::RecordRejected, "Some fields do not hold.").with_violations(violations)
            }
        }
    }
}

/// Returns the columns to write.
///
/// `mask` names the fields to change; one that has no value in `fields` is cleared.
pub(super) fn edit(
    kind: Kind,
    known: &Workspace,
    edited: Edited,
    fields: Vec<FieldValue>,
    mask: Option<Vec<String>>,
) -> Result<Image, Refusal> {
    let mut values = BTreeMap::new();
    let mut violations = Vec::new();
    for field in fields {
        if values.contains_key(&field.field) {
            violations.push(violation(&field.field, "stands twice"));
        }
        values.insert(field.field, field.value);
    }
    let mask: BTreeSet<String> = match mask.filter(|mask| !mask.is_empty()) {
        Some(mask) if mask.iter().any(|path| path == "*") => {
            let all = standard_fields(kind).iter().map(|field| field.id.to_owned());
            all.chain(values.keys().cloned()).collect()
        }
        Some(mask) => mask.into_iter().collect(),
        None => values.keys().cloned().collect(),
    };
    if let Edited::Synced(object) = edited {
        refuse_locked(object, known, &mask)?;
    }
    for unnamed in values.keys().filter(|field| !mask.contains(*field)) {
        violations.push(violation(unnamed, "is not in the update mask"));
    }

    let mut image = Image::default();
    for field in &mask {
        let value = values.get(field).cloned().flatten();
        let put = match value {
            Some(value) => Value::try_from(value)
                .map_err(|_| "is not a value")
                .and_then(|value| put(&mut image, kind, known, field, Some(value))),
            None => put(&mut image, kind, known, field, None),
        };
        if let Err(problem) = put {
            violations.push(violation(field, problem));
        }
    }
    if edited == Edited::New && image.texts[0].is_none() && violations.iter().all(|one| one.field != "name") {
        violations.push(violation("name", "is required"));
    }
    if violations.is_empty() { Ok(image) } else { Err(Refusal::Rejected(violations)) }
}

fn violation(field: &str, problem: &str) -> Violation {
    Violation { field: field.to_owned(), description: problem.to_owned() }
}

/// Refuses the edit if any of its fields is locked, and names them all.
fn refuse_locked(object: Object, known: &Workspace, mask: &BTreeSet<String>) -> Result<(), Refusal> {
    let locked: Vec<_> = mask
        .iter()
        .filter_map(|field| known.lock(object, field))
        .map(|lock| violation(lock.field.as_str(), &format!("{} feeds it", lock.source)))
        .collect();
    if locked.is_empty() { Ok(()) } else { Err(Refusal::Locked(locked)) }
}

fn put(
    image: &mut Image,
    kind: Kind,
    known: &Workspace,
    field: &str,
    value: Option<Value>,
) -> Result<(), &'static str> {
    let rule = known.rules.iter().find(|rule| rule.kind == kind && rule.field.as_str() == field);
    let column = Column::of(kind, field).ok_or("is not a field of the kind")?;
    let field_type = match &column {
        Column::Standard { field_type, .. } => *field_type,
        Column::Custom(_) => rule.ok_or("is not a field of the workspace")?.field_type,
    };
    if let Some(value) = &value {
        check_type(field_type, value)?;
        if let Value::Option(key) = value {
            let is_known = match rule {
                Some(rule) => rule.options.contains(key),
                None => default_options(kind, field).iter().any(|(option, _)| option == key),
            };
            if !is_known {
                return Err("is not an option of the field");
            }
        }
    }
    match column {
        Column::Standard { bit, .. } => {
            let is_blank = |value: &Value| matches!(value, Value::Text(text) if text.trim().is_empty());
            if standard_fields(kind)[bit].required && value.as_ref().is_none_or(is_blank) {
                return Err("is required");
            }
            image.set_mask |= 1 << bit;
            match value {
                Some(Value::Money(money)) => image.money = Some((money.amount, money.currency.as_str().to_owned())),
                Some(Value::Number(number)) => image.number = Some(number),
                Some(Value::Text(text) | Value::Option(text)) => image.texts[bit] = Some(text),
                Some(Value::Date(_) | Value::Boolean(_)) | None => {}
            }
        }
        Column::Custom(id) => {
            let document = serde_json::to_value(&value).map_err(|_| "is not a value")?;
            image.custom.insert(id.to_string(), document);
        }
    }
    Ok(())
}

fn check_type(field_type: FieldType, value: &Value) -> Result<(), &'static str> {
    let fits = match (field_type, value) {
        (FieldType::Text | FieldType::Url, Value::Text(text)) => {
            if text.contains('\0') {
                return Err("holds a character that can't be kept");
            }
            if text.chars().count() > MAX_TEXT {
                return Err("is longer than 131072 characters");
            }
            true
        }
        (FieldType::Number, Value::Number(_))
        | (FieldType::Money, Value::Money(_))
        | (FieldType::Option, Value::Option(_))
        | (FieldType::Date, Value::Date(_))
        | (FieldType::Boolean, Value::Boolean(_)) => true,
        _ => false,
    };
    if fits { Ok(()) } else { Err("has another type than the field") }
}
