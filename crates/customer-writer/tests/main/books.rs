//! The books that tell when a run is complete, and what closes a run early.

use contract::common::v1::SalesforceObject::{Account, Contact};
use contract::event::v1::{IdentityState, RunMode};
use contract::writer::v1::apply_service_server::ApplyService;
use contract::writer::v1::{
    AppliedChunk, GetCountsRequest, ListAccountContactsRequest, ListAppliedChunksRequest, ListUnseenRecordsRequest,
};
use domain::RunId;
use messaging::Outcome;
use tonic::Request;

use crate::fixture::{Batch, House, account, cells, contact, person};

async fn applied(house: &House, run: RunId, after: i64) -> Vec<AppliedChunk> {
    let request = ListAppliedChunksRequest {
        workspace_id: house.workspace.to_string(),
        run_id: run.to_string(),
        after_position: after,
        page_size: 0,
    };
    house.writer.apply_service().list_applied_chunks(Request::new(request)).await.unwrap().into_inner().chunks
}

fn in_run(batch: Batch, run: RunId, page: u32) -> Batch {
    batch.reference(|reference| {
        reference.run_id = run.to_string();
        reference.page = page;
    })
}

#[tokio::test]
async fn rule_12_a_chunk_is_booked_once_whatever_the_number_of_deliveries_even_if_empty_or_stale() {
    let house = House::new().await;
    let run = RunId::generate();
    let full = in_run(house.batch(Account, 5).live(&account(1), &cells("x")), run, 0);
    for _ in 0..3 {
        house.applied(full.clone()).await;
    }
    house.applied(in_run(house.batch(Account, 6), run, 1)).await;
    house.applied(in_run(house.batch(Account, 4).live(&account(1), &cells("older")), run, 2)).await;
    let chunks = applied(&house, run, 0).await;
    let seen: Vec<_> = chunks.iter().map(|chunk| (chunk.page, chunk.read_seq, chunk.mapped, chunk.written)).collect();
    assert_eq!(seen, [(0, 5, 1, 1), (1, 6, 0, 0), (2, 4, 1, 1)]);
    assert_eq!(applied(&house, run, chunks[1].position).await, chunks[2..]);
}

#[tokio::test]
async fn rule_12_a_chunk_in_parts_is_booked_with_its_last_part() {
    let house = House::new().await;
    let run = RunId::generate();
    let part = |part: u32, number: u32| {
        in_run(house.batch(Account, 5).live(&account(number), &cells("x")), run, 0).change(|batch| {
            batch.part = part;
            batch.parts = 2;
        })
    };
    house.applied(part(1, 1)).await;
    house.applied(part(1, 1)).await;
    assert!(applied(&house, run, 0).await.is_empty());
    house.applied(in_run(house.batch(Account, 6), run, 1)).await;
    let first = applied(&house, run, 0).await[0].position;
    house.applied(part(0, 2)).await;
    // A caller that already saw a later position must still be told.
    let chunks = applied(&house, run, first).await;
    assert_eq!(chunks.len(), 1);
    assert_eq!((chunks[0].page, chunks[0].mapped, chunks[0].written), (0, 2, 2));
}

#[tokio::test]
async fn rule_4_a_superseded_batch_writes_nothing_and_counts_as_applied() {
    let house = House::new().await;
    house.set_mapping(3, &["name"], Vec::new()).await;
    let run = RunId::generate();
    house.applied(in_run(house.batch(Account, 5).live(&account(1), &cells("x")), run, 0)).await;
    assert!(house.customer(&account(1)).await.is_err());
    let chunks = applied(&house, run, 0).await;
    assert_eq!((chunks[0].mapped, chunks[0].written), (1, 0));
}

#[tokio::test]
async fn rule_16_a_lower_epoch_ends_without_effect_and_a_higher_one_waits_until_told() {
    let house = House::new().await;
    let run = RunId::generate();
    let newer = || house.batch(Account, 9).epoch(3).live(&account(2), &cells("new connection"));
    assert_eq!(house.apply(newer()).await, Outcome::Retry { reason: "epoch_not_told" });
    house.tell(2, 2, false, false).await;
    house.applied(in_run(house.batch(Account, 5).live(&account(1), &cells("ended")), run, 0)).await;
    assert!(house.customer(&account(1)).await.is_err());
    assert_eq!(applied(&house, run, 0).await[0].written, 0);
    house.tell(3, 3, true, false).await;
    house.applied(newer()).await;
    assert!(house.customer(&account(2)).await.is_ok());
}

#[tokio::test]
async fn rule_16_a_reconnect_adopts_the_rows_by_id_and_older_news_of_the_state_change_nothing() {
    let house = House::new().await;
    house.applied(house.batch(Account, 5).live(&account(1), &cells("before"))).await;
    let id = house.customer(&account(1)).await.unwrap().id;
    house.tell(3, 3, true, false).await;
    house.tell(2, 2, false, true).await;
    house.applied(house.batch(Account, 1).epoch(3).live(&account(1), &cells("after"))).await;
    assert_eq!(house.customer(&account(1)).await.unwrap().id, id);
}

#[tokio::test]
async fn rule_17_a_downgrade_lets_what_was_read_finish() {
    use contract::admin::v1::SetWorkspaceStateRequest;
    use contract::admin::v1::workspace_state_service_server::WorkspaceStateService;
    let house = House::new().await;
    let request = SetWorkspaceStateRequest {
        workspace_id: house.workspace.to_string(),
        revision: 2,
        epoch: 1,
        plan: contract::common::v1::Plan::Starter.into(),
        connected: true,
        ..SetWorkspaceStateRequest::default()
    };
    house.writer.workspace_state_service().set_workspace_state(Request::new(request)).await.unwrap();
    house.applied(house.batch(Account, 5).live(&account(1), &cells("read before"))).await;
    let customer = house.customer(&account(1)).await.unwrap();
    assert!(customer.fields.iter().any(|field| field.locked_by == "Account.Name"));
}

#[tokio::test]
async fn a_workspace_that_nobody_told_us_of_waits() {
    let house = House::new().await;
    let stranger = domain::WorkspaceId::generate();
    let batch = Batch::new(stranger, Account, 1).live(&account(1), &cells("x"));
    assert_eq!(house.apply(batch).await, Outcome::Retry { reason: "workspace_unknown" });
}

#[tokio::test]
async fn rule_5_a_replay_is_booked_under_its_own_number() {
    let house = House::new().await;
    let run = RunId::generate();
    house.applied(house.batch(Account, 70).live(&account(1), &cells("read"))).await;
    let replay = house
        .batch(Account, 70)
        .mapping(2, &["name", "arr", "tier"])
        .live(&account(1), &cells("mapped anew"))
        .change(|batch| batch.mode = RunMode::Replay.into());
    house.applied(in_run(replay, run, 0).reference(|reference| reference.read_seq = 3)).await;
    assert_eq!(applied(&house, run, 0).await[0].read_seq, 3);
    let fields = house.customer(&account(1)).await.unwrap().fields;
    assert_eq!(crate::fixture::shown(&fields, "name"), "mapped anew");
}

#[tokio::test]
async fn rule_15_records_that_a_run_did_not_bring_are_found_by_their_read() {
    let house = House::new().await;
    house.applied(house.batch(Account, 5).live(&account(1), &cells("old")).live(&account(2), &cells("deleted"))).await;
    house.applied(house.batch(Account, 6).gone(&account(2), IdentityState::Deleted, "")).await;
    house.applied(house.batch(Account, 6).gone(&account(3), IdentityState::NotVisible, "")).await;
    house.applied(house.batch(Account, 20).live(&account(4), &cells("new"))).await;
    let unseen = async |show_deleted, after_id: &str| {
        let request = ListUnseenRecordsRequest {
            workspace_id: house.workspace.to_string(),
            object: Account.into(),
            before_read_seq: 10,
            page_size: 0,
            after_id: after_id.to_owned(),
            show_deleted,
        };
        let answer =
            house.writer.apply_service().list_unseen_records(Request::new(request)).await.unwrap().into_inner();
        (answer.records.into_iter().map(|record| record.id).collect::<Vec<_>>(), answer.total)
    };
    assert_eq!(unseen(false, "").await, (vec![account(1), account(3)], 2));
    assert_eq!(unseen(true, &account(1)).await, (vec![account(2), account(3)], 3));
}

#[tokio::test]
async fn rule_10_the_contacts_of_an_account_are_told_for_reading_again() {
    let house = House::new().await;
    house.applied(house.batch(Contact, 1).live_at(&contact(1), &account(1), &person("a"))).await;
    house.applied(house.batch(Contact, 1).live_at(&contact(2), &account(2), &person("b"))).await;
    let request = ListAccountContactsRequest {
        workspace_id: house.workspace.to_string(),
        account_ids: vec![account(1)[..15].to_owned()],
    };
    let answer = house.writer.apply_service().list_account_contacts(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(answer.contact_ids, [contact(1)]);

    let request = GetCountsRequest { workspace_id: house.workspace.to_string() };
    let counts = house.writer.apply_service().get_counts(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(counts.live.iter().map(|one| one.count).collect::<Vec<_>>(), [0, 2, 0]);
}
