//! What people may change, and what Salesforce keeps locked.

use contract::common::v1::SalesforceObject::Account;
use contract::common::v1::{FieldType, RecordKind, value};
use contract::error::Reason;
use contract::writer::v1::customer_service_server::CustomerService;
use contract::writer::v1::{
    CreateCustomerRequest, Customer, FieldRule, FieldValue, RecordSource, UpdateCustomerRequest,
};
use messaging::Outcome;
use prost_types::FieldMask;
use tonic::{Request, Status};
use tonic_types::StatusExt as _;

use crate::fixture::{House, account, cells, option, shown, text, text_value, value};

async fn update(
    house: &House,
    id: &str,
    etag: &str,
    fields: Vec<FieldValue>,
    mask: &[&str],
) -> Result<Customer, Status> {
    let request = UpdateCustomerRequest {
        workspace_id: house.workspace.to_string(),
        id: id.to_owned(),
        fields,
        update_mask: Some(FieldMask { paths: mask.iter().map(|path| (*path).to_owned()).collect() }),
        etag: etag.to_owned(),
    };
    house.writer.customer_service().update_customer(Request::new(request)).await.map(tonic::Response::into_inner)
}

async fn synced(house: &House) -> Customer {
    house.applied(house.batch(Account, 1).live(&account(1), &cells("synced"))).await;
    house.customer(&account(1)).await.unwrap()
}

#[tokio::test]
async fn an_edit_of_locked_and_unlocked_fields_changes_nothing_and_names_each_locked_one() {
    let house = House::new().await;
    let customer = synced(&house).await;
    let fields = vec![text_value("name", "mine"), text_value("phone", "123")];
    let status = update(&house, &customer.id, "", fields, &["name", "phone", "tier"]).await.unwrap_err();
    assert_eq!(Reason::of(&status), Some(Reason::FieldLocked));
    let violations = status.get_details_precondition_failure().unwrap().violations;
    let named: Vec<_> = violations.iter().map(|one| (one.subject.as_str(), one.description.as_str())).collect();
    assert_eq!(named, [("name", "Account.Name feeds it"), ("tier", "Account.Tier__c feeds it")]);

    let after = house.customer(&account(1)).await.unwrap();
    assert_eq!(shown(&after.fields, "phone"), "");
    assert_eq!(after.etag, customer.etag);
    let locked: Vec<_> =
        after.fields.iter().filter(|one| !one.locked_by.is_empty()).map(|one| one.field.as_str()).collect();
    assert_eq!(locked, ["name", "arr", "tier"]);
}

#[tokio::test]
async fn an_unlocked_field_is_edited_cleared_and_survives_the_next_sync() {
    let house = House::new().await;
    let id = synced(&house).await.id;
    let fields = vec![text_value("phone", "123"), text_value("country", "FI")];
    let edited = update(&house, &id, "", fields, &[]).await.unwrap();
    assert_eq!((shown(&edited.fields, "phone"), shown(&edited.fields, "country")), ("123".into(), "FI".into()));
    house.applied(house.batch(Account, 2).live(&account(1), &cells("newer"))).await;
    let after = update(&house, &id, "", Vec::new(), &["country"]).await.unwrap();
    assert_eq!(shown(&after.fields, "name"), "newer");
    assert_eq!((shown(&after.fields, "phone"), shown(&after.fields, "country")), ("123".into(), String::new()));
}

#[tokio::test]
async fn a_stale_etag_is_refused() {
    let house = House::new().await;
    let customer = synced(&house).await;
    let phone = || vec![text_value("phone", "123")];
    update(&house, &customer.id, &customer.etag, phone(), &["phone"]).await.unwrap();
    let status = update(&house, &customer.id, &customer.etag, phone(), &["phone"]).await.unwrap_err();
    assert_eq!(Reason::of(&status), Some(Reason::EtagMismatch));
}

#[tokio::test]
async fn values_that_do_not_fit_are_refused_field_by_field() {
    let house = House::new().await;
    let rule = |field: &str, field_type: FieldType, options: &[&str]| FieldRule {
        kind: RecordKind::Account.into(),
        field: field.to_owned(),
        r#type: field_type.into(),
        options: options.iter().map(|option| (*option).to_owned()).collect(),
    };
    let rules = vec![rule("status", FieldType::Option, &["gold"]), rule("custom_since", FieldType::Date, &[])];
    assert_eq!(house.set_mapping(2, &[], rules).await, 2);
    let create = |fields| {
        let request = CreateCustomerRequest { workspace_id: house.workspace.to_string(), fields };
        let service = house.writer.customer_service();
        async move { service.create_customer(Request::new(request)).await.map(tonic::Response::into_inner) }
    };
    let status = create(vec![
        text_value("arr", "many"),
        value("status", value::Value::Option("silver".into())),
        text_value("nonsense", "x"),
        text_value("custom_unknown", "x"),
        text_value("phone", "a\0b"),
    ])
    .await
    .unwrap_err();
    assert_eq!(Reason::of(&status), Some(Reason::RecordRejected));
    let mut named: Vec<_> =
        status.get_details_bad_request().unwrap().field_violations.into_iter().map(|one| one.field).collect();
    named.sort();
    assert_eq!(named, ["arr", "custom_unknown", "name", "nonsense", "phone", "status"]);

    let made = create(vec![
        text_value("name", "By hand"),
        value("status", value::Value::Option("gold".into())),
        value("custom_since", value::Value::Date("2024-02-29".into())),
    ])
    .await
    .unwrap();
    assert_eq!(made.source(), RecordSource::Lane);
    assert_eq!(shown(&made.fields, "custom_since"), "2024-02-29");
    let renamed = update(&house, &made.id, &made.etag, vec![text_value("name", "Renamed")], &["name"]).await.unwrap();
    assert_eq!(shown(&renamed.fields, "name"), "Renamed");
    assert!(update(&house, &made.id, "", Vec::new(), &["name"]).await.is_err());
}

#[tokio::test]
async fn unmapping_and_disconnecting_unlock_at_once_and_the_last_value_stays() {
    let house = House::new().await;
    let id = synced(&house).await.id;
    house.set_mapping(2, &["name", "arr"], Vec::new()).await;
    let tier = vec![value("tier", value::Value::Option("enterprise".into()))];
    assert_eq!(shown(&update(&house, &id, "", tier, &["tier"]).await.unwrap().fields, "tier"), "enterprise");
    house.tell(2, 2, false, false).await;
    let edited = update(&house, &id, "", vec![text_value("name", "mine")], &["name"]).await.unwrap();
    assert_eq!((shown(&edited.fields, "name").as_str(), shown(&edited.fields, "arr").as_str()), ("mine", "10 EUR"));
}

#[tokio::test]
async fn rule_4_a_batch_of_an_older_mapping_never_overwrites_what_a_person_wrote_since() {
    let house = House::new().await;
    let id = synced(&house).await.id;
    // The mapping of tier is removed while a batch of the older mapping is in flight.
    house.set_mapping(2, &["name", "arr"], Vec::new()).await;
    let tier = vec![value("tier", value::Value::Option("enterprise".into()))];
    update(&house, &id, "", tier, &["tier"]).await.unwrap();
    house.applied(house.batch(Account, 9).live(&account(1), &cells("in flight"))).await;
    let after = house.customer(&account(1)).await.unwrap();
    assert_eq!((shown(&after.fields, "tier"), shown(&after.fields, "name")), ("enterprise".into(), "synced".into()));
    // The replay brings the record again, without tier.
    let replay =
        house.batch(Account, 9).mapping(2, &["name", "arr"]).fields(&["name"]).live(&account(1), &[text("replayed")]);
    house.applied(replay).await;
    let after = house.customer(&account(1)).await.unwrap();
    assert_eq!((shown(&after.fields, "tier"), shown(&after.fields, "name")), ("enterprise".into(), "replayed".into()));
}

#[tokio::test]
async fn rule_4_a_batch_of_a_newer_mapping_brings_its_locks_with_it() {
    let house = House::new().await;
    let id = synced(&house).await.id;
    let fields = &["name", "arr", "tier", "phone"];
    let batch = house
        .batch(Account, 2)
        .mapping(5, &["name", "arr"])
        .fields(fields)
        .live(&account(1), &[text("newer"), clear_arr(), option("smb"), text("1")]);
    house.applied(batch).await;
    assert!(update(&house, &id, "", vec![text_value("name", "x")], &["name"]).await.is_err());
    update(&house, &id, "", vec![value("tier", value::Value::Option("enterprise".into()))], &["tier"]).await.unwrap();
    // A save that is told late changes nothing any more, but its rules are taken if they are of the mapping in force.
    assert_eq!(house.set_mapping(4, &["tier"], Vec::new()).await, 5);
    update(&house, &id, "", vec![value("tier", value::Value::Option("smb".into()))], &["tier"]).await.unwrap();
}

fn clear_arr() -> contract::event::v1::Cell {
    crate::fixture::clear()
}

#[tokio::test]
async fn a_field_that_is_mapped_again_takes_the_old_value_back() {
    let house = House::new().await;
    let id = synced(&house).await.id;
    house.set_mapping(2, &["name", "arr"], Vec::new()).await;
    update(&house, &id, "", vec![value("tier", value::Value::Option("enterprise".into()))], &["tier"]).await.unwrap();
    let again = house.batch(Account, 1).mapping(3, &["name", "arr", "tier"]).live(&account(1), &cells("synced"));
    house.applied(again).await;
    assert_eq!(shown(&house.customer(&account(1)).await.unwrap().fields, "tier"), "smb");
}

async fn as_person(house: &House, statement: &'static str) -> Result<u64, String> {
    let mut transaction = house.pool.begin().await.unwrap();
    sqlx::query("select set_config('lanesync.workspace', $1, true)")
        .bind(house.workspace.to_string())
        .execute(&mut *transaction)
        .await
        .unwrap();
    sqlx::query("set local role lanesync_writer_edit").execute(&mut *transaction).await.unwrap();
    let outcome = sqlx::query(statement).execute(&mut *transaction).await;
    outcome
        .map(|done| done.rows_affected())
        .map_err(|error| error.as_database_error().unwrap().code().unwrap().into_owned())
}

#[tokio::test]
async fn postgres_itself_refuses_locked_fields_for_every_role_but_the_sync() {
    let house = House::new().await;
    synced(&house).await;
    let refused = |code: &str| Err(code.to_owned());
    assert_eq!(as_person(&house, "update customers.customer set name = 'x'").await, refused("LS001"));
    assert_eq!(as_person(&house, "update customers.customer set arr_currency = 'USD'").await, refused("LS001"));
    assert_eq!(as_person(&house, "update customers.customer set read_seq = 0").await, refused("42501"));
    assert_eq!(as_person(&house, "delete from customers.customer").await, refused("42501"));
    let insert = "insert into customers.customer (workspace_id, own_id, lane_id, key)
                  select workspace_id, gen_random_uuid(), gen_random_uuid(), 'x' from customers.customer";
    assert_eq!(as_person(&house, insert).await, refused("LS002"));
    assert_eq!(as_person(&house, "update customers.customer set phone = '1'").await, Ok(1));

    // Not even the administrator, by accident.
    for (statement, code) in [
        ("update customers.customer set tier = 'x'", "LS001"),
        ("update customers.customer set epoch = 0", "LS002"),
        ("delete from customers.customer", "LS002"),
    ] {
        let error = sqlx::query(statement).execute(&house.admin).await.unwrap_err();
        assert_eq!(error.as_database_error().unwrap().code().unwrap(), code, "{statement}");
    }
    house.tell(2, 2, false, false).await;
    assert_eq!(as_person(&house, "update customers.customer set name = 'x'").await, Ok(1));
}

#[tokio::test]
async fn rows_made_by_hand_are_never_touched_by_the_sync() {
    let house = House::new().await;
    let request = CreateCustomerRequest {
        workspace_id: house.workspace.to_string(),
        fields: vec![text_value("name", "By hand")],
    };
    let made = house.writer.customer_service().create_customer(Request::new(request)).await.unwrap().into_inner();
    synced(&house).await;
    house.tell(2, 2, false, true).await;
    let kept = house.customer_by_id(&made.id).await.unwrap();
    assert_eq!((shown(&kept.fields, "name").as_str(), kept.etag), ("By hand", made.etag));
    assert!(house.customer(&account(1)).await.is_err());
    assert_eq!(house.apply(house.batch(Account, 9).live(&account(1), &cells("late"))).await, Outcome::Done);
    assert!(house.customer(&account(1)).await.is_err());
}
