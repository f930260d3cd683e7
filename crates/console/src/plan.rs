//! The plan page, and help: what the product does, for those who can't have it yet and for everybody else.

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use contract::common::v1::Plan;

use crate::web::{App, Frame, Ground, Outcome, Visit, page};
use crate::words;

/// The routes of the plan page and of help.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/plan", get(show)).route("/help", get(help))
}

#[derive(Template)]
#[template(path = "plan.html")]
struct PlanTemplate<'a> {
    frame: &'a Frame,
    plan: &'static str,
    has_it: bool,
    /// Whether there is a connection that the plan pauses.
    is_paused: bool,
}

async fn show(visit: Visit) -> Outcome {
    let ground = Ground::of(&visit).await;
    let plan = ground.workspace.as_ref().map_or(Plan::Unspecified, |workspace| workspace.plan());
    let frame = Frame::new(&visit, &ground, None, "Plan");
    let is_connected = ground.connection.as_ref().is_ok_and(Option::is_some);
    let has_it = plan == Plan::Business;
    let template = PlanTemplate { frame: &frame, plan: words::plan(plan), has_it, is_paused: is_connected && !has_it };
    Ok(page(StatusCode::OK, &template))
}

#[derive(Template)]
#[template(path = "help.html")]
struct HelpTemplate<'a> {
    frame: &'a Frame,
}

async fn help(visit: Visit) -> Outcome {
    let ground = Ground::of(&visit).await;
    let frame = Frame::new(&visit, &ground, None, "Help");
    Ok(page(StatusCode::OK, &HelpTemplate { frame: &frame }))
}
