//! Whatever the order of delivery, and however often: the same rows in the end.

use std::collections::HashMap;

use contract::common::v1::SalesforceObject::{self, Account, Contact, Lead};
use contract::event::v1::{IdentityState, MappedBatch};
use messaging::Outcome;
use rand::rngs::StdRng;
use rand::seq::{IndexedRandom as _, SliceRandom as _};
use rand::{Rng as _, SeedableRng as _};

use crate::fixture::{
    Batch, House, account, clear, contact, euros, lead, option, text, unmapped, unmapped_after_empty,
};

const KEYS: u32 = 5;
const STEPS: i64 = 40;

/// A history of reads: each brings some records of one object as they were then.
fn history(house: &House, random: &mut StdRng) -> Vec<MappedBatch> {
    let mut known_tier = HashMap::new();
    (1..=STEPS)
        .map(|read_seq| {
            let object = *[Account, Contact, Lead].choose(random).unwrap();
            let mut numbers: Vec<_> = (1..=KEYS).collect();
            numbers.shuffle(random);
            numbers.truncate(random.random_range(1..=3));
            let batch = house.batch(object, read_seq);
            numbers
                .into_iter()
                .fold(batch, |batch, number| step(batch, object, number, read_seq, &mut known_tier, random))
                .build()
        })
        .collect()
}

fn key(object: SalesforceObject, number: u32) -> String {
    match object {
        Account => account(number),
        Contact => contact(number),
        _ => lead(number),
    }
}

fn step(
    batch: Batch,
    object: SalesforceObject,
    number: u32,
    read_seq: i64,
    known_tier: &mut HashMap<u32, Option<&'static str>>,
    random: &mut StdRng,
) -> Batch {
    let key_here = key(object, number);
    let other = random.random_range(1..=KEYS);
    match random.random_range(0..10) {
        0 => batch.gone(&key_here, IdentityState::Deleted, ""),
        1 => batch.gone(&key_here, IdentityState::NotVisible, ""),
        2 | 3 if object == Lead => batch.gone(&key_here, IdentityState::Converted, &contact(other)),
        2 | 3 if other != number => batch.gone(&key_here, IdentityState::Merged, &key(object, other)),
        _ if object == Account => {
            // As the mapper does it: with a value that has no mapping travels the newest one that has.
            let tier = match random.random_range(0..3) {
                0 => {
                    known_tier.insert(number, None);
                    clear()
                }
                1 => match known_tier.get(&number) {
                    Some(None) => unmapped_after_empty(),
                    known => unmapped(known.copied().flatten()),
                },
                _ => {
                    let tier = *["smb", "enterprise"].choose(random).unwrap();
                    known_tier.insert(number, Some(tier));
                    option(tier)
                }
            };
            batch.live(&key_here, &[text(&format!("name {read_seq}")), euros(&format!("{read_seq}.5")), tier])
        }
        _ => {
            let account = if random.random_bool(0.8) { account(other) } else { String::new() };
            batch.live_at(&key_here, &account, &[text(&format!("name {read_seq}")), clear()])
        }
    }
}

/// Delivers every batch three times, in any order, several together, by two workers at once.
async fn deliver_at_random(house: &House, batches: &[MappedBatch], random: &mut StdRng) {
    let mut deliveries: Vec<_> = (0..3).flat_map(|_| batches.iter().cloned()).collect();
    deliveries.shuffle(random);
    let mut queues = [Vec::new(), Vec::new()];
    while !deliveries.is_empty() {
        let take = random.random_range(1..=4).min(deliveries.len());
        let group: Vec<_> = deliveries.drain(..take).collect();
        queues[random.random_range(0..2)].push(group);
    }
    let work = |queue: Vec<Vec<MappedBatch>>| async {
        for group in queue {
            let outcomes = house.writer.apply(group).await;
            assert!(outcomes.iter().all(|outcome| *outcome == Outcome::Done), "{outcomes:?}");
        }
    };
    let [first, second] = queues;
    tokio::join!(work(first), work(second));
}

#[expect(clippy::print_stdout, reason = "a failing run must say which seed repeats it")]
async fn same_rows_in_any_order(seed: u64) {
    println!("seed {seed}");
    let mut random = StdRng::seed_from_u64(seed);
    let (clean, mixed) = (House::new().await, House::new().await);
    let batches = history(&clean, &mut random);
    for batch in &batches {
        assert_eq!(clean.writer.apply(vec![batch.clone()]).await, [Outcome::Done]);
    }
    let moved: Vec<_> = batches
        .into_iter()
        .map(|mut batch| {
            batch.r#ref.as_mut().unwrap().workspace_id = mixed.workspace.to_string();
            batch
        })
        .collect();
    deliver_at_random(&mixed, &moved, &mut random).await;
    assert_eq!(mixed.digest().await, clean.digest().await, "seed {seed}");
}

#[tokio::test]
async fn g2_every_batch_three_times_in_random_order_ends_as_one_clean_pass() {
    for seed in 0..6 {
        same_rows_in_any_order(seed).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rule_19_writers_that_share_keys_take_them_in_one_order() {
    let house = House::new().await;
    let batch = |read_seq: i64| {
        // Each batch names the same keys, every second one backwards.
        let numbers: Vec<u32> = if read_seq % 2 == 0 { (1..=40).collect() } else { (1..=40).rev().collect() };
        let cells = [text(&format!("name {read_seq}")), clear(), clear()];
        let empty = house.batch(Account, read_seq);
        numbers.into_iter().fold(empty, |batch, number| batch.live(&account(number), &cells)).build()
    };
    let (house, batch) = (&house, &batch);
    let work = |first: i64| async move {
        for read_seq in (first..=60).step_by(2) {
            assert_eq!(house.writer.apply(vec![batch(read_seq)]).await, [Outcome::Done]);
        }
    };
    tokio::join!(work(1), work(2));
    let names: Vec<String> = sqlx::query_scalar("select distinct name from customers.customer where workspace_id = $1")
        .bind(house.workspace.0)
        .fetch_all(&house.admin)
        .await
        .unwrap();
    assert_eq!(names, ["name 60"]);
    let deadlocks = "select deadlocks from pg_stat_database where datname = current_database()";
    assert_eq!(sqlx::query_scalar::<_, i64>(deadlocks).fetch_one(&house.admin).await.unwrap(), 0);
}
