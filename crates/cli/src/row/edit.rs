//! What a command line changes of a row, turned into what the writer is asked.

use clap::Args;
use contract::writer::v1::FieldValue;
use domain::{FieldType, Kind, LaneId, SalesforceId, catalogue};
use prost_types::FieldMask;

use crate::argument::{self, Assignment};
use crate::failure::Failure;
use crate::lane_field;
use crate::session::Session;
use crate::value;

/// A row by its Lane id or by the id of the record behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Named {
    /// UUID in Lane.
    Lane(LaneId),
    /// Salesforce id.
    Salesforce(SalesforceId),
}

impl Named {
    /// Reads either form.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let lane = text.parse().map(Self::Lane);
        lane.or_else(|_| text.parse().map(Self::Salesforce))
            .map_err(|_| "an id is a UUID or a Salesforce id of 15 or 18 characters".to_owned())
    }

    /// Returns the two texts of which a request takes one: Lane's id and Salesforce's id.
    pub(crate) fn into_parts(self) -> (String, String) {
        match self {
            Self::Lane(id) => (id.to_string(), String::new()),
            Self::Salesforce(id) => (String::new(), id.as_str().to_owned()),
        }
    }
}

/// Fields of a row that does not exist yet.
#[derive(Args, Debug)]
pub(crate) struct New {
    /// Fields as field=value; money as arr='1200.50 EUR'. `name` is required.
    #[arg(required = true, value_parser = argument::field_assignment)]
    fields: Vec<Assignment>,
}

impl New {
    /// Returns the values, each of its field's type.
    pub(crate) async fn values(&self, session: &Session, kind: Kind) -> Result<Vec<FieldValue>, Failure> {
        typed(session, kind, &self.fields).await
    }
}

/// Fields of a row to change.
#[derive(Args, Debug)]
pub(crate) struct Change {
    /// UUID or Salesforce id.
    #[arg(value_parser = Named::parse)]
    pub(crate) id: Named,
    /// Fields as field=value; money as arr='1200.50 EUR'.
    #[arg(value_parser = argument::field_assignment, required_unless_present = "clear")]
    fields: Vec<Assignment>,
    /// Field to empty; may be given several times.
    #[arg(long)]
    clear: Vec<String>,
    /// Etag of the row that the change was made for; without it the last one wins.
    #[arg(long, default_value = "", hide_default_value = true)]
    pub(crate) etag: String,
}

impl Change {
    /// Returns the new values, each of its field's type.
    pub(crate) async fn values(&self, session: &Session, kind: Kind) -> Result<Vec<FieldValue>, Failure> {
        typed(session, kind, &self.fields).await
    }

    /// Returns the fields that change: those with a value and those that are emptied.
    pub(crate) fn mask(&self) -> FieldMask {
        let assigned = self.fields.iter().map(|assignment| &assignment.name);
        FieldMask { paths: assigned.chain(&self.clear).cloned().collect() }
    }
}

async fn typed(session: &Session, kind: Kind, fields: &[Assignment]) -> Result<Vec<FieldValue>, Failure> {
    let mut values = Vec::new();
    for Assignment { name, value } in fields {
        let field_type = match standard_type(kind, name) {
            Some(field_type) => field_type,
            None => custom_type(session, kind, name).await?,
        };
        let value =
            value::parse(field_type, value).map_err(|right| Failure::usage(format!("A value of {name:?} {right}.")))?;
        values.push(FieldValue { field: name.clone(), value: Some(value), ..FieldValue::default() });
    }
    Ok(values)
}

fn standard_type(kind: Kind, field: &str) -> Option<FieldType> {
    catalogue::standard_fields(kind).iter().find(|standard| standard.id == field).map(|standard| standard.field_type)
}

/// Only the mapper knows the types of the workspace's own fields.
async fn custom_type(session: &Session, kind: Kind, field: &str) -> Result<FieldType, Failure> {
    let found = lane_field::list(session, kind).await?.into_iter().find(|custom| custom.id == field);
    let unknown = || Failure::usage(format!("{field:?} is not a field of a {kind}."));
    contract::convert::field_type(found.ok_or_else(unknown)?.r#type)
        .map_err(|_| Failure::internal(format!("The type of {field:?} is newer than this program.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_named_by_either_id() {
        let uuid = "0190a1b2-0000-7000-8000-000000000001";
        assert_eq!(Named::parse(uuid).unwrap().into_parts(), (uuid.to_owned(), String::new()));
        let (lane, salesforce) = Named::parse("001000000000001AAA").unwrap().into_parts();
        assert_eq!((lane.as_str(), salesforce.as_str()), ("", "001000000000001AAA"));
        assert!(Named::parse("Acme").is_err());
    }
}
