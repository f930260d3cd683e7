//! Disconnecting: what stays, what goes, and a confirmation by name.

use askama::Template;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::get;
use axum::{Form, Router};
use contract::auth::v1::DisconnectConnectionRequest;
use contract::extractor::v1::SyncState;
use contract::writer::v1::GetCountsRequest;
use serde::Deserialize;

use crate::peers::{ACTION, PAGE, Party, ask};
use crate::trouble::Trouble;
use crate::web::{App, Frame, Ground, Notice, Outcome, ROOT, Visit, page, see};
use crate::words::count;

/// The routes of disconnecting.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/disconnect", get(show).post(disconnect))
}

/// What the person says.
#[derive(Clone, Debug, Default, Deserialize)]
struct Said {
    /// Name of the org, as typed.
    #[serde(default)]
    org: String,
    /// "keep" or "purge".
    #[serde(default)]
    customers: String,
}

#[derive(Template)]
#[template(path = "disconnect.html")]
struct DisconnectTemplate<'a> {
    frame: &'a Frame,
    said: &'a Said,
    org: &'a str,
    held: String,
    fault: &'a str,
    trouble: Option<&'a Trouble>,
}

async fn show(visit: Visit) -> Outcome {
    let ground = Ground::of(&visit).await;
    if matches!(ground.state(), SyncState::NotConnected | SyncState::Disconnected) {
        return Ok(Redirect::to(ROOT).into_response());
    }
    Ok(form(&visit, &ground, StatusCode::OK, &Said::default(), "", None).await)
}

async fn form(
    visit: &Visit,
    ground: &Ground,
    status: StatusCode,
    said: &Said,
    fault: &str,
    trouble: Option<&Trouble>,
) -> Response {
    let counts = GetCountsRequest { workspace_id: visit.workspace() };
    let counts = ask(Party::Writer, PAGE, visit.peers().applied().get_counts(counts)).await;
    let held = counts.ok().map(|counts| counts.live.iter().map(|live| live.count).sum::<i64>());
    let frame = Frame::new(visit, ground, None, "Disconnect");
    let template = DisconnectTemplate {
        frame: &frame,
        said,
        org: org_of(ground),
        held: held.map_or_else(|| "All customers and people".to_owned(), |held| count(held, "record", "records")),
        fault,
        trouble,
    };
    page(status, &template)
}

fn org_of(ground: &Ground) -> &str {
    let connection = ground.connection.as_ref().ok().and_then(Option::as_ref);
    connection.map(|connection| connection.org_name.as_str()).unwrap_or_default()
}

async fn disconnect(visit: Visit, Form(said): Form<Said>) -> Outcome {
    let ground = Ground::of(&visit).await;
    if let Err(trouble) = &ground.connection {
        return Ok(form(&visit, &ground, trouble.status(), &said, "", Some(trouble)).await);
    }
    if said.org.trim() != org_of(&ground).trim() {
        let fault = "This is not the org’s name. Type it as it stands above.";
        return Ok(form(&visit, &ground, StatusCode::UNPROCESSABLE_ENTITY, &said, fault, None).await);
    }
    let request = DisconnectConnectionRequest {
        workspace_id: visit.workspace(),
        purge: said.customers == "purge",
        actor: visit.member().name.clone(),
    };
    match ask(Party::Auth, ACTION, visit.peers().connections().disconnect_connection(request)).await {
        Ok(_) => Ok(see(ROOT, Some(Notice::Disconnected))),
        Err(trouble) => Ok(form(&visit, &ground, trouble.status(), &said, "", Some(&trouble)).await),
    }
}
