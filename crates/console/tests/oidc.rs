//! Signing in at a provider: discovery, PKCE, nonce, claims, rotated keys; and the ways that must not work.

use contract::common::v1::Plan;
use reqwest::{StatusCode, Url};
use serde_json::json;
use stack::ServiceName;

use crate::browser::{Browser, Page};
use crate::provider::{CLIENT, Provider};
use crate::world::World;

async fn world(provider: &Provider) -> World {
    let issuer = provider.issuer.clone();
    World::with(|options| {
        options.development_sign_in = false;
        for (name, value) in [("ISSUER", issuer.as_str()), ("CLIENT_ID", CLIENT)] {
            let name = format!("LANESYNC_CONSOLE_OIDC_{name}");
            options.settings.push((ServiceName::Console, name, value.into()));
        }
    })
    .await
}

/// Goes to the provider and comes back with its callback.
async fn at_provider(browser: &Browser) -> String {
    let page = browser.open("/integrations/salesforce/runs").await;
    assert_eq!(page.heading(), "Sign in to Lane");
    let next = page.value_of("next").unwrap();
    let answer = browser.submit(&page, "/sign-in/provider", &[("next", &next)]).await;
    let there = answer.location().unwrap_or_else(|| panic!("{}", answer.body));
    let back = browser.http().get(there).send().await.unwrap();
    let back = Url::parse(back.headers()["location"].to_str().unwrap()).unwrap();
    format!("{}?{}", back.path(), back.query().unwrap())
}

async fn signed_in(browser: &Browser) -> Page {
    let callback = at_provider(browser).await;
    browser.get(&callback).await
}

#[tokio::test]
async fn a_provider_says_who_people_are_and_nobody_else_does() {
    let provider = Provider::start().await;
    let world = world(&provider).await;
    let workspace = world.workspace("Acme", Plan::Business).await;

    provider.next_is(json!({ "name": "Ada Lovelace", "workspace": workspace, "role": "admin" }));
    let ada = world.browser();
    let answer = signed_in(&ada).await;
    assert_eq!(answer.location().as_deref(), Some("/integrations/salesforce/runs"), "{}", answer.body);
    let page = ada.open("/integrations/salesforce").await;
    assert!(page.body.contains("Ada Lovelace") && page.body.contains("Acme"), "{}", page.body);
    assert!(page.header("content-security-policy").contains(&provider.issuer), "the form may lead to the provider");

    // Roles come as lists too, and keys change.
    provider.rotate();
    provider.next_is(json!({ "workspace": workspace, "role": ["viewer", "member"] }));
    let max = world.browser();
    assert_eq!(signed_in(&max).await.status, StatusCode::SEE_OTHER);
    assert!(max.open("/integrations/salesforce").await.body.contains("(can look)"));

    // Without a workspace, without a role, for another client, too old, for another nonce: nobody is signed in.
    let refused = [
        json!({ "role": "admin" }),
        json!({ "workspace": "not-a-uuid", "role": "admin" }),
        json!({ "workspace": workspace, "role": "owner" }),
        json!({ "workspace": workspace, "role": "admin", "aud": "somebody-else" }),
        json!({ "workspace": workspace, "role": "admin", "exp": 1_000 }),
        json!({ "workspace": workspace, "role": "admin", "nonce": "replayed" }),
        json!({ "workspace": workspace, "role": "admin", "iss": "https://evil.example" }),
    ];
    for claims in refused {
        provider.next_is(claims.clone());
        let browser = world.browser();
        let answer = signed_in(&browser).await;
        assert_eq!(answer.status, StatusCode::FORBIDDEN, "{claims}");
        assert_eq!(answer.heading(), "Signing in did not work");
        assert!(browser.cookie("__Host-lanesync").is_none(), "{claims}");
    }

    // A callback slipped to another browser signs nobody in, and counts once in its own.
    provider.next_is(json!({ "workspace": workspace, "role": "admin" }));
    let (eve, victim) = (world.browser(), world.browser());
    let callback = at_provider(&eve).await;
    at_provider(&victim).await;
    assert_eq!(victim.get(&callback).await.status, StatusCode::FORBIDDEN);
    assert!(victim.cookie("__Host-lanesync").is_none());
    assert_eq!(eve.get(&callback).await.status, StatusCode::SEE_OTHER);
    assert_eq!(eve.get(&callback).await.status, StatusCode::FORBIDDEN);

    // Nobody can say who they are themselves.
    let page = world.browser();
    let form = page.open("/sign-in").await;
    let said = [("workspace", workspace.as_str()), ("name", "Eve"), ("role", "admin")];
    assert_eq!(page.submit(&form, "/sign-in", &said).await.status, StatusCode::NOT_FOUND);
}
