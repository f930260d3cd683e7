//! Records that others need and that lie before the start date (rule 14; cases 50 to 53).

use contract::event::v1::SourceState;
use domain::Object;
use salesforce_sim::{Command, Conversion, Id};
use serde_json::json;

use crate::world::{Choice, World};

fn age(world: &World, id: Id) {
    world.order(Command::SetStamp { org: None, id, stamp: "2020-01-01T00:00:00Z".into() });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_14_an_account_before_the_start_comes_with_its_contact_in_the_same_run() {
    for bulk_threshold in [20_000, 0] {
        let world = Choice::default()
            .from("2024-01-01T00:00:00Z")
            .paced(|pace| pace.bulk_threshold = bulk_threshold)
            .start()
            .await;
        let old = world.sim.create("Account", json!({ "Name": "old" })).unwrap();
        let unneeded = world.sim.create("Account", json!({ "Name": "old and alone" })).unwrap();
        let contact = world.sim.create("Contact", json!({ "LastName": "Ann", "AccountId": old.to_string() })).unwrap();
        age(&world, old);
        age(&world, unneeded);
        let run = world.first_load(&[]).await;
        let held = world.lane.record(Object::Account, &old.to_string()).expect("the parent came too");
        let child = world.lane.record(Object::Contact, &contact.to_string()).unwrap();
        assert_eq!(child.record.account_id, old.to_string());
        assert!(world.lane.record(Object::Account, &unneeded.to_string()).is_none());
        let batches = world.lane.batches();
        let of = |id: &str| batches.iter().find(|batch| batch.records.iter().any(|record| record.id == id)).unwrap();
        let (parent_chunk, child_chunk) = (of(&held.record.id), of(&child.record.id));
        let run_of = |batch: &contract::event::v1::RawBatch| batch.r#ref.as_ref().unwrap().run_id.clone();
        assert_eq!(run_of(parent_chunk), run.run_id);
        assert_eq!(run_of(child_chunk), run.run_id);
        let read: i64 = run.objects.iter().map(|object| object.read).sum();
        assert_eq!(read, 2, "the manifest counts the parent too");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_14_a_poll_brings_the_parent_of_a_new_contact() {
    let world = Choice::default().from("2024-01-01T00:00:00Z").start().await;
    let old = world.sim.create("Account", json!({ "Name": "old" })).unwrap();
    age(&world, old);
    world.first_load(&[]).await;
    assert!(world.lane.record(Object::Account, &old.to_string()).is_none());
    world.sim.create("Contact", json!({ "LastName": "New", "AccountId": old.to_string() })).unwrap();
    world.poll(&[]).await;
    assert!(world.lane.record(Object::Account, &old.to_string()).is_some());
    // Followed from now on, whatever its dates.
    world.sim.update(old, json!({ "Name": "renamed" })).unwrap();
    world.poll(&[]).await;
    assert_eq!(world.lane.field(Object::Account, &old.to_string(), "Name"), Some(json!("renamed")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_14_a_converted_lead_brings_its_old_contact_and_account() {
    let world = Choice::default().from("2024-01-01T00:00:00Z").start().await;
    let account = world.sim.create("Account", json!({ "Name": "old" })).unwrap();
    let contact = world.sim.create("Contact", json!({ "LastName": "Old", "AccountId": account.to_string() })).unwrap();
    let lead = world.sim.create("Lead", json!({ "LastName": "L", "Company": "C" })).unwrap();
    let how = Conversion { account: Some(account), contact: Some(contact), opportunity: false };
    world.sim.convert_lead(lead, how).unwrap();
    age(&world, account);
    age(&world, contact);
    world.first_load(&[]).await;
    assert!(world.lane.record(Object::Lead, &lead.to_string()).is_some());
    assert!(world.lane.record(Object::Contact, &contact.to_string()).is_some());
    assert!(world.lane.record(Object::Account, &account.to_string()).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_15_what_is_held_from_before_the_start_is_asked_for_by_id_outside_the_limit() {
    let world = Choice::default().from("2024-01-01T00:00:00Z").start().await;
    for number in 0..120 {
        let account = world.sim.create("Account", json!({ "Name": format!("old {number}") })).unwrap();
        world.sim.create("Contact", json!({ "LastName": "P", "AccountId": account.to_string() })).unwrap();
        age(&world, account);
    }
    world.first_load(&[]).await;
    assert_eq!(world.lane.held(Object::Account).len(), 120);
    let run = world.sync(contract::extractor::v1::SyncScope::Everything, &[Object::Account]).await;
    assert_eq!(run.phase(), contract::extractor::v1::RunPhase::Completed, "{run:?}");
    assert!(
        world.lane.held(Object::Account).iter().all(|held| held.record.state() == SourceState::Live && held.times >= 2)
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_50_and_51_contacts_without_account_and_ids_equal_but_for_case_are_kept_apart() {
    let world = Choice::default().start().await;
    let contact = world.sim.create("Contact", json!({ "LastName": "Private" })).unwrap();
    for id in ["001Kd00001a2B3cIAE", "001Kd00001a2B3CIAU"] {
        let fields = json!({ "Name": id, "Id": id }).as_object().unwrap().clone();
        world.order(Command::Create { org: None, object: "Account".into(), fields, stamp: None });
    }
    world.first_load(&[]).await;
    assert_eq!(world.lane.record(Object::Contact, &contact.to_string()).unwrap().record.account_id, "");
    for id in ["001Kd00001a2B3cIAE", "001Kd00001a2B3CIAU"] {
        assert_eq!(world.lane.field(Object::Account, id, "Name"), Some(json!(id)));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_53_a_lead_of_a_queue_shows_its_owners_name() {
    let world = Choice::seeded(3, 3, 60).start().await;
    world.peered.map(Object::Lead, &["Name", "Owner.Name"]);
    world.first_load(&[Object::Lead]).await;
    let owners: Vec<_> = world
        .lane
        .held(Object::Lead)
        .into_iter()
        .map(|held| world.lane.field(Object::Lead, &held.record.id, "Owner.Name").unwrap())
        .collect();
    assert_eq!(owners.len(), 60);
    assert!(owners.iter().all(serde_json::Value::is_string), "{owners:?}");
}
