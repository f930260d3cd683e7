//! One record under a mapping that is not saved, and what saving would overwrite.

use contract::common::v1::RecordKind;
use contract::mapper::v1 as wire;
use domain::{Kind, SalesforceId};
use serde::Serialize;

use crate::failure::Failure;
use crate::session::{Answer, Party, Session};
use crate::story::state_word;
use crate::table::{Table, or_dash, yes};
use crate::value::{Shown, shown};
use crate::wire::{object_word, some};

/// Values looked for at once.
const PAGE: i32 = 1_000;

/// Asks how a record would look.
pub(super) async fn preview(
    session: &Session,
    id: &SalesforceId,
    entries: Vec<wire::FieldMappingEntry>,
) -> Result<RecordPreview, Failure> {
    let request = wire::PreviewRecordRequest {
        workspace_id: session.workspace()?,
        salesforce_id: id.as_str().to_owned(),
        entries,
    };
    let preview = session.ask(Party::Mapper, session.records()?.preview_record(request)).await?;
    Ok(preview.into())
}

/// Asks for everything that a save would overwrite.
pub(super) async fn overwrites(
    session: &Session,
    kind: Kind,
    entries: Vec<wire::FieldMappingEntry>,
) -> Result<Overwrites, Failure> {
    let mut client = session.records()?;
    let (mut values, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = wire::ListOverwrittenValuesRequest {
            workspace_id: session.workspace()?,
            kind: RecordKind::from(kind) as i32,
            entries: entries.clone(),
            page_size: PAGE,
            page_token,
        };
        let page = session.ask(Party::Mapper, client.list_overwritten_values(request)).await?;
        values.extend(page.values.into_iter().map(Overwrite::from));
        if page.next_page_token.is_empty() {
            return Ok(Overwrites { values });
        }
        page_token = page.next_page_token;
    }
}

/// A record before and after.
#[derive(Debug, Serialize)]
pub(super) struct RecordPreview {
    object: &'static str,
    id: String,
    state: &'static str,
    target_id: Option<String>,
    lane_id: Option<String>,
    fields: Vec<FieldPreview>,
}

#[derive(Debug, Serialize)]
struct FieldPreview {
    lane_field: String,
    salesforce_field_now: Option<String>,
    salesforce_field_after: Option<String>,
    raw: Option<String>,
    was_read: bool,
    now: Option<Shown>,
    after: Option<Shown>,
    locked_now: bool,
    locked_after: bool,
    unmapped_after: bool,
    fault: Option<String>,
}

impl From<wire::RecordPreview> for RecordPreview {
    fn from(preview: wire::RecordPreview) -> Self {
        let field = |field: wire::FieldPreview| FieldPreview {
            lane_field: field.lane_field,
            salesforce_field_now: some(field.salesforce_field_now),
            salesforce_field_after: some(field.salesforce_field_after),
            raw: field.raw,
            was_read: field.was_read,
            now: shown(field.now).map(|(_, value)| value),
            after: shown(field.after).map(|(_, value)| value),
            locked_now: field.locked_now,
            locked_after: field.locked_after,
            unmapped_after: field.unmapped_after,
            fault: some(field.fault),
        };
        Self {
            object: object_word(preview.object),
            id: preview.id,
            state: state_word(preview.state),
            target_id: some(preview.target_id),
            lane_id: some(preview.lane_id),
            fields: preview.fields.into_iter().map(field).collect(),
        }
    }
}

impl Answer for RecordPreview {
    fn text(&self) -> String {
        let mut table = Table::new(["field", "salesforce field", "salesforce", "now", "after", "locked", "note"]);
        for field in &self.fields {
            let note = match field {
                FieldPreview { fault: Some(fault), .. } => fault.clone(),
                FieldPreview { was_read: false, .. } => "not read yet".to_owned(),
                FieldPreview { unmapped_after: true, .. } => "value without mapping".to_owned(),
                _ => String::new(),
            };
            let path = field.salesforce_field_after.as_ref().or(field.salesforce_field_now.as_ref());
            table.row([
                field.lane_field.clone(),
                or_dash(path),
                or_dash(field.raw.as_ref()),
                or_dash(field.now.as_ref()),
                or_dash(field.after.as_ref()),
                format!("{} > {}", yes(field.locked_now), yes(field.locked_after)),
                note,
            ]);
        }
        format!("{} {} ({})\n\n{}", self.object, self.id, self.state, table.text())
    }
}

/// What a save would overwrite.
#[derive(Debug, Serialize)]
pub(super) struct Overwrites {
    values: Vec<Overwrite>,
}

/// A value in Lane that a save would overwrite.
#[derive(Debug, Serialize)]
pub(crate) struct Overwrite {
    object: &'static str,
    id: String,
    lane_id: String,
    name: Option<String>,
    field: String,
    standing: Option<Shown>,
    after: Option<Shown>,
    unread: bool,
}

impl From<wire::OverwrittenValue> for Overwrite {
    fn from(value: wire::OverwrittenValue) -> Self {
        Self {
            object: object_word(value.object),
            standing: shown(value.standing).map(|(_, value)| value),
            after: shown(value.after).map(|(_, value)| value),
            id: value.id,
            lane_id: value.lane_id,
            name: some(value.name),
            field: value.field,
            unread: value.unread,
        }
    }
}

/// Returns a table of values that would be overwritten.
pub(crate) fn overwrite_table(values: &[Overwrite]) -> String {
    let mut table = Table::new(["record", "name", "field", "stands there", "after"]);
    for value in values {
        let after = if value.unread { "not read yet".to_owned() } else { or_dash(value.after.as_ref()) };
        table.row([
            value.id.clone(),
            or_dash(value.name.as_ref()),
            value.field.clone(),
            or_dash(value.standing.as_ref()),
            after,
        ]);
    }
    table.text()
}

impl Answer for Overwrites {
    fn text(&self) -> String {
        if self.values.is_empty() {
            return "nothing would be overwritten".to_owned();
        }
        overwrite_table(&self.values)
    }
}
