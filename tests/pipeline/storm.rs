//! Messages come three times and in any order through the real mapper and writer; the end is what Salesforce has.

use async_nats::jetstream::{self, Context};
use async_nats::{Client, Message};
use contract::body;
use contract::common::v1::Plan;
use contract::event::v1::RawBatch;
use contract::extractor::v1::SyncScope;
use contract::headers;
use contract::streams::{MAPPED, RAW};
use futures::StreamExt as _;
use rand::SeedableRng as _;
use rand::rngs::StdRng;
use rand::seq::SliceRandom as _;
use serde_json::json;
use stack::books::balance;
use stack::lane::Headless;
use stack::{NatsUser, OrgSize};

use crate::world::{PATIENCE, World};

/// Enough records for several chunks of each object.
const SIZE: OrgSize = OrgSize { accounts: 450, contacts: 650, leads: 250 };

impl World {
    /// Logs in to NATS with the rights of a user of production.
    pub(crate) async fn nats(&self, user: NatsUser) -> Client {
        let access = self.stack.nats_access(user);
        let password = std::fs::read_to_string(access.password_file.as_ref().unwrap()).unwrap();
        async_nats::ConnectOptions::with_user_and_password(user.name().to_owned(), password)
            .custom_inbox_prefix(user.inbox_prefix())
            .connect(&access.url)
            .await
            .unwrap()
    }

    /// Waits until mapper and writer have settled every message.
    async fn all_settled(&self, observer: &Context) {
        testkit::eventually_true(PATIENCE, "every message is settled", || async {
            // The mapper publishes before it settles: empty in this order means nothing is on its way.
            for stream in [RAW.name, MAPPED.name] {
                if observer.get_stream(stream).await.unwrap().cached_info().state.messages > 0 {
                    return false;
                }
            }
            true
        })
        .await;
    }
}

/// Keeps a copy of everything that is published while the test runs.
struct Copies {
    subscriber: async_nats::Subscriber,
    stream: &'static str,
    /// What the stream held before.
    before: u64,
}

impl Copies {
    /// Begins while nobody else publishes to the stream.
    async fn of(observer: &Client, stream: &'static str, subjects: String) -> Self {
        let subscriber = observer.subscribe(subjects).await.unwrap();
        // The answer comes after the subscription, on the same connection.
        let before = last_sequence(observer, stream).await;
        Self { subscriber, stream, before }
    }

    /// Returns as many as the stream took since, in their order.
    async fn so_far(mut self, observer: &Client) -> Vec<Message> {
        let taken = last_sequence(observer, self.stream).await - self.before;
        let copies = self.subscriber.by_ref().take(usize::try_from(taken).unwrap()).collect();
        tokio::time::timeout(PATIENCE, copies).await.expect("a copy of every message")
    }
}

async fn last_sequence(observer: &Client, stream: &str) -> u64 {
    jetstream::new(observer.clone()).get_stream(stream).await.unwrap().cached_info().state.last_sequence
}

/// Publishes each message three times, all in one random order, and waits until the server has stored them.
async fn deliver_thrice(publisher: &Client, messages: &[Message], random: &mut StdRng) {
    let mut deliveries: Vec<_> = (0..3).flat_map(|_| messages).collect();
    deliveries.shuffle(random);
    let stream = jetstream::new(publisher.clone());
    for message in deliveries {
        let mut kept = async_nats::HeaderMap::new();
        for (name, values) in message.headers.iter().flat_map(async_nats::HeaderMap::iter) {
            // With its id the server would take the second and third for the first.
            if !name.to_string().starts_with("Nats-") {
                values.iter().for_each(|value| kept.append(name.clone(), value.clone()));
            }
        }
        let stored = stream.publish_with_headers(message.subject.clone(), kept, message.payload.clone()).await.unwrap();
        assert!(!stored.await.unwrap().duplicate);
    }
}

/// The same raw chunk for another workspace of the same org.
fn moved(message: &Message, from: &str, to: &str) -> Message {
    let mut batch: RawBatch = body::unpack(&message.payload).unwrap();
    batch.r#ref.as_mut().unwrap().workspace_id = to.to_owned();
    let mut moved = message.clone();
    moved.subject = message.subject.replace(from, to).into();
    moved.payload = body::pack(&batch).unwrap().into();
    moved.headers.as_mut().unwrap().insert(headers::WORKSPACE, to);
    moved
}

/// What a year does to an org, in a few steps with a sync after each.
async fn live(world: &World) {
    world.sync(SyncScope::Changes).await;
    let accounts = world.ids("Account", 40).await;
    let (contacts, leads) = (world.ids("Contact", 20).await, world.ids("Lead", 6).await);
    for round in 0..3 {
        for (place, id) in accounts[6..].iter().enumerate().filter(|(place, _)| place % 3 == round) {
            let fields = json!({ "Name": format!("Round {round} of {place}"), "ARR__c": round * 1_000 + place });
            world.order("update", json!({ "id": id, "fields": fields })).await;
        }
        for id in &contacts[..10] {
            world.order("update", json!({ "id": id, "fields": { "Title": format!("Title {round}") } })).await;
        }
        world.order("convert_lead", json!({ "lead": leads[round] })).await;
        world.order("delete", json!({ "id": accounts[round] })).await;
        world.sync(SyncScope::Changes).await;
    }
    world.order("undelete", json!({ "id": accounts[0] })).await;
    world.order("merge", json!({ "master": accounts[4], "losers": [accounts[3], accounts[5]] })).await;
    world.order("merge", json!({ "master": contacts[11], "losers": [contacts[12]] })).await;
    world.order("delete", json!({ "id": contacts[13] })).await;
    world.sync(SyncScope::Changes).await;
    // A contact's company is its account's name: it changes without a stamp, and a poll can't see that.
    world.sync(SyncScope::Everything).await;
}

async fn assert_balance(world: &World, workspace: &str) {
    let balance = balance(&world.lane, workspace, &world.simulator, "").await.unwrap();
    assert_eq!(balance.differences, Vec::<String>::new(), "{}", world.complaints());
    assert!(balance.verdict.records.len() >= 1_300, "the oracle judged {} records", balance.verdict.records.len());
}

#[tokio::test]
async fn every_message_three_times_in_random_order_ends_as_salesforce_has_it() {
    let world = World::connected(SIZE, &[]).await;
    world.poll_once_a_day().await;
    let observer = world.nats(NatsUser::Observer).await;
    let streams = jetstream::new(observer.clone());
    let raw = Copies::of(&observer, RAW.name, format!("lanesync.v1.raw.{}.*", world.workspace)).await;
    live(&world).await;
    world.at_rest().await;
    assert_balance(&world, &world.workspace).await;
    let raw = raw.so_far(&observer).await;
    assert!(raw.len() >= 15, "several chunks of several runs: {}", raw.len());

    // Another workspace of the same org, which never reads anything itself, gets the same messages in disorder.
    let mixed = world.lane.create_workspace("Mixed", Plan::Business).await.unwrap();
    let how = Headless { environment: world.simulator.url(), start_at: None };
    world.lane.connect(&mixed, &how).await.unwrap();
    world.lane.adopt_suggestions(&mixed).await.unwrap();
    world.lane.match_same_names(&mixed).await.unwrap();
    let moved: Vec<_> = raw.iter().map(|message| moved(message, &world.workspace, &mixed)).collect();
    let mapped = Copies::of(&observer, MAPPED.name, format!("lanesync.v1.mapped.{mixed}.*")).await;
    let seed = rand::random();
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    deliver_thrice(&world.nats(NatsUser::Extractor).await, &moved, &mut random).await;
    world.all_settled(&streams).await;
    assert_balance(&world, &mixed).await;

    // And what the mapper made of them, as if the broker had lost every settlement of the writer.
    let mapped = mapped.so_far(&observer).await;
    assert!(mapped.len() >= 3 * raw.len(), "every raw chunk yields its batch: {} of {}", mapped.len(), raw.len());
    deliver_thrice(&world.nats(NatsUser::Mapper).await, &mapped, &mut random).await;
    world.all_settled(&streams).await;
    assert_balance(&world, &mixed).await;
    assert_balance(&world, &world.workspace).await;
}
