//! Checks a field mapping before it is saved: every fault of every entry at once.

use std::collections::HashSet;

use domain::lead::{LeadSource, lead_source};
use domain::{FieldId, FieldType, Kind, Object};

use crate::definition::LaneField;
use crate::fit::{Fit, fit};
use crate::path::FieldPath;
use crate::schema::{ObjectSchema, SourceField, SourceType};

/// A kind's mapping has at most this many entries.
pub const MAX_ENTRIES: usize = 200;

/// An entry as somebody asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestedEntry {
    /// Lane field id.
    pub lane_field: String,
    /// Salesforce path.
    pub salesforce_field: String,
}

/// How one Salesforce field would feed a Lane field of a kind.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Candidate<'s> {
    /// How the type fits; never [`Fit::Refused`].
    pub fit: Fit,
    /// The field that leads would read; `None` when they would not feed the Lane field.
    pub on_lead: Option<&'s SourceField>,
}

/// An entry that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CheckedEntry {
    /// Lane field.
    pub field: FieldId,
    /// Its type.
    pub field_type: FieldType,
    /// Path on Account or Contact.
    pub path: FieldPath,
    /// Path on Lead.
    pub lead_path: Option<FieldPath>,
    /// Whether the Salesforce field holds several values.
    pub multi_select: bool,
    /// How the type fits; never [`Fit::Refused`].
    pub fit: Fit,
}

/// What is wrong with an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Lane field id of the entry; empty when the mapping as a whole is meant.
    pub lane_field: String,
    /// What is wrong.
    pub problem: Problem,
}

/// What can be wrong with a mapping.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// Nothing is mapped.
    Empty,
    /// More than [`MAX_ENTRIES`].
    TooLarge,
    /// Lane has no such field of the kind.
    TargetUnknown,
    /// The Lane field is named twice.
    Conflict,
    /// A required Lane field is not mapped.
    RequiredMissing,
    /// The path can't be a field's name.
    NameInvalid,
    /// The object has no such field, or the integration user may not see it.
    FieldUnknown {
        /// The object.
        object: Object,
    },
    /// The type does not fit.
    TypeRefused {
        /// The object.
        object: Object,
        /// The reason, for people.
        reason: &'static str,
    },
}

impl Problem {
    /// Returns the stable code.
    #[must_use]
    pub fn code(&self) -> &'static str {
        match self {
            Self::Empty => "mapping_empty",
            Self::TooLarge => "mapping_too_large",
            Self::TargetUnknown => "mapping_target_unknown",
            Self::Conflict => "mapping_conflict",
            Self::RequiredMissing => "mapping_required_missing",
            Self::NameInvalid => "mapping_field_name_invalid",
            Self::FieldUnknown { .. } | Self::TypeRefused { .. } => "mapping_field_invalid",
        }
    }

    /// Returns a sentence for people.
    #[must_use]
    pub fn sentence(&self) -> String {
        match self {
            Self::Empty => "no field is mapped".to_owned(),
            Self::TooLarge => format!("more than {MAX_ENTRIES} fields are mapped"),
            Self::TargetUnknown => "Lane has no such field".to_owned(),
            Self::Conflict => "the field is mapped twice".to_owned(),
            Self::RequiredMissing => "the field is required: map it".to_owned(),
            Self::NameInvalid => {
                "a Salesforce field has letters, digits and underscores and is at most one relation deep".to_owned()
            }
            Self::FieldUnknown { object } => {
                format!("{} has no such field, or the integration user may not see it", object.api_name())
            }
            Self::TypeRefused { object, reason } => format!("the field of {} {reason}", object.api_name()),
        }
    }
}

/// Checks a whole mapping of a kind against Lane's fields and the describes of the kind's objects.
///
/// A person's name is `Name` when nobody says otherwise. The entries come back in the order of `lane_fields`.
///
/// # Errors
/// Every violation, in the order of the entries.
pub fn check_entries(
    kind: Kind,
    lane_fields: &[LaneField],
    schemas: &[ObjectSchema],
    requested: &[RequestedEntry],
) -> Result<Vec<CheckedEntry>, Vec<Violation>> {
    if requested.is_empty() {
        return Err(vec![Violation { lane_field: String::new(), problem: Problem::Empty }]);
    }
    if requested.len() > MAX_ENTRIES {
        return Err(vec![Violation { lane_field: String::new(), problem: Problem::TooLarge }]);
    }
    let mut requested = requested.to_vec();
    let names_name = requested.iter().any(|entry| entry.lane_field == "name");
    if kind == Kind::Contact && !names_name {
        requested.push(RequestedEntry { lane_field: "name".into(), salesforce_field: "Name".into() });
    }

    let mut seen = HashSet::new();
    let (mut checked, mut violations) = (Vec::new(), Vec::new());
    for entry in &requested {
        let result = if seen.insert(&entry.lane_field) {
            check(kind, lane_fields, schemas, entry)
        } else {
            Err(Problem::Conflict)
        };
        match result {
            Ok(entry) => checked.push(entry),
            Err(problem) => violations.push(Violation { lane_field: entry.lane_field.clone(), problem }),
        }
    }
    for field in lane_fields.iter().filter(|field| field.required) {
        if !seen.contains(&field.id.as_str().to_owned()) {
            violations.push(Violation { lane_field: field.id.as_str().to_owned(), problem: Problem::RequiredMissing });
        }
    }
    if !violations.is_empty() {
        return Err(violations);
    }
    checked.sort_by_key(|entry| lane_fields.iter().position(|field| field.id == entry.field));
    Ok(checked)
}

fn check(
    kind: Kind,
    lane_fields: &[LaneField],
    schemas: &[ObjectSchema],
    entry: &RequestedEntry,
) -> Result<CheckedEntry, Problem> {
    let target =
        lane_fields.iter().find(|field| field.id.as_str() == entry.lane_field).ok_or(Problem::TargetUnknown)?;
    let path: FieldPath = entry.salesforce_field.parse().map_err(|_| Problem::NameInvalid)?;

    let object = kind.objects()[0];
    let source = find(schemas, object, path.as_str()).ok_or(Problem::FieldUnknown { object })?;
    let candidate = candidate(kind, schemas, source, target.field_type)?;
    Ok(CheckedEntry {
        field: target.id.clone(),
        field_type: target.field_type,
        multi_select: source.source_type == SourceType::MultiPicklist,
        path,
        lead_path: candidate.on_lead.and_then(|on_lead| on_lead.path.parse().ok()),
        fit: candidate.fit,
    })
}

/// Returns how `source`, a field of Account or Contact, would feed a Lane field of a type.
///
/// # Errors
/// [`Problem::TypeRefused`]: it can't, or what leads have in its place can't.
pub fn candidate<'s>(
    kind: Kind,
    schemas: &'s [ObjectSchema],
    source: &SourceField,
    target: FieldType,
) -> Result<Candidate<'s>, Problem> {
    let fit = accepted(source, target, kind.objects()[0])?;
    let on_lead = on_lead(kind, schemas, &source.path);
    if let Some(on_lead) = on_lead {
        accepted(on_lead, target, Object::Lead)?;
    }
    Ok(Candidate { fit, on_lead })
}

/// Returns the field that leads read where contacts read `path`; `None` where leads have nothing like it, and for accounts.
#[must_use]
pub fn on_lead<'s>(kind: Kind, schemas: &'s [ObjectSchema], path: &str) -> Option<&'s SourceField> {
    if kind != Kind::Contact {
        return None;
    }
    let lead_has = |path: &str| find(schemas, Object::Lead, path).is_some();
    match lead_source(path, lead_has) {
        LeadSource::Same => find(schemas, Object::Lead, path),
        LeadSource::Renamed(renamed) => find(schemas, Object::Lead, renamed),
        LeadSource::Missing => None,
    }
}

fn find<'s>(schemas: &'s [ObjectSchema], object: Object, path: &str) -> Option<&'s SourceField> {
    schemas.iter().find(|schema| schema.object == object)?.field(path)
}

fn accepted(source: &SourceField, target: FieldType, object: Object) -> Result<Fit, Problem> {
    match fit(source, target) {
        Fit::Refused(reason) => Err(Problem::TypeRefused { object, reason }),
        fits => Ok(fits),
    }
}
