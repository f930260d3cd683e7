//! One record, one field: previews and stories answer from the store, and say what only the writer knows.

use contract::common::v1::{self as common, value};
use contract::error::Reason;
use contract::mapper::v1 as wire;
use contract::mapper::v1::StoryEnd as End;
use contract::mapper::v1::mapping_service_server::MappingService;
use contract::mapper::v1::record_service_server::RecordService;
use contract::writer::v1::{FieldValue, StandingRecord};
use domain::{Kind, Object};
use serde_json::json;
use tonic::{Request, Response, Status};

use crate::world::{NAME_AND_TIER, World, account, chunk, deleted, id, record, tiered};

fn text(text: &str) -> common::Value {
    common::Value { value: Some(value::Value::Text(text.to_owned())) }
}

/// Lets something stand in the row of a record, as if somebody had typed it.
fn stands(world: &World, id: &str, fields: &[(&str, &str)]) {
    let field = |(field, value): &(&str, &str)| FieldValue {
        field: (*field).to_owned(),
        value: Some(text(value)),
        ..FieldValue::default()
    };
    let row = StandingRecord {
        id: id.to_owned(),
        lane_id: format!("lane of {id}"),
        name: format!("name of {id}"),
        fields: fields.iter().map(field).collect(),
    };
    world.writer.look().standing.insert(id.to_owned(), row);
}

fn entries(pairs: &[(&str, &str)]) -> Vec<wire::FieldMappingEntry> {
    let entry = |(lane, path): &(&str, &str)| wire::FieldMappingEntry {
        lane_field: (*lane).to_owned(),
        salesforce_field: (*path).to_owned(),
        ..wire::FieldMappingEntry::default()
    };
    pairs.iter().map(entry).collect()
}

async fn story(world: &World, id: &str, field: &str) -> Result<wire::FieldStory, Status> {
    let request = wire::GetFieldStoryRequest {
        workspace_id: world.workspace.to_string(),
        salesforce_id: id.to_owned(),
        lane_field: field.to_owned(),
    };
    world.api.get_field_story(Request::new(request)).await.map(Response::into_inner)
}

async fn preview(world: &World, id: &str, pairs: &[(&str, &str)]) -> Result<wire::RecordPreview, Status> {
    let request = wire::PreviewRecordRequest {
        workspace_id: world.workspace.to_string(),
        salesforce_id: id.to_owned(),
        entries: entries(pairs),
    };
    world.api.preview_record(Request::new(request)).await.map(Response::into_inner)
}

fn field<'p>(preview: &'p wire::RecordPreview, id: &str) -> &'p wire::FieldPreview {
    preview.fields.iter().find(|field| field.lane_field == id).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_names_field_raw_value_run_time_and_mapping() {
    let world = World::new().await;
    world.map(Kind::Account, &[("name", "Name"), ("tier", "Tier__c"), ("arr", "ARR__c")]).await;
    world.decide(&[("Gold", "enterprise"), ("Test", "ignore")]).await;
    let tiers = [Some("Gold"), Some("Odd"), Some("Test"), None];
    let chunk = chunk(7, (1..).zip(tiers).map(|(number, tier)| tiered(number, tier)).collect());
    let run = chunk.run;
    world.sync(&[chunk]).await;
    world.replayed().await;

    let told = story(&world, &account(1), "tier").await.unwrap();
    assert_eq!(
        (told.salesforce_field.as_str(), told.raw.as_deref(), told.end()),
        ("Tier__c", Some("\"Gold\""), End::Mapped)
    );
    assert_eq!(
        (told.mapped_value.as_str(), &told.value.unwrap().value),
        ("Gold", &Some(value::Value::Option("enterprise".into())))
    );
    assert_eq!((told.run_id, told.read_seq), (run.to_string(), 7));
    assert_eq!(told.read_time.unwrap().seconds, 1_780_000_000);
    assert_eq!((told.mapping_version, told.mapping_version_in_force), (2, 2));

    let ends = async |number: u32, field: &str| {
        let told = story(&world, &account(number), field).await.unwrap();
        (told.end(), told.mapped_value)
    };
    assert_eq!(ends(2, "tier").await, (End::Unmapped, "Odd".to_owned()));
    assert_eq!(ends(3, "tier").await, (End::Ignored, "Test".to_owned()));
    assert_eq!(ends(4, "tier").await, (End::Empty, String::new()));
    assert_eq!(ends(1, "arr").await, (End::Taken, String::new()));
    assert_eq!(ends(1, "phone").await, (End::NotFed, String::new()));

    let reason = |status: Status| Reason::of(&status);
    assert_eq!(reason(story(&world, &account(99), "tier").await.unwrap_err()), Some(Reason::ResourceNotFound));
    assert_eq!(reason(story(&world, &account(1), "nope").await.unwrap_err()), Some(Reason::ArgumentInvalid));
    assert_eq!(reason(story(&world, &id("006", 1), "tier").await.unwrap_err()), Some(Reason::ArgumentInvalid));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_story_tells_what_keeps_a_value_from_arriving() {
    let world = World::new().await;
    world.map(Kind::Account, &[("name", "Name"), ("arr", "ARR__c"), ("industry", "Fax")]).await;
    let faulty = record(&account(1), json!({ "Name": "A", "Phone": null, "Tier__c": null, "ARR__c": "text" }));
    world.sync(&[chunk(1, vec![faulty, tiered(2, None), tiered(3, None)]), chunk(2, vec![deleted(&account(3))])]).await;
    let told = story(&world, &account(1), "arr").await.unwrap();
    assert_eq!(
        (told.end(), told.fault.as_str(), told.raw.as_deref()),
        (End::Faulty, "type_mismatch", Some("\"text\""))
    );
    assert_eq!(story(&world, &account(2), "industry").await.unwrap().end(), End::NotRead);
    let gone = story(&world, &account(3), "arr").await.unwrap();
    assert_eq!((gone.end(), gone.state()), (End::NotLive, wire::RecordState::Deleted));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_one_record_shows_now_after_and_lock_and_saves_nothing() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.decide(&[("Gold", "enterprise")]).await;
    let image = json!({ "Name": "Acme", "Phone": "+49", "Tier__c": "Gold", "ARR__c": 12.5 });
    world.sync(&[chunk(1, vec![record(&account(1), image)])]).await;
    world.replayed().await;
    stands(&world, &account(1), &[("name", "Acme"), ("phone", "typed"), ("tier", "enterprise")]);

    let shown =
        preview(&world, &account(1), &[("name", "Name"), ("phone", "Phone"), ("country", "Fax")]).await.unwrap();
    assert_eq!((shown.object(), shown.lane_id), (common::SalesforceObject::Account, format!("lane of {}", account(1))));
    let phone =
        field(&preview(&world, &account(1), &[("name", "Name"), ("phone", "Phone")]).await.unwrap(), "phone").clone();
    assert_eq!(
        (phone.now, phone.after, phone.raw.as_deref()),
        (Some(text("typed")), Some(text("+49")), Some("\"+49\""))
    );
    assert_eq!((phone.locked_now, phone.locked_after, phone.was_read), (false, true, true));
    let shown =
        preview(&world, &account(1), &[("name", "Name"), ("phone", "Phone"), ("country", "Fax")]).await.unwrap();
    let tier = field(&shown, "tier");
    assert_eq!((tier.locked_now, tier.locked_after, &tier.after), (true, false, &tier.now));
    let country = field(&shown, "country");
    assert_eq!((country.was_read, &country.after), (false, &None));
    assert_eq!(world.number("select mapping_version from mapper.workspace where workspace_id = $1").await, 2);

    let refused = preview(&world, &account(1), &[("name", "Name"), ("arr", "Phone")]).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::FieldMappingInvalid));
    assert_eq!(Reason::of(&preview(&world, &account(9), &[]).await.unwrap_err()), Some(Reason::ResourceNotFound));
    world.writer.look().is_away = true;
    let away = preview(&world, &account(1), &[]).await.unwrap_err();
    assert_eq!(Reason::of(&away), Some(Reason::DependencyUnavailable));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_save_says_exactly_which_typed_values_it_would_overwrite() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let with_phone = |number: u32, phone: Option<&str>| {
        record(&account(number), json!({ "Name": "A", "Phone": phone, "Tier__c": null, "ARR__c": null }))
    };
    let records = vec![
        with_phone(1, Some("+1")),
        with_phone(2, Some("same")),
        with_phone(3, None),
        with_phone(4, Some("+4")),
        with_phone(5, Some("+5")),
    ];
    world.sync(&[chunk(1, records), chunk(2, vec![deleted(&account(5))])]).await;
    for number in 1..=5 {
        let standing = if number == 2 { "same" } else { "typed" };
        // Nothing was typed on the fourth.
        let fields: &[(&str, &str)] = if number == 4 { &[] } else { &[("phone", standing)] };
        stands(&world, &account(number), fields);
    }
    let pairs = [("name", "Name"), ("tier", "Tier__c"), ("phone", "Phone")];
    let foretold = world.try_map(Kind::Account, &pairs, true).await.unwrap().preview.unwrap();
    // The first gets another value and the third is emptied; the second is the same, the fifth is gone.
    assert_eq!((foretold.would_overwrite, foretold.overwritten_samples.len()), (Some(2), 2));
    let effect = foretold.fields.iter().find(|effect| effect.lane_field == "phone").unwrap();
    assert_eq!(effect.would_overwrite, Some(2));

    let (mut values, mut page_token) = (Vec::new(), String::new());
    loop {
        let request = wire::ListOverwrittenValuesRequest {
            workspace_id: world.workspace.to_string(),
            kind: common::RecordKind::Account.into(),
            entries: entries(&pairs),
            page_size: 1,
            page_token,
        };
        let page = world.api.list_overwritten_values(Request::new(request)).await.unwrap().into_inner();
        values.extend(page.values);
        page_token = page.next_page_token;
        if page_token.is_empty() {
            break;
        }
    }
    let told: Vec<_> =
        values.iter().map(|value| (value.id.clone(), value.standing.clone(), value.after.clone())).collect();
    assert_eq!(told, [(account(1), Some(text("typed")), Some(text("+1"))), (account(3), Some(text("typed")), None)]);

    // A field that is fed already is Salesforce's, whatever feeds it next; and a save asks nobody.
    assert_eq!(
        world.try_map(Kind::Account, &NAME_AND_TIER, true).await.unwrap().preview.unwrap().would_overwrite,
        Some(0)
    );
    world.writer.look().is_away = true;
    let refused = world.try_map(Kind::Account, &pairs, true).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::DependencyUnavailable));
    assert_eq!(world.map(Kind::Account, &pairs).await.preview.unwrap().would_overwrite, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn values_tell_customers_behind_them_and_the_option_of_the_same_name() {
    let world = World::new().await;
    world.org.list(Object::Contact, "Level__c", &[("S M B", true), ("Chief", true), ("Never", true)]);
    world.map(Kind::Contact, &[("name", "Name"), ("tier", "Level__c")]).await;
    let person = |prefix: &str, number: u32, account_number: u32, level: &str| {
        let image = json!({ "Name": "N", "Level__c": level });
        let mut person = record(&id(prefix, number), image);
        if account_number > 0 {
            person.account_id = account(account_number);
        }
        person
    };
    let contacts = vec![
        person("003", 1, 1, "S M B"),
        person("003", 2, 1, "S M B"),
        person("003", 3, 2, "S M B"),
        person("003", 4, 0, "Chief"),
    ];
    let leads = vec![person("00Q", 1, 0, "S M B")];
    let fields = ["Name", "Level__c"];
    world
        .sync(&[
            chunk(1, contacts).of(Object::Contact).reading(1, &fields),
            chunk(2, leads).of(Object::Lead).reading(1, &fields),
        ])
        .await;
    let request = wire::ListValueMappingsRequest {
        workspace_id: world.workspace.to_string(),
        kind: common::RecordKind::Contact.into(),
        field: "tier".to_owned(),
        ..Default::default()
    };
    let listed = world.api.list_value_mappings(Request::new(request)).await.unwrap().into_inner().values;
    let told: Vec<_> = listed
        .iter()
        .map(|value| {
            (
                value.value.as_str(),
                value.record_count,
                value.lead_record_count,
                value.customer_count,
                value.suggested_option.as_str(),
                value.never_used,
            )
        })
        .collect();
    assert_eq!(told, [("S M B", 4, 1, 2, "smb", false), ("Chief", 1, 0, 0, "", false), ("Never", 0, 0, 0, "", true)]);
}

#[test]
fn every_fault_of_the_engine_has_words_for_people() {
    use mapping::FaultCode as Code;
    let codes = [
        Code::ImageInvalid,
        Code::TooDeep,
        Code::FieldMissing,
        Code::NameMissing,
        Code::TypeMismatch,
        Code::NumberOutOfRange,
        Code::CurrencyUnknown,
        Code::TextInvalid,
        Code::TextTooLong,
        Code::DateInvalid,
        Code::IdInvalid,
        Code::ModstampInvalid,
        Code::RecordTooLarge,
        Code::StoreRefused,
    ];
    for code in codes {
        assert!(contract::parking::CODES.contains(&code.as_str()), "{code:?}");
    }
}
