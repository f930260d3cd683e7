//! The org's calls: waits that end by themselves, and nobody waits for others (cases 33 and 34).

use std::time::Duration;

use contract::error::Reason;
use contract::extractor::v1::sync_service_server::SyncService;
use contract::extractor::v1::{ApiBudget, GetApiBudgetRequest, RunPhase, SyncState, UpdateApiBudgetRequest};
use domain::Object;
use salesforce_sim::{Command, Endpoint, Fault, FaultRule, OrgSpec};
use tonic::{Request, Status};

use crate::world::{Choice, World, live_ids, sim_ids};

const ACCOUNT: &[Object] = &[Object::Account];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_33_the_guard_pauses_at_eighty_percent_and_resumes_from_the_same_cursor() {
    // Many pages: every time that the org's word is no longer believed, one more is read to ask again.
    let mut choice = Choice::seeded(10_000, 0, 0);
    choice.usage_believed_for = Duration::from_millis(250);
    let world = choice.start_idle().await;
    let mut world = world;
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 200 }));
    let near = Fault::LimitHeader { value: "api-usage=81000/100000".into() };
    world.sim.fault(FaultRule::always(Endpoint::QueryMore, near));
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    world.add_reader();
    world.status_when("quota", |status| status.state() == SyncState::QuotaExhausted).await;
    let read = world.run(&asked.run_id).await.objects[0].read;
    assert!((200..10_000).contains(&read), "{read}");
    world.sim.clear_faults();
    let run = world.ended(&asked.run_id).await;
    assert_eq!((run.phase(), run.objects[0].read), (RunPhase::Completed, 10_000));
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
    assert_ne!(world.status().await.state(), SyncState::QuotaExhausted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_33_a_missing_header_is_no_reason_to_pause() {
    let world = Choice::seeded(100, 0, 0).start().await;
    world.order(Command::LimitHeader { org: None, value: Some(String::new()) });
    world.first_load(ACCOUNT).await;
    assert_eq!(world.status().await.org_calls_limit, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn our_share_of_the_day_is_a_pause_too() {
    let mut choice = Choice::seeded(900, 0, 0);
    choice.config.orgs = vec![OrgSpec { daily_api_requests: 100, ..OrgSpec::default() }];
    choice.share_percent = 8;
    let world = choice.start().await;
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 200 }));
    world.ask(Default::default(), ACCOUNT).await.unwrap();
    let status = world.status_when("quota", |status| status.state() == SyncState::QuotaExhausted).await;
    assert_eq!(status.org_calls_limit, Some(100));
    assert!(world.sim.stats().all_api_calls() <= 8, "{}", world.sim.stats().all_api_calls());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_34_the_daily_limit_waits_long_and_the_concurrent_one_seconds() {
    // Far apart, so that none but the first is counted below.
    let probes = Duration::from_secs(4);
    let world = Choice::seeded(300, 0, 0).paced(|pace| pace.quota_probe = probes).start().await;
    world.sim.fault(FaultRule::once(Endpoint::Query, Fault::ConcurrentLimit).after(2));
    let run = world.first_load(ACCOUNT).await;
    assert_eq!(run.phase(), RunPhase::Completed);

    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::DailyLimit));
    world.sim.reset_stats();
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    world.status_when("quota", |status| status.state() == SyncState::QuotaExhausted).await;
    let refused = world.sim.requests_of(Endpoint::Query).iter().filter(|asked| asked.status == 403).count();
    assert!(refused <= 3, "the daily limit is not retried: {refused}");
    world.sim.clear_faults();
    assert_eq!(world.ended(&asked.run_id).await.phase(), RunPhase::Completed);
}

async fn change(world: &World, percent: i32, etag: &str, request_id: &str) -> Result<ApiBudget, Status> {
    let request = UpdateApiBudgetRequest {
        workspace_id: world.workspace.to_string(),
        percent,
        etag: etag.to_owned(),
        request_id: request_id.to_owned(),
        validate_only: false,
    };
    Ok(world.api.update_api_budget(Request::new(request)).await?.into_inner())
}

async fn budget(world: &World) -> ApiBudget {
    let request = GetApiBudgetRequest { workspace_id: world.workspace.to_string() };
    world.api.get_api_budget(Request::new(request)).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_larger_share_ends_the_wait_and_the_run_goes_on() {
    let mut choice = Choice::seeded(900, 0, 0).paced(|pace| pace.quota_probe = Duration::from_secs(3_600));
    choice.config.orgs = vec![OrgSpec { daily_api_requests: 100, ..OrgSpec::default() }];
    choice.share_percent = 8;
    let world = choice.start().await;
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 200 }));
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    let status = world.status_when("quota", |status| status.state() == SyncState::QuotaExhausted).await;
    assert_eq!(status.own_calls_limit, Some(8));
    assert!(status.api_calls_used >= 8, "our share is used up, not the org's calls: {}", status.api_calls_used);

    // A share that has no room either changes nothing of the wait.
    assert_eq!(change(&world, 7, "", "").await.unwrap().own_calls_limit, Some(7));
    assert_eq!(world.status().await.state(), SyncState::QuotaExhausted);
    let told = change(&world, 60, "", "").await.unwrap();
    assert_eq!((told.percent, told.default_percent, told.own_calls_limit), (60, 8, Some(60)));
    let run = world.ended(&asked.run_id).await;
    assert_eq!((run.phase(), run.objects[0].read), (RunPhase::Completed, 900));
    assert_ne!(world.status().await.state(), SyncState::QuotaExhausted);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_larger_share_does_not_end_a_wait_for_the_calls_of_others() {
    let choice = Choice::seeded(1_000, 0, 0).paced(|pace| pace.quota_probe = Duration::from_secs(3_600));
    let mut world = choice.start_idle().await;
    let near = Fault::LimitHeader { value: "api-usage=81000/100000".into() };
    world.sim.fault(FaultRule::always(Endpoint::QueryMore, near));
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 200 }));
    world.ask(Default::default(), ACCOUNT).await.unwrap();
    change(&world, 25, "", "").await.unwrap();
    world.add_reader();
    let status = world.status_when("quota", |status| status.state() == SyncState::QuotaExhausted).await;
    assert!(status.api_calls_used < status.own_calls_limit.unwrap(), "others used them");
    change(&world, 100, "", "").await.unwrap();
    let status = world.status().await;
    assert_eq!(status.state(), SyncState::QuotaExhausted);
    assert!(status.wait_until_time.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_share_has_bounds_an_etag_and_is_changed_once_per_request() {
    let world = Choice::seeded(1, 0, 0).start_idle().await;
    let reason = |status: &Status| Reason::of(status);
    for percent in [0, -1, 101, i32::MAX] {
        let refused = change(&world, percent, "", "").await.unwrap_err();
        assert_eq!(reason(&refused), Some(Reason::ApiBudgetInvalid), "{percent}");
    }
    let before = budget(&world).await;
    assert_eq!((before.percent, before.own_calls_limit), (100, None));
    let check = UpdateApiBudgetRequest {
        workspace_id: world.workspace.to_string(),
        percent: 40,
        validate_only: true,
        ..Default::default()
    };
    assert_eq!(world.api.update_api_budget(Request::new(check)).await.unwrap().into_inner().percent, 40);
    assert_eq!(budget(&world).await, before, "only checked");

    let id = uuid::Uuid::new_v4().to_string();
    let first = change(&world, 40, &before.etag, &id).await.unwrap();
    assert_eq!(change(&world, 40, &before.etag, &id).await.unwrap(), first, "the same request once more");
    let refused = change(&world, 50, &before.etag, "").await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::EtagMismatch));
    assert_eq!(change(&world, 50, &first.etag, "").await.unwrap().percent, 50);
    let unknown = GetApiBudgetRequest { workspace_id: domain::WorkspaceId::generate().to_string() };
    let refused = world.api.get_api_budget(Request::new(unknown)).await.unwrap_err();
    assert_eq!(reason(&refused), Some(Reason::ResourceNotFound));
    assert_eq!(reason(&change(&world, 50, "", "not a uuid").await.unwrap_err()), Some(Reason::ArgumentInvalid));
}
