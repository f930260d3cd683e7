//! Suggestions for a new connection. They change nothing: a person takes or leaves them.

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

fn named<'f>(
    words: &[&str],
    source_type: SourceType,
    candidates: impl Iterator<Item = &'f &'f SourceField> + Clone,
) -> Option<(String, String)> {
    words.iter().find_map(|word| {
        let field = candidates
            .clone()
            .filter(|field| field.source_type == source_type)
            .find(|field| has_word(&field.path, word) || has_word(&field.label, word))?;
        Some((field.path.clone(), format!("a {} field named \"{}\"", source_type.name(), field.label)))
    })
}

/// Whether the words of `phrase` stand in `name` side by side: "Customer_Tier__c" has "tier", "Array" has no "arr".
fn has_word(name: &str, phrase: &str) -> bool {
    let own = words(name);
    let wanted = words(phrase);
    own.windows(wanted.len().max(1)).any(|window| window == wanted.as_slice())
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

/// Returns the option whose name or key says the same as a picklist value or its label, but for case, spaces and marks.
#[must_use]
pub fn suggest_option<'o>(value: &str, label: &str, options: &'o [FieldOption]) -> Option<&'o FieldOption> {
    let says = |option: &FieldOption, text: &str| {
        let text = folded(text);
        !text.is_empty() && (folded(&option.display_name) == text || folded(&option.key) == text)
    };
    options.iter().find(|option| says(option, value)).or_else(|| options.iter().find(|option| says(option, label)))
}

fn folded(text: &str) -> String {
    text.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect()
}
