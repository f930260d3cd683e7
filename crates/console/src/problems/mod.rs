//! What did not work: records set aside, and what stands in the way of the sync itself. Each with a remedy.

mod faults;
mod retry;
mod sheet;
mod view;

use askama::Template;
use axum::Router;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::routing::{get, post};
use contract::common::v1::{RecordKind, SalesforceObject};
use contract::mapper::v1::{FieldMapping, GetFieldMappingRequest};
use contract::writer::v1::{
    GroupParkedRecordsRequest, GroupParkedRecordsResponse, ListParkedRecordsRequest, ListParkedRecordsResponse,
    ParkedGroupKey,
};
use serde::Deserialize;

use crate::gate::{Gate, gate};
use crate::peers::{Answer, PAGE, Party, ask};
use crate::web::{App, Frame, Ground, Notice, Outcome, ROOT, Tab, Visit, page};

use view::{ProblemsPage, RecordsPage};

/// Records on one page.
const PAGE_SIZE: i32 = 50;

/// The routes of problems.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/problems", get(show))
        .route("/problems/records", get(records))
        .route("/problems/records.csv", get(sheet::download))
        .route("/problems/retry", post(retry::retry))
}

/// Which records: those of one reason, object and field, or all.
#[derive(Clone, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(default)]
struct Place {
    code: String,
    /// "account", "contact" or "lead".
    object: String,
    field: String,
    /// Where the page begins.
    after: String,
    /// Of the last retry: how many records are read again,
    asked: String,
    /// and how many can't be asked for by id.
    nameless: String,
}

/// The objects as addresses name them.
const OBJECTS: [(&str, SalesforceObject); 3] =
    [("account", SalesforceObject::Account), ("contact", SalesforceObject::Contact), ("lead", SalesforceObject::Lead)];

impl Place {
    /// Returns the place of a group.
    fn of(key: &ParkedGroupKey) -> Self {
        let object = OBJECTS.iter().find(|(_, object)| *object == key.object());
        Self {
            code: key.code.clone(),
            object: object.map(|(token, _)| (*token).to_owned()).unwrap_or_default(),
            field: key.field.clone(),
            ..Self::default()
        }
    }

    /// Returns the group; `None` for all records.
    fn key(&self) -> Option<ParkedGroupKey> {
        let (_, object) = OBJECTS.iter().find(|(token, _)| *token == self.object)?;
        Some(ParkedGroupKey { code: self.code.clone(), object: (*object).into(), field: self.field.clone() })
    }

    /// Returns an address below the problems page.
    fn href(&self, page: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        let said = [
            ("code", &self.code),
            ("object", &self.object),
            ("field", &self.field),
            ("after", &self.after),
            ("asked", &self.asked),
            ("nameless", &self.nameless),
        ];
        for (name, value) in said.into_iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        let query = query.finish();
        let joint = if query.is_empty() { "" } else { "?" };
        format!("{ROOT}/problems{page}{joint}{query}")
    }
}

/// What the page is built from.
#[derive(Clone, Debug)]
struct Answers {
    ground: Ground,
    groups: Answer<GroupParkedRecordsResponse>,
    /// To say which Lane field a field of Salesforce feeds, that can't be read any more.
    mappings: [Answer<FieldMapping>; 2],
}

impl Answers {
    async fn of(visit: &Visit) -> Self {
        let workspace_id = visit.workspace();
        let mut parked = visit.peers().parked();
        let groups = parked.group_parked_records(GroupParkedRecordsRequest { workspace_id: workspace_id.clone() });
        let (ground, groups, mappings) =
            tokio::join!(Ground::of(visit), ask(Party::Writer, PAGE, groups), Box::pin(mappings(visit)));
        Self { ground, groups, mappings }
    }
}

async fn mappings(visit: &Visit) -> [Answer<FieldMapping>; 2] {
    let mapping = async |kind: RecordKind| {
        let request = GetFieldMappingRequest { workspace_id: visit.workspace(), kind: kind.into() };
        ask(Party::Mapper, PAGE, visit.peers().mappings().get_field_mapping(request)).await
    };
    tokio::join!(mapping(RecordKind::Account), mapping(RecordKind::Contact)).into()
}

#[derive(Template)]
#[template(path = "problems.html")]
struct ProblemsTemplate<'a> {
    frame: &'a Frame,
    gate: Option<&'a Gate>,
    page: &'a ProblemsPage,
}

async fn show(visit: Visit, Query(place): Query<Place>) -> Outcome {
    let answers = Answers::of(&visit).await;
    let mut frame = frame(&visit, &answers.ground, "Problems");
    let gate = gate(&answers.ground);
    if let Some(gate) = gate.as_ref().filter(|gate| gate.is_shut) {
        return Ok(gate.page(&frame));
    }
    let view = view::view(&answers, &place, visit.now);
    if !view.said.is_empty() {
        frame.notice = None;
    }
    Ok(page(StatusCode::OK, &ProblemsTemplate { frame: &frame, gate: gate.as_ref(), page: &view }))
}

fn frame(visit: &Visit, ground: &Ground, title: &str) -> Frame {
    Frame::new(visit, ground, Some(Tab::Problems), title)
}

#[derive(Template)]
#[template(path = "problem_records.html")]
struct RecordsTemplate<'a> {
    frame: &'a Frame,
    gate: Option<&'a Gate>,
    page: &'a RecordsPage,
}

/// Asks for some of the records of a place.
async fn list(visit: &Visit, place: &Place, size: i32, after: &str) -> Answer<ListParkedRecordsResponse> {
    let request = ListParkedRecordsRequest {
        workspace_id: visit.workspace(),
        page_size: size,
        page_token: after.to_owned(),
        group: place.key(),
    };
    ask(Party::Writer, PAGE, visit.peers().parked().list_parked_records(request)).await
}

async fn records(visit: Visit, Query(place): Query<Place>) -> Outcome {
    let (ground, listed, mappings) =
        tokio::join!(Ground::of(&visit), list(&visit, &place, PAGE_SIZE, &place.after), Box::pin(mappings(&visit)));
    let listed = listed.map_err(|trouble| visit.refuse(&trouble))?;
    let view = view::records(&listed, &faults::known(&mappings), &place, visit.now);
    let mut frame = frame(&visit, &ground, &view.title);
    if visit.notice == Some(Notice::Retried) && !view.said.is_empty() {
        frame.notice = None;
    }
    let gate = gate(&ground);
    Ok(page(StatusCode::OK, &RecordsTemplate { frame: &frame, gate: gate.as_ref(), page: &view }))
}
