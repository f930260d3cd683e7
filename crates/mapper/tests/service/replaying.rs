use contract::common::v1 as common;
use contract::event::v1::RunMode;
use contract::mapper::v1 as wire;
use contract::mapper::v1::mapping_service_server::MappingService;
use domain::Kind;
use testkit::eventually_true;
use tonic::Request;

use crate::world::{FIELDS, LIMIT, NAME_AND_TIER, RawChunk, World, account, chunk, deleted, tiered};

fn many(read_seq: i64, count: u32, tier: Option<&str>) -> Vec<RawChunk> {
    let numbers: Vec<u32> = (1..=count).collect();
    numbers
        .chunks(200)
        .map(|numbers| chunk(read_seq, numbers.iter().map(|number| tiered(*number, tier)).collect()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn mapping_a_value_applies_at_once_to_the_records_that_carry_it() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.sync(&many(1, 600, Some("Gold"))).await;
    assert!(world.writer.field(&account(1), "tier").is_unmapped);

    let saved = world.decide(&[("Gold", "enterprise")]).await;
    world.replayed().await;

    let replay = world.replay().await;
    assert_eq!((replay.expected, replay.mapped, replay.chunks_pending), (600, 600, 0));
    let inner = world.writer.look();
    let tiers = inner.rows.values().map(|row| row.fields["tier"].value.as_deref());
    assert_eq!(tiers.filter(|tier| *tier == Some("enterprise")).count(), 600);
    let of_replay = |version| {
        let batches = inner.batches.iter().filter(|batch| batch.mode() == RunMode::Replay);
        batches.filter(|batch| batch.mapping_version == version).map(|batch| batch.records.len()).sum::<usize>()
    };
    assert_eq!(of_replay(saved.mapping_version), 600, "each record once");
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_05_a_replay_beside_live_chunks_ends_with_the_newest_of_both() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.sync(&many(1, 3_000, Some("Gold"))).await;

    // Live reads and saves race: whatever comes first, in the end all is the newest read under the newest mapping.
    let live = async {
        for read_seq in 2..=6 {
            world.publish_all(&many(read_seq, 3_000, Some(if read_seq == 6 { "Silver" } else { "Gold" }))).await;
        }
    };
    let saves = async {
        for option in ["smb", "enterprise", "strategic"] {
            world.decide(&[("Gold", option), ("Silver", "mid_market")]).await;
        }
        world.decide(&[("Silver", "smb")]).await;
    };
    tokio::join!(live, saves);
    world.replayed().await;

    eventually_true(LIMIT, "every row is the newest", async || {
        let inner = world.writer.look();
        inner.rows.len() == 3_000 && inner.rows.values().all(|row| row.fields["tier"].value.as_deref() == Some("smb"))
    })
    .await;
    let behind = "select count(*) from mapper.source_record s join mapper.workspace w using (workspace_id)
                   where workspace_id = $1 and s.stamp < w.mapping_version";
    assert_eq!(world.number(behind).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_05_a_redelivered_chunk_that_is_not_newer_never_restamps() {
    let mut world = World::quiet().await;
    world.start_writer().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let first = chunk(1, vec![tiered(1, Some("Gold"))]);
    world.publish(&first).await;
    world.start_mapper();
    eventually_true(LIMIT, "the chunk lands", async || world.writer.batch_count() == 1).await;
    // As if a save had just happened and its replay had not begun.
    let bump = "update mapper.workspace set mapping_version = mapping_version + 1 where workspace_id = $1";
    sqlx::query(bump).bind(world.workspace.0).execute(&world.admin).await.unwrap();

    world.sync(&[first]).await;

    let stamps = "select count(*) from mapper.source_record s join mapper.workspace w using (workspace_id)
                   where workspace_id = $1 and s.stamp < w.mapping_version";
    assert_eq!(world.number(stamps).await, 1, "the replay still has to bring it");
}

/// A replay in the hands of a replica that published a page and can't stamp it, and the lock that holds it there.
async fn held_up(world: &World) -> sqlx::Transaction<'static, sqlx::Postgres> {
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.sync(&many(1, 400, Some("Gold"))).await;
    let before = world.writer.batch_count();
    let mut lock = world.admin.begin().await.unwrap();
    sqlx::query("lock table mapper.replay_chunk in share row exclusive mode").execute(&mut *lock).await.unwrap();
    world.decide(&[("Gold", "smb")]).await;
    eventually_true(LIMIT, "the replay is published", async || world.writer.batch_count() == before + 2).await;
    lock
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_05_a_replay_whose_replica_died_is_taken_over_by_another() {
    let mut world = World::new().await;
    let lock = held_up(&world).await;
    world.kill_mapper().await;
    lock.rollback().await.unwrap();
    assert_eq!(world.replay().await.mapped, 0, "nothing of it is stamped");

    world.another_mapper().await;
    let lease = "select count(*) from mapper.replay where workspace_id = $1 and leased_until > now()";
    assert_eq!(world.number(lease).await, 1, "the dead one's time is not over");
    eventually_true(LIMIT * 2, "the other brings it to its end", async || world.replay().await.done).await;
    assert_eq!(world.replay().await.mapped, 400);
    assert_eq!(world.writer.value(&account(400), "tier").as_deref(), Some("smb"));
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_05_a_replica_that_lost_its_replay_changes_nothing_more() {
    let world = World::new().await;
    let lock = held_up(&world).await;
    // Another takes it over meanwhile, and never shows a sign of life.
    let taken = "update mapper.replay set leased_until = now() + interval '1 hour' where phase = 'mapping'";
    sqlx::query(taken).execute(&world.admin).await.unwrap();
    lock.rollback().await.unwrap();

    let begun = "select count(*) from pg_stat_activity where usename = 'lanesync_mapper' and wait_event_type = 'Lock'
                    and datname = current_database() and $1::uuid is not null";
    eventually_true(LIMIT, "the first goes on", async || world.number(begun).await == 0).await;
    world.sync(&[chunk(2, vec![tiered(401, None)])]).await;
    let stamped = "select count(*) from mapper.source_record s join mapper.workspace w using (workspace_id)
                    where workspace_id = $1 and s.stamp = w.mapping_version and s.read_seq = 1";
    assert_eq!(world.number(stamped).await, 0);
    assert_eq!(world.replay().await.mapped, 0);

    let free = "update mapper.replay set leased_until = now() where phase = 'mapping'";
    sqlx::query(free).execute(&world.admin).await.unwrap();
    world.replayed().await;
    assert_eq!(world.number(stamped).await, 400);
}

#[cfg(debug_assertions)]
#[tokio::test(flavor = "multi_thread")]
async fn rule_13_a_record_over_which_we_panic_does_not_hold_up_a_replay() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let odd = 770_009;
    world.sync(&[chunk(1, vec![tiered(1, Some("Gold")), tiered(odd, Some("Gold"))])]).await;
    mapper::fail_point::panic_on(&account(odd));
    world.decide(&[("Gold", "smb")]).await;
    world.replayed().await;
    assert_eq!(world.writer.value(&account(1), "tier").as_deref(), Some("smb"));
    assert_eq!(world.writer.look().faults, [(account(odd), "mapper_failed".to_owned())].into());
}

#[tokio::test(flavor = "multi_thread")]
async fn tombstones_are_replayed_too() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.sync(&[chunk(1, vec![tiered(1, None), deleted(&account(2))])]).await;
    world.decide(&[("Gold", "smb")]).await;
    world.replayed().await;
    let inner = world.writer.look();
    let replayed = inner.batches.iter().find(|batch| batch.mode() == RunMode::Replay).unwrap();
    assert_eq!(replayed.records.len(), 2, "what the writer superseded comes again, tombstones as well");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_done_only_when_the_writer_applied_its_manifest() {
    let mut world = World::quiet().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.publish_all(&many(1, 400, None)).await;
    world.start_mapper();
    eventually_true(LIMIT, "the records are stored", async || {
        world.number("select count(*) from mapper.source_record where workspace_id = $1").await == 400
    })
    .await;
    world.decide(&[("Gold", "smb")]).await;
    eventually_true(LIMIT, "everything is mapped", async || world.replay().await.mapped == 400).await;
    let replay = world.replay().await;
    assert_eq!((replay.chunks_pending, replay.done), (2, false), "nobody applied anything yet");

    world.start_writer().await;
    world.replayed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_on_demand_brings_everything_again() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.sync(&[chunk(1, vec![tiered(1, None)]).reading(1, &FIELDS)]).await;
    world.replayed().await;
    let version = world.replay().await.mapping_version;
    let request = wire::StartReplayRequest { workspace_id: world.workspace.to_string(), everything: true };
    let started = world.api.start_replay(Request::new(request)).await.unwrap().into_inner();
    assert_eq!((started.expected, started.mapping_version), (1, version + 1));
    world.replayed().await;
    assert_eq!(world.writer.look().batches.last().unwrap().mode(), RunMode::Replay);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_disconnect_ends_the_replay_in_hand() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.sync(&many(1, 400, None)).await;
    world.decide(&[("Gold", "smb")]).await;
    world.state(2, 2, common::Plan::Business, false).await;
    let running = "select count(*) from mapper.replay where workspace_id = $1 and phase in ('mapping', 'applying')";
    assert_eq!(world.number(running).await, 0);
}
