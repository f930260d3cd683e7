//! One org: its tables, its users, what its admin took away, and its counters.

use std::collections::{HashMap, HashSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::bulk_job::Jobs;
use crate::cursor::Cursors;
use crate::id::Id;
use crate::schema::{Schema, objects};
use crate::table::{Row, Table};
use crate::value::{Value, text};

/// The places of the objects in [`Org::tables`].
pub(crate) const ACCOUNT: usize = 0;
pub(crate) const CONTACT: usize = 1;
pub(crate) const LEAD: usize = 2;
pub(crate) const OPPORTUNITY: usize = 3;
pub(crate) const USER: usize = 4;
pub(crate) const GROUP: usize = 5;
pub(crate) const ORGANIZATION: usize = 6;

/// An org to create.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct OrgSpec {
    /// The org id; made up when absent.
    pub id: Option<Id>,
    /// The org's name.
    pub name: String,
    /// What token answers name as `instance_url`; the simulator's own address when absent.
    pub instance_url: Option<String>,
    /// Whether `Organization.IsSandbox` says so.
    pub sandbox: bool,
    /// Whether records carry `CurrencyIsoCode`.
    pub multi_currency: bool,
    /// The org's own currency.
    pub currency: String,
    /// Login of the integration user.
    pub username: String,
    /// Its password.
    pub password: String,
    /// What has to follow the password in a SOAP or password login.
    pub security_token: String,
    /// The daily limit of API calls.
    pub daily_api_requests: u64,
}

impl Default for OrgSpec {
    fn default() -> Self {
        Self {
            id: None,
            name: "Oma Robotics".to_owned(),
            instance_url: None,
            sandbox: false,
            multi_currency: false,
            currency: "EUR".to_owned(),
            username: "sync@oma.example".to_owned(),
            password: "correct-horse".to_owned(),
            security_token: "demoSecurityToken".to_owned(),
            daily_api_requests: 100_000,
        }
    }
}

/// A deletion that getDeleted lists.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Deletion {
    pub(crate) table: usize,
    pub(crate) id: Id,
    pub(crate) at_ms: i64,
}

/// Changes made but not committed: their stamp is set, nobody sees them yet.
#[derive(Debug)]
pub(crate) struct Transaction {
    pub(crate) number: u64,
    pub(crate) stamp: i64,
    pub(crate) changes: Vec<crate::control::Command>,
}

/// API calls of the last 24 hours, and what the header says of them.
#[derive(Debug, Default)]
pub(crate) struct ApiUsage {
    pub(crate) used: AtomicU64,
    pub(crate) max: AtomicU64,
    /// Replaces the header; empty: no header at all.
    pub(crate) header: Mutex<Option<String>>,
}

/// One org.
#[derive(Debug)]
pub(crate) struct Org {
    pub(crate) id: Id,
    pub(crate) name: String,
    pub(crate) instance_url: Option<String>,
    pub(crate) multi_currency: bool,
    pub(crate) currency: String,
    pub(crate) spec: OrgSpec,
    /// The user that everything is read as.
    pub(crate) user: Id,
    pub(crate) user_active: bool,
    pub(crate) tables: Vec<Table>,
    names: HashMap<String, usize>,
    /// Objects without read permission.
    pub(crate) hidden: HashSet<usize>,
    /// Two characters of every id, so that ids of different orgs differ.
    pod: String,
    next_number: u64,
    pub(crate) deletions: Vec<Deletion>,
    /// Where the delete log begins; 15 days back when absent.
    pub(crate) deletions_from: Option<i64>,
    pub(crate) transactions: Vec<Transaction>,
    pub(crate) usage: ApiUsage,
    pub(crate) cursors: Mutex<Cursors>,
    pub(crate) jobs: Mutex<Jobs>,
    /// Whether describe lists inactive picklist values.
    pub(crate) describes_inactive: bool,
}

impl Org {
    /// A new org with its Organization row, its integration user and nothing else.
    pub(crate) fn new(spec: &OrgSpec, place: usize, now_ms: i64) -> Self {
        const PODS: [&str; 8] = ["Kd", "Ab", "d0", "Hs", "f2", "Qy", "5g", "Ez"];
        let pod = PODS[place % PODS.len()].to_owned();
        let tables: Vec<Table> = objects(spec.multi_currency).into_iter().map(Table::new).collect();
        let names =
            tables.iter().enumerate().map(|(place, table)| (table.schema.name.to_ascii_lowercase(), place)).collect();
        let id = spec.id.unwrap_or_else(|| Id::numbered("00D", &pod, 238_328 * 62 + 7 * place as u64));
        let mut org = Self {
            id,
            name: spec.name.clone(),
            instance_url: spec.instance_url.clone(),
            multi_currency: spec.multi_currency,
            currency: spec.currency.clone(),
            spec: spec.clone(),
            user: Id::numbered("005", &pod, 1_000_000),
            user_active: true,
            tables,
            names,
            hidden: HashSet::new(),
            pod,
            next_number: 14_776_336,
            deletions: Vec::new(),
            deletions_from: None,
            transactions: Vec::new(),
            usage: ApiUsage::default(),
            cursors: Mutex::default(),
            jobs: Mutex::default(),
            describes_inactive: false,
        };
        org.usage.max.store(spec.daily_api_requests, Ordering::Relaxed);
        org.furnish(now_ms);
        org
    }

    fn furnish(&mut self, now_ms: i64) {
        let stamp = crate::moment::whole_second(now_ms.min(1_672_531_200_000));
        let organization = [
            ("Name", text(&self.name)),
            ("IsSandbox", Value::Bool(self.spec.sandbox)),
            ("IsReadOnly", Value::Bool(false)),
            ("OrganizationType", text("Enterprise Edition")),
            ("InstanceName", text("EU48")),
            ("DefaultLocaleSidKey", text("fi_FI")),
            ("LanguageLocaleKey", text("en_US")),
            ("TimeZoneSidKey", text("Europe/Helsinki")),
            ("DefaultCurrencyIsoCode", text(&self.currency)),
            ("Country", text("Finland")),
        ];
        let (id, user) = (self.id, self.user);
        self.place(ORGANIZATION, id, stamp, organization.into_iter().collect());
        self.add_user(user, "Sync", "User", &self.spec.username.clone(), stamp);
        let queue = Id::numbered("00G", &self.pod, 2_000_000);
        let queue_cells =
            [("Name", text("Inbound Leads")), ("DeveloperName", text("Inbound_Leads")), ("Type", text("Queue"))];
        self.place(GROUP, queue, stamp, queue_cells.into_iter().collect());
    }

    /// Adds a user of the org.
    pub(crate) fn add_user(&mut self, id: Id, first: &str, last: &str, username: &str, stamp: i64) {
        let cells = [
            ("FirstName", text(first)),
            ("LastName", text(last)),
            ("Name", text(format!("{first} {last}"))),
            ("Username", text(username)),
            ("Email", text(username)),
            ("Alias", text(last.chars().take(8).collect::<String>())),
            ("IsActive", Value::Bool(true)),
            ("UserType", text("Standard")),
            ("TimeZoneSidKey", text("Europe/Helsinki")),
            ("LocaleSidKey", text("fi_FI")),
            ("LanguageLocaleKey", text("en_US")),
            ("EmailEncodingKey", text("UTF-8")),
        ];
        self.place(USER, id, stamp, cells.into_iter().collect());
    }

    /// Inserts a record as it is, with audit fields equal to its stamp where none are given.
    pub(crate) fn place(&mut self, table: usize, id: Id, stamp: i64, cells: Vec<(&str, Value)>) -> Row {
        let user = self.user;
        let schema = &self.tables[table].schema;
        let mut placed: Vec<(usize, Value)> = Vec::with_capacity(cells.len() + 8);
        for (column, field) in schema.fields.iter().enumerate().skip(3) {
            if field.kind == crate::schema::Kind::Boolean {
                placed.push((column, Value::Bool(false)));
            }
        }
        for name in ["CreatedDate", "LastModifiedDate"] {
            placed.push((schema.known(name), Value::DateTime(stamp)));
        }
        for name in ["CreatedById", "LastModifiedById"] {
            placed.push((schema.known(name), Value::Id(user)));
        }
        placed.extend(cells.into_iter().map(|(name, value)| (schema.known(name), value)));
        self.tables[table].insert(id, stamp, placed)
    }

    /// A fresh id of an object.
    pub(crate) fn next_id(&mut self, table: usize) -> Id {
        loop {
            self.next_number += 1;
            let id = Id::numbered(self.tables[table].schema.prefix, &self.pod, self.next_number);
            if self.tables[table].find(id).is_none() {
                return id;
            }
        }
    }

    /// A fresh id that belongs to no table: jobs, cursors.
    pub(crate) fn loose_id(&self, prefix: &str, number: u64) -> Id {
        Id::numbered(prefix, &self.pod, 916_132_832 + number)
    }

    /// Starts numbering new records elsewhere, so that seeds differ in their ids.
    pub(crate) fn number_from(&mut self, number: u64) {
        self.next_number = self.next_number.max(number);
    }

    pub(crate) fn schema(&self, table: usize) -> &Schema {
        &self.tables[table].schema
    }

    /// The table of an object that exists, permission or not.
    pub(crate) fn table(&self, name: &str) -> Option<usize> {
        self.names.get(&name.to_ascii_lowercase()).copied()
    }

    /// The table of an object that the user may read.
    pub(crate) fn visible_table(&self, name: &str) -> Option<usize> {
        self.table(name).filter(|table| !self.hidden.contains(table))
    }

    /// Where a record of any object lies, unless purged.
    pub(crate) fn find(&self, id: Id) -> Option<(usize, Row)> {
        let table = self.tables.iter().position(|table| table.schema.prefix == id.prefix())?;
        Some((table, self.tables[table].find(id)?))
    }

    /// A cell by field name; for code that knows the schema.
    pub(crate) fn cell(&self, table: usize, row: Row, field: &str) -> &Value {
        let column = self.tables[table].schema.known(field);
        self.tables[table].cell(row, column)
    }

    /// Changes a cell by field name, without a stamp.
    pub(crate) fn put(&mut self, table: usize, row: Row, field: &str, value: Value) {
        let column = self.tables[table].schema.known(field);
        self.tables[table].set(row, column, value);
    }

    /// Stamps a change and lets go of whatever was rendered of it.
    pub(crate) fn touch(&mut self, table: usize, row: Row, stamp: i64) {
        let user = self.user;
        self.tables[table].restamp(row, stamp);
        self.put(table, row, "LastModifiedDate", Value::DateTime(stamp));
        self.put(table, row, "LastModifiedById", Value::Id(user));
        self.forget_children();
    }

    /// After a change that other rows may show through a relationship.
    pub(crate) fn forget_children(&mut self) {
        self.tables.iter_mut().for_each(|table| table.rendered.forget_children());
    }

    /// The stamp of the oldest open transaction.
    pub(crate) fn oldest_open(&self) -> Option<i64> {
        self.transactions.iter().map(|transaction| transaction.stamp).min()
    }

    /// The value of the `Sforce-Limit-Info` header, if one is sent.
    pub(crate) fn limit_header(&self) -> Option<String> {
        let set = self.usage.header.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        match set {
            Some(text) if text.is_empty() => None,
            Some(text) => Some(text),
            None => Some(format!(
                "api-usage={}/{}",
                self.usage.used.load(Ordering::Relaxed),
                self.usage.max.load(Ordering::Relaxed)
            )),
        }
    }
}
