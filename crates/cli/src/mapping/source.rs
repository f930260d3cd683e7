//! The Salesforce fields that can feed a kind.

use contract::common::v1::SalesforceObject;
use contract::extractor::v1 as wire;
use domain::Kind;
use serde::Serialize;

use crate::failure::Failure;
use crate::session::{Answer, Party, Session};
use crate::table::{Table, yes};
use crate::wire::object_word;

/// The fields of the objects that feed a kind.
#[derive(Debug, Serialize)]
pub(super) struct Sources {
    objects: Vec<Source>,
}

#[derive(Debug, Serialize)]
struct Source {
    object: &'static str,
    label: String,
    fields: Vec<SourceField>,
}

#[derive(Debug, Serialize)]
struct SourceField {
    path: String,
    label: String,
    r#type: String,
    length: u32,
    calculated: bool,
    custom: bool,
    required: bool,
    picklist_values: Vec<PicklistValue>,
}

#[derive(Debug, Serialize)]
struct PicklistValue {
    value: String,
    label: String,
    active: bool,
}

/// Asks Salesforce's describe of each object that feeds the kind.
pub(super) async fn list(session: &Session, kind: Kind) -> Result<Sources, Failure> {
    let mut client = session.schemas()?;
    let mut objects = Vec::new();
    for object in kind.objects() {
        let request = wire::DescribeObjectRequest {
            workspace_id: session.workspace()?,
            object: SalesforceObject::from(*object) as i32,
            refresh: false,
        };
        objects.push(session.ask(Party::Extractor, client.describe_object(request)).await?.into());
    }
    Ok(Sources { objects })
}

impl From<wire::ObjectSchema> for Source {
    fn from(schema: wire::ObjectSchema) -> Self {
        let fields = schema.fields.into_iter().map(|field| SourceField {
            path: field.path,
            label: field.label,
            r#type: field.r#type,
            length: field.length,
            calculated: field.calculated,
            custom: field.custom,
            required: field.required,
            picklist_values: field.picklist_values.into_iter().map(PicklistValue::from).collect(),
        });
        Self { object: object_word(schema.object), fields: fields.collect(), label: schema.label }
    }
}

impl From<wire::PicklistValue> for PicklistValue {
    fn from(value: wire::PicklistValue) -> Self {
        Self { value: value.value, label: value.label, active: value.active }
    }
}

impl Answer for Sources {
    fn text(&self) -> String {
        let mut table = Table::new(["object", "field", "label", "type", "custom", "formula", "values"]);
        for source in &self.objects {
            for field in &source.fields {
                let values = field.picklist_values.iter().filter(|value| value.active);
                table.row([
                    source.object.to_owned(),
                    field.path.clone(),
                    field.label.clone(),
                    field.r#type.clone(),
                    yes(field.custom),
                    yes(field.calculated),
                    values.map(|value| value.value.as_str()).collect::<Vec<_>>().join(", "),
                ]);
            }
        }
        table.text()
    }
}
