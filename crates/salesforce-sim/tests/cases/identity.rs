//! Revocation, identity, consent, and other ways to log in.

use salesforce_sim::{AppSpec, Command, Config};
use serde_json::json;

use super::oauth::{error, invalid_grant};
use super::support::{CALLBACK, CHALLENGE, DATA, VERIFIER, answer, empty_world, world_of};

#[tokio::test]
async fn h13_the_second_revocation_answers_invalid_token_as_a_form() {
    let world = empty_world().await;
    let tokens = world.connect().await;
    let revoke = async || {
        answer(
            world
                .http
                .post(world.url("/services/oauth2/revoke"))
                .form(&[("token", tokens["refresh_token"].as_str().unwrap())]),
        )
        .await
    };
    let first = revoke().await;
    assert_eq!((first.status, first.text.as_str()), (200, ""));
    let again = revoke().await;
    assert_eq!(again.status, 400);
    assert_eq!(again.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert!(again.text.contains("error=invalid_token"));
    let call = answer(
        world.http.get(world.url(&format!("{DATA}/limits"))).bearer_auth(tokens["access_token"].as_str().unwrap()),
    )
    .await;
    assert_eq!(call.status, 401, "the access tokens die with the refresh token");
}

#[tokio::test]
async fn h14_the_identity_url_answers_or_redirects_first() {
    let world = empty_world().await;
    let tokens = world.connect().await;
    let id = tokens["id"].as_str().unwrap();
    let identity = answer(world.http.get(id).bearer_auth(tokens["access_token"].as_str().unwrap())).await.json();
    assert_eq!(identity["organization_id"], world.sim.org_id().to_string());
    assert!(identity["urls"]["rest"].as_str().unwrap().contains("v{version}"));
    let without = answer(world.http.get(id)).await;
    assert_eq!((without.status, without.text.as_str()), (403, "Missing_OAuth_Token"));

    let elsewhere =
        world_of(Config { identity_redirect: Some("https://my.example.test".to_owned()), ..Config::default() }).await;
    let tokens = elsewhere.connect().await;
    let redirect = answer(
        elsewhere.http.get(tokens["id"].as_str().unwrap()).bearer_auth(tokens["access_token"].as_str().unwrap()),
    )
    .await;
    assert_eq!(redirect.status, 302);
    assert!(redirect.header("location").unwrap().starts_with("https://my.example.test/id/"));
}

#[tokio::test]
async fn h15_a_refreshed_sandbox_has_a_new_org_id_and_no_grants() {
    let world = empty_world().await;
    let tokens = world.connect().await;
    let new_id = "00DKd0000AbCdEfMQK".parse().unwrap();
    world.sim.order(Command::RenewOrgId { org: None, new_id }).unwrap();
    let refreshed =
        world.token_call("refresh_token", &[("refresh_token", tokens["refresh_token"].as_str().unwrap())]).await;
    assert_eq!(refreshed.status, 400);
    assert!(world.connect().await["id"].as_str().unwrap().contains(&new_id.to_string()));
}

#[tokio::test]
async fn h16_an_app_that_is_not_installed_ends_on_salesforces_own_page() {
    let app = AppSpec { installed: false, ..AppSpec::default() };
    let world = world_of(Config { apps: vec![app.clone()], ..Config::default() }).await;
    let authorize = async |client_id: &str, redirect_uri: &str| {
        let query = [
            ("response_type", "code"),
            ("client_id", client_id),
            ("redirect_uri", redirect_uri),
            ("code_challenge", CHALLENGE),
            ("sim_auto", "allow"),
        ];
        answer(world.http.get(world.url("/services/oauth2/authorize")).query(&query)).await
    };
    for (client_id, text) in
        [(app.client_id.as_str(), "OAUTH_APPROVAL_ERROR_GENERIC"), ("unknown", "client identifier invalid")]
    {
        let redirect = authorize(client_id, CALLBACK).await;
        let page = redirect.header("location").unwrap();
        assert!(page.starts_with("/setup/secur/RemoteAccessErrorPage.apexp"), "{page}");
        let page = answer(world.http.get(world.url(page))).await;
        assert!(page.text.contains(text), "{}", page.text);
    }
}

#[tokio::test]
async fn the_consent_page_asks_and_its_buttons_answer() {
    let world = empty_world().await;
    let app = AppSpec::default();
    let fields = [
        ("response_type", "code"),
        ("client_id", app.client_id.as_str()),
        ("redirect_uri", CALLBACK),
        ("state", "\"><script>"),
        ("code_challenge", CHALLENGE),
    ];
    let page = answer(world.http.get(world.url("/services/oauth2/authorize")).query(&fields)).await;
    assert_eq!(page.status, 200);
    assert!(
        page.text.contains("Oma Sync") && page.text.contains("value=\"allow\"") && page.text.contains("value=\"deny\"")
    );
    assert!(!page.text.contains("<script>"), "what came in is shown escaped");
    for (decision, key) in [("allow", "code"), ("deny", "error")] {
        let mut pressed = fields.to_vec();
        pressed.push(("decision", decision));
        let callback = answer(world.http.post(world.url("/services/oauth2/authorize")).form(&pressed)).await;
        let location = url::Url::parse(callback.header("location").unwrap()).unwrap();
        assert!(location.query_pairs().any(|(name, _)| name == key), "{location}");
    }
}

#[tokio::test]
async fn clients_prove_themselves_by_form_or_by_basic() {
    let world = empty_world().await;
    let app = AppSpec::default();
    let basic =
        world.http.post(world.url("/services/oauth2/token")).basic_auth(&app.client_id, Some(&app.client_secret));
    assert_eq!(answer(basic.form(&[("grant_type", "client_credentials")])).await.status, 200);
    let wrong = world.http.post(world.url("/services/oauth2/token")).basic_auth(&app.client_id, Some("wrong"));
    let wrong = answer(wrong.form(&[("grant_type", "client_credentials")])).await;
    assert_eq!(error(&wrong), (400, "invalid_client".to_owned(), "invalid client credentials".to_owned()));
    let missing = answer(world.http.post(world.url("/services/oauth2/token")).form(&[("client_id", "x")])).await;
    assert_eq!(error(&missing).2, "missing required parameter: grant_type");
    let unknown = world.token_call("urn:example", &[]).await;
    assert_eq!(error(&unknown).1, "unsupported_grant_type");
}

#[tokio::test]
async fn a_password_login_needs_the_right_password_and_an_active_user() {
    let world = empty_world().await;
    let log_in = async |password: &str| {
        world.token_call("password", &[("username", "sync@oma.example"), ("password", password)]).await
    };
    assert_eq!(log_in("correct-horsedemoSecurityToken").await.status, 200);
    assert_eq!(error(&log_in("wrong").await), invalid_grant("authentication failure"));
    world.sim.order(Command::UserActive { org: None, active: false }).unwrap();
    assert_eq!(error(&world.token_call("client_credentials", &[]).await), invalid_grant("inactive user"));
}

#[tokio::test]
async fn a_session_without_the_api_scope_is_not_valid_for_rest() {
    let world = empty_world().await;
    let query = [
        ("response_type", "code"),
        ("client_id", &AppSpec::default().client_id),
        ("redirect_uri", CALLBACK),
        ("scope", "id"),
        ("code_challenge", CHALLENGE),
        ("sim_auto", "allow"),
    ];
    let callback = answer(world.http.get(world.url("/services/oauth2/authorize")).query(&query)).await;
    let location = url::Url::parse(callback.header("location").unwrap()).unwrap();
    let code = location.query_pairs().find(|(name, _)| name == "code").unwrap().1.into_owned();
    let tokens = world
        .token_call("authorization_code", &[("code", &code), ("redirect_uri", CALLBACK), ("code_verifier", VERIFIER)])
        .await
        .json();
    assert!(tokens.get("refresh_token").is_none(), "no refresh token without its scope");
    let call = answer(
        world.http.get(world.url(&format!("{DATA}/limits"))).bearer_auth(tokens["access_token"].as_str().unwrap()),
    )
    .await;
    assert_eq!(call.refusal().1, "This session is not valid for use with the REST API");
}

#[tokio::test]
async fn token_calls_are_counted_apart_from_api_calls() {
    let world = empty_world().await;
    world.sim.reset_stats();
    world.connect().await;
    world.get(&format!("{DATA}/limits")).await;
    world.get("/services/data/").await;
    let stats = world.sim.stats();
    assert_eq!(json!(stats.token_calls), json!({ "authorization_code": 1 }));
    assert_eq!(stats.all_api_calls(), 1, "oauth and the versions list do not count");
}
