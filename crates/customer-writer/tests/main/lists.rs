//! Lists page through everything once, and the change feed tells what Signals needs.

use contract::common::v1::SalesforceObject::{Account, Contact};
use contract::event::v1::IdentityState;
use contract::writer::v1::customer_service_server::CustomerService;
use contract::writer::v1::{
    ListContactsRequest, ListContactsResponse, ListCustomerChangesRequest, ListCustomersRequest, ListCustomersResponse,
    ListOrder, RecordSource, RowFilter,
};
use tonic::{Request, Status};

use crate::fixture::{House, account, cells, clear, contact, euros, option, person, shown, text, unmapped};

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

#[tokio::test]
async fn a_list_is_narrowed_by_option_mark_and_parked_record_and_counted() {
    let house = House::new().await;
    let batch = house
        .batch(Account, 1)
        .live(&account(1), &[text("a"), euros("10"), option("smb")])
        .live(&account(2), &[text("b"), euros("20"), option("enterprise")])
        .live(&account(3), &[text("c"), euros("30"), unmapped(Some("smb"))]);
    house.applied(batch).await;
    house.applied(house.batch(Account, 2).fault(&account(2), "number_out_of_range")).await;
    house.applied(house.batch(Account, 3).gone(&account(1), IdentityState::Deleted, "")).await;
    let names = async |filter: RowFilter| {
        let page = list(&house, |request| {
            request.filter = Some(filter);
            request.order = ListOrder::Name.into();
            request.count_total = true;
        });
        let page = page.await.unwrap();
        assert_eq!(page.total_size, i64::try_from(page.customers.len()).ok());
        page.customers.iter().map(|customer| shown(&customer.fields, "name")).collect::<Vec<_>>().join("")
    };
    assert_eq!(names(RowFilter::default()).await, "bc");
    assert_eq!(names(RowFilter { tiers: vec!["smb".to_owned()], ..Default::default() }).await, "c");
    assert_eq!(names(RowFilter { statuses: vec!["active".to_owned()], ..Default::default() }).await, "");
    assert_eq!(names(RowFilter { unmapped_only: true, ..Default::default() }).await, "c");
    assert_eq!(names(RowFilter { parked_only: true, ..Default::default() }).await, "b");
    assert_eq!(names(RowFilter { archived_only: true, ..Default::default() }).await, "a");
    let by_id = list(&house, |request| request.search = account(2)).await.unwrap();
    assert_eq!((by_id.customers.len(), by_id.total_size), (1, None));
}

#[tokio::test]
async fn every_order_pages_through_every_row_once() {
    let house = House::new().await;
    let mut batch = house.batch(Account, 1);
    for number in 0..12 {
        // Equal names and equal amounts, in another order than the ids.
        let arr = if number % 4 == 0 { clear() } else { euros(&format!("{}", number % 3)) };
        batch = batch.live(&account(number), &[text(["b", "A", "c"][number as usize % 3]), arr, option("smb")]);
    }
    house.applied(batch).await;
    let all = async |order: ListOrder, field: &str| {
        let (mut ids, mut values, mut token) = (Vec::new(), Vec::new(), String::new());
        loop {
            let page = list(&house, |request| {
                request.page_size = 5;
                request.order = order.into();
                request.page_token = token.clone();
            });
            let page = page.await.unwrap();
            ids.extend(page.customers.iter().map(|customer| customer.id.clone()));
            values.extend(page.customers.iter().map(|customer| shown(&customer.fields, field)));
            token = page.next_page_token;
            if token.is_empty() {
                break;
            }
        }
        ids.sort();
        ids.dedup();
        assert_eq!(ids.len(), 12, "{order:?}");
        values.dedup();
        values.join(" ")
    };
    assert_eq!(all(ListOrder::Name, "name").await, "A b c");
    assert_eq!(all(ListOrder::Arr, "arr").await, "2 EUR 1 EUR 0 EUR ");
    all(ListOrder::Updated, "name").await;
    all(ListOrder::Id, "name").await;

    let contacts =
        house.batch(Contact, 2).live_at(&contact(1), &account(1), &person("zed")).live(&contact(2), &person("Abe"));
    house.applied(contacts).await;
    let people = async |change: fn(&mut ListContactsRequest)| {
        let mut request = ListContactsRequest {
            workspace_id: house.workspace.to_string(),
            order: ListOrder::Name.into(),
            count_total: true,
            ..Default::default()
        };
        change(&mut request);
        house.writer.customer_service().list_contacts(Request::new(request)).await.map(tonic::Response::into_inner)
    };
    let names =
        |page: &ListContactsResponse| page.contacts.iter().map(|one| shown(&one.fields, "name")).collect::<Vec<_>>();
    assert_eq!(names(&people(|_| ()).await.unwrap()), ["Abe", "zed"]);
    assert_eq!(people(|request| request.search = "SOMEONE@".to_owned()).await.unwrap().total_size, Some(2));
    assert_eq!(people(|request| request.search = "example.com".to_owned()).await.unwrap().total_size, Some(0));
    let refused = people(|request| request.order = ListOrder::Arr.into()).await.unwrap_err();
    assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    let customer = house.customer(&account(1)).await.unwrap().id;
    let request = ListContactsRequest {
        workspace_id: house.workspace.to_string(),
        customer_id: customer,
        order: ListOrder::Updated.into(),
        count_total: true,
        ..Default::default()
    };
    let page = house.writer.customer_service().list_contacts(Request::new(request)).await.unwrap().into_inner();
    assert_eq!((names(&page), page.total_size), (vec!["zed".to_owned()], Some(1)));
}
