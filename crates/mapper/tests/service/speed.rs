//! How fast the mapper is on this machine; for release builds: `cargo test -p mapper --release -- --ignored speed`.

use std::time::{Duration, Instant};

use domain::Kind;
use serde_json::json;
use testkit::eventually_true;

use crate::world::{RawChunk, World, account, chunk, record};

const RECORDS: u32 = 100_000;
const PATIENCE: Duration = Duration::from_secs(120);

fn everything(read_seq: i64) -> Vec<RawChunk> {
    let numbers: Vec<u32> = (1..=RECORDS).collect();
    let one = |number: &u32| {
        let tier = ["Gold", "Silver", "Odd"][*number as usize % 3];
        let image = json!({
            "Name": format!("Account {number} of a company with a name"), "Phone": "+358 40 123 4567",
            "Fax": "+358 40 123 4568", "Tier__c": tier,
            "ARR__c": f64::from(*number) * 1.5, "Segment__c": "Big",
            "Website": "https://www.example.com/some/path", "Industry": "Technology", "BillingCountry": "Finland",
            "Description": "A description of some length, as people write them into a field that takes text.",
        });
        record(&account(*number), image)
    };
    let fields = ["Name", "Phone", "Fax", "Tier__c", "ARR__c", "Segment__c"];
    let chunks =
        numbers.chunks(200).map(|numbers| chunk(read_seq, numbers.iter().map(one).collect()).reading(1, &fields));
    chunks.collect()
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measurement, for release builds"]
async fn speed_of_chunks_and_of_a_replay() {
    let mut world = World::quiet().await;
    let pairs =
        [("name", "Name"), ("phone", "Phone"), ("tier", "Tier__c"), ("status", "Segment__c"), ("arr", "ARR__c")];
    world.map(Kind::Account, &pairs).await;
    let chunk_count = everything(1).len();
    for (pass, read_seq) in [("fresh", 1), ("unchanged", 2)] {
        world.publish_all(&everything(read_seq)).await;
        let begun = Instant::now();
        if read_seq == 1 {
            world.start_writer().await;
            world.start_mapper();
        }
        let expected = chunk_count * usize::try_from(read_seq).unwrap();
        eventually_true(PATIENCE, "all is mapped", async || world.writer.batch_count() >= expected).await;
        println!("{pass}: {:.0} records/s", f64::from(RECORDS) / begun.elapsed().as_secs_f64());
    }
    let begun = Instant::now();
    world.decide(&[("Gold", "enterprise")]).await;
    println!("save with exact preview: {:.2} s", begun.elapsed().as_secs_f64());
    eventually_true(PATIENCE, "the replay is done", async || world.replay().await.done).await;
    let took = begun.elapsed();
    println!("replay of {RECORDS} records, until applied: {:.2} s", took.as_secs_f64());
    assert!(took < Duration::from_secs(10), "{took:?}");
}
