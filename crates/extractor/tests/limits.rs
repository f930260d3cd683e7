//! The org's calls: waits that end by themselves, and nobody waits for others (cases 33 and 34).

use std::time::Duration;

use contract::extractor::v1::{RunPhase, SyncState};
use domain::Object;
use salesforce_sim::{Command, Endpoint, Fault, FaultRule, OrgSpec};

use crate::world::{Choice, live_ids, sim_ids};

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
