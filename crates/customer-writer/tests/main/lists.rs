//! Lists page through everything once, and the change feed tells what Signals needs.

use contract::common::v1::SalesforceObject::Account;
use contract::event::v1::IdentityState;
use contract::writer::v1::customer_service_server::CustomerService;
use contract::writer::v1::{ListCustomerChangesRequest, ListCustomersRequest, ListCustomersResponse, RecordSource};
use tonic::{Request, Status};

use crate::fixture::{House, account, cells, euros, option, shown, text};

async fn list(house: &House, change: impl FnOnce(&mut ListCustomersRequest)) -> Result<ListCustomersResponse, Status> {
    let mut request = ListCustomersRequest { workspace_id: house.workspace.to_string(), ..Default::default() };
    change(&mut request);
    house.writer.customer_service().list_customers(Request::new(request)).await.map(tonic::Response::into_inner)
}

#[tokio::test]
async fn pages_hold_every_customer_once_and_a_token_is_good_for_its_question_only() {
    let house = House::new().await;
    let mut batch = house.batch(Account, 1);
    for number in 0..25 {
        batch = batch.live(&account(number), &cells(&format!("Customer {number}")));
    }
    house.applied(batch).await;
    let (mut names, mut token) = (Vec::new(), String::new());
    loop {
        let page = list(&house, |request| {
            request.page_size = 10;
            request.page_token = token.clone();
        })
        .await
        .unwrap();
        names.extend(page.customers.iter().map(|customer| shown(&customer.fields, "name")));
        if page.next_page_token.is_empty() {
            break;
        }
        token = page.next_page_token;
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 25);
    let forged = list(&house, |request| {
        request.search = "other".to_owned();
        request.page_token = token.clone();
    });
    assert_eq!(forged.await.unwrap_err().code(), tonic::Code::InvalidArgument);
}

#[tokio::test]
async fn a_list_is_narrowed_by_name_archival_and_source() {
    let house = House::new().await;
    house
        .applied(house.batch(Account, 1).live(&account(1), &cells("100% Ääkkönen")).live(&account(2), &cells("other")))
        .await;
    house.applied(house.batch(Account, 2).gone(&account(2), IdentityState::Deleted, "")).await;
    assert_eq!(list(&house, |_| ()).await.unwrap().customers.len(), 1);
    assert_eq!(list(&house, |request| request.show_archived = true).await.unwrap().customers.len(), 2);
    assert_eq!(list(&house, |request| request.search = "0% Ä".to_owned()).await.unwrap().customers.len(), 1);
    assert_eq!(list(&house, |request| request.search = "KKÖNEN".replace('Ö', "ö")).await.unwrap().customers.len(), 1);
    assert_eq!(list(&house, |request| request.search = "_".to_owned()).await.unwrap().customers.len(), 0);
    assert_eq!(list(&house, |request| request.source = RecordSource::Lane.into()).await.unwrap().customers.len(), 0);
}

#[tokio::test]
async fn the_change_feed_tells_arr_tier_status_and_archival_and_nothing_else() {
    let house = House::new().await;
    let key = account(1);
    let steps = [
        [text("a"), euros("10"), option("smb")],
        [text("renamed"), euros("10.00"), option("smb")],
        [text("renamed"), euros("11"), option("smb")],
        [text("renamed"), euros("11"), option("enterprise")],
    ];
    for (read_seq, cells) in (1..).zip(&steps) {
        house.applied(house.batch(Account, read_seq).live(&key, cells)).await;
    }
    house.applied(house.batch(Account, 9).gone(&key, IdentityState::Deleted, "")).await;
    house.applied(house.batch(Account, 10).live(&key, &steps[3])).await;
    let request = ListCustomerChangesRequest { workspace_id: house.workspace.to_string(), ..Default::default() };
    let feed = house.writer.customer_service().list_customer_changes(Request::new(request)).await.unwrap().into_inner();
    let told: Vec<_> = feed.changes.iter().map(|change| (change.sequence, change.fields.join(" "))).collect();
    let expected = [(1, "arr tier"), (2, "arr"), (3, "tier"), (4, "archived"), (5, "archived")];
    assert_eq!(told, expected.map(|(sequence, fields)| (sequence, fields.to_owned())));
}
