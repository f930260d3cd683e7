//! REST pages: locators, positions, windows (cases 17 to 23, 30, 32, 40).

use contract::extractor::v1::RunPhase;
use domain::Object;
use salesforce_sim::{Command, Endpoint, Fault, FaultRule};
use serde_json::json;

use crate::world::{Choice, live_ids, sim_ids};

const ACCOUNT: &[Object] = &[Object::Account];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_17_pages_are_followed_to_the_end() {
    let world = Choice::seeded(4_321, 0, 0).start().await;
    let run = world.first_load(ACCOUNT).await;
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
    assert_eq!(run.objects[0].expected, Some(4_321));
    assert_eq!(world.calls(Endpoint::QueryMore), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_18_a_short_page_is_not_taken_for_the_last() {
    let world = Choice::seeded(500, 0, 0).start().await;
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 137 }));
    world.sim.fault(FaultRule::always(Endpoint::QueryMore, Fault::ShrinkPages { rows: 137 }));
    world.first_load(ACCOUNT).await;
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_19_an_expired_locator_goes_on_from_the_last_position() {
    for status in [400, 404] {
        let world = Choice::seeded(900, 0, 0).start().await;
        world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 200 }));
        world.sim.fault(FaultRule::once(Endpoint::QueryMore, Fault::LocatorExpired { status }).after(1));
        let run = world.first_load(ACCOUNT).await;
        assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
        assert_eq!(run.objects[0].read, 900, "nothing is read twice");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_20_a_crash_amid_ten_thousand_rows_of_one_second_resumes_by_the_pair() {
    let mut world = Choice::seeded(5_000, 0, 0).paced(|pace| pace.quantum = 1).start_idle().await;
    world.order(Command::MassUpdate {
        org: None,
        object: "Account".into(),
        fields: json!({ "Industry": "Energy" }).as_object().unwrap().clone(),
        limit: None,
        stamp: Some("2026-08-02T10:11:12Z".into()),
    });
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    world.add_reader();
    testkit::eventually_true(crate::world::LIMIT, "a first page", || async { world.lane.arrived() >= 2_000 }).await;
    world.kill_readers().await;
    world.order(Command::ExpireCursors { org: None });
    world.restart_reader(Choice::default().pace);
    let run = world.ended(&asked.run_id).await;
    assert_eq!(run.phase(), RunPhase::Completed);
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
    assert_eq!(run.objects[0].read, 5_000, "what is in the books is read once");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_21_records_edited_and_deleted_between_pages_are_not_lost() {
    let mut world = Choice::seeded(900, 0, 0).paced(|pace| pace.quantum = 1).start_idle().await;
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 200 }));
    world.sim.fault(FaultRule::once(Endpoint::QueryMore, Fault::Delay { ms: 3_000 }));
    let asked = world.ask(Default::default(), ACCOUNT).await.unwrap();
    world.add_reader();
    testkit::eventually_true(crate::world::LIMIT, "a first page", || async { world.lane.arrived() >= 200 }).await;
    let arrived: Vec<String> = live_ids(&world.lane, Object::Account);
    let ids = world.sim.ids("Account").unwrap();
    let mut unread = ids.iter().filter(|id| !arrived.contains(&id.to_string()));
    let (edited, deleted) = (*unread.next().unwrap(), *unread.next().unwrap());
    world.sim.update(edited, json!({ "Name": "edited in between" })).unwrap();
    world.sim.delete(deleted).unwrap();
    world.ended(&asked.run_id).await;
    world.poll(ACCOUNT).await;
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
    let name = world.lane.field(Object::Account, &edited.to_string(), "Name").unwrap();
    assert_eq!(name, "edited in between");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_30_a_query_too_long_for_an_address_travels_in_a_body() {
    let world = Choice::seeded(30, 0, 0).start_idle().await;
    let mut fields = vec!["Name".to_owned()];
    for number in 0..220 {
        let name = format!("A_field_with_a_name_as_long_as_an_admin_may_give_it_however_silly_{number:03}__c");
        let label = format!("Field {number}");
        world.order(Command::AddField {
            org: None,
            object: "Account".into(),
            name: name.clone(),
            label,
            kind: "string".into(),
            values: Vec::new(),
        });
        fields.push(name);
    }
    world.peered.map(Object::Account, &fields.iter().map(String::as_str).collect::<Vec<_>>());
    let mut world = world;
    world.add_reader();
    world.first_load(ACCOUNT).await;
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
    assert!(world.calls(Endpoint::Composite) >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_32_a_query_that_takes_too_long_is_halved_until_it_passes() {
    let world = Choice::seeded(400, 0, 0).start_idle().await;
    // The first query is the count; the next three whole or half spans are too long.
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::QueryTimeout).after(2).times(3));
    let mut world = world;
    world.add_reader();
    let run = world.first_load(ACCOUNT).await;
    assert_eq!(live_ids(&world.lane, Object::Account), sim_ids(&world.sim, Object::Account));
    assert_eq!(run.objects[0].reason, "");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_40_an_empty_lookup_is_an_empty_field() {
    let world = Choice::default().start().await;
    world.peered.map(Object::Account, &["Name", "Parent.Name", "Owner.Name"]);
    let parent = world.sim.create("Account", json!({ "Name": "Parent Oy" })).unwrap();
    let child = world.sim.create("Account", json!({ "Name": "Child Oy", "ParentId": parent.to_string() })).unwrap();
    world.first_load(ACCOUNT).await;
    let field = |id: &salesforce_sim::Id, name: &str| world.lane.field(Object::Account, &id.to_string(), name);
    assert_eq!(field(&parent, "Parent.Name"), Some(serde_json::Value::Null));
    assert_eq!(field(&child, "Parent.Name"), Some(json!("Parent Oy")));
    assert!(field(&child, "Owner.Name").unwrap().is_string());
}
