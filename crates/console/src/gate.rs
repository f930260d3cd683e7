//! Whether there is anything to show: a page that works on synced data says what to do first.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use contract::extractor::v1::SyncState;

use crate::web::{Frame, Ground, ROOT, page};

/// What stands before a page, and the one step that leads on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Gate {
    pub(crate) title: &'static str,
    pub(crate) text: &'static str,
    pub(crate) label: &'static str,
    pub(crate) href: String,
    /// Whether there is nothing behind it; else the page shows below it and changes nothing.
    pub(crate) is_shut: bool,
}

#[derive(Template)]
#[template(path = "gate.html")]
struct GateTemplate<'a> {
    frame: &'a Frame,
    gate: &'a Gate,
}

impl Gate {
    /// The page with nothing behind it.
    pub(crate) fn page(&self, frame: &Frame) -> Response {
        page(StatusCode::OK, &GateTemplate { frame, gate: self })
    }
}

/// Returns what stands before the pages on a ground; `None` when nothing does.
pub(crate) fn gate(ground: &Ground) -> Option<Gate> {
    let was_connected = ground.connection.as_ref().is_ok_and(Option::is_some);
    gate_of(ground.state(), was_connected)
}

fn gate_of(state: SyncState, was_connected: bool) -> Option<Gate> {
    let of = |title, text, label, path: &str, is_shut| {
        Some(Gate { title, text, label, href: format!("{ROOT}{path}"), is_shut })
    };
    match state {
        SyncState::PlanRequired if was_connected => of(
            "Paused: Salesforce sync is part of Business",
            "What was synced is shown below and stays as it is. Changes need Business.",
            "See Business plan",
            "/plan",
            false,
        ),
        SyncState::PlanRequired => of(
            "Salesforce sync is part of Business",
            "This workspace syncs nothing yet, so there is nothing to show here.",
            "See Business plan",
            "/plan",
            true,
        ),
        SyncState::NotConnected => of(
            "Salesforce is not connected",
            "Connect Salesforce first. What arrives is shown here then.",
            "Connect Salesforce",
            "/connect",
            true,
        ),
        SyncState::Disconnected => of(
            "Salesforce is disconnected",
            "What you decided is kept for 30 days. Connect the same org again to go on with it.",
            "Connect again",
            "/connect",
            true,
        ),
        SyncState::Unspecified
        | SyncState::Connecting
        | SyncState::AuthRevoked
        | SyncState::QuotaExhausted
        | SyncState::FirstSync
        | SyncState::Degraded
        | SyncState::Healthy => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shut_gate_leads_on_and_an_open_one_is_none() {
        let shut = gate_of(SyncState::NotConnected, false).unwrap();
        assert!(shut.is_shut && shut.href.ends_with("/connect"));
        assert!(gate_of(SyncState::PlanRequired, false).unwrap().is_shut);
        assert!(!gate_of(SyncState::PlanRequired, true).unwrap().is_shut, "a downgraded workspace sees its data");
        assert_eq!(gate_of(SyncState::Healthy, true), None);
    }
}
