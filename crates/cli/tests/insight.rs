//! Access, samples, estimates, history, previews, stories, groups: what people look at before they act.

use contract::common::v1::{Value, value};
use contract::extractor::v1 as extractor;
use contract::mapper::v1 as mapper;
use contract::writer::v1 as writer;
use serde_json::json;

use crate::program::{WORKSPACE, lanesync};
use crate::scripted::Scripted;

const RECORD: &str = "001000000000001AAA";

fn text(text: &str) -> Option<Value> {
    Some(Value { value: Some(value::Value::Text(text.into())) })
}

#[tokio::test]
async fn access_tells_what_is_hidden_and_which_permission_to_give() {
    let services = Scripted::start().await;
    let field = extractor::FieldAccess {
        path: "Industry".into(),
        r#use: extractor::FieldUse::Mapped.into(),
        lane_field: "industry".into(),
        permission: "Give Read.".into(),
        lost: "Industry stays.".into(),
        ..Default::default()
    };
    let account = extractor::ObjectAccess {
        object: 1,
        readable: true,
        visible_records: Some(12),
        fields: vec![field],
        ..Default::default()
    };
    let report = extractor::AccessReport {
        username: "sync@acme.example".into(),
        objects: vec![account],
        api_calls: 7,
        ..Default::default()
    };
    services.always("get_access_report", report);
    let people = lanesync(&services, &["access"]).await;
    assert!(
        people.out.contains("Industry stays. Give Read.") && people.out.contains("7 Salesforce calls"),
        "{}",
        people.out
    );
    let program = lanesync(&services, &["access", "--refresh", "--json"]).await.json();
    assert_eq!(
        (&program["username"], &program["objects"][0]["fields"][0]["use"]),
        (&json!("sync@acme.example"), &json!("mapped"))
    );
    assert!(services.asked::<extractor::GetAccessReportRequest>("get_access_report")[1].refresh);
}

#[tokio::test]
async fn fields_are_found_by_label_and_show_how_full_they_are() {
    let services = Scripted::start().await;
    let field = |path: &str, label: &str| extractor::FieldSchema {
        path: path.into(),
        label: label.into(),
        ..Default::default()
    };
    let samples = extractor::FieldSamples {
        object: 1,
        records: 200,
        fields: vec![
            extractor::FieldSample {
                field: Some(field("Tier__c", "Customer Tier")),
                filled: Some(50),
                values: vec!["Gold".into()],
            },
            extractor::FieldSample { field: Some(field("Phone", "Phone")), filled: None, values: Vec::new() },
        ],
        ..Default::default()
    };
    services.always("sample_fields", samples);
    let ended = lanesync(&services, &["fields", "account", "--search", "customer"]).await;
    assert!(ended.out.contains("25 %") && ended.out.contains("Gold") && !ended.out.contains("Phone"), "{}", ended.out);
}

#[tokio::test]
async fn start_dates_are_compared_in_their_order() {
    let services = Scripted::start().await;
    services.on("estimate_start_dates", |request: extractor::EstimateStartDatesRequest| {
        let calls = |date: &extractor::StartDate| if date.start_at.is_some() { 3 } else { 90 };
        let estimates = request
            .start_dates
            .iter()
            .map(|date| extractor::SyncEstimate { api_calls: calls(date), ..Default::default() });
        Ok(extractor::EstimateStartDatesResponse { estimates: estimates.collect() })
    });
    let answer = lanesync(&services, &["estimate", "2026-01-01", "all", "--json"]).await.json();
    let told = [0, 1]
        .map(|place| (answer["estimates"][place]["start_at"].clone(), answer["estimates"][place]["api_calls"].clone()));
    assert_eq!(told, [(json!("2026-01-01T00:00:00Z"), json!(3)), (json!(null), json!(90))]);
}

#[tokio::test]
async fn history_is_one_row_an_hour() {
    let services = Scripted::start().await;
    let bucket = writer::HistoryBucket {
        start_time: Some(prost_types::Timestamp { seconds: 3_600, nanos: 0 }),
        records: Some(writer::RecordTally { created: 5, ..Default::default() }),
        fresh_count: 5,
        freshness_p50: Some(prost_types::Duration { seconds: 10, nanos: 0 }),
        ..Default::default()
    };
    services.always("get_history", writer::GetHistoryResponse { buckets: vec![bucket] });
    let answer = lanesync(&services, &["history", "--hours", "48", "--json"]).await.json();
    assert_eq!((&answer["hours"][0]["created"], &answer["hours"][0]["freshness_p50_seconds"]), (&json!(5), &json!(10)));
    assert_eq!(services.asked::<writer::GetHistoryRequest>("get_history")[0].hours, 48);
    assert_eq!(lanesync(&services, &["history", "--hours", "337"]).await.code, 2);
}

#[tokio::test]
async fn one_record_is_shown_before_and_after_a_change_that_is_not_saved() {
    let services = Scripted::start().await;
    let name =
        mapper::FieldMappingEntry { lane_field: "name".into(), salesforce_field: "Name".into(), ..Default::default() };
    services.always("get_field_mapping", mapper::FieldMapping { entries: vec![name], ..Default::default() });
    let phone = mapper::FieldPreview {
        lane_field: "phone".into(),
        salesforce_field_after: "Phone".into(),
        raw: Some("\"+49\"".into()),
        was_read: true,
        now: text("typed"),
        after: text("+49"),
        locked_after: true,
        ..Default::default()
    };
    services.always(
        "preview_record",
        mapper::RecordPreview { object: 1, id: RECORD.into(), fields: vec![phone], ..Default::default() },
    );
    let args = ["mapping", "preview", "account", "phone=Phone", "--record", RECORD, "--json"];
    let answer = lanesync(&services, &args).await.json();
    assert_eq!((&answer["fields"][0]["now"], &answer["fields"][0]["after"]), (&json!("typed"), &json!("+49")));
    let asked = services.asked::<mapper::PreviewRecordRequest>("preview_record");
    assert_eq!((asked[0].salesforce_id.as_str(), asked[0].entries.len()), (RECORD, 2));
}

#[tokio::test]
async fn overwrites_are_read_to_their_end() {
    let services = Scripted::start().await;
    services.always("get_field_mapping", mapper::FieldMapping::default());
    services.on("list_overwritten_values", |request: mapper::ListOverwrittenValuesRequest| {
        let value = |id: &str| mapper::OverwrittenValue {
            id: id.into(),
            field: "phone".into(),
            standing: text("typed"),
            ..Default::default()
        };
        Ok(match request.page_token.as_str() {
            "" => mapper::ListOverwrittenValuesResponse { values: vec![value("a")], next_page_token: "1".into() },
            "1" => mapper::ListOverwrittenValuesResponse { values: vec![], next_page_token: "2".into() },
            _ => mapper::ListOverwrittenValuesResponse { values: vec![value("b")], next_page_token: String::new() },
        })
    });
    let answer = lanesync(&services, &["mapping", "overwrites", "account", "phone=Phone", "--json"]).await.json();
    let ids: Vec<_> = answer["values"].as_array().unwrap().iter().map(|value| value["id"].clone()).collect();
    assert_eq!(ids, ["a", "b"]);
}

#[tokio::test]
async fn why_names_run_raw_value_and_mapping_version() {
    let services = Scripted::start().await;
    let customer =
        |source: Option<writer::SalesforceOrigin>| writer::Customer { salesforce: source, ..Default::default() };
    let origin = writer::SalesforceOrigin { object: 1, id: RECORD.into(), ..Default::default() };
    services.always("get_customer", customer(Some(origin)));
    let story = mapper::FieldStory {
        object: 1,
        id: RECORD.into(),
        lane_field: "tier".into(),
        salesforce_field: "Tier__c".into(),
        raw: Some("\"Gold\"".into()),
        end: mapper::StoryEnd::Mapped.into(),
        run_id: "0190a1b2-0000-7000-8000-000000000009".into(),
        mapping_version: 4,
        ..Default::default()
    };
    services.always("get_field_story", story);
    let answer = lanesync(&services, &["customers", "why", WORKSPACE, "tier", "--json"]).await.json();
    assert_eq!(
        (&answer["end"], &answer["raw"], &answer["mapping_version"]),
        (&json!("mapped"), &json!("\"Gold\""), &json!(4))
    );
    assert_eq!(services.asked::<mapper::GetFieldStoryRequest>("get_field_story")[0].salesforce_id, RECORD);
    services.always("get_customer", customer(None));
    assert_eq!(lanesync(&services, &["customers", "why", WORKSPACE, "tier"]).await.code, 2);
}

#[tokio::test]
async fn parked_records_come_in_groups_that_can_be_asked_for_again() {
    let services = Scripted::start().await;
    let key = writer::ParkedGroupKey { code: "number_out_of_range".into(), object: 1, field: "ARR__c".into() };
    let group = writer::ParkedGroup {
        key: Some(key.clone()),
        count: 7,
        fixer: writer::Fixer::SalesforceUser.into(),
        ..Default::default()
    };
    services.always("group_parked_records", writer::GroupParkedRecordsResponse { groups: vec![group] });
    services.always("requeue_parked_records", writer::RequeueParkedRecordsResponse::default());
    let answer = lanesync(&services, &["parked", "groups", "--json"]).await.json();
    assert_eq!((&answer["groups"][0]["count"], &answer["groups"][0]["fixer"]), (&json!(7), &json!("salesforce_user")));
    let args = [
        "parked",
        "requeue",
        "--group-reason",
        "number_out_of_range",
        "--group-object",
        "account",
        "--group-field",
        "ARR__c",
    ];
    assert_eq!(lanesync(&services, &args).await.code, 0);
    assert_eq!(services.asked::<writer::RequeueParkedRecordsRequest>("requeue_parked_records")[0].group, Some(key));
}

#[tokio::test]
async fn a_disconnect_is_looked_at_before_it_is_done() {
    let services = Scripted::start().await;
    let left = writer::DisconnectPreview { customers: 4, contacts: 9, parked: 1, ..Default::default() };
    services.always("preview_disconnect", left);
    let ended = lanesync(&services, &["disconnect", "--preview"]).await;
    assert!(ended.out.starts_with("4 customers and 9 contacts stay"), "{}", ended.out);
    assert_eq!(lanesync(&services, &["disconnect"]).await.code, 2);
}
