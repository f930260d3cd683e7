//! The nine states, each as one page: from answers to words, without a browser.

use contract::auth::v1::{Connection, GrantState, Workspace};
use contract::common::v1::{Plan, SalesforceObject};
use contract::extractor::v1::{
    ListSyncRunsResponse, ObjectCoverage, ObjectProgress, RunPhase, SyncRun, SyncState, SyncStatus,
};
use contract::writer::v1::{Counts, ObjectCount};
use jiff::Timestamp;

use super::Answers;
use super::view::{StatusPage, view};
use crate::peers::Party;
use crate::trouble::Trouble;
use crate::web::Ground;

const NOW: i64 = 1_800_000_000;

fn wire(seconds: i64) -> Option<prost_types::Timestamp> {
    Some(prost_types::Timestamp { seconds, nanos: 0 })
}

fn connection(state: GrantState) -> Connection {
    Connection {
        state: state.into(),
        org_name: "Acme <Corp>".into(),
        connected_by: "Ada".into(),
        connect_time: wire(NOW - 86_400),
        end_time: wire(NOW - 3_600),
        ..Default::default()
    }
}

fn answers(state: SyncState, reason: &str, plan: Plan, connection: Option<Connection>) -> Answers {
    let status = SyncStatus {
        state: state.into(),
        reason: reason.into(),
        last_success_time: wire(NOW - 12),
        next_run_time: wire(NOW + 240),
        api_calls_used: 120,
        org_calls_used: Some(1_000),
        org_calls_limit: Some(10_000),
        unmapped_values: 3,
        parked_records: 2,
        ..Default::default()
    };
    let live = vec![ObjectCount { object: SalesforceObject::Account.into(), count: 12_345 }];
    Answers {
        ground: Ground {
            workspace: Ok(Workspace { plan: plan.into(), ..Default::default() }),
            connection: Ok(connection),
            status: Ok(status),
        },
        counts: Ok(Counts { live, ..Default::default() }),
        runs: Ok(ListSyncRunsResponse::default()),
    }
}

fn connected(state: SyncState, reason: &str) -> StatusPage {
    shown(&answers(state, reason, Plan::Business, Some(connection(GrantState::Active))))
}

fn shown(answers: &Answers) -> StatusPage {
    view(answers, Timestamp::from_second(NOW).unwrap())
}

fn main_action(page: &StatusPage) -> (&str, &str) {
    let action = page.actions.first().unwrap();
    (action.label, action.href.strip_prefix("/integrations/salesforce").unwrap())
}

#[test]
fn plan_required_offers_the_plan_and_no_form_that_would_fail() {
    let page = shown(&answers(SyncState::PlanRequired, "", Plan::Pro, None));
    assert_eq!(page.state, "plan_required");
    assert_eq!(page.headline, "Salesforce sync is part of Business");
    assert!(page.reason.contains("Pro"));
    assert_eq!(main_action(&page), ("See Business plan", "/plan"));
    assert!(page.explains && !page.is_live && page.quota.is_none());
}

#[test]
fn a_downgraded_workspace_reads_that_nothing_is_deleted() {
    let page = shown(&answers(SyncState::PlanRequired, "", Plan::Starter, Some(connection(GrantState::Active))));
    assert!(page.headline.starts_with("Paused"));
    assert!(page.reason.contains("nothing is deleted") && page.reason.contains("stay locked"));
    assert_eq!(page.objects[0].held, "12,345");
}

#[test]
fn not_connected_explains_and_connects() {
    let page = shown(&answers(SyncState::NotConnected, "", Plan::Business, None));
    assert_eq!((page.state, page.headline.as_str()), ("not_connected", "Not connected"));
    assert_eq!(main_action(&page), ("Connect", "/connect"));
    assert!(page.explains && page.about.is_none());
}

#[test]
fn disconnected_says_when_and_what_stays() {
    let page = shown(&answers(SyncState::Disconnected, "", Plan::Business, Some(connection(GrantState::Disconnected))));
    assert_eq!((page.state, page.headline.as_str()), ("disconnected", "Disconnected"));
    assert!(page.reason.contains("15 Jan 2027") && page.reason.contains("Customers stay"), "{}", page.reason);
    assert_eq!(main_action(&page), ("Connect again", "/connect"));
}

#[test]
fn connecting_goes_on_to_the_first_sync() {
    let page = connected(SyncState::Connecting, "");
    assert_eq!((page.state, page.headline.as_str()), ("connecting", "Finish connecting"));
    assert_eq!(main_action(&page), ("Continue", "/connect"));
}

#[test]
fn auth_revoked_says_since_when_and_that_nothing_was_deleted() {
    let page = shown(&answers(SyncState::AuthRevoked, "", Plan::Business, Some(connection(GrantState::Revoked))));
    assert_eq!((page.state, page.headline.as_str()), ("auth_revoked", "Salesforce access was revoked"));
    assert!(page.reason.contains("Nothing was deleted") && page.reason.contains("noticed on"));
    assert_eq!(main_action(&page), ("Reconnect", "/connect"));
}

fn quota_exhausted(own_calls_limit: i64) -> StatusPage {
    let connection = Some(connection(GrantState::Active));
    let mut answers = answers(SyncState::QuotaExhausted, "SALESFORCE_QUOTA_EXHAUSTED", Plan::Business, connection);
    answers.ground.status.as_mut().unwrap().own_calls_limit = Some(own_calls_limit);
    shown(&answers)
}

#[test]
fn quota_exhausted_is_a_wait_that_a_larger_share_ends() {
    let page = quota_exhausted(120);
    assert_eq!((page.state, page.tone, page.icon), ("quota_exhausted", "wait", "wait"));
    assert!(
        page.reason.starts_with("Lane used 120 of the 120 calls") && page.reason.contains("in 4 min"),
        "{}",
        page.reason
    );
    assert_eq!(main_action(&page), ("Change budget", "/settings#budget"));
    let quota = page.quota.unwrap();
    assert_eq!((quota.ours_part, quota.org_part), (12, 88));
}

#[test]
fn calls_that_others_used_up_are_told_and_no_share_is_offered_first() {
    let page = quota_exhausted(2_500);
    assert!(page.reason.starts_with("Other apps of your org used its calls up: 1,000 of 10,000"), "{}", page.reason);
    assert_eq!(main_action(&page), ("See runs", "/runs"));
    assert!(page.actions.iter().any(|action| action.label == "Change budget"));
}

#[test]
fn a_first_sync_shows_progress_and_never_a_full_bar_before_its_end() {
    let mut answers = answers(SyncState::FirstSync, "", Plan::Business, Some(connection(GrantState::Active)));
    let object = |object: SalesforceObject, written, done| ObjectProgress {
        object: object.into(),
        expected: Some(1_000),
        written,
        done,
        ..Default::default()
    };
    let objects = vec![object(SalesforceObject::Account, 1_200, false), object(SalesforceObject::Contact, 500, true)];
    let run =
        SyncRun { run_id: "r".into(), phase: RunPhase::Reading.into(), objects, api_calls: 7, ..Default::default() };
    let status = answers.ground.status.as_mut().unwrap();
    status.run = Some(run);
    status.records_per_second = 812.4;
    status.eta = Some(prost_types::Duration { seconds: 600, nanos: 0 });
    let page = shown(&answers);
    assert_eq!((page.state, page.headline.as_str()), ("first_sync", "First sync running"));
    assert_eq!(main_action(&page), ("View customers", "/customers"));
    let run = page.run.unwrap();
    assert!(run.objects[0].done < run.objects[0].about, "{:?}", run.objects);
    assert_eq!(run.objects[0].text, "1,200 of about 1,200");
    assert_eq!(run.objects[1].text, "500 done");
    assert_eq!(
        (run.rate.as_str(), run.eta.as_str(), run.calls.as_str()),
        ("812 records/s", "about 8–14 min left", "7 calls")
    );
}

#[test]
fn degraded_names_what_is_open_and_where_to_mend_it() {
    let cases = [
        ("unmapped_values", "Syncing, 3 values need mapping", "/values/status"),
        ("parked_records", "Syncing, 2 records could not be applied", "/problems"),
        ("object_paused", "Syncing, but part of it is paused", "/access"),
        ("needs_look", "Syncing, but many records vanished", "/resync"),
        ("late", "Syncing, but late", "/runs"),
    ];
    for (reason, headline, href) in cases {
        let page = connected(SyncState::Degraded, reason);
        assert_eq!((page.state, page.headline.as_str()), ("degraded", headline));
        assert_eq!(main_action(&page).1, href);
        assert_eq!(page.open[0].count, "3");
    }
}

#[test]
fn a_hidden_object_is_named_in_its_row() {
    let mut answers =
        answers(SyncState::Degraded, "object_paused", Plan::Business, Some(connection(GrantState::Active)));
    let hidden = ObjectCoverage {
        object: SalesforceObject::Lead.into(),
        paused_reason: "SALESFORCE_PERMISSION_MISSING".into(),
        ..Default::default()
    };
    answers.ground.status.as_mut().unwrap().coverage = vec![hidden];
    let page = shown(&answers);
    assert_eq!(page.objects[2].paused, "Paused: hidden from the Salesforce user");
}

#[test]
fn healthy_says_how_fresh_it_is() {
    let page = connected(SyncState::Healthy, "");
    assert_eq!((page.state, page.tone, page.headline.as_str()), ("healthy", "good", "Up to date"));
    assert_eq!(page.reason, "Last change applied 12 s ago.");
    assert_eq!(main_action(&page), ("Re-sync", "/resync"));
    let about = page.about.unwrap();
    assert_eq!((about.org.as_str(), about.by.as_str()), ("Acme <Corp>", "Ada"));
    assert_eq!(page.fresh.unwrap().next.unwrap().distance, "in 4 min");
}

#[test]
fn while_a_service_is_silent_the_page_shows_what_the_others_know() {
    let mut answers = answers(SyncState::Healthy, "", Plan::Business, Some(connection(GrantState::Active)));
    answers.ground.status = Err(Trouble::silent(Party::Extractor));
    answers.counts = Err(Trouble::silent(Party::Writer));
    let page = shown(&answers);
    assert_eq!(page.headline, "Status unknown right now");
    assert_eq!(page.about.as_ref().unwrap().org, "Acme <Corp>");
    assert_eq!(page.objects[0].held, "not known now");
    assert_eq!(answers.ground.silent().len(), 1);

    answers.ground.connection = Ok(None);
    assert_eq!(shown(&answers).state, "not_connected");
}
