//! Field mappings, value mappings, unmapped values.

use contract::common::v1::{Money, RecordKind, SalesforceObject, Value, value};
use contract::error::{Failure, Reason, Violation};
use contract::extractor::v1 as extractor;
use contract::mapper::v1 as wire;
use serde_json::json;

use crate::program::{WORKSPACE, lanesync};
use crate::scripted::Scripted;

fn entry(lane_field: &str, salesforce_field: &str) -> wire::FieldMappingEntry {
    wire::FieldMappingEntry {
        lane_field: lane_field.into(),
        salesforce_field: salesforce_field.into(),
        ..wire::FieldMappingEntry::default()
    }
}

/// Scripts a saved mapping of two fields, and saving.
fn mapped(services: &Scripted) {
    services.on("get_field_mapping", |request: wire::GetFieldMappingRequest| {
        Ok(wire::FieldMapping {
            workspace_id: request.workspace_id,
            kind: request.kind,
            entries: vec![entry("name", "Name"), entry("phone", "Phone")],
            etag: "e1".into(),
            mapping_version: 7,
            update_time: None,
        })
    });
    services.on("update_field_mapping", |request: wire::UpdateFieldMappingRequest| {
        let text = |text: &str| Some(Value { value: Some(value::Value::Text(text.into())) });
        let sample = wire::PreviewSample {
            object: SalesforceObject::Account as i32,
            id: "001000000000001AAA".into(),
            field: "phone".into(),
            before: text("1"),
            after: None,
        };
        let unread = wire::UnreadField { object: 1, path: "ARR__c".into(), records: 40, api_calls: 2 };
        Ok(wire::UpdateFieldMappingResponse {
            mapping: Some(wire::FieldMapping { entries: request.entries, etag: "e2".into(), ..Default::default() }),
            preview: Some(wire::MappingPreview {
                touched: 40,
                changed: 4,
                would_lock: vec!["arr".into()],
                would_unlock: vec!["phone".into()],
                unread_fields: vec![unread],
                samples: vec![sample],
                ..wire::MappingPreview::default()
            }),
        })
    });
}

fn pairs(request: &wire::UpdateFieldMappingRequest) -> Vec<(&str, &str)> {
    request.entries.iter().map(|entry| (entry.lane_field.as_str(), entry.salesforce_field.as_str())).collect()
}

#[tokio::test]
async fn setting_rows_keeps_the_others_and_guards_against_a_save_in_between() {
    let services = Scripted::start().await;
    mapped(&services);
    let args = ["mapping", "set", "account", "arr=ARR__c", "--unmap", "phone", "--json"];
    let ended = lanesync(&services, &args).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let answer = ended.json();
    assert_eq!((&answer["saved"], &answer["mapping"]["etag"]), (&json!(true), &json!("e2")));
    assert_eq!(
        answer["preview"],
        json!({
            "touched": 40, "changed": 4, "would_open": 0, "would_lock": ["arr"], "would_unlock": ["phone"],
            "unread_fields": [{"object": "account", "path": "ARR__c", "records": 40, "api_calls": 2}],
            "samples": [{"object": "account", "id": "001000000000001AAA", "field": "phone", "before": "1", "after": null}],
            "would_overwrite": null, "overwritten_samples": [],
        })
    );
    let asked = services.asked::<wire::UpdateFieldMappingRequest>("update_field_mapping");
    assert_eq!(pairs(&asked[0]), [("name", "Name"), ("arr", "ARR__c")]);
    assert_eq!((asked[0].etag.as_str(), asked[0].validate_only), ("e1", false));
}

#[tokio::test]
async fn a_preview_saves_nothing() {
    let services = Scripted::start().await;
    mapped(&services);
    let ended = lanesync(&services, &["mapping", "preview", "account", "arr=ARR__c", "--json"]).await;
    assert_eq!(ended.json()["saved"], false);
    let asked = services.asked::<wire::UpdateFieldMappingRequest>("update_field_mapping");
    assert!(asked.iter().all(|request| request.validate_only) && asked.len() == 1);
}

#[tokio::test]
async fn a_mapping_that_does_not_hold_names_its_rows() {
    let services = Scripted::start().await;
    mapped(&services);
    let violation = Violation { field: "arr".into(), description: "Name is text; money is needed".into() };
    let failure = Failure::new(Reason::FieldMappingInvalid, "One row does not hold.").with_violations([violation]);
    services.refuse("update_field_mapping", failure);
    let ended = lanesync(&services, &["mapping", "set", "account", "arr=Name", "--json"]).await;
    assert_eq!(ended.code, 2);
    let violations = json!([{"field": "arr", "description": "Name is text; money is needed"}]);
    assert_eq!(ended.json()["error"]["violations"], violations);
}

#[tokio::test]
async fn what_can_feed_a_field_is_listed_with_its_fit() {
    let services = Scripted::start().await;
    services.on("list_candidate_fields", |request: wire::ListCandidateFieldsRequest| {
        assert_eq!(
            (request.workspace_id.as_str(), request.kind, request.lane_field.as_str()),
            (WORKSPACE, 2, "country")
        );
        let fits = wire::CandidateField {
            salesforce_field: "MailingCountry".into(),
            lead_field: "Country".into(),
            label: "Mailing Country".into(),
            r#type: "string".into(),
            fit: "compatible".into(),
            ..wire::CandidateField::default()
        };
        let refused = wire::CandidateField {
            salesforce_field: "Photo__c".into(),
            fit: "refused".into(),
            reason: "a file is no text".into(),
            ..wire::CandidateField::default()
        };
        Ok(wire::ListCandidateFieldsResponse { fields: vec![fits, refused] })
    });
    let ended = lanesync(&services, &["mapping", "fields", "contact", "--feeding", "country", "--json"]).await;
    let fields = &ended.json()["fields"];
    assert_eq!((ended.code, &fields[0]["on_leads"], &fields[0]["fit"]), (0, &json!("Country"), &json!("compatible")));
    assert_eq!((&fields[1]["path"], &fields[1]["reason"]), (&json!("Photo__c"), &json!("a file is no text")));
}

#[tokio::test]
async fn suggestions_are_applied_to_what_nothing_feeds_and_only_when_asked() {
    let services = Scripted::start().await;
    mapped(&services);
    let suggestion = |lane_field: &str, salesforce_field: &str| wire::FieldSuggestion {
        lane_field: lane_field.into(),
        salesforce_field: salesforce_field.into(),
        reason: "same name".into(),
    };
    let suggestions = vec![suggestion("phone", "Fax"), suggestion("arr", "AnnualRevenue")];
    services.always("suggest_field_mappings", wire::SuggestFieldMappingsResponse { suggestions });

    let shown = lanesync(&services, &["mapping", "suggest", "accounts", "--json"]).await.json();
    assert_eq!(shown["applied"], json!(null));
    let arr = json!({"lane_field": "arr", "salesforce_field": "AnnualRevenue", "reason": "same name"});
    assert_eq!(shown["suggestions"][1], arr);

    let applied = lanesync(&services, &["mapping", "suggest", "accounts", "--apply", "--json"]).await;
    assert_eq!((applied.code, &applied.json()["applied"]["saved"]), (0, &json!(true)));
    let asked = services.asked::<wire::UpdateFieldMappingRequest>("update_field_mapping");
    assert_eq!(asked.len(), 1);
    assert_eq!(pairs(&asked[0]), [("name", "Name"), ("phone", "Phone"), ("arr", "AnnualRevenue")]);
}

fn tier_options() -> wire::ListLaneFieldsResponse {
    let option = |key: &str, name: &str| wire::FieldOption { key: key.into(), display_name: name.into() };
    let tier = wire::LaneField {
        id: "tier".into(),
        kind: 1,
        display_name: "Tier".into(),
        r#type: 5,
        required: false,
        options: vec![option("mid_market", "Mid-Market"), option("smb", "SMB")],
    };
    wire::ListLaneFieldsResponse { fields: vec![tier] }
}

fn tier_values() -> wire::ListValueMappingsResponse {
    let value = |value: &str, decision: wire::ValueDecision| wire::ValueMapping {
        value: value.into(),
        label: value.into(),
        decision: decision as i32,
        ..wire::ValueMapping::default()
    };
    let open = wire::ValueDecision::Open;
    let named = wire::ValueMapping { suggested_option: "mid_market".into(), ..value("Mid market", open) };
    let values = vec![named, value("Bronze", open), value("SMB", wire::ValueDecision::Ignore)];
    wire::ListValueMappingsResponse { values, etag: "v1".into(), ..Default::default() }
}

#[tokio::test]
async fn values_are_decided_by_hand_and_by_name_in_one_save() {
    let services = Scripted::start().await;
    services.on("list_value_mappings", |request: wire::ListValueMappingsRequest| {
        assert!(request.has_namesake);
        Ok(tier_values())
    });
    services.on("batch_update_value_mappings", |request: wire::BatchUpdateValueMappingsRequest| {
        assert!(!request.validate_only);
        Ok(wire::BatchUpdateValueMappingsResponse { preview: None, etag: "v2".into(), mapping_version: 8 })
    });
    let args =
        ["values", "map", "account", "tier", "A = 1=smb", "--ignore", "--None--", "--match-same-names", "--json"];
    let ended = lanesync(&services, &args).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let expected = json!([
        {"value": "A = 1", "decision": "map", "option": "smb"},
        {"value": "--None--", "decision": "ignore", "option": null},
        {"value": "Mid market", "decision": "map", "option": "mid_market"},
    ]);
    let answer = ended.json();
    assert_eq!((&answer["decided"], &answer["etag"], &answer["mapping_version"]), (&expected, &json!("v2"), &json!(8)));
    let asked = services.asked::<wire::BatchUpdateValueMappingsRequest>("batch_update_value_mappings");
    let sent: Vec<_> = asked[0].values.iter().map(|value| (value.value.as_str(), value.decision)).collect();
    assert_eq!(sent, [("A = 1", 2), ("--None--", 3), ("Mid market", 2)]);
    assert_eq!(asked[0].etag, "v1");
}

#[tokio::test]
async fn where_nothing_has_a_namesake_nothing_is_saved() {
    let services = Scripted::start().await;
    services.always("list_value_mappings", wire::ListValueMappingsResponse::default());
    let ended = lanesync(&services, &["values", "map", "account", "tier", "--match-same-names", "--json"]).await;
    assert_eq!((ended.code, &ended.json()["decided"], &ended.json()["saved"]), (0, &json!([]), &json!(false)));
    assert!(services.asked::<wire::BatchUpdateValueMappingsRequest>("batch_update_value_mappings").is_empty());
}

#[tokio::test]
async fn a_value_is_decided_once_and_at_least_one_is() {
    let services = Scripted::start().await;
    services.always("list_value_mappings", tier_values());
    assert_eq!(lanesync(&services, &["values", "map", "account", "tier"]).await.code, 2);
    let twice = ["values", "map", "account", "tier", "Bronze=smb", "--ignore", "Bronze"];
    assert_eq!(lanesync(&services, &twice).await.code, 2);
}

#[tokio::test]
async fn a_list_of_values_follows_its_pages_and_passes_its_filters_on() {
    let services = Scripted::start().await;
    services.on("list_value_mappings", |request: wire::ListValueMappingsRequest| {
        assert_eq!((request.search.as_str(), request.decision()), ("gold", wire::ValueDecision::Open));
        let next = if request.page_token.is_empty() { "more" } else { "" };
        Ok(wire::ListValueMappingsResponse { next_page_token: next.into(), ..tier_values() })
    });
    let args = ["values", "list", "account", "tier", "--search", "gold", "--decision", "open", "--json"];
    let listed = lanesync(&services, &args).await;
    assert_eq!(listed.json()["values"].as_array().map(Vec::len), Some(6), "{}", listed.err);
}

#[tokio::test]
async fn unmapped_values_come_with_their_numbers() {
    let services = Scripted::start().await;
    let value = wire::ValueMapping {
        id: "u1".into(),
        value: "Bronze".into(),
        decision: wire::ValueDecision::Open as i32,
        origins: vec![SalesforceObject::Account as i32],
        active: true,
        record_count: 12,
        arr: vec![Money { amount: "100.50".into(), currency_code: "EUR".into() }],
        ..wire::ValueMapping::default()
    };
    let entry = wire::UnmappedValueEntry { kind: RecordKind::Account as i32, field: "tier".into(), value: Some(value) };
    services
        .always("list_unmapped_values", wire::ListUnmappedValuesResponse { values: vec![entry], ..Default::default() });
    let ended = lanesync(&services, &["unmapped", "--json"]).await;
    let value = json!({
        "kind": "account", "field": "tier", "id": "u1", "value": "Bronze", "decision": "open", "option": null,
        "label": null, "origins": ["account"], "active": true, "record_count": 12, "first_seen_at": null,
        "last_seen_at": null, "arr": [{"amount": "100.50", "currency": "EUR"}], "lead_record_count": 0, "customer_count": 0,
        "never_used": false, "suggested_option": null,
    });
    assert_eq!(ended.json(), json!({"count": 1, "values": [value]}));
    let people = lanesync(&services, &["unmapped"]).await;
    assert!(people.out.ends_with("1 unmapped value\n"), "{}", people.out);
}

#[tokio::test]
async fn options_are_replaced_and_fields_listed_and_made() {
    let services = Scripted::start().await;
    services.always("list_lane_fields", tier_options());
    services.on("update_options", |request: wire::UpdateOptionsRequest| {
        Ok(wire::LaneField { id: request.field, options: request.options, ..wire::LaneField::default() })
    });
    services.on("create_custom_field", |request: wire::CreateCustomFieldRequest| {
        let field = request.field.unwrap();
        Ok(wire::LaneField { id: "custom_region".into(), ..field })
    });
    let fields = lanesync(&services, &["mapping", "fields", "account", "--json"]).await.json();
    assert_eq!((&fields["fields"][0]["id"], &fields["fields"][0]["type"]), (&json!("tier"), &json!("option")));
    let args = ["mapping", "options", "account", "tier", "gold=Gold", "basic=Basic = cheap", "--json"];
    let options = lanesync(&services, &args).await.json();
    assert_eq!(options["options"][1], json!({"key": "basic", "display_name": "Basic = cheap"}));
    let args = ["mapping", "create-field", "contact", "Region", "--type", "option", "--option", "eu=EU", "--json"];
    let made = lanesync(&services, &args).await.json();
    assert_eq!(
        (&made["id"], &made["kind"], &made["type"]),
        (&json!("custom_region"), &json!("contact"), &json!("option"))
    );
}

#[tokio::test]
async fn salesforce_fields_of_both_kinds_of_people_are_listed() {
    let services = Scripted::start().await;
    services.on("describe_object", |request: extractor::DescribeObjectRequest| {
        assert_eq!(request.workspace_id, WORKSPACE);
        let field = extractor::FieldSchema { path: "Email".into(), r#type: "email".into(), ..Default::default() };
        Ok(extractor::ObjectSchema { object: request.object, fields: vec![field], ..Default::default() })
    });
    let ended = lanesync(&services, &["mapping", "fields", "contact", "--salesforce", "--json"]).await;
    let objects: Vec<_> = ended.json()["objects"].as_array().unwrap().iter().map(|o| o["object"].clone()).collect();
    assert_eq!(objects, ["contact", "lead"]);
}
