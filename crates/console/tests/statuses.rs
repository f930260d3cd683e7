//! The status page, against the real services.

use contract::common::v1::Plan;
use contract::extractor::v1::SyncScope;
use futures::StreamExt as _;
use reqwest::StatusCode;

use crate::world::{PATIENCE, World};

#[tokio::test]
async fn the_page_follows_a_workspace_from_its_plan_to_a_finished_sync() {
    let world = World::new().await;
    let poor = world.workspace("Poor", Plan::Pro).await;
    let page = world.admin(&poor).await.open("/integrations/salesforce").await;
    assert_eq!((page.state(), page.heading()), ("plan_required", "Salesforce sync is part of Business"));

    let workspace = world.workspace("Acme", Plan::Business).await;
    let admin = world.admin(&workspace).await;
    let page = admin.open("/integrations/salesforce").await;
    assert_eq!((page.state(), page.heading()), ("not_connected", "Not connected"));

    world.connect(&workspace).await;
    testkit::eventually_true(PATIENCE, "the page says how to go on", || async {
        admin.open("/integrations/salesforce").await.state() == "connecting"
    })
    .await;
    world.lane.adopt_suggestions(&workspace).await.unwrap();
    world.lane.match_same_names(&workspace).await.unwrap();

    // The live part arrives as fragments while the sync runs.
    let live = admin.http().get(admin.address("/integrations/salesforce/live")).header("cookie", admin.sent());
    let mut live = live.send().await.unwrap().bytes_stream();
    let run = world.lane.start(&workspace, SyncScope::Changes).await.unwrap();
    world.lane.finished(&workspace, &run.run_id, PATIENCE, |_| {}).await.unwrap();
    let mut heard = String::new();
    let until_done = async {
        while !(heard.contains("data-state=\"healthy\"") || heard.contains("data-state=\"degraded\"")) {
            heard.push_str(std::str::from_utf8(&live.next().await.unwrap().unwrap()).unwrap());
        }
    };
    tokio::time::timeout(PATIENCE, until_done).await.expect("the end of the sync is told");
    assert!(heard.contains("event: fragment") && heard.contains("data-live=\"status\""), "{heard}");

    let page = admin.open("/integrations/salesforce").await;
    assert!(["healthy", "degraded"].contains(&page.state()), "{}", page.body);
    assert!(page.body.contains("Connected") && page.body.contains("Accounts"));

    for place in ["mapping/accounts", "values/status", "customers", "runs", "problems", "settings", "plan", "help"] {
        let path = format!("/integrations/salesforce/{place}");
        assert!(page.body.contains(&path) || place == "plan", "{path} is linked");
        assert_eq!(admin.open(&path).await.status, StatusCode::OK, "{path} leads somewhere");
    }
}

#[tokio::test]
async fn a_page_waits_for_no_service_that_is_down() {
    let mut world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    let admin = world.admin(&workspace).await;
    world.stack.service_mut(stack::ServiceName::Extractor).kill().await.unwrap();
    let begun = std::time::Instant::now();
    let page = admin.open("/integrations/salesforce").await;
    assert_eq!(page.status, StatusCode::OK);
    assert_eq!(page.state(), "not_connected", "auth still knows");
    assert!(page.body.contains("No answer from the service that reads Salesforce"), "{}", page.body);
    assert!(begun.elapsed().as_secs() < 10, "{:?}", begun.elapsed());
}
