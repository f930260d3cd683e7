//! Polls: what changed, and no message for what did not (cases 22, 23, 62, 64; rules 2, 3, 11, 15).

use std::time::Duration;

use contract::event::v1::RunMode;
use contract::extractor::v1::SyncScope;
use domain::Object;
use salesforce_sim::{Command, Endpoint};
use serde_json::{Map, Value, json};

use crate::world::{Choice, World, live_ids, sim_ids};

const ACCOUNT: &[Object] = &[Object::Account];

fn fields(value: Value) -> Map<String, Value> {
    value.as_object().unwrap().clone()
}

fn name(world: &World, id: &salesforce_sim::Id) -> Option<Value> {
    world.lane.field(Object::Account, &id.to_string(), "Name")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn polls_of_an_idle_org_publish_nothing_and_a_change_is_published_once() {
    let world = Choice::seeded(50, 0, 0).start().await;
    let fresh = world.sim.create("Account", json!({ "Name": "just now" })).unwrap();
    world.first_load(ACCOUNT).await;
    world.poll(ACCOUNT).await;
    let arrived = world.lane.arrived();
    for _ in 0..3 {
        assert_eq!(world.poll(ACCOUNT).await.objects[0].read, 0);
    }
    assert_eq!(world.lane.arrived(), arrived, "the overlap publishes nothing again");
    world.sim.update(fresh, json!({ "Name": "changed" })).unwrap();
    assert_eq!(world.poll(ACCOUNT).await.objects[0].read, 1);
    world.poll(ACCOUNT).await;
    assert_eq!(world.lane.arrived(), arrived + 1);
    assert_eq!(name(&world, &fresh), Some(json!("changed")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_changes_within_one_second_both_arrive() {
    let world = Choice::default().start().await;
    let stamp = || Some("2026-08-02T10:11:12Z".to_owned());
    let id = world.sim.create("Account", json!({ "Name": "first" })).unwrap();
    world.first_load(ACCOUNT).await;
    let now = world.order(Command::Clock);
    let now = now.as_str().map(str::to_owned).or_else(|| now["now"].as_str().map(str::to_owned));
    for text in ["second", "third"] {
        let stamp = now.clone().or_else(stamp);
        world.order(Command::Update { org: None, id, fields: fields(json!({ "Name": text })), stamp });
        world.poll(ACCOUNT).await;
        assert_eq!(name(&world, &id), Some(json!(text)), "the stamp alone does not tell");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_22_a_transaction_that_stamped_early_and_committed_late_is_found() {
    let world = Choice::seeded(20, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    let id = world.sim.ids("Account").unwrap()[0];
    let begun = world.order(Command::Begin { org: None, stamp: None });
    let transaction = begun["transaction"].as_u64().or_else(|| begun.as_u64()).unwrap();
    let update = Command::Update { org: None, id, fields: fields(json!({ "Name": "late" })), stamp: None };
    world.order(Command::InTransaction { org: None, transaction, command: Box::new(update) });
    // Seven minutes of polls go by before the commit.
    world.order(Command::ClockAdvance { seconds: 420 });
    world.poll(ACCOUNT).await;
    world.poll(ACCOUNT).await;
    assert_ne!(name(&world, &id), Some(json!("late")));
    world.order(Command::Commit { org: None, transaction });
    world.poll(ACCOUNT).await;
    assert_eq!(name(&world, &id), Some(json!("late")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_23_our_clock_being_wrong_loses_nothing() {
    for offset_s in [-1_200, 1_200] {
        let world = Choice::seeded(20, 0, 0).start().await;
        world.order(Command::ClockOffset { offset_s });
        world.first_load(ACCOUNT).await;
        let id = world.sim.ids("Account").unwrap()[0];
        for text in ["one", "two"] {
            world.sim.update(id, json!({ "Name": text })).unwrap();
            world.poll(ACCOUNT).await;
            assert_eq!(name(&world, &id), Some(json!(text)), "offset {offset_s}");
        }
        let synced = world.coverage(Object::Account).await.synced_to.unwrap();
        let ours = jiff::Timestamp::now().as_second();
        let off = synced.seconds - ours - offset_s;
        assert!((-600..=5).contains(&off), "the cursor is Salesforce's time: {off}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_62_a_field_without_a_stamp_is_found_by_the_daily_read() {
    let world = Choice::default().paced(|pace| pace.unstamped_every = Duration::from_millis(10)).start().await;
    world.peered.map(Object::Account, &["Name", "Parent.Name"]);
    let parent = world.sim.create("Account", json!({ "Name": "before" })).unwrap();
    let child = world.sim.create("Account", json!({ "Name": "child", "ParentId": parent.to_string() })).unwrap();
    world.first_load(ACCOUNT).await;
    world.order(Command::UpdateQuietly { org: None, id: parent, fields: fields(json!({ "Name": "after" })) });
    let read = || async {
        // The schedule's turn, which in production comes with the next poll.
        world.poll(ACCOUNT).await;
        world.lane.field(Object::Account, &child.to_string(), "Parent.Name") == Some(json!("after"))
    };
    testkit::eventually_true(crate::world::LIMIT, "the relation's new value", read).await;
    let as_of = world.coverage(Object::Account).await.unstamped_fields_as_of;
    assert!(as_of.is_some());
    assert!(world.lane.batches().iter().any(|batch| batch.mode() == RunMode::Resync));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_11_no_daily_read_without_such_a_field() {
    let world = Choice::seeded(5, 0, 0).paced(|pace| pace.unstamped_every = Duration::ZERO).start().await;
    world.first_load(ACCOUNT).await;
    world.poll(ACCOUNT).await;
    assert!(world.lane.batches().iter().all(|batch| batch.mode() != RunMode::Resync));
    assert_eq!(world.coverage(Object::Account).await.unstamped_fields_as_of, None);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_64_an_imported_record_with_an_old_creation_date_arrives() {
    let world = Choice::default().from("2024-01-01T00:00:00Z").start().await;
    world.first_load(ACCOUNT).await;
    let imported = world
        .sim
        .create("Account", json!({ "Name": "imported", "CreatedDate": "2019-01-01T00:00:00.000+0000" }))
        .unwrap();
    world.poll(ACCOUNT).await;
    assert_eq!(name(&world, &imported), Some(json!("imported")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_02_the_field_list_is_in_the_books_before_its_read_and_never_goes_back() {
    let world = Choice::seeded(30, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    world.peered.map_unread(Object::Account, "Website");
    testkit::eventually_true(crate::world::LIMIT, "the new field to be read", || async {
        world.poll(ACCOUNT).await;
        world.peered.unread(Object::Account) == 0
    })
    .await;
    let mut batches: Vec<_> = world.lane.batches();
    batches.sort_by_key(|batch| batch.r#ref.as_ref().unwrap().read_seq);
    let versions: Vec<i64> = batches.iter().map(|batch| batch.field_list_version).collect();
    assert!(versions.is_sorted(), "{versions:?}");
    assert!(versions.last() > versions.first());
    assert!(batches.last().unwrap().fields.contains(&"Website".to_owned()));
    let lists = sqlx::query_as::<_, (i64, Vec<String>)>(
        "select version, fields from extractor.field_list where object = 'account' order by version",
    )
    .fetch_all(&world.admin().await)
    .await
    .unwrap();
    assert!(!lists[0].1.contains(&"Website".to_owned()) && lists[1].1.contains(&"Website".to_owned()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_03_a_field_never_read_causes_a_whole_read_with_whole_images() {
    let world = Choice::seeded(60, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    let arrived = world.lane.arrived();
    world.peered.map_unread(Object::Account, "Website");
    testkit::eventually_true(crate::world::LIMIT, "the new field to be read", || async {
        world.poll(ACCOUNT).await;
        world.peered.unread(Object::Account) == 0
    })
    .await;
    world.poll(ACCOUNT).await;
    let brought = world.lane.arrived() - arrived;
    assert_eq!(brought, 60, "one whole read, and none again once it is marked");
    let marks = world.peered.marked();
    let marked = marks.into_iter().find(|mark| mark.fields.contains(&"Website".to_owned())).unwrap();
    assert!(marked.fields.contains(&"Name".to_owned()));
    let reread: Vec<_> =
        world.lane.batches().into_iter().filter(|batch| batch.fields.contains(&"Website".to_owned())).collect();
    assert!(reread.iter().all(|batch| batch.r#ref.as_ref().unwrap().read_seq >= marked.since_read_seq));
    let images = reread.iter().flat_map(|batch| &batch.records);
    assert!(images.clone().count() == brought && images.clone().all(|record| record.image.contains("\"Name\":")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_15_an_earlier_start_date_reads_only_the_added_span() {
    let world = Choice::seeded(400, 0, 0).from("2025-06-01T00:00:00Z").start().await;
    world.first_load(ACCOUNT).await;
    let before = world.lane.arrived();
    assert!(before > 0 && before < 400, "{before}");
    world
        .tell(2, |state| {
            let start: jiff::Timestamp = "2024-06-01T00:00:00Z".parse().unwrap();
            state.start_at = Some(contract::convert::to_wire_time(start));
        })
        .await;
    let wanted = "2024-06-01T00:00:00Z".parse::<jiff::Timestamp>().unwrap().as_second();
    let covered =
        || async { world.coverage(Object::Account).await.covered_from.is_some_and(|from| from.seconds == wanted) };
    testkit::eventually_true(crate::world::LIMIT, "the covered start to move", covered).await;
    let span = world.lane.arrived() - before;
    assert!(span > 0, "the span held records");
    let mut seen: Vec<String> =
        world.lane.batches().iter().flat_map(|batch| batch.records.iter().map(|record| record.id.clone())).collect();
    seen.sort();
    let all = seen.len();
    seen.dedup();
    assert_eq!(all, seen.len(), "nothing of the covered span is read again");
    // Later forgets nothing and reads nothing.
    world
        .tell(3, |state| {
            let start: jiff::Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
            state.start_at = Some(contract::convert::to_wire_time(start));
        })
        .await;
    world.poll(ACCOUNT).await;
    assert_eq!(world.coverage(Object::Account).await.covered_from.unwrap().seconds, wanted);
    world.tell(4, |state| state.start_at = None).await;
    testkit::eventually_true(crate::world::LIMIT, "everything to be covered", || async {
        live_ids(&world.lane, Object::Account) == sim_ids(&world.sim, Object::Account)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_41_a_describe_is_asked_for_with_the_moment_of_the_last_one() {
    let world = Choice::seeded(10, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    let not_modified = || world.sim.requests_of(Endpoint::Describe).iter().filter(|asked| asked.status == 304).count();
    assert_eq!(not_modified(), 0);
    world.sync(SyncScope::Everything, ACCOUNT).await;
    assert!(not_modified() >= 1);
    world.order(Command::AddField {
        org: None,
        object: "Account".into(),
        name: "Fresh__c".into(),
        label: "Fresh".into(),
        kind: "string".into(),
        values: Vec::new(),
    });
    world.peered.map(Object::Account, &["Name", "Fresh__c"]);
    world.sync(SyncScope::Everything, ACCOUNT).await;
    assert!(world.lane.batches().last().unwrap().fields.contains(&"Fresh__c".to_owned()));
}
