//! A customer or a contact: the same thing to these pages.

use contract::common::v1::{SalesforceObject, Value, value};
use contract::writer::v1::{Contact, Customer, FieldValue, RecordSource, SalesforceOrigin};
use domain::Kind;
use prost_types::Timestamp as WireTime;

/// A row of Lane.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Row {
    pub(super) kind: Kind,
    pub(super) id: String,
    /// The record behind it; `None` when it was made by hand.
    pub(super) origin: Option<SalesforceOrigin>,
    /// The customer of a contact; may be empty.
    pub(super) customer_id: String,
    pub(super) fields: Vec<FieldValue>,
    pub(super) archived: Option<WireTime>,
    pub(super) etag: String,
    pub(super) created: Option<WireTime>,
    pub(super) updated: Option<WireTime>,
}

impl From<Customer> for Row {
    fn from(customer: Customer) -> Self {
        let is_synced = customer.source() == RecordSource::Salesforce;
        Self {
            kind: Kind::Account,
            id: customer.id,
            origin: customer.salesforce.filter(|_| is_synced),
            customer_id: String::new(),
            fields: customer.fields,
            archived: customer.archive_time,
            etag: customer.etag,
            created: customer.create_time,
            updated: customer.update_time,
        }
    }
}

impl From<Contact> for Row {
    fn from(contact: Contact) -> Self {
        let is_synced = contact.source() == RecordSource::Salesforce;
        Self {
            kind: Kind::Contact,
            id: contact.id,
            origin: contact.salesforce.filter(|_| is_synced),
            customer_id: contact.customer_id,
            fields: contact.fields,
            archived: contact.archive_time,
            etag: contact.etag,
            created: contact.create_time,
            updated: contact.update_time,
        }
    }
}

impl Row {
    /// Returns a field as the writer sent it.
    pub(super) fn field(&self, id: &str) -> Option<&FieldValue> {
        self.fields.iter().find(|field| field.field == id)
    }

    /// Returns the name; rows without one are called so.
    pub(super) fn name(&self) -> String {
        let name = self.field("name").and_then(|field| field.value.as_ref());
        match name.and_then(|Value { value }| value.as_ref()) {
            Some(value::Value::Text(name)) if !name.trim().is_empty() => name.clone(),
            _ => "(without a name)".to_owned(),
        }
    }

    /// Returns the fields that carry a picklist value without mapping.
    pub(super) fn open(&self) -> impl Iterator<Item = &FieldValue> {
        self.fields.iter().filter(|field| field.unmapped)
    }
}

/// Returns the name of an object as Salesforce writes it in paths.
pub(super) fn api_name(object: SalesforceObject) -> &'static str {
    match object {
        SalesforceObject::Account => "Account",
        SalesforceObject::Contact => "Contact",
        SalesforceObject::Lead => "Lead",
        SalesforceObject::Unspecified => "Record",
    }
}

/// Returns the link to a record if it is one that a browser may follow.
pub(super) fn record_url(origin: &SalesforceOrigin) -> String {
    let is_web = origin.url.starts_with("https://") || origin.url.starts_with("http://");
    if is_web { origin.url.clone() } else { String::new() }
}
