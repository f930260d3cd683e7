//! Lane's own fields: the catalogue and what a workspace added.

use contract::mapper::v1 as wire;
use domain::{FieldType, Kind};
use serde::Serialize;

use crate::failure::Failure;
use crate::session::{Answer, Party, Session};
use crate::table::{Table, yes};
use crate::wire::{UNKNOWN, kind_word};

/// A field of Lane.
#[derive(Debug, Serialize)]
pub(crate) struct LaneField {
    id: String,
    kind: &'static str,
    display_name: String,
    r#type: &'static str,
    required: bool,
    options: Vec<FieldOption>,
}

/// An option of an option field.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct FieldOption {
    /// Stable key.
    pub(crate) key: String,
    /// Name for people.
    pub(crate) display_name: String,
}

/// Returns the fields of a kind.
pub(crate) async fn list(session: &Session, kind: Kind) -> Result<Vec<wire::LaneField>, Failure> {
    let request = wire::ListLaneFieldsRequest {
        workspace_id: session.workspace()?,
        kind: contract::common::v1::RecordKind::from(kind) as i32,
    };
    Ok(session.ask(Party::Mapper, session.mappings()?.list_lane_fields(request)).await?.fields)
}

impl From<wire::FieldOption> for FieldOption {
    fn from(option: wire::FieldOption) -> Self {
        Self { key: option.key, display_name: option.display_name }
    }
}

impl From<wire::LaneField> for LaneField {
    fn from(field: wire::LaneField) -> Self {
        Self {
            kind: kind_word(field.kind),
            r#type: contract::convert::field_type(field.r#type).map_or(UNKNOWN, FieldType::token),
            id: field.id,
            display_name: field.display_name,
            required: field.required,
            options: field.options.into_iter().map(FieldOption::from).collect(),
        }
    }
}

/// Fields of a kind.
#[derive(Debug, Serialize)]
pub(crate) struct LaneFields {
    pub(crate) fields: Vec<LaneField>,
}

impl Answer for LaneFields {
    fn text(&self) -> String {
        let mut table = Table::new(["field", "name", "type", "required", "options"]);
        for field in &self.fields {
            table.row([
                field.id.clone(),
                field.display_name.clone(),
                field.r#type.to_owned(),
                yes(field.required),
                field.options.iter().map(|option| option.key.as_str()).collect::<Vec<_>>().join(", "),
            ]);
        }
        table.text()
    }
}

impl Answer for LaneField {
    fn text(&self) -> String {
        let mut facts = Table::facts();
        facts.fact("field", &self.id);
        facts.fact("kind", self.kind);
        facts.fact("name", &self.display_name);
        facts.fact("type", self.r#type);
        let mut parts = vec![facts.text()];
        if !self.options.is_empty() {
            let mut table = Table::new(["option", "name"]);
            for option in &self.options {
                table.row([option.key.clone(), option.display_name.clone()]);
            }
            parts.push(table.text());
        }
        parts.join("\n\n")
    }
}
