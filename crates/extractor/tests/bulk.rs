//! Bulk 2.0 query jobs (cases 65 to 70; rule 7).

use contract::extractor::v1::RunPhase;
use domain::Object;
use salesforce_sim::{Command, Endpoint, Fault, FaultRule, Seed};
use serde_json::{Value, json};

use crate::world::{Choice, World, live_ids, sim_ids};

const ACCOUNT: &[Object] = &[Object::Account];

fn bulk(accounts: usize) -> Choice {
    Choice::seeded(accounts, 0, 0).paced(|pace| (pace.bulk_threshold, pace.bulk_page_rows) = (0, 1_000))
}

fn is_complete(world: &World) {
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_65_result_pages_are_read_by_locator_to_the_end() {
    let world = bulk(2_500).start().await;
    let run = world.first_load(ACCOUNT).await;
    is_complete(&world);
    assert_eq!((run.objects[0].path.as_str(), run.objects[0].read), ("bulk", 2_500));
    assert_eq!(world.calls(Endpoint::BulkResults), 3);
    assert_eq!(world.calls(Endpoint::BulkDelete), 1);
    let seqs: std::collections::BTreeSet<i64> =
        world.lane.batches().iter().map(|batch| batch.r#ref.as_ref().unwrap().read_seq).collect();
    assert_eq!(seqs.len(), 1, "all pages carry the job's read number");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn jobs_of_all_objects_are_prepared_side_by_side() {
    let objects = [Object::Account, Object::Contact, Object::Lead];
    let world = Choice::seeded(30, 60, 30).paced(|pace| pace.bulk_threshold = 0).start().await;
    world.first_load(&objects).await;
    for object in objects {
        assert_eq!(live_ids(&world.lane, object), sim_ids(&world.sim, object));
    }
    let of_jobs = [Endpoint::BulkCreate, Endpoint::BulkPoll, Endpoint::BulkResults];
    let asked: Vec<_> =
        world.sim.requests().iter().map(|request| request.endpoint).filter(|one| of_jobs.contains(one)).collect();
    assert_eq!(asked[..3], [Endpoint::BulkCreate; 3], "every job is made before the first is looked at: {asked:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_07_a_job_moves_only_its_own_cursor_and_its_polls_begin_before_it() {
    let mut world = bulk(2_500).paced(|pace| pace.quantum = 1).start_idle().await;
    let before = jiff::Timestamp::now().as_second();
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    world.lane.hold_back(true);
    world.add_reader();
    testkit::eventually_true(crate::world::LIMIT, "a page", || async {
        world.run(&asked.run_id).await.objects[0].read > 0
    })
    .await;
    let coverage = world.coverage(Object::Account).await;
    assert_eq!(
        (coverage.synced_to, coverage.covered_from),
        (None, None),
        "nothing is claimed before the job is complete"
    );
    let changed = world.sim.ids("Account").unwrap()[7];
    world.sim.update(changed, json!({ "Name": "changed while the job ran" })).unwrap();
    world.lane.hold_back(false);
    world.ended(&asked.run_id).await;
    let synced = world.coverage(Object::Account).await.synced_to.unwrap().seconds;
    assert!(synced <= before - 890, "born before the job, less the overlap: {}", synced - before);
    world.poll(ACCOUNT).await;
    let name = world.lane.field(Object::Account, &changed.to_string(), "Name");
    assert_eq!(name, Some(json!("changed while the job ran")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_amid_a_job_reads_on_at_its_locator() {
    let choice = bulk(4_500).paced(|pace| pace.quantum = 1);
    let pace = choice.pace.clone();
    let mut world = choice.start_idle().await;
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    world.add_reader();
    testkit::eventually_true(crate::world::LIMIT, "a page", || async {
        world.run(&asked.run_id).await.objects[0].read >= 1_000
    })
    .await;
    world.kill_readers().await;
    world.restart_reader(pace);
    let run = world.ended(&asked.run_id).await;
    assert_eq!((run.phase(), run.objects[0].read), (RunPhase::Completed, 4_500));
    assert_eq!(world.calls(Endpoint::BulkCreate), 1);
    is_complete(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_66_a_page_with_a_row_missing_is_fetched_again() {
    let world = bulk(700).start().await;
    world.sim.fault(FaultRule::once(Endpoint::BulkResults, Fault::RowMissing));
    world.first_load(ACCOUNT).await;
    is_complete(&world);
    assert_eq!(world.calls(Endpoint::BulkResults), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_66_a_page_that_never_adds_up_ends_in_rest() {
    let world = bulk(700).start().await;
    world.sim.fault(FaultRule::always(Endpoint::BulkResults, Fault::RowMissing));
    let run = world.first_load(ACCOUNT).await;
    is_complete(&world);
    assert_eq!(run.objects[0].path, "rest");
    assert_eq!(world.calls(Endpoint::BulkCreate), 2, "one new job first");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_67_cells_keep_quotes_breaks_and_commas() {
    let world = bulk(0).start().await;
    let names = ["a \"q\" b", "line one\nline two", "comma, comma", "😀", " spaces "];
    let ids: Vec<_> = names
        .iter()
        .map(|name| world.sim.create("Account", json!({ "Name": name, "AnnualRevenue": 9.0e7 })).unwrap())
        .collect();
    world.first_load(ACCOUNT).await;
    assert_eq!(world.calls(Endpoint::BulkCreate), 1);
    for (name, id) in names.iter().zip(ids) {
        let field = |field: &str| world.lane.field(Object::Account, &id.to_string(), field).unwrap();
        let stored = world.sim.record(id).unwrap()["Name"].clone();
        assert_eq!(field("Name"), stored, "{name:?}");
        assert_eq!(field("AnnualRevenue"), json!(90_000_000));
        assert_eq!(field("Industry"), Value::Null);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_68_a_refused_job_is_read_by_rest() {
    for fault in [
        Fault::LimitExceeded,
        Fault::Error {
            status: 400,
            code: "INVALIDENTITY".into(),
            message: "Entity 'Account' is not supported by the Bulk API.".into(),
        },
        Fault::Error {
            status: 400,
            code: "API_ERROR".into(),
            message: "Selecting compound data not supported in Bulk Query".into(),
        },
    ] {
        let world = bulk(300).start().await;
        world.sim.fault(FaultRule::always(Endpoint::BulkCreate, fault));
        let run = world.first_load(ACCOUNT).await;
        is_complete(&world);
        assert_eq!(run.objects[0].path, "rest");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_69_a_failed_or_aborted_job_is_made_once_more_and_then_rest_reads() {
    for fault in
        [Fault::BulkFailed { message: None }, Fault::BulkFailed { message: Some("x".into()) }, Fault::BulkAborted]
    {
        let world = bulk(300).start().await;
        world.sim.fault(FaultRule::once(Endpoint::BulkPoll, fault.clone()));
        let run = world.first_load(ACCOUNT).await;
        is_complete(&world);
        assert_eq!((run.objects[0].path.as_str(), world.calls(Endpoint::BulkCreate)), ("bulk", 2));

        let world = bulk(300).start().await;
        world.sim.fault(FaultRule::always(Endpoint::BulkPoll, fault));
        let run = world.first_load(ACCOUNT).await;
        is_complete(&world);
        assert_eq!((run.objects[0].path.as_str(), world.calls(Endpoint::BulkCreate)), ("rest", 2));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_70_a_vanished_job_is_made_again_and_zero_rows_are_none() {
    let world = bulk(300).start().await;
    let gone = || Fault::Error {
        status: 404,
        code: "NOT_FOUND".into(),
        message: "The requested resource does not exist".into(),
    };
    world.sim.fault(FaultRule::once(Endpoint::BulkResults, gone()));
    world.first_load(ACCOUNT).await;
    is_complete(&world);
    assert_eq!(world.calls(Endpoint::BulkCreate), 2);

    for newline in [None, Some(true), Some(false)] {
        // Everything vanishes between the count and the job.
        let mut world = bulk(0).start_idle().await;
        let id = world.sim.create("Account", json!({ "Name": "short-lived" })).unwrap();
        if let Some(newline) = newline {
            world.sim.fault(FaultRule::always(Endpoint::BulkResults, Fault::EmptyResult { newline }));
        }
        world.sim.fault(FaultRule::once(Endpoint::BulkCreate, Fault::Delay { ms: 3_000 }));
        let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
        world.add_reader();
        testkit::eventually_true(crate::world::LIMIT, "the count", || async {
            world.run(&asked.run_id).await.objects[0].expected.is_some()
        })
        .await;
        world.sim.purge(id).unwrap();
        let run = world.ended(&asked.run_id).await;
        assert_eq!(run.phase(), RunPhase::Completed, "{newline:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_records_cost_few_calls() {
    let mut choice = Choice::default();
    choice.config.seed = Some(Seed { accounts: 12_000, contacts: 0, leads: 0, ..Seed::default() });
    let rest = choice.clone().start().await;
    rest.order(Command::ResetStats);
    let run = rest.first_load(ACCOUNT).await;
    // 6 pages, and what is needed once whatever the size.
    assert!(run.api_calls <= 6 + 8, "{} calls by REST", run.api_calls);
    let bulk = choice.paced(|pace| (pace.bulk_threshold, pace.bulk_page_rows) = (10_000, 25_000)).start().await;
    let run = bulk.first_load(ACCOUNT).await;
    assert!(run.api_calls <= 1 + 12, "{} calls by bulk", run.api_calls);
    is_complete(&bulk);
}
