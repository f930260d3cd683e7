use contract::common::v1 as common;
use contract::error::Reason;
use contract::mapper::v1 as wire;
use contract::mapper::v1::mapping_service_server::MappingService;
use contract::mapper::v1::read_plan_service_server::ReadPlanService;
use domain::Kind;
use serde_json::json;
use testkit::eventually_true;
use tonic::{Request, Status};
use tonic_types::StatusExt;

use crate::world::{FIELDS, LIMIT, NAME_AND_TIER, World, account, chunk, record, tiered};

fn violations(status: &Status) -> Vec<(String, String)> {
    let bad = status.get_details_bad_request().unwrap();
    let code = |text: &str| text.split(':').next().unwrap().to_owned();
    bad.field_violations.into_iter().map(|found| (found.field, code(&found.description))).collect()
}

fn pair(field: &str, code: &str) -> (String, String) {
    (field.to_owned(), code.to_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mapping_that_does_not_hold_is_refused_with_every_row_that_is_wrong() {
    let world = World::quiet().await;
    let pairs = [("name", "Name"), ("arr", "Phone"), ("country", "BillingAddress"), ("phone", "Nope__c"), ("x", "Fax")];
    let refused = world.try_map(Kind::Account, &pairs, false).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::FieldMappingInvalid));
    let expected = [
        pair("arr", "mapping_field_invalid"),
        pair("country", "mapping_field_invalid"),
        pair("phone", "mapping_field_invalid"),
        pair("x", "mapping_target_unknown"),
    ];
    assert_eq!(violations(&refused), expected);
    assert_eq!(world.number("select mapping_version from mapper.workspace where workspace_id = $1").await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn decisions_that_do_not_hold_are_refused_without_naming_a_value() {
    let world = World::quiet().await;
    let decisions = [("Gold", "platinum"), ("Gold", "smb"), ("", "smb")];
    let refused = world.try_decide(Kind::Account, "tier", &decisions, false).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::ValueMappingInvalid));
    let expected = [
        pair("values[0]", "value_option_unknown"),
        pair("values[1]", "mapping_conflict"),
        pair("values[2]", "value_invalid"),
    ];
    assert_eq!(violations(&refused), expected);
    assert!(!format!("{refused:?}").contains("Gold"));
}

#[tokio::test(flavor = "multi_thread")]
async fn two_people_who_save_at_once_do_not_overwrite_each_other() {
    let world = World::quiet().await;
    let first = world.map(Kind::Account, &NAME_AND_TIER).await.mapping.unwrap();
    let save = async |etag: &str, path: &str| {
        let entry = |lane: &str, path: &str| wire::FieldMappingEntry {
            lane_field: lane.to_owned(),
            salesforce_field: path.to_owned(),
            ..wire::FieldMappingEntry::default()
        };
        let request = wire::UpdateFieldMappingRequest {
            workspace_id: world.workspace.to_string(),
            kind: common::RecordKind::Account.into(),
            entries: vec![entry("name", "Name"), entry("phone", path)],
            etag: etag.to_owned(),
            ..wire::UpdateFieldMappingRequest::default()
        };
        world.api.update_field_mapping(Request::new(request)).await
    };
    let second = save(&first.etag, "Phone").await.unwrap().into_inner().mapping.unwrap();
    assert_ne!(second.etag, first.etag);
    let refused = save(&first.etag, "Fax").await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::EtagMismatch));
}

#[tokio::test(flavor = "multi_thread")]
async fn people_are_mapped_once_for_contacts_and_leads() {
    let world = World::quiet().await;
    let saved = world.map(Kind::Contact, &[("email", "Email"), ("company", "Account.Name")]).await.mapping.unwrap();
    let entries: Vec<_> = saved
        .entries
        .iter()
        .map(|entry| (entry.lane_field.as_str(), entry.salesforce_field.as_str(), entry.lead_field.as_str()))
        .collect();
    let expected = [("name", "Name", "Name"), ("email", "Email", "Email"), ("company", "Account.Name", "Company")];
    assert_eq!(entries, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_counts_exactly_what_then_happens() {
    let mut world = World::quiet().await;
    world.start_writer().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.decide(&[("Gold", "enterprise")]).await;
    world.start_mapper();
    let tiers = [Some("Gold"), Some("Silver"), Some("Odd"), None];
    let records = (1..=40_u32).map(|number| tiered(number, tiers[number as usize % 4]));
    world.sync(&[chunk(1, records.collect())]).await;
    world.replayed().await;
    let before = world.writer.look().rows.clone();
    let open_before = world.open_values().await;

    let decisions = [("Silver", "smb"), ("Gold", "open")];
    let foretold = world.try_decide(Kind::Account, "tier", &decisions, true).await.unwrap().preview.unwrap();
    assert_eq!(world.open_values().await, open_before, "a preview changes nothing");
    let saved = world.try_decide(Kind::Account, "tier", &decisions, false).await.unwrap().preview.unwrap();
    world.replayed().await;
    assert_eq!(foretold, saved);

    let after = world.writer.look().rows.clone();
    let value =
        |rows: &std::collections::BTreeMap<String, crate::writer::Row>, id: &str| rows[id].fields["tier"].value.clone();
    let changed = after.keys().filter(|id| value(&before, id) != value(&after, id)).count();
    assert_eq!(foretold.changed, changed as i64, "values that change in Lane");
    assert_eq!((foretold.touched, foretold.changed), (20, 10));
    let marked = |rows: &std::collections::BTreeMap<String, crate::writer::Row>| {
        rows.values().filter(|row| row.fields["tier"].is_unmapped).count()
    };
    assert_eq!((marked(&before), marked(&after)), (20, 20));
    let opened = world.open_values().await.iter().filter(|open| !open_before.contains(open)).count();
    assert_eq!(foretold.would_open, opened as i64);
    let effect = &foretold.fields[0];
    assert_eq!((effect.lane_field.as_str(), foretold.fields.len()), ("tier", 1));
    assert_eq!((effect.touched, effect.changed, effect.would_open), (20, 10, opened as i64));
    let sample = &foretold.samples[0];
    assert_eq!((sample.field.as_str(), sample.before.clone()), ("tier", None));
    assert_eq!(sample.after.as_ref().map(crate::writer::text).as_deref(), Some("smb"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_of_fields_tells_locks_and_what_was_never_read() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.sync(&[chunk(1, (1..=30).map(|number| tiered(number, None)).collect())]).await;
    let mark = |fields: &[&str]| wire::MarkFieldsReadRequest {
        workspace_id: world.workspace.to_string(),
        object: common::SalesforceObject::Account.into(),
        fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        since_read_seq: 1,
        field_list_version: 1,
    };
    world.api.mark_fields_read(Request::new(mark(&FIELDS))).await.unwrap();

    let pairs = [("name", "Name"), ("arr", "ARR__c"), ("phone", "Fax")];
    let preview = world.try_map(Kind::Account, &pairs, true).await.unwrap().preview.unwrap();
    assert_eq!((preview.would_lock, preview.would_unlock), (vec!["arr".into(), "phone".into()], vec!["tier".into()]));
    assert_eq!((preview.touched, preview.changed), (30, 30), "every account gets its ARR from what is stored");
    let unread: Vec<_> = preview.unread_fields.iter().map(|field| (field.path.as_str(), field.records)).collect();
    assert_eq!(unread, [("Fax", 30)]);
    let told = |effect: &wire::FieldEffect| (effect.lane_field.clone(), effect.changed, effect.would_overwrite);
    let told: Vec<_> = preview.fields.iter().map(told).collect();
    let expected = [("arr", 30, Some(0)), ("tier", 0, Some(0)), ("phone", 0, Some(0))];
    assert_eq!(told, expected.map(|(field, changed, overwrites)| (field.to_owned(), changed, overwrites)));
    assert_eq!(preview.fields[0].touched, 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_03_a_field_counts_as_read_only_if_every_select_since_carried_it() {
    let world = World::new().await;
    world.map(Kind::Account, &[("name", "Name"), ("phone", "Phone")]).await;
    let unread = async || {
        let request = wire::GetReadPlanRequest { workspace_id: world.workspace.to_string() };
        let plan = world.api.get_read_plan(Request::new(request)).await.unwrap().into_inner();
        assert_eq!(plan.objects[0].fields, ["Name", "Phone"]);
        plan.objects[0].unread_fields.clone()
    };
    let mark = async |read_seq, version| {
        let request = wire::MarkFieldsReadRequest {
            workspace_id: world.workspace.to_string(),
            object: common::SalesforceObject::Account.into(),
            fields: vec!["Name".into(), "Phone".into()],
            since_read_seq: read_seq,
            field_list_version: version,
        };
        world.api.mark_fields_read(Request::new(request)).await.unwrap();
    };
    let read = |read_seq, version, fields: &[&str]| {
        chunk(read_seq, vec![record(&account(1), json!({ "Name": "A", "Phone": "1" }))]).reading(version, fields)
    };
    assert_eq!(unread().await, ["Name", "Phone"], "nothing was ever read");

    world.sync(&[read(10, 1, &["Name", "Phone"])]).await;
    mark(10, 1).await;
    assert_eq!(unread().await, [""; 0]);

    world.sync(&[read(11, 2, &["Name"])]).await;
    assert_eq!(unread().await, ["Phone"], "one SELECT went without it");
    world.sync(&[read(12, 3, &["Name", "Phone"])]).await;
    assert_eq!(unread().await, ["Phone"], "reading it again later does not fill the gap");
    mark(10, 1).await;
    assert_eq!(unread().await, ["Phone"], "an old note says nothing new");
    mark(12, 3).await;
    assert_eq!(unread().await, [""; 0], "a whole read does");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_04_the_writer_is_told_the_mapping_until_it_answers() {
    let world = World::new().await;
    world.writer.look().is_away = true;
    let saved = world.map(Kind::Account, &NAME_AND_TIER).await.mapping.unwrap();
    world.writer.look().is_away = false;
    eventually_true(LIMIT, "the writer is told", async || !world.writer.look().told.is_empty()).await;

    let told = world.writer.look().told[0].clone();
    assert_eq!((told.epoch, told.mapping_version), (1, saved.mapping_version));
    let locks: Vec<_> = told.locks.iter().map(|lock| (lock.field.as_str(), lock.source.as_str())).collect();
    assert_eq!(locks, [("name", "Account.Name"), ("tier", "Account.Tier__c")]);
    let tier = told.rules.iter().find(|rule| rule.field == "tier" && rule.kind() == common::RecordKind::Account);
    assert_eq!(tier.unwrap().options, ["strategic", "enterprise", "mid_market", "smb"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_field_never_read_is_asked_of_the_extractor() {
    use futures::StreamExt;
    use prost::Message;
    let world = World::new().await;
    let observer = world.nats.connect(testkit::NatsUser::Observer).await.unwrap();
    let mut commands = observer.subscribe("lanesync.v1.cmd.*").await.unwrap();
    observer.flush().await.unwrap();
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let message = tokio::time::timeout(LIMIT, commands.next()).await.unwrap().unwrap();
    let command = contract::event::v1::Command::decode(message.payload).unwrap();
    let read = contract::event::v1::ReadFieldsCommand { object: common::SalesforceObject::Account.into() };
    assert_eq!(command.command, Some(contract::event::v1::command::Command::ReadFields(read)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_custom_field_is_defined_mapped_and_written() {
    let world = World::new().await;
    let field = wire::LaneField {
        kind: common::RecordKind::Account.into(),
        display_name: "Fax Line".to_owned(),
        r#type: common::FieldType::Text.into(),
        ..wire::LaneField::default()
    };
    let request = || {
        let request =
            wire::CreateCustomFieldRequest { workspace_id: world.workspace.to_string(), field: Some(field.clone()) };
        Request::new(request)
    };
    let created = world.api.create_custom_field(request()).await.unwrap().into_inner();
    assert_eq!(created.id, "custom_fax_line");
    assert_eq!(
        world.api.create_custom_field(request()).await.unwrap().into_inner(),
        created,
        "the same again is the same"
    );

    world.map(Kind::Account, &[("name", "Name"), ("custom_fax_line", "Fax")]).await;
    let image = record(&account(1), json!({ "Name": "A", "Fax": "42" }));
    world.sync(&[chunk(1, vec![image]).reading(1, &["Name", "Fax"])]).await;
    assert_eq!(world.writer.value(&account(1), "custom_fax_line").as_deref(), Some("42"));
}

#[tokio::test(flavor = "multi_thread")]
async fn options_in_use_can_not_go() {
    let world = World::quiet().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.decide(&[("Gold", "enterprise")]).await;
    let update = async |keys: &[&str]| {
        let option = |key: &&str| wire::FieldOption { key: (*key).to_owned(), display_name: key.to_uppercase() };
        let request = wire::UpdateOptionsRequest {
            workspace_id: world.workspace.to_string(),
            kind: common::RecordKind::Account.into(),
            field: "tier".to_owned(),
            options: keys.iter().map(option).collect(),
        };
        world.api.update_options(Request::new(request)).await
    };
    let refused = update(&["gold"]).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::ValueMappingInvalid));
    let updated = update(&["enterprise", "gold"]).await.unwrap().into_inner();
    assert_eq!(updated.options.len(), 2);
    world.try_decide(Kind::Account, "tier", &[("Silver", "gold")], false).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_connection_gets_suggestions() {
    let world = World::quiet().await;
    let request = wire::SuggestFieldMappingsRequest {
        workspace_id: world.workspace.to_string(),
        kind: common::RecordKind::Account.into(),
    };
    let suggested = world.api.suggest_field_mappings(Request::new(request)).await.unwrap().into_inner().suggestions;
    let pairs: Vec<_> =
        suggested.iter().map(|found| (found.lane_field.as_str(), found.salesforce_field.as_str())).collect();
    assert_eq!(pairs, [("name", "Name"), ("arr", "ARR__c"), ("tier", "Tier__c"), ("phone", "Phone")]);
}

#[tokio::test(flavor = "multi_thread")]
async fn candidates_tell_how_they_fit_and_what_leads_read_instead() {
    let world = World::quiet().await;
    let ask = async |kind: Kind, lane_field: &str| {
        let request = wire::ListCandidateFieldsRequest {
            workspace_id: world.workspace.to_string(),
            kind: common::RecordKind::from(kind).into(),
            lane_field: lane_field.to_owned(),
        };
        world.api.list_candidate_fields(Request::new(request)).await.map(|answer| answer.into_inner().fields)
    };
    let of = |fields: &[wire::CandidateField], path: &str| {
        let found = fields.iter().find(|field| field.salesforce_field == path).unwrap();
        (found.fit.clone(), found.lead_field.clone(), found.reason.is_empty())
    };
    let fields = ask(Kind::Account, "arr").await.unwrap();
    assert_eq!(of(&fields, "ARR__c"), ("compatible".into(), String::new(), true));
    assert_eq!(of(&fields, "Phone"), ("refused".into(), String::new(), false));
    let fields = ask(Kind::Contact, "company").await.unwrap();
    assert_eq!(of(&fields, "Account.Name"), ("compatible".into(), "Company".into(), true));
    // Without a Lane field only what there is.
    assert_eq!(of(&ask(Kind::Account, "").await.unwrap(), "Phone").0, "");
    let unknown = ask(Kind::Account, "shoe_size").await.unwrap_err();
    assert_eq!(Reason::of(&unknown), Some(Reason::ArgumentInvalid));
    world.state(2, 1, common::Plan::Pro, true).await;
    assert_eq!(Reason::of(&ask(Kind::Account, "arr").await.unwrap_err()), Some(Reason::PlanRequired));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_workspace_that_nobody_told_of_is_not_found() {
    let world = World::quiet().await;
    let request = wire::GetFieldMappingRequest {
        workspace_id: domain::WorkspaceId::generate().to_string(),
        kind: common::RecordKind::Account.into(),
    };
    let refused = world.api.get_field_mapping(Request::new(request)).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::ResourceNotFound));
}
