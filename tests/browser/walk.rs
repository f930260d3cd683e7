//! A walk past every page of a workspace that syncs.

use contract::common::v1::RecordKind;
use contract::writer::v1::ListContactsRequest;

use crate::driver::{Browser, named};
use crate::world::{PATIENCE, ROOT, World};

/// A page of the console that is shown in a browser.
pub(crate) struct Stop<'w> {
    pub(crate) name: &'static str,
    pub(crate) browser: &'w Browser,
}

/// Shows every page to `look`, in an order in which a person might come by.
pub(crate) async fn past_every_page(
    world: &World,
    workspace: &str,
    browser: &Browser,
    mut look: impl AsyncFnMut(Stop<'_>),
) {
    let customer = world.customers(workspace).await.remove(0);
    let request = ListContactsRequest { workspace_id: workspace.to_owned(), page_size: 1, ..Default::default() };
    let contact = world.lane.customers().list_contacts(request).await.unwrap().into_inner().contacts.remove(0).id;
    let record = customer.salesforce.as_ref().map(|origin| origin.id.clone()).unwrap_or_default();
    let customer = customer.id;
    let pages = [
        ("status", String::new()),
        ("mapping-accounts", "/mapping/accounts".to_owned()),
        ("mapping-people", "/mapping/people".to_owned()),
        ("mapping-fields", "/mapping/accounts/fields/arr?holds=yes".to_owned()),
        ("mapping-record", format!("/mapping/accounts/record?id={record}")),
        ("values-status", "/values/status".to_owned()),
        ("values-tier", "/values/tier".to_owned()),
        ("values-options", "/values/tier/accounts/options".to_owned()),
        ("values-same-names", "/values/status/accounts/same-names".to_owned()),
        ("customers", "/customers".to_owned()),
        ("contacts", "/contacts".to_owned()),
        ("customer", format!("/customers/{customer}")),
        ("customer-why", format!("/customers/{customer}/why/tier")),
        ("customer-new", "/customers/new".to_owned()),
        ("contact", format!("/contacts/{contact}")),
        ("runs", "/runs".to_owned()),
        ("problems", "/problems".to_owned()),
        ("settings", "/settings".to_owned()),
        ("resync", "/resync".to_owned()),
        ("access", "/access".to_owned()),
        ("disconnect", "/disconnect".to_owned()),
        ("plan", "/plan".to_owned()),
        ("help", "/help".to_owned()),
        ("not-found", "/runs/0197a0c0-0000-7000-8000-000000000001".to_owned()),
    ];
    for (name, path) in pages {
        browser.go(&world.at(&format!("{ROOT}{path}"))).await;
        settled(browser).await;
        look(Stop { name, browser }).await;
    }

    browser.go(&world.at(&format!("{ROOT}/runs"))).await;
    browser.click("tbody tr:last-child a").await;
    look(Stop { name: "run", browser }).await;

    browser.go(&world.at(&format!("{ROOT}/problems"))).await;
    if browser.has("//a[starts-with(normalize-space(), 'See all')]").await {
        browser.click("//a[starts-with(normalize-space(), 'See all')]").await;
        look(Stop { name: "problem-records", browser }).await;
    }

    // What an error looks like where it happened.
    browser.go(&world.at(&format!("{ROOT}/customers/{customer}"))).await;
    if browser.has("#in-domain:not([readonly])").await {
        browser.run("document.querySelector('#in-domain').value = 'x'.repeat(100000)").await;
        browser.click(&named("button", "Save")).await;
        look(Stop { name: "customer-refused", browser }).await;
    }
    browser.go(&world.at(&format!("{ROOT}/mapping/accounts"))).await;
    browser.run("const list = document.querySelector('#f-phone-select') ?? document.querySelector('#f-phone'); list.value = ''").await;
    browser.click("//button[normalize-space()='Review and save']").await;
    browser.reads("counted over every record").await;
    look(Stop { name: "mapping-review", browser }).await;

    conflict(world, workspace, browser).await;
    look(Stop { name: "mapping-conflict", browser }).await;
}

/// Somebody else saves while this browser still holds the review.
async fn conflict(world: &World, workspace: &str, browser: &Browser) {
    let mut mapping = world.lane.field_mapping(workspace, RecordKind::Account).await.unwrap();
    let before = mapping.entries.clone();
    mapping.entries.retain(|entry| !["industry", "country"].contains(&entry.lane_field.as_str()));
    world.lane.map_fields(workspace, RecordKind::Account, mapping.entries).await.unwrap();
    browser.click(&named("button", "Save mapping")).await;
    browser.reads("Somebody else saved first").await;
    world.lane.map_fields(workspace, RecordKind::Account, before).await.unwrap();
    world.lane.replayed(workspace, PATIENCE).await.unwrap();
}

/// Waits until the parts that a page fetches by itself are there.
pub(crate) async fn settled(browser: &Browser) {
    let pending = "return document.querySelectorAll('[data-load]').length";
    let settled = async { while browser.run(pending).await.as_u64().unwrap_or(0) > 0 {} };
    // A part that stays away keeps its link; the page is looked at as it stands.
    let _ = tokio::time::timeout(std::time::Duration::from_secs(20), settled).await;
}
