//! The access X-ray, with a Salesforce that hides things.

use contract::common::v1::Plan;
use reqwest::StatusCode;
use serde_json::json;

use crate::world::{PATIENCE, World};

const ROOT: &str = "/integrations/salesforce";

#[tokio::test]
async fn what_is_hidden_is_named_with_what_is_lost_and_whom_to_ask() {
    let world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    let admin = world.admin(&workspace).await;
    let page = admin.open(&format!("{ROOT}/access")).await;
    assert!(page.status.is_success() && page.body.contains("Salesforce is not connected"), "{}", page.body);

    world.connect(&workspace).await;
    world.lane.adopt_suggestions(&workspace).await.unwrap();
    // All is well: the step before the first sync says so, object by object.
    let connect = format!("{ROOT}/connect");
    let page = testkit::eventually(PATIENCE, "the X-ray is there", || async {
        let page = admin.open(&connect).await;
        (page.state() == "connecting" && page.body.contains("fields that matter")).then_some(page)
    })
    .await;
    assert!(page.body.contains("<p>40 records; ") && page.body.contains("<p>30 records; "), "{}", page.body);
    assert!(!page.body.contains("Ask a Salesforce admin to"), "{}", page.body);

    // A mapped field and a whole object go away in Salesforce.
    let hide = async |hidden: bool| {
        let field = json!({ "object": "Account", "field": "Industry", "hidden": hidden });
        world.simulator.order("hide_field", field).await.unwrap();
        world.simulator.order("hide_object", json!({ "object": "Lead", "hidden": hidden })).await.unwrap();
    };
    hide(true).await;
    let page = admin.open(&format!("{ROOT}/access?refresh=yes")).await;
    assert_eq!((page.status, page.heading()), (StatusCode::OK, "What Lane can see"));
    for part in [
        "1 object and 1 field that Lane needs can’t be read.",
        "The Salesforce user may not see it.",
        "No people come from Salesforce leads.",
        "permission set with the object permissions Read and View All Records on Lead",
        "<code>Industry</code>",
        "Mapped, hidden",
        "field-level security of Account.Industry",
        "Lane reads as ",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    let page = admin.open(&connect).await;
    assert!(page.body.contains("Ask a Salesforce admin to"), "the step before the first sync says it: {}", page.body);

    // A member sees it too; the status page leads there.
    let member = world.browser();
    member.sign_in(&workspace, "Max", "member").await;
    assert!(member.open(ROOT).await.body.contains(&format!("{ROOT}/access")));
    assert!(member.open(&format!("{ROOT}/access?wait=yes")).await.body.contains("Account.Industry"));

    hide(false).await;
    let page = admin.open(&format!("{ROOT}/access?refresh=yes")).await;
    assert!(page.body.contains("Lane can read everything"), "{}", page.body);
}
