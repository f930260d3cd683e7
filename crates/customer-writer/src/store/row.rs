//! Rows of customers and contacts, and their columns as Lane fields.

use chrono::{DateTime, Utc};
use domain::catalogue::standard_fields;
use domain::{CurrencyCode, FieldType, Kind, Money, Value};
use rust_decimal::Decimal;
use serde_json::{Map, Value as Json};
use uuid::Uuid;

/// The document of custom fields.
pub(crate) type Document = sqlx::types::Json<Map<String, Json>>;

/// A row of `customers.customer`.
#[derive(Clone, Debug)]
pub(crate) struct CustomerRow {
    pub(crate) own_id: Uuid,
    pub(crate) lane_id: Uuid,
    pub(crate) source: String,
    pub(crate) key: String,
    pub(crate) modified_ms: i64,
    pub(crate) archived_at: Option<DateTime<Utc>>,
    pub(crate) hidden_at: Option<DateTime<Utc>>,
    pub(crate) etag: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) unmapped: i32,
    pub(crate) custom: Document,
    pub(crate) custom_unmapped: Document,
    pub(crate) name: Option<String>,
    pub(crate) website: Option<String>,
    pub(crate) domain: Option<String>,
    pub(crate) arr: Option<Decimal>,
    pub(crate) arr_currency: Option<String>,
    pub(crate) tier: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) industry: Option<String>,
    pub(crate) employee_count: Option<Decimal>,
    pub(crate) owner_name: Option<String>,
    pub(crate) owner_email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) description: Option<String>,
}

/// A row of `customers.contact`.
#[derive(Clone, Debug)]
pub(crate) struct ContactRow {
    pub(crate) own_id: Uuid,
    pub(crate) lane_id: Uuid,
    pub(crate) source: String,
    pub(crate) object: String,
    pub(crate) key: String,
    pub(crate) modified_ms: i64,
    pub(crate) archived_at: Option<DateTime<Utc>>,
    pub(crate) hidden_at: Option<DateTime<Utc>>,
    pub(crate) etag: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) unmapped: i32,
    pub(crate) custom: Document,
    pub(crate) custom_unmapped: Document,
    pub(crate) name: Option<String>,
    pub(crate) email: Option<String>,
    pub(crate) phone: Option<String>,
    pub(crate) title: Option<String>,
    pub(crate) status: Option<String>,
    pub(crate) tier: Option<String>,
    pub(crate) country: Option<String>,
    pub(crate) company: Option<String>,
    pub(crate) owner_name: Option<String>,
    pub(crate) linked_id: Option<Uuid>,
}

/// What both kinds of rows have.
#[derive(Clone, Debug)]
pub(crate) struct Row {
    pub(crate) kind: Kind,
    /// "account", "contact" or "lead".
    pub(crate) object: String,
    pub(crate) own_id: Uuid,
    pub(crate) lane_id: Uuid,
    pub(crate) is_synced: bool,
    pub(crate) key: String,
    pub(crate) modified_ms: i64,
    pub(crate) archived_at: Option<DateTime<Utc>>,
    pub(crate) hidden_at: Option<DateTime<Utc>>,
    pub(crate) etag: i64,
    pub(crate) created_at: DateTime<Utc>,
    pub(crate) updated_at: DateTime<Utc>,
    pub(crate) unmapped: i32,
    pub(crate) custom: Map<String, Json>,
    pub(crate) custom_unmapped: Map<String, Json>,
    /// Values of the standard fields, in the order of the catalogue.
    pub(crate) values: Vec<Option<Value>>,
    /// The customer of a contact.
    pub(crate) linked_id: Option<Uuid>,
}

impl Row {
    /// Returns what changes with every write: the row that stands for the id may change too, so it is part of it.
    pub(crate) fn etag(&self) -> String {
        format!("{}-{}", self.own_id.simple(), self.etag)
    }
}

/// Gives texts the type of their field.
fn typed(kind: Kind, texts: Vec<Option<String>>, money: Option<Money>, number: Option<Decimal>) -> Vec<Option<Value>> {
    standard_fields(kind)
        .iter()
        .zip(texts)
        .map(|(field, text)| match field.field_type {
            FieldType::Money => money.clone().map(Value::Money),
            FieldType::Number => number.map(Value::Number),
            FieldType::Option => text.map(Value::Option),
            FieldType::Text | FieldType::Url | FieldType::Date | FieldType::Boolean => text.map(Value::Text),
        })
        .collect()
}

impl From<CustomerRow> for Row {
    fn from(row: CustomerRow) -> Self {
        let currency = row.arr_currency.and_then(|code| code.parse::<CurrencyCode>().ok());
        let money = row.arr.zip(currency).map(|(amount, currency)| Money { amount, currency });
        let texts = vec![
            row.name,
            row.website,
            row.domain,
            None,
            row.tier,
            row.status,
            row.industry,
            None,
            row.owner_name,
            row.owner_email,
            row.phone,
            row.country,
            row.description,
        ];
        Self {
            kind: Kind::Account,
            object: "account".to_owned(),
            own_id: row.own_id,
            lane_id: row.lane_id,
            is_synced: row.source == "salesforce",
            key: row.key,
            modified_ms: row.modified_ms,
            archived_at: row.archived_at,
            hidden_at: row.hidden_at,
            etag: row.etag,
            created_at: row.created_at,
            updated_at: row.updated_at,
            unmapped: row.unmapped,
            custom: row.custom.0,
            custom_unmapped: row.custom_unmapped.0,
            values: typed(Kind::Account, texts, money, row.employee_count),
            linked_id: None,
        }
    }
}

impl From<ContactRow> for Row {
    fn from(row: ContactRow) -> Self {
        let texts = vec![
            row.name,
            row.email,
            row.phone,
            row.title,
            row.status,
            row.tier,
            row.country,
            row.company,
            row.owner_name,
        ];
        Self {
            kind: Kind::Contact,
            object: row.object,
            own_id: row.own_id,
            lane_id: row.lane_id,
            is_synced: row.source == "salesforce",
            key: row.key,
            modified_ms: row.modified_ms,
            archived_at: row.archived_at,
            hidden_at: row.hidden_at,
            etag: row.etag,
            created_at: row.created_at,
            updated_at: row.updated_at,
            unmapped: row.unmapped,
            custom: row.custom.0,
            custom_unmapped: row.custom_unmapped.0,
            values: typed(Kind::Contact, texts, None, None),
            linked_id: row.linked_id,
        }
    }
}
