//! What Salesforce does when it fails (cases 9 to 11, 26, 28, 35 to 37, 39, 54).

use contract::extractor::v1::{RunPhase, SyncState};
use domain::Object;
use salesforce_sim::{Command, Endpoint, Fault, FaultRule};

use crate::world::{Choice, live_ids, sim_ids};

const ACCOUNT: &[Object] = &[Object::Account];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_09_a_revoked_grant_stops_the_run_and_deletes_nothing() {
    // Many pages: until the revocation each turn brings one more.
    let pause = std::time::Duration::from_millis(100);
    let world = Choice::seeded(10_000, 0, 0).paced(|pace| pace.pause = pause).start_idle().await;
    let mut world = world;
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 200 }));
    world.sim.fault(FaultRule::always(Endpoint::QueryMore, Fault::SessionExpired { message: None }).after(2));
    world.peered.revoke(false);
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    world.add_reader();
    testkit::eventually_true(crate::world::LIMIT, "some pages", || async { world.lane.arrived() >= 400 }).await;
    world.peered.revoke(true);
    world.status_when("revoked", |status| status.state() == SyncState::AuthRevoked).await;
    let read = world.run(&asked.run_id).await.objects[0].read;
    assert!((400..10_000).contains(&read), "the books stay after the last page: {read}");
    world.sim.clear_faults();
    world.peered.revoke(false);
    let run = world.ended(&asked.run_id).await;
    assert_eq!(run.phase(), RunPhase::Completed);
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_10_a_session_that_no_refresh_cures_is_not_refreshed_in_a_loop() {
    let world = Choice::seeded(10, 0, 0).start().await;
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::SessionNotValid));
    world.ask(Default::default(), ACCOUNT).await.unwrap();
    world
        .status_when("a wait", |status| status.run.as_ref().is_some_and(|run| run.reason == "SALESFORCE_AUTH_REVOKED"))
        .await;
    assert!(world.peered.tokens_issued() <= 2, "{}", world.peered.tokens_issued());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_11_an_expired_session_is_refreshed_once_whatever_the_language() {
    for message in [None, Some("セッションの期限が切れているか無効です".to_owned())] {
        let world = Choice::seeded(300, 0, 0).start().await;
        world.sim.fault(FaultRule::once(Endpoint::Query, Fault::SessionExpired { message }).after(1));
        world.first_load(ACCOUNT).await;
        assert_eq!(world.peered.tokens_issued(), 2);
        assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_26_a_hidden_field_is_dropped_and_shown_and_nulls_nothing() {
    let world = Choice::seeded(40, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    let id = sim_ids(&world.sim, Object::Account)[0].clone();
    world.order(Command::HideField { org: None, object: "Account".into(), field: "Industry".into(), hidden: true });
    world.sim.update(id.parse().unwrap(), serde_json::json!({ "Name": "renamed" })).unwrap();
    world.poll(ACCOUNT).await;
    assert_eq!(world.lane.field(Object::Account, &id, "Name").unwrap(), "renamed");
    let last = world.lane.batches().into_iter().last().unwrap();
    assert!(!last.fields.contains(&"Industry".to_owned()), "not in the list means not read");
    assert!(!last.records[0].image.contains("Industry"));
    let status = world.status().await;
    assert_eq!((status.state(), status.reason.as_str()), (SyncState::Degraded, "object_paused"));
    assert_eq!(status.coverage[0].paused_reason, "mapping_broken:Industry");
    world.order(Command::HideField { org: None, object: "Account".into(), field: "Industry".into(), hidden: false });
    world.sim.update(id.parse().unwrap(), serde_json::json!({ "Name": "again" })).unwrap();
    world.sync(contract::extractor::v1::SyncScope::Everything, ACCOUNT).await;
    assert!(world.lane.field(Object::Account, &id, "Industry").is_some());
    assert_eq!(world.status().await.coverage[0].paused_reason, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_28_a_hidden_object_is_paused_and_the_others_go_on() {
    let world = Choice::seeded(20, 20, 20).start().await;
    world.first_load(&[]).await;
    world.order(Command::HideObject { org: None, object: "Lead".into(), hidden: true });
    let fresh = world.sim.create("Account", serde_json::json!({ "Name": "fresh" })).unwrap();
    let run = world.poll(&[]).await;
    assert_eq!(run.phase(), RunPhase::Completed);
    assert!(world.lane.record(Object::Account, &fresh.to_string()).is_some());
    let reason = world.coverage(Object::Lead).await.paused_reason;
    assert!(["object_not_visible", "not_found"].contains(&reason.as_str()), "{reason}");
    assert_eq!(world.coverage(Object::Contact).await.paused_reason, "");
    assert_eq!(live_ids(&world.lane, Object::Lead).len(), 20, "nothing was deleted");
    world.order(Command::HideObject { org: None, object: "Lead".into(), hidden: false });
    world.poll(&[]).await;
    assert_eq!(world.coverage(Object::Lead).await.paused_reason, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_35_a_failing_server_is_tried_five_times_and_then_the_object_rests() {
    let world = Choice::seeded(30, 30, 0).start().await;
    world.sim.fault(FaultRule::once(Endpoint::Query, Fault::ServerUnavailable).after(2).times(2));
    world.first_load(&[Object::Account]).await;
    world.sim.clear_faults();
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::UnknownException).on_object("Contact"));
    world.sim.reset_stats();
    let run = world.sync(contract::extractor::v1::SyncScope::Changes, &[Object::Contact]).await;
    assert_eq!(run.phase(), RunPhase::Failed);
    assert_eq!(run.objects[0].reason, "salesforce_error");
    let failed = world.sim.requests_of(Endpoint::Query).iter().filter(|asked| asked.status == 500).count();
    assert_eq!(failed, 5);
    assert_eq!(world.coverage(Object::Contact).await.paused_reason, "salesforce_error");
    world.poll(&[Object::Account]).await;
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_36_maintenance_pages_move_no_cursor() {
    let world = Choice::seeded(500, 0, 0).start().await;
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 200 }));
    for fault in [Fault::Maintenance, Fault::Html { status: 502 }, Fault::Html { status: 503 }] {
        world.sim.fault(FaultRule::once(Endpoint::QueryMore, fault));
    }
    world.first_load(ACCOUNT).await;
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_37_cut_bodies_publish_no_half_page_and_mislabelled_ones_are_read() {
    let world = Choice::seeded(300, 0, 0).start().await;
    for (after, fault) in
        [Fault::CutBody, Fault::GzipCut, Fault::Reset, Fault::PlainLabelledGzip].into_iter().enumerate()
    {
        world.sim.fault(FaultRule::once(Endpoint::Query, fault).after(u32::try_from(after).unwrap() + 2));
    }
    let run = world.first_load(ACCOUNT).await;
    assert_eq!(run.objects[0].read, 300);
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
    assert_eq!(world.lane.arrived(), 300, "no partial page was published");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_39_a_retired_version_fails_the_run_with_its_reason() {
    let world = Choice::seeded(10, 0, 0).start().await;
    let gone =
        Fault::Error { status: 410, code: "GONE".into(), message: "The requested API version is retired.".into() };
    world.sim.fault(FaultRule::always(Endpoint::Query, gone).on_object("Account"));
    let run = world.sync(contract::extractor::v1::SyncScope::Changes, ACCOUNT).await;
    assert_eq!((run.phase(), run.reason.as_str()), (RunPhase::Failed, "api_version_retired"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_54_the_currency_column_is_asked_for_only_where_it_exists() {
    for multi_currency in [false, true] {
        let mut choice = Choice::seeded(20, 0, 0);
        choice.config.orgs[0].multi_currency = multi_currency;
        let world = choice.start().await;
        world.first_load(ACCOUNT).await;
        let asked = world.sim.requests_of(Endpoint::Query);
        let selects =
            asked.iter().filter_map(|asked| asked.soql.as_deref()).filter(|soql| soql.contains("FROM Account"));
        assert!(
            selects
                .filter(|soql| !soql.contains("COUNT()"))
                .all(|soql| soql.contains("CurrencyIsoCode") == multi_currency)
        );
        let batch = &world.lane.batches()[0];
        assert_eq!(batch.default_currency, "EUR");
        assert_eq!(batch.fields.contains(&"CurrencyIsoCode".to_owned()), multi_currency);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_08_links_are_followed_on_the_host_of_the_newest_token() {
    let world = Choice::seeded(500, 0, 0).start().await;
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 200 }));
    world.order(Command::ExpireSessions { org: None });
    world.first_load(ACCOUNT).await;
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
}
