//! Access tokens: one refresh whoever asks, and what Salesforce's answers mean.

use std::time::Duration;

use auth::access::Timing;
use contract::auth::v1 as wire;
use contract::error::Reason;
use futures::future::join_all;
use jiff::Timestamp;
use salesforce_sim::{Command, Endpoint, Fault, FaultRule};
use tonic::Code;

use crate::harness::{K1, LIMIT, World, quick, reason, ring};

#[tokio::test]
async fn h4_without_rotation_the_refresh_token_stays() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let mut generation = 0;
    for _ in 0..3 {
        let token = replica.token(workspace, generation).await.unwrap();
        assert!(token.generation > generation);
        generation = token.generation;
    }
    assert_eq!(world.token_calls("refresh_token"), 2);
}

#[tokio::test]
async fn h5_with_rotation_each_refresh_presents_the_newest_token() {
    let world = World::rotating().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let mut generation = 0;
    for _ in 0..5 {
        generation = replica.token(workspace, generation).await.unwrap().generation;
    }
    assert_eq!((world.token_calls("refresh_token"), world.sim.stats().reuse_detections), (4, 0));
}

#[tokio::test]
async fn a_generation_that_is_not_the_current_one_is_not_refreshed() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let first = replica.token(workspace, 0).await.unwrap();
    let second = replica.token(workspace, first.generation).await.unwrap();
    for rejected in [0, first.generation, second.generation + 1, i64::MAX, -1] {
        assert_eq!(replica.token(workspace, rejected).await.unwrap(), second, "{rejected}");
    }
    assert_eq!(world.token_calls("refresh_token"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s16_ten_thousand_callers_cause_one_refresh() {
    let world = World::rotating().await;
    let mut first = world.replica().await;
    let workspace = first.connected(&world).await;
    let second = world.replica().await;
    let third = world.replica().await;
    let rejected = first.token(workspace, 0).await.unwrap().generation;

    let calls = (0..1_000).map(|number| {
        let mut client = [&first, &second, &third][number % 3].tokens.clone();
        let request =
            wire::GetAccessTokenRequest { workspace_id: workspace.to_string(), rejected_generation: rejected };
        async move { client.get_access_token(request).await.map(tonic::Response::into_inner) }
    });
    let answers: Vec<_> = join_all(calls).await.into_iter().map(|answer| answer.expect("a token")).collect();
    assert!(answers.iter().all(|answer| *answer == answers[0] && answer.generation > rejected));
    assert_eq!((world.token_calls("refresh_token"), world.sim.stats().reuse_detections), (1, 0));
}

#[tokio::test]
async fn h6_s16_two_replicas_refresh_at_once_with_one_call_and_both_have_the_token() {
    let world = World::rotating().await;
    let mut one = world.replica().await;
    let mut other = world.replica().await;
    let workspace = one.connected(&world).await;
    let rejected = one.token(workspace, 0).await.unwrap().generation;
    world.sim.fault(FaultRule::once(Endpoint::Token, Fault::Delay { ms: 300 }));
    let (first, second) = tokio::join!(one.token(workspace, rejected), other.token(workspace, rejected));
    assert_eq!(first.unwrap(), second.unwrap());
    assert_eq!(world.token_calls("refresh_token"), 1);
}

/// A refresher that is cut off after Salesforce has rotated the token and before it is stored.
async fn crash_in_refresh(world: &World, workspace: domain::WorkspaceId, rejected: i64) {
    let calls = world.token_calls("refresh_token");
    world.sim.fault(FaultRule::once(Endpoint::Token, Fault::Delay { ms: 60_000 }));
    let (url, salesforce) = (world.db.url(testkit::Role::Auth), world.salesforce());
    let process = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    process.spawn(async move {
        let pool = sqlx::PgPool::connect(&url).await.unwrap();
        let ring = ring(&[("k1", K1)]);
        let store = auth::store::Store::new(pool);
        let tokens =
            auth::access::Tokens::new(store, ring, std::sync::Arc::new(salesforce), quick(), auth::serve::board());
        let _ = tokens.access_token(workspace, rejected).await;
    });
    testkit::eventually_true(LIMIT, "Salesforce was asked", || async { world.token_calls("refresh_token") > calls })
        .await;
    process.shutdown_background();
}

#[tokio::test]
async fn h6_s17_s19_after_a_crash_with_rotation_one_attempt_is_made_and_then_a_person_is_asked() {
    let world = World::rotating().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let rejected = replica.token(workspace, 0).await.unwrap().generation;
    crash_in_refresh(&world, workspace, rejected).await;

    let calls = world.token_calls("refresh_token");
    assert_eq!(reason(replica.token_at_last(workspace, rejected).await), Reason::SalesforceAuthRevoked);
    assert_eq!(reason(replica.token_at_last(workspace, rejected).await), Reason::SalesforceAuthRevoked);
    assert_eq!(world.token_calls("refresh_token"), calls + 1, "one further attempt, no loop");
    assert_eq!(replica.connection(workspace).await.state(), wire::GrantState::Revoked);
}

#[tokio::test]
async fn s17_after_a_crash_without_rotation_the_next_caller_recovers() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let rejected = replica.token(workspace, 0).await.unwrap().generation;
    crash_in_refresh(&world, workspace, rejected).await;
    assert!(replica.token_at_last(workspace, rejected).await.unwrap().generation > rejected);
}

#[tokio::test]
async fn s17_a_caller_that_leaves_does_not_stop_the_token_from_being_stored() {
    let world = World::rotating().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let rejected = replica.token(workspace, 0).await.unwrap().generation;
    world.sim.fault(FaultRule::once(Endpoint::Token, Fault::Delay { ms: 200 }));
    let impatient = tokio::time::timeout(Duration::from_millis(50), replica.token(workspace, rejected)).await;
    assert!(impatient.is_err());
    assert!(replica.token_at_last(workspace, rejected).await.unwrap().generation > rejected);
    assert_eq!((world.token_calls("refresh_token"), world.sim.stats().reuse_detections), (1, 0));
}

#[tokio::test]
async fn s17_a_token_that_postgres_could_not_take_is_kept_and_stored_before_anything_else() {
    let world = World::rotating().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let rejected = replica.token(workspace, 0).await.unwrap().generation;
    for statement in [
        "create function auth.refuse() returns trigger language plpgsql as \
         $$ begin raise exception using errcode = 'disk_full'; end $$",
        "create trigger refuse before update on auth.token for each row execute function auth.refuse()",
    ] {
        sqlx::query(statement).execute(&world.admin).await.unwrap();
    }
    for _ in 0..3 {
        assert_eq!(reason(replica.token(workspace, rejected).await), Reason::SalesforceUnavailable);
    }
    assert_eq!(world.token_calls("refresh_token"), 1, "nobody is asked again while the answer waits to be stored");

    sqlx::query("drop trigger refuse on auth.token").execute(&world.admin).await.unwrap();
    let token = replica.token_at_last(workspace, rejected).await.unwrap();
    assert!(token.generation > rejected);
    let next = replica.token(workspace, token.generation).await.unwrap();
    assert!(next.generation > token.generation);
    assert_eq!((world.token_calls("refresh_token"), world.sim.stats().reuse_detections), (2, 0));
}

#[tokio::test]
async fn s19_a_lost_reply_with_rotation_is_tried_once_more_and_then_a_person_is_asked() {
    let world = World::rotating().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let rejected = replica.token(workspace, 0).await.unwrap().generation;
    world.sim.fault(FaultRule::once(Endpoint::Token, Fault::LostAnswer));
    assert_eq!(reason(replica.token_at_last(workspace, rejected).await), Reason::SalesforceAuthRevoked);
    assert_eq!(world.token_calls("refresh_token"), 2);
    assert_eq!(reason(replica.token(workspace, rejected).await), Reason::SalesforceAuthRevoked);
    assert_eq!(world.token_calls("refresh_token"), 2);
}

#[tokio::test]
async fn s18_a_holder_whose_generation_is_gone_writes_nothing() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let rejected = replica.token(workspace, 0).await.unwrap().generation;
    world.sim.fault(FaultRule::once(Endpoint::Token, Fault::Delay { ms: 3_000 }));
    let calls = world.token_calls("refresh_token");
    let mut client = replica.tokens.clone();
    let request = wire::GetAccessTokenRequest { workspace_id: workspace.to_string(), rejected_generation: rejected };
    let slow = async { client.get_access_token(request).await };
    let meanwhile = async {
        testkit::eventually_true(LIMIT, "the slow holder asked", || async {
            world.token_calls("refresh_token") > calls
        })
        .await;
        // Its session is ended, as by a failover; then somebody else's token is there.
        let ended = sqlx::query(
            "select pg_terminate_backend(pid) from pg_stat_activity where state = 'idle in transaction' \
             and query like '%refresh_intent%' and datname = current_database() and pid <> pg_backend_pid()",
        )
        .execute(&world.admin)
        .await
        .unwrap();
        assert_eq!(ended.rows_affected(), 1);
        sqlx::query("update auth.token set generation = nextval('auth.token_generation')")
            .execute(&world.admin)
            .await
            .unwrap();
    };
    let (answer, ()) = tokio::join!(slow, meanwhile);
    let newest: i64 = sqlx::query_scalar("select generation from auth.token").fetch_one(&world.admin).await.unwrap();
    assert_eq!(answer.unwrap().into_inner().generation, newest, "the other's token is handed out");
}

#[tokio::test]
async fn h7_a_sixth_approval_ends_the_first_connection_without_retry() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let token = replica.token(workspace, 0).await.unwrap();
    for _ in 0..5 {
        world.sim.order(Command::ApproveOnce { org: None, client_id: None }).unwrap();
    }
    for _ in 0..3 {
        assert_eq!(reason(replica.token(workspace, token.generation).await), Reason::SalesforceAuthRevoked);
    }
    assert_eq!(world.token_calls("refresh_token"), 1);
    let connection = replica.connection(workspace).await;
    assert_eq!((connection.state(), connection.epoch), (wire::GrantState::Revoked, 1));
    assert!(connection.end_time.is_some());

    // Connecting again heals it.
    replica.connect(&world, workspace).await;
    assert!(replica.token(workspace, 0).await.is_ok());
}

#[tokio::test]
async fn h8_a_refresh_that_names_another_instance_is_followed_and_told() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let token = replica.token(workspace, 0).await.unwrap();
    let moved = world.sim.url().replace("127.0.0.1", "localhost");
    world.sim.order(Command::InstanceUrl { org: None, url: Some(moved.clone()) }).unwrap();
    let token = replica.token(workspace, token.generation).await.unwrap();
    assert_eq!(token.instance_url, moved);
    assert_eq!(replica.connection(workspace).await.instance_url, moved);
    for peer in world.peer_list() {
        testkit::eventually_true(LIMIT, "the move is told", || async {
            peer.newest(workspace).is_some_and(|state| state.instance_url == moved && state.epoch == 1)
        })
        .await;
    }

    // A host that we don't call is not followed; the token is good where it was.
    world.sim.order(Command::InstanceUrl { org: None, url: Some("http://evil.example".to_owned()) }).unwrap();
    let token = replica.token(workspace, token.generation).await.unwrap();
    assert_eq!(token.instance_url, moved);
}

#[tokio::test]
async fn h9_an_admin_revokes_and_a_person_is_asked_while_everything_stays() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let token = replica.token(workspace, 0).await.unwrap();
    world.sim.order(Command::RevokeGrants { org: None }).unwrap();
    assert_eq!(reason(replica.token(workspace, token.generation).await), Reason::SalesforceAuthRevoked);
    for peer in world.peer_list() {
        testkit::eventually_true(LIMIT, "a newer revision is told", || async {
            peer.newest(workspace).is_some_and(|state| state.revision >= 3)
        })
        .await;
        let state = peer.newest(workspace).unwrap();
        assert!(state.connected && !state.purge && state.epoch == 1, "nothing is deleted: {state:?}");
    }
}

#[tokio::test]
async fn h10_a_rejected_token_costs_one_refresh_per_generation() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let token = replica.token(workspace, 0).await.unwrap();
    // Whoever asks again with the same rejected generation gets what the first one got.
    for _ in 0..4 {
        replica.token(workspace, token.generation).await.unwrap();
    }
    assert_eq!(world.token_calls("refresh_token"), 1);
}

#[tokio::test]
async fn h11_a_session_that_timed_out_is_replaced_by_one_that_works() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let token = replica.token(workspace, 0).await.unwrap();
    world.sim.order(Command::ExpireSessions { org: None }).unwrap();
    let query = async |token: &wire::AccessToken| {
        let url = format!("{}/services/data/v67.0/limits", token.instance_url);
        reqwest::Client::new().get(url).bearer_auth(&token.token).send().await.unwrap().status()
    };
    assert_eq!(query(&token).await, 401);
    let token = replica.token(workspace, token.generation).await.unwrap();
    assert_eq!(query(&token).await, 200);
}

#[tokio::test]
async fn h12_limit_maintenance_unknown_error_and_reset_are_transient_and_the_connection_stays() {
    for fault in [
        Fault::DailyLimit,
        Fault::Maintenance,
        Fault::TokenUnknownError,
        Fault::Reset,
        Fault::UnknownException,
        Fault::Html { status: 502 },
        Fault::InvalidGrant { description: "login rate exceeded".to_owned() },
    ] {
        let world = World::new().await;
        let mut replica = world.replica().await;
        let workspace = replica.connected(&world).await;
        let rejected = replica.token(workspace, 0).await.unwrap().generation;
        world.sim.fault(FaultRule::once(Endpoint::Token, fault.clone()));
        let status = replica.token(workspace, rejected).await.unwrap_err();
        assert_eq!(Reason::of(&status), Some(Reason::SalesforceUnavailable), "{fault:?}");
        assert_eq!(replica.connection(workspace).await.state(), wire::GrantState::Active, "{fault:?}");
        // The old token is still handed out to those whose token was not rejected.
        assert_eq!(replica.token(workspace, 0).await.unwrap().generation, rejected);
        assert!(replica.token_at_last(workspace, rejected).await.unwrap().generation > rejected, "{fault:?}");
    }
}

#[tokio::test]
async fn after_a_failure_salesforce_is_left_alone_for_a_while_by_every_replica() {
    use tonic_types::StatusExt as _;

    let world = World::new().await;
    let slow = Timing { first_pause: Duration::from_secs(3_600), longest_pause: Duration::from_secs(3_600), ..quick() };
    let mut one = world.replica_with(ring(&[("k1", K1)]), slow).await;
    let mut other = world.replica_with(ring(&[("k1", K1)]), slow).await;
    let workspace = one.connected(&world).await;
    let rejected = one.token(workspace, 0).await.unwrap().generation;
    world.sim.fault(FaultRule::always(Endpoint::Token, Fault::ServerUnavailable));
    for replica in [&mut one, &mut other] {
        for _ in 0..3 {
            let status = replica.token(workspace, rejected).await.unwrap_err();
            assert_eq!(status.code(), Code::Unavailable);
            let pause = status.get_details_retry_info().unwrap().retry_delay.unwrap();
            assert!(pause > Duration::from_secs(2_000), "{pause:?}");
        }
    }
    assert_eq!(world.sim.requests_of(Endpoint::Token).iter().filter(|request| request.status == 503).count(), 1);
}

#[tokio::test]
async fn a_token_is_not_handed_out_when_the_connection_ends_while_it_is_refreshed() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let mut other = world.replica().await;
    let workspace = replica.connected(&world).await;
    let rejected = replica.token(workspace, 0).await.unwrap().generation;
    world.sim.fault(FaultRule::once(Endpoint::Token, Fault::Delay { ms: 400 }));
    let calls = world.token_calls("refresh_token");
    let ending = async {
        testkit::eventually_true(LIMIT, "a refresh is under way", || async {
            world.token_calls("refresh_token") > calls
        })
        .await;
        other.disconnect(workspace, false).await.unwrap();
    };
    let (answer, ()) = tokio::join!(replica.token(workspace, rejected), ending);
    assert_eq!(reason(answer), Reason::NotConnected);
    // What the refresh stored was revoked with the rest.
    replica.wait_for_state(workspace, wire::GrantState::Disconnected).await;
    let left: i64 = sqlx::query_scalar("select count(*) from auth.token").fetch_one(&world.admin).await.unwrap();
    assert_eq!(left, 0);
}

#[tokio::test]
async fn s20_an_idle_connection_is_refreshed_within_fourteen_days() {
    let world = World::rotating().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let now = Timestamp::now();
    let day = jiff::SignedDuration::from_hours(24);
    assert_eq!(replica.auth.upkeep.refresh_idle(now + day * 12).await.unwrap(), 0);
    assert_eq!(world.token_calls("refresh_token"), 0);
    assert_eq!(replica.auth.upkeep.refresh_idle(now + day * 14).await.unwrap(), 1);
    assert_eq!(world.token_calls("refresh_token"), 1);
    // And not again until it is due again.
    assert_eq!(replica.auth.upkeep.refresh_idle(Timestamp::now() + day * 12).await.unwrap(), 0);

    // A revoked connection is left alone.
    world.sim.order(Command::RevokeGrants { org: None }).unwrap();
    assert_eq!(replica.auth.upkeep.refresh_idle(now + day * 28).await.unwrap(), 1);
    assert_eq!(replica.connection(workspace).await.state(), wire::GrantState::Revoked);
    assert_eq!(replica.auth.upkeep.refresh_idle(now + day * 60).await.unwrap(), 0);
}

#[tokio::test]
async fn s14_the_kill_switch_stops_a_workspace_or_everything_at_once() {
    use auth::kill_switch::{Traffic, set};

    let world = World::new().await;
    let mut replica = world.replica().await;
    let (one, other) = (replica.connected(&world).await, replica.connected(&world).await);
    let store = replica.auth.store.clone();
    let now = Timestamp::now();

    set(&store, Some(one), Traffic::Stopped, "op", now).await.unwrap();
    assert_eq!(reason(replica.token(one, 0).await), Reason::SalesforceUnavailable);
    assert_eq!(reason(replica.begin(one).await), Reason::SalesforceUnavailable);
    assert!(replica.token(other, 0).await.is_ok());

    set(&store, None, Traffic::Stopped, "op", now).await.unwrap();
    assert_eq!(reason(replica.token(other, 0).await), Reason::SalesforceUnavailable);
    set(&store, Some(one), Traffic::Flowing, "op", now).await.unwrap();
    assert_eq!(reason(replica.token(one, 0).await), Reason::SalesforceUnavailable);
    set(&store, None, Traffic::Flowing, "op", now).await.unwrap();
    for workspace in [one, other] {
        assert!(replica.token(workspace, 0).await.is_ok());
    }
}
