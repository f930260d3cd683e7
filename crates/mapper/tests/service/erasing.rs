use contract::mapper::v1::EraseSourceRecordsRequest;
use contract::mapper::v1::erasure_service_server::ErasureService;
use domain::Kind;
use tonic::Request;
use uuid::Uuid;

use crate::world::{NAME_AND_TIER, World, account, chunk, tiered};

async fn erase(world: &World, number: u32) -> i64 {
    let request = EraseSourceRecordsRequest {
        workspace_id: world.workspace.to_string(),
        order_id: Uuid::now_v7().to_string(),
        ids: vec![account(number)],
        actor: "ada".to_owned(),
    };
    world.api.erase_source_records(Request::new(request)).await.unwrap().into_inner().erased_images
}

const STORED: &str = "select count(*) from mapper.source_record where workspace_id = $1";

#[tokio::test(flavor = "multi_thread")]
async fn rule_19_an_erase_order_reaches_the_source_store_and_is_remembered_by_key_hash() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.sync(&[chunk(1, vec![tiered(1, Some("Odd")), tiered(2, Some("Odd"))])]).await;
    assert_eq!(world.open_values().await, [("tier".to_owned(), "Odd".to_owned(), 2)]);

    assert_eq!(erase(&world, 1).await, 1);
    assert_eq!(world.number(STORED).await, 1);
    assert_eq!(world.open_values().await, [("tier".to_owned(), "Odd".to_owned(), 1)], "counts follow");
    assert_eq!(erase(&world, 1).await, 0, "again is nothing new");

    // A later read of the same record brings nothing back, and tells the writer nothing.
    let later = chunk(2, vec![tiered(1, Some("Odd")), tiered(3, None)]);
    world.sync(std::slice::from_ref(&later)).await;
    assert_eq!(world.number(STORED).await, 2);
    assert_eq!(world.open_values().await, [("tier".to_owned(), "Odd".to_owned(), 1)]);
    let last = world.writer.look().batches.last().unwrap().clone();
    assert_eq!(last.records.iter().map(|record| record.id.clone()).collect::<Vec<_>>(), [account(3)]);

    let known = "select count(*) from mapper.erased e where workspace_id = $1 and octet_length(key_hash) = 32";
    assert_eq!(world.number(known).await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn s35_changed_mappings_and_erasures_are_logged_without_values() {
    let world = World::new().await;
    world.map(Kind::Account, &NAME_AND_TIER).await;
    world.decide(&[("Canary", "enterprise")]).await;
    world.sync(&[chunk(1, vec![tiered(1, Some("Canary"))])]).await;
    erase(&world, 1).await;
    let lines: Vec<(String, String)> =
        sqlx::query_as("select action, detail from mapper.audit where workspace_id = $1 order by number")
            .bind(world.workspace.0)
            .fetch_all(&world.admin)
            .await
            .unwrap();
    let actions: Vec<_> = lines.iter().map(|(action, _)| action.as_str()).collect();
    assert_eq!(actions, ["save mapping", "save mapping", "erase"]);
    assert!(lines[0].1.contains("tier=Tier__c"), "{lines:?}");
    assert!(!format!("{lines:?}").contains("Canary") && !format!("{lines:?}").contains(&account(1)), "{lines:?}");
    assert_eq!(world.mapper.verify_audit(world.workspace).await.unwrap().unwrap(), 3);
    let pool = world.database.pool(testkit::Role::Mapper).await;
    let refused = sqlx::query("delete from mapper.audit").execute(&pool).await.unwrap_err();
    assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"));
}
