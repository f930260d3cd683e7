//! Connecting: both flows, the org that a workspace is bound to, hosts.

use contract::auth::v1 as wire;
use contract::common::v1::Plan;
use contract::error::Reason;
use salesforce_sim::{AppSpec, Command, Config, Endpoint, Fault, FaultRule, Id, OrgSpec};
use tonic::Response;
use url::Url;

use crate::harness::{LIMIT, Replica, World, app, reason, wish};

const OTHER_ORG: &str = "00DKd0000AbCdEfMQK";

async fn connect_to(
    world: &World,
    replica: &mut Replica,
    wish: wire::AuthorizeConnectionRequest,
    org: &str,
) -> Result<wire::Connection, tonic::Status> {
    let begun = replica.begin_with(wish).await.unwrap();
    let callback = world.visit(&begun.authorize_url, "allow", Some(org)).await;
    replica.complete(callback).await
}

async fn with_other_org() -> World {
    let other = OrgSpec { id: Some(OTHER_ORG.parse::<Id>().unwrap()), name: "Other".to_owned(), ..OrgSpec::default() };
    World::with(Config { orgs: vec![OrgSpec::default(), other], ..Config::default() }).await
}

#[tokio::test]
async fn h1_s1_a_person_connects_with_pkce_and_secret_and_the_org_is_shown() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    let begun = replica.begin(workspace).await.unwrap();
    let url = Url::parse(&begun.authorize_url).unwrap();
    let value = |name: &str| url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
    assert_eq!(value("code_challenge_method").as_deref(), Some("S256"));
    assert_eq!(value("code_challenge").unwrap().len(), 43);
    assert_eq!(value("scope").as_deref(), Some("api refresh_token id"));
    assert_eq!(value("redirect_uri").as_deref(), Some(crate::harness::REDIRECT_URI));
    assert_eq!(value("client_secret"), None);

    let callback = world.visit(&begun.authorize_url, "allow", None).await;
    assert!(callback.code.ends_with("=="), "codes of Salesforce do");
    let connection = replica.complete(callback).await.unwrap();
    assert_eq!(connection.state(), wire::GrantState::Active);
    assert_eq!(connection.org_id, world.sim.org_id().to_string());
    assert_eq!((connection.org_name.as_str(), connection.sandbox), ("Oma Robotics", false));
    assert_eq!(
        (connection.connected_by.as_str(), connection.salesforce_username.as_str()),
        ("ann", "sync@oma.example")
    );
    assert_eq!((connection.epoch, connection.login_url.as_str()), (1, world.sim.url().as_str()));
    assert!(connection.connect_time.is_some() && connection.end_time.is_none());

    let token = replica.token(workspace, 0).await.unwrap();
    assert_eq!((token.epoch, &token.org_id, &token.instance_url), (1, &connection.org_id, &world.sim.url()));
    // The token that the flow brought is used; nothing was refreshed.
    assert_eq!(world.token_calls("refresh_token"), 0);
}

#[tokio::test]
async fn a_headless_install_connects_by_client_credentials_and_asks_anew_when_rejected() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    let request = wire::ConnectClientCredentialsRequest {
        workspace_id: workspace.to_string(),
        environment: world.sim.url(),
        actor: "installer".to_owned(),
        ..Default::default()
    };
    let connection = replica.connections.connect_client_credentials(request).await.unwrap().into_inner();
    assert_eq!((connection.org_name.as_str(), connection.connected_by.as_str()), ("Oma Robotics", "installer"));

    let first = replica.token(workspace, 0).await.unwrap();
    let second = replica.token(workspace, first.generation).await.unwrap();
    assert!(second.generation > first.generation && second.token != first.token);
    assert_eq!(world.token_calls("client_credentials"), 2);
}

#[tokio::test]
async fn h15_s6_the_same_org_connects_again_and_another_is_refused() {
    let world = with_other_org().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    let first = replica.connect(&world, workspace).await;
    let again = replica.connect(&world, workspace).await;
    assert_eq!((again.org_id.as_str(), again.epoch), (first.org_id.as_str(), 2));
    let token = replica.token(workspace, 0).await.unwrap();

    let refused = connect_to(&world, &mut replica, wish(workspace), OTHER_ORG).await;
    assert_eq!(reason(refused), Reason::OrgMismatch);
    // What was there goes on, and the grant of the other org is given back.
    let kept = replica.connection(workspace).await;
    assert_eq!((kept.org_id, kept.epoch, kept.state), (first.org_id, 2, wire::GrantState::Active.into()));
    assert_eq!(replica.token(workspace, 0).await.unwrap().token, token.token);
    testkit::eventually_true(LIMIT, "one token is left", || async {
        sqlx::query_scalar::<_, i64>("select count(*) from auth.token").fetch_one(&world.admin).await.unwrap() == 1
    })
    .await;
    assert!(replica.token(workspace, token.generation).await.is_ok(), "the connection's own grant was not revoked");
}

#[tokio::test]
async fn s6_a_confirmed_switch_of_org_purges_first_and_begins_a_new_epoch() {
    let world = with_other_org().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    world.writer.be_away(true);
    let confirmed = wire::AuthorizeConnectionRequest { confirm_org_switch: true, ..wish(workspace) };
    let connection = connect_to(&world, &mut replica, confirmed, OTHER_ORG).await.unwrap();
    assert_eq!((connection.org_id.as_str(), connection.org_name.as_str(), connection.epoch), (OTHER_ORG, "Other", 3));

    // Even a peer that missed the end is told of it before it hears of the new beginning.
    world.writer.be_away(false);
    for peer in world.peer_list() {
        testkit::eventually_true(LIMIT, "the new org is told", || async {
            peer.newest(workspace).is_some_and(|state| state.org_id == OTHER_ORG)
        })
        .await;
        let told = peer.told(workspace);
        let purge = told.iter().position(|state| state.purge && !state.connected && state.epoch == 2);
        let begin = told.iter().position(|state| state.connected && state.epoch == 3);
        assert!(purge.unwrap() < begin.unwrap(), "{told:?}");
        assert_eq!(told[purge.unwrap()].org_id, world.sim.org_id().to_string());
    }
}

#[tokio::test]
async fn h15_a_refreshed_sandbox_has_a_new_org_id_and_is_not_mixed_in() {
    // The same host, the grants of the old org dead, and a new org in its place.
    let world = with_other_org().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let token = replica.token(workspace, 0).await.unwrap();
    world.sim.order(Command::RevokeGrants { org: None }).unwrap();

    let refused = replica.token_at_last(workspace, token.generation).await;
    assert_eq!(reason(refused), Reason::SalesforceAuthRevoked);
    let refused = connect_to(&world, &mut replica, wish(workspace), OTHER_ORG).await;
    assert_eq!(reason(refused), Reason::OrgMismatch);
    for peer in world.peer_list() {
        assert!(peer.told(workspace).iter().all(|state| !state.purge && state.org_id != OTHER_ORG));
    }
}

#[tokio::test]
async fn after_a_purge_any_org_may_come() {
    let world = with_other_org().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    replica.disconnect(workspace, true).await.unwrap();
    let connection = connect_to(&world, &mut replica, wish(workspace), OTHER_ORG).await.unwrap();
    assert_eq!((connection.org_id.as_str(), connection.state()), (OTHER_ORG, wire::GrantState::Active));
}

#[tokio::test]
async fn h16_an_app_that_is_not_installed_never_calls_back_and_the_reason_is_told_where_it_does() {
    let world = World::with(Config { apps: vec![AppSpec { installed: false, ..app() }], ..Config::default() }).await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    let begun = replica.begin(workspace).await.unwrap();
    let url = Url::parse(&begun.authorize_url).unwrap();
    let page = reqwest::Client::builder().no_proxy().build().unwrap().get(url.clone()).send().await.unwrap();
    assert!(page.url().path().starts_with("/setup/secur/"), "no callback: a page of Salesforce");

    // Where the token endpoint or a callback does say so, the admin's task is named.
    let state = url.query_pairs().find(|(key, _)| key == "state").unwrap().1.into_owned();
    let error = "OAUTH_APPROVAL_ERROR_GENERIC".to_owned();
    let callback = wire::CompleteAuthorizationRequest { state, error, ..Default::default() };
    assert_eq!(reason(replica.complete(callback).await), Reason::OauthAppNotApproved);
}

#[tokio::test]
async fn h14_the_identity_url_may_redirect_within_salesforce_and_nowhere_else() {
    let foreign = std::net::TcpListener::bind("127.0.0.2:0").unwrap();
    let elsewhere = format!("http://{}", foreign.local_addr().unwrap());
    let refusing = World::with(Config { identity_redirect: Some(elsewhere), ..Config::default() }).await;
    let mut replica = refusing.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    let begun = replica.begin(workspace).await.unwrap();
    let callback = refusing.visit(&begun.authorize_url, "allow", None).await;
    let status = replica.complete(callback).await.unwrap_err();
    assert_eq!(Reason::of(&status), Some(Reason::InstanceUrlNotAllowed));
    // Nothing knocked there: the Bearer token can't have been sent.
    foreign.set_nonblocking(true).unwrap();
    assert_eq!(foreign.accept().unwrap_err().kind(), std::io::ErrorKind::WouldBlock);

    let port = testkit::free_port().unwrap();
    let within = Config {
        address: format!("127.0.0.1:{port}"),
        identity_redirect: Some(format!("http://localhost:{port}")),
        ..Config::default()
    };
    let following = World::with(within).await;
    let mut replica = following.replica().await;
    let workspace = replica.connected(&following).await;
    assert_eq!(replica.connection(workspace).await.salesforce_username, "sync@oma.example");
    let hosts: Vec<_> = following.sim.requests_of(Endpoint::Identity).into_iter().map(|r| (r.host, r.status)).collect();
    assert_eq!(hosts[1], (format!("localhost:{port}"), 200), "{hosts:?}");
}

#[tokio::test]
async fn hosts_that_are_not_salesforce_are_refused_before_anything_is_called() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    for environment in
        ["evil.example", "http://10.0.0.1", "https://login.salesforce.com.evil.example", "file:///etc/passwd"]
    {
        let wish = wire::AuthorizeConnectionRequest { environment: environment.to_owned(), ..wish(workspace) };
        assert_eq!(reason(replica.begin_with(wish).await), Reason::LoginHostNotAllowed, "{environment}");
    }
    for url in ["http://evil.example", "http://127.0.0.1:1/path", "http://user@127.0.0.1:1", "ftp://127.0.0.1"] {
        world.sim.order(Command::InstanceUrl { org: None, url: Some(url.to_owned()) }).unwrap();
        let workspace = replica.workspace(Plan::Business).await;
        let begun = replica.begin(workspace).await.unwrap();
        let callback = world.visit(&begun.authorize_url, "allow", None).await;
        assert_eq!(reason(replica.complete(callback).await), Reason::InstanceUrlNotAllowed, "{url}");
        let request = wire::GetConnectionRequest { workspace_id: workspace.to_string() };
        let refused = replica.connections.get_connection(request).await.map(Response::into_inner);
        assert_eq!(reason(refused), Reason::NotConnected);
    }
}

#[tokio::test]
async fn a_start_date_before_1999_or_in_the_future_is_refused() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    let now = jiff::Timestamp::now().as_second();
    for seconds in [915_148_799, -1, now + 86_400, i64::MAX] {
        let start_at = Some(prost_types::Timestamp { seconds, nanos: 0 });
        let wish = wire::AuthorizeConnectionRequest { start_at, ..wish(workspace) };
        assert_eq!(reason(replica.begin_with(wish).await), Reason::StartDateInvalid, "{seconds}");
    }
    for seconds in [915_148_800, now - 60] {
        let start_at = Some(prost_types::Timestamp { seconds, nanos: 0 });
        let wish = wire::AuthorizeConnectionRequest { start_at, ..wish(workspace) };
        assert!(replica.begin_with(wish).await.is_ok(), "{seconds}");
    }
}

#[tokio::test]
async fn a_reply_without_refresh_token_makes_no_connection() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    let begun = replica.begin(workspace).await.unwrap();
    let narrowed = begun.authorize_url.replace("api+refresh_token+id", "api+id");
    assert_ne!(narrowed, begun.authorize_url);
    let callback = world.visit(&narrowed, "allow", None).await;
    assert_eq!(reason(replica.complete(callback).await), Reason::OauthReplyIncomplete);
    let stored: i64 = sqlx::query_scalar("select count(*) from auth.token").fetch_one(&world.admin).await.unwrap();
    assert_eq!(stored, 0);
}

#[tokio::test]
async fn a_grant_that_became_no_connection_is_revoked_at_salesforce() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::ServerUnavailable));
    let begun = replica.begin(workspace).await.unwrap();
    let callback = world.visit(&begun.authorize_url, "allow", None).await;
    assert_eq!(reason(replica.complete(callback).await), Reason::SalesforceUnavailable);

    testkit::eventually_true(LIMIT, "no token is left", || async {
        sqlx::query_scalar::<_, i64>("select count(*) from auth.token").fetch_one(&world.admin).await.unwrap() == 0
    })
    .await;
    assert_eq!(world.sim.requests_of(Endpoint::Revoke).iter().map(|r| r.status).collect::<Vec<_>>(), [200]);
    world.sim.clear_faults();
    replica.connect(&world, workspace).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_grant_that_becomes_the_connection_is_never_taken_for_a_leftover() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let _others = [world.replica().await, world.replica().await];
    let mut restless = tokio::task::JoinSet::new();
    for _ in 0..2 {
        let admin = world.admin.clone();
        let nudges = replica.auth.endings.clone();
        restless.spawn(async move {
            loop {
                sqlx::query("update auth.ending set next_attempt_at = now()").execute(&admin).await.unwrap();
                nudges.nudge();
            }
        });
    }
    for _ in 0..30 {
        let workspace = replica.connected(&world).await;
        assert!(replica.token(workspace, 0).await.is_ok());
    }
    assert_eq!(world.sim.stats().calls_of(Endpoint::Revoke), 0);
}

#[tokio::test]
async fn s27_flows_that_lead_nowhere_are_limited_and_finished_ones_are_not() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    for _ in 0..12 {
        replica.connect(&world, workspace).await;
    }
    for _ in 0..10 {
        replica.begin(workspace).await.unwrap();
    }
    assert_eq!(reason(replica.begin(workspace).await), Reason::RateLimited);
}
