//! Work that has no page yet: says which command of `lanesync` does it, so that no link leads nowhere.

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;

use crate::web::{App, Frame, Ground, Tab, Visit, page};

/// The routes of what is done in a terminal.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/values/{field}", get(async |visit| show(visit, Tab::Values).await))
        .route("/problems", get(async |visit| show(visit, Tab::Problems).await))
}

/// What is done, and the command that does it.
type Deed = (&'static str, &'static str);

#[derive(Template)]
#[template(path = "elsewhere.html")]
struct ElsewhereTemplate<'a> {
    frame: &'a Frame,
    title: &'static str,
    deeds: &'static [Deed],
}

fn deeds(tab: Tab) -> &'static [Deed] {
    match tab {
        Tab::Status | Tab::Mapping | Tab::Customers | Tab::Runs => &[],
        Tab::Values => &[
            ("See the values without a mapping, and who carries them", "lanesync unmapped"),
            ("See all values of a field", "lanesync values list"),
            ("Map values to an option", "lanesync values map"),
        ],
        Tab::Problems => &[
            ("See the records that were set aside, and why", "lanesync parked list"),
            ("Try them again", "lanesync parked requeue"),
        ],
    }
}

async fn show(visit: Visit, tab: Tab) -> Response {
    let ground = Ground::of(&visit).await;
    let frame = Frame::new(&visit, &ground, Some(tab), tab.title());
    page(StatusCode::OK, &ElsewhereTemplate { frame: &frame, title: tab.title(), deeds: deeds(tab) })
}
