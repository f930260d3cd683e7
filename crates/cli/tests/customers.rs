//! Customers, contacts, locks, the change feed.

use contract::common::v1::{Money, Value, value};
use contract::error::{Failure, Reason, Violation};
use contract::event::v1::CustomerChanged;
use contract::mapper::v1 as mapper;
use contract::writer::v1 as wire;
use serde_json::json;

use crate::program::{WORKSPACE, lanesync};
use crate::scripted::Scripted;

const CUSTOMER: &str = "0190a1b2-0000-7000-8000-000000000002";
const RECORD: &str = "001000000000001AAA";

fn money(amount: &str) -> Value {
    Value { value: Some(value::Value::Money(Money { amount: amount.into(), currency_code: "EUR".into() })) }
}

fn text(text: &str) -> Value {
    Value { value: Some(value::Value::Text(text.into())) }
}

fn customer() -> wire::Customer {
    let field = |field: &str, value, locked_by: &str| wire::FieldValue {
        field: field.into(),
        value: Some(value),
        locked_by: locked_by.into(),
        unmapped: false,
    };
    wire::Customer {
        id: CUSTOMER.into(),
        workspace_id: WORKSPACE.into(),
        source: wire::RecordSource::Salesforce as i32,
        salesforce: Some(wire::SalesforceOrigin { object: 1, id: RECORD.into(), ..Default::default() }),
        fields: vec![field("name", text("Acme"), "Account.Name"), field("arr", money("1200.50"), "")],
        etag: "c1".into(),
        ..wire::Customer::default()
    }
}

#[tokio::test]
async fn a_locked_field_is_refused_and_its_salesforce_field_named() {
    let services = Scripted::start().await;
    let violation = Violation { field: "arr".into(), description: "fed by Account.AnnualRevenue".into() };
    let failure = Failure::new(Reason::FieldLocked, "One field is locked.").with_violations([violation]);
    services.refuse("update_customer", failure);
    let args = ["customers", "set", CUSTOMER, "arr=1 EUR", "description=x"];

    let people = lanesync(&services, &args).await;
    assert_eq!((people.code, people.out.as_str()), (4, ""));
    assert_eq!(
        people.err,
        "error: FIELD_LOCKED: One field is locked.\n  arr: fed by Account.AnnualRevenue\n\
         Edit the record in Salesforce, or unmap the field.\n"
    );
    let program = lanesync(&services, &[&args[..], &["--json"]].concat()).await;
    assert_eq!(program.code, 4);
    let violations = json!([{"field": "arr", "description": "fed by Account.AnnualRevenue"}]);
    assert_eq!(program.json()["error"]["violations"], violations);
}

#[tokio::test]
async fn fields_are_set_by_type_and_emptied_by_mask() {
    let services = Scripted::start().await;
    services.always("update_customer", customer());
    let args = ["customers", "set", CUSTOMER, "arr=1200.50 EUR", "employee_count=12", "tier=smb", "--clear", "phone"];
    let ended = lanesync(&services, &[&args[..], &["--etag", "c0"]].concat()).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    let asked = services.asked::<wire::UpdateCustomerRequest>("update_customer").remove(0);
    assert_eq!((asked.id.as_str(), asked.etag.as_str()), (CUSTOMER, "c0"));
    assert_eq!(asked.update_mask.unwrap().paths, ["arr", "employee_count", "tier", "phone"]);
    let values: Vec<_> = asked.fields.into_iter().map(|field| field.value.unwrap()).collect();
    let number = Value { value: Some(value::Value::Number("12".into())) };
    let option = Value { value: Some(value::Value::Option("smb".into())) };
    assert_eq!(values, [money("1200.50"), number, option]);
}

#[tokio::test]
async fn the_type_of_a_custom_field_is_asked_for_and_a_field_that_is_none_is_refused() {
    let services = Scripted::start().await;
    services.always("update_customer", customer());
    let since = mapper::LaneField { id: "custom_since".into(), r#type: 6, ..mapper::LaneField::default() };
    services.always("list_lane_fields", mapper::ListLaneFieldsResponse { fields: vec![since] });
    assert_eq!(lanesync(&services, &["customers", "set", CUSTOMER, "custom_since=2024-01-31"]).await.code, 0);
    let asked = services.asked::<wire::UpdateCustomerRequest>("update_customer").remove(0);
    let date = Value { value: Some(value::Value::Date("2024-01-31".into())) };
    assert_eq!(asked.fields[0].value, Some(date));

    assert_eq!(lanesync(&services, &["customers", "set", CUSTOMER, "custom_since=soon"]).await.code, 2);
    assert_eq!(lanesync(&services, &["customers", "set", CUSTOMER, "colour=red"]).await.code, 2);
    assert_eq!(services.asked::<wire::UpdateCustomerRequest>("update_customer").len(), 1);
}

#[tokio::test]
async fn a_customer_is_found_by_its_salesforce_id() {
    let services = Scripted::start().await;
    services.always("get_customer", customer());
    services.always("update_customer", customer());
    let ended = lanesync(&services, &["customers", "get", RECORD, "--json"]).await;
    let answer = ended.json();
    assert_eq!(
        answer["fields"]["name"],
        json!({
            "value": "Acme", "type": "text", "locked_by": "Account.Name", "unmapped": false,
        })
    );
    assert_eq!(answer["fields"]["arr"]["value"], json!({"amount": "1200.50", "currency": "EUR"}));
    assert_eq!((&answer["source"], &answer["salesforce"]["id"]), (&json!("salesforce"), &json!(RECORD)));

    assert_eq!(lanesync(&services, &["customers", "set", RECORD, "description=x"]).await.code, 0);
    let found = services.asked::<wire::GetCustomerRequest>("get_customer");
    assert!(found.iter().all(|request| request.id.is_empty() && request.salesforce_id == RECORD));
    assert_eq!(services.asked::<wire::UpdateCustomerRequest>("update_customer")[0].id, CUSTOMER);
}

#[tokio::test]
async fn customers_are_listed_for_people_and_for_programs() {
    let services = Scripted::start().await;
    let page =
        wire::ListCustomersResponse { customers: vec![customer()], next_page_token: "n".into(), total_size: None };
    services.always("list_customers", page);
    let people = lanesync(&services, &["customers", "list", "--search", "ac", "--source", "salesforce"]).await;
    let row = format!("{CUSTOMER}  Acme  1200.50 EUR  -     -       account {RECORD}");
    assert!(people.out.contains(&row), "{}", people.out);
    assert!(people.out.contains("more: --page-token n"), "{}", people.out);
    let program = lanesync(&services, &["customers", "list", "--limit", "1", "--json"]).await.json();
    assert_eq!((&program["customers"][0]["id"], &program["next_page_token"]), (&json!(CUSTOMER), &json!("n")));
    let asked = services.asked::<wire::ListCustomersRequest>("list_customers");
    assert_eq!((asked[0].search.as_str(), asked[0].source, asked[1].page_size), ("ac", 1, 1));
}

#[tokio::test]
async fn customers_and_contacts_are_made_by_hand() {
    let services = Scripted::start().await;
    services.always("create_customer", customer());
    services.on("create_contact", |request: wire::CreateContactRequest| {
        Ok(wire::Contact { id: "p1".into(), customer_id: request.customer_id, ..wire::Contact::default() })
    });
    assert_eq!(lanesync(&services, &["customers", "create", "name=Acme"]).await.code, 0);
    let args = ["contacts", "create", "name=Ada", "email=a@example.com", "--customer", CUSTOMER, "--json"];
    let made = lanesync(&services, &args).await.json();
    assert_eq!((&made["id"], &made["customer_id"]), (&json!("p1"), &json!(CUSTOMER)));
}

#[tokio::test]
async fn contacts_are_listed_found_and_changed() {
    let services = Scripted::start().await;
    let contact = wire::Contact {
        id: CUSTOMER.into(),
        fields: vec![wire::FieldValue { field: "name".into(), value: Some(text("Ada")), ..Default::default() }],
        ..wire::Contact::default()
    };
    services
        .always("list_contacts", wire::ListContactsResponse { contacts: vec![contact.clone()], ..Default::default() });
    services.always("get_contact", contact.clone());
    services.always("update_contact", contact);
    let listed = lanesync(&services, &["contacts", "list", "--customer", CUSTOMER, "--json"]).await.json();
    assert_eq!(listed["contacts"][0]["fields"]["name"]["value"], "Ada");
    assert_eq!(lanesync(&services, &["contacts", "get", "00Q000000000001EAA"]).await.code, 0);
    assert_eq!(lanesync(&services, &["contacts", "set", CUSTOMER, "title=CTO"]).await.code, 0);
    assert_eq!(services.asked::<wire::GetContactRequest>("get_contact")[0].salesforce_id, "00Q000000000001EAA");
}

#[tokio::test]
async fn the_change_feed_goes_on_after_a_position() {
    let services = Scripted::start().await;
    services.on("list_customer_changes", |request: wire::ListCustomerChangesRequest| {
        let change = CustomerChanged {
            sequence: request.after_sequence + 1,
            customer_id: CUSTOMER.into(),
            fields: vec!["arr".into()],
            ..CustomerChanged::default()
        };
        Ok(wire::ListCustomerChangesResponse { changes: vec![change] })
    });
    let ended = lanesync(&services, &["changes", "--after", "41", "--json"]).await;
    let change = json!({"sequence": 42, "customer_id": CUSTOMER, "fields": ["arr"], "continued_by": null});
    assert_eq!(ended.json(), json!({"changes": [change]}));
}

#[tokio::test]
async fn s37_erasing_wants_a_yes_and_is_one_order_until_the_mapper_has_answered() {
    let services = Scripted::start().await;
    let mut calls = 0;
    services.on("erase_record", move |_: wire::EraseRecordRequest| {
        calls += 1;
        let moment = prost_types::Timestamp { seconds: 1_780_000_000, nanos: 0 };
        let source_erase_time = (calls > 1).then_some(moment);
        Ok(wire::EraseRecordResponse { erased_rows: 2, erase_time: Some(moment), source_erase_time })
    });
    let refused = lanesync(&services, &["customers", "erase", RECORD]).await;
    assert_eq!(refused.code, 2);
    assert!(refused.err.contains("--yes"), "{}", refused.err);
    assert!(services.asked::<wire::EraseRecordRequest>("erase_record").is_empty());

    let erased = lanesync(&services, &["customers", "erase", RECORD, "--yes", "--json"]).await;
    assert_eq!((erased.code, &erased.json()["rows"]), (0, &json!(2)));
    assert_eq!(erased.json()["source_erased_at"], json!("2026-05-28T20:26:40Z"));
    let asked = services.asked::<wire::EraseRecordRequest>("erase_record");
    assert_eq!(asked.len(), 2);
    assert_eq!(asked[0], asked[1], "the same order");
    assert_eq!((asked[0].salesforce_id.as_str(), asked[0].actor.as_str()), (RECORD, "ada"));
}
