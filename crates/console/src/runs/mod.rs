//! What was read, when, and what became of it: the list of runs and one run.

mod view;

use std::convert::Infallible;
use std::time::Duration;

use askama::Template;
use axum::Router;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use contract::extractor::v1::{CancelSyncRunRequest, GetSyncRunRequest, ListSyncRunsRequest, SyncRun};
use futures::{Stream, StreamExt as _, stream};
use serde::Deserialize;

use crate::peers::{ACTION, Answer, PAGE, Party, ask};
use crate::trouble::Trouble;
use crate::web::{App, Frame, Ground, Notice, Outcome, ROOT, Tab, Visit, page, see};

use view::{RunPage, RunRow};

pub(crate) use view::{title, why};

/// Runs on one page.
const PAGE_SIZE: i32 = 25;

/// The routes of runs.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/runs", get(list))
        .route("/runs/{id}", get(one))
        .route("/runs/{id}/live", get(live))
        .route("/runs/{id}/cancel", post(cancel))
}

/// Where in the list.
#[derive(Debug, Default, Deserialize)]
struct Place {
    #[serde(default)]
    after: String,
}

#[derive(Template)]
#[template(path = "runs.html")]
struct RunsTemplate<'a> {
    frame: &'a Frame,
    rows: Vec<RunRow>,
    /// Token of the next page; empty at the end.
    next: String,
    is_first: bool,
    trouble: Option<&'a Trouble>,
}

async fn list(visit: Visit, Query(place): Query<Place>) -> Outcome {
    let request =
        ListSyncRunsRequest { workspace_id: visit.workspace(), page_size: PAGE_SIZE, page_token: place.after.clone() };
    let mut syncs = visit.peers().syncs();
    let (ground, listed) = tokio::join!(Ground::of(&visit), ask(Party::Extractor, PAGE, syncs.list_sync_runs(request)));
    let frame = Frame::new(&visit, &ground, Some(Tab::Runs), "Runs");
    let (listed, trouble) = match listed {
        Ok(listed) => (listed, None),
        Err(trouble) => (contract::extractor::v1::ListSyncRunsResponse::default(), Some(trouble)),
    };
    let template = RunsTemplate {
        frame: &frame,
        rows: listed.runs.iter().map(|run| view::row(run, visit.now)).collect(),
        next: listed.next_page_token,
        is_first: place.after.is_empty(),
        trouble: trouble.as_ref(),
    };
    Ok(page(StatusCode::OK, &template))
}

#[derive(Template)]
#[template(path = "run.html")]
struct RunTemplate<'a> {
    frame: &'a Frame,
    page: &'a RunPage,
}

#[derive(Template)]
#[template(path = "run_live.html")]
struct RunLiveTemplate<'a> {
    page: &'a RunPage,
}

async fn fetch(visit: &Visit, id: &str) -> Answer<SyncRun> {
    let request = GetSyncRunRequest { workspace_id: visit.workspace(), run_id: id.to_owned() };
    ask(Party::Extractor, PAGE, visit.peers().syncs().get_sync_run(request)).await
}

async fn one(visit: Visit, Path(id): Path<String>) -> Outcome {
    let (ground, run) = tokio::join!(Ground::of(&visit), fetch(&visit, &id));
    let run = run.map_err(|trouble| visit.refuse(&trouble))?;
    let view = view::run(&run, visit.now);
    let frame = Frame::new(&visit, &ground, Some(Tab::Runs), view.title);
    Ok(page(StatusCode::OK, &RunTemplate { frame: &frame, page: &view }))
}

async fn cancel(visit: Visit, Path(id): Path<String>) -> Outcome {
    let request = CancelSyncRunRequest { workspace_id: visit.workspace(), run_id: id.clone() };
    let cancelled = ask(Party::Extractor, ACTION, visit.peers().syncs().cancel_sync_run(request)).await;
    cancelled.map_err(|trouble| visit.refuse(&trouble))?;
    Ok(see(&format!("{ROOT}/runs/{id}"), Some(Notice::Cancelled)))
}

/// Sends the run once a second while it goes on; its end reloads the page, which then has no stream.
async fn live(visit: Visit, Path(id): Path<String>) -> Response {
    let stopping = visit.console().stopping.clone();
    let events = events(visit, id).take_until(async move { stopping.cancelled().await });
    Sse::new(events).keep_alive(KeepAlive::new().interval(Duration::from_secs(15))).into_response()
}

fn events(visit: Visit, id: String) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold(Some((visit, id, String::new())), async |state| {
        let (mut visit, id, last) = state?;
        loop {
            tokio::time::sleep(Duration::from_secs(1)).await;
            visit.now = jiff::Timestamp::now();
            // A service that is silent for a while is asked again; nothing is lost by waiting.
            let Ok(run) = fetch(&visit, &id).await else { continue };
            let view = view::run(&run, visit.now);
            if !view.is_live {
                // Browsers drop an event without data.
                return Some((Ok(Event::default().event("reload").data("over")), None));
            }
            let html = RunLiveTemplate { page: &view }.render().unwrap_or_default();
            if html != last {
                let event = Event::default().event("fragment").data(&html);
                return Some((Ok(event), Some((visit, id, html))));
            }
        }
    })
}
