//! The books: what Lane holds, compared record by record with what the simulator's own oracle says it must hold.

use std::collections::{BTreeMap, BTreeSet};
use std::str::FromStr as _;

use anyhow::Context as _;
use contract::common::v1::value::Value as Wire;
use contract::common::v1::{RecordKind, SalesforceObject, Value};
use contract::mapper::v1::{FieldMapping, ValueDecision};
use contract::writer::v1 as writer;
use contract::writer::v1::{FieldValue, RecordSource, SalesforceOrigin};
use rust_decimal::Decimal;
use salesforce_sim::{Expected, LaneValue, Paths, Question, State, Verdict};

use crate::Orders;
use crate::lane::{Lane, OPTION_FIELDS};

const PAGE: i32 = 1_000;

/// One row of Lane that came from Salesforce.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its own id in Lane.
    pub lane_id: String,
    /// Whether it is archived.
    pub archived: bool,
    /// Earlier ids that mean it now.
    pub aliases: Vec<String>,
    /// Lane id of the customer of a contact; empty for none.
    pub customer_id: String,
    /// Its fields.
    pub fields: BTreeMap<String, FieldValue>,
}

/// What Lane holds of one workspace, by object name and Salesforce id.
#[derive(Clone, Debug, Default)]
pub struct Holdings {
    /// Rows from Salesforce.
    pub rows: BTreeMap<(String, String), Row>,
    /// Records that are parked.
    pub parked: BTreeSet<(String, String)>,
    /// Records with more than one row: there must be none.
    pub doubled: BTreeSet<(String, String)>,
}

/// The comparison.
#[derive(Clone, Debug)]
pub struct Balance {
    /// What the oracle said.
    pub verdict: Verdict,
    /// What Lane holds.
    pub holdings: Holdings,
    /// Every difference in words, without values of records.
    pub differences: Vec<String>,
}

impl Balance {
    /// Whether there is no difference.
    #[must_use]
    pub fn balances(&self) -> bool {
        self.differences.is_empty()
    }

    /// How many live records are neither in Lane nor parked.
    #[must_use]
    pub fn lost(&self) -> usize {
        let live = self.verdict.records.iter().filter(|record| record.state == State::Live);
        let keys = live.map(|record| (record.object.clone(), record.id.to_string()));
        keys.filter(|key| !self.holdings.rows.contains_key(key) && !self.holdings.parked.contains(key)).count()
    }
}

/// Compares a workspace with the simulated org; `start` is the replication start date, empty for everything.
///
/// # Errors
/// One side can't be read.
pub async fn balance(
    lane: &Lane,
    workspace: &str,
    simulator: &impl AsRef<Orders>,
    start: &str,
) -> anyhow::Result<Balance> {
    let question = question(lane, workspace, start).await?;
    let fed = Fed::of(&question);
    let answer = simulator.as_ref().give("oracle", serde_json::json!({ "question": question })).await?;
    let verdict: Verdict = serde_json::from_value(answer).context("reading the oracle's verdict")?;
    let holdings = holdings(lane, workspace).await?;
    let differences = differences(&verdict, &holdings, &fed);
    Ok(Balance { verdict, holdings, differences })
}

/// Asks the oracle with the mapping that is in force.
async fn question(lane: &Lane, workspace: &str, start: &str) -> anyhow::Result<Question> {
    let accounts = lane.field_mapping(workspace, RecordKind::Account).await?;
    let contacts = lane.field_mapping(workspace, RecordKind::Contact).await?;
    let paths = |mapping: &FieldMapping| -> Paths {
        mapping.entries.iter().map(|entry| (entry.lane_field.clone(), entry.salesforce_field.clone())).collect()
    };
    let leads_equivalents = contacts.entries.iter().filter(|entry| entry.lead_field != entry.salesforce_field);
    let leads_equivalents = leads_equivalents
        .map(|entry| (entry.salesforce_field.clone(), (!entry.lead_field.is_empty()).then(|| entry.lead_field.clone())))
        .collect();
    let mut question = Question {
        start: start.to_owned(),
        accounts: paths(&accounts),
        contacts: paths(&contacts),
        leads_equivalents,
        ..Question::default()
    };
    for (kind, field) in OPTION_FIELDS {
        let decided =
            lane.values(workspace, kind, field).await?.into_iter().filter_map(|value| match value.decision() {
                ValueDecision::Map => Some((value.value, Some(value.option))),
                ValueDecision::Ignore => Some((value.value, None)),
                ValueDecision::Open | ValueDecision::Unspecified => None,
            });
        let name = if kind == RecordKind::Account { "account" } else { "contact" };
        question.values.entry(name.to_owned()).or_default().insert(field.to_owned(), decided.collect());
    }
    Ok(question)
}

/// Reads all rows from Salesforce and all parked records of a workspace.
///
/// # Errors
/// A call fails.
pub async fn holdings(lane: &Lane, workspace: &str) -> anyhow::Result<Holdings> {
    let mut held = Holdings::default();
    let mut page_token = String::new();
    loop {
        let request = writer::ListCustomersRequest {
            workspace_id: workspace.to_owned(),
            page_size: PAGE,
            page_token,
            show_archived: true,
            source: RecordSource::Salesforce.into(),
            ..Default::default()
        };
        let page = lane.customers().list_customers(request).await.context("listing customers")?.into_inner();
        for customer in page.customers {
            let Some(origin) = customer.salesforce else { continue };
            held.keep(origin, customer.id, customer.archive_time.is_some(), String::new(), customer.fields);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    loop {
        let request = writer::ListContactsRequest {
            workspace_id: workspace.to_owned(),
            page_size: PAGE,
            page_token,
            show_archived: true,
            ..Default::default()
        };
        let page = lane.customers().list_contacts(request).await.context("listing contacts")?.into_inner();
        for contact in page.contacts {
            let Some(origin) = contact.salesforce else { continue };
            held.keep(origin, contact.id, contact.archive_time.is_some(), contact.customer_id, contact.fields);
        }
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    loop {
        let request = writer::ListParkedRecordsRequest {
            workspace_id: workspace.to_owned(),
            page_size: PAGE,
            page_token,
            group: None,
        };
        let page = lane.parked().list_parked_records(request).await.context("listing parked records")?.into_inner();
        let parked = page.records.into_iter().map(|record| (api_name(record.object()).to_owned(), record.id));
        held.parked.extend(parked);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            return Ok(held);
        }
    }
}

impl Holdings {
    fn keep(
        &mut self,
        origin: SalesforceOrigin,
        id: String,
        archived: bool,
        customer: String,
        fields: Vec<FieldValue>,
    ) {
        let key = (api_name(origin.object()).to_owned(), origin.id);
        let fields = fields.into_iter().map(|field| (field.field.clone(), field)).collect();
        let row = Row { lane_id: id, archived, aliases: origin.alias_ids, customer_id: customer, fields };
        if self.rows.insert(key.clone(), row).is_some() {
            self.doubled.insert(key);
        }
    }
}

fn api_name(object: SalesforceObject) -> &'static str {
    match object {
        SalesforceObject::Account => "Account",
        SalesforceObject::Contact => "Contact",
        SalesforceObject::Lead => "Lead",
        SalesforceObject::Unspecified => "",
    }
}

/// Which Lane fields an object feeds: the others stay as they are, whatever the oracle says of them.
struct Fed {
    account: BTreeSet<String>,
    contact: BTreeSet<String>,
    lead: BTreeSet<String>,
}

impl Fed {
    fn of(question: &Question) -> Self {
        let lead = question.contacts.iter().filter(|(_, path)| question.leads_equivalents.get(*path) != Some(&None));
        Self {
            account: question.accounts.keys().cloned().collect(),
            contact: question.contacts.keys().cloned().collect(),
            lead: lead.map(|(field, _)| field.clone()).collect(),
        }
    }

    fn feeds(&self, object: &str, field: &str) -> bool {
        match object {
            "Account" => self.account.contains(field),
            "Contact" => self.contact.contains(field),
            _ => self.lead.contains(field),
        }
    }
}

fn differences(verdict: &Verdict, held: &Holdings, fed: &Fed) -> Vec<String> {
    let mut found = Vec::new();
    let mut expected_live = BTreeSet::new();
    let lane_ids: BTreeMap<(String, &str), &str> = held
        .rows
        .iter()
        .flat_map(|((object, id), row)| {
            let ids = row.aliases.iter().map(String::as_str).chain([id.as_str()]);
            ids.map(|id| ((object.clone(), id), row.lane_id.as_str()))
        })
        .collect();
    for record in &verdict.records {
        let key = (record.object.clone(), record.id.to_string());
        let name = format!("{} {}", key.0, key.1);
        let row = held.rows.get(&key);
        match record.state {
            State::Live => {
                expected_live.insert(key.clone());
                match row {
                    None if held.parked.contains(&key) => {}
                    None => found.push(format!("{name} is missing")),
                    Some(row) if row.archived => found.push(format!("{name} is archived")),
                    Some(row) => {
                        found.extend(field_differences(&name, record, row, fed));
                        found.extend(link_difference(&name, record, row, &lane_ids));
                    }
                }
            }
            State::Deleted => {
                if row.is_some_and(|row| !row.archived) {
                    found.push(format!("{name} is deleted in Salesforce and live in Lane"));
                }
            }
            State::Merged | State::Converted => {
                if row.is_some_and(|row| !row.archived) {
                    found.push(format!("{name} is an alias and stands as a row of its own"));
                }
                let target = record.target_id.map(|id| id.to_string());
                let target_held = target.as_ref().and_then(|target| {
                    let object = if record.object == "Account" { "Account" } else { "Contact" };
                    held.rows.get(&(object.to_owned(), target.clone()))
                });
                if target_held.is_some_and(|row| !row.aliases.contains(&key.1)) {
                    found.push(format!("{name} is not an alias of the row that continues it"));
                }
            }
        }
    }
    found.extend(held.doubled.iter().map(|(object, id)| format!("{object} {id} has more than one row")));
    for (key, row) in &held.rows {
        if !row.archived && !expected_live.contains(key) {
            found.push(format!("{} {} is live in Lane and should not be", key.0, key.1));
        }
    }
    found
}

fn link_difference(
    name: &str,
    record: &Expected,
    row: &Row,
    lane_ids: &BTreeMap<(String, &str), &str>,
) -> Option<String> {
    if record.object == "Account" {
        return None;
    }
    let account = record.account_id.map(|id| id.to_string()).unwrap_or_default();
    let customer = lane_ids.get(&("Account".to_owned(), account.as_str())).copied().unwrap_or_default();
    (row.customer_id != customer).then(|| format!("{name} hangs on another customer"))
}

fn field_differences(name: &str, record: &Expected, row: &Row, fed: &Fed) -> Vec<String> {
    let mut found = Vec::new();
    for (field, expected) in record.fields.iter().filter(|(field, _)| fed.feeds(&record.object, field)) {
        let Some(held) = row.fields.get(field) else {
            found.push(format!("{name} has no field {field}"));
            continue;
        };
        if !same(expected, held) {
            found.push(format!("{name} has another {field}"));
        }
        if held.locked_by.is_empty() {
            found.push(format!("{name} has an unlocked {field}"));
        }
    }
    found
}

fn same(expected: &LaneValue, held: &FieldValue) -> bool {
    let value = held.value.as_ref().and_then(|Value { value }| value.as_ref());
    let decimal = |text: &str| Decimal::from_str(text).or_else(|_| Decimal::from_scientific(text)).ok();
    match (expected, value) {
        (LaneValue::Empty, value) => value.is_none() && !held.unmapped,
        (LaneValue::Text(text) | LaneValue::Moment(text), Some(Wire::Text(held))) => text == held,
        (LaneValue::Number(number), Some(Wire::Number(held))) => decimal(number) == decimal(held),
        (LaneValue::Money { amount, currency }, Some(Wire::Money(held))) => {
            decimal(amount) == decimal(&held.amount) && *currency == held.currency_code
        }
        (LaneValue::Date(date), Some(Wire::Date(held))) => date == held,
        (LaneValue::Boolean(boolean), Some(Wire::Boolean(held))) => boolean == held,
        (LaneValue::Option(option), Some(Wire::Option(held_option))) => option == held_option && !held.unmapped,
        (LaneValue::Ignored(_), _) => !held.unmapped,
        (LaneValue::Unmapped(_), _) => held.unmapped,
        _ => false,
    }
}
