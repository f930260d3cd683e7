//! Makes a record of its cells: checks what every record must have, and writes the canonical image.

use std::fmt::Write as _;
use std::time::Duration;

use domain::{Object, SalesforceId};

use super::cell::{Cell, canonical_number};
use super::layout::{CellKind, Column, Layout, Role};
use super::{Fault, Parent, Record, State};
use crate::stamp::Stamp;

/// A stamp may lie this far after server time; further is a broken record, not a late clock.
const FUTURE: Duration = Duration::from_secs(86_400);

/// Makes one record. `cells` stand in the order of the layout's columns.
///
/// # Errors
/// The fault of this record; its neighbours are not concerned.
pub(crate) fn assemble(layout: &Layout, cells: &[Cell<'_>], server_time: Stamp) -> Result<Record, Fault> {
    let facts = SystemFields::read(layout, cells);
    let id = facts
        .id
        .and_then(|text| text.parse::<SalesforceId>().ok())
        .filter(|id| id.prefix() == layout.object().id_prefix())
        .ok_or(Fault { id: None, code: "id_invalid", field: "Id".into() })?;
    let fault = |code: &'static str, field: &str| Fault { id: Some(id.clone()), code, field: field.to_owned() };

    let modified = facts
        .modified
        .and_then(Stamp::parse)
        .filter(|stamp| *stamp <= server_time.later(FUTURE))
        .ok_or_else(|| fault("modstamp_invalid", "SystemModstamp"))?;
    let image = write_image(layout, cells).map_err(|(code, field)| fault(code, field))?;
    let state = if facts.is_deleted { State::Deleted } else { State::Live };
    let related = |text: Option<&str>, field: &'static str| match text {
        None => Ok(None),
        Some(text) => text.parse::<SalesforceId>().map(Some).map_err(|_| fault("id_invalid", field)),
    };
    let master = related(facts.master, "MasterRecordId")?;
    let account = related(facts.account, "AccountId")?;
    let converted = facts.is_converted;
    let converted_contact = related(facts.converted_contact.filter(|_| converted), "ConvertedContactId")?;
    let converted_account = related(facts.converted_account.filter(|_| converted), "ConvertedAccountId")?;

    let mut parents = Vec::new();
    let mut needs = |object, id: Option<&SalesforceId>, modified: Option<&str>| {
        if let Some(id) = id {
            parents.push(Parent { object, id: id.clone(), modified: modified.and_then(Stamp::parse) });
        }
    };
    needs(Object::Account, account.as_ref(), facts.account_modified);
    needs(Object::Account, converted_account.as_ref(), facts.converted_account_modified);
    needs(Object::Contact, converted_contact.as_ref(), facts.converted_contact_modified);

    Ok(Record {
        id,
        modified: Some(modified),
        state,
        // Only a deleted record can have lost a merge; a revived one is itself again.
        master: master.filter(|_| state == State::Deleted),
        converted_contact,
        account: account.or(converted_account),
        image,
        parents,
    })
}

#[derive(Default)]
struct SystemFields<'a> {
    id: Option<&'a str>,
    modified: Option<&'a str>,
    is_deleted: bool,
    master: Option<&'a str>,
    account: Option<&'a str>,
    account_modified: Option<&'a str>,
    is_converted: bool,
    converted_contact: Option<&'a str>,
    converted_contact_modified: Option<&'a str>,
    converted_account: Option<&'a str>,
    converted_account_modified: Option<&'a str>,
}

impl<'a> SystemFields<'a> {
    fn read(layout: &Layout, cells: &'a [Cell<'_>]) -> Self {
        let mut facts = Self::default();
        for (column, cell) in layout.columns().iter().zip(cells) {
            let Some(role) = column.role else { continue };
            let text = match cell {
                Cell::Text(text) => Some(text.as_ref()),
                Cell::Absent | Cell::Null | Cell::Number(_) | Cell::Boolean(_) | Cell::Nested | Cell::Broken => None,
            };
            let truth = matches!(cell, Cell::Boolean(true)) || text == Some("true");
            match role {
                Role::Id => facts.id = text,
                Role::SystemModstamp => facts.modified = text,
                Role::IsDeleted => facts.is_deleted = truth,
                Role::MasterRecordId => facts.master = text,
                Role::AccountId => facts.account = text,
                Role::AccountModstamp => facts.account_modified = text,
                Role::IsConverted => facts.is_converted = truth,
                Role::ConvertedContactId => facts.converted_contact = text,
                Role::ConvertedContactModstamp => facts.converted_contact_modified = text,
                Role::ConvertedAccountId => facts.converted_account = text,
                Role::ConvertedAccountModstamp => facts.converted_account_modified = text,
            }
        }
        facts
    }
}

fn write_image<'l>(layout: &'l Layout, cells: &[Cell<'_>]) -> Result<String, (&'static str, &'l str)> {
    let mut image = String::with_capacity(64 * layout.fields().len() + 2);
    image.push('{');
    for (column, cell) in layout.columns().iter().zip(cells).filter(|(column, _)| column.in_image) {
        if *cell == Cell::Absent {
            continue; // In the list but not in the image: the mapper reports it; nothing goes blank.
        }
        if image.len() > 1 {
            image.push(',');
        }
        // Field names are plain ASCII by construction.
        let _ = write!(image, "\"{}\":", column.path);
        write_cell(&mut image, column, cell).map_err(|code| (code, column.path.as_str()))?;
    }
    image.push('}');
    Ok(image)
}

fn write_cell(image: &mut String, column: &Column, cell: &Cell<'_>) -> Result<(), &'static str> {
    match (cell, column.kind) {
        (Cell::Null | Cell::Absent, _) => image.push_str("null"),
        (Cell::Nested, _) => return Err("type_mismatch"),
        (Cell::Broken, _) => return Err("text_invalid"),
        (Cell::Boolean(truth), _) => image.push_str(if *truth { "true" } else { "false" }),
        (Cell::Number(text), _) => match canonical_number(text) {
            Some(number) => image.push_str(&number),
            None => write_text(image, text),
        },
        (Cell::Text(text), CellKind::Number) => match canonical_number(text) {
            Some(number) => image.push_str(&number),
            None => write_text(image, text),
        },
        (Cell::Text(text), CellKind::Boolean) if text == "true" || text == "false" => image.push_str(text),
        (Cell::Text(text), CellKind::Moment) => match Stamp::parse(text) {
            Some(stamp) => {
                let _ = write!(image, "\"{stamp}\"");
            }
            None => write_text(image, text),
        },
        (Cell::Text(text), CellKind::Text | CellKind::Boolean) => write_text(image, text),
    }
    Ok(())
}

/// Writes a JSON string; everything that needs no escape stays byte for byte as it came.
fn write_text(image: &mut String, text: &str) {
    image.push('"');
    let mut rest = text;
    while let Some(at) = rest.bytes().position(|byte| byte < 0x20 || byte == b'"' || byte == b'\\') {
        image.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'"' => image.push_str("\\\""),
            b'\\' => image.push_str("\\\\"),
            b'\n' => image.push_str("\\n"),
            b'\r' => image.push_str("\\r"),
            b'\t' => image.push_str("\\t"),
            control => {
                let _ = write!(image, "\\u{control:04x}");
            }
        }
        rest = &rest[at + 1..];
    }
    image.push_str(rest);
    image.push('"');
}
