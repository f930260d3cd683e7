use contract::common::v1 as common;
use contract::error::Reason;
use domain::{Kind, Object, WorkspaceId};
use sqlx::Connection;
use testkit::{Role, eventually_true};

use crate::world::{LIMIT, NAME_AND_TIER, World, account, chunk, tiered};

#[tokio::test(flavor = "multi_thread")]
async fn rule_16_a_lower_epoch_ends_without_effect_and_a_higher_one_waits_until_told() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let early = chunk(5, vec![tiered(1, None)]).epoch(2);
    world.publish(&early).await;
    world.state(2, 2, common::Plan::Business, true).await;
    eventually_true(LIMIT, "the chunk that came too early lands", async || {
        world.writer.value(&account(1), "name").is_some()
    })
    .await;

    let late = chunk(4, vec![tiered(2, None)]).epoch(1);
    world.sync(std::slice::from_ref(&late)).await;
    let last = world.writer.look().batches.last().unwrap().clone();
    assert_eq!(last.r#ref.unwrap().run_id, late.run.to_string(), "the books of its run close");
    assert_eq!((last.records.len(), last.faults.len()), (0, 0));
    assert_eq!(world.number("select count(*) from mapper.source_record where workspace_id = $1").await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_16_a_disconnect_deletes_what_was_stored_and_keeps_the_mapping() {
    let world = World::new().await;
    world.org.list(Object::Account, "Tier__c", &[("Gold", true)]);
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.decide(&[("Gold", "enterprise")]).await;
    world.sync(&[chunk(1, vec![tiered(1, Some("Odd")), tiered(2, Some("Gold"))])]).await;

    world.state(2, 2, common::Plan::Business, false).await;

    for table in [
        "select count(*) from mapper.source_record where workspace_id = $1",
        "select count(*) from mapper.picklist_value where workspace_id = $1",
        "select count(*) from mapper.field_list where workspace_id = $1",
        "select count(*) from mapper.replay where workspace_id = $1 and phase in ('mapping', 'applying')",
    ] {
        assert_eq!(world.number(table).await, 0, "{table}");
    }
    assert_eq!(world.number("select count(*) from mapper.field_mapping where workspace_id = $1").await, 2);
    assert_eq!(world.number("select count(*) from mapper.value_mapping where workspace_id = $1").await, 1);
    assert!(world.open_values().await.is_empty());

    // An old message that comes again after the purge leaves nothing behind.
    world.sync(&[chunk(1, vec![tiered(1, Some("Odd"))])]).await;
    assert_eq!(world.number("select count(*) from mapper.source_record where workspace_id = $1").await, 0);

    // A reconnect goes on with the same mapping, and the writer is told it anew.
    world.state(3, 3, common::Plan::Business, true).await;
    world.sync(&[chunk(2, vec![tiered(2, Some("Gold"))]).epoch(3)]).await;
    assert_eq!(world.writer.value(&account(2), "tier").as_deref(), Some("enterprise"));
    eventually_true(LIMIT, "the writer is told in the new epoch", async || {
        world.writer.look().told.iter().any(|told| told.epoch == 3)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_revision_changes_nothing() {
    let world = World::quiet().await;
    world.state(7, 3, common::Plan::Business, true).await;
    world.state(6, 4, common::Plan::Starter, false).await;
    let epoch = world.number("select epoch from mapper.workspace where workspace_id = $1 and connected").await;
    assert_eq!(epoch, 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_17_a_lower_plan_stops_new_saves_and_still_lets_go() {
    let world = World::new().await;
    world.map(Kind::Account, &[("name", "Name"), ("phone", "Phone"), ("tier", "Tier__c")]).await;
    world.decide(&[("Gold", "enterprise")]).await;
    world.state(2, 1, common::Plan::Pro, true).await;

    let refused = world.try_map(Kind::Account, &[("name", "Name"), ("phone", "Fax")], false).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::PlanRequired));
    let refused = world.try_decide(Kind::Account, "tier", &[("Silver", "smb")], false).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::PlanRequired));

    let unmapped = world.map(Kind::Account, &NAME_AND_TIER).await;
    assert_eq!(unmapped.preview.unwrap().would_unlock, ["phone"]);
    world.decide(&[("Gold", "open")]).await;
    // What was read before finishes: chunks are mapped, replays run on.
    world.sync(&[chunk(1, vec![tiered(1, None)])]).await;
    assert_eq!(world.writer.value(&account(1), "name").as_deref(), Some("Account 1"));
    world.replayed().await;
    assert!(world.map(Kind::Account, &[]).await.mapping.unwrap().entries.is_empty(), "all may go");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_mapper_sees_rows_of_one_workspace_at_a_time() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.sync(&[chunk(1, vec![tiered(1, Some("Gold"))])]).await;
    let mut conn = sqlx::PgConnection::connect(&world.database.url(Role::Mapper)).await.unwrap();

    let unbound = sqlx::query("select 1 from mapper.source_record").fetch_all(&mut conn).await;
    assert!(unbound.is_err(), "without a workspace there is nothing to see");

    let other = WorkspaceId::generate();
    let mut tx = conn.begin().await.unwrap();
    service::postgres::in_workspace(&mut tx, other).await.unwrap();
    let counts: Vec<i64> = sqlx::query_scalar(
        "select count(*) from mapper.source_record
         union all select count(*) from mapper.picklist_value
         union all select count(*) from mapper.field_mapping",
    )
    .fetch_all(&mut *tx)
    .await
    .unwrap();
    assert_eq!(counts, [0, 0, 0]);
    let deleted = sqlx::query("delete from mapper.source_record where workspace_id = $1")
        .bind(world.workspace.0)
        .execute(&mut *tx)
        .await
        .unwrap();
    assert_eq!(deleted.rows_affected(), 0);
    let planted = sqlx::query("insert into mapper.field_list values ($1, 'account', 1, '{}')")
        .bind(world.workspace.0)
        .execute(&mut *tx)
        .await;
    assert!(planted.is_err(), "no row lands in another workspace");
}
