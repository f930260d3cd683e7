//! From the report to what people read: what is hidden comes first, with what is lost and whom to ask for what.

use contract::common::v1::SalesforceObject;
use contract::extractor::v1::{AccessReport, FieldAccess, FieldUse, ObjectAccess};
use domain::Kind;
use domain::catalogue::standard_fields;
use jiff::Timestamp;

use crate::moment::Moment;
use crate::words::{self, count, object};

/// What the Salesforce user may read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Sight {
    /// Who reads; empty when that is not known.
    pub(crate) username: String,
    pub(crate) asked: Option<Moment>,
    /// The one sentence.
    pub(crate) summary: String,
    pub(crate) objects: Vec<ObjectSight>,
    /// What a Salesforce admin has to give, most important first; empty when nothing is missing.
    pub(crate) wanted: Vec<String>,
    /// Whether everything that is mapped, and what links records, can be read.
    pub(crate) is_fine: bool,
}

/// One object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ObjectSight {
    pub(crate) name: &'static str,
    pub(crate) is_readable: bool,
    /// Records and fields in words.
    pub(crate) text: String,
    /// What is lost without the object; empty when it is readable.
    pub(crate) lost: String,
    /// What is hidden.
    pub(crate) hidden: Vec<FieldSight>,
    /// What can be read.
    pub(crate) readable: Vec<FieldSight>,
}

/// One field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldSight {
    pub(crate) path: String,
    /// Name for people; empty when it is hidden.
    pub(crate) label: String,
    pub(crate) why: &'static str,
    /// What it feeds; empty for links.
    pub(crate) feeds: String,
    /// What is lost without it; empty when it is readable.
    pub(crate) lost: String,
    pub(crate) permission: String,
    /// Whether something that is set up does not work without it.
    pub(crate) is_needed: bool,
}

pub(super) fn sight(report: &AccessReport, now: Timestamp) -> Sight {
    let objects: Vec<_> = report.objects.iter().map(object_sight).collect();
    let fields = || objects.iter().flat_map(|object| &object.hidden);
    let needed = fields().filter(|field| field.is_needed).count();
    let hidden = objects.iter().filter(|object| !object.is_readable).count();
    let permissions = report.objects.iter().filter(|object| !object.readable).map(|object| object.permission.clone());
    let of_fields = |is_needed: bool| {
        fields().filter(move |field| field.is_needed == is_needed).map(|field| field.permission.clone())
    };
    let mut wanted: Vec<String> = Vec::new();
    for permission in permissions.chain(of_fields(true)).chain(of_fields(false)) {
        // Two Lane fields may want the same Salesforce field.
        if !permission.is_empty() && !wanted.contains(&permission) {
            wanted.push(permission);
        }
    }
    Sight {
        username: report.username.clone(),
        asked: Moment::of(report.read_time.as_ref(), now),
        summary: summary(hidden, needed, fields().count()),
        is_fine: hidden == 0 && needed == 0,
        objects,
        wanted,
    }
}

fn summary(objects: usize, needed: usize, fields: usize) -> String {
    let of = |number: usize, one, many| count(i64::try_from(number).unwrap_or(i64::MAX), one, many);
    match (objects, needed, fields) {
        (0, 0, 0) => "Lane can read everything it needs.".to_owned(),
        (0, 0, _) => format!(
            "Lane can read everything that is mapped. {} that could be useful can’t be read.",
            of(fields, "more field", "more fields")
        ),
        (0, _, _) => format!("{} that Lane needs can’t be read.", of(needed, "field", "fields")),
        (_, 0, _) => format!("{} can’t be read. The others still sync.", of(objects, "object", "objects")),
        (_, _, _) => format!(
            "{} and {} that Lane needs can’t be read.",
            of(objects, "object", "objects"),
            of(needed, "field", "fields")
        ),
    }
}

fn object_sight(access: &ObjectAccess) -> ObjectSight {
    let kind = if access.object() == SalesforceObject::Account { Kind::Account } else { Kind::Contact };
    let (readable, hidden): (Vec<_>, Vec<_>) = access.fields.iter().partition(|field| field.readable);
    let mut hidden: Vec<_> = hidden.into_iter().map(|field| field_sight(kind, field)).collect();
    hidden.sort_by_key(|field| !field.is_needed);
    let text = if access.readable {
        let records = access.visible_records.map_or_else(
            || "too many records to count quickly".to_owned(),
            |records| count(records, "record", "records"),
        );
        let fields = i64::try_from(readable.len()).unwrap_or(i64::MAX);
        let all = i64::try_from(access.fields.len()).unwrap_or(i64::MAX);
        format!("{records}; {} of {} fields that matter can be read", words::number(fields), words::number(all))
    } else {
        "The Salesforce user may not see it.".to_owned()
    };
    ObjectSight {
        name: object(access.object()),
        is_readable: access.readable,
        text,
        lost: access.lost.clone(),
        hidden,
        readable: readable.into_iter().map(|field| field_sight(kind, field)).collect(),
    }
}

fn field_sight(kind: Kind, field: &FieldAccess) -> FieldSight {
    let why = match field.r#use() {
        FieldUse::Mapped => "Mapped",
        FieldUse::Suggested => "Suggested",
        FieldUse::Standard => "Usual source",
        FieldUse::Link => "Links records",
        FieldUse::Unspecified => "",
    };
    FieldSight {
        path: field.path.clone(),
        label: field.label.clone(),
        why,
        feeds: lane_name(kind, &field.lane_field),
        lost: field.lost.clone(),
        permission: field.permission.clone(),
        is_needed: !field.readable && matches!(field.r#use(), FieldUse::Mapped | FieldUse::Link),
    }
}

/// Returns what people call a Lane field; a custom one by its id.
fn lane_name(kind: Kind, field: &str) -> String {
    let known = standard_fields(kind).iter().find(|known| known.id == field);
    known.map_or(field, |known| known.display_name).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn field(path: &str, usage: FieldUse, readable: bool) -> FieldAccess {
        let told = |text: &str| if readable { String::new() } else { text.to_owned() };
        FieldAccess {
            path: path.into(),
            r#use: usage.into(),
            lane_field: "industry".into(),
            readable,
            permission: told("Give Read."),
            lost: told("Industry stays."),
            ..Default::default()
        }
    }

    fn report(account: Vec<FieldAccess>, lead: bool) -> AccessReport {
        let object = |object: SalesforceObject, readable, fields| ObjectAccess {
            object: object.into(),
            readable,
            permission: if readable { String::new() } else { "Give View All.".into() },
            visible_records: readable.then_some(1_200),
            fields,
            ..Default::default()
        };
        let objects =
            vec![object(SalesforceObject::Account, true, account), object(SalesforceObject::Lead, lead, Vec::new())];
        AccessReport { objects, ..Default::default() }
    }

    #[test]
    fn what_is_needed_and_hidden_comes_first_and_names_each_permission_once() {
        let fields = vec![
            field("Sic", FieldUse::Standard, false),
            field("Industry", FieldUse::Mapped, false),
            field("Name", FieldUse::Mapped, true),
        ];
        let told = sight(&report(fields, false), Timestamp::UNIX_EPOCH);
        assert!(!told.is_fine);
        assert_eq!(told.summary, "1 object and 1 field that Lane needs can’t be read.");
        assert_eq!(told.wanted, ["Give View All.", "Give Read."]);
        assert_eq!(told.objects[0].text, "1,200 records; 1 of 3 fields that matter can be read");
        let hidden: Vec<_> = told.objects[0].hidden.iter().map(|field| field.path.as_str()).collect();
        assert_eq!(hidden, ["Industry", "Sic"]);
        assert_eq!(told.objects[0].hidden[0].feeds, "Industry");
        assert_eq!(told.objects[1].text, "The Salesforce user may not see it.");
    }

    #[test]
    fn a_field_that_nobody_mapped_does_not_hold_up_a_start() {
        let told = sight(&report(vec![field("Sic", FieldUse::Suggested, false)], true), Timestamp::UNIX_EPOCH);
        assert!(told.is_fine, "{}", told.summary);
        let told = sight(&report(vec![field("Name", FieldUse::Mapped, true)], true), Timestamp::UNIX_EPOCH);
        assert_eq!((told.summary.as_str(), told.wanted.len()), ("Lane can read everything it needs.", 0));
    }
}
