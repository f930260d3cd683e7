//! Rows as JSON and CSV, written straight into a buffer.

use crate::org::Org;
use crate::schema::Schema;
use crate::soql::{Access, Out, Plan, Shape, value_of};
use crate::table::Row;
use crate::value::{NULL, Value, write_json_text};

/// Appends `rows` as the JSON array of a page.
pub(crate) fn records(org: &Org, plan: &Plan, rows: &[Row], version: &str, out: &mut Vec<u8>) {
    let Shape::Rows(outputs) = &plan.shape else {
        return;
    };
    let list = json_list(plan, version);
    let table = &org.tables[plan.table];
    out.push(b'[');
    for (place, row) in rows.iter().enumerate() {
        if place > 0 {
            out.push(b',');
        }
        table.rendered.append(&list, *row, out, |out| record(org, plan.table, *row, None, outputs, version, out));
    }
    out.push(b']');
}

/// Appends one record as a JSON object.
pub(crate) fn record(
    org: &Org,
    table: usize,
    row: Row,
    shown_type: Option<&str>,
    outputs: &[Out],
    version: &str,
    out: &mut Vec<u8>,
) {
    let schema = &org.tables[table].schema;
    attributes(schema, shown_type, &org.tables[table].id(row).long_bytes(), version, out);
    for output in outputs {
        out.push(b',');
        match output {
            Out::Field { name, column } => {
                key(name, out);
                org.tables[table].cell(row, *column).write_json(out);
            }
            Out::Label { name, column } => {
                key(name, out);
                label(schema, *column, org.tables[table].cell(row, *column)).write_json(out);
            }
            Out::Address { name, parts } => {
                key(name, out);
                address(org, table, row, parts, out);
            }
            Out::ObjectName => {
                key("Type", out);
                write_json_text(schema.name, out);
            }
            Out::Parent { name, lookup, polymorphic, targets } => {
                key(name, out);
                let id = org.tables[table].cell(row, *lookup).as_id();
                let target = id
                    .and_then(|id| targets.iter().find(|(target, _)| org.tables[*target].schema.prefix == id.prefix()));
                let parent = id
                    .zip(target)
                    .and_then(|(id, (target, outputs))| Some((*target, org.tables[*target].find_shared(id)?, outputs)));
                match parent {
                    Some((target, parent, outputs)) => {
                        record(org, target, parent, polymorphic.then_some("Name"), outputs, version, out)
                    }
                    None => NULL.write_json(out),
                }
            }
        }
    }
    out.push(b'}');
}

fn key(name: &str, out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend_from_slice(name.as_bytes());
    out.extend_from_slice(b"\":");
}

fn attributes(schema: &Schema, shown_type: Option<&str>, id: &[u8], version: &str, out: &mut Vec<u8>) {
    for part in [
        "{\"attributes\":{\"type\":\"",
        shown_type.unwrap_or(schema.name),
        "\",\"url\":\"/services/data/v",
        version,
        "/sobjects/",
        schema.name,
        "/",
    ] {
        out.extend_from_slice(part.as_bytes());
    }
    out.extend_from_slice(id);
    out.extend_from_slice(b"\"}");
}

fn label(schema: &Schema, column: usize, value: &Value) -> Value {
    let shown = value.as_text().and_then(|text| schema.fields[column].values.iter().find(|known| known.value == text));
    shown.map_or_else(|| value.clone(), |known| Value::text(&known.label))
}

/// The compound address, or null when every part is empty. `parts` as in `Schema::address_parts`.
fn address(org: &Org, table: usize, row: Row, parts: &[usize], out: &mut Vec<u8>) {
    const KEYS: [(&str, usize); 8] = [
        ("city", 1),
        ("country", 4),
        ("geocodeAccuracy", 7),
        ("latitude", 5),
        ("longitude", 6),
        ("postalCode", 3),
        ("state", 2),
        ("street", 0),
    ];
    let cell = |part: usize| parts.get(part).map_or(&NULL, |column| org.tables[table].cell(row, *column));
    if (0..8).all(|part| cell(part).is_null()) {
        return NULL.write_json(out);
    }
    for (place, (name, part)) in KEYS.into_iter().enumerate() {
        out.push(if place == 0 { b'{' } else { b',' });
        key(name, out);
        cell(part).write_json(out);
    }
    out.push(b'}');
}

/// How a CSV page is cut.
pub(crate) struct Csv<'a> {
    pub(crate) columns: &'a [(String, Access)],
    pub(crate) delimiter: u8,
    pub(crate) line_ending: &'a [u8],
}

impl Csv<'_> {
    /// The name under which rendered rows of this form are kept.
    pub(crate) fn list(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| name.as_str()).collect();
        format!("{}@csv{}{}", names.join(","), self.delimiter, self.line_ending.len())
    }
}

/// The name under which rendered rows of a query are kept.
pub(crate) fn json_list(plan: &Plan, version: &str) -> String {
    format!("{}@{version}", plan.list)
}

/// Appends the header and `rows` as CSV.
pub(crate) fn csv(org: &Org, table: usize, rows: &[Row], form: &Csv<'_>, out: &mut Vec<u8>) {
    for (place, (name, _)) in form.columns.iter().enumerate() {
        if place > 0 {
            out.push(form.delimiter);
        }
        Value::text(name).write_csv(out);
    }
    out.extend_from_slice(form.line_ending);
    let list = form.list();
    for row in rows {
        org.tables[table].rendered.append(&list, *row, out, |out| {
            for (place, (_, access)) in form.columns.iter().enumerate() {
                if place > 0 {
                    out.push(form.delimiter);
                }
                value_of(org, table, *row, access).write_csv(out);
            }
            out.extend_from_slice(form.line_ending);
        });
    }
}
