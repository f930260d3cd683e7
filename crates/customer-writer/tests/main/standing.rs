//! What stands in Lane, whoever put it there; and what a disconnect leaves.

use contract::common::v1::SalesforceObject::{Account, Contact};
use contract::event::v1::IdentityState;
use contract::writer::v1::customer_service_server::CustomerService;
use contract::writer::v1::standing_service_server::StandingService;
use contract::writer::v1::{
    CreateCustomerRequest, ListStandingValuesRequest, PreviewDisconnectRequest, StandingRecord, UpdateCustomerRequest,
};
use prost_types::FieldMask;
use tonic::{Request, Status};

use crate::fixture::{House, account, cells, contact, person, shown, text_value};

async fn standing(
    house: &House,
    change: impl FnOnce(&mut ListStandingValuesRequest),
) -> Result<Vec<StandingRecord>, Status> {
    let mut request = ListStandingValuesRequest {
        workspace_id: house.workspace.to_string(),
        object: Account.into(),
        fields: vec!["phone".to_owned(), "custom_region".to_owned()],
        ..Default::default()
    };
    change(&mut request);
    let answer = house.writer.standing_service().list_standing_values(Request::new(request)).await?;
    Ok(answer.into_inner().records)
}

async fn edit(house: &House, key: &str, phone: &str) {
    let id = house.customer(key).await.unwrap().id;
    let request = UpdateCustomerRequest {
        workspace_id: house.workspace.to_string(),
        id,
        fields: vec![text_value("phone", phone)],
        update_mask: Some(FieldMask { paths: vec!["phone".to_owned()] }),
        etag: String::new(),
    };
    house.writer.customer_service().update_customer(Request::new(request)).await.unwrap();
}

#[tokio::test]
async fn values_that_people_typed_are_told_by_record_page_by_page() {
    let house = House::new().await;
    let mut batch = house.batch(Account, 1);
    for number in 1..=5 {
        batch = batch.live(&account(number), &cells(&format!("Customer {number}")));
    }
    house.applied(batch).await;
    for number in [1, 3, 4] {
        edit(&house, &account(number), &format!("+{number}")).await;
    }
    // An archived row is written by nobody.
    house.applied(house.batch(Account, 2).gone(&account(4), IdentityState::Deleted, "")).await;
    let first = standing(&house, |request| request.page_size = 1).await.unwrap().remove(0);
    assert_eq!((first.id.as_str(), first.name.as_str()), (account(1).as_str(), "Customer 1"));
    assert_eq!((shown(&first.fields, "phone").as_str(), first.fields[0].locked_by.as_str()), ("+1", ""));
    let rest = standing(&house, |request| request.after_id = account(1)).await.unwrap();
    assert_eq!(rest.iter().map(|row| row.id.clone()).collect::<Vec<_>>(), [account(3)]);
    let asked = standing(&house, |request| request.ids = vec![account(2), account(3)]).await.unwrap();
    assert_eq!(asked.iter().map(|row| row.fields.len()).collect::<Vec<_>>(), [0, 1]);
    let locked = standing(&house, |request| request.fields = vec!["arr".to_owned()]).await.unwrap();
    assert_eq!((locked.len(), locked[0].fields[0].locked_by.as_str()), (4, "Account.AnnualRevenue"));
    for wrong in [vec![], vec!["nope".to_owned()]] {
        let refused = standing(&house, |request| request.fields = wrong).await.unwrap_err();
        assert_eq!(refused.code(), tonic::Code::InvalidArgument);
    }
}

#[tokio::test]
async fn a_disconnect_leaves_rows_and_unlocks_fields() {
    let house = House::new().await;
    let preview = async || {
        let request = PreviewDisconnectRequest { workspace_id: house.workspace.to_string() };
        house.writer.standing_service().preview_disconnect(Request::new(request)).await.unwrap().into_inner()
    };
    assert_eq!((preview().await.customers, preview().await.unlocks.len()), (0, 0));
    house
        .applied(
            house
                .batch(Account, 1)
                .live(&account(1), &cells("a"))
                .live(&account(2), &cells("b"))
                .fault(&account(9), "x"),
        )
        .await;
    house.applied(house.batch(Account, 2).gone(&account(2), IdentityState::Deleted, "")).await;
    house.applied(house.batch(Contact, 3).live(&contact(1), &person("p"))).await;
    let fields = vec![text_value("name", "by hand")];
    let own = CreateCustomerRequest { workspace_id: house.workspace.to_string(), fields };
    house.writer.customer_service().create_customer(Request::new(own)).await.unwrap();
    let told = preview().await;
    assert_eq!((told.customers, told.contacts, told.parked), (2, 1, 1));
    let unlocks: Vec<_> = told.unlocks.iter().map(|lock| lock.source.as_str()).collect();
    assert_eq!(unlocks, ["Account.AnnualRevenue", "Account.Name", "Account.Tier__c", "Contact.Email", "Contact.Name"]);
}
