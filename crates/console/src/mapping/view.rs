//! From the mapper's answers to what the mapping page says: one row per Lane field.

use contract::common::v1::FieldType;
use contract::error::Violation;
use contract::mapper::v1::{CandidateField, FieldMapping, FieldSuggestion, LaneField};
use jiff::Timestamp;

use super::draft::{Draft, path_of};
use super::need::Need;
use super::shown;
use super::side::Side;
use crate::moment::Moment;
use crate::web::ROOT;

/// What the page is built from.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) side: Side,
    pub(super) fields: Vec<LaneField>,
    pub(super) saved: FieldMapping,
    pub(super) suggestions: Vec<FieldSuggestion>,
    /// What can be chosen, or why nothing can.
    pub(super) candidates: Result<Vec<CandidateField>, Need>,
}

/// What the page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct MappingPage {
    pub(super) side: Side,
    /// How many fields are fed.
    pub(super) summary: String,
    pub(super) saved_at: Option<Moment>,
    pub(super) etag: String,
    pub(super) rows: Vec<Row>,
    pub(super) need: Option<Need>,
    /// Whether something differs from what is saved.
    pub(super) is_changed: bool,
    /// Suggestions for fields that nothing feeds.
    pub(super) suggested: usize,
    /// Where a record is tried out under what stands in the form.
    pub(super) try_href: String,
}

impl MappingPage {
    /// Whether a field has a row, where its faults are told.
    pub(super) fn has_row(&self, field: &str) -> bool {
        self.rows.iter().any(|row| row.id == field)
    }
}

/// One Lane field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: &'static str,
    /// Why it can't be unmapped; empty when it can.
    pub(super) required: &'static str,
    /// What fed it when the work began.
    pub(super) base: String,
    pub(super) choices: Vec<Choice>,
    /// What the chosen field is, or what is the matter with it.
    pub(super) note: String,
    /// What leads do differently; empty for accounts and for fields that nothing feeds.
    pub(super) leads: String,
    pub(super) state: State,
    pub(super) suggestion: Option<Suggestion>,
    pub(super) fault: Option<Fault>,
    /// Where its picklist values are mapped; empty for other types.
    pub(super) values_href: String,
    /// Where all fields are listed that could feed it; empty while they can't be listed.
    pub(super) fields_href: String,
    /// Where it is told what the chosen field holds; empty when nothing is chosen.
    pub(super) holds_href: String,
}

/// What can be chosen in a row without asking for more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Choice {
    pub(super) path: String,
    pub(super) text: String,
    pub(super) is_chosen: bool,
}

/// Whether a field is locked, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct State {
    pub(super) icon: &'static str,
    pub(super) tone: &'static str,
    pub(super) word: &'static str,
    pub(super) text: &'static str,
}

/// A Salesforce field that would suit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Suggestion {
    pub(super) field: String,
    pub(super) reason: String,
}

/// What is wrong with a choice.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Fault {
    pub(super) sentence: String,
    pub(super) remedy: &'static str,
}

/// Builds the page.
pub(super) fn view(known: &Known, draft: &Draft, violations: &[Violation], now: Timestamp) -> MappingPage {
    let rows: Vec<Row> = known.fields.iter().map(|field| row(known, draft, violations, field)).collect();
    let fed = known.fields.iter().filter(|field| !path_of(&known.saved, &field.id).is_empty()).count();
    MappingPage {
        side: known.side,
        summary: format!("Salesforce feeds {fed} of {} Lane fields.", known.fields.len()),
        saved_at: Moment::of(known.saved.update_time.as_ref(), now),
        etag: if draft.etag.is_empty() { known.saved.etag.clone() } else { draft.etag.clone() },
        suggested: rows.iter().filter(|row| row.suggestion.is_some()).count(),
        rows,
        need: known.candidates.as_ref().err().cloned(),
        is_changed: draft.differs(&known.saved),
        try_href: draft.address(&format!("{}/record", known.side.href()), &[]),
    }
}

fn row(known: &Known, draft: &Draft, violations: &[Violation], field: &LaneField) -> Row {
    let saved = path_of(&known.saved, &field.id);
    let chosen = draft.wish(&field.id).unwrap_or(saved);
    let base = if draft.knows(&field.id) { draft.before(&field.id) } else { saved };
    let suggested = known.suggestions.iter().find(|one| one.lane_field == field.id);
    let suggested = suggested.filter(|_| known.candidates.is_ok());
    let fault = violations.iter().find(|violation| violation.field == field.id).map(fault);
    let href = known.side.href();
    Row {
        id: field.id.clone(),
        name: field.display_name.clone(),
        kind: shown::lane_type(field.r#type()),
        required: required(known.side, field),
        base: base.to_owned(),
        choices: choices(known, field, [chosen, saved, base], suggested),
        note: note(known, field, chosen),
        leads: leads(known, field, chosen),
        state: state(saved, chosen),
        suggestion: suggested
            .filter(|_| chosen.is_empty())
            .map(|one| Suggestion { field: choice_text(known, &one.salesforce_field), reason: sentence(&one.reason) }),
        fault,
        values_href: match field.r#type() {
            FieldType::Option if !saved.is_empty() => format!("{ROOT}/values/{}", field.id),
            _ => String::new(),
        },
        fields_href: match &known.candidates {
            Ok(_) => format!("{href}/fields/{}", field.id),
            Err(_) => String::new(),
        },
        holds_href: match &known.candidates {
            Ok(_) if !chosen.is_empty() => {
                draft.address(&format!("{href}/holds"), &[("path", chosen), ("row", &field.id)])
            }
            _ => String::new(),
        },
    }
}

fn required(side: Side, field: &LaneField) -> &'static str {
    match (field.required, side) {
        (false, _) => "",
        (true, Side::Accounts) => "Always mapped: a customer without a name could not be found again.",
        (true, Side::People) => "Always mapped: a person without a name could not be found again.",
    }
}

fn choices(known: &Known, field: &LaneField, paths: [&str; 3], suggested: Option<&FieldSuggestion>) -> Vec<Choice> {
    let mut offered: Vec<&str> = Vec::new();
    let suggested = suggested.map(|one| one.salesforce_field.as_str());
    for path in paths.into_iter().chain(suggested) {
        if !path.is_empty() && !offered.contains(&path) {
            offered.push(path);
        }
    }
    let chosen = paths[0];
    let choice = |path: &str, text: String| Choice { path: path.to_owned(), text, is_chosen: path == chosen };
    let mut choices: Vec<Choice> = offered.into_iter().map(|path| choice(path, choice_text(known, path))).collect();
    // A field that must be fed can't be left without; the empty choice only stands there while nothing is chosen.
    if !field.required {
        choices.insert(0, choice("", "Not mapped: edited in Lane".to_owned()));
    } else if chosen.is_empty() {
        choices.insert(0, choice("", "Choose a field".to_owned()));
    }
    choices
}

fn candidate<'k>(known: &'k Known, path: &str) -> Option<&'k CandidateField> {
    known.candidates.as_ref().ok()?.iter().find(|field| field.salesforce_field == path)
}

fn choice_text(known: &Known, path: &str) -> String {
    candidate(known, path).map_or_else(|| path.to_owned(), field_text)
}

/// Returns how a Salesforce field is called in a list.
pub(super) fn field_text(field: &CandidateField) -> String {
    format!("{} · {} · {}", field.label, field.salesforce_field, shown::salesforce_type(&field.r#type))
}

fn note(known: &Known, field: &LaneField, chosen: &str) -> String {
    let saved =
        known.saved.entries.iter().find(|entry| entry.lane_field == field.id && entry.salesforce_field == chosen);
    match &known.candidates {
        Ok(_) if !chosen.is_empty() && candidate(known, chosen).is_none() => {
            format!("The Salesforce user can’t see {chosen} (any more). What was read last stays.")
        }
        _ if saved.is_some_and(|entry| entry.fit == "converts") => {
            format!("The value is converted to {}.", shown::lane_type(field.r#type()).to_lowercase())
        }
        _ => String::new(),
    }
}

fn leads(known: &Known, field: &LaneField, chosen: &str) -> String {
    if known.side == Side::Accounts || chosen.is_empty() {
        return String::new();
    }
    let saved =
        known.saved.entries.iter().find(|entry| entry.lane_field == field.id && entry.salesforce_field == chosen);
    let of_lead = candidate(known, chosen).map(|field| &field.lead_field).or(saved.map(|entry| &entry.lead_field));
    match of_lead {
        None => String::new(),
        Some(path) if path.is_empty() => "Not fed by leads: they have no such field.".to_owned(),
        Some(path) if path == chosen => "Leads: the same field.".to_owned(),
        Some(path) => format!("Leads: {path} instead."),
    }
}

fn state(saved: &str, chosen: &str) -> State {
    let (icon, tone, word, text) = match (saved.is_empty(), chosen.is_empty()) {
        (true, true) => ("", "", "Not mapped", "People edit it in Lane."),
        (true, false) => ("lock", "wait", "Will lock", "Once saved, nobody can edit it in Lane."),
        (false, true) => {
            ("attention", "wait", "Will unlock", "Once saved, people edit it in Lane. The last value stays.")
        }
        (false, false) if saved == chosen => ("lock", "good", "Locked", ""),
        (false, false) => ("lock", "wait", "Stays locked", "Once saved, the other field feeds it."),
    };
    State { icon, tone, word, text }
}

/// Splits the stable code from the words, and adds what to do.
fn fault(violation: &Violation) -> Fault {
    let (code, text) = violation.description.split_once(": ").unwrap_or(("", &violation.description));
    let remedy = match code {
        "mapping_required_missing" => "Choose the Salesforce field that holds it.",
        "mapping_target_unknown" => "Reload the page: the field may have been removed.",
        "mapping_conflict" => "Keep one of the two.",
        _ => "Choose another field. The list of all fields says which ones fit.",
    };
    Fault { sentence: sentence(text), remedy }
}

/// Makes a sentence of a part of one.
pub(super) fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let Some(first) = letters.next() else { return String::new() };
    let end = if text.ends_with(['.', '!', '?']) { "" } else { "." };
    format!("{}{}{end}", first.to_uppercase(), letters.as_str())
}
