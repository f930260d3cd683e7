//! The mapping page: which Salesforce field feeds which Lane field, tried out before it is saved.
//!
//! What somebody is working on travels in the form, and in the address whenever they look at something else ([`draft::Draft`]), so
//! every step works without a script and nothing is lost on the way. Saving is two steps: the dry run says what would happen, the
//! button on it saves with the etag that the work began with; if somebody else saved meanwhile, both sides are shown.

mod conflict;
mod draft;
mod need;
mod overwritten;
mod picker;
mod record;
mod review;
mod shown;
mod side;
#[cfg(test)]
mod tests;
mod view;

use askama::Template;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::{Redirect, Response};
use axum::routing::{get, post};
use axum::{Form, Router};
use contract::common::v1::SalesforceObject;
use contract::error::Reason;
use contract::extractor::v1::{EstimateSyncRequest, SyncScope};
use contract::mapper::v1::{
    FieldMapping, FieldSuggestion, GetFieldMappingRequest, LaneField, ListCandidateFieldsRequest,
    ListLaneFieldsRequest, SuggestFieldMappingsRequest, UpdateFieldMappingRequest, UpdateFieldMappingResponse,
};

use crate::estimate::cost;
use crate::peers::{ACTION, Answer, PAGE, Party, ask};
use crate::trouble::Trouble;
use crate::web::{App, Frame, Ground, Notice, Outcome, Tab, Visit, page, see};

use conflict::ConflictPage;
use draft::Draft;
use need::need;
use review::ReviewPage;
use side::Side;
use view::{Known, MappingPage};

/// What a form or an address says, in its order.
type Pairs = Vec<(String, String)>;

/// The routes of the mapping page.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/mapping", get(async || Redirect::to(&Side::Accounts.href())))
        .route("/mapping/{tab}", get(show).post(step))
        .route("/mapping/{tab}/save", post(save))
        .route("/mapping/{tab}/fields/{lane}", get(picker::list))
        .route("/mapping/{tab}/holds", get(picker::one))
        .route("/mapping/{tab}/record", get(record::show))
        .route("/mapping/{tab}/reread/{objects}", get(reread))
        .route("/mapping/{tab}/overwritten.csv", get(overwritten::download))
}

async fn lane_fields(visit: &Visit, side: Side) -> Answer<Vec<LaneField>> {
    let request = ListLaneFieldsRequest { workspace_id: visit.workspace(), kind: side.kind().into() };
    ask(Party::Mapper, PAGE, visit.peers().mappings().list_lane_fields(request)).await.map(|listed| listed.fields)
}

async fn saved_mapping(visit: &Visit, side: Side) -> Answer<FieldMapping> {
    let request = GetFieldMappingRequest { workspace_id: visit.workspace(), kind: side.kind().into() };
    ask(Party::Mapper, PAGE, visit.peers().mappings().get_field_mapping(request)).await
}

async fn suggestions(visit: &Visit, side: Side) -> Answer<Vec<FieldSuggestion>> {
    let request = SuggestFieldMappingsRequest { workspace_id: visit.workspace(), kind: side.kind().into() };
    let suggested = ask(Party::Mapper, PAGE, visit.peers().mappings().suggest_field_mappings(request)).await;
    suggested.map(|suggested| suggested.suggestions)
}

/// Asks for everything that the page is built from, all at once.
async fn look(visit: &Visit, side: Side) -> Answer<(Ground, Known)> {
    // Five questions in one future are large; every caller carries only the box.
    Box::pin(gather(visit, side)).await
}

async fn gather(visit: &Visit, side: Side) -> Answer<(Ground, Known)> {
    let request =
        ListCandidateFieldsRequest { workspace_id: visit.workspace(), kind: side.kind().into(), ..Default::default() };
    let mut mapper = visit.peers().mappings();
    let (ground, fields, saved, suggested, candidates) = tokio::join!(
        Ground::of(visit),
        lane_fields(visit, side),
        saved_mapping(visit, side),
        suggestions(visit, side),
        ask(Party::Mapper, PAGE, mapper.list_candidate_fields(request)),
    );
    // A workspace that the mapper was never told of has no mapping; that is no failure of the page.
    let is_unknown = |trouble: &Trouble| trouble.is(Reason::ResourceNotFound);
    let known = Known {
        side,
        fields: match fields {
            Err(trouble) if is_unknown(&trouble) => Vec::new(),
            fields => fields?,
        },
        saved: match saved {
            Err(trouble) if is_unknown(&trouble) => FieldMapping::default(),
            saved => saved?,
        },
        suggestions: suggested.unwrap_or_default(),
        candidates: candidates.map(|listed| listed.fields).map_err(|trouble| need(&trouble, &ground, &side.href())),
    };
    Ok((ground, known))
}

#[derive(Template)]
#[template(path = "mapping.html")]
struct MappingTemplate<'a> {
    frame: &'a Frame,
    page: &'a MappingPage,
    /// Why the last step was not done.
    trouble: Option<&'a Trouble>,
    /// What the last step found; empty mostly.
    note: &'a str,
}

#[derive(Template)]
#[template(path = "mapping_conflict.html")]
struct ConflictTemplate<'a> {
    frame: &'a Frame,
    page: &'a ConflictPage,
}

#[derive(Template)]
#[template(path = "mapping_review.html")]
struct ReviewTemplate<'a> {
    frame: &'a Frame,
    page: &'a ReviewPage,
}

async fn show(visit: Visit, Path(tab): Path<String>, Query(pairs): Query<Pairs>) -> Outcome {
    let side = Side::of(&tab).ok_or_else(|| visit.refuse_missing())?;
    let draft = Draft::read(&pairs);
    let (ground, known) = look(&visit, side).await.map_err(|trouble| visit.refuse(&trouble))?;
    if !draft.etag.is_empty() && draft.etag != known.saved.etag && draft.differs(&known.saved) {
        return Ok(clash(&visit, &ground, &known, &draft));
    }
    Ok(form(&visit, &ground, &known, &draft, None, ""))
}

/// Shows the form with what somebody wants, and why it was not done.
fn form(
    visit: &Visit,
    ground: &Ground,
    known: &Known,
    draft: &Draft,
    trouble: Option<&Trouble>,
    note: &str,
) -> Response {
    let frame = Frame::new(visit, ground, Some(Tab::Mapping), &format!("Mapping: {}", known.side.title()));
    let violations = trouble.map(|trouble| trouble.violations.as_slice()).unwrap_or_default();
    let view = view::view(known, draft, violations, visit.now);
    let status = trouble.map_or(StatusCode::OK, Trouble::status);
    page(status, &MappingTemplate { frame: &frame, page: &view, trouble, note })
}

fn clash(visit: &Visit, ground: &Ground, known: &Known, draft: &Draft) -> Response {
    let frame = Frame::new(visit, ground, Some(Tab::Mapping), "Somebody else saved first");
    let view = conflict::conflict(known.side, &known.fields, &known.saved, draft, visit.now);
    page(StatusCode::CONFLICT, &ConflictTemplate { frame: &frame, page: &view })
}

/// What a button of the form asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act<'a> {
    /// The dry run.
    Review,
    /// All fields that could feed one.
    Pick(&'a str),
    /// The suggestion for one.
    Use(&'a str),
    /// Every suggestion for a field that nothing feeds.
    UseAll,
    /// One record under what stands in the form.
    Try,
}

impl<'a> Act<'a> {
    fn of(pairs: &'a Pairs) -> Self {
        let act = pairs.iter().find(|(name, _)| name == "act").map(|(_, act)| act.as_str()).unwrap_or_default();
        let is_field = |lane: &&str| lane.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
        match act.split_once(':').filter(|(_, lane)| is_field(lane)) {
            Some(("pick", lane)) => Self::Pick(lane),
            Some(("use", lane)) => Self::Use(lane),
            _ if act == "use-all" => Self::UseAll,
            _ if act == "try" => Self::Try,
            _ => Self::Review,
        }
    }
}

/// Does what the pressed button says with what stands in the form. Nothing is saved here.
async fn step(visit: Visit, Path(tab): Path<String>, Form(pairs): Form<Pairs>) -> Outcome {
    let side = Side::of(&tab).ok_or_else(|| visit.refuse_missing())?;
    let draft = Draft::read(&pairs);
    match Act::of(&pairs) {
        Act::Review => review(&visit, side, &draft).await,
        Act::Try => Ok(see(&draft.address(&format!("{}/record", side.href()), &[]), None)),
        Act::Pick(lane) => Ok(see(&draft.address(&format!("{}/fields/{lane}", side.href()), &[]), None)),
        Act::Use(lane) => accept(&visit, side, draft, |one| one.lane_field == lane, &format!("#row-{lane}")).await,
        Act::UseAll => accept(&visit, side, draft, |_| true, "").await,
    }
}

/// Takes suggestions into the draft: only where nothing is chosen, so an existing choice is never overruled.
async fn accept(
    visit: &Visit,
    side: Side,
    mut draft: Draft,
    wanted: impl Fn(&FieldSuggestion) -> bool,
    place: &str,
) -> Outcome {
    let (saved, suggested) = tokio::join!(saved_mapping(visit, side), suggestions(visit, side));
    let saved = saved.map_err(|trouble| visit.refuse(&trouble))?;
    for one in suggested.map_err(|trouble| visit.refuse(&trouble))?.iter().filter(|one| wanted(one)) {
        let chosen = draft.wish(&one.lane_field).unwrap_or_else(|| draft::path_of(&saved, &one.lane_field));
        if chosen.is_empty() {
            draft = draft.with(&one.lane_field, &one.salesforce_field, &saved);
        }
    }
    Ok(see(&format!("{}{place}", draft.address(&side.href(), &[])), None))
}

async fn update(
    visit: &Visit,
    known: &Known,
    draft: &Draft,
    validate_only: bool,
) -> Answer<UpdateFieldMappingResponse> {
    let request = UpdateFieldMappingRequest {
        workspace_id: visit.workspace(),
        kind: known.side.kind().into(),
        entries: draft.entries(&known.saved),
        etag: draft.etag.clone(),
        validate_only,
    };
    ask(Party::Mapper, ACTION, visit.peers().mappings().update_field_mapping(request)).await
}

/// The dry run of what stands in the form.
async fn review(visit: &Visit, side: Side, draft: &Draft) -> Outcome {
    let (ground, known) = look(visit, side).await.map_err(|trouble| visit.refuse(&trouble))?;
    if draft.etag != known.saved.etag {
        return Ok(clash(visit, &ground, &known, draft));
    }
    if !draft.differs(&known.saved) {
        return Ok(form(visit, &ground, &known, draft, None, "Nothing is changed yet, so there is nothing to save."));
    }
    match update(visit, &known, draft, true).await {
        Ok(answer) => {
            let preview = answer.preview.unwrap_or_default();
            let view = review::review(side, &known.fields, &known.saved, draft, &preview);
            let frame = Frame::new(visit, &ground, Some(Tab::Mapping), "Review and save");
            Ok(page(StatusCode::OK, &ReviewTemplate { frame: &frame, page: &view }))
        }
        Err(trouble) => refused(visit, side, (&ground, &known), draft, &trouble).await,
    }
}

/// Saves what the dry run showed.
async fn save(visit: Visit, Path(tab): Path<String>, Form(pairs): Form<Pairs>) -> Outcome {
    let side = Side::of(&tab).ok_or_else(|| visit.refuse_missing())?;
    let draft = Draft::read(&pairs);
    let (ground, known) = look(&visit, side).await.map_err(|trouble| visit.refuse(&trouble))?;
    // An empty etag would skip the check: what is saved is what somebody saw.
    if draft.etag != known.saved.etag {
        return Ok(clash(&visit, &ground, &known, &draft));
    }
    match update(&visit, &known, &draft, false).await {
        Ok(_) => Ok(see(&side.href(), Some(Notice::MappingSaved))),
        Err(trouble) => refused(&visit, side, (&ground, &known), &draft, &trouble).await,
    }
}

/// Shows why a mapping was not taken: both sides if somebody else was quicker, else the form with every fault at its field.
async fn refused(visit: &Visit, side: Side, seen: (&Ground, &Known), draft: &Draft, trouble: &Trouble) -> Outcome {
    if trouble.is(Reason::EtagMismatch) {
        let (ground, known) = look(visit, side).await.map_err(|trouble| visit.refuse(&trouble))?;
        return Ok(clash(visit, &ground, &known, draft));
    }
    Ok(form(visit, seen.0, seen.1, draft, Some(trouble), ""))
}

#[derive(Template)]
#[template(path = "mapping_reread.html")]
struct RereadTemplate<'a> {
    frame: &'a Frame,
    text: String,
    back_href: String,
}

/// Says what reading whole objects once more costs. Salesforce counts, so it may take longer than a page.
async fn reread(visit: Visit, Path((tab, objects)): Path<(String, String)>) -> Outcome {
    let side = Side::of(&tab).ok_or_else(|| visit.refuse_missing())?;
    let object = |word: &str| match word {
        "account" => Some(SalesforceObject::Account),
        "contact" => Some(SalesforceObject::Contact),
        "lead" => Some(SalesforceObject::Lead),
        _ => None,
    };
    let named: Vec<i32> = objects.split('-').filter_map(object).map(i32::from).collect();
    // No object would mean all of them.
    if named.is_empty() {
        return Err(visit.refuse_missing());
    }
    let request = EstimateSyncRequest {
        workspace_id: visit.workspace(),
        scope: SyncScope::Everything.into(),
        objects: named,
        ..Default::default()
    };
    let text = match ask(Party::Extractor, ACTION, visit.peers().syncs().estimate_sync(request)).await {
        Ok(estimate) => format!("Reading them once more: {}.", cost(&estimate)),
        Err(trouble) => format!("The time can’t be estimated now: {}. {}", trouble.title, trouble.remedy),
    };
    let frame = Frame::plain(&visit, "What the re-read costs");
    Ok(page(StatusCode::OK, &RereadTemplate { frame: &frame, text, back_href: side.href() }))
}
