//! Suggestions for a new connection. They change nothing: a person takes or leaves them.

use std::collections::HashMap;

use domain::{FieldId, Kind};

use crate::definition::{FieldOption, LaneField};
use crate::fit::{Fit, fit};
use crate::schema::{ObjectSchema, SourceField, SourceType};

/// A good candidate for a Lane field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Suggestion {
    /// Lane field.
    pub field: FieldId,
    /// Salesforce path.
    pub path: String,
    /// Why, for people.
    pub reason: String,
}

/// How a candidate is found.
enum Rule {
    /// The standard field of this path.
    Standard(&'static str),
    /// A custom field of the type whose name or label has one of the words; earlier words are better.
    Named(&'static [&'static str], SourceType),
    /// Any field of the type whose name or label has one of the words.
    AnyNamed(&'static [&'static str], SourceType),
}

/// Standard fields that look like more than they are: they say how Data.com cleaned the record, not how the customer is.
const TECHNICAL: [&str; 1] = ["CleanStatus"];

/// How well the name of a field says a word; the best is the least.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Closeness {
    /// "Status".
    Same,
    /// "Account Status", "Customer Status".
    OfTheRecord,
    /// "Renewal Status".
    AtTheEnd,
    /// "Status Reason".
    Somewhere,
}

const TIER: &[Rule] = &[Rule::AnyNamed(&["tier", "segment", "priority"], SourceType::Picklist)];
const STATUS: &[Rule] = &[Rule::AnyNamed(&["status", "lifecycle"], SourceType::Picklist)];

fn rules(kind: Kind, field: &str) -> &'static [Rule] {
    match (kind, field) {
        (_, "name") => &[Rule::Standard("Name")],
        (_, "phone") => &[Rule::Standard("Phone")],
        (_, "owner_name") => &[Rule::Standard("Owner.Name")],
        (_, "tier") => TIER,
        (Kind::Account, "website") => &[Rule::Standard("Website")],
        (Kind::Account, "arr") => &[
            Rule::Named(&["arr", "annual recurring revenue", "recurring"], SourceType::Currency),
            Rule::Standard("AnnualRevenue"),
        ],
        (Kind::Account, "status") => {
            &[Rule::AnyNamed(&["status", "lifecycle"], SourceType::Picklist), Rule::Standard("Type")]
        }
        (Kind::Account, "industry") => &[Rule::Standard("Industry")],
        (Kind::Account, "employee_count") => &[Rule::Standard("NumberOfEmployees")],
        (Kind::Account, "owner_email") => &[Rule::Standard("Owner.Email")],
        (Kind::Account, "country") => &[Rule::Standard("BillingCountry")],
        (Kind::Account, "description") => &[Rule::Standard("Description")],
        (Kind::Contact, "email") => &[Rule::Standard("Email")],
        (Kind::Contact, "title") => &[Rule::Standard("Title")],
        (Kind::Contact, "status") => STATUS,
        (Kind::Contact, "country") => &[Rule::Standard("MailingCountry")],
        (Kind::Contact, "company") => &[Rule::Standard("Account.Name")],
        _ => &[],
    }
}

/// Returns at most one candidate for each Lane field of a kind, of fields that fit; `schema` is of Account or Contact.
#[must_use]
pub fn suggest_fields(kind: Kind, lane_fields: &[LaneField], schema: &ObjectSchema) -> Vec<Suggestion> {
    lane_fields
        .iter()
        .filter_map(|target| {
            let fits = |field: &&SourceField| !matches!(fit(field, target.field_type), Fit::Refused(_));
            let candidates: Vec<&SourceField> = schema.fields.iter().filter(fits).collect();
            let (path, reason) = if target.id.is_custom() {
                same_name(target, &candidates)?
            } else {
                rules(kind, target.id.as_str()).iter().find_map(|rule| candidate(rule, &candidates))?
            };
            Some(Suggestion { field: target.id.clone(), path, reason })
        })
        .collect()
}

fn candidate(rule: &Rule, candidates: &[&SourceField]) -> Option<(String, String)> {
    match rule {
        Rule::Standard(path) => {
            let field = candidates.iter().find(|field| field.path == *path)?;
            Some((field.path.clone(), format!("the standard field \"{}\"", field.label)))
        }
        Rule::Named(words, source_type) => named(words, *source_type, candidates.iter().filter(|field| field.custom)),
        Rule::AnyNamed(words, source_type) => named(words, *source_type, candidates.iter()),
    }
}

/// Returns the field that says the earliest of the words best. What an org made itself is better than a standard field,
/// unless its name only mentions the word.
fn named<'f>(
    words: &[&str],
    source_type: SourceType,
    candidates: impl Iterator<Item = &'f &'f SourceField> + Clone,
) -> Option<(String, String)> {
    let is_candidate =
        |field: &&&SourceField| field.source_type == source_type && !TECHNICAL.contains(&field.path.as_str());
    words.iter().find_map(|word| {
        let (closeness, field) = candidates
            .clone()
            .filter(is_candidate)
            .filter_map(|field| Some((best(&field.path, &field.label, word)?, field)))
            .min_by_key(|(closeness, field)| (*closeness == Closeness::Somewhere, !field.custom, *closeness))?;
        let origin = if field.custom { "the org's own" } else { "the standard" };
        let how = match closeness {
            Closeness::Same => format!("has the name \"{word}\""),
            Closeness::OfTheRecord | Closeness::AtTheEnd => format!("ends with \"{word}\""),
            Closeness::Somewhere => format!("has \"{word}\" in its name"),
        };
        let reason = format!("{origin} {} field \"{}\" {how}", source_type.name(), field.label);
        Some((field.path.clone(), reason))
    })
}

fn best(path: &str, label: &str, word: &str) -> Option<Closeness> {
    [path, label].into_iter().filter_map(|name| closeness(name, word)).min()
}

/// Says how well `name` says `phrase`: "Customer_Tier__c" has "tier", "Array" has no "arr".
fn closeness(name: &str, phrase: &str) -> Option<Closeness> {
    const RECORDS: [&str; 5] = ["account", "customer", "contact", "lead", "person"];
    let (own, wanted) = (words(name), words(phrase));
    if own == wanted {
        return Some(Closeness::Same);
    }
    match own.strip_suffix(wanted.as_slice()) {
        Some([record]) if RECORDS.contains(&record.as_str()) => Some(Closeness::OfTheRecord),
        Some(_) => Some(Closeness::AtTheEnd),
        None => own.windows(wanted.len().max(1)).any(|window| window == wanted).then_some(Closeness::Somewhere),
    }
}

/// Splits "CustomerPriority__c", "Customer Tier" and "ARR" into lower-case words.
fn words(name: &str) -> Vec<String> {
    let name = name.strip_suffix("__c").unwrap_or(name);
    let mut words: Vec<String> = vec![String::new()];
    let mut previous_is_lower = false;
    for letter in name.chars() {
        let starts_word = letter.is_uppercase() && previous_is_lower;
        if starts_word || !letter.is_alphanumeric() {
            words.push(String::new());
        }
        if letter.is_alphanumeric()
            && let Some(word) = words.last_mut()
        {
            word.extend(letter.to_lowercase());
        }
        previous_is_lower = letter.is_lowercase();
    }
    words.retain(|word| !word.is_empty());
    words
}

fn same_name(target: &LaneField, candidates: &[&SourceField]) -> Option<(String, String)> {
    let wanted = folded(&target.display_name);
    let field = candidates
        .iter()
        .find(|field| folded(&field.label) == wanted || folded(field.path.trim_end_matches("__c")) == wanted)?;
    Some((field.path.clone(), format!("has the same name as \"{}\"", target.display_name)))
}

/// The options of a field by what people call them: who is called the same, but for case, spaces and marks.
#[derive(Clone, Debug)]
pub struct Namesakes<'o>(HashMap<String, &'o FieldOption>);

impl<'o> Namesakes<'o> {
    /// Folds the names and keys of options once; of several with the same name the first is meant.
    #[must_use]
    pub fn of(options: &'o [FieldOption]) -> Self {
        let mut named = HashMap::new();
        for option in options {
            for name in [&option.display_name, &option.key] {
                let name = folded(name);
                if !name.is_empty() {
                    named.entry(name).or_insert(option);
                }
            }
        }
        Self(named)
    }

    /// Returns the option that a picklist value is called like, or else its label.
    #[must_use]
    pub fn find(&self, value: &str, label: &str) -> Option<&'o FieldOption> {
        let called = |text: &str| self.0.get(&folded(text)).copied();
        called(value).or_else(|| if label == value { None } else { called(label) })
    }
}

fn folded(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
