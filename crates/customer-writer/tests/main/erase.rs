//! Erase orders and the audit log.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use contract::common::v1::SalesforceObject::{Account, Contact, Lead, Unspecified};
use contract::error::Reason;
use contract::event::v1::IdentityState::{Converted, Merged};
use contract::mapper::v1::erasure_service_server::{ErasureService, ErasureServiceServer};
use contract::mapper::v1::{EraseSourceRecordsRequest, EraseSourceRecordsResponse};
use contract::writer::v1::customer_service_server::CustomerService;
use contract::writer::v1::parked_service_server::ParkedService;
use contract::writer::v1::{
    EraseRecordRequest, EraseRecordResponse, RequeueParkedRecordsRequest, UpdateCustomerRequest,
};
use messaging::Outcome;
use tokio_stream::wrappers::TcpListenerStream;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Response, Status};
use uuid::Uuid;

use crate::fixture::{House, account, cells, contact, lead, person, text_value};

async fn order(house: &House, key: &str, request: Uuid) -> Result<EraseRecordResponse, Status> {
    let request = EraseRecordRequest {
        workspace_id: house.workspace.to_string(),
        id: String::new(),
        salesforce_id: key.to_owned(),
        request_id: request.to_string(),
        actor: "ada".to_owned(),
    };
    house.writer.customer_service().erase_record(Request::new(request)).await.map(tonic::Response::into_inner)
}

async fn count(house: &House, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).bind(house.workspace.0).fetch_one(&house.admin).await.unwrap()
}

const ROWS: &str = "select (select count(*) from customers.customer where workspace_id = $1)
                         + (select count(*) from customers.contact where workspace_id = $1)";

#[tokio::test]
async fn s37_an_erase_order_leaves_hashes_and_what_still_waits_ends_without_effect() {
    let house = House::new().await;
    let key = account(1);
    house.applied(house.batch(Account, 5).live(&key, &cells("Canary")).live(&account(2), &cells("stays"))).await;
    house.applied(house.batch(Account, 9).fault(&key, "number_out_of_range")).await;

    assert_eq!(order(&house, &key, Uuid::now_v7()).await.unwrap().erased_rows, 1);

    assert_eq!(Reason::of(&house.customer(&key).await.unwrap_err()), Some(Reason::ResourceNotFound));
    for read_seq in [4, 5, 10] {
        let waiting = house.batch(Account, read_seq).live(&key, &cells("Canary")).fault(&key, "late");
        house.applied(waiting).await;
    }
    assert_eq!(count(&house, ROWS).await, 1);
    assert_eq!(count(&house, "select count(*) from customers.parked where workspace_id = $1").await, 0);
    let kept = "select count(*) from customers.erased where workspace_id = $1 and read_seq = 5";
    assert_eq!(count(&house, kept).await, 1);
    assert!(house.customer(&account(2)).await.is_ok(), "its neighbour stays");

    // Nothing but the order itself, which waits for the mapper, knows the key.
    for table in ["customer", "contact", "parked", "erased", "audit", "change", "applied_chunk", "chunk_failure"] {
        let sql = format!(
            "select count(*) from customers.{table} t where t::text like '%' || $1 || '%' or t::text like '%Canary%'"
        );
        let found: i64 = sqlx::query_scalar(sqlx::AssertSqlSafe(sql)).bind(&key).fetch_one(&house.admin).await.unwrap();
        assert_eq!(found, 0, "{table}");
    }
}

#[tokio::test]
async fn s37_the_same_order_again_answers_as_before_and_is_never_another_record() {
    let house = House::new().await;
    house.applied(house.batch(Account, 5).live(&account(1), &cells("x")).live(&account(2), &cells("y"))).await;
    let request = Uuid::now_v7();
    let first = order(&house, &account(1), request).await.unwrap();
    assert_eq!(order(&house, &account(1), request).await.unwrap(), first);
    let refused = order(&house, &account(2), request).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::ArgumentInvalid));
    assert!(house.customer(&account(2)).await.is_ok());
    assert_eq!(count(&house, "select count(*) from customers.audit where workspace_id = $1").await, 1);
}

#[tokio::test]
async fn s37_everything_under_the_same_lane_id_goes_and_so_does_what_is_merged_into_it_later() {
    let house = House::new().await;
    house.applied(house.batch(Lead, 1).live(&lead(1), &person("Grace"))).await;
    house.applied(house.batch(Contact, 2).live(&contact(1), &person("Grace")).live(&contact(2), &person("G."))).await;
    house.applied(house.batch(Lead, 3).gone(&lead(1), Converted, &contact(1))).await;

    assert_eq!(order(&house, &lead(1), Uuid::now_v7()).await.unwrap().erased_rows, 2);
    assert!(house.contact(&contact(2)).await.is_ok());

    house.applied(house.batch(Contact, 4).gone(&contact(2), Merged, &contact(1))).await;
    assert_eq!(count(&house, ROWS).await, 0);
    house.applied(house.batch(Contact, 5).live(&contact(2), &person("again"))).await;
    assert_eq!(count(&house, ROWS).await, 0);
}

#[tokio::test]
async fn s37_an_order_for_a_record_that_is_not_held_forbids_it_and_one_for_no_record_is_refused() {
    let house = House::new().await;
    assert_eq!(order(&house, &account(7), Uuid::now_v7()).await.unwrap().erased_rows, 0);
    house.applied(house.batch(Account, 5).live(&account(7), &cells("x"))).await;
    assert_eq!(count(&house, ROWS).await, 0);

    let nobody = EraseRecordRequest {
        workspace_id: house.workspace.to_string(),
        id: Uuid::now_v7().to_string(),
        request_id: Uuid::now_v7().to_string(),
        ..EraseRecordRequest::default()
    };
    let refused = house.writer.customer_service().erase_record(Request::new(nobody)).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::ResourceNotFound));
    assert_eq!(count(&house, "select count(*) from customers.erase_order where workspace_id = $1").await, 1);
}

#[tokio::test]
async fn s35_erasures_requeues_purges_and_refused_edits_are_logged_in_a_chain_that_nobody_can_change() {
    let house = House::new().await;
    let key = account(1);
    house.applied(house.batch(Account, 5).live(&key, &cells("Canary")).fault(&account(2), "bad")).await;
    let edit = UpdateCustomerRequest {
        workspace_id: house.workspace.to_string(),
        id: house.customer(&key).await.unwrap().id,
        fields: vec![text_value("name", "Mallory")],
        update_mask: Some(prost_types::FieldMask { paths: vec!["name".to_owned()] }),
        etag: String::new(),
    };
    let refused = house.writer.customer_service().update_customer(Request::new(edit)).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::FieldLocked));
    let requeue = RequeueParkedRecordsRequest {
        workspace_id: house.workspace.to_string(),
        object: Unspecified.into(),
        ids: Vec::new(),
        group: None,
    };
    house.writer.parked_service().requeue_parked_records(Request::new(requeue)).await.unwrap();
    order(&house, &key, Uuid::now_v7()).await.unwrap();
    house.tell(2, 2, false, true).await;

    let lines: Vec<(String, String, String)> =
        sqlx::query_as("select action, outcome, detail from customers.audit where workspace_id = $1 order by number")
            .bind(house.workspace.0)
            .fetch_all(&house.admin)
            .await
            .unwrap();
    let told: Vec<_> = lines.iter().map(|(action, outcome, _)| (action.as_str(), outcome.as_str())).collect();
    let expected = [("edit", "FIELD_LOCKED"), ("requeue parked", "done"), ("erase", "done"), ("purge", "done")];
    assert_eq!(told, expected);
    assert!(!format!("{lines:?}").contains("Mallory") && !format!("{lines:?}").contains("Canary"), "no values");
    assert_eq!(house.writer.verify_audit(house.workspace).await.unwrap().unwrap(), 4);

    for statement in ["update customers.audit set actor = 'x'", "delete from customers.audit"] {
        let refused = sqlx::query(statement).execute(&house.pool).await.unwrap_err();
        assert_eq!(refused.as_database_error().unwrap().code().as_deref(), Some("42501"), "{statement}");
    }
    sqlx::query("update customers.audit set actor = 'mallory' where number = 2").execute(&house.admin).await.unwrap();
    assert_eq!(house.writer.verify_audit(house.workspace).await.unwrap().unwrap_err().number, 2);
}

#[tokio::test]
async fn s35_entries_older_than_a_year_go_and_the_chain_holds_on() {
    let house = House::new().await;
    for number in 1..=3 {
        order(&house, &account(number), Uuid::now_v7()).await.unwrap();
    }
    let forget = async || -> i64 {
        let mut transaction = house.pool.begin().await.unwrap();
        service::postgres::in_workspace(&mut transaction, house.workspace).await.unwrap();
        let gone = sqlx::query_scalar("select customers.forget_old_audit($1)")
            .bind(house.workspace.0)
            .fetch_one(&mut *transaction)
            .await
            .unwrap();
        transaction.commit().await.unwrap();
        gone
    };
    assert_eq!(forget().await, 0, "a year is kept");
    sqlx::query("update customers.audit set happened_at = now() - interval '366 days' where number <= 2")
        .execute(&house.admin)
        .await
        .unwrap();
    assert_eq!(forget().await, 2);
    assert_eq!(house.writer.verify_audit(house.workspace).await.unwrap().unwrap(), 3);
    order(&house, &account(4), Uuid::now_v7()).await.unwrap();
    assert_eq!(house.writer.verify_audit(house.workspace).await.unwrap().unwrap(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn rule_19_batches_that_share_keys_in_opposite_order_never_wait_in_a_circle() {
    let house = House::new().await;
    let mut running = tokio::task::JoinSet::new();
    for read_seq in 1..=40_i64 {
        let mut batch = house.batch(Account, read_seq);
        let mut numbers: Vec<u32> = (0..60).collect();
        if read_seq % 2 == 0 {
            numbers.reverse();
        }
        for number in numbers {
            batch = batch.live(&account(number), &cells(&format!("read {read_seq}")));
        }
        let (writer, batch) = (house.writer.clone(), batch.build());
        running.spawn(async move { writer.apply(vec![batch]).await });
    }
    while let Some(outcome) = running.join_next().await {
        assert_eq!(outcome.unwrap(), [Outcome::Done]);
    }
    let oldest = "select min(read_seq) from customers.customer where workspace_id = $1";
    assert_eq!(count(&house, oldest).await, 40);
    sqlx::query("select pg_stat_force_next_flush()").execute(&house.admin).await.unwrap();
    let deadlocks: i64 =
        sqlx::query_scalar("select deadlocks from pg_stat_database where datname = current_database()")
            .fetch_one(&house.admin)
            .await
            .unwrap();
    assert_eq!(deadlocks, 0);
}

/// A mapper that is away when it is asked first.
#[derive(Clone, Default)]
struct Mapper(Arc<Mutex<Vec<EraseSourceRecordsRequest>>>);

#[tonic::async_trait]
impl ErasureService for Mapper {
    async fn erase_source_records(
        &self,
        request: Request<EraseSourceRecordsRequest>,
    ) -> Result<Response<EraseSourceRecordsResponse>, Status> {
        let mut asked = self.0.lock().unwrap();
        asked.push(request.into_inner());
        if asked.len() == 1 {
            return Err(Status::unavailable("away"));
        }
        Ok(Response::new(EraseSourceRecordsResponse { erased_images: 1 }))
    }
}

#[tokio::test]
async fn s37_an_order_is_passed_on_until_the_mapper_has_carried_it_out_and_then_forgets_its_keys() {
    let house = House::new().await;
    let mapper = Mapper::default();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder().add_service(ErasureServiceServer::new(mapper.clone()));
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move { server.serve_with_incoming(TcpListenerStream::new(listener)).await.unwrap() });
    let (writer, peer) = (house.writer.clone(), service::grpc::peer(&url, None).unwrap());
    tasks.spawn(async move { writer.pass_on_erasures(peer, CancellationToken::new()).await.unwrap() });

    let request = Uuid::now_v7();
    assert_eq!(order(&house, &account(1), request).await.unwrap().source_erase_time, None);
    testkit::eventually_true(Duration::from_secs(20), "the mapper has answered", async || {
        order(&house, &account(1), request).await.unwrap().source_erase_time.is_some()
    })
    .await;
    let asked = mapper.0.lock().unwrap().clone();
    assert_eq!(asked.len(), 2);
    assert_eq!((asked[1].ids.clone(), asked[1].actor.as_str()), (vec![account(1)], "ada"));
    let forgotten = "select count(*) from customers.erase_order where workspace_id = $1 and pending_keys = '{}'";
    assert_eq!(count(&house, forgotten).await, 1);
}
