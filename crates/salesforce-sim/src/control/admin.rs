//! Orders that an admin of the org would give in Setup.

use std::sync::atomic::Ordering;

use serde_json::{Value as Json, json};

use super::{Command, done, known_table, moment};
use crate::refusal::Refusal;
use crate::schema::{Field, Kind, PickValue};
use crate::world::{World, lock};

impl World {
    /// What Setup can do to the org.
    pub(super) fn obey_as_admin(&self, command: Command, now_ms: i64) -> Result<Json, Refusal> {
        match command {
            Command::HideField { org, object, field, hidden } => self.with_org(org, |org| {
                let table = known_table(org, &object)?;
                let schema = &mut org.tables[table].schema;
                let column = schema.column(&field).ok_or_else(|| Refusal::bad("INVALID_FIELD", format!("no field {field}")))?;
                if hidden && !schema.fields[column].permissionable {
                    return Err(Refusal::bad("INVALID_FIELD", format!("{field} is not permissionable: it can't be hidden")));
                }
                schema.fields[column].hidden = hidden;
                { schema.changed_ms = now_ms; done() }
            }),
            Command::HideObject { org, object, hidden } => self.with_org(org, |org| {
                let table = known_table(org, &object)?;
                { if hidden { org.hidden.insert(table) } else { org.hidden.remove(&table) }; done() }
            }),
            Command::HideRecord { org, id, hidden } => self.with_org(org, |org| {
                let (table, row) = org.find(id).ok_or_else(Refusal::not_found)?;
                let unshared = &mut org.tables[table].unshared;
                if hidden { unshared.insert(row) } else { unshared.remove(&row) };
                { org.forget_children(); done() }
            }),
            Command::AddField { org, object, name, label, kind, values } => self.with_org(org, |org| {
                let table = known_table(org, &object)?;
                let kind = Kind::named(&kind).filter(|kind| !matches!(kind, Kind::Id | Kind::Reference | Kind::Address));
                let kind = kind.ok_or_else(|| Refusal::bad("INVALID_TYPE", "kind must be a plain type as describe names it"))?;
                if !name.ends_with("__c") || org.schema(table).column(&name).is_some() {
                    return Err(Refusal::bad("INVALID_FIELD", "a new field ends in __c and has a name of its own"));
                }
                let mut field = Field::new(&name, &label, kind);
                field.length = if kind.is_text() { 255 } else { 0 };
                (field.precision, field.scale) = if kind.is_number() { (18, 2) } else { (0, 0) };
                field.values = values.into_iter().map(|value| PickValue { label: value.clone(), value, active: true }).collect();
                org.tables[table].add_field(field);
                { org.tables[table].schema.changed_ms = now_ms; done() }
            }),
            Command::PicklistValue { org, object, field, value, label, active } => self.with_org(org, |org| {
                let table = known_table(org, &object)?;
                let schema = &mut org.tables[table].schema;
                let column = schema.column(&field).filter(|column| schema.fields[*column].kind.is_picklist());
                let column = column.ok_or_else(|| Refusal::bad("INVALID_FIELD", format!("{field} is no picklist")))?;
                let values = &mut schema.fields[column].values;
                match values.iter_mut().find(|known| known.value == value) {
                    Some(known) => {
                        known.active = active;
                        known.label = label.unwrap_or_else(|| known.label.clone());
                    }
                    None => values.push(PickValue { label: label.unwrap_or_else(|| value.clone()), value, active }),
                }
                { schema.changed_ms = now_ms; done() }
            }),
            Command::DescribeInactive { org, shown } => self.with_org(org, |org| {
                org.tables.iter_mut().for_each(|table| table.schema.changed_ms = now_ms);
                { org.describes_inactive = shown; done() }
            }),
            Command::InstanceUrl { org, url } => self.with_org(org, |org| { org.instance_url = url; done() }),
            Command::RenewOrgId { org, new_id } => {
                let old = self.with_org(org, |org| Ok(std::mem::replace(&mut org.id, new_id)))?;
                { self.grants().revoke_all(old); done() }
            }
            Command::UserActive { org, active } => self.with_org(org, |org| { org.user_active = active; done() }),
            Command::ExpireCursors { org } => self.with_org(org, |org| { lock(&org.cursors).expire(); done() }),
            Command::DeletionsFrom { org, at } => {
                let from = at.map(|at| moment(&at)).transpose()?;
                self.with_org(org, |org| { org.deletions_from = from; done() })
            }
            Command::ApiUsage { org, used, max } => self.with_org(org, |org| {
                used.into_iter().for_each(|used| org.usage.used.store(used, Ordering::Relaxed));
                max.into_iter().for_each(|max| org.usage.max.store(max, Ordering::Relaxed));
                Ok(json!({ "used": org.usage.used.load(Ordering::Relaxed), "max": org.usage.max.load(Ordering::Relaxed) }))
            }),
            Command::LimitHeader { org, value } => self.with_org(org, |org| { *lock(&org.usage.header) = value; done() }),
            other => Err(Refusal::bad("UNKNOWN_OP", format!("{other:?} can't be done here"))),
        }
    }
}
