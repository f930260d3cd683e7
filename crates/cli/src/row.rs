//! What customers and contacts have in common: where they come from, their fields, their locks.

mod edit;

use contract::writer::v1 as wire;
use domain::FieldType;
use jiff::Timestamp;
use serde::ser::SerializeMap;
use serde::{Serialize, Serializer};

pub(crate) use edit::{Change, Named, New};

use crate::table::{Table, or_dash};
use crate::value::{Shown, shown};
use crate::wire::{UNKNOWN, moment, object_word, some};

/// The part that customers and contacts share.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    pub(crate) id: String,
    workspace_id: String,
    source: &'static str,
    salesforce: Option<Origin>,
    fields: Fields,
    archived_at: Option<Timestamp>,
    etag: String,
    created_at: Option<Timestamp>,
    updated_at: Option<Timestamp>,
}

/// The record behind a row.
#[derive(Debug, Serialize)]
struct Origin {
    object: &'static str,
    id: String,
    url: Option<String>,
    modified_at: Option<Timestamp>,
    alias_ids: Vec<String>,
    not_visible_since: Option<Timestamp>,
}

/// The fields in the order of the catalogue; an object by field id for programs.
#[derive(Debug)]
struct Fields(Vec<(String, Field)>);

#[derive(Debug, Serialize)]
struct Field {
    /// Nothing when the field is empty.
    value: Option<Shown>,
    /// Nothing when the field is empty.
    r#type: Option<&'static str>,
    /// The Salesforce field that feeds it; nothing when it is editable.
    locked_by: Option<String>,
    unmapped: bool,
}

impl Serialize for Fields {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (id, field) in &self.0 {
            map.serialize_entry(id, field)?;
        }
        map.end()
    }
}

impl From<Vec<wire::FieldValue>> for Fields {
    fn from(values: Vec<wire::FieldValue>) -> Self {
        let field = |value: wire::FieldValue| {
            let (field_type, shown) = shown(value.value).unzip();
            let locked_by = some(value.locked_by);
            (
                value.field,
                Field { value: shown, r#type: field_type.map(FieldType::token), locked_by, unmapped: value.unmapped },
            )
        };
        Self(values.into_iter().map(field).collect())
    }
}

impl From<wire::SalesforceOrigin> for Origin {
    fn from(origin: wire::SalesforceOrigin) -> Self {
        Self {
            object: object_word(origin.object),
            modified_at: moment(origin.modify_time.as_ref()),
            not_visible_since: moment(origin.not_visible_since.as_ref()),
            id: origin.id,
            url: some(origin.url),
            alias_ids: origin.alias_ids,
        }
    }
}

fn source_word(number: i32) -> &'static str {
    match wire::RecordSource::try_from(number) {
        Ok(wire::RecordSource::Salesforce) => "salesforce",
        Ok(wire::RecordSource::Lane) => "lane",
        Ok(wire::RecordSource::Unspecified) | Err(_) => UNKNOWN,
    }
}

impl From<wire::Customer> for Row {
    fn from(customer: wire::Customer) -> Self {
        Self {
            source: source_word(customer.source),
            archived_at: moment(customer.archive_time.as_ref()),
            created_at: moment(customer.create_time.as_ref()),
            updated_at: moment(customer.update_time.as_ref()),
            id: customer.id,
            workspace_id: customer.workspace_id,
            salesforce: customer.salesforce.map(Origin::from),
            fields: customer.fields.into(),
            etag: customer.etag,
        }
    }
}

impl From<wire::Contact> for Row {
    fn from(contact: wire::Contact) -> Self {
        Self {
            source: source_word(contact.source),
            archived_at: moment(contact.archive_time.as_ref()),
            created_at: moment(contact.create_time.as_ref()),
            updated_at: moment(contact.update_time.as_ref()),
            id: contact.id,
            workspace_id: contact.workspace_id,
            salesforce: contact.salesforce.map(Origin::from),
            fields: contact.fields.into(),
            etag: contact.etag,
        }
    }
}

impl Row {
    /// Returns a field's value for people; "-" when it is empty.
    pub(crate) fn cell(&self, field: &str) -> String {
        let found = self.fields.0.iter().find(|(id, _)| id == field);
        or_dash(found.and_then(|(_, field)| field.value.as_ref()))
    }

    /// Returns where the row comes from, and its Salesforce id if that is Salesforce.
    pub(crate) fn origin(&self) -> String {
        self.salesforce
            .as_ref()
            .map_or_else(|| self.source.to_owned(), |origin| format!("{} {}", origin.object, origin.id))
    }

    /// Returns the text for people; `id_name` says what the id is of.
    pub(crate) fn text(&self, id_name: &str) -> String {
        let mut facts = Table::facts();
        facts.fact(id_name, &self.id);
        facts.fact("source", self.source);
        if let Some(origin) = &self.salesforce {
            facts.fact("salesforce", self.origin());
            facts.fact("link", origin.url.as_deref().unwrap_or_default());
            facts.fact("also", origin.alias_ids.join(", "));
            facts.fact("hidden since", origin.not_visible_since.map(|at| at.to_string()).unwrap_or_default());
        }
        facts.fact("archived", self.archived_at.map(|at| at.to_string()).unwrap_or_default());
        facts.fact("updated", or_dash(self.updated_at.as_ref()));
        facts.fact("etag", &self.etag);
        let mut table = Table::new(["field", "value", "locked by", ""]);
        for (id, field) in &self.fields.0 {
            let mark = if field.unmapped { "unmapped value in Salesforce" } else { "" };
            let locked_by = or_dash(field.locked_by.as_ref());
            table.row([id.clone(), or_dash(field.value.as_ref()), locked_by, mark.to_owned()]);
        }
        format!("{}\n\n{}", facts.text(), table.text())
    }
}

#[cfg(test)]
mod tests {
    use contract::common::v1::{Money, Value, value};

    use super::*;

    fn customer() -> Row {
        let money = Money { amount: "10.50".into(), currency_code: "EUR".into() };
        let arr = wire::FieldValue {
            field: "arr".into(),
            value: Some(Value { value: Some(value::Value::Money(money)) }),
            locked_by: "Account.AnnualRevenue".into(),
            unmapped: false,
        };
        let tier = wire::FieldValue { field: "a_tier".into(), unmapped: true, ..wire::FieldValue::default() };
        wire::Customer { id: "c1".into(), source: 1, fields: vec![arr, tier], ..wire::Customer::default() }.into()
    }

    #[test]
    fn fields_are_an_object_in_the_order_of_the_catalogue() {
        let json = serde_json::to_string(&customer().fields).unwrap();
        assert_eq!(
            json,
            concat!(
                r#"{"arr":{"value":{"amount":"10.50","currency":"EUR"},"type":"money","locked_by":"Account.AnnualRevenue","unmapped":false},"#,
                r#""a_tier":{"value":null,"type":null,"locked_by":null,"unmapped":true}}"#
            )
        );
    }

    #[test]
    fn a_person_sees_who_locks_a_field() {
        let text = customer().text("customer");
        assert!(text.contains("arr     10.50 EUR  Account.AnnualRevenue"), "{text}");
    }
}
