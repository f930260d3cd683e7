use contract::common::v1 as common;
use contract::error::Reason;
use contract::event::v1::{UnmappedChange, UnmappedValue};
use contract::mapper::v1 as wire;
use contract::mapper::v1::mapping_service_server::MappingService;
use domain::{Kind, Object};
use futures::StreamExt;
use prost::Message;
use serde_json::json;
use testkit::eventually_true;
use tonic::Request;

use crate::world::{LIMIT, NAME_AND_TIER, World, account, chunk, deleted, id, record, tiered};

fn open(entries: &[(&str, i64)]) -> Vec<(String, String, i64)> {
    entries.iter().map(|(value, count)| ("tier".to_owned(), (*value).to_owned(), *count)).collect()
}

async fn values(world: &World, kind: Kind, field: &str) -> Vec<wire::ValueMapping> {
    let request = wire::ListValueMappingsRequest { page_size: 1_000, ..of(world, kind, field) };
    list(world, request).await.values
}

fn of(world: &World, kind: Kind, field: &str) -> wire::ListValueMappingsRequest {
    wire::ListValueMappingsRequest {
        workspace_id: world.workspace.to_string(),
        kind: common::RecordKind::from(kind).into(),
        field: field.to_owned(),
        ..Default::default()
    }
}

async fn list(world: &World, request: wire::ListValueMappingsRequest) -> wire::ListValueMappingsResponse {
    world.api.list_value_mappings(Request::new(request)).await.unwrap().into_inner()
}

async fn counted(world: &World) -> wire::CountUnmappedValuesResponse {
    let request = wire::CountUnmappedValuesRequest { workspace_id: world.workspace.to_string() };
    world.api.count_unmapped_values(Request::new(request)).await.unwrap().into_inner()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_is_exact_after_updates_deletes_and_repeats() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let first = chunk(1, vec![tiered(1, Some("A")), tiered(2, Some("A")), tiered(3, Some("B"))]);
    world.sync(std::slice::from_ref(&first)).await;
    assert_eq!(world.open_values().await, open(&[("A", 2), ("B", 1)]));

    world.sync(&[first.clone(), first.clone()]).await;
    assert_eq!(world.open_values().await, open(&[("A", 2), ("B", 1)]), "a repeat counts nothing");

    world.sync(&[chunk(2, vec![tiered(1, Some("B")), deleted(&account(2))])]).await;
    assert_eq!(world.open_values().await, open(&[("B", 2)]), "only live keys count");

    world.sync(&[chunk(3, vec![tiered(2, Some("A")), tiered(3, None)])]).await;
    assert_eq!(world.open_values().await, open(&[("A", 1), ("B", 1)]), "an undeleted key counts again");

    world.sync(&[first]).await;
    assert_eq!(world.open_values().await, open(&[("A", 1), ("B", 1)]), "an old read changes no count");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_registry_follows_the_mapping_to_another_field() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let image = |number: u32, tier: &str, segment: &str| {
        record(&account(number), json!({ "Name": "A", "Tier__c": tier, "Segment__c": segment }))
    };
    let fields = ["Name", "Tier__c", "Segment__c"];
    let read = |read_seq, records| chunk(read_seq, records).reading(1, &fields);
    world.sync(&[read(1, vec![image(1, "Gold", "Big"), image(2, "Gold", "Small")])]).await;
    assert_eq!(world.open_values().await, open(&[("Gold", 2)]));

    world.map(Kind::Account, &[("name", "Name"), ("tier", "Segment__c")]).await;
    assert_eq!(world.open_values().await, open(&[("Big", 1), ("Small", 1)]));
    world.sync(&[read(2, vec![image(1, "Gold", "Small")])]).await;
    assert_eq!(world.open_values().await, open(&[("Small", 2)]));

    world.map(Kind::Account, &[("name", "Name")]).await;
    assert!(world.open_values().await.is_empty(), "an unmapped field has no values");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_is_open_when_describe_lists_it_as_active_or_a_record_carries_it() {
    let world = World::new().await;
    world.org.list(Object::Account, "Tier__c", &[("Gold", true), ("Legacy", false), ("Retired", false)]);
    world.map(Kind::Account, &NAME_AND_TIER).await;
    assert_eq!(world.open_values().await, open(&[("Gold", 0)]));

    world.sync(&[chunk(1, vec![tiered(1, Some("Retired")), tiered(2, Some("Unheard"))])]).await;
    assert_eq!(world.open_values().await, open(&[("Gold", 0), ("Retired", 1), ("Unheard", 1)]));

    world.decide(&[("Gold", "enterprise"), ("Retired", "ignore")]).await;
    assert_eq!(world.open_values().await, open(&[("Unheard", 1)]));
    world.decide(&[("Gold", "open")]).await;
    assert_eq!(world.open_values().await, open(&[("Gold", 0), ("Unheard", 1)]));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_list_is_searched_filtered_and_read_page_by_page() {
    let world = World::new().await;
    let names: Vec<String> = (0..120).map(|at| format!("Segment {at:03}")).collect();
    let mut known: Vec<(&str, bool)> = names.iter().map(|name| (name.as_str(), true)).collect();
    known.extend([("S M B", true), ("ÄRGER", true)]);
    world.org.list(Object::Account, "Tier__c", &known);
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.decide(&[("Segment 000", "smb"), ("Segment 001", "ignore"), ("Segment 002", "smb")]).await;
    let all = of(&world, Kind::Account, "tier");

    let (mut request, mut seen, mut pages) = (all.clone(), Vec::new(), 0);
    loop {
        let page = list(&world, request.clone()).await;
        assert_eq!(page.total_size, 122);
        seen.extend(page.values.into_iter().map(|value| value.value));
        pages += 1;
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            break;
        }
    }
    assert_eq!((pages, &seen[119..]), (3, &["Segment 000".to_owned(), "Segment 001".into(), "Segment 002".into()][..]));
    let distinct: std::collections::BTreeSet<_> = seen.iter().collect();
    assert_eq!(distinct.len(), 122);
    let third = list(&world, wire::ListValueMappingsRequest { skip: 100, ..all.clone() }).await;
    assert_eq!(
        third.values.iter().map(|value| &value.value).collect::<Vec<_>>(),
        seen[100..].iter().collect::<Vec<_>>()
    );

    let found = list(&world, wire::ListValueMappingsRequest { search: " SEGMENT 00".into(), ..all.clone() }).await;
    let told =
        |counts: Option<wire::ValueCounts>| counts.map(|told| (told.open, told.mapped, told.ignored, told.namesakes));
    assert_eq!((found.total_size, told(found.found), told(found.all)), (10, Some((7, 2, 1, 0)), Some((119, 2, 1, 1))));
    assert_eq!(found.values_by_option, [("smb".to_owned(), 2)].into());
    let mapped = wire::ListValueMappingsRequest {
        search: "segment 00".into(),
        decision: wire::ValueDecision::Map.into(),
        ..all.clone()
    };
    let mapped = list(&world, mapped).await;
    assert_eq!((mapped.total_size, told(mapped.found)), (2, told(found.found)), "filters do not change what is found");
    let umlaut = list(&world, wire::ListValueMappingsRequest { search: "ärg".into(), ..all.clone() }).await;
    let namesakes = list(&world, wire::ListValueMappingsRequest { has_namesake: true, ..all.clone() }).await;
    assert_eq!((umlaut.values[0].value.as_str(), namesakes.values[0].value.as_str()), ("ÄRGER", "S M B"));
    assert_eq!((umlaut.total_size, namesakes.total_size), (1, 1));
    let ids = vec![umlaut.values[0].id.clone(), uuid::Uuid::nil().to_string()];
    assert_eq!(list(&world, wire::ListValueMappingsRequest { ids, ..all.clone() }).await.values, umlaut.values);

    let first = list(&world, all.clone()).await;
    let token = wire::ListValueMappingsRequest { page_token: first.next_page_token, ..all.clone() };
    let forged = [
        wire::ListValueMappingsRequest { search: "x".into(), ..token },
        wire::ListValueMappingsRequest { page_token: "forged".into(), ..all.clone() },
        wire::ListValueMappingsRequest { page_size: -1, ..all.clone() },
        wire::ListValueMappingsRequest { skip: -1, ..all.clone() },
        wire::ListValueMappingsRequest { decision: 9, ..all.clone() },
        wire::ListValueMappingsRequest { ids: vec![String::new(); 1_001], ..all },
    ];
    for request in forged {
        let refused = world.api.list_value_mappings(Request::new(request)).await.unwrap_err();
        assert_eq!(Reason::of(&refused), Some(Reason::ArgumentInvalid));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn open_values_are_counted_per_field_as_they_are_listed() {
    let world = World::new().await;
    world.org.list(Object::Account, "Tier__c", &[("Gold", true), ("Legacy", false), ("Silver", true)]);
    assert_eq!(counted(&world).await, wire::CountUnmappedValuesResponse::default());
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.map(Kind::Contact, &[("tier", "Level__c")]).await;
    world.sync(&[chunk(1, vec![tiered(1, Some("Unheard"))])]).await;
    let person = record(&id("003", 1), json!({ "Name": "Ada", "Level__c": "High" }));
    world.sync(&[chunk(2, vec![person]).of(Object::Contact).reading(1, &["Name", "Level__c"])]).await;
    let count =
        |kind: common::RecordKind, count| wire::UnmappedFieldCount { kind: kind.into(), field: "tier".into(), count };
    let told = counted(&world).await;
    assert_eq!(told.fields, [count(common::RecordKind::Account, 3), count(common::RecordKind::Contact, 1)]);
    assert_eq!((told.count, world.open_values().await.len()), (4, 4));
    assert!(told.oldest_first_seen_time.is_some());

    world.decide(&[("Gold", "smb"), ("Silver", "ignore"), ("Unheard", "ignore")]).await;
    assert_eq!(counted(&world).await.fields, [count(common::RecordKind::Contact, 1)]);
    world.map(Kind::Contact, &[("name", "Name")]).await;
    assert_eq!(counted(&world).await.count, 0, "a field that nothing feeds has no open values");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_shows_label_revenue_origins_and_decision() {
    let world = World::new().await;
    world.org.list(Object::Account, "Tier__c", &[("Gold", true)]);
    world.map(Kind::Account, &[("name", "Name"), ("tier", "Tier__c"), ("arr", "ARR__c")]).await;
    let priced = |number: u32, tier: &str, arr: serde_json::Value, currency: Option<&str>| {
        let image = json!({ "Name": "A", "Phone": null, "Tier__c": tier, "ARR__c": arr, "CurrencyIsoCode": currency });
        record(&account(number), image)
    };
    let records = vec![
        priced(1, "Gold", json!(100.25), None),
        priced(2, "Gold", json!(200.5), None),
        priced(3, "Gold", json!(7), Some("USD")),
        priced(4, "Odd", json!(null), None),
    ];
    world.sync(&[chunk(1, records)]).await;
    let listed = values(&world, Kind::Account, "tier").await;
    let gold = &listed[0];
    assert_eq!((gold.value.as_str(), gold.label.as_str(), gold.record_count), ("Gold", "GOLD", 3));
    assert_eq!((gold.active, gold.decision()), (true, wire::ValueDecision::Open));
    assert_eq!(gold.origins, [i32::from(common::SalesforceObject::Account)]);
    let money = |amount: &str, code: &str| common::Money { amount: amount.into(), currency_code: code.into() };
    assert_eq!(gold.arr, [money("300.75", "EUR"), money("7", "USD")]);
    assert!(gold.first_seen_time.is_some() && gold.last_seen_time.is_some());
    assert_eq!((listed[1].value.as_str(), listed[1].active), ("Odd", false));
}

#[tokio::test(flavor = "multi_thread")]
async fn contacts_and_leads_share_one_list_with_both_origins() {
    let world = World::new().await;
    world.map(Kind::Contact, &[("tier", "Level__c")]).await;
    let person = |id: &str, level: &str| record(id, json!({ "Name": "Ada", "Level__c": level }));
    let fields = ["Name", "Level__c"];
    let contact = chunk(1, vec![person(&id("003", 1), "High")]).of(Object::Contact).reading(1, &fields);
    let lead = chunk(2, vec![person(&id("00Q", 1), "High"), person(&id("00Q", 2), "Low")]);
    world.sync(&[contact, lead.of(Object::Lead).reading(1, &fields)]).await;

    let listed = values(&world, Kind::Contact, "tier").await;
    let shown: Vec<_> =
        listed.iter().map(|value| (value.value.as_str(), value.record_count, value.origins.len())).collect();
    assert_eq!(shown, [("High", 2, 2), ("Low", 1, 1)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn nasty_values_come_back_byte_for_byte() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let long = "x".repeat(255);
    let nasty =
        ["Tier \"A\"", " Gold", "Gold", "זהב", "金", "\u{c4}", "A\u{308}", "a,b", "Gold;Silver", "&lt;b&gt;", &long];
    let records = nasty.iter().zip(1..).map(|(value, number)| tiered(number, Some(value)));
    world.sync(&[chunk(1, records.collect())]).await;
    let mut expected: Vec<_> = nasty.iter().map(|value| ("tier".to_owned(), (*value).to_owned(), 1)).collect();
    expected.sort();
    assert_eq!(world.open_values().await, expected);

    let decisions: Vec<_> = nasty.iter().map(|value| (*value, "smb")).collect();
    world.decide(&decisions).await;
    world.replayed().await;
    for number in 1..=nasty.len() as u32 {
        assert_eq!(world.writer.value(&account(number), "tier").as_deref(), Some("smb"), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn values_that_open_grow_and_close_are_told_by_events_without_the_value() {
    let world = World::new().await;
    let observer = world.nats.connect(testkit::NatsUser::Observer).await.unwrap();
    let mut events = observer.subscribe("lanesync.v1.unmapped.*.*").await.unwrap();
    observer.flush().await.unwrap();
    let mut next = async || {
        let message = tokio::time::timeout(LIMIT, events.next()).await.unwrap().unwrap();
        assert!(!message.payload.windows(6).any(|window| window == b"Secret"), "no value of a record in an event");
        let event = UnmappedValue::decode(message.payload).unwrap();
        (event.change(), event.record_count)
    };
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.sync(&[chunk(1, vec![tiered(1, Some("Secret"))])]).await;
    assert_eq!(next().await, (UnmappedChange::Opened, 1));
    world.sync(&[chunk(2, vec![tiered(2, Some("Secret"))])]).await;
    assert_eq!(next().await, (UnmappedChange::Resized, 2));
    world.decide(&[("Secret", "ignore")]).await;
    assert_eq!(next().await, (UnmappedChange::Closed, 2));
    eventually_true(LIMIT, "the outbox is empty", async || {
        world.number("select count(*) from mapper.outbox where workspace_id = $1").await == 0
    })
    .await;
}
