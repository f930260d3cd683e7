//! Customers and contacts: lists with search and filters, one row with who decides each field, edits by hand.
//!
//! Both kinds have the same pages; what differs is a word or a column, and stands in [`Words`].

mod call;
mod edit;
mod field;
mod list;
mod one;
mod row;
mod sent;
mod story;
mod value;
mod view;
mod wish;

use axum::extract::{Path, Query};
use axum::routing::get;
use axum::{Form, Router};
use contract::extractor::v1::SyncState;
use domain::Kind;

use crate::web::{App, ROOT, Visit};

use edit::Place;
use wish::Wish;

/// The routes of customers and contacts.
pub(crate) fn routes() -> Router<App> {
    Router::new().merge(of(Kind::Account)).merge(of(Kind::Contact))
}

fn of(kind: Kind) -> Router<App> {
    let base = words(kind).path;
    let show_list = move |visit: Visit, wish: Query<Wish>| list::show(visit, kind, wish);
    let offer_new = move |visit: Visit, place: Query<Place>| edit::offer(visit, kind, place);
    let create = move |visit: Visit, form: Form<Vec<(String, String)>>| edit::create(visit, kind, form);
    let show_one = move |visit: Visit, id: Path<String>, place: Query<one::Place>| one::show(visit, kind, id, place);
    let save =
        move |visit: Visit, id: Path<String>, form: Form<Vec<(String, String)>>| edit::save(visit, kind, id, form);
    let tell = move |visit: Visit, place: Path<(String, String)>| story::show(visit, kind, place);
    Router::new()
        .route(base, get(show_list))
        .route(&format!("{base}/new"), get(offer_new).post(create))
        .route(&format!("{base}/{{id}}"), get(show_one).post(save))
        .route(&format!("{base}/{{id}}/why/{{field}}"), get(tell))
}

/// What a kind is called, and where its pages are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Words {
    path: &'static str,
    one: &'static str,
    title: &'static str,
    many: &'static str,
    /// The tab of the mapping page.
    mapping: &'static str,
}

fn words(kind: Kind) -> Words {
    match kind {
        Kind::Account => Words {
            path: "/customers",
            one: "customer",
            title: "Customers",
            many: "customers",
            mapping: "/mapping/accounts",
        },
        Kind::Contact => {
            Words { path: "/contacts", one: "contact", title: "Contacts", many: "contacts", mapping: "/mapping/people" }
        }
    }
}

/// Returns the address of one row.
fn href(kind: Kind, id: &str) -> String {
    format!("{ROOT}{}/{id}", words(kind).path)
}

/// Why what is shown may be old, or editable; with where to go on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing {
    text: &'static str,
    path: &'static str,
    label: &'static str,
}

/// Returns what to say in a state; `None` while the sync runs.
fn standing(state: SyncState, was_connected: bool) -> Option<Standing> {
    let of = |text, path, label| Some(Standing { text, path, label });
    match state {
        SyncState::PlanRequired if was_connected => of(
            "Salesforce sync is part of Business and is paused. Everything that was synced stays, and synced fields stay locked.",
            "/plan",
            "See Business plan",
        ),
        SyncState::Disconnected => of(
            "Salesforce is disconnected. What was synced stays with its last values, and every field can be edited.",
            "/connect",
            "Connect again",
        ),
        SyncState::AuthRevoked => of(
            "Salesforce access was revoked. Nothing was deleted; values are as they were last read.",
            "/connect",
            "Reconnect",
        ),
        SyncState::FirstSync => {
            of("The first sync is running: more appear here as they come.", "", "See how far it is")
        }
        SyncState::PlanRequired
        | SyncState::NotConnected
        | SyncState::Connecting
        | SyncState::QuotaExhausted
        | SyncState::Degraded
        | SyncState::Healthy
        | SyncState::Unspecified => None,
    }
}
