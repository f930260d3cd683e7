//! What befalls records: the bin, purging, merging, conversion.

use serde::{Deserialize, Serialize};

use crate::id::Id;
use crate::org::{ACCOUNT, CONTACT, Deletion, LEAD, OPPORTUNITY, Org};
use crate::refusal::Refusal;
use crate::schema::IS_DELETED;
use crate::table::Row;
use crate::value::Value;

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
            if let Some((table, row)) = self.find(*child).filter(|(table, row)| !self.tables[*table].is_deleted(*row)) {
                self.bin(table, row, stamp);
            }
        }
        Ok(gone)
    }

    fn bin(&mut self, table: usize, row: Row, stamp: i64) {
        let id = self.tables[table].id(row);
        self.tables[table].set(row, IS_DELETED, Value::Bool(true));
        self.touch(table, row, stamp);
        self.deletions.push(Deletion { table, id, at_ms: stamp });
    }

    /// Live records whose lookup names `parent`.
    pub(crate) fn children(&self, table: usize, field: &str, parent: Id) -> Vec<Id> {
        let column = self.schema(table).known(field);
        let records = &self.tables[table];
        let rows =
            records.all().filter(|row| records.cell(*row, column).as_id() == Some(parent) && !records.is_deleted(*row));
        rows.map(|row| records.id(row)).collect()
    }

    /// Takes a record out of the bin, with what went there together with it.
    pub(crate) fn undelete(&mut self, id: Id, stamp: i64) -> Result<Vec<Id>, Refusal> {
        let (table, row) = self.find(id).ok_or_else(Refusal::not_found)?;
        if !self.tables[table].is_deleted(row) {
            return Err(Refusal::bad("UNDELETE_FAILED", "entity is not in recycle bin"));
        }
        let went_ms = self.deletions.iter().rev().find(|deletion| deletion.id == id).map(|deletion| deletion.at_ms);
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
                    self.tables[table].is_deleted(row) && self.cell(table, row, "AccountId").as_id() == Some(id)
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
        self.deletions.retain(|deletion| !back.contains(&deletion.id));
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
            return Err(Refusal::bad("NUMBER_OUTSIDE_VALID_RANGE", "a merge takes one or two losers"));
        }
        for loser in losers {
            let (other, row) = self.live(*loser)?;
            if other != table || *loser == master {
                return Err(Refusal::bad("INVALID_ID_FIELD", "merged records must be of one object and distinct"));
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
    pub(crate) fn convert_lead(&mut self, lead: Id, how: &Conversion, stamp: i64) -> Result<Converted, Refusal> {
        let (table, row) = self.live(lead)?;
        if table != LEAD {
            return Err(Refusal::bad("INVALID_ID_FIELD", "only a lead can be converted"));
        }
        if self.cell(LEAD, row, "IsConverted").is_true() {
            return Err(Refusal::bad("CANNOT_UPDATE_CONVERTED_LEAD", "cannot reference converted lead"));
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
            ("ConvertedOpportunityId", opportunity.map_or(Value::Null, Value::Id)),
            ("Status", Value::text("Closed - Converted")),
        ] {
            self.put(LEAD, row, field, value);
        }
        self.touch(LEAD, row, stamp);
        Ok(Converted { account, contact, opportunity })
    }

    fn made_from_lead(&mut self, lead: Row, table: usize, pairs: &[(&str, &'static str)], stamp: i64) -> Id {
        let mut cells: Vec<(&str, Value)> =
            pairs.iter().map(|(from, to)| (*to, self.cell(LEAD, lead, from).clone())).collect();
        let owner = self.cell(LEAD, lead, "OwnerId").as_id().filter(|id| id.prefix() == "005").unwrap_or(self.user);
        cells.push(("OwnerId", Value::Id(owner)));
        if self.multi_currency {
            cells.push(("CurrencyIsoCode", self.cell(LEAD, lead, "CurrencyIsoCode").clone()));
        }
        let id = self.next_id(table);
        self.place(table, id, stamp, cells);
        id
    }

    /// In a reused record only empty fields are filled.
    fn fill_empty(&mut self, lead: Row, id: Id, pairs: &[(&str, &str)], stamp: i64) -> Result<(), Refusal> {
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
