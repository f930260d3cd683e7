//! What an admin does with the console from the first day to the last, three times: with a mouse, with the keyboard
//! alone, and without scripts.

use contract::common::v1::{Plan, RecordKind, Value, value};
use contract::error::Reason;
use contract::extractor::v1::{RunPhase, SyncScope};
use contract::writer::v1::{Customer, FieldValue, GetCustomerRequest, UpdateCustomerRequest};
use serde_json::json;

use crate::driver::named;
use crate::person::{Person, Way};
use crate::world::{Org, PATIENCE, ROOT, World, tell, text_of};

/// States of a sync that runs.
const SYNCING: [&str; 2] = ["healthy", "degraded"];

#[test]
fn an_admin_connects_maps_repairs_and_leaves_with_a_mouse() {
    tell(|world| async move { live_through(&world, Way::Mouse).await });
}

#[test]
fn an_admin_connects_maps_repairs_and_leaves_with_the_keyboard_alone() {
    tell(|world| async move { live_through(&world, Way::Keyboard).await });
}

#[test]
fn an_admin_connects_maps_repairs_and_leaves_without_scripts() {
    tell(|world| async move { live_through(&world, Way::WithoutScripts).await });
}

async fn live_through(world: &World, way: Way) {
    let org = world.org(&format!("Story {way:?}"), json!({ "accounts": 30, "contacts": 40, "leads": 20 })).await;
    let workspace = world.workspace(&format!("Story {way:?}"), Plan::Business).await;
    let admin = Person::new(world, way).await;
    admin.sign_in(&workspace, "Ada").await;

    connect(&admin, &org).await;
    first_sync(world, &admin, &workspace).await;
    map(world, &admin, &workspace).await;
    fix_a_value(world, &admin, &workspace).await;
    let customer = edit(world, &admin, &workspace).await;
    resync(world, &admin, &workspace, &org, &customer).await;
    reconnect(world, &admin, &workspace, &org).await;
    disconnect(world, &admin, &workspace, &org, &customer).await;
    admin.browser.close().await;
}

/// The start date comes before Salesforce; a refusal there costs nothing that was chosen.
async fn connect(admin: &Person<'_>, org: &Org) {
    assert_eq!(admin.browser.state().await, "not_connected");
    admin.press(&named("a", "Connect")).await;
    admin.pick("start", "all").await;
    admin.press(&named("button", "Continue to Salesforce")).await;
    admin.press(&named("button", "Deny")).await;
    admin.browser.reads("Access was not allowed in Salesforce").await;
    assert!(admin.browser.has("[name=start][value=all]:checked").await, "the start date is kept");
    admin.press(&named("button", "Continue to Salesforce")).await;
    allow(admin, org).await;
    admin.browser.reads("Finish connecting").await;
}

/// At Salesforce: which org, and yes.
async fn allow(admin: &Person<'_>, org: &Org) {
    admin.choose("[name=sim_org]", &org.id).await;
    admin.press(&named("button", "Allow")).await;
    // Whoever goes elsewhere before Lane has the answer does not connect.
    let back = async || {
        let address = admin.browser.address().await;
        (address.contains(ROOT) && !address.contains("/callback")).then_some(())
    };
    admin.browser.eventually("the way back from Salesforce", back).await;
}

/// What can be seen is told before anything is read; then fields, then the start.
async fn first_sync(world: &World, admin: &Person<'_>, workspace: &str) {
    let suggested = named("button", "Use the suggested fields");
    admin.until(&suggested).await;
    // The X-ray asks Salesforce, which may take longer than a page waits.
    admin.until("//section[contains(., '30 records')]").await;
    let page = admin.browser.text().await;
    for part in ["What Lane can see", "30 records", "40 records", "20 records"] {
        assert!(page.contains(part), "{part} is told before the first sync: {page}");
    }
    assert_eq!(world.customers(workspace).await.len(), 0, "nothing is read before somebody says so");
    admin.press(&suggested).await;
    admin.press(&named("button", "Start first sync")).await;
    admin.until_state(&SYNCING).await;
    assert_eq!(world.customers(workspace).await.len(), 30);
}

/// Frees one field and feeds another.
async fn map(world: &World, admin: &Person<'_>, workspace: &str) {
    assert_eq!(world.feeding(workspace, "phone").await.as_deref(), Some("Phone"));
    admin.press(&named("a", "Mapping")).await;
    admin.until("#f-phone").await;
    admin.map("phone", "", "not mapped").await;
    admin.press("//button[normalize-space()='Review and save']").await;
    admin.browser.reads("Unlocks").await;
    assert!(world.feeding(workspace, "phone").await.is_some(), "a review saves nothing");
    admin.press(&named("button", "Save mapping")).await;
    admin.browser.reads("The mapping is saved").await;
    assert_eq!(world.feeding(workspace, "phone").await, None);
}

/// Maps one open value; customers follow with no Salesforce call.
async fn fix_a_value(world: &World, admin: &Person<'_>, workspace: &str) {
    let open = world.lane.unmapped(workspace).await.unwrap();
    let tier = open.iter().find(|entry| entry.kind() == RecordKind::Account && entry.field == "tier");
    let value = tier.and_then(|entry| entry.value.clone()).unwrap();
    let calls = world.lane.status(workspace).await.unwrap().api_calls_used;
    admin.open("/values/tier").await;
    admin.choose(&format!("[name='to-{}']", value.id), "strategic").await;
    admin.press(&format!("//tr[.//*[@name='to-{}']]/ancestor::form//button[normalize-space()='Save']", value.id)).await;
    admin.browser.reads("1 value saved").await;
    world.lane.replayed(workspace, PATIENCE).await.unwrap();
    let left = world.lane.unmapped(workspace).await.unwrap();
    assert_eq!(left.len(), open.len() - 1, "the value is decided, and no other");
    let strategic = world.customers(workspace).await.iter().filter(|one| text_of(one, "tier") == "strategic").count();
    assert!(strategic > 0, "customers carry the option");
    assert_eq!(world.lane.status(workspace).await.unwrap().api_calls_used, calls, "no Salesforce call");
}

/// Edits the field that was freed and meets the lock of one that was not.
async fn edit(world: &World, admin: &Person<'_>, workspace: &str) -> Customer {
    let customer = world.customers(workspace).await.remove(0);
    admin.open("/customers").await;
    admin.press(&format!("a[href$='/customers/{}']", customer.id)).await;
    admin.browser.reads("Synced from Salesforce: Account.Industry").await;
    assert!(admin.browser.has("#in-industry[readonly]").await, "a locked field is shown and takes no text");
    admin.fill("#in-phone", "+358 40 123").await;
    admin.press(&named("button", "Save")).await;
    admin.browser.reads("The customer is saved").await;
    let edited = look_at(world, workspace, &customer).await;
    assert_eq!(text_of(&edited, "phone"), "+358 40 123");

    // Whoever goes around the page is refused too, with the name of the field that holds the lock.
    let industry = Value { value: Some(value::Value::Text("Chess".into())) };
    let request = UpdateCustomerRequest {
        workspace_id: workspace.to_owned(),
        id: customer.id.clone(),
        fields: vec![FieldValue { field: "industry".into(), value: Some(industry), ..Default::default() }],
        update_mask: Some(prost_types::FieldMask { paths: vec!["industry".into()] }),
        ..Default::default()
    };
    let refused = world.lane.customers().update_customer(request).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::FieldLocked));
    edited
}

async fn look_at(world: &World, workspace: &str, customer: &Customer) -> Customer {
    let request =
        GetCustomerRequest { workspace_id: workspace.to_owned(), id: customer.id.clone(), ..Default::default() };
    world.lane.customers().get_customer(request).await.unwrap().into_inner()
}

/// Brings what changed in Salesforce; what was typed in Lane stays.
async fn resync(world: &World, admin: &Person<'_>, workspace: &str, org: &Org, customer: &Customer) {
    let record = customer.salesforce.as_ref().unwrap().id.clone();
    world
        .order("update", json!({ "org": org.id, "id": record, "fields": { "Industry": "Energy", "Phone": "1" } }))
        .await;
    admin.open("/resync").await;
    admin.until("//button[normalize-space()='Start re-sync' and not(@disabled)]").await;
    admin.pick("scope", "changes").await;
    admin.press(&named("button", "Start re-sync")).await;
    admin.until("//*[contains(@class, 'pill') and normalize-space()='Complete']").await;
    let brought = look_at(world, workspace, customer).await;
    assert_eq!((text_of(&brought, "industry"), text_of(&brought, "phone")), ("Energy".into(), "+358 40 123".into()));
}

/// A Salesforce admin takes the access away: the page says so, nothing is lost, and connecting again goes on.
async fn reconnect(world: &World, admin: &Person<'_>, workspace: &str, org: &Org) {
    world.order("revoke_grants", json!({ "org": org.id })).await;
    world.order("expire_sessions", json!({ "org": org.id })).await;
    let run = world.lane.start_when_free(workspace, SyncScope::Changes, PATIENCE).await;
    assert!(run.is_ok_and(|run| run.phase() != RunPhase::Completed), "the next look at Salesforce notices");
    admin.open("").await;
    admin.until_state(&["auth_revoked"]).await;
    admin.browser.reads("Nothing was deleted").await;
    assert_eq!(world.customers(workspace).await.len(), 30);
    admin.press(&named("a", "Reconnect")).await;
    admin.pick("start", "all").await;
    admin.press(&named("button", "Continue to Salesforce")).await;
    allow(admin, org).await;
    admin.open("").await;
    admin.until_state(&SYNCING).await;
    assert_eq!(world.feeding(workspace, "industry").await.as_deref(), Some("Industry"), "the mapping is kept");
}

/// Leaves: customers stay and every field can be edited.
async fn disconnect(world: &World, admin: &Person<'_>, workspace: &str, org: &Org, customer: &Customer) {
    admin.press("a[href$='/disconnect']").await;
    admin.fill("#org", &org.name).await;
    admin.press(&named("button", "Disconnect")).await;
    admin.until_state(&["disconnected"]).await;
    let left = look_at(world, workspace, customer).await;
    assert!(left.fields.iter().all(|field| field.locked_by.is_empty()), "every field can be edited: {left:?}");
    assert_eq!(text_of(&left, "industry"), "Energy");
    assert!(admin.browser.address().await.contains(ROOT));
}
