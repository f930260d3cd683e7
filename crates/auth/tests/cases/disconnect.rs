//! The end of a connection.

use contract::auth::v1 as wire;
use contract::common::v1::Plan;
use contract::error::Reason;
use salesforce_sim::{Endpoint, Fault, FaultRule};

use crate::harness::{LIMIT, World, reason};

async fn tokens(world: &World) -> i64 {
    sqlx::query_scalar("select count(*) from auth.token").fetch_one(&world.admin).await.unwrap()
}

#[tokio::test]
async fn s13_a_disconnect_revokes_destroys_the_key_and_tells_every_peer_before_it_is_done() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let token = replica.token(workspace, 0).await.unwrap();

    let ending = replica.disconnect(workspace, false).await.unwrap();
    assert_eq!((ending.state(), ending.epoch), (wire::GrantState::Disconnecting, 2));
    assert_eq!(reason(replica.token(workspace, 0).await), Reason::NotConnected);
    let ended = replica.wait_for_state(workspace, wire::GrantState::Disconnected).await;
    assert!(ended.end_time.is_some());
    assert_eq!((ended.epoch, ended.org_name.as_str()), (2, "Oma Robotics"));
    assert_eq!(tokens(&world).await, 0);
    for peer in world.peer_list() {
        assert!(peer.told(workspace).iter().any(|state| !state.connected && state.epoch == 2 && !state.purge));
    }
    // Dead at Salesforce too.
    let url = format!("{}/services/oauth2/userinfo", world.sim.url());
    let answer = reqwest::Client::new().get(url).bearer_auth(&token.token).send().await.unwrap();
    assert_eq!(answer.status(), 403);
}

#[tokio::test]
async fn h13_disconnecting_twice_is_no_error_and_a_token_that_is_dead_already_counts_as_revoked() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    // The customer revoked on their side meanwhile; Salesforce answers 400 in a form.
    world.sim.order(salesforce_sim::Command::RevokeGrants { org: None }).unwrap();
    let (first, second) = (replica.disconnect(workspace, false).await, replica.disconnect(workspace, false).await);
    assert_eq!(first.unwrap().epoch, second.unwrap().epoch);
    let ended = replica.wait_for_state(workspace, wire::GrantState::Disconnected).await;
    assert_eq!(world.sim.requests_of(Endpoint::Revoke).iter().map(|r| r.status).collect::<Vec<_>>(), [400]);
    assert_eq!(replica.disconnect(workspace, false).await.unwrap(), ended);
    assert_eq!(tokens(&world).await, 0);
}

#[tokio::test]
async fn rule_16_a_disconnect_lasts_until_a_peer_that_is_down_comes_back() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    world.mapper.be_away(true);
    replica.disconnect(workspace, true).await.unwrap();
    for peer in [&world.extractor, &world.writer] {
        testkit::eventually_true(LIMIT, "the end is told", || async {
            peer.newest(workspace).is_some_and(|state| !state.connected && state.purge)
        })
        .await;
    }
    testkit::eventually_true(LIMIT, "the token is revoked meanwhile", || async { tokens(&world).await == 0 }).await;
    assert_eq!(replica.connection(workspace).await.state(), wire::GrantState::Disconnecting);

    world.mapper.be_away(false);
    replica.wait_for_state(workspace, wire::GrantState::Disconnected).await;
    assert!(world.mapper.told(workspace).iter().any(|state| state.purge && state.epoch == 2));
}

#[tokio::test]
async fn revoking_is_tried_until_salesforce_answers_and_given_up_after_a_day() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    world.sim.fault(FaultRule::once(Endpoint::Revoke, Fault::ServerUnavailable).times(2));
    replica.disconnect(workspace, false).await.unwrap();
    replica.wait_for_state(workspace, wire::GrantState::Disconnected).await;
    assert_eq!(world.sim.requests_of(Endpoint::Revoke).iter().map(|r| r.status).collect::<Vec<_>>(), [503, 503, 200]);

    let workspace = replica.connected(&world).await;
    world.sim.fault(FaultRule::always(Endpoint::Revoke, Fault::Html { status: 502 }));
    replica.disconnect(workspace, false).await.unwrap();
    testkit::eventually_true(LIMIT, "a first attempt", || async {
        sqlx::query_scalar::<_, i64>("select count(*) from auth.token where revoke_since is not null")
            .fetch_one(&world.admin)
            .await
            .unwrap()
            == 1
    })
    .await;
    assert_eq!(replica.connection(workspace).await.state(), wire::GrantState::Disconnecting);
    sqlx::query("update auth.token set revoke_since = now() - interval '25 hours'")
        .execute(&world.admin)
        .await
        .unwrap();
    replica.wait_for_state(workspace, wire::GrantState::Disconnected).await;
    assert_eq!(tokens(&world).await, 0);
}

#[tokio::test]
async fn a_restart_goes_on_with_a_disconnect_that_was_begun() {
    let world = World::new().await;
    let mut before = world.replica().await;
    let workspace = before.connected(&world).await;
    world.writer.be_away(true);
    before.disconnect(workspace, false).await.unwrap();
    drop(before);
    world.writer.be_away(false);
    let mut after = world.replica().await;
    after.wait_for_state(workspace, wire::GrantState::Disconnected).await;
}

#[tokio::test]
async fn a_workspace_that_was_never_connected_has_nothing_to_end() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Business).await;
    assert_eq!(reason(replica.disconnect(workspace, false).await), Reason::NotConnected);
    let request = wire::UpdateStartDateRequest { workspace_id: workspace.to_string(), start_at: None };
    assert_eq!(reason(replica.connections.update_start_date(request).await), Reason::NotConnected);
}

#[tokio::test]
async fn a_reconnect_takes_a_new_epoch_and_keeps_its_own_grant() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    replica.disconnect(workspace, false).await.unwrap();
    let again = replica.connect(&world, workspace).await;
    assert_eq!((again.epoch, again.state()), (3, wire::GrantState::Active));
    assert!(again.end_time.is_none());
    testkit::eventually_true(LIMIT, "the old token goes", || async { tokens(&world).await == 1 }).await;
    let token = replica.token(workspace, 0).await.unwrap();
    assert!(replica.token(workspace, token.generation).await.is_ok());
}

#[tokio::test]
async fn customers_that_stayed_may_be_purged_later() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    replica.disconnect(workspace, false).await.unwrap();
    replica.wait_for_state(workspace, wire::GrantState::Disconnected).await;
    let purging = replica.disconnect(workspace, true).await.unwrap();
    assert_eq!((purging.state(), purging.epoch), (wire::GrantState::Disconnecting, 3));
    replica.wait_for_state(workspace, wire::GrantState::Disconnected).await;
    for peer in world.peer_list() {
        assert!(peer.told(workspace).iter().any(|state| state.purge && state.epoch == 3));
    }
}
