//! Runs, status, schedule, replays, parked records.

use std::process::Stdio;
use std::time::Duration;

use contract::common::v1::SalesforceObject;
use contract::error::{Failure, Reason};
use contract::extractor::v1 as wire;
use contract::mapper::v1 as mapper;
use contract::writer::v1 as writer;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, BufReader};

use crate::program::{WORKSPACE, command, lanesync};
use crate::scripted::Scripted;

const RUN: &str = "0190a1b2-0000-7000-8000-000000000001";

fn run(phase: wire::RunPhase) -> wire::SyncRun {
    let accounts = wire::ObjectProgress {
        object: SalesforceObject::Account as i32,
        expected: Some(10),
        read: 10,
        mapped: 9,
        written: 8,
        parked: 1,
        path: "bulk".into(),
        ..wire::ObjectProgress::default()
    };
    wire::SyncRun {
        run_id: RUN.into(),
        workspace_id: WORKSPACE.into(),
        mode: 1,
        phase: phase as i32,
        objects: vec![accounts],
        api_calls: 3,
        ..wire::SyncRun::default()
    }
}

#[tokio::test]
async fn waiting_for_a_run_outlasts_a_restart_of_the_extractor_and_ends_with_the_run() {
    let services = Scripted::start().await;
    services.always("start_sync", run(wire::RunPhase::Queued));
    let mut times = 0;
    services.on("get_sync_run", move |request: wire::GetSyncRunRequest| {
        assert_eq!(request.run_id, RUN);
        times += 1;
        match times {
            1 => Ok(run(wire::RunPhase::Reading)),
            2 => Err(tonic::Status::unavailable("restarting")),
            _ => Ok(run(wire::RunPhase::Completed)),
        }
    });
    let args = ["resync", "--scope", "everything", "--object", "account", "--object", "Lead", "--wait", "--json"];
    let ended = lanesync(&services, &args).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let expected = json!({
        "id": RUN, "workspace_id": WORKSPACE, "mode": "backfill", "phase": "completed", "reason": null,
        "objects": [{
            "object": "account", "expected": 10, "read": 10, "mapped": 9, "written": 8, "parked": 1, "done": false,
            "reason": null, "path": "bulk",
        }],
        "started_at": null, "ended_at": null, "api_calls": 3,
    });
    assert_eq!(ended.json(), expected);
    let asked = services.asked::<wire::StartSyncRequest>("start_sync");
    assert_eq!((asked[0].scope, asked[0].objects.as_slice()), (2, &[1, 3][..]));
}

#[tokio::test]
async fn a_run_that_failed_is_shown_and_its_reason_is_the_exit_code() {
    let services = Scripted::start().await;
    let mut failed = run(wire::RunPhase::Failed);
    failed.reason = "SALESFORCE_QUOTA_EXHAUSTED".into();
    services.always("start_sync", failed);
    let ended = lanesync(&services, &["resync", "--wait", "--json"]).await;
    assert_eq!(ended.code, 7);
    assert_eq!(ended.json()["phase"], "failed");
}

#[tokio::test]
async fn without_wait_a_run_is_started_and_left_alone() {
    let services = Scripted::start().await;
    services.always("start_sync", run(wire::RunPhase::Queued));
    let ended = lanesync(&services, &["resync"]).await;
    assert_eq!(ended.code, 0);
    assert!(ended.out.contains("queued"), "{}", ended.out);
    let running = Failure::new(Reason::SyncAlreadyRunning, "A sync is running.").with("runId", RUN);
    services.refuse("start_sync", running);
    let ended = lanesync(&services, &["resync", "--json"]).await;
    assert_eq!((ended.code, &ended.json()["error"]["metadata"]["runId"]), (5, &json!(RUN)));
}

#[tokio::test]
async fn an_estimate_starts_nothing() {
    let services = Scripted::start().await;
    let lead =
        wire::ObjectEstimate { object: 3, records: 40_000, api_calls: 12, path: "bulk".into(), reason: String::new() };
    let duration = Some(prost_types::Duration { seconds: 9, nanos: 0 });
    services.always(
        "estimate_sync",
        wire::SyncEstimate { objects: vec![lead], api_calls: 12, duration, ..Default::default() },
    );
    let ended = lanesync(&services, &["resync", "--estimate", "--json"]).await;
    let lead = json!({"object": "lead", "records": 40_000, "api_calls": 12, "path": "bulk", "reason": null});
    let expected = json!({
        "objects": [lead], "api_calls": 12, "duration_seconds": 9, "shortest_seconds": null, "longest_seconds": null,
        "rate_measured": false,
    });
    assert_eq!(ended.json(), expected);
    assert!(services.asked::<wire::StartSyncRequest>("start_sync").is_empty());
}

#[tokio::test]
async fn runs_are_listed_shown_and_cancelled() {
    let services = Scripted::start().await;
    let page = wire::ListSyncRunsResponse { runs: vec![run(wire::RunPhase::Applying)], next_page_token: "t".into() };
    services.always("list_sync_runs", page);
    services.always("get_sync_run", run(wire::RunPhase::Applying));
    services.always("cancel_sync_run", run(wire::RunPhase::Cancelled));
    let listed = lanesync(&services, &["runs", "list", "--json"]).await.json();
    assert_eq!((&listed["runs"][0]["id"], &listed["next_page_token"]), (&json!(RUN), &json!("t")));
    assert_eq!(lanesync(&services, &["runs", "show", RUN, "--json"]).await.json()["phase"], "applying");
    let cancelled = lanesync(&services, &["runs", "cancel", RUN, "--json"]).await;
    assert_eq!((cancelled.code, &cancelled.json()["phase"]), (0, &json!("cancelled")));
    assert_eq!(lanesync(&services, &["runs", "show", "one"]).await.code, 2);
}

fn status() -> wire::SyncStatus {
    let coverage = wire::ObjectCoverage {
        object: 2,
        synced_to: Some(prost_types::Timestamp { seconds: 60, nanos: 0 }),
        ..wire::ObjectCoverage::default()
    };
    wire::SyncStatus {
        workspace_id: WORKSPACE.into(),
        state: wire::SyncState::Degraded as i32,
        reason: "unmapped_values".into(),
        run: Some(run(wire::RunPhase::Completed)),
        coverage: vec![coverage],
        org_calls_limit: Some(100_000),
        unmapped_values: 4,
        parked_records: 1,
        records_per_second: 12.5,
        ..wire::SyncStatus::default()
    }
}

#[tokio::test]
async fn the_status_is_one_document() {
    let services = Scripted::start().await;
    services.always("get_sync_status", status());
    let ended = lanesync(&services, &["status", "--json"]).await;
    let mut answer = ended.json();
    assert_eq!(answer["run"].take()["id"], RUN);
    let expected = json!({
        "workspace_id": WORKSPACE, "state": "degraded", "reason": "unmapped_values", "run": null,
        "coverage": [{
            "object": "contact", "synced_to": "1970-01-01T00:01:00Z", "covered_from": null,
            "unstamped_fields_as_of": null, "paused_reason": null,
        }],
        "last_success_at": null, "next_run_at": null, "api_calls_used": 0, "org_calls_used": null,
        "org_calls_limit": 100_000, "unmapped_values": 4, "parked_records": 1, "not_visible_records": 0,
        "records_per_second": 12.5, "eta_seconds": null, "state_since": null, "reasons": [], "plan": null,
        "connected": false, "last_change_at": null, "last_day": null, "wait_until": null, "poll_interval_seconds": null,
        "own_calls_limit": null,
    });
    assert_eq!(answer, expected);
}

#[tokio::test]
async fn watching_writes_a_line_per_change_and_outlasts_a_broken_stream() {
    let services = Scripted::start().await;
    let mut unmapped_values = 9;
    services.on("watch_sync_status", move |_: wire::WatchSyncStatusRequest| {
        unmapped_values -= 1;
        Ok(wire::SyncStatus { unmapped_values, ..status() })
    });
    let mut program = command(services.url(), &["status", "--watch", "--json"]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(program.stdout.take().unwrap()).lines();
    for expected in [8, 7] {
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await.expect("a line").unwrap();
        let state: Value = serde_json::from_str(&line.unwrap()).unwrap();
        assert_eq!(state["unmapped_values"], expected);
    }
    program.kill().await.unwrap();
}

#[tokio::test]
async fn the_schedule_is_a_duration() {
    let services = Scripted::start().await;
    services.on("update_schedule", |request: wire::UpdateScheduleRequest| {
        Ok(wire::Schedule { workspace_id: request.workspace_id, poll_interval: request.poll_interval })
    });
    let ended = lanesync(&services, &["schedule", "10m", "--json"]).await;
    assert_eq!(ended.json(), json!({"workspace_id": WORKSPACE, "poll_interval_seconds": 600}));
    assert_eq!(lanesync(&services, &["schedule", "soon"]).await.code, 2);
}

#[tokio::test]
async fn a_budget_is_shown_changed_and_only_checked() {
    let services = Scripted::start().await;
    let told = |percent| wire::ApiBudget {
        workspace_id: WORKSPACE.into(),
        percent,
        default_percent: 25,
        own_calls_used: 120,
        own_calls_limit: Some(2_500),
        etag: "19".into(),
        ..wire::ApiBudget::default()
    };
    services.always("get_api_budget", told(25));
    services.on("update_api_budget", move |request: wire::UpdateApiBudgetRequest| {
        assert!(!request.request_id.is_empty());
        Ok(told(request.percent))
    });
    let shown = lanesync(&services, &["budget", "--json"]).await.json();
    let expected = json!({
        "workspace_id": WORKSPACE, "percent": 25, "default_percent": 25, "own_calls_used": 120, "own_calls_limit": 2500,
        "org_calls_used": null, "org_calls_limit": null, "etag": "19",
    });
    assert_eq!(shown, expected);
    let changed = lanesync(&services, &["budget", "40", "--preview", "--etag", "19"]).await;
    assert!(changed.out.contains("40 % of the org's daily calls"), "{}", changed.out);
    let asked = services.asked::<wire::UpdateApiBudgetRequest>("update_api_budget");
    assert_eq!((asked[0].percent, asked[0].validate_only, asked[0].etag.as_str()), (40, true, "19"));
    services.refuse("update_api_budget", Failure::new(Reason::ApiBudgetInvalid, "The share is out of range."));
    assert_eq!(lanesync(&services, &["budget", "101"]).await.code, 2);
}

#[tokio::test]
async fn waiting_for_a_run_ends_when_a_person_must_connect_again() {
    let services = Scripted::start().await;
    services.always("start_sync", run(wire::RunPhase::Queued));
    let mut refused = run(wire::RunPhase::Reading);
    refused.reason = "SALESFORCE_AUTH_REVOKED".into();
    services.always("get_sync_run", refused);
    let ended = lanesync(&services, &["resync", "--wait", "--json"]).await;
    assert_eq!((ended.code, &ended.json()["reason"]), (4, &json!("SALESFORCE_AUTH_REVOKED")));
    assert!(ended.err.contains("lanesync connect"), "{}", ended.err);
}

#[tokio::test]
async fn waiting_for_a_replay_ends_when_it_is_done() {
    let services = Scripted::start().await;
    let in_hand = mapper::Replay { run_id: RUN.into(), mapping_version: 3, expected: 5, ..mapper::Replay::default() };
    let done = mapper::Replay { mapped: 5, done: true, ..in_hand.clone() };
    services.always("start_replay", in_hand);
    services.always("get_replay", done);
    let ended = lanesync(&services, &["replay", "--wait", "--json"]).await;
    assert_eq!(ended.code, 0);
    let answer = ended.json();
    assert_eq!((&answer["done"], &answer["mapped"], &answer["mapping_version"]), (&json!(true), &json!(5), &json!(3)));
}

fn parked(object: SalesforceObject, id: &str) -> writer::ParkedRecord {
    writer::ParkedRecord {
        object: object as i32,
        id: id.into(),
        code: "number_out_of_range".into(),
        field: "AnnualRevenue".into(),
        ..writer::ParkedRecord::default()
    }
}

#[tokio::test]
async fn parked_records_are_listed_with_their_reason() {
    let services = Scripted::start().await;
    let records = vec![parked(SalesforceObject::Account, "001000000000001AAA")];
    services.always("list_parked_records", writer::ListParkedRecordsResponse { records, ..Default::default() });
    let record = json!({
        "object": "account", "id": "001000000000001AAA", "code": "number_out_of_range", "field": "AnnualRevenue",
        "parked_at": null, "requeued_at": null, "url": null, "run_id": null, "name": null,
    });
    let ended = lanesync(&services, &["parked", "list", "--json"]).await;
    assert_eq!(ended.json(), json!({"records": [record], "next_page_token": null}));
}

#[tokio::test]
async fn requeued_records_are_marked_and_then_read_again_per_object() {
    let services = Scripted::start().await;
    let records = vec![
        parked(SalesforceObject::Account, "001000000000001AAA"),
        parked(SalesforceObject::Lead, "00Q000000000001EAA"),
        parked(SalesforceObject::Lead, ""),
    ];
    services.always("requeue_parked_records", writer::RequeueParkedRecordsResponse { records });
    services.always("refetch_records", run(wire::RunPhase::Queued));
    let ended = lanesync(&services, &["parked", "requeue", "--json"]).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert_eq!(ended.json()["runs"].as_array().unwrap().len(), 2);
    let asked = services.asked::<wire::RefetchRecordsRequest>("refetch_records");
    let asked: Vec<_> = asked.iter().map(|request| (request.object, request.ids.clone())).collect();
    assert_eq!(asked, [(1, vec!["001000000000001AAA".to_owned()]), (3, vec!["00Q000000000001EAA".to_owned()])]);
}
