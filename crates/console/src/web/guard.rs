//! The guard in front of every page: who asks, how often, and whether a change really comes from one of our own forms.
//!
//! It sits around the whole router, so a handler can't forget it (S26, S27, S31, S32, S34).

use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;

use super::frame::bare;
use super::pace::Act;
use super::visit::Known;
use super::{App, ROOT};
use crate::session::{SESSION_COOKIE, Token, VISIT_COOKIE};

/// Largest form (S26).
const MAX_BODY_BYTES: usize = 64 * 1024;

/// Why a request goes no further.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stop {
    /// Neither GET nor a form.
    Method,
    /// The form comes from another site, or from nowhere.
    Origin,
    /// The body is no form of ours.
    Body,
    /// The body is too large.
    TooLarge,
    /// The form was made for another session, or for none.
    Csrf,
    /// A member wants to change something.
    Role,
    /// Too often.
    Pace {
        /// Seconds to wait.
        seconds: u64,
    },
    /// Sessions can't be asked for.
    Sessions,
}

/// Lets a request through, with who asks.
pub(super) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    match admit(&app, request).await {
        Ok(request) => next.run(request).await,
        Err(stop) => refuse(stop),
    }
}

async fn admit(app: &App, mut request: Request) -> Result<Request, Stop> {
    let changes = match *request.method() {
        Method::GET | Method::HEAD => false,
        Method::POST => true,
        _ => return Err(Stop::Method),
    };
    let now = Timestamp::now();
    let path = request.uri().path().to_owned();
    let token = Token::sent(request.headers(), SESSION_COOKIE);
    let known = match &token {
        Some(token) => app.sessions.find(token, now).await.map_err(|error| {
            tracing::warn!(error = %error, "asking for a session");
            Stop::Sessions
        })?,
        None => None,
    };
    let is_sign_in = path.starts_with("/sign-in");
    let proof = if is_sign_in { Token::sent(request.headers(), VISIT_COOKIE) } else { token.clone() };
    // Who is not signed in sees only the sign-in; shared between all of them, a pace would let one lock out the rest.
    let act = match (changes, is_sign_in, known.is_some()) {
        (true, true, _) => Some(Act::SignIn),
        (true, false, _) => Some(Act::Change),
        (false, _, true) => Some(Act::Look),
        (false, _, false) => None,
    };
    if let (Some(act), Some(proof)) = (act, proof.as_ref()) {
        app.pace.count(act, &proof.hash()).map_err(|wait| Stop::Pace { seconds: wait.as_secs() + 1 })?;
    }
    if changes {
        if request.headers().get(header::ORIGIN).map(|origin| origin.as_bytes()) != Some(app.site.origin.as_bytes()) {
            return Err(Stop::Origin);
        }
        let is_admin = known.as_ref().is_some_and(|session| session.member.is_admin());
        request = with_checked_form(request, proof.as_ref()).await?;
        if path.starts_with(ROOT) && known.is_some() && !is_admin {
            return Err(Stop::Role);
        }
    }
    if let (Some(token), Some(session)) = (token, known) {
        request.extensions_mut().insert(Known { token, session });
    }
    Ok(request)
}

/// Reads the form once, compares its token, and hands it on whole.
async fn with_checked_form(request: Request, proof: Option<&Token>) -> Result<Request, Stop> {
    let (parts, body) = request.into_parts();
    if !is_form(&parts.headers) {
        return Err(Stop::Body);
    }
    if body_size(&parts.headers).is_some_and(|size| size > MAX_BODY_BYTES) {
        return Err(Stop::TooLarge);
    }
    let bytes = to_bytes(body, MAX_BODY_BYTES).await.map_err(|_| Stop::TooLarge)?;
    let sent = url::form_urlencoded::parse(&bytes).find(|(name, _)| name == "csrf").map(|(_, value)| value);
    let vouched = proof.zip(sent).is_some_and(|(token, sent)| token.vouches_for(&sent));
    if !vouched {
        return Err(Stop::Csrf);
    }
    Ok(Request::from_parts(parts, Body::from(bytes)))
}

fn is_form(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    kind.split(';').next().is_some_and(|kind| kind.trim() == "application/x-www-form-urlencoded")
}

fn body_size(headers: &HeaderMap) -> Option<usize> {
    headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn refuse(stop: Stop) -> Response {
    let (status, title, advice) = match stop {
        Stop::Method => (StatusCode::METHOD_NOT_ALLOWED, "This is not how this page works", "Open it by its link."),
        Stop::Origin => (
            StatusCode::FORBIDDEN,
            "This did not come from Lane",
            "Nothing was changed. Open the page in Lane and press the button there.",
        ),
        Stop::Body => (
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "This is not a form of Lane",
            "Nothing was changed. Open the page in Lane and use the form there.",
        ),
        Stop::TooLarge => (
            StatusCode::PAYLOAD_TOO_LARGE,
            "This is too much at once",
            "Nothing was changed. Send less in one go: a form may hold 64 kB.",
        ),
        Stop::Csrf => (
            StatusCode::FORBIDDEN,
            "This form is out of date",
            "Nothing was changed. You may have signed in again meanwhile. Go back, reload the page and repeat.",
        ),
        Stop::Role => (
            StatusCode::FORBIDDEN,
            "Only admins can change this",
            "Nothing was changed. Ask an admin of this workspace to do it.",
        ),
        Stop::Pace { .. } => (StatusCode::TOO_MANY_REQUESTS, "Too much at once", "Wait a minute, then repeat."),
        Stop::Sessions => (
            StatusCode::SERVICE_UNAVAILABLE,
            "Lane can't tell who is signed in right now",
            "Nothing was changed. Try again in a moment.",
        ),
    };
    let mut response = bare(status, title, advice).into_response();
    if let Stop::Pace { seconds } = stop {
        response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
    }
    response
}
