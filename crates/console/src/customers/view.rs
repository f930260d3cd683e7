//! From rows to what the pages say.

use contract::common::v1::SalesforceObject;
use contract::mapper::v1::LaneField;
use domain::Kind;
use jiff::Timestamp;

use super::call::Listed;
use super::row::{Row, record_url};
use super::value::shown;
use super::{href, words};
use crate::moment::Moment;
use crate::web::ROOT;

/// Rows as a table that becomes cards where there is no room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) caption: &'static str,
    pub(super) columns: Vec<Column>,
    pub(super) rows: Vec<Line>,
}

/// A column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Column {
    pub(super) label: String,
    pub(super) class: &'static str,
    field: &'static str,
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) href: String,
    pub(super) name: String,
    /// In the order of the columns.
    pub(super) cells: Vec<Cell>,
    pub(super) source: Source,
    pub(super) updated: Option<Moment>,
    pub(super) marks: Vec<Mark>,
}

/// What a row holds in a column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    /// Empty when there is no value.
    pub(super) text: String,
    /// Where to map what Salesforce says instead; empty unless that is open.
    pub(super) open: String,
}

/// Where a row comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Source {
    pub(super) label: &'static str,
    /// Link to the record; empty when there is none.
    pub(super) url: String,
    pub(super) tone: &'static str,
}

/// Something to know of a row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mark {
    pub(super) text: String,
    /// Where to do something about it; may be empty.
    pub(super) href: String,
}

/// Returns the table of rows.
pub(super) fn table(kind: Kind, listed: &Listed, known: &[LaneField], now: Timestamp) -> Table {
    let fields: &[&'static str] = match kind {
        Kind::Account => &["arr", "tier", "status"],
        Kind::Contact => &["email", "company", "title", "status"],
    };
    let name = |field: &'static str| -> &str {
        known.iter().find(|known| known.id == field).map_or(field, |known| &known.display_name)
    };
    let columns: Vec<_> = fields
        .iter()
        .copied()
        .map(|field| Column { label: name(field).to_owned(), class: class(field), field })
        .collect();
    let rows = listed.rows.iter().map(|row| line(row, &columns, known, now)).collect();
    Table { caption: words(kind).title, columns, rows }
}

/// How a field's column is laid out.
fn class(field: &str) -> &'static str {
    match field {
        "arr" => "num",
        "email" => "mail",
        _ => "",
    }
}

fn line(row: &Row, columns: &[Column], known: &[LaneField], now: Timestamp) -> Line {
    let cell = |column: &Column| {
        let options = known.iter().find(|known| known.id == column.field).map_or(&[][..], |known| &known.options);
        let field = row.field(column.field);
        let is_open = field.is_some_and(|field| field.unmapped);
        let open = if is_open { values_of(column.field) } else { String::new() };
        Cell { text: shown(field.and_then(|field| field.value.as_ref()), options), open }
    };
    Line {
        href: href(row.kind, &row.id),
        name: row.name(),
        cells: columns.iter().map(cell).collect(),
        source: source(row),
        updated: Moment::of(row.updated.as_ref(), now),
        marks: marks(row, columns, known),
    }
}

/// Returns where a row comes from.
pub(super) fn source(row: &Row) -> Source {
    let Some(origin) = &row.origin else { return Source { label: "Lane", url: String::new(), tone: "" } };
    let label = match origin.object() {
        SalesforceObject::Lead => "Salesforce lead",
        SalesforceObject::Account | SalesforceObject::Contact | SalesforceObject::Unspecified => "Salesforce",
    };
    Source { label, url: record_url(origin), tone: "busy" }
}

/// Where the values of an option field are mapped.
fn values_of(field: &str) -> String {
    format!("{ROOT}/values/{field}")
}

fn marks(row: &Row, columns: &[Column], known: &[LaneField]) -> Vec<Mark> {
    let mut marks = Vec::new();
    if row.archived.is_some() {
        marks.push(Mark { text: "Archived".to_owned(), href: String::new() });
    }
    if row.origin.as_ref().is_some_and(|origin| origin.not_visible_since.is_some()) {
        marks.push(Mark { text: "Hidden in Salesforce".to_owned(), href: String::new() });
    }
    // What is open is said in its column; only fields that have none are named here.
    for open in row.open().filter(|open| columns.iter().all(|column| column.field != open.field)) {
        let field = known.iter().find(|known| known.id == open.field);
        let name = field.map_or(&open.field, |known| &known.display_name);
        marks.push(Mark { text: format!("{name} needs mapping"), href: values_of(&open.field) });
    }
    marks
}

#[cfg(test)]
mod tests {
    use contract::common::v1::{Money, Value, value};
    use contract::writer::v1::{Customer, FieldValue, SalesforceOrigin};

    use super::super::call::catalogue;
    use super::*;

    #[test]
    fn a_row_says_its_money_where_it_comes_from_and_what_is_open() {
        let money = Money { amount: "1250000.5".into(), currency_code: "EUR".into() };
        let field = |field: &str, value, unmapped| FieldValue {
            field: field.into(),
            value: Some(Value { value: Some(value) }),
            locked_by: "Account.X".into(),
            unmapped,
        };
        let fields = vec![
            field("name", value::Value::Text("Acme".into()), false),
            field("arr", value::Value::Money(money), false),
            field("tier", value::Value::Option("smb".into()), true),
        ];
        let origin = SalesforceOrigin { object: 1, id: "001".into(), url: "javascript:x".into(), ..Default::default() };
        let archive_time = Some(prost_types::Timestamp::default());
        let customer = Customer {
            id: "c1".into(),
            source: 1,
            salesforce: Some(origin),
            fields,
            archive_time,
            ..Default::default()
        };
        let listed = Listed { rows: vec![customer.into()], ..Listed::default() };
        let table = table(Kind::Account, &listed, &catalogue(Kind::Account), Timestamp::UNIX_EPOCH);
        let line = &table.rows[0];
        let cells: Vec<_> = line.cells.iter().map(|cell| (cell.text.as_str(), cell.open.as_str())).collect();
        assert_eq!(cells, [("1,250,000.5 EUR", ""), ("SMB", "/integrations/salesforce/values/tier"), ("", "")]);
        assert_eq!((line.source.label, line.source.url.as_str()), ("Salesforce", ""), "only web links are followed");
        let marks: Vec<_> = line.marks.iter().map(|mark| mark.text.as_str()).collect();
        assert_eq!(marks, ["Archived"]);
        assert!(line.href.ends_with("/customers/c1"));
    }
}
