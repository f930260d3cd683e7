//! Sessions: S31, and where people land.

use contract::common::v1::Plan;
use reqwest::StatusCode;

use crate::world::World;

#[tokio::test]
async fn a_session_begins_with_a_new_id_survives_the_console_and_ends_everywhere_by_signing_out() {
    let mut world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    let browser = world.browser();

    // Nobody sees anything before signing in, and comes back to where they wanted to go.
    let page = browser.get("/integrations/salesforce/runs").await;
    assert_eq!(page.location().unwrap(), "/sign-in?next=%2Fintegrations%2Fsalesforce%2Fruns");
    let page = browser.open("/integrations/salesforce/runs").await;
    assert_eq!(page.heading(), "Sign in");
    assert_eq!(page.value_of("next").unwrap(), "/integrations/salesforce/runs");
    assert!(browser.cookie("__Host-lanesync").is_none());

    browser.sign_in(&workspace, "Ada", "admin").await;
    let first = browser.cookie("__Host-lanesync").unwrap();
    assert!(browser.cookie("__Host-lanesync-visit").is_none(), "what bound the sign-in is over");
    browser.open("/sign-in").await;
    let again = browser.open("/sign-in").await;
    let values = [("workspace", workspace.as_str()), ("name", "Ada"), ("role", "admin")];
    let signed_in = browser.submit(&again, "/sign-in", &values).await;
    assert_eq!(signed_in.location().unwrap(), "/integrations/salesforce");
    let second = browser.cookie("__Host-lanesync").unwrap();
    assert_ne!(first, second, "every sign-in has a new id");

    // Sessions outlive the process that began them.
    world.stack.service_mut(stack::ServiceName::Console).restart().await.unwrap();
    let page = browser.open("/integrations/salesforce").await;
    assert_eq!(page.status, StatusCode::OK);
    assert!(page.body.contains("Acme") && page.body.contains("Ada"));

    // Signing out ends the session on the server: a copied cookie is worth nothing.
    let thief = browser.copy();
    assert_eq!(thief.get("/integrations/salesforce").await.status, StatusCode::OK);
    let out = browser.submit(&page, "/sign-out", &[]).await;
    assert_eq!(out.heading(), "You are signed out");
    assert!(browser.cookie("__Host-lanesync").is_none());
    assert_eq!(thief.get("/integrations/salesforce").await.status, StatusCode::SEE_OTHER);
    assert_eq!(thief.open("/integrations/salesforce").await.heading(), "Sign in");
}

#[tokio::test]
async fn nobody_is_led_elsewhere_by_the_sign_in() {
    let world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    for evil in
        ["https://evil.example/", "//evil.example", "/\\evil.example", "/integrations/salesforce/..//evil.example"]
    {
        let browser = world.browser();
        let page = browser.open("/sign-in").await;
        let values = [("workspace", workspace.as_str()), ("name", "Ada"), ("role", "admin"), ("next", evil)];
        let answer = browser.submit(&page, "/sign-in", &values).await;
        assert_eq!(answer.location().as_deref(), Some("/integrations/salesforce"), "{evil}");
    }
}
