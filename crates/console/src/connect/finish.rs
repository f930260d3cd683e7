//! From "connected" to the first sync: what we can see, which fields, how far back, what it costs.

use askama::Template;
use axum::Form;
use axum::extract::Query;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use contract::auth::v1::UpdateStartDateRequest;
use contract::common::v1::RecordKind;
use contract::error::Reason;
use contract::extractor::v1::{EstimateSyncRequest, StartSyncRequest, SyncScope, SyncState};
use contract::mapper::v1::{
    FieldMapping, FieldMappingEntry, GetFieldMappingRequest, SuggestFieldMappingsRequest, SuggestFieldMappingsResponse,
    UpdateFieldMappingRequest,
};
use domain::Kind;
use domain::catalogue::standard_fields;
use serde::Deserialize;

use super::start::{PRESETS, Preset, Start, token_of};
use crate::access::{AccessPart, Patience};
use crate::estimate::{Estimated, EstimatesTemplate};
use crate::moment;
use crate::peers::{ACTION, Answer, PAGE, Party, ask};
use crate::trouble::Trouble;
use crate::web::{Frame, Ground, Notice, Outcome, ROOT, Visit, page, see};

/// The fields of one kind.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Fields {
    title: &'static str,
    href: String,
    /// How many are mapped.
    mapped: usize,
    /// What is suggested, while nothing is mapped.
    suggested: Vec<Suggested>,
    /// Why nothing is known.
    silent: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Suggested {
    lane: String,
    salesforce: String,
    reason: String,
}

/// The steps.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Steps {
    org: String,
    access: AccessPart,
    fields: Vec<Fields>,
    /// Whether the first sync may start.
    is_mapped: bool,
    /// Whether there is something to accept.
    has_suggestions: bool,
    start: &'static str,
    start_date: String,
    presets: [Preset; 4],
}

#[derive(Template)]
#[template(path = "connect_finish.html")]
struct FinishTemplate<'a> {
    frame: &'a Frame,
    steps: &'a Steps,
    trouble: Option<&'a Trouble>,
    fault: &'a str,
}

/// Shows the steps.
pub(super) async fn show(visit: &Visit, ground: &Ground, status: StatusCode, trouble: Option<&Trouble>) -> Outcome {
    Ok(Box::pin(steps_page(visit, ground, status, trouble, "")).await)
}

async fn steps_page(
    visit: &Visit,
    ground: &Ground,
    status: StatusCode,
    trouble: Option<&Trouble>,
    fault: &str,
) -> Response {
    let (access, fields) = tokio::join!(AccessPart::of(visit, Patience::Page), fields(visit));
    let connection = ground.connection.as_ref().ok().and_then(Option::as_ref);
    let start = moment::read(connection.and_then(|connection| connection.start_at.as_ref()));
    let token = token_of(start, visit.now);
    let steps = Steps {
        org: connection.map(|connection| connection.org_name.clone()).unwrap_or_default(),
        is_mapped: fields.iter().any(|kind| kind.mapped > 0),
        has_suggestions: fields.iter().any(|kind| !kind.suggested.is_empty()),
        access,
        fields,
        start: token,
        start_date: start.filter(|_| token == "own").map(|at| at.strftime("%Y-%m-%d").to_string()).unwrap_or_default(),
        presets: PRESETS,
    };
    let frame = Frame::new(visit, ground, None, "Finish connecting");
    page(status, &FinishTemplate { frame: &frame, steps: &steps, trouble, fault })
}

async fn fields(visit: &Visit) -> Vec<Fields> {
    let of = async |kind: Kind, title, path| {
        let (workspace_id, wanted) = (visit.workspace(), RecordKind::from(kind).into());
        let mapping = GetFieldMappingRequest { workspace_id: workspace_id.clone(), kind: wanted };
        let suggest = SuggestFieldMappingsRequest { workspace_id, kind: wanted };
        let (mut mapper, mut again) = (visit.peers().mappings(), visit.peers().mappings());
        let (mapping, suggested) = tokio::join!(
            ask(Party::Mapper, PAGE, mapper.get_field_mapping(mapping)),
            ask(Party::Mapper, PAGE, again.suggest_field_mappings(suggest))
        );
        fields_of(kind, title, path, mapping, suggested)
    };
    let (accounts, people) = tokio::join!(
        of(Kind::Account, "Accounts", "/mapping/accounts"),
        of(Kind::Contact, "Contacts & Leads", "/mapping/people")
    );
    vec![accounts, people]
}

/// What people call a Lane field; those that a workspace defined are called by their id.
fn lane_name(kind: Kind, id: String) -> String {
    standard_fields(kind).iter().find(|field| field.id == id).map_or(id, |field| field.display_name.to_owned())
}

fn fields_of(
    kind: Kind,
    title: &'static str,
    path: &str,
    mapping: Answer<FieldMapping>,
    suggested: Answer<SuggestFieldMappingsResponse>,
) -> Fields {
    let href = format!("{ROOT}{path}");
    match (mapping, suggested) {
        (Ok(mapping), _) if !mapping.entries.is_empty() => {
            Fields { title, href, mapped: mapping.entries.len(), suggested: Vec::new(), silent: String::new() }
        }
        (Ok(_), Ok(answer)) => {
            let each = answer.suggestions.into_iter().map(|one| Suggested {
                lane: lane_name(kind, one.lane_field),
                salesforce: one.salesforce_field,
                reason: one.reason,
            });
            Fields { title, href, mapped: 0, suggested: each.collect(), silent: String::new() }
        }
        (Err(trouble), _) | (_, Err(trouble)) => Fields {
            title,
            href,
            mapped: 0,
            suggested: Vec::new(),
            silent: format!("{}. {}", trouble.title, trouble.remedy),
        },
    }
}

/// Maps what is suggested, for kinds without any mapping: an existing choice is never touched.
pub(super) async fn accept_fields(visit: Visit) -> Outcome {
    match adopt(&visit).await {
        Ok(()) => Ok(see(&format!("{ROOT}/connect"), Some(Notice::MappingSaved))),
        Err(trouble) => {
            let ground = Ground::of(&visit).await;
            Ok(Box::pin(steps_page(&visit, &ground, trouble.status(), Some(&trouble), "")).await)
        }
    }
}

async fn adopt(visit: &Visit) -> Result<(), Trouble> {
    let mut mapper = visit.peers().mappings();
    for kind in [RecordKind::Account, RecordKind::Contact] {
        let workspace_id = visit.workspace();
        let request = GetFieldMappingRequest { workspace_id: workspace_id.clone(), kind: kind.into() };
        let mapping = ask(Party::Mapper, ACTION, mapper.get_field_mapping(request)).await?;
        if !mapping.entries.is_empty() {
            continue;
        }
        let request = SuggestFieldMappingsRequest { workspace_id: workspace_id.clone(), kind: kind.into() };
        let suggested = ask(Party::Mapper, ACTION, mapper.suggest_field_mappings(request)).await?;
        let entries = suggested.suggestions.into_iter().map(|one| FieldMappingEntry {
            lane_field: one.lane_field,
            salesforce_field: one.salesforce_field,
            ..Default::default()
        });
        let request = UpdateFieldMappingRequest {
            workspace_id,
            kind: kind.into(),
            entries: entries.collect(),
            etag: mapping.etag,
            validate_only: false,
        };
        ask(Party::Mapper, ACTION, mapper.update_field_mapping(request)).await?;
    }
    Ok(())
}

/// How far back the first sync goes.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Begin {
    #[serde(default)]
    start: String,
    #[serde(default)]
    start_date: String,
    /// Made with the form: pressing twice starts once.
    #[serde(default)]
    request_id: String,
}

/// Starts the first sync.
pub(super) async fn start(visit: Visit, Form(begin): Form<Begin>) -> Outcome {
    let ground = Ground::of(&visit).await;
    if !matches!(ground.state(), SyncState::Connecting) {
        return Ok(Redirect::to(ROOT).into_response());
    }
    let start = match Start::read(&begin.start, &begin.start_date, visit.now) {
        Ok(start) => start,
        Err(fault) => {
            return Ok(Box::pin(steps_page(&visit, &ground, StatusCode::UNPROCESSABLE_ENTITY, None, fault)).await);
        }
    };
    match start_sync(&visit, &ground, start, &begin.request_id).await {
        Ok(()) => Ok(see(ROOT, Some(Notice::SyncStarted))),
        Err(trouble) if trouble.is(Reason::SyncAlreadyRunning) => Ok(see(ROOT, Some(Notice::SyncStarted))),
        Err(trouble) => Ok(Box::pin(steps_page(&visit, &ground, trouble.status(), Some(&trouble), "")).await),
    }
}

async fn start_sync(visit: &Visit, ground: &Ground, start: Start, request_id: &str) -> Result<(), Trouble> {
    let workspace_id = visit.workspace();
    let stands = ground.connection.as_ref().ok().and_then(Option::as_ref);
    let stands = stands.and_then(|connection| connection.start_at);
    let wanted = start.at(visit.now).map(moment::write);
    if stands != wanted {
        let request = UpdateStartDateRequest { workspace_id: workspace_id.clone(), start_at: wanted };
        ask(Party::Auth, ACTION, visit.peers().connections().update_start_date(request)).await?;
    }
    let request = StartSyncRequest {
        workspace_id,
        scope: SyncScope::Everything.into(),
        request_id: request_id.to_owned(),
        ..Default::default()
    };
    ask(Party::Extractor, ACTION, visit.peers().syncs().start_sync(request)).await.map(drop)
}

/// Which estimate is asked for; all presets when none.
#[derive(Clone, Debug, Default, Deserialize)]
pub(super) struct Which {
    #[serde(default)]
    start_date: String,
}

/// Counts what each choice would read.
pub(super) async fn estimates(visit: Visit, Query(which): Query<Which>) -> Outcome {
    let of = async |token: &'static str, label: &'static str, start: Start| {
        let request = EstimateSyncRequest {
            scope: SyncScope::Everything.into(),
            start_at: Some(moment::write(start.counted_from(visit.now))),
            ..Default::default()
        };
        Estimated::of(&visit, token, label, request).await
    };
    let own = Start::read("own", &which.start_date, visit.now).ok();
    let mut estimates = Vec::new();
    for preset in &PRESETS {
        if let Ok(start) = Start::read(preset.token, "", visit.now) {
            estimates.push(of(preset.token, preset.label, start).await);
        }
    }
    if let Some(own) = own {
        estimates.push(of("own", "Your own date", own).await);
    }
    let frame = Frame::plain(&visit, "What a first sync costs");
    let template =
        EstimatesTemplate { frame: &frame, estimates, choice: "Start", form: "/connect", back: "Back to connecting" };
    Ok(page(StatusCode::OK, &template))
}
