//! What may come back from a browser.

use contract::auth::v1 as wire;
use contract::common::v1::Plan;
use contract::error::Reason;
use domain::WorkspaceId;
use tonic_types::StatusExt as _;

use crate::harness::{Replica, World, reason};

async fn begun(world: &World, replica: &mut Replica) -> (WorkspaceId, wire::CompleteAuthorizationRequest) {
    let workspace = replica.workspace(Plan::Business).await;
    let begun = replica.begin(workspace).await.unwrap();
    (workspace, world.visit(&begun.authorize_url, "allow", None).await)
}

async fn is_not_connected(replica: &mut Replica, workspace: WorkspaceId) {
    let request = wire::GetConnectionRequest { workspace_id: workspace.to_string() };
    assert_eq!(reason(replica.connections.get_connection(request).await), Reason::NotConnected);
}

#[tokio::test]
async fn h2_a_changed_verifier_a_used_code_or_one_encoded_twice_ends_the_flow_without_a_loop() {
    let world = World::new().await;
    let mut replica = world.replica().await;

    // Another flow's verifier: the codes of two flows are exchanged for each other.
    let (one, first) = begun(&world, &mut replica).await;
    let (other, second) = begun(&world, &mut replica).await;
    let crossed = wire::CompleteAuthorizationRequest { code: second.code.clone(), ..first };
    assert_eq!(reason(replica.complete(crossed).await), Reason::OauthFailed);
    is_not_connected(&mut replica, one).await;
    // The code is burnt by that.
    assert_eq!(reason(replica.complete(second).await), Reason::OauthFailed);
    is_not_connected(&mut replica, other).await;

    let (workspace, callback) = begun(&world, &mut replica).await;
    let twice = wire::CompleteAuthorizationRequest { code: callback.code.replace('=', "%3D"), ..callback };
    assert_eq!(reason(replica.complete(twice).await), Reason::OauthFailed);
    is_not_connected(&mut replica, workspace).await;
    assert_eq!(world.token_calls("authorization_code"), 3);
}

#[tokio::test]
async fn h3_a_denial_or_a_foreign_state_asks_for_no_token() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    let begun = replica.begin(workspace).await.unwrap();
    let denied = world.visit(&begun.authorize_url, "deny", None).await;
    assert_eq!(denied.error, "access_denied");
    assert_eq!(reason(replica.complete(denied.clone()).await), Reason::OauthDenied);
    // The state counted: the same callback again is not even read.
    assert_eq!(reason(replica.complete(denied).await), Reason::OauthStateInvalid);
    is_not_connected(&mut replica, workspace).await;
    assert_eq!(world.token_calls("authorization_code"), 0);
}

#[tokio::test]
async fn s2_a_state_that_is_missing_unknown_used_old_or_of_another_workspace_is_refused() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    for state in ["", "x", &"A".repeat(64), "' or 1=1"] {
        let callback =
            wire::CompleteAuthorizationRequest { state: state.to_owned(), code: "c".into(), ..Default::default() };
        assert_eq!(reason(replica.complete(callback).await), Reason::OauthStateInvalid, "{state}");
    }

    let (_, used) = begun(&world, &mut replica).await;
    assert!(replica.complete(used.clone()).await.is_ok());
    assert_eq!(reason(replica.complete(used).await), Reason::OauthStateInvalid);

    let (old_workspace, old) = begun(&world, &mut replica).await;
    sqlx::query("update auth.flow set expires_at = now() - interval '1 second' where workspace_id = $1")
        .bind(old_workspace.0)
        .execute(&world.admin)
        .await
        .unwrap();
    assert_eq!(reason(replica.complete(old).await), Reason::OauthStateInvalid);

    // The random part of one workspace's state under another workspace's name.
    let (_, one) = begun(&world, &mut replica).await;
    let (other, second) = begun(&world, &mut replica).await;
    let moved =
        wire::CompleteAuthorizationRequest { state: format!("{}{}", &second.state[..21], &one.state[21..]), ..second };
    assert_eq!(reason(replica.complete(moved).await), Reason::OauthStateInvalid);
    is_not_connected(&mut replica, other).await;
}

#[tokio::test]
async fn s2_a_state_is_taken_by_one_of_two_who_bring_it_at_once() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let (workspace, callback) = begun(&world, &mut replica).await;
    let (mut one, mut other) = (replica.connections.clone(), replica.connections.clone());
    let (first, second) =
        tokio::join!(one.complete_authorization(callback.clone()), other.complete_authorization(callback));
    let refused = if first.is_ok() { second } else { first };
    assert_eq!(reason(refused), Reason::OauthStateInvalid);
    assert_eq!(replica.connection(workspace).await.epoch, 1);
}

#[tokio::test]
async fn a_callback_with_code_and_error_with_neither_or_with_a_huge_code_is_malformed() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    for (code, error) in [("c".to_owned(), "access_denied"), (String::new(), ""), ("c".repeat(2_049), "")] {
        let (workspace, callback) = begun(&world, &mut replica).await;
        let callback = wire::CompleteAuthorizationRequest { code, error: error.to_owned(), ..callback };
        assert_eq!(reason(replica.complete(callback.clone()).await), Reason::OauthCallbackMalformed);
        assert_eq!(reason(replica.complete(callback).await), Reason::OauthStateInvalid);
        is_not_connected(&mut replica, workspace).await;
    }
    assert_eq!(world.token_calls("authorization_code"), 0);
}

#[tokio::test]
async fn other_errors_are_told_without_markup_and_cut() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let (_, callback) = begun(&world, &mut replica).await;
    let callback = wire::CompleteAuthorizationRequest {
        code: String::new(),
        error: "server_error".to_owned(),
        error_description: format!("<script>alert(1)</script>{}", "x".repeat(500)),
        ..callback
    };
    let status = replica.complete(callback).await.unwrap_err();
    assert_eq!(Reason::of(&status), Some(Reason::OauthFailed));
    let words = status.get_details_error_info().unwrap().metadata["salesforceSays"].clone();
    assert!(!words.contains('<') && words.len() == 200, "{words}");
}

#[tokio::test]
async fn s4_another_issuer_than_the_flow_began_with_is_refused() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let (workspace, callback) = begun(&world, &mut replica).await;
    let callback = wire::CompleteAuthorizationRequest { issuer: "https://evil.example".to_owned(), ..callback };
    assert_eq!(reason(replica.complete(callback).await), Reason::OauthFailed);
    is_not_connected(&mut replica, workspace).await;

    let (workspace, callback) = begun(&world, &mut replica).await;
    let callback = wire::CompleteAuthorizationRequest { issuer: world.sim.url(), ..callback };
    assert!(replica.complete(callback).await.is_ok());
    assert_eq!(replica.connection(workspace).await.state(), wire::GrantState::Active);
}
