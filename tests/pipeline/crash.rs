//! Processes die at any moment; what is in Lane in the end is what Salesforce has.

use contract::extractor::v1::SyncScope;
use stack::books::balance;
use stack::{OrgSize, ServiceName};

use crate::world::{PATIENCE, World};

/// Large enough that a load is still running when the kill comes.
const SIZE: OrgSize = OrgSize { accounts: 2_000, contacts: 5_000, leads: 1_000 };

/// Kills a service while a first load runs, starts it again, and compares with the oracle.
async fn load_survives_the_death_of(service: ServiceName) {
    let mut world = World::connected(SIZE, &[]).await;
    let run = world.lane.start(&world.workspace, SyncScope::Changes).await.unwrap();
    // In mid-load: something is read, not everything is written.
    testkit::eventually_true(PATIENCE, "the first records are read", || async {
        let run = world.lane.run(&world.workspace, &run.run_id).await;
        run.is_ok_and(|run| run.objects.iter().any(|object| object.read > 0))
    })
    .await;

    let victim = world.stack.service_mut(service);
    victim.kill().await.unwrap();
    victim.start_again().await.unwrap();

    world.lane.finished(&world.workspace, &run.run_id, PATIENCE, |_| {}).await.unwrap();
    let balance = balance(&world.lane, &world.workspace, &world.simulator, "").await.unwrap();
    assert_eq!(balance.differences, Vec::<String>::new());
    assert!(balance.verdict.records.len() >= 8_000, "the oracle judged {} records", balance.verdict.records.len());
}

#[tokio::test]
async fn a_load_survives_the_death_of_auth() {
    load_survives_the_death_of(ServiceName::Auth).await;
}

#[tokio::test]
async fn a_load_survives_the_death_of_the_extractor() {
    load_survives_the_death_of(ServiceName::Extractor).await;
}

#[tokio::test]
async fn a_load_survives_the_death_of_the_mapper() {
    load_survives_the_death_of(ServiceName::Mapper).await;
}

#[tokio::test]
async fn a_load_survives_the_death_of_the_writer() {
    load_survives_the_death_of(ServiceName::Writer).await;
}
