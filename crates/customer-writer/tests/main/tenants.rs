//! No workspace sees another, and purging removes what came from Salesforce.

use contract::common::v1::SalesforceObject::{Account, Contact};
use contract::writer::v1::customer_service_server::CustomerService;
use contract::writer::v1::{ListCustomersRequest, UpdateCustomerRequest};
use domain::WorkspaceId;
use tonic::{Code, Request};

use crate::fixture::{Batch, House, account, cells, contact, person, text_value};

#[tokio::test]
async fn g9_another_workspace_sees_nothing_and_changes_nothing() {
    let house = House::new().await;
    let stranger = WorkspaceId::generate();
    house.tell_of(stranger, 1, 1, true, false).await;
    house.applied(house.batch(Account, 5).live(&account(1), &cells("ours"))).await;
    house.applied(Batch::new(stranger, Account, 9).live(&account(1), &cells("theirs"))).await;
    let ours = house.customer(&account(1)).await.unwrap();

    let service = house.writer.customer_service();
    let request = UpdateCustomerRequest {
        workspace_id: stranger.to_string(),
        id: ours.id.clone(),
        fields: vec![text_value("phone", "1")],
        ..UpdateCustomerRequest::default()
    };
    assert_eq!(service.update_customer(Request::new(request)).await.unwrap_err().code(), Code::NotFound);
    let request = ListCustomersRequest { workspace_id: stranger.to_string(), ..ListCustomersRequest::default() };
    let theirs = service.list_customers(Request::new(request)).await.unwrap().into_inner().customers;
    assert_eq!(theirs.len(), 1);
    assert_ne!(theirs[0].id, ours.id);
}

#[tokio::test]
async fn s25_without_a_workspace_every_tenant_table_refuses_to_be_read() {
    let house = House::new().await;
    for table in ["customer", "contact", "applied_chunk", "parked", "chunk_failure", "change"] {
        let statement = format!("select count(*) from customers.{table}");
        let read = sqlx::query(sqlx::AssertSqlSafe(statement)).fetch_one(&house.pool).await;
        assert!(read.is_err(), "{table}");
    }
    let open: Vec<String> = sqlx::query_scalar(
        "select c.relname::text from pg_class c join pg_namespace n on n.oid = c.relnamespace
          where n.nspname = 'customers' and c.relkind = 'r' and not (c.relrowsecurity and c.relforcerowsecurity)
            and exists (select from pg_attribute a where a.attrelid = c.oid and a.attname = 'workspace_id')
          order by 1",
    )
    .fetch_all(&house.admin)
    .await
    .unwrap();
    // These two hold no data of customers, and the outbox looks across workspaces.
    assert_eq!(open, ["ledger", "workspace"]);
}

#[tokio::test]
async fn a_purge_removes_what_came_from_salesforce_of_this_workspace_only() {
    let house = House::new().await;
    let neighbour = WorkspaceId::generate();
    house.tell_of(neighbour, 1, 1, true, false).await;
    house.applied(house.batch(Account, 5).live(&account(1), &cells("x"))).await;
    house
        .applied(house.batch(Contact, 5).live_at(&contact(1), &account(1), &person("x")).fault(&contact(2), "y"))
        .await;
    house.applied(Batch::new(neighbour, Account, 5).live(&account(1), &cells("x"))).await;
    house.tell(2, 2, false, true).await;
    let left: Vec<(String, i64)> = sqlx::query_as(
        "select 'customer', count(*) from customers.customer union all select 'contact', count(*) from customers.contact
         union all select 'parked', count(*) from customers.parked",
    )
    .fetch_all(&house.admin)
    .await
    .unwrap();
    assert_eq!(left, [("customer".to_owned(), 1), ("contact".to_owned(), 0), ("parked".to_owned(), 0)]);
}
