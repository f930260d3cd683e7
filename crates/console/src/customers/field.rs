//! The fields of one row as a form: who decides each, what stands there, what is wrong with what was typed.

use std::collections::BTreeMap;

use contract::common::v1::FieldType;
use contract::mapper::v1::{FieldOption, LaneField};
use contract::writer::v1::FieldValue;
use domain::Kind;

use super::row::Row;
use super::sent::Sent;
use super::value::{Typed, shown};
use super::{href, words};
use crate::moment::Moment;
use crate::web::ROOT;

/// Longest value that a form offers for editing, in bytes: a form as a whole is limited, and escaping makes it longer.
const LONGEST: usize = 5_000;

/// The field that holds more than a line.
const LONG_TEXT: &str = "description";

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
    /// Not here: a mapping feeds it. All of it shows, in as many rows as it takes.
    Locked { text: String, room: Room },
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

/// How much room a text takes that nobody edits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Room {
    /// A line beside others.
    Line,
    /// Several rows beside others.
    Wrapped { rows: usize },
    /// Several rows of the page's width.
    Whole { rows: usize },
}

impl Room {
    /// Letters of which a line surely shows every one.
    const LINE: usize = 28;
    /// Letters in a row of the page's width.
    const WIDE: usize = 80;

    fn of(text: &str, is_long_text: bool) -> Self {
        let letters = text.chars().count();
        if is_long_text || letters > 3 * Self::LINE || text.contains('\n') {
            let rows = text.lines().map(|line| line.chars().count().div_ceil(Self::WIDE).max(1)).sum::<usize>();
            Self::Whole { rows: rows.clamp(2, 14) }
        } else if letters > Self::LINE {
            Self::Wrapped { rows: letters.div_ceil(Self::LINE) }
        } else {
            Self::Line
        }
    }
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
        Control::Locked { room: Room::of(&text, field.id == LONG_TEXT), text }
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
        FieldType::Text | FieldType::Unspecified if field.id == LONG_TEXT || text.contains('\n') => {
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
    fn a_locked_value_shows_whole_in_as_much_room_as_it_takes() {
        assert_eq!(Room::of("Enterprise", false), Room::Line);
        assert_eq!(Room::of(&"x".repeat(29), false), Room::Wrapped { rows: 2 });
        assert_eq!(Room::of(&"ä".repeat(84), false), Room::Wrapped { rows: 3 }, "letters, not bytes");
        assert_eq!(Room::of(&"x".repeat(200), false), Room::Whole { rows: 3 });
        assert_eq!(Room::of("a\nb\nc", false), Room::Whole { rows: 3 });
        assert_eq!(Room::of("", true), Room::Whole { rows: 2 });
    }

    #[test]
    fn what_is_too_long_for_a_form_is_shown_and_not_edited() {
        let row = row(vec![text("description", &"x".repeat(LONGEST + 1), "")]);
        let rows = rows(Kind::Account, Some(&row), &catalogue(Kind::Account), &Told::default(), None, &Faults::new());
        let field = rows.iter().find(|field| field.id == "description").unwrap();
        assert!(matches!(field.control, Control::TooLong { .. }));
    }
}
