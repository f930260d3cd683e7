//! The pages' common ground: routes, the guard in front of them, the frame around them.

mod assets;
mod frame;
mod guard;
mod headers;
mod listen;
mod names;
mod observe;
mod pace;
mod unread;
mod visit;

use std::sync::Arc;

use askama::Template;
use axum::Router;
use axum::http::StatusCode;
use axum::middleware;
use axum::response::{Html, IntoResponse, Redirect, Response};
use axum::routing::get;
use tokio_util::sync::CancellationToken;
use url::Url;

pub(crate) use assets::url_of as asset;
pub(crate) use frame::{Frame, Ground, Notice, Tab, bare};
pub(crate) use listen::serve;
pub(crate) use names::Names;
pub(crate) use pace::{Act, Pace};
pub(crate) use visit::{Outcome, Visit};

use crate::peers::Peers;
use crate::session::Sessions;
use crate::sign_in::SignIn;

/// Where the integration's pages live.
pub(crate) const ROOT: &str = "/integrations/salesforce";

/// What every handler may use.
#[derive(Debug)]
pub(crate) struct Console {
    /// The four services.
    pub(crate) peers: Peers,
    /// Who is signed in.
    pub(crate) sessions: Sessions,
    /// How people sign in.
    pub(crate) sign_in: SignIn,
    /// Where this console is, and where it sends browsers.
    pub(crate) site: Site,
    /// Who asks too much.
    pub(crate) pace: Pace,
    /// What workspaces are called.
    pub(crate) names: Names,
    /// Cancelled when the process is asked to stop: streams end.
    pub(crate) stopping: CancellationToken,
}

/// The state of every route.
pub(crate) type App = Arc<Console>;

/// Where this console is, and where it sends browsers.
#[derive(Clone, Debug)]
pub(crate) struct Site {
    /// Scheme, host and port as browsers name them.
    pub(crate) origin: String,
    /// Whether the pages come over TLS.
    pub(crate) is_secure: bool,
    /// Origins besides Salesforce's own that a form may lead to: the login host, the provider of identities.
    pub(crate) destinations: Vec<String>,
}

impl Site {
    /// Whether a browser may be sent to an address: Salesforce over https, or a configured destination.
    pub(crate) fn leads_to(&self, url: &Url) -> bool {
        let salesforce = url.scheme() == "https"
            && url.port().is_none()
            && url.host_str().is_some_and(|host| host.ends_with(".salesforce.com"));
        salesforce || self.destinations.contains(&url.origin().ascii_serialization())
    }
}

/// Returns all routes, guarded.
pub(crate) fn router(app: App) -> Router {
    let pages = Router::new()
        .route("/", get(async || Redirect::to(ROOT)))
        .merge(crate::sign_in::routes())
        .nest(ROOT, integration())
        .fallback(not_found)
        .layer(middleware::from_fn_with_state(Arc::clone(&app), guard::guard))
        .layer(middleware::from_fn_with_state(Arc::clone(&app), headers::add));
    Router::new()
        .route("/static/{hash}/{name}", get(assets::serve))
        .merge(pages)
        .layer(middleware::from_fn(observe::observe))
        .layer(middleware::from_fn(unread::close))
        .with_state(app)
}

/// The integration's own pages; each module brings its own.
fn integration() -> Router<App> {
    Router::new()
        .merge(crate::status::routes())
        .merge(crate::plan::routes())
        .merge(crate::connect::routes())
        .merge(crate::runs::routes())
        .merge(crate::resync::routes())
        .merge(crate::disconnect::routes())
        .merge(crate::access::routes())
        .merge(crate::customers::routes())
        .merge(crate::mapping::routes())
        .merge(crate::values::routes())
        .merge(crate::problems::routes())
        .merge(crate::settings::routes())
}

async fn not_found(visit: Visit) -> Response {
    visit.refuse_missing().into_response()
}

/// Renders a page.
pub(crate) fn page(status: StatusCode, template: &impl Template) -> Response {
    match template.render() {
        Ok(html) => (status, Html(html)).into_response(),
        Err(error) => {
            tracing::error!(error = %error, "rendering a page");
            (StatusCode::INTERNAL_SERVER_ERROR, "This page can't be shown. Go back and try again.").into_response()
        }
    }
}

/// Leads on after a change: POST, redirect, GET. The path may have a query.
pub(crate) fn see(path: &str, notice: Option<Notice>) -> Response {
    let joint = if path.contains('?') { '&' } else { '?' };
    match notice {
        Some(notice) => Redirect::to(&format!("{path}{joint}done={}", notice.token())).into_response(),
        None => Redirect::to(path).into_response(),
    }
}
