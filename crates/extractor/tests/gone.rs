//! Deleted, undeleted, merged, converted, purged, hidden (cases 55 to 59, 61, 63; rules 8, 9, 10).

use std::time::Duration;

use contract::event::v1::SourceState;
use contract::extractor::v1::{RunPhase, SyncScope};
use domain::Object;
use salesforce_sim::{Command, Conversion, Endpoint, Id};
use serde_json::json;

use crate::world::{Choice, World, live_ids};

const ACCOUNT: &[Object] = &[Object::Account];

fn state(world: &World, object: Object, id: Id) -> Option<SourceState> {
    world.lane.record(object, &id.to_string()).map(|held| held.record.state())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_55_a_deleted_record_is_a_tombstone_and_an_undeleted_one_is_back() {
    let world = Choice::seeded(30, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    let id = world.sim.ids("Account").unwrap()[3];
    world.sim.delete(id).unwrap();
    world.poll(ACCOUNT).await;
    assert_eq!(state(&world, Object::Account, id), Some(SourceState::Deleted));
    world.sim.undelete(id).unwrap();
    world.poll(ACCOUNT).await;
    assert_eq!(state(&world, Object::Account, id), Some(SourceState::Live));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_56_a_purged_record_is_known_from_the_delete_log_alone() {
    let world = Choice::seeded(30, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    world.order(Command::ClockAdvance { seconds: 600 });
    let id = world.sim.ids("Account").unwrap()[3];
    world.sim.purge(id).unwrap();
    world.order(Command::ClockAdvance { seconds: 600 });
    world.poll(ACCOUNT).await;
    assert_eq!(state(&world, Object::Account, id), Some(SourceState::Deleted));
    assert!(world.calls(Endpoint::Deleted) >= 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_08_who_asks_for_a_sync_now_is_told_of_purges_at_once() {
    let world = Choice::seeded(30, 0, 0).paced(|pace| pace.deletes_every = Duration::from_secs(3_600)).start().await;
    world.first_load(ACCOUNT).await;
    let id = world.sim.ids("Account").unwrap()[3];
    // The log tells whole minutes, and Salesforce's time when a poll began is known less a second and the time that the
    // answer took. Here its clock stands, so that this is far from the end of a minute on the slowest machine.
    let minute = jiff::Timestamp::now().round((jiff::Unit::Minute, 1)).unwrap() + jiff::SignedDuration::from_mins(2);
    let at = minute + jiff::SignedDuration::from_secs(40);
    world.order(Command::ClockFreeze { at: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string() });
    world.poll(ACCOUNT).await;
    world.sim.purge(id).unwrap();
    world.order(Command::ClockAdvance { seconds: 60 });
    // The log was asked just before, and its cursor stands closer to now than the shortest span that it tells of.
    world.poll(ACCOUNT).await;
    assert_eq!(state(&world, Object::Account, id), Some(SourceState::Deleted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_56_a_gap_of_the_delete_log_compares_everything() {
    let world = Choice::seeded(30, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    let arrived = world.lane.arrived();
    world.order(Command::ClockAdvance { seconds: 3_600 });
    let now: jiff::Timestamp = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(3_000);
    world.order(Command::DeletionsFrom { org: None, at: Some(now.strftime("%Y-%m-%dT%H:%M:%SZ").to_string()) });
    world.poll(ACCOUNT).await;
    testkit::eventually_true(crate::world::LIMIT, "a full compare", || async { world.lane.arrived() >= arrived + 30 })
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_08_every_listed_id_is_read_and_that_answer_is_the_version() {
    let world = Choice::seeded(30, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    let ids = world.sim.ids("Account").unwrap();
    world.order(Command::ClockAdvance { seconds: 600 });
    world.sim.delete(ids[0]).unwrap();
    world.sim.undelete(ids[0]).unwrap();
    world.sim.purge(ids[1]).unwrap();
    world.order(Command::ClockAdvance { seconds: 600 });
    world.poll(ACCOUNT).await;
    // Listed as deleted, but there: the read decides, not the log.
    assert_eq!(state(&world, Object::Account, ids[0]), Some(SourceState::Live));
    let purged = world.lane.record(Object::Account, &ids[1].to_string()).unwrap();
    assert_eq!((purged.record.state(), purged.record.image.as_str()), (SourceState::Deleted, ""));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_57_a_merged_loser_names_its_winner_and_its_contacts_are_read_again() {
    let world = Choice::default().start().await;
    let winner = world.sim.create("Account", json!({ "Name": "A" })).unwrap();
    let loser = world.sim.create("Account", json!({ "Name": "B" })).unwrap();
    let contact = world.sim.create("Contact", json!({ "LastName": "Ann", "AccountId": loser.to_string() })).unwrap();
    world.first_load(&[]).await;
    world.sim.merge(winner, &[loser]).unwrap();
    world.poll(&[]).await;
    let held = world.lane.record(Object::Account, &loser.to_string()).unwrap().record;
    assert_eq!((held.state(), held.master_record_id.as_str()), (SourceState::Deleted, winner.to_string().as_str()));
    let moved = world.lane.record(Object::Contact, &contact.to_string()).unwrap().record;
    assert_eq!(moved.account_id, winner.to_string());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_10_contacts_of_a_gone_account_are_read_by_id_even_if_their_stamps_stand_still() {
    let world = Choice::default().start().await;
    let account = world.sim.create("Account", json!({ "Name": "A" })).unwrap();
    let contact = world.sim.create("Contact", json!({ "LastName": "Ann", "AccountId": account.to_string() })).unwrap();
    world.order(Command::SetStamp { org: None, id: contact, stamp: "2024-01-01T00:00:00Z".into() });
    world.first_load(&[]).await;
    let before = world.lane.record(Object::Contact, &contact.to_string()).unwrap().times;
    world.sim.delete(account).unwrap();
    world.order(Command::SetStamp { org: None, id: contact, stamp: "2024-01-01T00:00:00Z".into() });
    world.poll(&[]).await;
    let after = world.lane.record(Object::Contact, &contact.to_string()).unwrap();
    assert!(after.times > before, "read again by id");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_58_an_account_deleted_with_300_contacts_leaves_301_tombstones() {
    let world = Choice::default().start().await;
    let account = world.sim.create("Account", json!({ "Name": "A" })).unwrap();
    for number in 0..300 {
        let fields = json!({ "LastName": format!("P{number}"), "AccountId": account.to_string() });
        world.sim.create("Contact", fields).unwrap();
    }
    world.first_load(&[]).await;
    world.sim.delete(account).unwrap();
    world.poll(&[]).await;
    assert_eq!(state(&world, Object::Account, account), Some(SourceState::Deleted));
    let contacts = world.lane.held(Object::Contact);
    assert_eq!(contacts.len(), 300);
    assert!(contacts.iter().all(|held| held.record.state() == SourceState::Deleted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_59_a_converted_lead_names_its_contact_and_account() {
    let world = Choice::seeded(5, 5, 5).start().await;
    world.first_load(&[]).await;
    let lead = world.sim.ids("Lead").unwrap().into_iter().find(|id| {
        world.lane.record(Object::Lead, &id.to_string()).is_some_and(|held| held.record.converted_contact_id.is_empty())
    });
    let lead = lead.unwrap();
    let converted = world.sim.convert_lead(lead, Conversion { opportunity: false, ..Conversion::default() }).unwrap();
    world.poll(&[]).await;
    let held = world.lane.record(Object::Lead, &lead.to_string()).unwrap().record;
    assert_eq!(held.converted_contact_id, converted.contact.to_string());
    assert_eq!(held.account_id, converted.account.to_string());
    assert_eq!(held.state(), SourceState::Live);
    assert!(world.lane.record(Object::Contact, &converted.contact.to_string()).is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_63_absence_in_a_poll_deletes_nothing_and_a_compare_stops_at_the_limit() {
    let world = Choice::seeded(200, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    for id in world.sim.ids("Account").unwrap().into_iter().skip(20) {
        world.order(Command::HideRecord { org: None, id, hidden: true });
    }
    world.poll(ACCOUNT).await;
    assert_eq!(live_ids(&world.lane, Object::Account).len(), 200);
    let run = world.sync(SyncScope::Everything, ACCOUNT).await;
    assert_eq!(run.phase(), RunPhase::NeedsLook);
    assert_eq!(live_ids(&world.lane, Object::Account).len(), 200, "180 of 200 are too many to believe");
    let status = world.status().await;
    assert_eq!(status.reason, "needs_look");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_09_hidden_is_not_deleted_and_a_purge_is_told_by_the_log() {
    let world = Choice::seeded(100, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    let ids = world.sim.ids("Account").unwrap();
    world.order(Command::HideRecord { org: None, id: ids[0], hidden: true });
    world.order(Command::ClockAdvance { seconds: 600 });
    world.sim.purge(ids[1]).unwrap();
    world.order(Command::ClockAdvance { seconds: 600 });
    let run = world.sync(SyncScope::Everything, ACCOUNT).await;
    assert_eq!(run.phase(), RunPhase::Completed);
    assert_eq!(state(&world, Object::Account, ids[0]), Some(SourceState::NotVisible));
    assert_eq!(state(&world, Object::Account, ids[1]), Some(SourceState::Deleted));
    assert_eq!(world.status().await.not_visible_records, 1);
    world.order(Command::HideRecord { org: None, id: ids[0], hidden: false });
    world.sync(SyncScope::Everything, ACCOUNT).await;
    assert_eq!(state(&world, Object::Account, ids[0]), Some(SourceState::Live));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_09_no_sweep_while_a_replay_runs() {
    let world = Choice::seeded(20, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    world.peered.set_replay(true);
    world.order(Command::HideRecord { org: None, id: world.sim.ids("Account").unwrap()[0], hidden: true });
    let asked = world.ask(SyncScope::Everything, ACCOUNT).await.unwrap();
    testkit::eventually_true(crate::world::LIMIT, "all to be applied", || async {
        let run = world.run(&asked.run_id).await;
        run.objects[0].read >= 19 && run.objects[0].mapped == run.objects[0].read
    })
    .await;
    let run = world.run(&asked.run_id).await;
    assert!(matches!(run.phase(), RunPhase::Reading | RunPhase::Applying), "{run:?}");
    world.peered.set_replay(false);
    assert_eq!(world.ended(&asked.run_id).await.phase(), RunPhase::Completed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_61_an_open_transaction_holds_the_delete_cursor_back() {
    let world = Choice::seeded(20, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    world.order(Command::ClockAdvance { seconds: 600 });
    let begun = world.order(Command::Begin { org: None, stamp: None });
    let transaction = begun["transaction"].as_u64().or_else(|| begun.as_u64()).unwrap();
    let id = world.sim.ids("Account").unwrap()[2];
    let purge = Command::Purge { org: None, id, at: None };
    world.order(Command::InTransaction { org: None, transaction, command: Box::new(purge) });
    world.order(Command::ClockAdvance { seconds: 1_800 });
    world.poll(ACCOUNT).await;
    world.poll(ACCOUNT).await;
    world.order(Command::Commit { org: None, transaction });
    world.order(Command::ClockAdvance { seconds: 300 });
    world.poll(ACCOUNT).await;
    assert_eq!(state(&world, Object::Account, id), Some(SourceState::Deleted));
}
