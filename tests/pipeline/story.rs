//! The story of a workspace, as its admin lives it.

use contract::auth::v1::DisconnectConnectionRequest;
use contract::common::v1::value::Value as Wire;
use contract::common::v1::{Plan, RecordKind, Value};
use contract::error::Reason;
use contract::extractor::v1::{SyncScope, SyncState};
use contract::mapper::v1::{ValueDecision, ValueMapping};
use contract::writer::v1::{Customer, FieldValue, GetContactRequest, GetCustomerRequest, UpdateCustomerRequest};
use serde_json::json;
use stack::ServiceName;
use stack::books::balance;
use stack::lane::Headless;
use tonic::Status;
use tonic_types::StatusExt as _;

use crate::world::{PATIENCE, SMALL, World};

impl World {
    async fn customer(&self, salesforce_id: &str) -> Result<Customer, Status> {
        let request = GetCustomerRequest {
            workspace_id: self.workspace.clone(),
            salesforce_id: salesforce_id.to_owned(),
            ..Default::default()
        };
        self.lane.customers().get_customer(request).await.map(tonic::Response::into_inner)
    }

    async fn edit(&self, customer: &Customer, field: &str, text: &str) -> Result<Customer, Status> {
        let value = Value { value: Some(Wire::Text(text.to_owned())) };
        let request = UpdateCustomerRequest {
            workspace_id: self.workspace.clone(),
            id: customer.id.clone(),
            fields: vec![FieldValue { field: field.to_owned(), value: Some(value), ..Default::default() }],
            update_mask: Some(prost_types::FieldMask { paths: vec![field.to_owned()] }),
            ..Default::default()
        };
        self.lane.customers().update_customer(request).await.map(tonic::Response::into_inner)
    }

    async fn assert_balance(&self) {
        let balance = balance(&self.lane, &self.workspace, &self.simulator, "").await.unwrap();
        assert_eq!(balance.differences, Vec::<String>::new());
    }
}

fn field<'a>(customer: &'a Customer, id: &str) -> &'a FieldValue {
    customer.fields.iter().find(|field| field.field == id).unwrap()
}

fn text(customer: &Customer, id: &str) -> Option<String> {
    match field(customer, id).value.clone()?.value? {
        Wire::Text(text) | Wire::Option(text) => Some(text),
        other => panic!("{id} is no text: {other:?}"),
    }
}

#[tokio::test]
async fn what_is_in_salesforce_is_in_lane_and_locked_there() {
    let world = World::connected(SMALL, &[]).await;
    let run = world.sync(SyncScope::Changes).await;
    assert!(run.api_calls > 0);
    world.assert_balance().await;

    let id = &world.ids("Account", 1).await[0];
    let customer = world.customer(id).await.unwrap();
    assert_eq!(field(&customer, "name").locked_by, "Account.Name");

    // A locked field is refused, naming its source; nothing of the request is applied.
    let refused = world.edit(&customer, "name", "Mine").await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::FieldLocked));
    let violations = refused.get_details_precondition_failure().unwrap().violations;
    assert!(violations[0].description.contains("Account.Name"), "{violations:?}");
    assert_eq!(world.customer(id).await.unwrap(), customer);

    // An unmapped field is the user's: a later sync leaves it alone.
    let unlocked = customer.fields.iter().find(|field| {
        field.locked_by.is_empty() && ["domain", "description", "country", "phone"].contains(&field.field.as_str())
    });
    let unlocked = unlocked.expect("the suggestions leave a text field free").field.clone();
    world.edit(&customer, &unlocked, "typed by hand").await.unwrap();
    world.order("update", json!({ "id": id, "fields": { "Name": "Renamed in Salesforce" } })).await;
    world.sync(SyncScope::Changes).await;
    let customer = world.customer(id).await.unwrap();
    assert_eq!(text(&customer, "name").unwrap(), "Renamed in Salesforce");
    assert_eq!(text(&customer, &unlocked).unwrap(), "typed by hand");
}

#[tokio::test]
async fn mapping_a_value_changes_its_customers_without_a_call_to_salesforce() {
    let world = World::connected(SMALL, &[]).await;
    world.poll_once_a_day().await;
    world.sync(SyncScope::Changes).await;
    let open = world.lane.unmapped(&world.workspace).await.unwrap();
    let tier = open.iter().filter(|entry| entry.kind() == RecordKind::Account && entry.field == "tier");
    let tier = tier.max_by_key(|entry| entry.value.as_ref().map_or(0, |value| value.record_count)).unwrap();
    let raw = tier.value.clone().unwrap();
    assert!(raw.record_count > 0, "the seeded org has tiers that are called like no option");

    world.at_rest().await;
    let calls = world.api_calls().await;
    let decision = ValueMapping {
        value: raw.value.clone(),
        decision: ValueDecision::Map.into(),
        option: "strategic".to_owned(),
        ..Default::default()
    };
    world.lane.decide(&world.workspace, RecordKind::Account, "tier", vec![decision]).await.unwrap();
    world.lane.replayed(&world.workspace, PATIENCE).await.unwrap();

    world.assert_balance().await;
    let left = world.lane.unmapped(&world.workspace).await.unwrap();
    let still_open = left.iter().any(|entry| {
        (entry.kind(), entry.field.as_str()) == (RecordKind::Account, "tier")
            && entry.value.as_ref().is_some_and(|value| value.value == raw.value)
    });
    assert!(!still_open, "the value that was mapped is closed");
    assert_eq!(world.api_calls().await, calls, "a change of mapping is replayed from the source store");
}

#[tokio::test]
async fn deletes_merges_and_conversions_arrive_and_keep_their_lane_ids() {
    let world = World::connected(SMALL, &[]).await;
    world.sync(SyncScope::Changes).await;
    let accounts = world.ids("Account", 4).await;
    let (deleted, loser, winner) = (&accounts[0], &accounts[1], &accounts[2]);
    let before = world.customer(deleted).await.unwrap();

    world.order("delete", json!({ "id": deleted })).await;
    world.order("merge", json!({ "master": winner, "losers": [loser] })).await;
    let lead = &world.ids("Lead", 1).await[0];
    let lead_row =
        GetContactRequest { workspace_id: world.workspace.clone(), salesforce_id: lead.clone(), ..Default::default() };
    let person = world.lane.customers().get_contact(lead_row.clone()).await.unwrap().into_inner();
    world.order("convert_lead", json!({ "lead": lead })).await;
    world.sync(SyncScope::Changes).await;

    world.assert_balance().await;
    let after = world.customer(deleted).await.unwrap();
    assert_eq!(after.id, before.id);
    assert!(after.archive_time.is_some());
    let merged = world.customer(winner).await.unwrap();
    assert!(merged.salesforce.as_ref().unwrap().alias_ids.contains(loser));
    assert_eq!(world.customer(loser).await.unwrap().id, merged.id, "the loser's id leads to the winner");
    let converted = world.lane.customers().get_contact(lead_row).await.unwrap().into_inner();
    assert_eq!(converted.id, person.id, "a converted lead continues as the same contact");

    world.order("undelete", json!({ "id": deleted })).await;
    world.sync(SyncScope::Changes).await;
    let back = world.customer(deleted).await.unwrap();
    assert_eq!((back.id, back.archive_time), (before.id, None));
}

#[tokio::test]
async fn rest_and_bulk_bring_the_same() {
    let bulk = [(ServiceName::Extractor, "LANESYNC_EXTRACTOR_BULK_THRESHOLD", "1")];
    let world = World::connected(SMALL, &bulk).await;
    let run = world.sync(SyncScope::Changes).await;
    assert!(run.objects.iter().all(|object| object.path == "bulk"), "{:?}", run.objects);
    world.assert_balance().await;
}

#[tokio::test]
async fn disconnecting_unlocks_every_field_and_keeps_the_customers() {
    let world = World::connected(SMALL, &[]).await;
    world.sync(SyncScope::Changes).await;
    let id = &world.ids("Account", 1).await[0];
    let customer = world.customer(id).await.unwrap();

    let request = DisconnectConnectionRequest {
        workspace_id: world.workspace.clone(),
        actor: "test".to_owned(),
        ..Default::default()
    };
    world.lane.connections().disconnect_connection(request).await.unwrap();
    testkit::eventually_true(PATIENCE, "disconnected", || async {
        world.lane.status(&world.workspace).await.is_ok_and(|status| status.state() == SyncState::Disconnected)
    })
    .await;

    let kept = world.customer(id).await.unwrap();
    assert_eq!(text(&kept, "name"), text(&customer, "name"));
    assert!(kept.fields.iter().all(|field| field.locked_by.is_empty()));
    world.edit(&kept, "name", "Mine now").await.unwrap();
    let refused = world.lane.start(&world.workspace, SyncScope::Changes).await.unwrap_err();
    let status = refused.downcast_ref::<Status>().unwrap();
    assert_eq!(Reason::of(status), Some(Reason::NotConnected));

    // A reconnect adopts the rows: same Lane ids, locked again, as Salesforce has it.
    world.connect().await;
    world.sync(SyncScope::Changes).await;
    world.assert_balance().await;
    assert_eq!(world.customer(id).await.unwrap().id, customer.id);
}

#[tokio::test]
async fn starter_and_pro_are_told_to_upgrade() {
    let world = World::new(SMALL, Plan::Pro, &[]).await;
    let how = Headless { environment: world.simulator.url(), start_at: None };
    let refused = world.lane.connect(&world.workspace, &how).await.unwrap_err();
    assert_eq!(Reason::of(refused.downcast_ref::<Status>().unwrap()), Some(Reason::PlanRequired));
    let status = world.lane.status(&world.workspace).await.unwrap();
    assert_eq!(status.state(), SyncState::PlanRequired);
}
