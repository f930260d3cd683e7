//! The nine states of a connection, each reached in earnest, looked at and kept as a picture.

use contract::auth::v1::DisconnectConnectionRequest;
use contract::common::v1::Plan;
use contract::extractor::v1::SyncScope;
use serde_json::json;

use crate::album::Album;
use crate::driver::Browser;
use crate::pages::{faults, in_lines};
use crate::walk::settled;
use crate::world::{Org, PATIENCE, ROOT, World, tell};

#[test]
fn all_nine_states_are_reached_and_look_right() {
    tell(|world| async move { go_through_all(&world).await });
}

/// What was seen of the states.
struct Seen<'w> {
    world: &'w World,
    album: Album,
    faults: Vec<(&'static str, Vec<String>)>,
}

impl Seen<'_> {
    /// Waits until the status page names `state`, and looks at it.
    async fn look(&mut self, workspace: &str, state: &'static str, headline: &str) -> Browser {
        let browser = self.world.signed_in(workspace, "Ada", "admin").await;
        testkit::eventually_true(PATIENCE, &format!("the page says {state}"), || async {
            if browser.state().await == state && browser.text_at("h1").await.contains(headline) {
                return true;
            }
            browser.reload().await;
            false
        })
        .await;
        self.keep(&browser, state, state).await;
        browser
    }

    async fn keep(&mut self, browser: &Browser, state: &'static str, name: &str) {
        self.album.keep(browser, &format!("state-{name}")).await;
        self.faults.push((state, faults(browser).await));
    }
}

async fn small(world: &World, name: &str) -> Org {
    world.org(name, json!({ "accounts": 24, "contacts": 30, "leads": 12 })).await
}

async fn go_through_all(world: &World) {
    let mut seen = Seen { world, album: Album::new(), faults: Vec::new() };

    let poor = world.workspace("Starter kitchen", Plan::Starter).await;
    seen.look(&poor, "plan_required", "part of Business").await.close().await;

    let fresh = world.workspace("Fresh", Plan::Business).await;
    let browser = seen.look(&fresh, "not_connected", "Not connected").await;
    browser.go(&world.at(&format!("{ROOT}/connect"))).await;
    seen.keep(&browser, "not_connected", "not_connected-connect").await;
    browser.close().await;

    let org = small(world, "Contoso").await;
    world.connect(&fresh, &org).await;
    let browser = seen.look(&fresh, "connecting", "Finish connecting").await;
    testkit::eventually_true(PATIENCE, "suggestions are there", || async {
        browser.go(&world.at(&format!("{ROOT}/connect"))).await;
        browser.text().await.contains("Use the suggested fields")
    })
    .await;
    settled(&browser).await;
    seen.keep(&browser, "connecting", "connecting-finish").await;
    browser.close().await;

    // Salesforce sends contacts one by one and takes its time for each, so that the first sync can be watched.
    world.lane.adopt_suggestions(&fresh).await.unwrap();
    for (endpoint, fault) in [
        ("query", json!({ "kind": "shrink_pages", "rows": 1 })),
        ("query_more", json!({ "kind": "delay", "ms": 4_000 })),
    ] {
        let rule = json!({ "endpoints": [endpoint], "org": org.id, "fault": fault });
        world.order("fault", json!({ "rule": rule })).await;
    }
    let run = world.lane.start(&fresh, SyncScope::Changes).await.unwrap();
    seen.look(&fresh, "first_sync", "First sync running").await.close().await;
    world.order("clear_faults", json!({})).await;
    world.lane.finished(&fresh, &run.run_id, PATIENCE, |_| {}).await.unwrap();

    seen.look(&fresh, "degraded", "need mapping").await.close().await;
    world.decide_all(&fresh).await;
    seen.look(&fresh, "healthy", "Up to date").await.close().await;

    world.order("api_usage", json!({ "org": org.id, "used": 100_000, "max": 100_000 })).await;
    // The run may be refused at once or end by itself; either way the state says why.
    world.lane.start_when_free(&fresh, SyncScope::Everything, PATIENCE).await.ok();
    seen.look(&fresh, "quota_exhausted", "API limit").await.close().await;
    world.order("api_usage", json!({ "org": org.id, "used": 10, "max": 100_000 })).await;

    let other = small(world, "Fabrikam").await;
    let revoked = world.synced("Revoked", &other).await;
    world.order("revoke_grants", json!({ "org": other.id })).await;
    world.order("expire_sessions", json!({ "org": other.id })).await;
    world.lane.start_when_free(&revoked, SyncScope::Changes, PATIENCE).await.ok();
    seen.look(&revoked, "auth_revoked", "revoked").await.close().await;

    let request = DisconnectConnectionRequest { workspace_id: revoked.clone(), actor: "Ada".into(), purge: false };
    world.lane.connections().disconnect_connection(request).await.unwrap();
    seen.look(&revoked, "disconnected", "Disconnected").await.close().await;

    seen.faults.retain(|(_, faults)| !faults.is_empty());
    assert!(seen.faults.is_empty(), "{}", in_lines(&seen.faults));
}
