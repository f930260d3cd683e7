//! Rows never go back in time, and only mapped columns are written.

use contract::common::v1::SalesforceObject::{Account, Contact};
use contract::event::v1::IdentityState;
use messaging::Outcome;

use crate::fixture::{
    House, absent, account, cells, clear, contact, euros, option, person, shown, text, unmapped, unmapped_after_empty,
};

#[tokio::test]
async fn an_older_version_loses_in_each_of_its_parts() {
    let house = House::new().await;
    house.tell(2, 2, true, false).await;
    let key = account(1);
    let at = |read_seq, revision, name: &str| {
        house
            .batch(Account, read_seq)
            .epoch(2)
            .mapping(2, &["name", "arr", "tier"])
            .live(&key, &cells(name))
            .change(|batch| batch.records[0].revision = revision)
    };
    house.applied(at(7, 3, "newest")).await;
    for (read_seq, revision, epoch) in [(7, 2, 2), (6, 9, 2), (99, 9, 1), (7, 3, 2)] {
        house.applied(at(read_seq, revision, "older").epoch(epoch)).await;
        let customer = house.customer(&key).await.unwrap();
        assert_eq!(shown(&customer.fields, "name"), "newest", "{read_seq} {revision} {epoch}");
    }
    house.applied(at(7, 4, "newer revision")).await;
    house.applied(at(7, 0, "newer mapping").mapping(3, &["name", "arr", "tier"])).await;
    assert_eq!(shown(&house.customer(&key).await.unwrap().fields, "name"), "newer mapping");
}

#[tokio::test]
async fn an_unchanged_row_keeps_its_etag_but_remembers_the_newest_read() {
    let house = House::new().await;
    let key = account(1);
    house.applied(house.batch(Account, 5).live(&key, &cells("same"))).await;
    let before = house.customer(&key).await.unwrap();
    house.applied(house.batch(Account, 9).live(&key, &cells("same"))).await;
    assert_eq!(house.customer(&key).await.unwrap().etag, before.etag);
    // Read between the two, delivered after both.
    house.applied(house.batch(Account, 7).live(&key, &cells("older"))).await;
    assert_eq!(shown(&house.customer(&key).await.unwrap().fields, "name"), "same");
}

#[tokio::test]
async fn of_a_key_that_stands_twice_in_a_batch_the_newest_is_written() {
    let house = House::new().await;
    let key = account(1);
    let twice = house
        .batch(Account, 5)
        .live(&key, &cells("newer"))
        .live(&key, &cells("older"))
        .change(|batch| batch.records[1].read_seq = 4);
    house.applied(twice).await;
    assert_eq!(shown(&house.customer(&key).await.unwrap().fields, "name"), "newer");
}

#[tokio::test]
async fn chunks_applied_together_end_as_applied_one_by_one() {
    let house = House::new().await;
    let batches = vec![
        house.batch(Account, 6).live(&account(1), &cells("newer")).build(),
        house.batch(Account, 5).live(&account(1), &cells("older")).live(&account(2), &cells("other")).build(),
        house.batch(Contact, 7).live_at(&contact(1), &account(2), &person("someone")).build(),
    ];
    assert_eq!(house.writer.apply(batches).await, vec![Outcome::Done; 3]);
    assert_eq!(shown(&house.customer(&account(1)).await.unwrap().fields, "name"), "newer");
    let customer = house.customer(&account(2)).await.unwrap();
    assert_eq!(house.contact(&contact(1)).await.unwrap().customer_id, customer.id);
}

#[tokio::test]
async fn rule_1_absent_leaves_a_field_alone_and_null_clears_it() {
    let house = House::new().await;
    let key = account(1);
    house.applied(house.batch(Account, 1).live(&key, &cells("name"))).await;
    house.applied(house.batch(Account, 2).live(&key, &[absent(), clear(), absent()])).await;
    let fields = house.customer(&key).await.unwrap().fields;
    assert_eq!(shown(&fields, "name"), "name");
    assert_eq!(shown(&fields, "arr"), "");
    assert_eq!(shown(&fields, "tier"), "smb");
}

#[tokio::test]
async fn rule_18_an_unmapped_value_keeps_the_old_one_and_marks_the_field() {
    let house = House::new().await;
    let key = account(1);
    let tier = async || {
        let fields = house.customer(&key).await.unwrap().fields;
        let mark = fields.iter().find(|field| field.field == "tier").unwrap().unmapped;
        (shown(&fields, "tier"), mark)
    };
    house.applied(house.batch(Account, 1).live(&key, &cells("name"))).await;
    house.applied(house.batch(Account, 2).live(&key, &[text("name"), euros("1"), unmapped(None)])).await;
    assert_eq!(tier().await, ("smb".to_owned(), true));
    // The newest mapped value known travels with the mark, so it arrives even if its own image never did.
    house.applied(house.batch(Account, 3).live(&key, &[text("name"), euros("1"), unmapped(Some("enterprise"))])).await;
    assert_eq!(tier().await, ("enterprise".to_owned(), true));
    house.applied(house.batch(Account, 4).live(&key, &[text("name"), euros("1"), clear()])).await;
    assert_eq!(tier().await, (String::new(), false));
    house.applied(house.batch(Account, 5).live(&key, &[text("name"), euros("1"), option("smb")])).await;
    assert_eq!(tier().await, ("smb".to_owned(), false));
    // Between the two the field was empty, in an image that is still on its way.
    house.applied(house.batch(Account, 7).live(&key, &[text("name"), euros("1"), unmapped_after_empty()])).await;
    assert_eq!(tier().await, (String::new(), true));
}

#[tokio::test]
async fn rule_8_a_tombstone_keeps_older_images_out_and_an_undelete_brings_the_same_id_back() {
    let house = House::new().await;
    let key = account(1);
    house.applied(house.batch(Account, 1).live(&key, &cells("first"))).await;
    let id = house.customer(&key).await.unwrap().id;
    house.applied(house.batch(Account, 5).gone(&key, IdentityState::Deleted, "")).await;
    assert!(house.customer(&key).await.unwrap().archive_time.is_some());
    house.applied(house.batch(Account, 4).live(&key, &cells("late"))).await;
    assert!(house.customer(&key).await.unwrap().archive_time.is_some());
    house.applied(house.batch(Account, 6).live(&key, &cells("back"))).await;
    let back = house.customer(&key).await.unwrap();
    assert_eq!((back.id, back.archive_time), (id, None));
    assert_eq!(shown(&back.fields, "name"), "back");
}

#[tokio::test]
async fn rule_8_a_tombstone_of_a_record_never_seen_is_no_customer_but_keeps_its_older_image_out() {
    let house = House::new().await;
    let key = account(1);
    house.applied(house.batch(Account, 5).gone(&key, IdentityState::Deleted, "")).await;
    assert_eq!(house.customer(&key).await.unwrap_err().code(), tonic::Code::NotFound);
    house.applied(house.batch(Account, 4).live(&key, &cells("late"))).await;
    assert!(house.customer(&key).await.unwrap().archive_time.is_some());
}

#[tokio::test]
async fn rule_9_a_hidden_record_is_kept_and_shown_as_hidden() {
    let house = House::new().await;
    let key = account(1);
    house.applied(house.batch(Account, 1).live(&key, &cells("kept"))).await;
    house.applied(house.batch(Account, 2).gone(&key, IdentityState::NotVisible, "")).await;
    let customer = house.customer(&key).await.unwrap();
    assert_eq!((shown(&customer.fields, "name").as_str(), customer.archive_time), ("kept", None));
    assert!(customer.salesforce.unwrap().not_visible_since.is_some());
}

#[tokio::test]
async fn rule_9_an_image_that_comes_after_its_record_was_hidden_is_still_shown() {
    let house = House::new().await;
    let key = account(1);
    house.applied(house.batch(Account, 9).gone(&key, IdentityState::NotVisible, "")).await;
    house.applied(house.batch(Account, 5).live(&key, &cells("late"))).await;
    house.applied(house.batch(Account, 4).live(&key, &cells("later still"))).await;
    let customer = house.customer(&key).await.unwrap();
    assert_eq!(shown(&customer.fields, "name"), "late");
    assert!(customer.salesforce.unwrap().not_visible_since.is_some());
}
