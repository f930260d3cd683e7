use std::collections::BTreeMap;

use contract::event::v1::{CellAction, IdentityState, RawRecord, SourceState};
use domain::{Kind, Object};
use serde_json::json;
use testkit::eventually_true;

use crate::world::{FIELDS, LIMIT, NAME_AND_TIER, RawChunk, World, account, chunk, deleted, id, record, tiered};
use crate::writer::Row;

#[tokio::test(flavor = "multi_thread")]
async fn rule_01_a_newer_read_replaces_the_whole_image() {
    let world = World::new().await;
    world.map(Kind::Account, &[("name", "Name"), ("phone", "Phone")]).await;
    let with_phone = record(&account(1), json!({ "Name": "A", "Phone": "1" }));
    let without_phone = record(&account(1), json!({ "Name": "B" }));

    world.sync(&[chunk(1, vec![with_phone]).reading(1, &["Name", "Phone"])]).await;
    world.sync(&[chunk(2, vec![without_phone]).reading(2, &["Name"])]).await;

    let image: String =
        sqlx::query_scalar("select image from mapper.source_record").fetch_one(&world.admin).await.unwrap();
    assert_eq!(image, r#"{"Name":"B"}"#, "the parts of two reads are never merged");
    let last = world.writer.look().batches.last().unwrap().clone();
    assert_eq!(last.fields, ["name", "phone"]);
    assert_eq!(last.records[0].cells[1].action(), CellAction::Absent, "what was not read is left alone");
    assert_eq!(world.writer.value(&account(1), "phone").as_deref(), Some("1"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_06_mapped_messages_carry_no_message_id() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let same = chunk(1, vec![tiered(1, None)]);
    world.sync(std::slice::from_ref(&same)).await;
    world.sync(std::slice::from_ref(&same)).await;
    assert!(!world.writer.look().has_message_ids);
    assert_eq!(world.writer.batch_count(), 2, "the same chunk again is published again");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_every_raw_chunk_yields_its_batch() {
    let world = World::new().await;
    let of_chunk = |chunk: &RawChunk| {
        let run = chunk.run.to_string();
        let found: Vec<_> = world
            .writer
            .look()
            .batches
            .iter()
            .filter(|batch| batch.r#ref.as_ref().unwrap().run_id == run)
            .cloned()
            .collect();
        assert_eq!(found.len(), 1, "one batch per chunk");
        found[0].clone()
    };

    let unmapped_kind = chunk(1, vec![tiered(1, Some("Gold"))]);
    world.sync(std::slice::from_ref(&unmapped_kind)).await;
    let batch = of_chunk(&unmapped_kind);
    assert_eq!((batch.mapping_version, batch.records.len(), batch.faults.len()), (0, 0, 0), "without a mapping");

    world.map(Kind::Account, &NAME_AND_TIER).await;
    let empty = chunk(2, vec![]);
    let newer = chunk(9, vec![tiered(1, Some("New"))]);
    let stale = chunk(3, vec![tiered(1, Some("Old"))]);
    let faulty =
        chunk(10, vec![record(&account(2), json!({ "Name": null, "Tier__c": null })), record("001", json!({}))]);
    world.sync(std::slice::from_ref(&empty)).await;
    world.sync(&[newer]).await;
    world.sync(std::slice::from_ref(&stale)).await;
    world.sync(std::slice::from_ref(&faulty)).await;

    assert_eq!(of_chunk(&empty).records.len(), 0);
    assert_eq!(of_chunk(&stale).records[0].read_seq, 9, "a stale chunk tells what the store holds");
    let faults = of_chunk(&faulty).faults;
    let codes: Vec<_> = faults.iter().map(|fault| (fault.id.as_str(), fault.code.as_str())).collect();
    assert_eq!(codes, [("", "id_invalid"), (account(2).as_str(), "name_missing")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_a_batch_over_the_limit_travels_in_parts() {
    let world = World::new().await;
    world.map(Kind::Account, &[("name", "Name"), ("phone", "Phone")]).await;
    let long = "ä".repeat(100_000);
    let records = (1..=10).map(|number| record(&account(number), json!({ "Name": "A", "Phone": long })));
    let big = chunk(1, records.collect());
    world.publish(&big).await;
    eventually_true(LIMIT, "all parts arrive", async || world.writer.look().rows.len() == 10).await;
    let inner = world.writer.look();
    let parts: Vec<_> = inner.batches.iter().map(|batch| (batch.part, batch.parts)).collect();
    assert_eq!(parts, [(0, 3), (1, 3), (2, 3)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_12_what_is_no_chunk_goes_to_the_dead_letters_and_holds_up_nobody() {
    use futures::StreamExt;
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let observer = world.nats.connect(testkit::NatsUser::Observer).await.unwrap();
    let mut letters = observer.subscribe("lanesync.v1.dlq.>").await.unwrap();
    observer.flush().await.unwrap();

    world.publish_bytes(b"no protobuf, no zstd".to_vec()).await;
    world.publish_bytes(contract::body::pack(&contract::event::v1::RawBatch::default()).unwrap()).await;
    world.sync(&[chunk(1, vec![tiered(1, None)])]).await;

    for _ in 0..2 {
        let letter = tokio::time::timeout(LIMIT, letters.next()).await.unwrap().unwrap();
        assert_eq!(letter.subject.as_str(), format!("lanesync.v1.dlq.mapper.{}.account", world.workspace));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_a_record_that_postgres_refuses_is_parked_and_its_neighbours_land() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let constraint = "alter table mapper.source_record add constraint refuses check (image not like '%poison%')";
    sqlx::query(constraint).execute(&world.admin).await.unwrap();

    let mut records: Vec<RawRecord> = (1..=20).map(|number| tiered(number, None)).collect();
    records[7] = record(&account(8), json!({ "Name": "poison", "Tier__c": null }));
    world.sync(&[chunk(1, records)]).await;

    let inner = world.writer.look();
    assert_eq!(inner.rows.len(), 19);
    assert_eq!(inner.faults, [(account(8), "store_refused".to_owned())].into());
}

/// Lets the chunk in hand fail as if it had failed four times before: what comes next is its fifth failure.
async fn next_failure_is_the_fifth(world: &World) {
    eventually_true(LIMIT, "the first failure is recorded", async || {
        world.number("select count(*) from mapper.chunk_failure where workspace_id = $1").await == 1
    })
    .await;
    assert_eq!(world.writer.batch_count(), 0, "one failure parks nothing");
    sqlx::query("update mapper.chunk_failure set failures = 4").execute(&world.admin).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_13_after_five_recorded_failures_a_chunk_is_taken_apart() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    // An error that says neither that it passes nor that the data is to blame.
    for statement in [
        "create function mapper.fail() returns trigger language plpgsql as $$ begin raise exception 'odd'; end $$",
        "create trigger odd before insert on mapper.source_record for each row
         when (new.image like '%poison%') execute function mapper.fail()",
    ] {
        sqlx::query(statement).execute(&world.admin).await.unwrap();
    }
    let mut records: Vec<RawRecord> = (1..=20).map(|number| tiered(number, None)).collect();
    records[7] = record(&account(8), json!({ "Name": "poison", "Tier__c": null }));
    world.publish(&chunk(1, records)).await;

    next_failure_is_the_fifth(&world).await;
    eventually_true(LIMIT, "the chunk ends", async || world.writer.batch_count() == 1).await;
    let inner = world.writer.look();
    assert_eq!(inner.rows.len(), 19);
    assert_eq!(inner.faults, [(account(8), "store_refused".to_owned())].into());
}

#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread")]
async fn rule_13_a_record_over_which_we_panic_is_parked_after_five_failures_and_its_neighbours_land() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let odd = 770_008;
    mapper::fail_point::panic_on(&account(odd));
    let records = (1..=19).chain([odd]).map(|number| tiered(number, None));
    world.publish(&chunk(1, records.collect())).await;

    next_failure_is_the_fifth(&world).await;
    eventually_true(LIMIT, "the chunk ends", async || world.writer.batch_count() == 1).await;
    {
        let inner = world.writer.look();
        assert_eq!(inner.rows.len(), 19);
        assert_eq!(inner.faults, [(account(odd), "mapper_failed".to_owned())].into());
    }
    // The task died five times, the process lives.
    world.sync(&[chunk(2, vec![tiered(1, Some("Gold"))])]).await;
    assert!(world.writer.field(&account(1), "tier").is_unmapped);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_18_the_old_value_stays_in_whatever_order_chunks_arrive() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.decide(&[("Gold", "enterprise"), ("Internal", "ignore")]).await;
    let read = |read_seq, number, tier| chunk(read_seq, vec![tiered(number, tier)]);

    world.sync(&[read(1, 1, Some("Gold"))]).await;
    world.sync(&[read(2, 1, Some("Odd"))]).await;
    // The same two reads of another account, the newer one first.
    world.sync(&[read(4, 2, Some("Odd"))]).await;
    world.sync(&[read(3, 2, Some("Gold"))]).await;
    // Null in between clears the value, the mark stays.
    world.sync(&[read(7, 3, Some("Odd"))]).await;
    world.sync(&[read(5, 3, Some("Gold"))]).await;
    world.sync(&[read(6, 3, None)]).await;
    // An ignored value leaves the field as it was.
    world.sync(&[read(9, 4, Some("Internal"))]).await;
    world.sync(&[read(8, 4, Some("Gold"))]).await;

    for number in [1, 2] {
        let tier = world.writer.field(&account(number), "tier");
        assert_eq!((tier.value.as_deref(), tier.is_unmapped), (Some("enterprise"), true), "account {number}");
    }
    let cleared = world.writer.field(&account(3), "tier");
    assert_eq!((cleared.value, cleared.is_unmapped), (None, true));
    let ignored = world.writer.field(&account(4), "tier");
    assert_eq!((ignored.value.as_deref(), ignored.is_unmapped), (Some("enterprise"), false));
}

#[tokio::test(flavor = "multi_thread")]
async fn every_chunk_three_times_in_any_order_gives_what_one_clean_pass_gives() {
    let tiers = [Some("Gold"), Some("Odd"), None, Some("Silver"), Some("Internal")];
    let mut chunks = Vec::new();
    for read_seq in 1..=24_i64 {
        let records = (0..12_u32).filter(|number| (i64::from(*number) + read_seq) % 3 != 0).map(|number| {
            let pick = (i64::from(number) * 7 + read_seq * 3) % 11;
            match pick {
                9 => deleted(&account(number)),
                10 => RawRecord { master_record_id: account(number + 100), ..deleted(&account(number)) },
                pick => tiered(number, tiers[usize::try_from(pick).unwrap() % tiers.len()]),
            }
        });
        chunks.push(chunk(read_seq, records.collect()));
    }

    let clean = World::new().await;
    clean.map(Kind::Account, &NAME_AND_TIER).await;
    clean.decide(&[("Gold", "enterprise"), ("Silver", "smb"), ("Internal", "ignore")]).await;
    for chunk in &chunks {
        clean.sync(std::slice::from_ref(chunk)).await;
    }

    let shuffled = World::new().await;
    shuffled.map(Kind::Account, &NAME_AND_TIER).await;
    shuffled.decide(&[("Gold", "enterprise"), ("Silver", "smb"), ("Internal", "ignore")]).await;
    let mut order: Vec<usize> = (0..chunks.len() * 3).collect();
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    for place in (1..order.len()).rev() {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        order.swap(place, usize::try_from(state >> 33).unwrap() % (place + 1));
    }
    let thrice: Vec<RawChunk> = order.into_iter().map(|place| chunks[place % chunks.len()].clone()).collect();
    shuffled.sync(&thrice).await;

    assert_eq!(held(&shuffled), held(&clean), "what the writer holds");
    assert_eq!(shuffled.open_values().await, clean.open_values().await, "the registry");
    assert_eq!(images(&shuffled).await, images(&clean).await, "the source store");
}

/// What the writer holds; of a key that is not live only what it means, since the last values of a gone record depend on
/// which of its reads came in time.
fn held(world: &World) -> BTreeMap<String, Row> {
    let mut rows = world.writer.look().rows.clone();
    for row in rows.values_mut().filter(|row| row.state != i32::from(IdentityState::Live)) {
        row.fields.clear();
    }
    rows
}

async fn images(world: &World) -> Vec<(String, i64, String, String)> {
    sqlx::query_as("select salesforce_id, read_seq, state, image from mapper.source_record order by 1")
        .fetch_all(&world.admin)
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn deletes_merges_and_conversions_are_told_as_what_the_key_means() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.map(Kind::Contact, &[("email", "Email")]).await;
    let (lead, contact) = (id("00Q", 1), id("003", 1));
    let loser = RawRecord { master_record_id: account(2), ..deleted(&account(1)) };
    let hidden = RawRecord { state: SourceState::NotVisible.into(), ..deleted(&account(3)) };
    let converted = RawRecord {
        converted_contact_id: contact.clone(),
        account_id: account(2),
        ..record(&lead, json!({ "Name": "Ada", "Email": null }))
    };
    world.sync(&[chunk(1, vec![loser, hidden, deleted(&account(4))])]).await;
    world.sync(&[chunk(2, vec![converted]).of(Object::Lead).reading(1, &["Name", "Email"])]).await;

    let inner = world.writer.look();
    let told = |id: &str| (inner.rows[id].state, inner.rows[id].target.clone(), inner.rows[id].fields.len());
    assert_eq!(told(&account(1)), (IdentityState::Merged.into(), account(2), 0));
    assert_eq!(told(&account(3)), (IdentityState::NotVisible.into(), String::new(), 0));
    assert_eq!(told(&account(4)), (IdentityState::Deleted.into(), String::new(), 0));
    assert_eq!(told(&lead), (IdentityState::Converted.into(), contact, 0));
    assert_eq!(inner.batches.last().unwrap().records[0].account_id, account(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn ids_that_differ_only_in_case_are_two_records() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let ids = ["001Kd00001a2B3cIAE", "001Kd00001a2B3CIAU"];
    let records = ids.map(|id| record(id, json!({ "Name": id, "Phone": null, "Tier__c": null, "ARR__c": null })));
    world.sync(&[chunk(1, records.to_vec()).reading(1, &FIELDS)]).await;
    for id in ids {
        assert_eq!(world.writer.value(id, "name").as_deref(), Some(id));
    }
}
