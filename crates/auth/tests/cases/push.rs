//! What the peers are told.

use contract::auth::v1 as wire;
use contract::common::v1::Plan;
use domain::WorkspaceId;

use crate::harness::{LIMIT, Peer, Replica, World};

async fn set_plan(replica: &mut Replica, workspace: WorkspaceId, plan: Plan) {
    let request = wire::SetWorkspacePlanRequest { workspace_id: workspace.to_string(), plan: plan.into() };
    replica.workspaces.set_workspace_plan(request).await.unwrap();
}

async fn wait_for_plan(peer: &Peer, workspace: WorkspaceId, plan: Plan) {
    testkit::eventually_true(LIMIT, "the plan is told", || async {
        peer.newest(workspace).is_some_and(|state| state.plan() == plan)
    })
    .await;
}

#[tokio::test]
async fn a_change_of_plan_reaches_every_peer_and_revisions_only_grow() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Starter).await;
    for plan in [Plan::Pro, Plan::Business, Plan::Starter] {
        set_plan(&mut replica, workspace, plan).await;
        for peer in world.peer_list() {
            wait_for_plan(peer, workspace, plan).await;
        }
    }
    // The same plan again is no change.
    set_plan(&mut replica, workspace, Plan::Starter).await;
    for peer in world.peer_list() {
        let newest = peer.newest(workspace).unwrap();
        assert_eq!((newest.revision, newest.epoch, newest.connected), (4, 0, false));
    }
}

#[tokio::test]
async fn a_peer_that_is_away_is_told_when_it_comes_back_and_others_do_not_wait() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    world.mapper.be_away(true);
    let workspace = replica.connected(&world).await;
    for peer in [&world.extractor, &world.writer] {
        testkit::eventually_true(LIMIT, "peers that are there are told", || async {
            peer.newest(workspace).is_some_and(|state| state.connected)
        })
        .await;
    }
    assert!(world.mapper.told(workspace).is_empty());

    world.mapper.be_away(false);
    testkit::eventually_true(LIMIT, "the mapper is told", || async {
        world.mapper.newest(workspace).is_some_and(|state| state.connected)
    })
    .await;
    let state = world.mapper.newest(workspace).unwrap();
    assert_eq!(state.org_id, world.sim.org_id().to_string());
    assert_eq!((state.instance_url, state.epoch, state.purge), (world.sim.url(), 1, false));
}

#[tokio::test]
async fn what_was_owed_before_a_restart_is_told_after_it() {
    let world = World::new().await;
    for peer in world.peer_list() {
        peer.be_away(true);
    }
    let mut before = world.replica().await;
    let workspace = before.workspace(Plan::Pro).await;
    drop(before);
    for peer in world.peer_list() {
        peer.be_away(false);
    }

    let _after = world.replica().await;
    for peer in world.peer_list() {
        wait_for_plan(peer, workspace, Plan::Pro).await;
    }
}

#[tokio::test]
async fn a_peer_that_lost_its_memory_is_told_again_at_the_next_start() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.workspace(Plan::Pro).await;
    wait_for_plan(&world.writer, workspace, Plan::Pro).await;
    let known = world.writer.told(workspace).len();

    let _another = world.replica().await;
    testkit::eventually_true(LIMIT, "told once more", || async { world.writer.told(workspace).len() > known }).await;
}

#[tokio::test]
async fn the_start_date_moves_and_is_told_without_a_new_epoch() {
    let world = World::new().await;
    let mut replica = world.replica().await;
    let workspace = replica.connected(&world).await;
    let start = prost_types::Timestamp { seconds: 1_700_000_000, nanos: 0 };
    let request = wire::UpdateStartDateRequest { workspace_id: workspace.to_string(), start_at: Some(start) };
    let moved = replica.connections.update_start_date(request).await.unwrap().into_inner();
    assert_eq!((moved.start_at, moved.epoch), (Some(start), 1));
    for peer in world.peer_list() {
        testkit::eventually_true(LIMIT, "the start date is told", || async {
            peer.newest(workspace).is_some_and(|state| state.start_at == Some(start) && state.epoch == 1)
        })
        .await;
    }
}
