//! The protocol under crashes, fences, epochs and pressure (rules 6, 12, 16, 17; guarantees G1, G4, G9).

use std::time::Duration;

use contract::common::v1::Plan;
use contract::extractor::v1::{RunPhase, SyncScope, SyncState};
use domain::Object;
use salesforce_sim::{Endpoint, Fault, FaultRule};
use serde_json::json;

use crate::world::{Choice, LIMIT, live_ids, sim_ids};

const ACCOUNT: &[Object] = &[Object::Account];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_06_message_ids_name_run_page_chunk_and_read() {
    let world = Choice::seeded(450, 0, 0).start().await;
    let run = world.first_load(ACCOUNT).await;
    let mut references: Vec<_> = world.lane.batches().iter().map(|batch| batch.r#ref.clone().unwrap()).collect();
    references.sort_by_key(|reference| (reference.page, reference.chunk));
    let places: Vec<_> = references.iter().map(|reference| (reference.page, reference.chunk)).collect();
    assert_eq!(places, [(0, 0), (0, 1), (0, 2)]);
    assert!(references.iter().all(|reference| reference.run_id == run.run_id && reference.epoch == 1));
    let manifest: Vec<(i32, i32, i64, i32, bool)> =
        sqlx::query_as("select page, chunk, read_seq, records, applied from extractor.manifest order by page, chunk")
            .fetch_all(&world.admin().await)
            .await
            .unwrap();
    let sizes: Vec<_> = manifest.iter().map(|(_, _, _, records, applied)| (*records, *applied)).collect();
    assert_eq!(sizes, [(200, true), (200, true), (50, true)]);
    assert!(manifest.iter().zip(&references).all(|(row, reference)| row.2 == reference.read_seq));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_publish_and_commit_reads_the_page_again_under_a_new_number() {
    let choice = Choice::seeded(400, 0, 0);
    let pace = choice.pace.clone();
    let mut world = choice.start_idle().await;
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    let admin = world.admin().await;
    world.sim.fault(FaultRule::once(Endpoint::Query, Fault::Delay { ms: 4_000 }).on_object("Account").after(1));
    world.add_reader();
    testkit::eventually_true(LIMIT, "the page to be asked for", || async {
        world.run(&asked.run_id).await.objects[0].expected.is_some()
    })
    .await;
    // The books can't take the page: its chunks are published, its manifest is not.
    let mut lock = admin.begin().await.unwrap();
    sqlx::query("lock table extractor.manifest in access exclusive mode").execute(&mut *lock).await.unwrap();
    testkit::eventually_true(LIMIT, "chunks without books", || async { world.lane.arrived() >= 400 }).await;
    world.kill_readers().await;
    lock.rollback().await.unwrap();
    assert_eq!(world.run(&asked.run_id).await.objects[0].read, 0, "none of it is in the books");
    world.restart_reader(pace);
    let run = world.ended(&asked.run_id).await;
    assert_eq!((run.phase(), run.objects[0].read, run.objects[0].written), (RunPhase::Completed, 400, 400));
    assert_eq!(world.lane.arrived(), 800);
    let seqs: std::collections::BTreeSet<i64> =
        world.lane.batches().iter().map(|batch| batch.r#ref.as_ref().unwrap().read_seq).collect();
    assert_eq!(seqs.len(), 2, "the second attempt has a number of its own");
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reader_that_lost_its_lease_writes_nothing_more() {
    let mut world = Choice::seeded(400, 0, 0).start_idle().await;
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    world.sim.fault(FaultRule::once(Endpoint::Query, Fault::Delay { ms: 1_500 }).on_object("Account").after(1));
    let admin = world.admin().await;
    world.add_reader();
    let number_taken = || async {
        sqlx::query_scalar::<_, bool>("select is_called from extractor.read_seq").fetch_one(&admin).await.unwrap()
    };
    testkit::eventually_true(LIMIT, "the page to be asked for", number_taken).await;
    // Somebody else takes the lease while the page is on its way, and never shows a sign of life.
    sqlx::query("update extractor.workspace set fence = fence + 1, reader_until = now(), due_at = now()")
        .execute(&admin)
        .await
        .unwrap();
    let lost: i64 = sqlx::query_scalar("select last_value from extractor.read_seq").fetch_one(&admin).await.unwrap();
    let run = world.ended(&asked.run_id).await;
    assert_eq!((run.phase(), run.objects[0].read), (RunPhase::Completed, 400));
    let entered: Vec<i64> =
        sqlx::query_scalar("select read_seq from extractor.manifest").fetch_all(&admin).await.unwrap();
    assert!(entered.len() == 2 && entered.iter().all(|read_seq| *read_seq > lost), "{entered:?} after {lost}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_read_every_record_once() {
    let choice = Choice::seeded(3_000, 1_000, 500).paced(|pace| pace.quantum = 1);
    let pace = choice.pace.clone();
    let mut world = choice.start_idle().await;
    world.add_reader();
    world.restart_reader(pace);
    let run = world.first_load(&[]).await;
    assert_eq!(run.objects.iter().map(|object| object.read).sum::<i64>(), 4_500);
    assert_eq!(world.lane.arrived(), 4_500);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_16_a_newer_epoch_cancels_the_run_and_begins_anew() {
    let world = Choice::seeded(300, 0, 0).start().await;
    world.lane.hold_back(true);
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    testkit::eventually_true(LIMIT, "a page", || async { world.run(&asked.run_id).await.objects[0].read > 0 }).await;
    world.tell(2, |state| (state.epoch, state.connected) = (2, false)).await;
    assert_eq!(world.ended(&asked.run_id).await.phase(), RunPhase::Cancelled);
    assert_eq!(world.ask(SyncScope::Changes, ACCOUNT).await.unwrap_err().code(), tonic::Code::FailedPrecondition);
    world.lane.hold_back(false);
    world.tell(3, |state| (state.epoch, state.connected) = (3, true)).await;
    let loaded = || async {
        world
            .lane
            .batches()
            .iter()
            .filter(|batch| batch.r#ref.as_ref().unwrap().epoch == 3)
            .map(|batch| batch.records.len())
            .sum::<usize>()
            == 300
    };
    testkit::eventually_true(LIMIT, "a full compare after the reconnect", loaded).await;
    // An older word changes nothing.
    world.tell(1, |state| state.plan = Plan::Starter.into()).await;
    assert_ne!(world.status().await.state(), SyncState::PlanRequired);
    world.peered.set_epoch(3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_17_a_downgrade_pauses_reads_and_an_upgrade_compares_everything() {
    let world = Choice::seeded(100, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    world.tell(2, |state| state.plan = Plan::Pro.into()).await;
    assert_eq!(world.status().await.state(), SyncState::PlanRequired);
    let refused = world.ask(SyncScope::Changes, ACCOUNT).await.unwrap_err();
    assert_eq!(contract::error::Reason::of(&refused), Some(contract::error::Reason::PlanRequired));
    let (arrived, calls) = (world.lane.arrived(), world.sim.stats().all_api_calls());
    world.sim.create("Account", json!({ "Name": "meanwhile" })).unwrap();
    sqlx::query("update extractor.workspace set due_at = now(), next_poll_at = now()")
        .execute(&world.admin().await)
        .await
        .unwrap();
    testkit::eventually_true(LIMIT, "the turn to be over", || async {
        sqlx::query_scalar::<_, bool>("select due_at > now() and reader is null from extractor.workspace")
            .fetch_one(&world.pool)
            .await
            .unwrap()
    })
    .await;
    assert_eq!((world.lane.arrived(), world.sim.stats().all_api_calls()), (arrived, calls));
    world.tell(3, |_| {}).await;
    testkit::eventually_true(LIMIT, "a full compare", || async { world.lane.arrived() >= arrived + 101 }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_most_fifty_chunks_of_a_workspace_are_unsettled() {
    let world = Choice::seeded(14_000, 0, 0).start().await;
    world.lane.hold_back(true);
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    testkit::eventually_true(LIMIT, "the reader to stop", || async {
        world.run(&asked.run_id).await.objects[0].read == 10_000
    })
    .await;
    let open: i64 = sqlx::query_scalar("select count(*) from extractor.manifest where not applied")
        .fetch_one(&world.admin().await)
        .await
        .unwrap();
    assert_eq!(open, 50);
    world.lane.hold_back(false);
    assert_eq!(world.ended(&asked.run_id).await.objects[0].read, 14_000);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chunk_that_never_reaches_the_writer_is_read_again() {
    let world = Choice::seeded(500, 0, 0).paced(|pace| pace.overdue = Duration::from_millis(300)).start().await;
    world.lane.lose(1);
    let run = world.first_load(ACCOUNT).await;
    assert_eq!(run.phase(), RunPhase::Completed);
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_small_workspace_does_not_wait_behind_a_large_one() {
    let mut world = Choice::seeded(20_000, 0, 0).paced(|pace| pace.quantum = 2).start_idle().await;
    // A hundred pages: enough for the small one to come in between on any machine.
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 200 }));
    let large = world.ask(Default::default(), ACCOUNT).await.unwrap();
    world.add_reader();
    testkit::eventually_true(LIMIT, "the large load to begin", || async { world.lane.arrived() > 0 }).await;
    let first = world.workspace;
    world.workspace = domain::WorkspaceId::generate();
    // The other workspace's contacts: none in this org, so its run is a handful of calls.
    world.tell(1, |_| {}).await;
    let small = world.sync(SyncScope::Changes, &[Object::Contact]).await;
    assert_eq!(small.phase(), RunPhase::Completed);
    world.workspace = first;
    let progress = world.run(&large.run_id).await;
    assert!(matches!(progress.phase(), RunPhase::Reading), "the large one still reads: {progress:?}");
    world.stopping.cancel();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s14_the_kill_switch_stops_all_traffic() {
    let mut world = Choice::seeded(3_000, 0, 0).paced(|pace| pace.quantum = 1).start_idle().await;
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 200 }));
    world.sim.fault(FaultRule::always(Endpoint::QueryMore, Fault::ShrinkPages { rows: 200 }));
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    world.add_reader();
    testkit::eventually_true(LIMIT, "a page", || async { world.lane.arrived() > 0 }).await;
    let admin = world.admin().await;
    sqlx::query("insert into extractor.traffic_stop (reason) values ('incident')").execute(&admin).await.unwrap();
    let idle = || async {
        sqlx::query_scalar::<_, bool>("select reader is null from extractor.workspace").fetch_one(&admin).await.unwrap()
    };
    testkit::eventually_true(LIMIT, "the turn to end", idle).await;
    let calls = world.sim.stats().all_api_calls();
    let refused = world.ask(SyncScope::Changes, ACCOUNT).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::Unavailable);
    assert_eq!(world.sim.stats().all_api_calls(), calls);
    sqlx::query("delete from extractor.traffic_stop").execute(&admin).await.unwrap();
    assert_eq!(world.ended(&asked.run_id).await.phase(), RunPhase::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s25_the_service_sees_no_tenant_row_without_naming_the_workspace() {
    let world = Choice::seeded(10, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    for table in ["run", "run_object", "manifest", "pending", "coverage", "field_list"] {
        let asked =
            sqlx::query(sqlx::AssertSqlSafe(format!("select 1 from extractor.{table}"))).fetch_all(&world.pool).await;
        assert!(asked.is_err(), "{table}");
        let mut tx = world.pool.begin().await.unwrap();
        service::postgres::in_workspace(&mut tx, domain::WorkspaceId::generate()).await.unwrap();
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!("select 1 from extractor.{table}")))
            .fetch_all(&mut *tx)
            .await
            .unwrap();
        assert!(rows.is_empty(), "{table}");
    }
}
