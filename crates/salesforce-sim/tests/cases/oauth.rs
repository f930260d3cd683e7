//! Grants, tokens, sessions.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use salesforce_sim::{AppSpec, Command, Endpoint, Fault, FaultRule};

use super::support::{CALLBACK, DATA, VERIFIER, answer, empty_world, ids_of, seed, world};

pub(super) fn error(answer: &super::support::Answer) -> (u16, String, String) {
    let body = answer.json();
    let text = |key: &str| body[key].as_str().unwrap_or_default().to_owned();
    (answer.status, text("error"), text("error_description"))
}

pub(super) fn invalid_grant(description: &str) -> (u16, String, String) {
    (400, "invalid_grant".to_owned(), description.to_owned())
}

#[tokio::test]
async fn h01_a_code_and_its_verifier_become_tokens() {
    let world = empty_world().await;
    let tokens = world.connect().await;

    let keys: Vec<&str> = tokens.as_object().unwrap().keys().map(String::as_str).collect();
    assert_eq!(
        keys,
        ["access_token", "id", "instance_url", "issued_at", "refresh_token", "scope", "signature", "token_type"]
    );
    let issued_at = tokens["issued_at"].as_str().expect("issued_at is a string");
    assert!(issued_at.parse::<i64>().unwrap() > 1_700_000_000_000);
    let org = world.sim.org_id();
    assert!(tokens["access_token"].as_str().unwrap().starts_with(&format!("{}!", org.short())));
    assert!(tokens["id"].as_str().unwrap().contains(&format!("/id/{org}/005")));

    let mut mac = Hmac::<sha2::Sha256>::new_from_slice(AppSpec::default().client_secret.as_bytes()).unwrap();
    mac.update(format!("{}{issued_at}", tokens["id"].as_str().unwrap()).as_bytes());
    assert_eq!(tokens["signature"], STANDARD.encode(mac.finalize().into_bytes()));
}

#[tokio::test]
async fn h02_wrong_verifiers_and_used_codes_are_invalid_grants() {
    let world = empty_world().await;
    let code = world.code("allow").await["code"].clone();
    assert!(code.ends_with("=="), "{code}");
    let exchange = async |code: &str, verifier: &str| {
        error(
            &world
                .token_call(
                    "authorization_code",
                    &[("code", code), ("redirect_uri", CALLBACK), ("code_verifier", verifier)],
                )
                .await,
        )
    };
    assert_eq!(exchange(&code, &format!("{VERIFIER}x")).await, invalid_grant("invalid code verifier"));
    assert_eq!(exchange(&code, VERIFIER).await, invalid_grant("invalid authorization code"), "the code is burnt");

    let code = world.code("allow").await["code"].clone();
    let encoded_twice = code.replace('=', "%3D");
    assert_eq!(exchange(&encoded_twice, VERIFIER).await, invalid_grant("invalid authorization code"));
    assert_eq!(exchange(&code, VERIFIER).await.0, 200);
    assert_eq!(exchange(&code, VERIFIER).await, invalid_grant("invalid authorization code"));
}

#[tokio::test]
async fn h03_denial_comes_back_with_the_state() {
    let world = empty_world().await;
    let callback = world.code("deny").await;
    assert_eq!(callback["error"], "access_denied");
    assert_eq!(callback["state"], "opaque state/+");
    assert!(!callback.contains_key("code"));
}

#[tokio::test]
async fn h04_h05_refresh_keeps_or_rotates_and_reuse_kills_both() {
    let world = empty_world().await;
    let tokens = world.connect().await;
    let old = tokens["refresh_token"].as_str().unwrap();
    let refreshed = world.token_call("refresh_token", &[("refresh_token", old)]).await.json();
    assert!(refreshed.get("refresh_token").is_none(), "without rotation there is no new one");

    world.sim.order(Command::Rotation { on: true }).unwrap();
    let rotated = world.token_call("refresh_token", &[("refresh_token", old)]).await.json();
    let new = rotated["refresh_token"].as_str().unwrap();
    assert_ne!(new, old);
    let reused = world.token_call("refresh_token", &[("refresh_token", old)]).await;
    assert_eq!(error(&reused), invalid_grant("expired access/refresh token"));
    let after = world.token_call("refresh_token", &[("refresh_token", new)]).await;
    assert_eq!(error(&after), invalid_grant("expired access/refresh token"));
    let access = rotated["access_token"].as_str().unwrap();
    let call = answer(world.http.get(world.url(&format!("{DATA}/limits"))).bearer_auth(access)).await;
    assert_eq!(call.status, 401);
    assert_eq!(world.sim.stats().reuse_detections, 1);
}

#[tokio::test]
async fn h07_the_sixth_approval_revokes_the_first() {
    let world = empty_world().await;
    let first = world.connect().await;
    for _ in 0..5 {
        world.sim.order(Command::ApproveOnce { org: None, client_id: None }).unwrap();
    }
    let refreshed =
        world.token_call("refresh_token", &[("refresh_token", first["refresh_token"].as_str().unwrap())]).await;
    assert_eq!(error(&refreshed), invalid_grant("expired access/refresh token"));
}

#[tokio::test]
async fn h08_a_refresh_may_name_another_instance() {
    let world = empty_world().await;
    let tokens = world.connect().await;
    assert_eq!(tokens["instance_url"], world.sim.url());
    let moved = format!("http://localhost:{}", world.sim.address().port());
    world.sim.order(Command::InstanceUrl { org: None, url: Some(moved.clone()) }).unwrap();
    let refreshed =
        world.token_call("refresh_token", &[("refresh_token", tokens["refresh_token"].as_str().unwrap())]).await.json();
    assert_eq!(refreshed["instance_url"], moved);
    let there = answer(
        world.http.get(format!("{moved}{DATA}/limits")).bearer_auth(refreshed["access_token"].as_str().unwrap()),
    )
    .await;
    assert_eq!(there.status, 200);
    assert!(world.sim.requests().last().unwrap().host.starts_with("localhost:"));
}

#[tokio::test]
async fn h09_an_admins_revocation_ends_the_next_page_and_the_refresh() {
    let world = world(seed(700, 0, 0)).await;
    let tokens = world.connect().await;
    let token = tokens["access_token"].as_str().unwrap();
    let ask = |path: String| {
        answer(world.http.get(world.url(&path)).bearer_auth(token).header("Sforce-Query-Options", "batchSize=200"))
    };
    let page = ask(format!("{DATA}/query?q=SELECT+Id+FROM+Account")).await.json();
    assert_eq!(ids_of(&page).len(), 200);
    world.sim.order(Command::RevokeGrants { org: None }).unwrap();
    let next = ask(page["nextRecordsUrl"].as_str().unwrap().to_owned()).await;
    assert_eq!(
        (next.status, next.refusal()),
        (401, ("INVALID_SESSION_ID".to_owned(), "Session expired or invalid".to_owned()))
    );
    let refreshed =
        world.token_call("refresh_token", &[("refresh_token", tokens["refresh_token"].as_str().unwrap())]).await;
    assert_eq!(error(&refreshed), invalid_grant("expired access/refresh token"));
}

#[tokio::test]
async fn h10_h11_two_kinds_of_401_one_cured_by_a_refresh() {
    let world = empty_world().await;
    let tokens = world.connect().await;
    let (token, refresh) = (tokens["access_token"].as_str().unwrap(), tokens["refresh_token"].as_str().unwrap());
    let limits =
        async |token: &str| answer(world.http.get(world.url(&format!("{DATA}/limits"))).bearer_auth(token)).await;

    world.sim.order(Command::ClockAdvance { seconds: 7_201 }).unwrap();
    assert_eq!(limits(token).await.refusal().0, "INVALID_SESSION_ID");
    let token = world.token_call("refresh_token", &[("refresh_token", refresh)]).await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(limits(&token).await.status, 200);

    let japanese = "セッションの期限が切れているか、無効です";
    world.sim.fault(FaultRule::once(Endpoint::Limits, Fault::SessionExpired { message: Some(japanese.to_owned()) }));
    assert_eq!(limits(&token).await.refusal(), ("INVALID_SESSION_ID".to_owned(), japanese.to_owned()));
    assert_eq!(limits(&token).await.status, 401, "the session is really dead");
    let token = world.token_call("refresh_token", &[("refresh_token", refresh)]).await.json()["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(limits(&token).await.status, 200);

    world.sim.fault(FaultRule::always(Endpoint::Limits, Fault::SessionNotValid));
    assert_eq!(limits(&token).await.refusal().1, "This session is not valid for use with the REST API");
}

#[tokio::test]
async fn h12_the_token_endpoint_fails_in_four_transient_ways() {
    let world = empty_world().await;
    for fault in [Fault::DailyLimit, Fault::Maintenance, Fault::TokenUnknownError, Fault::Reset] {
        world.sim.fault(FaultRule::once(Endpoint::Token, fault));
    }
    let limit = world.token_call("client_credentials", &[]).await;
    assert_eq!(
        (limit.status, limit.refusal()),
        (403, ("REQUEST_LIMIT_EXCEEDED".to_owned(), "TotalRequests Limit exceeded.".to_owned()))
    );
    let html = world.token_call("client_credentials", &[]).await;
    assert_eq!(html.status, 200);
    assert!(
        html.header("content-type").unwrap().starts_with("text/html") && html.text.contains("down for maintenance")
    );
    let unknown = world.token_call("client_credentials", &[]).await;
    assert_eq!(error(&unknown), (400, "unknown_error".to_owned(), "retry your request".to_owned()));
    let reset = world.http.post(world.url("/services/oauth2/token")).body("").send().await;
    assert!(reset.is_err(), "the connection is reset");
    assert_eq!(world.token_call("client_credentials", &[]).await.status, 200);
}
