//! Orders about the world and its records.

use serde_json::{Map, Value as Json, json};

use super::{Command, done, known_table, moment};
use crate::id::Id;
use crate::moment::datetime_text;
use crate::mutate::Writer;
use crate::oracle;
use crate::org::{Org, Transaction};
use crate::refusal::Refusal;
use crate::table::Row;
use crate::value::Value;
use crate::world::World;

impl World {
    pub(super) fn with_org<T>(
        &self,
        org: Option<Id>,
        work: impl FnOnce(&mut Org) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut orgs = self.write();
        let found = orgs.iter_mut().find(|known| org.is_none_or(|org| known.id == org));
        work(found.ok_or_else(|| Refusal::new(404, "NOT_FOUND", "no such org"))?)
    }

    fn stamp_of(&self, given: Option<&String>) -> Result<i64, Refusal> {
        given.map_or_else(|| Ok(self.clock.stamp()), |text| moment(text))
    }

    /// Carries out an order.
    pub(crate) fn obey(&self, command: Command) -> Result<Json, Refusal> {
        match command {
            Command::CreateOrg { spec } => {
                let mut orgs = self.write();
                let org = Org::new(&spec, orgs.len(), self.clock.now_ms());
                let id = org.id;
                orgs.push(org);
                Ok(json!({ "id": id }))
            }
            Command::Orgs => {
                let orgs = self.read();
                Ok(orgs
                    .iter()
                    .map(|org| json!({ "id": org.id, "name": org.name, "username": org.spec.username }))
                    .collect())
            }
            Command::Clock => Ok(json!({ "now": datetime_text(self.clock.now_ms()) })),
            Command::ClockOffset { offset_s } => {
                self.clock.set_offset(offset_s * 1000);
                done()
            }
            Command::ClockFreeze { at } => {
                self.clock.freeze(moment(&at)?);
                done()
            }
            Command::ClockAdvance { seconds } => {
                self.clock.advance(seconds * 1000);
                done()
            }
            Command::Fault { rule } => {
                self.faults().add(rule);
                done()
            }
            Command::Faults => Ok(json!(self.faults().pending())),
            Command::ClearFaults => {
                self.faults().clear();
                done()
            }
            Command::Stats => Ok(json!(self.book().stats)),
            Command::Requests => Ok(json!(self.book().requests)),
            Command::ResetStats => {
                *self.book() = crate::stats::Book::default();
                done()
            }
            Command::Oracle { question } => {
                let orgs = self.read();
                let org = orgs.iter().find(|known| question.org.is_none_or(|org| known.id == org));
                Ok(json!(oracle::answer(org.ok_or_else(|| Refusal::new(404, "NOT_FOUND", "no such org"))?, &question)?))
            }
            Command::SetApp { app } => {
                let mut grants = self.grants();
                match grants.app_mut(&app.client_id) {
                    Some(known) => *known = app,
                    None => grants.apps.push(app),
                }
                done()
            }
            Command::Tokens => {
                let grants = self.grants();
                let (access, refresh) = grants.live_tokens();
                Ok(json!({ "access": access, "refresh": refresh }))
            }
            Command::Rotation { on } => {
                self.grants().apps.iter_mut().for_each(|app| app.rotation = on);
                done()
            }
            Command::SessionTimeout { seconds } => {
                self.grants().timeout_ms = i64::from(seconds) * 1000;
                done()
            }
            Command::ExpireSessions { org } => {
                self.grants().end_sessions(org);
                done()
            }
            Command::RevokeGrants { org } => {
                let org = self.with_org(org, |org| Ok(org.id))?;
                Ok(json!({ "revoked": self.grants().revoke_all(org) }))
            }
            Command::ApproveOnce { org, client_id } => {
                let (org, user) = self.with_org(org, |org| Ok((org.id, org.user)))?;
                let mut grants = self.grants();
                let client_id =
                    client_id.or_else(|| grants.apps.first().map(|app| app.client_id.clone())).unwrap_or_default();
                let (_, refresh) = grants.approve(&client_id, org, user, "api refresh_token id");
                Ok(json!({ "refresh_token": refresh }))
            }
            Command::Warm { org, soql, csv, version } => {
                let now_ms = self.clock.now_ms();
                self.with_org(org, |org| {
                    crate::rest::warm(org, &soql, csv, version.as_deref().unwrap_or("67.0"), now_ms)
                })
            }
            other => self.obey_in_org(other),
        }
    }

    fn obey_in_org(&self, command: Command) -> Result<Json, Refusal> {
        let now_ms = self.clock.now_ms();
        match command {
            Command::Seed { org, seed } => self.with_org(org, |org| {
                seed.fill(org, now_ms);
                done()
            }),
            Command::Create { org, object, fields, stamp } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| {
                    let table = known_table(org, &object)?;
                    Ok(json!({ "id": org.create(table, &fields, stamp, Writer::Owner)? }))
                })
            }
            Command::Update { org, id, fields, stamp } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| {
                    org.update(id, &fields, stamp, Writer::Owner)?;
                    done()
                })
            }
            Command::UpdateQuietly { org, id, fields } => self.with_org(org, |org| {
                org.update_quietly(id, &fields)?;
                done()
            }),
            Command::Mistype { org, id, field, text } => self.with_org(org, |org| {
                let (table, row) = org.find(id).ok_or_else(Refusal::not_found)?;
                let column = org.schema(table).column(&field);
                let column = column.ok_or_else(|| Refusal::bad("INVALID_FIELD", format!("no field {field}")))?;
                org.tables[table].set(row, column, Value::text(text));
                org.forget_children();
                done()
            }),
            Command::Delete { org, id, stamp } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| Ok(json!({ "deleted": org.delete(id, stamp)? })))
            }
            Command::Undelete { org, id, stamp } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| Ok(json!({ "undeleted": org.undelete(id, stamp)? })))
            }
            Command::Purge { org, id, at } => {
                let at_ms = self.stamp_of(at.as_ref())?;
                self.with_org(org, |org| {
                    org.purge(id, at_ms)?;
                    done()
                })
            }
            Command::Merge { org, master, losers, stamp } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| {
                    org.merge(master, &losers, stamp)?;
                    done()
                })
            }
            Command::ConvertLead { org, lead, how, stamp } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| Ok(json!(org.convert_lead(lead, &how, stamp)?)))
            }
            Command::SetStamp { org, id, stamp } => {
                let stamp = moment(&stamp)?;
                self.with_org(org, |org| {
                    let (table, row) = org.find(id).ok_or_else(Refusal::not_found)?;
                    {
                        org.tables[table].restamp(row, stamp);
                        done()
                    }
                })
            }
            Command::MassUpdate { org, object, fields, limit, stamp } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| {
                    let ids = ids(org, known_table(org, &object)?, "live", limit);
                    for id in &ids {
                        org.update(*id, &fields, stamp, Writer::Owner)?;
                    }
                    Ok(json!({ "updated": ids.len() }))
                })
            }
            Command::Begin { org, stamp } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| {
                    let number = org.transactions.iter().map(|open| open.number).max().unwrap_or(0) + 1;
                    org.transactions.push(Transaction { number, stamp, changes: Vec::new() });
                    Ok(json!({ "transaction": number }))
                })
            }
            Command::InTransaction { org, transaction, command } => self.with_org(org, |org| {
                let open = org
                    .transactions
                    .iter_mut()
                    .find(|open| open.number == transaction)
                    .ok_or_else(Refusal::not_found)?;
                {
                    open.changes.push(*command);
                    done()
                }
            }),
            Command::Commit { org, transaction } => self.commit(org, transaction),
            Command::Record { org, id } => self.with_org(org, |org| {
                let (table, row) = org.find(id).ok_or_else(Refusal::not_found)?;
                Ok(Json::Object(stored(org, table, row)))
            }),
            Command::Ids { org, object, state, limit } => self.with_org(org, |org| {
                let table = known_table(org, &object)?;
                Ok(json!(ids(org, table, state.as_deref().unwrap_or("live"), limit)))
            }),
            other => self.obey_as_admin(other, now_ms),
        }
    }

    /// What was done in a transaction becomes visible, stamped as when it was begun.
    fn commit(&self, org: Option<Id>, transaction: u64) -> Result<Json, Refusal> {
        let open = self.with_org(org, |org| {
            let place =
                org.transactions.iter().position(|open| open.number == transaction).ok_or_else(Refusal::not_found)?;
            Ok(org.transactions.remove(place))
        })?;
        let stamp = datetime_text(open.stamp);
        let mut answers = Vec::new();
        for mut change in open.changes {
            if let Command::Create { stamp: at, org: of, .. }
            | Command::Update { stamp: at, org: of, .. }
            | Command::Delete { stamp: at, org: of, .. }
            | Command::Undelete { stamp: at, org: of, .. }
            | Command::Merge { stamp: at, org: of, .. }
            | Command::ConvertLead { stamp: at, org: of, .. }
            | Command::MassUpdate { stamp: at, org: of, .. } = &mut change
            {
                at.get_or_insert_with(|| stamp.clone());
                *of = of.or(org);
            }
            answers.push(self.obey(change)?);
        }
        Ok(json!({ "answers": answers }))
    }
}

fn ids(org: &Org, table: usize, state: &str, limit: Option<usize>) -> Vec<Id> {
    let table = &org.tables[table];
    let wanted = |row: &Row| match state {
        "all" => true,
        "deleted" => table.is_deleted(*row),
        _ => !table.is_deleted(*row),
    };
    table.all().filter(wanted).take(limit.unwrap_or(usize::MAX)).map(|row| table.id(row)).collect()
}

/// Every cell that holds something, by field name.
pub(crate) fn stored(org: &Org, table: usize, row: Row) -> Map<String, Json> {
    let schema = org.schema(table);
    let cells = schema.fields.iter().enumerate().map(|(column, field)| (field, org.tables[table].cell(row, column)));
    cells
        .filter(|(_, value)| !matches!(value, Value::Null))
        .map(|(field, value)| (field.name.clone(), value.to_json()))
        .collect()
}
