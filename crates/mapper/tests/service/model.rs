//! Replays beside live chunks, in random order, with replicas that die between publishing and stamping. In the end the
//! writer holds what the newest mapping makes of the newest image of every record.

use std::collections::BTreeMap;

use contract::event::v1::RunMode;
use contract::streams;
use domain::Kind;
use messaging::Bus;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use serde_json::json;
use testkit::{NatsUser, eventually_true};

use crate::world::{LIMIT, World, account, chunk, record};
use crate::writer::Field;

const RECORDS: u32 = 6;
const OPTIONS: [&str; 3] = ["smb", "mid_market", "enterprise"];

#[derive(Clone, Debug)]
enum Step {
    /// A read of some records: (number, tier).
    Live(Vec<(u32, Tier)>),
    /// The raw chunk of an earlier read comes once more.
    Again(usize),
    /// The fields are mapped anew.
    Fields { phone: bool, description: &'static str },
    /// Other options for the two known tiers.
    Values(usize, usize),
    /// A save, and the replica dies once it has published some of its replay and stamped nothing; another goes on.
    SaveAndDie(usize, usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tier {
    Gold,
    Silver,
    Null,
    /// Nobody decided what it means.
    Odd,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let tier = prop_oneof![Just(Tier::Gold), Just(Tier::Silver), Just(Tier::Null), Just(Tier::Odd)];
    let live = prop::collection::vec((1..=RECORDS, tier), 1..5).prop_map(Step::Live);
    let fields = (any::<bool>(), prop_oneof![Just("Name"), Just("Phone")])
        .prop_map(|(phone, description)| Step::Fields { phone, description });
    let options = || (0..OPTIONS.len(), 0..OPTIONS.len());
    let step = prop_oneof![
        6 => live,
        1 => (0..1_000_usize).prop_map(Step::Again),
        2 => fields,
        2 => options().prop_map(|(gold, silver)| Step::Values(gold, silver)),
        1 => options().prop_map(|(gold, silver)| Step::SaveAndDie(gold, silver)),
    ];
    prop::collection::vec(step, 1..16)
}

/// Everything that decides what the writer must hold.
#[derive(Debug)]
struct Model {
    phone: bool,
    description: &'static str,
    gold: usize,
    silver: usize,
    /// Of each record its reads, oldest first.
    reads: BTreeMap<u32, Vec<(i64, Tier)>>,
}

impl Model {
    fn option(&self, tier: Tier) -> Option<Option<String>> {
        match tier {
            Tier::Gold => Some(Some(OPTIONS[self.gold].to_owned())),
            Tier::Silver => Some(Some(OPTIONS[self.silver].to_owned())),
            Tier::Null => Some(None),
            Tier::Odd => None,
        }
    }

    /// The newest mapping of the newest image; an open value keeps the newest one before it that is mapped.
    fn expected(&self, number: u32) -> BTreeMap<String, Field> {
        let reads = &self.reads[&number];
        let (read_seq, tier) = *reads.last().unwrap();
        let value = |text: String| Field { value: Some(text), is_unmapped: false };
        let (name, phone) = (format!("name {read_seq}"), format!("phone {read_seq}"));
        let kept = reads.iter().rev().find_map(|(_, tier)| self.option(*tier)).flatten();
        let mut fields = BTreeMap::from([
            ("name".to_owned(), value(name.clone())),
            ("tier".to_owned(), Field { value: kept, is_unmapped: tier == Tier::Odd }),
            ("description".to_owned(), value(if self.description == "Name" { name } else { phone.clone() })),
        ]);
        if self.phone {
            fields.insert("phone".to_owned(), value(phone));
        }
        fields
    }
}

async fn waiting(observer: &Bus, stream: &str) -> u64 {
    observer.context().get_stream(stream).await.unwrap().cached_info().state.messages
}

async fn settled(observer: &Bus) {
    let what = "all raw chunks are mapped";
    eventually_true(LIMIT, what, async || waiting(observer, streams::RAW.name).await == 0).await;
}

fn replays(world: &World) -> usize {
    world.writer.look().batches.iter().filter(|batch| batch.mode() == RunMode::Replay).count()
}

async fn save_fields(world: &World, phone: bool, description: &'static str) {
    let mut pairs = vec![("name", "Name"), ("tier", "Tier__c"), ("description", description)];
    pairs.extend(phone.then_some(("phone", "Phone")));
    world.map(Kind::Account, &pairs).await;
}

async fn decide(world: &World, gold: usize, silver: usize) {
    world.decide(&[("Gold", OPTIONS[gold]), ("Silver", OPTIONS[silver])]).await;
}

/// Saves, lets the replica publish its replay, and kills it before any of that is stamped.
async fn save_and_die(world: &mut World, observer: &Bus, gold: usize, silver: usize) {
    // What a dead replica had taken of the stream comes again only after half a minute.
    settled(observer).await;
    world.replayed().await;
    let before = replays(world);
    let mut lock = world.admin.begin().await.unwrap();
    sqlx::query("lock table mapper.replay_chunk in share row exclusive mode").execute(&mut *lock).await.unwrap();
    decide(world, gold, silver).await;
    let has_work = "select count(*) from mapper.replay where workspace_id = $1 and phase = 'mapping'";
    if world.number(has_work).await > 0 {
        eventually_true(LIMIT, "something is published", async || replays(world) > before).await;
        assert_eq!(world.replay().await.mapped, 0, "and nothing stamped");
    }
    world.kill_mapper().await;
    lock.rollback().await.unwrap();
    // As if the time of its lease had gone by.
    sqlx::query("update mapper.replay set leased_until = now()").execute(&world.admin).await.unwrap();
    world.another_mapper().await;
}

async fn run(steps: Vec<Step>) -> Result<(), TestCaseError> {
    let mut world = World::new().await;
    let observer = world.nats.bus(NatsUser::Observer).await;
    let mut model = Model { phone: false, description: "Name", gold: 0, silver: 1, reads: BTreeMap::new() };
    save_fields(&world, model.phone, model.description).await;
    decide(&world, model.gold, model.silver).await;
    let mut sent = Vec::new();
    for (step, read_seq) in steps.into_iter().zip(1_i64..) {
        match step {
            Step::Live(records) => {
                let records: BTreeMap<u32, Tier> = records.into_iter().collect();
                let raw = records.iter().map(|(number, tier)| {
                    let tier = match tier {
                        Tier::Gold => Some("Gold"),
                        Tier::Silver => Some("Silver"),
                        Tier::Null => None,
                        Tier::Odd => Some("Odd"),
                    };
                    let (name, phone) = (format!("name {read_seq}"), format!("phone {read_seq}"));
                    let image = json!({ "Name": name, "Phone": phone, "Tier__c": tier, "ARR__c": null });
                    record(&account(*number), image)
                });
                sent.push(chunk(read_seq, raw.collect()));
                world.publish_all(&sent[sent.len() - 1..]).await;
                for (number, tier) in records {
                    model.reads.entry(number).or_default().push((read_seq, tier));
                }
            }
            Step::Again(pick) => {
                if let Some(chunk) = sent.get(pick % sent.len().max(1)) {
                    world.publish(chunk).await;
                }
            }
            Step::Fields { phone, description } => {
                (model.phone, model.description) = (phone, description);
                save_fields(&world, phone, description).await;
            }
            Step::Values(gold, silver) => {
                (model.gold, model.silver) = (gold, silver);
                decide(&world, gold, silver).await;
            }
            Step::SaveAndDie(gold, silver) => {
                (model.gold, model.silver) = (gold, silver);
                save_and_die(&mut world, &observer, gold, silver).await;
            }
        }
    }
    settled(&observer).await;
    world.replayed().await;
    eventually_true(LIMIT, "all batches are applied", async || waiting(&observer, streams::MAPPED.name).await == 0)
        .await;

    let inner = world.writer.look();
    prop_assert_eq!(inner.rows.len(), model.reads.len());
    prop_assert!(inner.faults.is_empty(), "{:?}", inner.faults);
    for number in model.reads.keys() {
        let expected = model.expected(*number);
        let mut held = inner.rows[&account(*number)].fields.clone();
        // The last value of a field that is not mapped any more stays; no mapping says which.
        held.retain(|field, _| expected.contains_key(field));
        prop_assert_eq!(held, expected, "record {}", number);
    }
    Ok(())
}

/// Each case has a database and a broker of its own: a thirty-second part of PROPTEST_CASES.
#[test]
fn rule_05_in_any_history_the_writer_ends_with_the_newest_mapping_of_the_newest_image() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let defaults = Config::default();
    let config =
        Config { cases: (defaults.cases / 32).max(1), max_shrink_iters: 64, source_file: Some(file!()), ..defaults };
    if let Err(error) = TestRunner::new(config).run(&steps(), |steps| runtime.block_on(run(steps))) {
        panic!("{error}");
    }
}
