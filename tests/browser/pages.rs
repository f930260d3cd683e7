//! Every page, looked at: accessible in both schemes, not wider than a phone, no complaint in the browser's console.

use contract::common::v1::Plan;
use serde_json::json;

use crate::album::Album;
use crate::axe;
use crate::driver::Browser;
use crate::walk::past_every_page;
use crate::world::{ROOT, World, tell};

/// What is wrong with the page that a browser shows.
pub(crate) async fn faults(browser: &Browser) -> Vec<String> {
    let mut faults = Vec::new();
    for (width, is_dark) in [(320, true), (1440, false)] {
        browser.look(width, is_dark).await;
        let too_wide = browser.run("return document.documentElement.scrollWidth - innerWidth").await;
        if too_wide.as_i64().unwrap_or_default() > 0 {
            faults.push(format!("{too_wide} pixels wider than a screen of {width}"));
        }
        faults.extend(axe::faults(browser).await.into_iter().map(|fault| format!("at {width}: {fault}")));
    }
    // A page that is not there is asked for on purpose, and a refused form answers so too.
    let complaints = browser.complaints().await.into_iter();
    faults.extend(complaints.filter(|complaint| !complaint.contains("the server responded with a status of 4")));
    faults
}

#[test]
fn every_page_is_accessible_fits_a_phone_and_complains_of_nothing() {
    tell(|world| async move { look_at_everything(&world).await });
}

async fn look_at_everything(world: &World) {
    let org = world.org("Northwind Traders", json!({ "accounts": 60, "contacts": 120, "leads": 40 })).await;
    let workspace = world.synced("Northwind", &org).await;
    world.live_a_little(&workspace, &org).await;
    let album = Album::new();
    let mut faults_of = Vec::new();
    let mut count = 0;

    let stranger = world.browser().await;
    stranger.go(&world.at(ROOT)).await;
    album.keep(&stranger, "sign-in").await;
    faults_of.push(("sign-in", faults(&stranger).await));
    stranger.close().await;

    let admin = world.signed_in(&workspace, "Ada", "admin").await;
    past_every_page(world, &workspace, &admin, async |stop| {
        count += 1;
        album.keep(stop.browser, stop.name).await;
        faults_of.push((stop.name, faults(stop.browser).await));
    })
    .await;
    assert!(count >= 27, "only {count} pages were looked at");
    admin.close().await;

    // Who may only look sees the same pages, with the reason at each button.
    let member = world.signed_in(&workspace, "Max", "member").await;
    for (name, path) in [("member-mapping", "/mapping/accounts"), ("member-values", "/values/tier")] {
        member.go(&world.at(&format!("{ROOT}{path}"))).await;
        member.reads("Only admins can do this").await;
        album.keep(&member, name).await;
        faults_of.push((name, faults(&member).await));
    }
    member.close().await;

    // Off Business the data stays and the page says what is paused.
    let request =
        contract::auth::v1::SetWorkspacePlanRequest { workspace_id: workspace.clone(), plan: Plan::Pro.into() };
    world.lane.workspaces().set_workspace_plan(request).await.unwrap();
    let owner = world.signed_in(&workspace, "Ada", "admin").await;
    for (name, path) in [("downgraded-status", ""), ("downgraded-plan", "/plan")] {
        owner.go(&world.at(&format!("{ROOT}{path}"))).await;
        owner.reads("aused").await;
        album.keep(&owner, name).await;
        faults_of.push((name, faults(&owner).await));
    }
    owner.close().await;

    faults_of.retain(|(_, faults)| !faults.is_empty());
    assert!(faults_of.is_empty(), "{}", in_lines(&faults_of));
}

/// One fault a line.
pub(crate) fn in_lines(faults_of: &[(&str, Vec<String>)]) -> String {
    faults_of.iter().map(|(name, faults)| format!("{name}:\n  {}\n", faults.join("\n  "))).collect()
}
