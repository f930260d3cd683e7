//! Sync settings: saved for the workspace, seen by members, changed by admins.

use contract::common::v1::Plan;
use contract::extractor::v1::GetApiBudgetRequest;
use reqwest::StatusCode;

use crate::world::World;

const ROOT: &str = "/integrations/salesforce/settings";

async fn share(world: &World, workspace: &str) -> i32 {
    let request = GetApiBudgetRequest { workspace_id: workspace.to_owned() };
    world.lane.syncs().get_api_budget(request).await.unwrap().into_inner().percent
}

#[tokio::test]
async fn an_admin_changes_how_often_and_how_much_and_a_member_looks() {
    let world = World::new().await;
    let workspace = world.synced("Acme").await;
    let admin = world.admin(&workspace).await;
    let page = admin.open(ROOT).await;
    assert_eq!(page.heading(), "Sync settings");
    assert!(page.body.contains("value=\"300\" selected") && page.body.contains("Every 5 min"), "{}", page.body);
    assert!(page.body.contains("of its ") && page.body.contains("The whole org used"), "{}", page.body);

    let saved = admin.submit(&page, &format!("{ROOT}/schedule"), &[("interval", "900")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let page = admin.open(&saved.location().unwrap()).await;
    assert!(page.body.contains("value=\"900\" selected"), "{}", page.body);
    let refused = admin.submit(&page, &format!("{ROOT}/schedule"), &[("interval", "5")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("This interval can&#39;t be used"), "{}", refused.body);

    let budget = format!("{ROOT}/budget");
    let etag = page.value_of("etag").unwrap();
    let saved = admin.submit(&page, &budget, &[("percent", "40"), ("etag", &etag)]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    assert_eq!(share(&world, &workspace).await, 40);
    let stale = admin.submit(&page, &budget, &[("percent", "50"), ("etag", &etag)]).await;
    assert_eq!(stale.status, StatusCode::CONFLICT);
    assert!(
        stale.body.contains("value=\"50\"") && stale.body.contains("Nothing of yours was saved yet"),
        "{}",
        stale.body
    );
    for percent in ["0", "101", "<b>"] {
        let refused = admin.submit(&page, &budget, &[("percent", percent)]).await;
        assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY, "{percent}");
        assert!(!refused.body.contains("<b>") && refused.body.contains("Choose between 1 and 100"), "{}", refused.body);
    }

    let member = world.browser();
    member.sign_in(&workspace, "Max", "member").await;
    let page = member.open(ROOT).await;
    assert!(page.body.contains("Only admins can do this") && page.body.contains("value=\"40\""), "{}", page.body);
    let refused = member.submit(&page, &budget, &[("percent", "90")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
    assert_eq!(share(&world, &workspace).await, 40);
}

#[tokio::test]
async fn who_is_not_connected_has_nothing_to_set() {
    let world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    let page = world.admin(&workspace).await.open(ROOT).await;
    assert_eq!((page.status, page.heading()), (StatusCode::OK, "Salesforce is not connected"));
}
