//! Signing in and out. Who people are comes from the surrounding product by OpenID Connect; for a demo on this machine they say it
//! themselves.

mod development;
mod oidc;

use askama::Template;
use axum::Form;
use axum::Router;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::Deserialize;

use crate::session::{Cookie, Member, SESSION_COOKIE, Session, StoreError, Token, VISIT_COOKIE};
use crate::web::{App, ROOT, Visit, bare, page};

use oidc::{Begun, Callback, SignInError};

pub(crate) use oidc::Provider;

/// How people sign in.
#[derive(Debug)]
pub(crate) enum SignIn {
    /// They say who they are.
    Development,
    /// The surrounding product's provider says it.
    Oidc(Box<Provider>),
}

/// The routes of signing in and out.
pub(crate) fn routes() -> Router<App> {
    Router::new()
        .route("/sign-in", get(ask).post(development::sign_in))
        .route("/sign-in/provider", post(to_provider))
        .route("/sign-in/callback", get(from_provider))
        .route("/sign-out", post(sign_out))
}

/// Where to go afterwards.
#[derive(Debug, Deserialize)]
struct Way {
    #[serde(default)]
    next: String,
}

/// The page for somebody who has signed out.
#[derive(Template)]
#[template(path = "signed_out.html")]
struct SignedOutPage;

async fn ask(State(app): State<App>, headers: HeaderMap, Query(way): Query<Way>) -> Response {
    let next = own_path(&way.next);
    // A second tab keeps the first one's form good.
    let visit = Token::sent(&headers, VISIT_COOKIE).unwrap_or_else(Token::random);
    match &app.sign_in {
        SignIn::Development => development::ask(&app, visit, next).await,
        SignIn::Oidc(provider) => {
            let shown = SignInPage { csrf: visit.csrf(), next, host: provider.host() };
            let cookie = [(header::SET_COOKIE, Cookie::Set(VISIT_COOKIE, visit).header())];
            (cookie, page(StatusCode::OK, &shown)).into_response()
        }
    }
}

/// Leads to the provider; the browser is bound to this sign-in by its visit cookie.
async fn to_provider(State(app): State<App>, headers: HeaderMap, Form(way): Form<Way>) -> Response {
    let (SignIn::Oidc(provider), Some(visit)) = (&app.sign_in, Token::sent(&headers, VISIT_COOKIE)) else {
        return did_not_work(&SignInError::Unknown);
    };
    let (url, begun) = provider.begin(own_path(&way.next), Timestamp::now());
    if let Err(error) = app.sessions.begin_visit(&visit, &begun).await {
        return no_sessions(&error);
    }
    Redirect::to(url.as_str()).into_response()
}

/// Takes the browser back from the provider.
async fn from_provider(State(app): State<App>, headers: HeaderMap, Query(sent): Query<Callback>) -> Response {
    let (SignIn::Oidc(provider), Some(visit)) = (&app.sign_in, Token::sent(&headers, VISIT_COOKIE)) else {
        return did_not_work(&SignInError::Unknown);
    };
    let begun = match app.sessions.take_visit::<Begun>(&visit).await {
        Ok(Some(begun)) => begun,
        Ok(None) => return did_not_work(&SignInError::Unknown),
        Err(error) => return no_sessions(&error),
    };
    let next = begun.next.clone();
    match provider.finish(begun, sent, Timestamp::now()).await {
        Ok(member) => begin(&app, member, &next).await,
        Err(error) => did_not_work(&error),
    }
}

fn did_not_work(error: &SignInError) -> Response {
    tracing::warn!(error = %error, source = ?std::error::Error::source(error), "a sign-in did not work");
    let advice = match error {
        SignInError::Unknown => "It was not begun in this browser, or it took more than ten minutes. Sign in again.",
        SignInError::Refused(_) => "Your provider did not let you in. Sign in again, or ask who runs it.",
        SignInError::Provider(_) | SignInError::Token(_) => {
            "Your provider did not answer as it should. Sign in again in a moment; if it stays so, ask who runs it."
        }
        SignInError::Claim(_) => {
            "Your account has no Lane workspace or no role in one. Ask an admin of Lane to give you access, then sign in again."
        }
    };
    bare(StatusCode::FORBIDDEN, "Signing in did not work", advice)
}

/// The page that leads to the provider.
#[derive(Template)]
#[template(path = "sign_in.html")]
struct SignInPage<'a> {
    csrf: String,
    next: &'a str,
    host: String,
}

/// Begins a session under a new id and leads to where the person wanted to go.
async fn begin(app: &App, member: Member, next: &str) -> Response {
    let token = Token::random();
    let session = Session::new(member, Timestamp::now());
    if let Err(error) = app.sessions.save(&token, &session).await {
        return no_sessions(&error);
    }
    let cookies = [
        (header::SET_COOKIE, Cookie::Set(SESSION_COOKIE, token).header()),
        (header::SET_COOKIE, Cookie::Forget(VISIT_COOKIE).header()),
    ];
    (axum::response::AppendHeaders(cookies), Redirect::to(own_path(next))).into_response()
}

async fn sign_out(State(app): State<App>, visit: Visit) -> Response {
    if let Err(error) = app.sessions.end(visit.token()).await {
        return no_sessions(&error);
    }
    let cookie = [(header::SET_COOKIE, Cookie::Forget(SESSION_COOKIE).header())];
    (cookie, page(StatusCode::OK, &SignedOutPage)).into_response()
}

fn no_sessions(error: &StoreError) -> Response {
    tracing::warn!(error = %error, "keeping sessions");
    let title = "Lane can't tell who is signed in right now";
    bare(StatusCode::SERVICE_UNAVAILABLE, title, "Nothing was changed. Try again in a moment.")
}

/// Returns a path of this integration; whatever else was asked for, its first page.
fn own_path(path: &str) -> &str {
    let harmless = |c: char| c.is_ascii_alphanumeric() || "/-_.?=&%".contains(c);
    let is_own = path == ROOT || path.starts_with("/integrations/salesforce/");
    if is_own && !path.contains("//") && !path.contains("..") && path.chars().all(harmless) { path } else { ROOT }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_sent_elsewhere_after_signing_in() {
        for path in
            ["/integrations/salesforce", "/integrations/salesforce/runs/0197-a", "/integrations/salesforce/values/tier"]
        {
            assert_eq!(own_path(path), path);
        }
        for path in [
            "",
            "/",
            "https://evil.example",
            "//evil.example",
            "/\\evil.example",
            "/integrations/salesforce/..//evil.example",
            "/integrations/salesforce@evil.example",
            "/integrations/salesforceevil",
            "/integrations/salesforce/\r\nSet-Cookie:x",
            "javascript:alert(1)",
            "/sign-out",
        ] {
            assert_eq!(own_path(path), ROOT, "{path:?}");
        }
    }
}
