//! One request of somebody who is signed in: what handlers take, and how they refuse.

use std::sync::Arc;

use axum::extract::{FromRequestParts, OriginalUri};
use axum::http::request::Parts;
use axum::response::{IntoResponse, Redirect, Response};
use contract::error::Reason;
use jiff::Timestamp;

use super::frame::{Frame, Notice, TroublePage};
use super::{App, Console, page};
use crate::peers::Peers;
use crate::session::{Member, Session, Token};
use crate::trouble::Trouble;

/// Who the guard found.
#[derive(Clone, Debug)]
pub(super) struct Known {
    pub(super) token: Token,
    pub(super) session: Session,
}

/// A request of somebody who is signed in. Whoever is not is led to the sign-in instead.
#[derive(Clone, Debug)]
pub(crate) struct Visit {
    app: App,
    token: Token,
    /// Their session.
    pub(crate) session: Session,
    /// When the request came.
    pub(crate) now: Timestamp,
    /// What the last change did.
    pub(crate) notice: Option<Notice>,
}

/// What a handler answers.
pub(crate) type Outcome = Result<Response, Refusal>;

/// A page that says why not.
#[derive(Debug)]
pub(crate) struct Refusal(Box<Response>);

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        *self.0
    }
}

impl Visit {
    /// The four services.
    pub(crate) fn peers(&self) -> &Peers {
        &self.app.peers
    }

    /// Everything that handlers share.
    pub(crate) fn console(&self) -> &Console {
        &self.app
    }

    /// Who asks.
    pub(crate) fn member(&self) -> &Member {
        &self.session.member
    }

    /// The workspace, as the contracts write it.
    pub(crate) fn workspace(&self) -> String {
        self.session.member.workspace()
    }

    /// What every form of this session carries.
    pub(crate) fn csrf(&self) -> String {
        self.token.csrf()
    }

    /// The cookie's secret, for storing or ending the session.
    pub(crate) fn token(&self) -> &Token {
        &self.token
    }

    /// Stores what changed in the session.
    ///
    /// # Errors
    /// The bucket does not answer.
    pub(crate) async fn save(&self) -> Result<(), Trouble> {
        self.app.sessions.save(&self.token, &self.session).await.map_err(|error| {
            tracing::warn!(error = %error, "keeping a session");
            let title = "Lane can't remember this right now";
            Trouble::new(Reason::DependencyUnavailable, title, "Nothing was changed.").advise("Try again in a moment.")
        })
    }

    /// Returns the page that tells a trouble, in the frame of the integration.
    pub(crate) fn refuse(&self, trouble: &Trouble) -> Refusal {
        let frame = Frame::plain(self, &trouble.title);
        let mut response = page(trouble.status(), &TroublePage { frame: &frame, trouble });
        if let Some(delay) = trouble.retry_after {
            response.headers_mut().insert(axum::http::header::RETRY_AFTER, (delay.as_secs() + 1).into());
        }
        Refusal(Box::new(response))
    }

    /// Returns the page for an address that leads nowhere.
    pub(crate) fn refuse_missing(&self) -> Refusal {
        let trouble = Trouble::new(Reason::ResourceNotFound, "There is no such page", "")
            .advise("It may have moved, or the address is not complete.");
        self.refuse(&trouble)
    }
}

impl FromRequestParts<App> for Visit {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let Some(Known { token, session }) = parts.extensions.get::<Known>().cloned() else {
            // A nested router shortens the address; the person comes back to the whole one.
            let whole = parts.extensions.get::<OriginalUri>().map_or(&parts.uri, |original| &original.0);
            return Err(sign_in_first(whole.path()));
        };
        let query = parts.uri.query().unwrap_or_default().as_bytes();
        let done = url::form_urlencoded::parse(query).find(|(name, _)| name == "done");
        let notice = done.and_then(|(_, token)| Notice::from_token(&token));
        Ok(Self { app: Arc::clone(app), token, session, now: Timestamp::now(), notice })
    }
}

fn sign_in_first(path: &str) -> Response {
    let next = url::form_urlencoded::Serializer::new(String::new()).append_pair("next", path).finish();
    Redirect::to(&format!("/sign-in?{next}")).into_response()
}
