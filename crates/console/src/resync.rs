//! Re-sync: what it would cost, then one of three ways; the one that asks Salesforce nothing comes first.

use askama::Template;
use axum::http::StatusCode;
use axum::response::Response;
use axum::routing::get;
use axum::{Form, Router};
use contract::common::v1::SalesforceObject;
use contract::error::Reason;
use contract::extractor::v1::{EstimateSyncRequest, RunPhase, StartSyncRequest, SyncRun, SyncScope, SyncState};
use contract::mapper::v1::StartReplayRequest;
use serde::Deserialize;

use crate::estimate::{Estimated, EstimatesTemplate};
use crate::peers::{ACTION, Party, ask};
use crate::trouble::Trouble;
use crate::web::{App, Frame, Ground, Notice, Outcome, ROOT, Visit, page, see};

/// The routes of re-syncing.
pub(crate) fn routes() -> Router<App> {
    Router::new().route("/resync", get(show).post(start)).route("/resync/estimate", get(estimate))
}

/// What the person chose.
#[derive(Clone, Debug, Deserialize)]
struct Choice {
    /// "replay", "changes" or "everything".
    #[serde(default)]
    scope: String,
    /// "all", "account", "contact" or "lead".
    #[serde(default)]
    object: String,
    /// Made with the form: pressing twice starts once.
    #[serde(default)]
    request_id: String,
}

impl Choice {
    fn first() -> Self {
        Self { scope: "changes".into(), object: "all".into(), request_id: String::new() }
    }

    fn objects(&self) -> Vec<i32> {
        match self.object.as_str() {
            "account" => vec![SalesforceObject::Account.into()],
            "contact" => vec![SalesforceObject::Contact.into()],
            "lead" => vec![SalesforceObject::Lead.into()],
            _ => Vec::new(),
        }
    }
}

#[derive(Template)]
#[template(path = "resync.html")]
struct ResyncTemplate<'a> {
    frame: &'a Frame,
    choice: &'a Choice,
    trouble: Option<&'a Trouble>,
    /// Why nothing can be started now; empty when it can.
    why_not: String,
    /// The run in hand; empty when there is none.
    running: String,
}

async fn show(visit: Visit) -> Outcome {
    let ground = Ground::of(&visit).await;
    Ok(form(&visit, &ground, StatusCode::OK, &Choice::first(), None))
}

fn form(visit: &Visit, ground: &Ground, status: StatusCode, choice: &Choice, trouble: Option<&Trouble>) -> Response {
    let frame = Frame::new(visit, ground, None, "Re-sync");
    let running = running(ground.status.as_ref().ok().and_then(|status| status.run.as_ref()));
    let template =
        ResyncTemplate { frame: &frame, choice, trouble, why_not: why_not(ground.state(), &running), running };
    page(status, &template)
}

/// Returns the id of the run in hand; empty when there is none.
fn running(run: Option<&SyncRun>) -> String {
    let in_hand = |run: &&SyncRun| matches!(run.phase(), RunPhase::Queued | RunPhase::Reading | RunPhase::Applying);
    run.filter(in_hand).map(|run| run.run_id.clone()).unwrap_or_default()
}

/// Says why nothing can be started in a state; empty when it can.
fn why_not(state: SyncState, running: &str) -> String {
    let why = match state {
        SyncState::PlanRequired => "Salesforce sync is part of Business.",
        SyncState::NotConnected | SyncState::Disconnected => "Salesforce is not connected.",
        SyncState::Connecting => "Start the first sync instead.",
        SyncState::AuthRevoked => "Salesforce refused our access. Reconnect first.",
        SyncState::QuotaExhausted => {
            "The Salesforce API limit is used up. The sync goes on by itself when calls are free again."
        }
        SyncState::FirstSync => "The first sync is still running.",
        SyncState::Degraded | SyncState::Healthy | SyncState::Unspecified if !running.is_empty() => {
            "A sync is running. Wait for its end, or cancel it."
        }
        SyncState::Degraded | SyncState::Healthy | SyncState::Unspecified => "",
    };
    why.to_owned()
}

async fn start(visit: Visit, Form(choice): Form<Choice>) -> Outcome {
    let started =
        match choice.scope.as_str() {
            "replay" => replay(&visit).await,
            "changes" => run(&visit, &choice, SyncScope::Changes).await,
            "everything" => run(&visit, &choice, SyncScope::Everything).await,
            _ => Err(Trouble::new(Reason::ArgumentInvalid, "Choose what to sync", "")
                .advise("Choose one of the three ways.")),
        };
    match started {
        Ok((path, notice)) => Ok(see(&path, Some(notice))),
        Err(trouble) => {
            let ground = Ground::of(&visit).await;
            Ok(form(&visit, &ground, trouble.status(), &choice, Some(&trouble)))
        }
    }
}

async fn replay(visit: &Visit) -> Result<(String, Notice), Trouble> {
    let request = StartReplayRequest { workspace_id: visit.workspace(), ..Default::default() };
    ask(Party::Mapper, ACTION, visit.peers().mappings().start_replay(request)).await?;
    Ok((ROOT.to_owned(), Notice::ReplayStarted))
}

async fn run(visit: &Visit, choice: &Choice, scope: SyncScope) -> Result<(String, Notice), Trouble> {
    let request = StartSyncRequest {
        workspace_id: visit.workspace(),
        scope: scope.into(),
        objects: choice.objects(),
        request_id: choice.request_id.clone(),
        validate_only: false,
    };
    let run = ask(Party::Extractor, ACTION, visit.peers().syncs().start_sync(request)).await?;
    Ok((format!("{ROOT}/runs/{}", run.run_id), Notice::SyncStarted))
}

/// Counts what each way would read.
async fn estimate(visit: Visit) -> Outcome {
    let of = |token, label, scope: SyncScope| {
        let request = EstimateSyncRequest { scope: scope.into(), ..Default::default() };
        Estimated::of(&visit, token, label, request)
    };
    let (changes, everything) = tokio::join!(
        of("changes", "What changed since the last sync", SyncScope::Changes),
        of("everything", "Everything since the start date", SyncScope::Everything)
    );
    let frame = Frame::plain(&visit, "What a re-sync costs");
    let estimates = vec![changes, everything];
    let template =
        EstimatesTemplate { frame: &frame, estimates, choice: "Way", form: "/resync", back: "Back to re-sync" };
    Ok(page(StatusCode::OK, &template))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_way_that_would_be_refused_is_not_offered() {
        assert_eq!(why_not(SyncState::Healthy, ""), "");
        assert!(why_not(SyncState::Healthy, "r1").contains("running"));
        assert!(why_not(SyncState::QuotaExhausted, "").contains("limit"));
        assert!(why_not(SyncState::FirstSync, "r1").contains("first sync"));
        let run = |phase: RunPhase| SyncRun { run_id: "r1".into(), phase: phase.into(), ..Default::default() };
        assert_eq!(running(Some(&run(RunPhase::Applying))), "r1");
        assert_eq!(running(Some(&run(RunPhase::Completed))), "");
    }
}
