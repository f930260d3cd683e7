//! The fold: records in, what Lane must hold out.

use std::collections::{BTreeMap, BTreeSet};

use super::{Because, Counts, Expected, LaneKind, LaneValue, Purged, Question, State, Unmapped, Verdict};
use crate::id::Id;
use crate::moment::{date_text, datetime_text, parse_datetime};
use crate::org::{ACCOUNT, CONTACT, LEAD, Org};
use crate::refusal::Refusal;
use crate::schema::Kind;
use crate::table::Row;
use crate::value::{Value, plain_decimal};

/// Judges an org by a mapping.
pub(crate) fn answer(org: &Org, question: &Question) -> Result<Verdict, Refusal> {
    let start = if question.start.is_empty() {
        i64::MIN
    } else {
        parse_datetime(&question.start).ok_or_else(|| Refusal::bad("INVALID_DATE", "start is no moment"))?
    };
    let taken = taken(org, question, start);
    let mut records = Vec::with_capacity(taken.len());
    for ((table, id), because) in taken {
        let Some(row) = org.tables[table].find(id) else {
            continue;
        };
        records.push(expected(org, question, table, row, because));
    }
    let mut counts: BTreeMap<String, Counts> = BTreeMap::new();
    for record in &records {
        let count = counts.entry(record.object.clone()).or_default();
        count.total += 1;
        *match record.state {
            State::Live => &mut count.live,
            State::Deleted => &mut count.deleted,
            State::Merged => &mut count.merged,
            State::Converted => &mut count.converted,
        } += 1;
    }
    let purged = org
        .deletions
        .iter()
        .filter(|deletion| {
            deletion.at_ms >= start
                && reads(question, org.schema(deletion.table).name)
                && org.tables[deletion.table].find(deletion.id).is_none()
        })
        .map(|deletion| Purged {
            object: org.schema(deletion.table).name.to_owned(),
            id: deletion.id,
            at: datetime_text(deletion.at_ms),
        })
        .collect();
    let unmapped = unmapped(org, question, &records);
    Ok(Verdict { records, counts, unmapped, purged })
}

fn reads(question: &Question, object: &str) -> bool {
    matches!(object, "Account" | "Contact" | "Lead")
        && (question.objects.is_empty() || question.objects.iter().any(|name| name == object))
}

/// The records that must be in Lane, each with the first reason found.
fn taken(org: &Org, question: &Question, start: i64) -> BTreeMap<(usize, Id), Because> {
    let mut taken = BTreeMap::new();
    let visible = |table: usize| !org.hidden.contains(&table) && reads(question, org.schema(table).name);
    for table in [ACCOUNT, CONTACT, LEAD].into_iter().filter(|table| visible(*table)) {
        let records = &org.tables[table];
        for row in records.all().filter(|row| records.stamp(*row) >= start && !records.unshared.contains(row)) {
            taken.insert((table, records.id(row)), Because::Stamp);
        }
    }
    let there =
        |table: usize, id: Option<Id>| id.filter(|id| visible(table) && org.tables[table].find_shared(*id).is_some());
    let leads: Vec<Id> = taken.keys().filter(|(table, _)| *table == LEAD).map(|(_, id)| *id).collect();
    for id in leads {
        let Some(row) = org.tables[LEAD].find(id) else {
            continue;
        };
        for (table, field) in [(CONTACT, "ConvertedContactId"), (ACCOUNT, "ConvertedAccountId")] {
            if let Some(target) = there(table, org.cell(LEAD, row, field).as_id()) {
                taken.entry((table, target)).or_insert(Because::ConversionTarget);
            }
        }
    }
    let contacts: Vec<Id> = taken.keys().filter(|(table, _)| *table == CONTACT).map(|(_, id)| *id).collect();
    for id in contacts {
        let Some(row) = org.tables[CONTACT].find(id).filter(|row| !org.tables[CONTACT].is_deleted(*row)) else {
            continue;
        };
        if let Some(account) = there(ACCOUNT, org.cell(CONTACT, row, "AccountId").as_id()) {
            taken.entry((ACCOUNT, account)).or_insert(Because::ParentOfContact);
        }
    }
    taken
}

fn expected(org: &Org, question: &Question, table: usize, row: Row, because: Because) -> Expected {
    let records = &org.tables[table];
    let reference = |field: &str| records.schema.column(field).and_then(|column| records.cell(row, column).as_id());
    let winner = reference("MasterRecordId");
    let converted = records.schema.column("IsConverted").is_some_and(|column| records.cell(row, column).is_true());
    let (state, target_id) = match (records.is_deleted(row), winner, converted) {
        (true, Some(winner), _) => (State::Merged, Some(winner)),
        (true, None, _) => (State::Deleted, None),
        (false, _, true) => (State::Converted, reference("ConvertedContactId")),
        (false, _, false) => (State::Live, None),
    };
    let account_id = match table {
        CONTACT => reference("AccountId"),
        LEAD => reference("ConvertedAccountId"),
        _ => None,
    };
    let paths = if table == ACCOUNT { &question.accounts } else { &question.contacts };
    let fields =
        paths.iter().map(|(lane, path)| (lane.clone(), lane_value(org, question, table, row, lane, path))).collect();
    let stamp = datetime_text(records.stamp(row));
    Expected {
        object: records.schema.name.to_owned(),
        id: records.id(row),
        state,
        because,
        target_id,
        account_id,
        stamp,
        fields,
    }
}

/// The path as it is called on a lead.
fn path_on(question: &Question, table: usize, path: &str) -> Option<String> {
    match question.leads_equivalents.get(path).filter(|_| table == LEAD) {
        Some(equivalent) => equivalent.clone(),
        None => Some(path.to_owned()),
    }
}

/// Follows a path by hand: one name, or a relationship and a name.
fn follow(org: &Org, table: usize, row: Row, path: &str) -> Option<(Kind, Value)> {
    let schema = org.schema(table);
    match path.split_once('.') {
        None => {
            let column = schema.column(path).filter(|column| schema.fields[*column].is_visible())?;
            Some((schema.fields[column].kind, org.tables[table].cell(row, column).clone()))
        }
        Some((relationship, rest)) => {
            let lookup = schema.fields.iter().position(|field| field.relationship == Some(relationship))?;
            let parent = org.tables[table].cell(row, lookup).as_id()?;
            let (parent_table, parent_row) =
                org.find(parent).filter(|(table, row)| !org.tables[*table].unshared.contains(row))?;
            follow(org, parent_table, parent_row, rest)
        }
    }
}

fn kind_of(table: usize) -> &'static str {
    if table == ACCOUNT { "account" } else { "contact" }
}

fn lane_kind(question: &Question, table: usize, lane: &str, source: Kind) -> LaneKind {
    let kind = kind_of(table);
    if let Some(known) = question.kinds.get(kind).and_then(|fields| fields.get(lane)) {
        return *known;
    }
    if question.values.get(kind).is_some_and(|fields| fields.contains_key(lane)) {
        return LaneKind::Option;
    }
    match lane {
        "tier" | "status" => LaneKind::Option,
        "arr" => LaneKind::Money,
        "employee_count" => LaneKind::Number,
        "name" | "website" | "domain" | "industry" | "owner_name" | "owner_email" | "phone" | "country"
        | "description" | "email" | "title" | "company" => LaneKind::Text,
        _ => match source {
            Kind::Currency => LaneKind::Money,
            Kind::Int | Kind::Double | Kind::Percent => LaneKind::Number,
            Kind::Date | Kind::DateTime => LaneKind::Date,
            Kind::Boolean => LaneKind::Boolean,
            _ => LaneKind::Text,
        },
    }
}

fn lane_value(org: &Org, question: &Question, table: usize, row: Row, lane: &str, path: &str) -> LaneValue {
    let found = path_on(question, table, path).and_then(|path| follow(org, table, row, &path));
    let Some((source, value)) = found.filter(|(_, value)| !value.is_null()) else {
        return LaneValue::Empty;
    };
    let text = as_text(&value);
    match lane_kind(question, table, lane, source) {
        LaneKind::Option => match question
            .values
            .get(kind_of(table))
            .and_then(|fields| fields.get(lane))
            .and_then(|options| options.get(&text))
        {
            None => LaneValue::Unmapped(text),
            Some(None) => LaneValue::Ignored(text),
            Some(Some(option)) => LaneValue::Option(option.clone()),
        },
        LaneKind::Money => {
            let own = org
                .schema(table)
                .column("CurrencyIsoCode")
                .and_then(|column| org.tables[table].cell(row, column).as_text());
            LaneValue::Money { amount: text, currency: own.unwrap_or(&org.currency).to_owned() }
        }
        LaneKind::Number => LaneValue::Number(text),
        LaneKind::Boolean => LaneValue::Boolean(value.is_true()),
        LaneKind::Date if matches!(value, Value::DateTime(_)) => LaneValue::Moment(text),
        LaneKind::Date => LaneValue::Date(text),
        LaneKind::Text => LaneValue::Text(text),
    }
}

fn as_text(value: &Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Bool(flag) => flag.to_string(),
        Value::Int(number) => number.to_string(),
        Value::Double(number) => plain_decimal(*number),
        Value::Text(text) => text.replace('\0', ""),
        Value::Id(id) => id.to_string(),
        Value::DateTime(at) => datetime_text(*at),
        Value::Date(day) => date_text(*day),
    }
}

/// Values that live records carry without a mapping, and active picklist entries without one.
fn unmapped(org: &Org, question: &Question, records: &[Expected]) -> Vec<Unmapped> {
    let mut open: BTreeMap<(String, String, String), (usize, bool)> = BTreeMap::new();
    for record in records.iter().filter(|record| record.state == State::Live) {
        let kind = if record.object == "Account" { "account" } else { "contact" };
        for (lane, value) in &record.fields {
            if let LaneValue::Unmapped(raw) = value {
                open.entry((kind.to_owned(), lane.clone(), raw.clone())).or_default().0 += 1;
            }
        }
    }
    for table in [ACCOUNT, CONTACT, LEAD]
        .into_iter()
        .filter(|table| reads(question, org.schema(*table).name) && !org.hidden.contains(table))
    {
        let kind = kind_of(table);
        let paths = if table == ACCOUNT { &question.accounts } else { &question.contacts };
        for (lane, path) in paths {
            let schema = org.schema(table);
            let column = path_on(question, table, path)
                .and_then(|path| schema.column(&path))
                .filter(|column| schema.fields[*column].is_visible());
            let Some(field) = column.map(|column| &schema.fields[column]).filter(|field| field.kind.is_picklist())
            else {
                continue;
            };
            if lane_kind(question, table, lane, field.kind) != LaneKind::Option {
                continue;
            }
            let mapped: BTreeSet<&String> = question
                .values
                .get(kind)
                .and_then(|fields| fields.get(lane))
                .map(|options| options.keys().collect())
                .unwrap_or_default();
            for value in field.values.iter().filter(|value| value.active && !mapped.contains(&value.value)) {
                open.entry((kind.to_owned(), lane.clone(), value.value.clone())).or_default().1 = true;
            }
        }
    }
    open.into_iter()
        .map(|((kind, field, value), (records, active))| Unmapped { kind, field, value, records, active })
        .collect()
}
