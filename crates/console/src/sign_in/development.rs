//! Signing in by saying who one is: for a demo on this machine. The config refuses it for any other address.

use askama::Template;
use axum::Form;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use contract::auth::v1::{ListWorkspacesRequest, Workspace};
use serde::Deserialize;

use super::{SignIn, begin, own_path};
use crate::peers::{PAGE, Party, ask as ask_peer};
use crate::session::{Cookie, Member, Role, Token, VISIT_COOKIE};
use crate::web::{App, bare, page};
use crate::words;

#[derive(Template)]
#[template(path = "sign_in_development.html")]
struct SignInPage<'a> {
    csrf: String,
    next: &'a str,
    workspaces: Vec<Choice>,
    name: &'a str,
    role: &'a str,
    problem: &'a str,
}

struct Choice {
    id: String,
    label: String,
}

/// What the person says.
#[derive(Debug, Deserialize)]
pub(super) struct Said {
    #[serde(default)]
    workspace: String,
    #[serde(default)]
    name: String,
    #[serde(default)]
    role: String,
    #[serde(default)]
    next: String,
}

/// What the form shows besides the workspaces.
struct Shown<'a> {
    next: &'a str,
    name: &'a str,
    role: &'a str,
    problem: &'a str,
}

/// Asks who the person is.
pub(super) async fn ask(app: &App, visit: Token, next: &str) -> Response {
    show(app, StatusCode::OK, visit, Shown { next, name: "", role: "admin", problem: "" }).await
}

async fn show(app: &App, status: StatusCode, visit: Token, shown: Shown<'_>) -> Response {
    let request = ListWorkspacesRequest { page_size: 1000, ..Default::default() };
    let workspaces = match ask_peer(Party::Auth, PAGE, app.peers.workspaces().list_workspaces(request)).await {
        Ok(listed) => listed.workspaces,
        Err(trouble) => return bare(trouble.status(), &trouble.title, &trouble.remedy),
    };
    let choice = |workspace: &Workspace| Choice {
        id: workspace.id.clone(),
        label: format!("{} ({})", workspace.display_name, words::plan(workspace.plan())),
    };
    let workspaces = workspaces.iter().rev().map(choice).collect();
    let Shown { next, name, role, problem } = shown;
    let shown = page(status, &SignInPage { csrf: visit.csrf(), next, workspaces, name, role, problem });
    ([(header::SET_COOKIE, Cookie::Set(VISIT_COOKIE, visit).header())], shown).into_response()
}

/// Believes it.
pub(super) async fn sign_in(State(app): State<App>, Form(said): Form<Said>) -> Response {
    if !matches!(app.sign_in, SignIn::Development) {
        return bare(StatusCode::NOT_FOUND, "There is no such page", "Sign in at your provider.");
    }
    let next = own_path(&said.next);
    let role = Role::of_claim(&said.role);
    let name = said.name.trim();
    let member = role.filter(|_| !name.is_empty()).map(|role| Member::new(name, name, role, &said.workspace));
    let problem = match member {
        Some(Ok(member)) => return begin(&app, member, next).await,
        Some(Err(_)) => "Choose a workspace.",
        None => "Enter your name.",
    };
    let shown = Shown { next, name, role: &said.role, problem };
    show(&app, StatusCode::UNPROCESSABLE_ENTITY, Token::random(), shown).await
}
