//! What a workspace saved: its Lane fields, and which Salesforce field feeds which.

use std::collections::HashMap;

use domain::catalogue::{default_options, standard_fields};
use domain::{FieldId, FieldType, Kind, MappingVersion};

use crate::path::FieldPath;

/// A field of Lane as a workspace has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaneField {
    /// Stable id.
    pub id: FieldId,
    /// The kind that has it.
    pub kind: Kind,
    /// Name for people.
    pub display_name: String,
    /// Type.
    pub field_type: FieldType,
    /// Whether a row can't be without it.
    pub required: bool,
    /// Options of an option field, in order.
    pub options: Vec<FieldOption>,
}

/// An option of an option field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldOption {
    /// Stable key.
    pub key: String,
    /// Name for people.
    pub display_name: String,
}

/// Returns the standard fields of a kind with the options that a workspace starts with.
#[must_use]
pub fn lane_fields(kind: Kind) -> Vec<LaneField> {
    let with_options = |def: &domain::FieldDef| LaneField {
        id: def.id.parse().expect("the catalogue holds field ids"),
        kind,
        display_name: def.display_name.to_owned(),
        field_type: def.field_type,
        required: def.required,
        options: default_options(kind, def.id)
            .iter()
            .map(|(key, name)| FieldOption { key: (*key).to_owned(), display_name: (*name).to_owned() })
            .collect(),
    };
    standard_fields(kind).iter().map(with_options).collect()
}

/// What becomes of a picklist value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Becomes the option with this key.
    Map(String),
    /// Leaves the Lane field as it is.
    Ignore,
}

/// One Lane field and the Salesforce field that feeds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Lane field.
    pub field: FieldId,
    /// Its type.
    pub field_type: FieldType,
    /// Whether a row can't be without it.
    pub required: bool,
    /// Path on Account, or on Contact.
    pub path: FieldPath,
    /// Path on Lead; `None` when leads do not feed the field.
    pub lead_path: Option<FieldPath>,
    /// Whether the Salesforce field holds several values joined by semicolons.
    pub multi_select: bool,
    /// Mapping version since which this path feeds the field without a break.
    pub since: MappingVersion,
    /// Decisions on raw values of an option field, byte-exact; a value that is not here is unmapped.
    pub values: HashMap<String, Decision>,
}

/// The mapping of one kind at one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KindMapping {
    /// The kind.
    pub kind: Kind,
    /// The workspace's mapping version.
    pub version: MappingVersion,
    /// At most one entry per Lane field, in the order of cells.
    pub entries: Vec<Entry>,
}
