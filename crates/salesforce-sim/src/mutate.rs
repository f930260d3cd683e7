//! Changes of records, with everything Salesforce changes along.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value as Json};

use crate::id::Id;
use crate::org::{ACCOUNT, CONTACT, Deletion, LEAD, OPPORTUNITY, Org};
use crate::refusal::Refusal;
use crate::schema::{IS_DELETED, Kind};
use crate::table::Row;
use crate::value::{Value, from_json};

/// Who writes: a client bound by the rules, or the test that owns the world.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    Client,
    Owner,
}

/// How a lead becomes a contact.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Conversion {
    /// An account to reuse; a new one when absent.
    pub account: Option<Id>,
    /// A contact to reuse; a new one when absent.
    pub contact: Option<Id>,
    /// Whether an opportunity is made.
    pub opportunity: bool,
}

/// What a conversion made or reused.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Converted {
    /// The account.
    pub account: Id,
    /// The contact.
    pub contact: Id,
    /// The opportunity, if one was made.
    pub opportunity: Option<Id>,
}

impl Org {
    /// Checks and types the fields of a write.
    fn cells(
        &self,
        table: usize,
        fields: &Map<String, Json>,
        writer: Writer,
    ) -> Result<Vec<(usize, Value)>, Refusal> {
        let schema = self.schema(table);
        let mut cells = Vec::new();
        for (name, json) in fields
            .iter()
            .filter(|(name, _)| name.as_str() != "attributes")
        {
            let column = match writer {
                Writer::Client => schema.visible_column(name),
                Writer::Owner => schema.column(name),
            };
            let Some(column) = column else {
                let message = format!("No such column '{name}' on sobject of type {}", schema.name);
                return Err(Refusal::bad("INVALID_FIELD", message));
            };
            let field = &schema.fields[column];
            let fixed = matches!(field.kind, Kind::Id | Kind::Address)
                || matches!(field.name.as_str(), "SystemModstamp" | "IsDeleted");
            if fixed || (writer == Writer::Client && !field.writable) {
                let message = format!(
                    "Unable to create/update fields: {}. Please check the security settings of this field and verify that it is read/write for your profile or permission set.",
                    field.name
                );
                return Err(Refusal::bad("INVALID_FIELD_FOR_INSERT_UPDATE", message)
                    .on_fields(&[&field.name]));
            }
            let trimmed = match json {
                Json::String(text)
                    if writer == Writer::Client
                        && field.kind.is_text()
                        && !field.kind.is_picklist() =>
                {
                    Json::String(text.trim().to_owned())
                }
                other => other.clone(),
            };
            let Some(value) = from_json(field.kind, &trimmed) else {
                return Err(Refusal::bad(
                    "JSON_PARSER_ERROR",
                    format!(
                        "Cannot deserialize instance of {} from {json}",
                        field.kind.name()
                    ),
                ));
            };
            if let Value::Text(text) = &value {
                if field.length > 0 && text.chars().count() > field.length as usize {
                    let message = format!(
                        "{}: data value too large: {text} (max length={})",
                        field.label, field.length
                    );
                    return Err(Refusal::bad("STRING_TOO_LONG", message).on_fields(&[&field.name]));
                }
                if writer == Writer::Client
                    && field.restricted
                    && !field
                        .values
                        .iter()
                        .any(|known| known.active && *known.value == **text)
                {
                    let message = format!(
                        "{}: bad value for restricted picklist field: {text}",
                        field.label
                    );
                    return Err(
                        Refusal::bad("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", message)
                            .on_fields(&[&field.name]),
                    );
                }
            }
            if value.is_null()
                && !field.nillable
                && field.kind != Kind::Boolean
                && writer == Writer::Client
            {
                return Err(Refusal::bad(
                    "REQUIRED_FIELD_MISSING",
                    format!("Required fields are missing: [{}]", field.name),
                )
                .on_fields(&[&field.name]));
            }
            cells.push((column, value));
        }
        Ok(cells)
    }

    /// Creates a record.
    pub(crate) fn create(
        &mut self,
        table: usize,
        fields: &Map<String, Json>,
        stamp: i64,
        writer: Writer,
    ) -> Result<Id, Refusal> {
        let given_id = match (writer, fields.get("Id")) {
            (Writer::Owner, Some(Json::String(text))) => Some(text.parse::<Id>()?),
            _ => None,
        };
        let mut fields = fields.clone();
        if writer == Writer::Owner {
            fields.remove("Id");
        }
        let cells = self.cells(table, &fields, writer)?;
        let schema = self.schema(table);
        let missing = |name: &str| {
            !cells
                .iter()
                .any(|(column, value)| schema.column(name) == Some(*column) && !value.is_null())
        };
        let required: Vec<&str> = ["Name", "LastName", "Company", "StageName", "CloseDate"]
            .into_iter()
            .filter(|name| {
                schema.column(name).is_some_and(|column| {
                    !schema.fields[column].nillable && schema.fields[column].writable
                }) && missing(name)
            })
            .collect();
        if !required.is_empty() {
            return Err(Refusal::bad(
                "REQUIRED_FIELD_MISSING",
                format!("Required fields are missing: [{}]", required.join(", ")),
            )
            .on_fields(&required));
        }
        let mut defaults: Vec<(&str, Value)> = Vec::new();
        if schema.column("OwnerId").is_some() {
            defaults.push(("OwnerId", Value::Id(self.user)));
        }
        let status = schema.column("Status").filter(|_| missing("Status"));
        if let Some(default) = status.and_then(|column| schema.fields[column].default.as_ref()) {
            defaults.push(("Status", Value::text(default)));
        }
        if self.multi_currency && schema.column("CurrencyIsoCode").is_some() {
            defaults.push(("CurrencyIsoCode", Value::text(&self.currency)));
        }
        let id = given_id.unwrap_or_else(|| self.next_id(table));
        if self.tables[table].find(id).is_some() {
            return Err(Refusal::bad(
                "DUPLICATE_VALUE",
                format!("duplicate id {id}"),
            ));
        }
        let row = self.place(table, id, stamp, defaults);
        for (column, value) in cells {
            self.tables[table].set(row, column, value);
        }
        self.rename(table, row);
        self.forget_children();
        Ok(id)
    }

    /// Changes a record's fields and stamps it.
    pub(crate) fn update(
        &mut self,
        id: Id,
        fields: &Map<String, Json>,
        stamp: i64,
        writer: Writer,
    ) -> Result<(), Refusal> {
        let (table, row) = self.live(id)?;
        if writer == Writer::Client
            && table == LEAD
            && self.cell(LEAD, row, "IsConverted").is_true()
        {
            return Err(Refusal::bad(
                "CANNOT_UPDATE_CONVERTED_LEAD",
                "cannot reference converted lead",
            ));
        }
        for (column, value) in self.cells(table, fields, writer)? {
            self.tables[table].set(row, column, value);
        }
        self.rename(table, row);
        self.touch(table, row, stamp);
        Ok(())
    }

    /// Changes fields with no stamp: formulas, roll-ups, a parent's own name seen from below.
    pub(crate) fn update_quietly(
        &mut self,
        id: Id,
        fields: &Map<String, Json>,
    ) -> Result<(), Refusal> {
        let (table, row) = self.find(id).ok_or_else(Refusal::not_found)?;
        for (column, value) in self.cells(table, fields, Writer::Owner)? {
            self.tables[table].set(row, column, value);
        }
        self.rename(table, row);
        self.forget_children();
        Ok(())
    }

    /// Keeps `Name` of a person equal to its parts.
    fn rename(&mut self, table: usize, row: Row) {
        if self.schema(table).column("LastName").is_none() {
            return;
        }
        let name = {
            let part = |field: &str| self.cell(table, row, field).as_text().unwrap_or("");
            format!("{} {}", part("FirstName"), part("LastName"))
                .trim_matches(' ')
                .to_owned()
        };
        self.put(table, row, "Name", Value::text(name));
    }

    fn live(&self, id: Id) -> Result<(usize, Row), Refusal> {
        let (table, row) = self
            .find(id)
            .filter(|(table, _)| !self.hidden.contains(table))
            .ok_or_else(Refusal::not_found)?;
        if self.tables[table].unshared.contains(&row) {
            return Err(Refusal::not_found());
        }
        if self.tables[table].is_deleted(row) {
            return Err(Refusal::new(404, "ENTITY_IS_DELETED", "entity is deleted"));
        }
        Ok((table, row))
    }

    /// Moves a record to the bin; an account takes its contacts and opportunities along.
    pub(crate) fn delete(&mut self, id: Id, stamp: i64) -> Result<Vec<Id>, Refusal> {
        let (table, row) = self.live(id)?;
        let mut gone = vec![id];
        if table == ACCOUNT {
            for (child_table, field) in [(CONTACT, "AccountId"), (OPPORTUNITY, "AccountId")] {
                gone.extend(self.children(child_table, field, id));
            }
        }
        self.bin(table, row, stamp);
        for child in &gone[1..] {
            if let Some((table, row)) = self
                .find(*child)
                .filter(|(table, row)| !self.tables[*table].is_deleted(*row))
            {
                self.bin(table, row, stamp);
            }
        }
        Ok(gone)
    }

    fn bin(&mut self, table: usize, row: Row, stamp: i64) {
        let id = self.tables[table].id(row);
        self.tables[table].set(row, IS_DELETED, Value::Bool(true));
        self.touch(table, row, stamp);
        self.deletions.push(Deletion {
            table,
            id,
            at_ms: stamp,
        });
    }

    /// Live records whose lookup names `parent`.
    pub(crate) fn children(&self, table: usize, field: &str, parent: Id) -> Vec<Id> {
        let column = self.schema(table).known(field);
        let records = &self.tables[table];
        let rows = records.all().filter(|row| {
            records.cell(*row, column).as_id() == Some(parent) && !records.is_deleted(*row)
        });
        rows.map(|row| records.id(row)).collect()
    }

    /// Takes a record out of the bin, with what went there together with it.
    pub(crate) fn undelete(&mut self, id: Id, stamp: i64) -> Result<Vec<Id>, Refusal> {
        let (table, row) = self.find(id).ok_or_else(Refusal::not_found)?;
        if !self.tables[table].is_deleted(row) {
            return Err(Refusal::bad(
                "UNDELETE_FAILED",
                "entity is not in recycle bin",
            ));
        }
        let went_ms = self
            .deletions
            .iter()
            .rev()
            .find(|deletion| deletion.id == id)
            .map(|deletion| deletion.at_ms);
        let mut back = vec![id];
        if table == ACCOUNT {
            let together: Vec<Id> = self
                .deletions
                .iter()
                .filter(|deletion| Some(deletion.at_ms) == went_ms && deletion.table != ACCOUNT)
                .map(|deletion| deletion.id)
                .collect();
            back.extend(together.into_iter().filter(|child| {
                self.find(*child).is_some_and(|(table, row)| {
                    self.tables[table].is_deleted(row)
                        && self.cell(table, row, "AccountId").as_id() == Some(id)
                })
            }));
        }
        for id in &back {
            let (table, row) = self.find(*id).ok_or_else(Refusal::not_found)?;
            self.tables[table].set(row, IS_DELETED, Value::Bool(false));
            if self.schema(table).column("MasterRecordId").is_some() {
                self.put(table, row, "MasterRecordId", Value::Null);
            }
            self.touch(table, row, stamp);
        }
        self.deletions
            .retain(|deletion| !back.contains(&deletion.id));
        Ok(back)
    }

    /// Removes a record for good; only the delete log still knows it.
    pub(crate) fn purge(&mut self, id: Id, at_ms: i64) -> Result<(), Refusal> {
        let (table, row) = self.find(id).ok_or_else(Refusal::not_found)?;
        self.tables[table].purge(row);
        if !self.deletions.iter().any(|deletion| deletion.id == id) {
            self.deletions.push(Deletion { table, id, at_ms });
        }
        self.forget_children();
        Ok(())
    }

    /// Merges up to two losers into a master: their children move, they go to the bin.
    pub(crate) fn merge(&mut self, master: Id, losers: &[Id], stamp: i64) -> Result<(), Refusal> {
        let (table, master_row) = self.live(master)?;
        if losers.is_empty() || losers.len() > 2 {
            return Err(Refusal::bad(
                "NUMBER_OUTSIDE_VALID_RANGE",
                "a merge takes one or two losers",
            ));
        }
        for loser in losers {
            let (other, row) = self.live(*loser)?;
            if other != table || *loser == master {
                return Err(Refusal::bad(
                    "INVALID_ID_FIELD",
                    "merged records must be of one object and distinct",
                ));
            }
            self.reparent(table, *loser, master, stamp);
            self.put(table, row, "MasterRecordId", Value::Id(master));
            self.bin(table, row, stamp);
        }
        self.touch(table, master_row, stamp);
        Ok(())
    }

    fn reparent(&mut self, table: usize, from: Id, to: Id, stamp: i64) {
        for (_, child, field, _) in self.schema(table).children.clone() {
            let Some(child_table) = self.table(child) else {
                continue;
            };
            for id in self.children(child_table, field, from) {
                if let Some((_, row)) = self.find(id) {
                    self.put(child_table, row, field, Value::Id(to));
                    self.touch(child_table, row, stamp);
                }
            }
        }
    }

    /// Converts a lead.
    pub(crate) fn convert_lead(
        &mut self,
        lead: Id,
        how: &Conversion,
        stamp: i64,
    ) -> Result<Converted, Refusal> {
        let (table, row) = self.live(lead)?;
        if table != LEAD {
            return Err(Refusal::bad(
                "INVALID_ID_FIELD",
                "only a lead can be converted",
            ));
        }
        if self.cell(LEAD, row, "IsConverted").is_true() {
            return Err(Refusal::bad(
                "CANNOT_UPDATE_CONVERTED_LEAD",
                "cannot reference converted lead",
            ));
        }
        let account = match how.account {
            Some(id) => id,
            None => self.made_from_lead(
                row,
                ACCOUNT,
                &[
                    ("Company", "Name"),
                    ("Website", "Website"),
                    ("Industry", "Industry"),
                    ("AnnualRevenue", "AnnualRevenue"),
                    ("NumberOfEmployees", "NumberOfEmployees"),
                    ("Rating", "Rating"),
                    ("Phone", "Phone"),
                    ("Street", "BillingStreet"),
                    ("City", "BillingCity"),
                    ("State", "BillingState"),
                    ("PostalCode", "BillingPostalCode"),
                    ("Country", "BillingCountry"),
                    ("LeadSource", "AccountSource"),
                ],
                stamp,
            ),
        };
        let person = [
            ("Salutation", "Salutation"),
            ("FirstName", "FirstName"),
            ("LastName", "LastName"),
            ("Name", "Name"),
            ("Title", "Title"),
            ("Email", "Email"),
            ("Phone", "Phone"),
            ("MobilePhone", "MobilePhone"),
            ("LeadSource", "LeadSource"),
            ("Street", "MailingStreet"),
            ("City", "MailingCity"),
            ("State", "MailingState"),
            ("PostalCode", "MailingPostalCode"),
            ("Country", "MailingCountry"),
            ("Description", "Description"),
        ];
        let contact = match how.contact {
            Some(id) => {
                self.fill_empty(row, id, &person, stamp)?;
                id
            }
            None => self.made_from_lead(row, CONTACT, &person, stamp),
        };
        let (_, contact_row) = self.live(contact)?;
        if self.cell(CONTACT, contact_row, "AccountId").is_null() {
            self.put(CONTACT, contact_row, "AccountId", Value::Id(account));
            self.touch(CONTACT, contact_row, stamp);
        }
        let opportunity = how.opportunity.then(|| {
            let id = self.next_id(OPPORTUNITY);
            let name = self.cell(LEAD, row, "Company").clone();
            let cells = vec![
                ("Name", name),
                ("AccountId", Value::Id(account)),
                ("StageName", Value::text("Prospecting")),
                ("CloseDate", Value::Date(crate::moment::day_of(stamp) + 90)),
                ("OwnerId", Value::Id(self.user)),
            ];
            self.place(OPPORTUNITY, id, stamp, cells);
            id
        });
        for (field, value) in [
            ("IsConverted", Value::Bool(true)),
            ("ConvertedDate", Value::Date(crate::moment::day_of(stamp))),
            ("ConvertedAccountId", Value::Id(account)),
            ("ConvertedContactId", Value::Id(contact)),
            (
                "ConvertedOpportunityId",
                opportunity.map_or(Value::Null, Value::Id),
            ),
            ("Status", Value::text("Closed - Converted")),
        ] {
            self.put(LEAD, row, field, value);
        }
        self.touch(LEAD, row, stamp);
        Ok(Converted {
            account,
            contact,
            opportunity,
        })
    }

    fn made_from_lead(
        &mut self,
        lead: Row,
        table: usize,
        pairs: &[(&str, &'static str)],
        stamp: i64,
    ) -> Id {
        let mut cells: Vec<(&str, Value)> = pairs
            .iter()
            .map(|(from, to)| (*to, self.cell(LEAD, lead, from).clone()))
            .collect();
        let owner = self
            .cell(LEAD, lead, "OwnerId")
            .as_id()
            .filter(|id| id.prefix() == "005")
            .unwrap_or(self.user);
        cells.push(("OwnerId", Value::Id(owner)));
        if self.multi_currency {
            cells.push((
                "CurrencyIsoCode",
                self.cell(LEAD, lead, "CurrencyIsoCode").clone(),
            ));
        }
        let id = self.next_id(table);
        self.place(table, id, stamp, cells);
        id
    }

    /// In a reused record only empty fields are filled.
    fn fill_empty(
        &mut self,
        lead: Row,
        id: Id,
        pairs: &[(&str, &str)],
        stamp: i64,
    ) -> Result<(), Refusal> {
        let (table, row) = self.live(id)?;
        let mut filled = false;
        for (from, to) in pairs {
            let value = self.cell(LEAD, lead, from).clone();
            if self.cell(table, row, to).is_null() && !value.is_null() {
                self.put(table, row, to, value);
                filled = true;
            }
        }
        if filled {
            self.touch(table, row, stamp);
        }
        Ok(())
    }
}
