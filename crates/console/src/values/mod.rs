//! What picklist values mean: which value of Salesforce becomes which option of Lane, field by field.

mod checked;
mod choice;
mod list;
mod look;
mod options;
mod replay;
mod row;
mod same_names;
mod save;
mod view;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::Redirect;
use axum::routing::{get, post};
use contract::common::v1::{FieldType, RecordKind};
use contract::error::Reason;
use contract::mapper::v1::{
    CountUnmappedValuesRequest, CountUnmappedValuesResponse, FieldMapping, GetFieldMappingRequest, GetReplayRequest,
    LaneField, ListLaneFieldsRequest, Replay,
};

use crate::gate::{Gate, gate};
use crate::peers::{Answer, PAGE, Party, ask};
use crate::web::{App, Frame, Ground, Notice, Outcome, ROOT, Tab, Visit, page};

use list::Listed;
use look::Look;
use view::{Typed, ValuesPage};

/// The routes of values.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/values", get(async || Redirect::to(Tab::Values.href())))
        .route("/values/replay/live", get(replay::live))
        .route("/values/{field}", get(show))
        .route("/values/{field}/{group}", post(save::save).get(back))
        .route("/values/{field}/{group}/same-names", get(same_names::show).post(same_names::save))
        .route("/values/{field}/{group}/options", get(options::show).post(options::save))
}

/// Whose values: each group has its own options and decisions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    Accounts,
    /// Contacts and leads share one list.
    People,
}

impl Group {
    const ALL: [Self; 2] = [Self::Accounts, Self::People];

    fn token(self) -> &'static str {
        match self {
            Self::Accounts => "accounts",
            Self::People => "people",
        }
    }

    fn of_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|group| group.token() == token)
    }

    fn kind(self) -> RecordKind {
        match self {
            Self::Accounts => RecordKind::Account,
            Self::People => RecordKind::Contact,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Accounts => "Accounts",
            Self::People => "Contacts & Leads",
        }
    }

    /// Returns a number of what the records of the group are in Lane.
    fn in_lane(self, number: i64) -> String {
        match self {
            Self::Accounts => crate::words::count(number, "customer", "customers"),
            Self::People => crate::words::count(number, "person", "people"),
        }
    }
}

/// What the services said of one group.
#[derive(Clone, Debug)]
struct GroupAnswers {
    group: Group,
    /// Lane's option fields.
    fields: Vec<LaneField>,
    /// The values of the field that are looked at; `None` when the group has no such field.
    values: Option<Answer<Listed>>,
    mapping: Answer<FieldMapping>,
}

/// What the page is built from.
#[derive(Clone, Debug)]
struct Answers {
    groups: [GroupAnswers; 2],
    /// Open values of all fields; for the numbers on the tabs.
    open: Answer<CountUnmappedValuesResponse>,
    replay: Answer<Replay>,
}

impl Answers {
    /// Asks everything about a field at once.
    async fn of(visit: &Visit, field: &str, look: &Look) -> Answer<Self> {
        let workspace_id = visit.workspace();
        let (mut all, mut replays) = (visit.peers().mappings(), visit.peers().mappings());
        let open = all.count_unmapped_values(CountUnmappedValuesRequest { workspace_id: workspace_id.clone() });
        let replay = replays.get_replay(GetReplayRequest { workspace_id });
        let (accounts, people, open, replay) = tokio::join!(
            Box::pin(GroupAnswers::of(visit, Group::Accounts, field, look)),
            Box::pin(GroupAnswers::of(visit, Group::People, field, look)),
            ask(Party::Mapper, PAGE, open),
            ask(Party::Mapper, PAGE, replay),
        );
        Ok(Self { groups: [accounts?, people?], open, replay })
    }
}

impl GroupAnswers {
    async fn of(visit: &Visit, group: Group, field: &str, look: &Look) -> Answer<Self> {
        let (workspace_id, kind) = (visit.workspace(), group.kind().into());
        let clients = || visit.peers().mappings();
        let (mut fields, mut mapping) = (clients(), clients());
        let fields = fields.list_lane_fields(ListLaneFieldsRequest { workspace_id: workspace_id.clone(), kind });
        let mapping = mapping.get_field_mapping(GetFieldMappingRequest { workspace_id, kind });
        let (fields, values, mapping) = tokio::join!(
            ask(Party::Mapper, PAGE, fields),
            list::page(visit, group, field, look),
            ask(Party::Mapper, PAGE, mapping),
        );
        let mut fields = fields?.fields;
        fields.retain(|field| field.r#type() == FieldType::Option);
        let values = match values {
            // The group has no such field; the other one may.
            Err(trouble) if trouble.is(Reason::ValueMappingInvalid) => None,
            answer => Some(answer),
        };
        Ok(Self { group, fields, values, mapping })
    }

    /// Returns the field that is looked at.
    fn field(&self, id: &str) -> Option<&LaneField> {
        self.fields.iter().find(|field| field.id == id)
    }
}

#[derive(Template)]
#[template(path = "values.html")]
struct ValuesTemplate<'a> {
    frame: &'a Frame,
    gate: Option<&'a Gate>,
    page: &'a ValuesPage,
}

async fn show(visit: Visit, Path(field): Path<String>, Query(look): Query<Look>) -> Outcome {
    render(&visit, StatusCode::OK, &field, &look, None).await
}

/// A form that is reloaded by its address shows the values again.
async fn back(Path((field, _)): Path<(String, String)>) -> Redirect {
    Redirect::to(&Look::default().href(&field))
}

/// Shows the values of a field, with what was typed if it could not be saved or is only checked.
async fn render(visit: &Visit, status: StatusCode, field: &str, look: &Look, typed: Option<&Typed>) -> Outcome {
    let (ground, answers) = tokio::join!(Ground::of(visit), Answers::of(visit, field, look));
    let mut frame = Frame::new(visit, &ground, Some(Tab::Values), "Values");
    let gate = gate(&ground);
    if let Some(gate) = gate.as_ref().filter(|gate| gate.is_shut) {
        return Ok(gate.page(&frame));
    }
    let answers = answers.map_err(|trouble| visit.refuse(&trouble))?;
    let view = view::view(&answers, field, look, typed, visit.now).ok_or_else(|| visit.refuse_missing())?;
    frame.title = format!("{} values", view.title);
    // The same is said with its numbers.
    if visit.notice == Some(Notice::ValuesSaved) && !view.said.is_empty() {
        frame.notice = None;
    }
    Ok(page(status, &ValuesTemplate { frame: &frame, gate: gate.as_ref(), page: &view }))
}

/// Returns where a field is mapped.
fn mapping_row(group: Group, field: &str) -> String {
    format!("{ROOT}/mapping/{}#row-{field}", group.token())
}
