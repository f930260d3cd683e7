//! Connecting: choose how far back, authorize at Salesforce, see what we can see, start the first sync.

mod callback;
mod finish;
mod start;

use askama::Template;
use axum::Form;
use axum::Router;
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};
use contract::auth::v1::AuthorizeConnectionRequest;
use contract::error::Reason;
use contract::extractor::v1::SyncState;
use serde::Deserialize;
use url::Url;

use crate::moment;
use crate::peers::{ACTION, Party, ask};
use crate::session::Flow;
use crate::trouble::Trouble;
use crate::web::{Act, App, Frame, Ground, Outcome, ROOT, Visit, page, see};

use start::Start;

/// The routes of connecting.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/connect", get(show).post(begin))
        .route("/connect/estimate", get(finish::estimates))
        .route("/connect/fields", post(finish::accept_fields))
        .route("/connect/start", post(finish::start))
        .route("/callback", get(callback::take))
}

/// What the person chose; kept over errors and refusals.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
pub(super) struct Choice {
    /// "production", "sandbox" or "domain".
    #[serde(default)]
    pub(super) environment: String,
    /// A My Domain host.
    #[serde(default)]
    pub(super) domain: String,
    /// A preset's token, or "own".
    #[serde(default)]
    pub(super) start: String,
    /// The date of "own".
    #[serde(default)]
    pub(super) start_date: String,
    /// "yes" confirms that another org is meant.
    #[serde(default)]
    pub(super) confirm_org_switch: String,
}

impl Choice {
    /// What is chosen before anybody chooses.
    fn first() -> Self {
        Self { environment: "production".into(), start: "90d".into(), ..Self::default() }
    }

    /// What was chosen when the flow began.
    fn of(flow: &Flow) -> Self {
        let named = ["production", "sandbox"].contains(&flow.environment.as_str());
        Self {
            environment: if named { flow.environment.clone() } else { "domain".into() },
            domain: if named { String::new() } else { flow.environment.clone() },
            start: flow.start.clone(),
            start_date: flow.start_date.clone(),
            confirm_org_switch: String::new(),
        }
    }

    /// Returns the environment as auth takes it.
    fn host(&self) -> &str {
        match self.environment.as_str() {
            "domain" => self.domain.trim(),
            other => other,
        }
    }
}

/// What is wrong with single fields of the form.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Faults {
    environment: Option<&'static str>,
    start: Option<&'static str>,
}

/// The form.
#[derive(Template)]
#[template(path = "connect.html")]
struct ConnectTemplate<'a> {
    frame: &'a Frame,
    choice: &'a Choice,
    faults: &'a Faults,
    trouble: Option<&'a Trouble>,
    /// Whether the person is asked to confirm another org.
    asks_for_switch: bool,
    /// The org of before; empty when there was none.
    before: &'a str,
    again: bool,
}

async fn show(visit: Visit) -> Outcome {
    let ground = Ground::of(&visit).await;
    match ground.state() {
        SyncState::PlanRequired => Ok(Redirect::to(&format!("{ROOT}/plan")).into_response()),
        SyncState::NotConnected | SyncState::Disconnected | SyncState::AuthRevoked => {
            Ok(form(&visit, &ground, StatusCode::OK, &Choice::first(), &Faults::default(), None))
        }
        SyncState::Connecting => Box::pin(finish::show(&visit, &ground, StatusCode::OK, None)).await,
        _ => Ok(Redirect::to(ROOT).into_response()),
    }
}

/// Shows the form, with what was chosen and what is wrong.
fn form(
    visit: &Visit,
    ground: &Ground,
    status: StatusCode,
    choice: &Choice,
    faults: &Faults,
    trouble: Option<&Trouble>,
) -> Response {
    let frame = Frame::new(visit, ground, None, "Connect");
    let before = ground.connection.as_ref().ok().and_then(Option::as_ref).map(|connection| &connection.org_name);
    let template = ConnectTemplate {
        frame: &frame,
        choice,
        faults,
        trouble,
        asks_for_switch: trouble.is_some_and(|trouble| trouble.is(Reason::OrgMismatch)),
        before: before.map_or("", String::as_str),
        again: before.is_some(),
    };
    page(status, &template)
}

async fn begin(mut visit: Visit, Form(choice): Form<Choice>) -> Outcome {
    let faults = Faults {
        environment: match choice.environment.as_str() {
            "production" | "sandbox" => None,
            "domain" if !choice.domain.trim().is_empty() => None,
            "domain" => Some("Enter your My Domain host, such as acme.my.salesforce.com."),
            _ => Some("Choose where your org is."),
        },
        start: Start::read(&choice.start, &choice.start_date, visit.now).err(),
    };
    let start = Start::read(&choice.start, &choice.start_date, visit.now);
    let (Ok(start), None) = (start, faults.environment) else {
        let ground = Ground::of(&visit).await;
        return Ok(form(&visit, &ground, StatusCode::UNPROCESSABLE_ENTITY, &choice, &faults, None));
    };
    match authorize(&mut visit, &choice, start).await {
        Ok(url) => Ok(Redirect::to(url.as_str()).into_response()),
        Err(trouble) if trouble.is(Reason::PlanRequired) => Ok(see(&format!("{ROOT}/plan"), None)),
        Err(trouble) => {
            let ground = Ground::of(&visit).await;
            Ok(form(&visit, &ground, trouble.status(), &choice, &Faults::default(), Some(&trouble)))
        }
    }
}

/// Begins the flow at auth and remembers it in the session; returns the address at Salesforce.
async fn authorize(visit: &mut Visit, choice: &Choice, start: Start) -> Result<Url, Trouble> {
    if let Err(wait) = visit.console().pace.count(Act::Connect, &visit.workspace()) {
        let mut trouble = Trouble::new(Reason::RateLimited, "Too many attempts to connect", "");
        trouble.retry_after = Some(wait);
        return Err(trouble.advise("Wait a few minutes, then try again."));
    }
    let request = AuthorizeConnectionRequest {
        workspace_id: visit.workspace(),
        environment: choice.host().to_owned(),
        start_at: start.at(visit.now).map(moment::write),
        actor: visit.member().name.clone(),
        confirm_org_switch: choice.confirm_org_switch == "yes",
    };
    let begun = ask(Party::Auth, ACTION, visit.peers().connections().authorize_connection(request)).await?;
    let internal =
        || Trouble::new(Reason::Internal, "Something went wrong on our side", "The address to open can't be read.");
    let url = Url::parse(&begun.authorize_url).map_err(|_| internal())?;
    if !visit.console().site.leads_to(&url) {
        return Err(Trouble::new(Reason::LoginHostNotAllowed, "This is not a Salesforce address", ""));
    }
    let state = url.query_pairs().find(|(name, _)| name == "state").map(|(_, state)| state.into_owned());
    let state = state.ok_or_else(internal)?;
    visit.session.begin(Flow::new(&state, choice.host(), &choice.start, &choice.start_date));
    visit.save().await?;
    Ok(url)
}
