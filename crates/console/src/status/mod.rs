//! The status page: one word, one reason, one action; then what is behind them.

mod chart;
mod live;
#[cfg(test)]
mod states;
mod view;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use contract::extractor::v1::{ListSyncRunsRequest, ListSyncRunsResponse};
use contract::writer::v1::{Counts, GetCountsRequest};

use crate::peers::{Answer, PAGE, Party, ask};
use crate::web::{App, Frame, Ground, Outcome, Tab, Visit, page};

use view::StatusPage;

/// Runs that the charts look back on.
const HISTORY: i32 = 60;

/// The routes of the status page.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/", get(show)).route("/live", get(live::watch))
}

/// What the page is built from.
#[derive(Clone, Debug)]
struct Answers {
    ground: Ground,
    counts: Answer<Counts>,
    runs: Answer<ListSyncRunsResponse>,
}

impl Answers {
    async fn of(visit: &Visit) -> Self {
        let workspace_id = visit.workspace();
        let (mut applied, mut syncs) = (visit.peers().applied(), visit.peers().syncs());
        let counts = applied.get_counts(GetCountsRequest { workspace_id: workspace_id.clone() });
        let runs = ListSyncRunsRequest { workspace_id, page_size: HISTORY, ..Default::default() };
        let runs = syncs.list_sync_runs(runs);
        let (ground, counts, runs) =
            tokio::join!(Ground::of(visit), ask(Party::Writer, PAGE, counts), ask(Party::Extractor, PAGE, runs));
        Self { ground, counts, runs }
    }
}

#[derive(Template)]
#[template(path = "status.html")]
struct StatusTemplate<'a> {
    frame: &'a Frame,
    page: &'a StatusPage,
}

async fn show(visit: Visit) -> Outcome {
    let answers = Answers::of(&visit).await;
    let frame = Frame::new(&visit, &answers.ground, Some(Tab::Status), "Status");
    let view = view::view(&answers, visit.now);
    Ok(page(StatusCode::OK, &StatusTemplate { frame: &frame, page: &view }))
}
