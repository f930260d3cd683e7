use domain::Kind;
use testkit::eventually_true;

use crate::world::{LIMIT, NAME_AND_TIER, World, account, chunk, tiered};

#[tokio::test(flavor = "multi_thread")]
async fn rule_19_chunks_that_share_keys_take_them_in_one_order_and_lose_nothing() {
    let mut world = World::quiet().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    let chunks: Vec<_> = (1..=60_i64)
        .map(|read_seq| {
            let records =
                (0..40_u32).map(|number| tiered(number, Some(if read_seq % 2 == 0 { "Even" } else { "Uneven" })));
            chunk(read_seq, records.collect())
        })
        .collect();
    world.publish_all(&chunks).await;
    world.start_writer().await;
    world.start_mapper();
    eventually_true(LIMIT, "all chunks are told", async || world.writer.batch_count() >= 60).await;
    let expected = [("tier".to_owned(), "Even".to_owned(), 40)];
    assert_eq!(world.open_values().await, expected);
    assert_eq!(world.number("select min(read_seq) from mapper.source_record where workspace_id = $1").await, 60);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chunk_waits_out_a_lost_database_connection() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.sync(&[chunk(1, vec![tiered(1, None)])]).await;
    let cut = "select pg_terminate_backend(pid) from pg_stat_activity where usename = 'lanesync_mapper'
               and datname = current_database()";
    sqlx::query(cut).execute(&world.admin).await.unwrap();
    world.sync(&[chunk(2, vec![tiered(2, None)])]).await;
    assert_eq!(world.writer.value(&account(2), "name").as_deref(), Some("Account 2"));
    assert!(world.writer.look().faults.is_empty(), "what passes by itself parks nothing");
}
