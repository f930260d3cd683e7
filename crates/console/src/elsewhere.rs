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
        .route("/mapping/{tab}", get(async |visit| show(visit, Tab::Mapping).await))
        .route("/customers", get(async |visit| show(visit, Tab::Customers).await))
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
        Tab::Status | Tab::Values | Tab::Runs | Tab::Problems => &[],
        Tab::Mapping => &[
            ("See which Salesforce field feeds which Lane field", "lanesync mapping show"),
            ("Take the suggested fields", "lanesync mapping suggest"),
            ("Say what a change would do before it is made", "lanesync mapping preview"),
            ("Change a field", "lanesync mapping set"),
        ],
        Tab::Customers => &[
            ("Find customers", "lanesync customers list"),
            ("See one customer with its locks", "lanesync customers get"),
            ("Edit a field that is not locked", "lanesync customers set"),
        ],
    }
}

async fn show(visit: Visit, tab: Tab) -> Response {
    let ground = Ground::of(&visit).await;
    let frame = Frame::new(&visit, &ground, Some(tab), tab.title());
    page(StatusCode::OK, &ElsewhereTemplate { frame: &frame, title: tab.title(), deeds: deeds(tab) })
}
