//! Merges, conversions, links.

use contract::common::v1::SalesforceObject::{Account, Contact, Lead};
use contract::event::v1::IdentityState::{Converted, Deleted, Merged};
use contract::writer::v1::customer_service_server::CustomerService;
use contract::writer::v1::{
    CreateContactRequest, ListContactsRequest, ListCustomerChangesRequest, UpdateCustomerRequest,
};
use tonic::Request;

use crate::fixture::{House, account, cells, contact, lead, person, shown, text_value};

async fn contacts_of(house: &House, customer: &str) -> Vec<String> {
    let request = ListContactsRequest {
        workspace_id: house.workspace.to_string(),
        customer_id: customer.to_owned(),
        ..ListContactsRequest::default()
    };
    let answer = house.writer.customer_service().list_contacts(Request::new(request)).await.unwrap();
    let mut names: Vec<_> = answer.into_inner().contacts.iter().map(|contact| shown(&contact.fields, "name")).collect();
    names.sort();
    names
}

#[tokio::test]
async fn a_contact_that_comes_before_its_account_is_linked_once_it_arrives() {
    let house = House::new().await;
    house.applied(house.batch(Contact, 1).live_at(&contact(1), &account(1), &person("early"))).await;
    assert_eq!(house.contact(&contact(1)).await.unwrap().customer_id, "");
    house.applied(house.batch(Account, 2).live(&account(1), &cells("late"))).await;
    let customer = house.customer(&account(1)).await.unwrap();
    assert_eq!(house.contact(&contact(1)).await.unwrap().customer_id, customer.id);
}

#[tokio::test]
async fn rule_10_a_merge_moves_contacts_and_the_loser_s_id_becomes_an_alias() {
    let house = House::new().await;
    house.applied(house.batch(Account, 1).live(&account(1), &cells("older"))).await;
    house.applied(house.batch(Account, 2).live(&account(2), &cells("winner"))).await;
    let (loser, winner) = (house.customer(&account(1)).await.unwrap(), house.customer(&account(2)).await.unwrap());
    house.applied(house.batch(Contact, 3).live_at(&contact(1), &account(1), &person("of the loser"))).await;
    house.applied(house.batch(Contact, 3).live_at(&contact(2), &account(2), &person("of the winner"))).await;
    house.applied(house.batch(Account, 4).gone(&account(1), Merged, &account(2))).await;

    // The older Lane id continues, with the winner's values; each id and each key finds it.
    for found in [
        house.customer(&account(1)).await.unwrap(),
        house.customer(&account(2)).await.unwrap(),
        house.customer_by_id(&loser.id).await.unwrap(),
        house.customer_by_id(&winner.id).await.unwrap(),
    ] {
        assert_eq!((found.id.as_str(), shown(&found.fields, "name").as_str()), (loser.id.as_str(), "winner"));
        assert_eq!(found.archive_time, None);
        let origin = found.salesforce.unwrap();
        assert_eq!((origin.id, origin.alias_ids), (account(2), vec![account(1)]));
    }
    assert_eq!(contacts_of(&house, &loser.id).await, ["of the loser", "of the winner"]);
    assert_eq!(contacts_of(&house, &winner.id).await, ["of the loser", "of the winner"]);
    assert_eq!(house.contact(&contact(2)).await.unwrap().customer_id, loser.id);

    let request = ListCustomerChangesRequest { workspace_id: house.workspace.to_string(), ..Default::default() };
    let feed = house.writer.customer_service().list_customer_changes(Request::new(request)).await.unwrap().into_inner();
    let sequences: Vec<_> = feed.changes.iter().map(|change| change.sequence).collect();
    assert_eq!(sequences, (1..=sequences.len() as i64).collect::<Vec<_>>());
    let ended = feed.changes.iter().find(|change| !change.continued_by.is_empty()).unwrap();
    assert_eq!((&ended.customer_id, &ended.continued_by), (&winner.id, &loser.id));
}

#[tokio::test]
async fn rule_10_a_merge_target_may_arrive_later() {
    let house = House::new().await;
    house.applied(house.batch(Account, 1).live(&account(1), &cells("loser"))).await;
    let id = house.customer(&account(1)).await.unwrap().id;
    house.applied(house.batch(Account, 3).gone(&account(1), Merged, &account(2))).await;
    let alone = house.customer(&account(1)).await.unwrap();
    assert_eq!((alone.id.as_str(), alone.archive_time.is_some()), (id.as_str(), true));

    house.applied(house.batch(Account, 4).live(&account(2), &cells("winner"))).await;
    let joined = house.customer(&account(2)).await.unwrap();
    assert_eq!((joined.id.as_str(), joined.archive_time), (id.as_str(), None));
    assert_eq!(shown(&joined.fields, "name"), "winner");
}

#[tokio::test]
async fn rule_10_a_chain_of_merges_is_resolved_to_its_end() {
    let house = House::new().await;
    for (number, name) in [(1, "first"), (2, "second"), (3, "third")] {
        house.applied(house.batch(Account, number.into()).live(&account(number), &cells(name))).await;
    }
    let id = house.customer(&account(1)).await.unwrap().id;
    house.applied(house.batch(Account, 5).gone(&account(2), Merged, &account(3))).await;
    house.applied(house.batch(Account, 6).gone(&account(1), Merged, &account(2))).await;
    for number in 1..=3 {
        let found = house.customer(&account(number)).await.unwrap();
        assert_eq!((found.id.as_str(), shown(&found.fields, "name").as_str()), (id.as_str(), "third"));
    }
}

#[tokio::test]
async fn rule_10_a_newer_live_read_revives_the_row_of_the_loser_itself() {
    let house = House::new().await;
    house.applied(house.batch(Account, 1).live(&account(1), &cells("one")).live(&account(2), &cells("two"))).await;
    let (one, two) = (house.customer(&account(1)).await.unwrap().id, house.customer(&account(2)).await.unwrap().id);
    house.applied(house.batch(Account, 5).gone(&account(1), Merged, &account(2))).await;
    assert_eq!(house.customer(&account(2)).await.unwrap().id, one);
    house.applied(house.batch(Account, 9).live(&account(1), &cells("one again"))).await;
    let (back, other) = (house.customer(&account(1)).await.unwrap(), house.customer(&account(2)).await.unwrap());
    assert_eq!((back.id, shown(&back.fields, "name").as_str()), (one, "one again"));
    assert_eq!((other.id, shown(&other.fields, "name").as_str()), (two, "two"));
    // The merge, delivered once more, is older than the revival.
    house.applied(house.batch(Account, 5).gone(&account(1), Merged, &account(2))).await;
    assert_eq!(shown(&house.customer(&account(1)).await.unwrap().fields, "name"), "one again");
}

#[tokio::test]
async fn rule_10_of_a_cycle_the_newer_merge_stands() {
    let house = House::new().await;
    house.applied(house.batch(Account, 1).live(&account(1), &cells("one")).live(&account(2), &cells("two"))).await;
    house.applied(house.batch(Account, 5).gone(&account(1), Merged, &account(2))).await;
    house.applied(house.batch(Account, 7).gone(&account(2), Merged, &account(1))).await;
    let found = house.customer(&account(2)).await.unwrap();
    assert_eq!((shown(&found.fields, "name").as_str(), found.archive_time), ("one", None));
}

#[tokio::test]
async fn rule_10_a_converted_lead_goes_on_as_the_same_contact_under_the_contact_s_id() {
    let house = House::new().await;
    house.applied(house.batch(Account, 1).live(&account(1), &cells("account"))).await;
    house.applied(house.batch(Lead, 2).live(&lead(1), &person("lead"))).await;
    let id = house.contact(&lead(1)).await.unwrap().id;
    // The conversion may be seen on the lead before the contact is read.
    house.applied(house.batch(Lead, 4).gone(&lead(1), Converted, &contact(1))).await;
    let between = house.contact(&lead(1)).await.unwrap();
    assert_eq!((between.id.as_str(), between.archive_time), (id.as_str(), None));
    house.applied(house.batch(Contact, 5).live_at(&contact(1), &account(1), &person("contact"))).await;

    let after = house.contact(&lead(1)).await.unwrap();
    let origin = after.salesforce.unwrap();
    assert_eq!((after.id.as_str(), shown(&after.fields, "name").as_str()), (id.as_str(), "contact"));
    assert_eq!((origin.id, origin.alias_ids), (contact(1), vec![lead(1)]));
    assert_eq!(after.customer_id, house.customer(&account(1)).await.unwrap().id);
}

#[tokio::test]
async fn what_people_wrote_on_the_row_goes_on_with_its_id() {
    let house = House::new().await;
    house.applied(house.batch(Account, 1).live(&account(1), &cells("loser"))).await;
    house.applied(house.batch(Account, 2).live(&account(2), &cells("winner"))).await;
    let id = house.customer(&account(1)).await.unwrap().id;
    let request = UpdateCustomerRequest {
        workspace_id: house.workspace.to_string(),
        id,
        fields: vec![text_value("description", "knows everybody")],
        ..UpdateCustomerRequest::default()
    };
    house.writer.customer_service().update_customer(Request::new(request)).await.unwrap();
    house.applied(house.batch(Account, 4).gone(&account(1), Merged, &account(2))).await;
    let found = house.customer(&account(2)).await.unwrap();
    assert_eq!(shown(&found.fields, "name"), "winner");
    assert_eq!(shown(&found.fields, "description"), "knows everybody");
}

#[tokio::test]
async fn a_deleted_winner_archives_the_whole_group() {
    let house = House::new().await;
    house.applied(house.batch(Account, 1).live(&account(1), &cells("one")).live(&account(2), &cells("two"))).await;
    house.applied(house.batch(Account, 5).gone(&account(1), Merged, &account(2))).await;
    house.applied(house.batch(Account, 6).gone(&account(2), Deleted, "")).await;
    assert!(house.customer(&account(1)).await.unwrap().archive_time.is_some());
}

#[tokio::test]
async fn a_contact_made_by_hand_follows_its_customer_through_a_merge() {
    let house = House::new().await;
    house.applied(house.batch(Account, 1).live(&account(1), &cells("older"))).await;
    house.applied(house.batch(Account, 2).live(&account(2), &cells("younger"))).await;
    let (older, younger) =
        (house.customer(&account(1)).await.unwrap().id, house.customer(&account(2)).await.unwrap().id);
    let request = CreateContactRequest {
        workspace_id: house.workspace.to_string(),
        customer_id: younger.clone(),
        fields: vec![text_value("name", "by hand")],
    };
    let made = house.writer.customer_service().create_contact(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(made.customer_id, younger);
    house.applied(house.batch(Account, 4).gone(&account(1), Merged, &account(2))).await;
    assert_eq!(contacts_of(&house, &older).await, ["by hand"]);
}
