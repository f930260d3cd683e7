//! One record before and after: what the mapping in the form would make of it.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect};
use contract::common::v1::RecordKind;
use contract::error::Reason;
use contract::mapper::v1::{FieldPreview, LaneField, PreviewRecordRequest, RecordPreview, RecordState};
use contract::writer::v1::{FieldValue, ListContactsRequest, ListCustomersRequest, RecordSource, SalesforceOrigin};

use super::draft::Draft;
use super::shown;
use super::side::Side;
use super::{Pairs, lane_fields, saved_mapping};
use crate::peers::{ACTION, PAGE, Party, ask};
use crate::trouble::Trouble;
use crate::web::{Frame, Ground, Outcome, Tab, Visit, page};
use crate::words::object;

/// Records offered to look at.
const SAMPLES: i32 = 8;

#[derive(Template)]
#[template(path = "mapping_record.html")]
struct RecordTemplate<'a> {
    frame: &'a Frame,
    title: &'static str,
    action: String,
    back_href: String,
    is_draft: bool,
    hidden: Vec<(String, String)>,
    /// What was asked for, as typed.
    typed: &'a str,
    fault: &'static str,
    trouble: Option<&'a Trouble>,
    record: Option<RecordView>,
    samples: Vec<Pick>,
}

/// A record to look at.
struct Pick {
    href: String,
    name: String,
}

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
struct RecordView {
    title: String,
    /// Why nothing of it is written; empty when it is.
    state: String,
    target_href: String,
    rows: Vec<FieldRow>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct FieldRow {
    name: String,
    source: String,
    raw: String,
    now: String,
    after: String,
    lock: &'static str,
    /// Why it is as it is; empty mostly.
    note: String,
    is_changed: bool,
}

/// Shows the form, some records to pick from, and the one that was asked for.
pub(super) async fn show(visit: Visit, Path(tab): Path<String>, Query(pairs): Query<Pairs>) -> Outcome {
    let side = Side::of(&tab).ok_or_else(|| visit.refuse_missing())?;
    let draft = Draft::read(&pairs);
    let typed = pairs.iter().find(|(name, _)| name == "id").map(|(_, id)| id.trim()).unwrap_or_default();
    let id = record_id(typed);
    let of = id.as_deref().and_then(Side::of_record);
    if let (Some(of), Some(id)) = (of.filter(|of| *of != side), &id) {
        // The record belongs to the other tab, whose mapping is another: what is drafted here does not concern it.
        let address = Draft::default().address(&format!("{}/record", of.href()), &[("id", id)]);
        return Ok(Redirect::to(&address).into_response());
    }
    let (ground, fields, saved, samples) = tokio::join!(
        Ground::of(&visit),
        lane_fields(&visit, side),
        saved_mapping(&visit, side),
        picks(&visit, side, &draft)
    );
    let fields = fields.map_err(|trouble| visit.refuse(&trouble))?;
    let saved = saved.map_err(|trouble| visit.refuse(&trouble))?;
    let (mut record, mut trouble, mut fault) = (None, None, "");
    if let Some(id) = id.filter(|_| of.is_some()) {
        let entries = if draft.differs(&saved) { draft.entries(&saved) } else { Vec::new() };
        let request = PreviewRecordRequest { workspace_id: visit.workspace(), salesforce_id: id, entries };
        match ask(Party::Mapper, ACTION, visit.peers().records().preview_record(request)).await {
            Ok(preview) => record = Some(view(side, &fields, &draft, &preview)),
            Err(refused) => trouble = Some(in_words(refused)),
        }
    } else if !typed.is_empty() {
        fault = "This is no id and no link of a Salesforce account, contact or lead.";
    }
    let frame = Frame::new(&visit, &ground, Some(Tab::Mapping), "Try a record");
    let status = match &trouble {
        Some(trouble) => trouble.status(),
        None if fault.is_empty() => StatusCode::OK,
        None => StatusCode::UNPROCESSABLE_ENTITY,
    };
    let template = RecordTemplate {
        frame: &frame,
        title: side.title(),
        action: format!("{}/record", side.href()),
        back_href: draft.address(&side.href(), &[]),
        is_draft: draft.differs(&saved),
        hidden: if draft.query().is_empty() { Vec::new() } else { draft.hidden() },
        typed,
        fault,
        trouble: trouble.as_ref(),
        record,
        samples,
    };
    Ok(page(status, &template))
}

/// Finds the id in what was typed: an id, or a link with one in it.
fn record_id(typed: &str) -> Option<String> {
    let is_id = |part: &&str| matches!(part.len(), 15 | 18) && part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let mut parts = typed.split(|letter: char| !letter.is_ascii_alphanumeric());
    parts.find(|part| is_id(part) && Side::of_record(part).is_some()).map(str::to_owned)
}

fn in_words(trouble: Trouble) -> Trouble {
    if trouble.is(Reason::ResourceNotFound) {
        let title = "Lane has not read this record";
        return Trouble::new(Reason::ResourceNotFound, title, "").advise(
            "It may lie before the start date, be hidden from the Salesforce user, or come with the next sync.",
        );
    }
    trouble
}

async fn picks(visit: &Visit, side: Side, draft: &Draft) -> Vec<Pick> {
    let (workspace_id, source) = (visit.workspace(), RecordSource::Salesforce.into());
    let mut writer = visit.peers().customers();
    let found: Vec<(Option<SalesforceOrigin>, Vec<FieldValue>)> = match side.kind() {
        RecordKind::Contact => {
            let request = ListContactsRequest { workspace_id, page_size: SAMPLES, source, ..Default::default() };
            let listed = ask(Party::Writer, PAGE, writer.list_contacts(request)).await;
            let rows = listed.map(|listed| listed.contacts).unwrap_or_default();
            rows.into_iter().map(|row| (row.salesforce, row.fields)).collect()
        }
        _ => {
            let request = ListCustomersRequest { workspace_id, page_size: SAMPLES, source, ..Default::default() };
            let listed = ask(Party::Writer, PAGE, writer.list_customers(request)).await;
            let rows = listed.map(|listed| listed.customers).unwrap_or_default();
            rows.into_iter().map(|row| (row.salesforce, row.fields)).collect()
        }
    };
    let path = format!("{}/record", side.href());
    let pick = |(origin, fields): (Option<SalesforceOrigin>, Vec<FieldValue>)| {
        let id = origin?.id;
        let name = fields.iter().find(|field| field.field == "name").and_then(|field| field.value.as_ref());
        let name = name.map_or_else(|| id.clone(), |name| shown::value(Some(name), None));
        Some(Pick { href: draft.address(&path, &[("id", &id)]), name })
    };
    found.into_iter().filter_map(pick).collect()
}

fn view(side: Side, fields: &[LaneField], draft: &Draft, preview: &RecordPreview) -> RecordView {
    let state = match preview.state() {
        RecordState::Live | RecordState::Unspecified => "",
        RecordState::Deleted => "It is deleted in Salesforce, so it changes nothing in Lane.",
        RecordState::Merged => "It was merged into another record, which goes on in its place.",
        RecordState::Converted => "It is a lead that was converted; the contact goes on in its place.",
        RecordState::NotVisible => "The Salesforce user can’t see it any more, so it changes nothing in Lane.",
    };
    let target = Some(preview.target_id.as_str()).filter(|id| !id.is_empty());
    RecordView {
        title: format!("{} {}", object(preview.object()).trim_end_matches('s'), preview.id),
        state: state.to_owned(),
        target_href: target
            .map(|id| draft.address(&format!("{}/record", side.href()), &[("id", id)]))
            .unwrap_or_default(),
        rows: preview.fields.iter().map(|field| row(fields, field)).collect(),
    }
}

fn row(fields: &[LaneField], preview: &FieldPreview) -> FieldRow {
    let value = |value| shown::value(value, shown::field(fields, &preview.lane_field));
    let source = if preview.salesforce_field_after.is_empty() {
        &preview.salesforce_field_now
    } else {
        &preview.salesforce_field_after
    };
    let note = if !preview.fault.is_empty() {
        format!(
            "Does not fit ({}): the record would be set aside and nothing of it changes.",
            preview.fault.replace('_', " ")
        )
    } else if !preview.was_read && !source.is_empty() {
        "Not read with this record yet: known after saving.".to_owned()
    } else if preview.unmapped_after {
        "This picklist value has no mapping yet: the value before stays.".to_owned()
    } else {
        String::new()
    };
    FieldRow {
        name: shown::name(fields, &preview.lane_field).to_owned(),
        source: source.clone(),
        raw: preview.raw.as_deref().map_or_else(|| "empty".to_owned(), raw_text),
        now: value(preview.now.as_ref()),
        after: value(preview.after.as_ref()),
        lock: match (preview.locked_now, preview.locked_after) {
            (true, true) => "locked",
            (false, true) => "will lock",
            (true, false) => "will unlock",
            (false, false) => "not locked",
        },
        note,
        is_changed: preview.now != preview.after,
    }
}

/// Returns what a JSON scalar says: text without its quotes.
fn raw_text(raw: &str) -> String {
    serde_json::from_str::<String>(raw).unwrap_or_else(|_| raw.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_found_in_whatever_was_pasted() {
        let id = Some("001Kd00000AbCdEFGH".to_owned());
        assert_eq!(record_id("001Kd00000AbCdEFGH"), id);
        assert_eq!(record_id("https://acme.lightning.force.com/lightning/r/Account/001Kd00000AbCdEFGH/view"), id);
        assert_eq!(record_id("https://acme.my.salesforce.com/001Kd00000AbCdE"), Some("001Kd00000AbCdE".to_owned()));
        assert_eq!(record_id("Acme GmbH & Co"), None);
        assert_eq!(record_id("006Kd00000AbCdEFGH"), None, "an opportunity");
    }

    #[test]
    fn a_field_says_why_it_does_not_change() {
        let field =
            FieldPreview { lane_field: "arr".into(), salesforce_field_after: "ARR__c".into(), ..Default::default() };
        assert!(row(&[], &field).note.starts_with("Not read"));
        let read = FieldPreview { was_read: true, raw: Some("\"Gold\"".into()), unmapped_after: true, ..field.clone() };
        let told = row(&[], &read);
        assert_eq!((told.raw.as_str(), told.is_changed), ("Gold", false));
        assert!(told.note.contains("no mapping yet"));
        let faulty = FieldPreview { fault: "number_out_of_range".into(), ..read };
        assert!(row(&[], &faulty).note.contains("number out of range"));
    }
}
