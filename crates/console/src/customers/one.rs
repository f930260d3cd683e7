//! One customer or contact.

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Response;
use contract::extractor::v1::SyncState;
use contract::mapper::v1::FieldStory;
use contract::writer::v1::ListContactsRequest;
use contract::writer::v1::ListOrder;
use domain::Kind;
use futures::future::join_all;
use serde::Deserialize;

use super::call::{self, Listed};
use super::field::{self, Control, Faults, FieldRow, Told};
use super::row::{Row, api_name};
use super::sent::Sent;
use super::value::raw;
use super::view::{Source, Table, source, table};
use super::{Standing, Words, href, standing, words};
use crate::moment::Moment;
use crate::peers::Answer;
use crate::trouble::Trouble;
use crate::web::{Frame, Ground, Notice, Outcome, ROOT, Tab, Visit, page, see};

/// Contacts on a customer's page.
const CONTACTS: i32 = 10;
/// Fields whose raw value is asked for; a row has hardly more option fields.
const STORIES: usize = 8;

/// Where in the customer's contacts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Place {
    contacts: String,
}

/// What the page says.
#[derive(Clone, Debug, PartialEq)]
struct OnePage {
    words: Words,
    path: String,
    name: String,
    source: Source,
    /// "Account 001…"; empty for rows made by hand.
    record: String,
    /// Earlier ids that go on under this row.
    aliases: String,
    archived: Option<Moment>,
    hidden: Option<Moment>,
    modified: Option<Moment>,
    told: Told,
    created: Option<Moment>,
    updated: Option<Moment>,
    fields: Vec<FieldRow>,
    /// Whether anything can be edited here.
    has_editable: bool,
    /// The customer of a contact: address and name.
    customer: Option<(String, String)>,
    /// The contacts of a customer.
    contacts: Option<Contacts>,
    standing: Option<Standing>,
}

/// The contacts of a customer.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Contacts {
    table: Table,
    first: String,
    next: String,
    all: String,
    new: String,
}

/// What went wrong with a form.
#[derive(Clone, Debug, Default)]
pub(super) struct Wrong {
    pub(super) sent: Option<Sent>,
    pub(super) faults: Faults,
    pub(super) trouble: Option<Trouble>,
}

#[derive(Template)]
#[template(path = "customer.html")]
struct OneTemplate<'a> {
    frame: &'a Frame,
    page: &'a OnePage,
    fields: &'a [FieldRow],
    trouble: Option<&'a Trouble>,
}

pub(super) async fn show(visit: Visit, kind: Kind, Path(id): Path<String>, Query(place): Query<Place>) -> Outcome {
    let row = call::find(&visit, kind, &id).await.map_err(|trouble| visit.refuse(&trouble))?;
    if row.id != id {
        let notice = uuid::Uuid::try_parse(&id).is_ok().then_some(Notice::Merged);
        return Ok(see(&href(kind, &row.id), notice));
    }
    Ok(Box::pin(render(&visit, &row, StatusCode::OK, &place, Wrong::default())).await)
}

/// Shows a row, with what was typed and what is wrong with it.
pub(super) async fn render(visit: &Visit, row: &Row, status: StatusCode, place: &Place, wrong: Wrong) -> Response {
    let (ground, known, told, customer, contacts) = tokio::join!(
        Ground::of(visit),
        call::fields(visit, row.kind),
        ask_mapper(visit, row),
        customer_of(visit, row),
        contacts_of(visit, row, place)
    );
    let words = words(row.kind);
    let origin = row.origin.as_ref();
    let fields = field::rows(row.kind, Some(row), &known, &told, wrong.sent.as_ref(), &wrong.faults);
    let was_connected = ground.connection.as_ref().is_ok_and(Option::is_some);
    let state = ground.state();
    let view = OnePage {
        words,
        path: href(row.kind, &row.id),
        name: row.name(),
        source: source(row),
        record: origin.map(|origin| format!("{} {}", api_name(origin.object()), origin.id)).unwrap_or_default(),
        aliases: origin.map(|origin| origin.alias_ids.join(", ")).unwrap_or_default(),
        archived: Moment::of(row.archived.as_ref(), visit.now),
        hidden: origin.and_then(|origin| Moment::of(origin.not_visible_since.as_ref(), visit.now)),
        modified: origin.and_then(|origin| Moment::of(origin.modify_time.as_ref(), visit.now)),
        told,
        created: Moment::of(row.created.as_ref(), visit.now),
        updated: Moment::of(row.updated.as_ref(), visit.now),
        has_editable: fields
            .iter()
            .any(|field| !matches!(field.control, Control::Locked { .. } | Control::TooLong { .. })),
        customer,
        contacts,
        standing: standing(state, was_connected).filter(|_| origin.is_some() && state != SyncState::FirstSync),
        fields,
    };
    let frame = Frame::new(visit, &ground, Some(Tab::Customers), &view.name);
    let template = OneTemplate { frame: &frame, page: &view, fields: &view.fields, trouble: wrong.trouble.as_ref() };
    page(status, &template)
}

/// Asks when the record was read and which raw values are open. The page can do without.
async fn ask_mapper(visit: &Visit, row: &Row) -> Told {
    let Some(origin) = &row.origin else { return Told::default() };
    let open = row.open().map(|field| field.field.as_str()).take(STORIES);
    // Any field tells when the record was read: a record is always read whole.
    let locked = row.fields.iter().find(|field| !field.locked_by.is_empty()).map_or("name", |field| &field.field);
    let mut asked: Vec<&str> = open.collect();
    if asked.is_empty() {
        asked.push(locked);
    }
    let stories = join_all(asked.into_iter().map(|field| call::story(visit, &origin.id, field))).await;
    told(stories, visit.now)
}

fn told(stories: Vec<Answer<FieldStory>>, now: jiff::Timestamp) -> Told {
    let mut told = Told::default();
    for story in stories.into_iter().flatten() {
        told.read = told.read.or_else(|| Moment::of(story.read_time.as_ref(), now));
        told.run.clone_from(&story.run_id);
        let value = if story.mapped_value.is_empty() {
            story.raw.as_deref().map(raw).unwrap_or_default()
        } else {
            story.mapped_value
        };
        told.raw.insert(story.lane_field, value);
    }
    told
}

async fn customer_of(visit: &Visit, row: &Row) -> Option<(String, String)> {
    if row.customer_id.is_empty() {
        return None;
    }
    let name = call::find(visit, Kind::Account, &row.customer_id).await;
    let name = name.map_or_else(|_| "Open the customer".to_owned(), |customer| customer.name());
    Some((href(Kind::Account, &row.customer_id), name))
}

async fn contacts_of(visit: &Visit, row: &Row, place: &Place) -> Option<Contacts> {
    if row.kind == Kind::Contact {
        return None;
    }
    let ask = |token: &str| ListContactsRequest {
        page_size: CONTACTS,
        page_token: token.to_owned(),
        customer_id: row.id.clone(),
        order: ListOrder::Name.into(),
        ..Default::default()
    };
    let (listed, known) = tokio::join!(call::contacts(visit, ask(&place.contacts)), call::fields(visit, Kind::Contact));
    let (listed, is_first) = match listed {
        Ok(listed) => (listed, place.contacts.is_empty()),
        Err(_) if !place.contacts.is_empty() => (call::contacts(visit, ask("")).await.ok()?, true),
        Err(_) => return None,
    };
    let path = href(Kind::Account, &row.id);
    Some(contacts(&listed, is_first, &path, &row.id, table(Kind::Contact, &listed, &known, visit.now)))
}

fn contacts(listed: &Listed, is_first: bool, path: &str, id: &str, table: Table) -> Contacts {
    let token = url::form_urlencoded::byte_serialize(listed.next.as_bytes()).collect::<String>();
    let base = words(Kind::Contact).path;
    Contacts {
        table,
        first: if is_first { String::new() } else { format!("{path}#contacts") },
        next: if token.is_empty() { String::new() } else { format!("{path}?contacts={token}#contacts") },
        all: format!("{ROOT}{base}?customer={id}"),
        new: format!("{ROOT}{base}/new?customer={id}"),
    }
}
