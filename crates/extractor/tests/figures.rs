//! The figures of the fleet: the word that callers are told, and nothing of a workspace that is not read any more.

use std::time::Duration;

use contract::common::v1::Plan;
use contract::extractor::v1::SyncState;
use domain::{Object, WorkspaceId};
use extractor::figures::{Figures, decide_due};
use extractor::store::figures::{applied, org_calls, take_due};
use sqlx::PgPool;

use crate::world::{Choice, World};

/// The figures after whoever is due was decided.
async fn figures(world: &World) -> Figures {
    decide_due(&world.reader).await.unwrap();
    Figures::read(&world.reader).await.unwrap()
}

fn one(state: &str) -> Vec<(String, i64)> {
    vec![(state.to_owned(), 1)]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn figures_show_the_state_that_callers_are_told_and_nothing_of_who_is_not_read() {
    let world = Choice::seeded(20, 10, 5).start().await;
    let fresh = figures(&world).await;
    assert_eq!(fresh.states, one("connecting"));
    assert!(fresh.applied.is_empty());

    world.first_load(&[]).await;
    world.status_when("healthy", |status| status.state() == SyncState::Healthy).await;
    world.tell(2, |_| {}).await;
    let loaded = figures(&world).await;
    assert_eq!(loaded.states, one("healthy"));
    assert_eq!(loaded.applied.len(), Object::ALL.len());
    let now = jiff::Timestamp::now().as_second();
    for of in &loaded.applied {
        assert_eq!(of.workspace, Some(world.workspace));
        assert!(of.figure.synced_to.is_some() && (now - 60..=now + 1).contains(&of.figure.applied_at), "{of:?}");
    }
    assert!(loaded.org_calls[0].figure.used > 0 && loaded.org_calls[0].figure.limit > 0);

    world.tell(3, |state| state.plan = Plan::Pro.into()).await;
    let downgraded = figures(&world).await;
    assert_eq!(downgraded.states, one("plan_required"));
    assert!(downgraded.applied.is_empty());

    // A new connection has everything before it.
    world.tell(4, |state| (state.epoch, state.connected) = (2, false)).await;
    let ended = figures(&world).await;
    assert!(ended.applied.is_empty() && ended.org_calls.is_empty());
    world.tell(5, |state| state.epoch = 2).await;
    assert!(figures(&world).await.applied.is_empty());
}

async fn workspace(pool: &PgPool, synced_ms: i64, used: i64) -> WorkspaceId {
    let id = WorkspaceId::generate();
    sqlx::query(
        "insert into extractor.workspace
                (workspace_id, revision, epoch, plan, connected, org_calls_used, org_calls_limit)
         values ($1, 1, 1, 'business', true, $2, 100)",
    )
    .bind(id.0)
    .bind(used)
    .execute(pool)
    .await
    .unwrap();
    sqlx::query("insert into extractor.applied values ($1, 'account', 1, $2, to_timestamp($2 / 1000))")
        .bind(id.0)
        .bind(synced_ms)
        .execute(pool)
        .await
        .unwrap();
    sqlx::query("insert into extractor.standing (workspace_id) values ($1)").bind(id.0).execute(pool).await.unwrap();
    id
}

#[tokio::test]
async fn beyond_the_named_workspaces_the_rest_is_one_and_as_late_as_its_last() {
    let database = testkit::database().await;
    let pool = database.pool(testkit::Role::Extractor).await;
    let mut ids = Vec::new();
    for (synced_ms, used) in [(4_000, 1), (2_000, 10), (3_000, 30)] {
        ids.push(workspace(&pool, synced_ms, used).await);
    }
    let first = *ids.iter().min().unwrap();
    assert_eq!(first, ids[0], "ids grow with time");

    let mut conn = pool.acquire().await.unwrap();
    let of = |workspace: Option<WorkspaceId>, applied_at: i64| (workspace, applied_at);
    let mut seen: Vec<_> =
        applied(&mut conn, 1).await.unwrap().iter().map(|a| of(a.workspace, a.figure.applied_at)).collect();
    seen.sort();
    assert_eq!(seen, [of(None, 2), of(Some(first), 4)]);
    let calls = org_calls(&mut conn, 1).await.unwrap();
    let rest = calls.iter().find(|of| of.workspace.is_none()).unwrap();
    assert_eq!((rest.figure.used, rest.figure.limit), (40, 200));
    assert_eq!(org_calls(&mut conn, 500).await.unwrap().len(), 3);

    // Two replicas share the work.
    let hour = Duration::from_secs(3_600);
    let mut taken = take_due(&mut conn, 2, hour).await.unwrap();
    assert_eq!(taken.len(), 2);
    taken.extend(take_due(&mut conn, 2, hour).await.unwrap());
    taken.sort();
    assert_eq!(taken, ids);
    assert_eq!(take_due(&mut conn, 2, hour).await.unwrap(), []);
}
