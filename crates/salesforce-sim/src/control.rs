//! What a test may do to the world, in process or by `POST /sim/<op>`.

use std::sync::atomic::Ordering;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json, json};

use crate::fault::FaultRule;
use crate::id::Id;
use crate::moment::{datetime_text, parse_datetime};
use crate::mutate::{Conversion, Writer};
use crate::oauth::AppSpec;
use crate::oracle::{self, Question};
use crate::org::{Org, OrgSpec, Transaction};
use crate::refusal::Refusal;
use crate::schema::{Field, Kind, PickValue};
use crate::seed::Seed;
use crate::table::Row;
use crate::value::Value;
use crate::world::{World, lock};

/// One order. Over HTTP the tag `op` is the path: `POST /sim/update` with the other fields as JSON.
///
/// `org` may be left out everywhere: it means the first org.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "op", rename_all = "snake_case", deny_unknown_fields)]
#[allow(
    missing_docs,
    reason = "the fields of an order say what they are; the README lists them"
)]
pub enum Command {
    /// Makes an org; answers its id.
    CreateOrg { spec: OrgSpec },
    /// Lists the orgs.
    Orgs,
    /// Fills an org.
    Seed { org: Option<Id>, seed: Seed },
    /// Creates a record; answers its id. `Id` and audit fields may be given.
    Create {
        org: Option<Id>,
        object: String,
        fields: Map<String, Json>,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Changes a record.
    Update {
        org: Option<Id>,
        id: Id,
        fields: Map<String, Json>,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Changes fields without moving the stamp: formulas, parents' names.
    UpdateQuietly {
        org: Option<Id>,
        id: Id,
        fields: Map<String, Json>,
    },
    /// To the bin, with the children that go along.
    Delete {
        org: Option<Id>,
        id: Id,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Back from the bin.
    Undelete {
        org: Option<Id>,
        id: Id,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Gone for good; only getDeleted still lists it.
    Purge {
        org: Option<Id>,
        id: Id,
        #[serde(default)]
        at: Option<String>,
    },
    /// Merges losers into a master.
    Merge {
        org: Option<Id>,
        master: Id,
        losers: Vec<Id>,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Converts a lead.
    ConvertLead {
        org: Option<Id>,
        lead: Id,
        #[serde(default)]
        how: Conversion,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Puts a record on a stamp.
    SetStamp {
        org: Option<Id>,
        id: Id,
        stamp: String,
    },
    /// Changes many records on one stamp: the first `limit` live ones of an object.
    MassUpdate {
        org: Option<Id>,
        object: String,
        fields: Map<String, Json>,
        #[serde(default)]
        limit: Option<usize>,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Opens a transaction; what is done in it is stamped now and seen at the commit.
    Begin {
        org: Option<Id>,
        #[serde(default)]
        stamp: Option<String>,
    },
    /// Adds an order to an open transaction.
    InTransaction {
        org: Option<Id>,
        transaction: u64,
        command: Box<Command>,
    },
    /// Commits a transaction.
    Commit { org: Option<Id>, transaction: u64 },
    /// Field-level security takes a field away, or gives it back.
    HideField {
        org: Option<Id>,
        object: String,
        field: String,
        #[serde(default = "yes")]
        hidden: bool,
    },
    /// Takes the read permission of an object away, or gives it back.
    HideObject {
        org: Option<Id>,
        object: String,
        #[serde(default = "yes")]
        hidden: bool,
    },
    /// Sharing takes a record away, or gives it back.
    HideRecord {
        org: Option<Id>,
        id: Id,
        #[serde(default = "yes")]
        hidden: bool,
    },
    /// Adds a custom field; `kind` as describe names types.
    AddField {
        org: Option<Id>,
        object: String,
        name: String,
        label: String,
        kind: String,
        #[serde(default)]
        values: Vec<String>,
    },
    /// Adds, relabels, activates or deactivates a picklist value.
    PicklistValue {
        org: Option<Id>,
        object: String,
        field: String,
        value: String,
        #[serde(default)]
        label: Option<String>,
        #[serde(default = "yes")]
        active: bool,
    },
    /// Whether describe lists inactive picklist values.
    DescribeInactive { org: Option<Id>, shown: bool },
    /// A record as the store holds it, the bin included.
    Record { org: Option<Id>, id: Id },
    /// Ids of an object in id order: `state` live, deleted or all.
    Ids {
        org: Option<Id>,
        object: String,
        #[serde(default)]
        state: Option<String>,
        #[serde(default)]
        limit: Option<usize>,
    },
    /// Another `instance_url` from the next token answer on.
    InstanceUrl {
        org: Option<Id>,
        url: Option<String>,
    },
    /// The host of the next refresh's own org id: a refreshed sandbox has a new one.
    RenewOrgId { org: Option<Id>, new_id: Id },
    /// Ends access tokens; refresh tokens stay.
    ExpireSessions { org: Option<Id> },
    /// An admin revokes every approval.
    RevokeGrants { org: Option<Id> },
    /// Someone approves the app once more with the same user.
    ApproveOnce {
        org: Option<Id>,
        #[serde(default)]
        client_id: Option<String>,
    },
    /// Freezes or unfreezes the integration user.
    UserActive { org: Option<Id>, active: bool },
    /// Registers a connected app, or replaces it by its consumer key.
    SetApp { app: AppSpec },
    /// Rotation of refresh tokens on or off, for every app.
    Rotation { on: bool },
    /// Seconds until an access token dies.
    SessionTimeout { seconds: u32 },
    /// Query locators are lost.
    ExpireCursors { org: Option<Id> },
    /// Where the delete log begins.
    DeletionsFrom { org: Option<Id>, at: Option<String> },
    /// API calls used and allowed.
    ApiUsage {
        org: Option<Id>,
        #[serde(default)]
        used: Option<u64>,
        #[serde(default)]
        max: Option<u64>,
    },
    /// The `Sforce-Limit-Info` value: absent as counted, empty for no header.
    LimitHeader {
        org: Option<Id>,
        value: Option<String>,
    },
    /// Moves the clock to `offset_s` seconds from real time.
    ClockOffset { offset_s: i64 },
    /// Stops the clock at a moment.
    ClockFreeze { at: String },
    /// Moves the clock forward.
    ClockAdvance { seconds: i64 },
    /// The server's time.
    Clock,
    /// Adds a fault.
    Fault { rule: FaultRule },
    /// Faults that are still to strike.
    Faults,
    /// Removes every fault.
    ClearFaults,
    /// The counters.
    Stats,
    /// The recorded requests.
    Requests,
    /// Counters and requests back to nothing.
    ResetStats,
    /// Renders every row of a query once and keeps the bytes; `csv` for Bulk results.
    Warm {
        org: Option<Id>,
        soql: String,
        #[serde(default)]
        csv: bool,
        #[serde(default)]
        version: Option<String>,
    },
    /// What Lane must hold.
    Oracle { question: Question },
}

fn yes() -> bool {
    true
}

impl World {
    fn with_org<T>(
        &self,
        org: Option<Id>,
        work: impl FnOnce(&mut Org) -> Result<T, Refusal>,
    ) -> Result<T, Refusal> {
        let mut orgs = self.write();
        let found = orgs
            .iter_mut()
            .find(|known| org.is_none_or(|org| known.id == org));
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
                Ok(orgs.iter().map(|org| json!({ "id": org.id, "name": org.name, "username": org.spec.username })).collect())
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
                let org = orgs
                    .iter()
                    .find(|known| question.org.is_none_or(|org| known.id == org));
                Ok(json!(oracle::answer(
                    org.ok_or_else(|| Refusal::new(404, "NOT_FOUND", "no such org"))?,
                    &question
                )?))
            }
            Command::SetApp { app } => {
                let mut grants = self.grants();
                match grants.app_mut(&app.client_id) {
                    Some(known) => *known = app,
                    None => grants.apps.push(app),
                }
                done()
            }
            Command::Rotation { on } => {
                self.grants()
                    .apps
                    .iter_mut()
                    .for_each(|app| app.rotation = on);
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
                let client_id = client_id
                    .or_else(|| grants.apps.first().map(|app| app.client_id.clone()))
                    .unwrap_or_default();
                let (_, refresh) = grants.approve(&client_id, org, user, "api refresh_token id");
                Ok(json!({ "refresh_token": refresh }))
            }
            Command::Warm {
                org,
                soql,
                csv,
                version,
            } => {
                let now_ms = self.clock.now_ms();
                self.with_org(org, |org| {
                    crate::rest::warm(
                        org,
                        &soql,
                        csv,
                        version.as_deref().unwrap_or("67.0"),
                        now_ms,
                    )
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
            Command::Create {
                org,
                object,
                fields,
                stamp,
            } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| {
                    let table = known_table(org, &object)?;
                    Ok(json!({ "id": org.create(table, &fields, stamp, Writer::Owner)? }))
                })
            }
            Command::Update {
                org,
                id,
                fields,
                stamp,
            } => {
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
            Command::Delete { org, id, stamp } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| Ok(json!({ "deleted": org.delete(id, stamp)? })))
            }
            Command::Undelete { org, id, stamp } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| {
                    Ok(json!({ "undeleted": org.undelete(id, stamp)? }))
                })
            }
            Command::Purge { org, id, at } => {
                let at_ms = self.stamp_of(at.as_ref())?;
                self.with_org(org, |org| {
                    org.purge(id, at_ms)?;
                    done()
                })
            }
            Command::Merge {
                org,
                master,
                losers,
                stamp,
            } => {
                let stamp = self.stamp_of(stamp.as_ref())?;
                self.with_org(org, |org| {
                    org.merge(master, &losers, stamp)?;
                    done()
                })
            }
            Command::ConvertLead {
                org,
                lead,
                how,
                stamp,
            } => {
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
            Command::MassUpdate {
                org,
                object,
                fields,
                limit,
                stamp,
            } => {
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
                    let number = org
                        .transactions
                        .iter()
                        .map(|open| open.number)
                        .max()
                        .unwrap_or(0)
                        + 1;
                    org.transactions.push(Transaction {
                        number,
                        stamp,
                        changes: Vec::new(),
                    });
                    Ok(json!({ "transaction": number }))
                })
            }
            Command::InTransaction {
                org,
                transaction,
                command,
            } => self.with_org(org, |org| {
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
            Command::Ids {
                org,
                object,
                state,
                limit,
            } => self.with_org(org, |org| {
                let table = known_table(org, &object)?;
                Ok(json!(ids(
                    org,
                    table,
                    state.as_deref().unwrap_or("live"),
                    limit
                )))
            }),
            other => self.obey_as_admin(other, now_ms),
        }
    }

    /// What was done in a transaction becomes visible, stamped as when it was begun.
    fn commit(&self, org: Option<Id>, transaction: u64) -> Result<Json, Refusal> {
        let open = self.with_org(org, |org| {
            let place = org
                .transactions
                .iter()
                .position(|open| open.number == transaction)
                .ok_or_else(Refusal::not_found)?;
            Ok(org.transactions.remove(place))
        })?;
        let stamp = datetime_text(open.stamp);
        let mut answers = Vec::new();
        for mut change in open.changes {
            if let Command::Create {
                stamp: at, org: of, ..
            }
            | Command::Update {
                stamp: at, org: of, ..
            }
            | Command::Delete {
                stamp: at, org: of, ..
            }
            | Command::Undelete {
                stamp: at, org: of, ..
            }
            | Command::Merge {
                stamp: at, org: of, ..
            }
            | Command::ConvertLead {
                stamp: at, org: of, ..
            }
            | Command::MassUpdate {
                stamp: at, org: of, ..
            } = &mut change
            {
                at.get_or_insert_with(|| stamp.clone());
                *of = of.or(org);
            }
            answers.push(self.obey(change)?);
        }
        Ok(json!({ "answers": answers }))
    }

    fn obey_as_admin(&self, command: Command, now_ms: i64) -> Result<Json, Refusal> {
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

fn done() -> Result<Json, Refusal> {
    Ok(json!({ "ok": true }))
}

fn moment(text: &str) -> Result<i64, Refusal> {
    parse_datetime(text)
        .ok_or_else(|| Refusal::bad("INVALID_DATE", format!("not a moment: {text}")))
}

fn known_table(org: &Org, object: &str) -> Result<usize, Refusal> {
    org.table(object)
        .ok_or_else(|| Refusal::bad("INVALID_TYPE", format!("no object {object}")))
}

fn ids(org: &Org, table: usize, state: &str, limit: Option<usize>) -> Vec<Id> {
    let table = &org.tables[table];
    let wanted = |row: &Row| match state {
        "all" => true,
        "deleted" => table.is_deleted(*row),
        _ => !table.is_deleted(*row),
    };
    table
        .all()
        .filter(wanted)
        .take(limit.unwrap_or(usize::MAX))
        .map(|row| table.id(row))
        .collect()
}

/// Every cell that holds something, by field name.
pub(crate) fn stored(org: &Org, table: usize, row: Row) -> Map<String, Json> {
    let schema = org.schema(table);
    let cells = schema
        .fields
        .iter()
        .enumerate()
        .map(|(column, field)| (field, org.tables[table].cell(row, column)));
    cells
        .filter(|(_, value)| !matches!(value, Value::Null))
        .map(|(field, value)| (field.name.clone(), value.to_json()))
        .collect()
}
