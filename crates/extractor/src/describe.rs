//! What the org's objects look like to the integration user: asked once, kept for minutes, asked again when a query fails.

mod cache;
mod parse;

use contract::common::v1::SalesforceObject;
use contract::extractor::v1 as wire;
use domain::Object;
use jiff::Timestamp;

pub use cache::{Describes, Freshness};

use crate::record::layout::CellKind;
use crate::soql::FieldPath;

/// One object as describe tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Schema {
    /// The object.
    pub object: Object,
    /// Label for people.
    pub label: String,
    /// Its own fields, then those over its relations.
    pub fields: Vec<Field>,
    /// When Salesforce was asked.
    pub read_at: Timestamp,
    /// The org's own currency; empty when unknown.
    pub default_currency: String,
}

/// One readable field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Field {
    /// Name, or path over one relation.
    pub path: FieldPath,
    /// Label for people.
    pub label: String,
    /// Describe type.
    pub kind: String,
    /// Longest value in characters.
    pub length: u32,
    /// Formula or roll-up: changes without moving the stamp.
    pub calculated: bool,
    /// Whether the org made it.
    pub custom: bool,
    /// Whether every record has it.
    pub required: bool,
    /// Picklist values in their order.
    pub values: Vec<PicklistValue>,
}

/// One value of a picklist.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PicklistValue {
    /// What records hold, byte-exact.
    pub value: String,
    /// Label for people.
    pub label: String,
    /// Whether records can still get it.
    pub active: bool,
}

impl Schema {
    /// Returns of what kind a field's cells are, or `None` when it can't be read as one value.
    #[must_use]
    pub fn kind_of(&self, path: &FieldPath) -> Option<CellKind> {
        let field = self.fields.iter().find(|field| field.path == *path)?;
        let whole = matches!(field.kind.as_str(), "address" | "location" | "base64" | "complexvalue");
        (!whole).then(|| CellKind::of_describe_type(&field.kind))
    }

    /// Whether a field changes without moving its record's stamp: formulas, and everything over a relation.
    #[must_use]
    pub fn is_unstamped(&self, path: &FieldPath) -> bool {
        path.relation().is_some() || self.fields.iter().any(|field| field.path == *path && field.calculated)
    }
}

impl From<Schema> for wire::ObjectSchema {
    fn from(schema: Schema) -> Self {
        Self {
            object: SalesforceObject::from(schema.object).into(),
            label: schema.label,
            fields: schema.fields.into_iter().map(wire::FieldSchema::from).collect(),
            read_time: Some(contract::convert::to_wire_time(schema.read_at)),
            default_currency: schema.default_currency,
        }
    }
}

impl From<Field> for wire::FieldSchema {
    fn from(field: Field) -> Self {
        Self {
            path: field.path.into(),
            label: field.label,
            r#type: field.kind,
            length: field.length,
            calculated: field.calculated,
            custom: field.custom,
            required: field.required,
            picklist_values: field
                .values
                .into_iter()
                .map(|value| wire::PicklistValue { value: value.value, label: value.label, active: value.active })
                .collect(),
        }
    }
}
