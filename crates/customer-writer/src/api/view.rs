//! Rows as callers see them.

use contract::common::v1 as common;
use contract::convert::to_wire_time;
use contract::writer::v1::{Contact, Customer, FieldValue, RecordSource, SalesforceOrigin};
use domain::catalogue::standard_fields;
use domain::{Kind, Object, Value, WorkspaceId};
use jiff::Timestamp;

use crate::store::read::moment;
use crate::store::row::Row;
use crate::store::workspace::Workspace;

/// Returns the link to a record; empty when the org is unknown.
pub(super) fn record_url(instance_url: Option<&str>, key: &str) -> String {
    instance_url.map(|host| format!("{}/{key}", host.trim_end_matches('/'))).unwrap_or_default()
}

/// Returns the Salesforce path that locks a field of a row; empty when it is editable.
fn locked_by<'a>(known: &'a Workspace, row: &Row, field: &str) -> &'a str {
    let object = Object::from_token(&row.object).filter(|_| row.is_synced);
    object.and_then(|object| known.lock(object, field)).map_or("", |lock| lock.source.as_str())
}

/// Standard fields in the order of the catalogue, then custom ones in the order of the rules, then what else is there.
pub(super) fn fields(known: &Workspace, row: &Row) -> Vec<FieldValue> {
    let standard = standard_fields(row.kind).iter().zip(&row.values).enumerate().map(|(bit, (field, value))| {
        let locked_by = locked_by(known, row, field.id).to_owned();
        FieldValue {
            field: field.id.to_owned(),
            value: value.as_ref().map(common::Value::from),
            // A mark of a field that no mapping feeds any more says nothing.
            unmapped: !locked_by.is_empty() && row.unmapped & (1 << bit) != 0,
            locked_by,
        }
    });
    let ruled = known.rules.iter().filter(|rule| rule.kind == row.kind && rule.field.is_custom());
    let mut custom: Vec<_> = ruled.map(|rule| rule.field.to_string()).collect();
    for field in row.custom.keys() {
        if !custom.contains(field) {
            custom.push(field.clone());
        }
    }
    let custom = custom.into_iter().map(|field| {
        let value: Option<Value> =
            row.custom.get(&field).cloned().and_then(|document| serde_json::from_value(document).ok());
        let locked_by = locked_by(known, row, &field).to_owned();
        let is_marked = row.custom_unmapped.get(&field).and_then(serde_json::Value::as_bool) == Some(true);
        FieldValue {
            value: value.as_ref().map(common::Value::from),
            unmapped: !locked_by.is_empty() && is_marked,
            field,
            locked_by,
        }
    });
    standard.chain(custom).collect()
}

fn origin(known: &Workspace, row: &Row, alias_ids: Vec<String>) -> Option<SalesforceOrigin> {
    let object = Object::from_token(&row.object).filter(|_| row.is_synced)?;
    Some(SalesforceOrigin {
        object: common::SalesforceObject::from(object).into(),
        id: row.key.clone(),
        url: record_url(known.instance_url.as_deref(), &row.key),
        modify_time: (row.modified_ms > 0)
            .then(|| Timestamp::from_millisecond(row.modified_ms).ok().map(to_wire_time))
            .flatten(),
        alias_ids,
        not_visible_since: row.hidden_at.map(|at| to_wire_time(moment(at))),
    })
}

fn source(row: &Row) -> i32 {
    let source = if row.is_synced { RecordSource::Salesforce } else { RecordSource::Lane };
    source.into()
}

/// Returns a customer as callers see it.
pub(super) fn customer(workspace: WorkspaceId, known: &Workspace, row: &Row, alias_ids: Vec<String>) -> Customer {
    debug_assert_eq!(row.kind, Kind::Account);
    Customer {
        id: row.lane_id.to_string(),
        workspace_id: workspace.to_string(),
        source: source(row),
        salesforce: origin(known, row, alias_ids),
        fields: fields(known, row),
        archive_time: row.archived_at.map(|at| to_wire_time(moment(at))),
        etag: row.etag(),
        create_time: Some(to_wire_time(moment(row.created_at))),
        update_time: Some(to_wire_time(moment(row.updated_at))),
    }
}

/// Returns a contact as callers see it.
pub(super) fn contact(workspace: WorkspaceId, known: &Workspace, row: &Row, alias_ids: Vec<String>) -> Contact {
    debug_assert_eq!(row.kind, Kind::Contact);
    Contact {
        id: row.lane_id.to_string(),
        workspace_id: workspace.to_string(),
        source: source(row),
        salesforce: origin(known, row, alias_ids),
        customer_id: row.linked_id.map(|id| id.to_string()).unwrap_or_default(),
        fields: fields(known, row),
        archive_time: row.archived_at.map(|at| to_wire_time(moment(at))),
        etag: row.etag(),
        create_time: Some(to_wire_time(moment(row.created_at))),
        update_time: Some(to_wire_time(moment(row.updated_at))),
    }
}
