//! One bad record harms only itself, and what can heal is never set aside.

use contract::common::v1::SalesforceObject::{Account, Unspecified};
use contract::event::v1::RunMode;
use contract::writer::v1::parked_service_server::ParkedService;
use contract::writer::v1::{
    Fixer, GroupParkedRecordsRequest, ListParkedRecordsRequest, ParkedRecord, RequeueParkedRecordsRequest,
};
use messaging::Outcome;
use tonic::Request;

use crate::fixture::{House, account, cells, euros, option, shown, text};

async fn parked(house: &House) -> Vec<ParkedRecord> {
    let request = ListParkedRecordsRequest { workspace_id: house.workspace.to_string(), ..Default::default() };
    house.writer.parked_service().list_parked_records(Request::new(request)).await.unwrap().into_inner().records
}

async fn codes(house: &House) -> Vec<(String, String)> {
    let mut codes: Vec<_> = parked(house).await.into_iter().map(|one| (one.id, one.code)).collect();
    codes.sort();
    codes
}

#[tokio::test]
async fn rule_13_a_newer_apply_clears_an_older_parked_row_and_a_late_fault_does_not_bring_it_back() {
    let house = House::new().await;
    let key = account(1);
    house.applied(house.batch(Account, 5).fault(&key, "number_out_of_range")).await;
    let row = parked(&house).await.remove(0);
    assert_eq!((row.id, row.field.as_str(), row.name.as_str()), (key.clone(), "Name", ""));
    assert_eq!(row.url, format!("https://acme.my.salesforce.com/{key}"));
    house.applied(house.batch(Account, 4).live(&key, &cells("older"))).await;
    let row = parked(&house).await.remove(0);
    assert_eq!((row.id.as_str(), row.name.as_str()), (key.as_str(), "older"), "its row in Lane has a name now");
    house.applied(house.batch(Account, 6).live(&key, &cells("newer"))).await;
    assert!(parked(&house).await.is_empty());
    house.applied(house.batch(Account, 5).fault(&key, "number_out_of_range")).await;
    assert!(parked(&house).await.is_empty());
}

#[tokio::test]
async fn records_that_can_t_be_kept_are_parked_by_code_and_their_neighbours_land() {
    let house = House::new().await;
    let batch = house
        .batch(Account, 5)
        .live(&account(1), &cells("fine"))
        .live(&account(2), &[text("nul \0"), euros("1"), option("smb")])
        .live(&account(3), &[euros("1"), euros("1"), option("smb")])
        .live(&account(4), &[text("x"), euros("1e400"), option("smb")])
        .live(&account(5), &[text("short")])
        .live("003Kd0000000001", &cells("other object"))
        .live("nonsense", &cells("no id"));
    house.applied(batch).await;
    let bad = codes(&house).await;
    let contact = crate::fixture::contact(1);
    let expected = [
        (String::new(), "id_invalid"),
        (account(2), "text_invalid"),
        (account(3), "type_mismatch"),
        (account(4), "number_out_of_range"),
        (account(5), "message_invalid"),
        (contact, "id_invalid"),
    ];
    assert_eq!(bad.iter().map(|(id, code)| (id.clone(), code.as_str())).collect::<Vec<_>>(), expected);
    assert_eq!(shown(&house.customer(&account(1)).await.unwrap().fields, "name"), "fine");
}

#[tokio::test]
async fn rule_13_a_record_that_postgres_refuses_is_found_among_its_neighbours() {
    let house = House::new().await;
    sqlx::query("alter table customers.customer add constraint poison check (name <> 'poison')")
        .execute(&house.admin)
        .await
        .unwrap();
    let mut batch = house.batch(Account, 5);
    for number in 0..40 {
        batch = batch.live(&account(number), &cells(if number == 17 || number == 30 { "poison" } else { "fine" }));
    }
    // Together with a chunk that has nothing to do with it.
    let other = house.batch(Account, 6).live(&account(99), &cells("fine")).build();
    assert_eq!(house.writer.apply(vec![batch.build(), other]).await, [Outcome::Done; 2]);
    let expected = [(account(17), "constraint_violated".to_owned()), (account(30), "constraint_violated".to_owned())];
    assert_eq!(codes(&house).await, expected);
    for number in [0, 16, 18, 39, 99] {
        assert!(house.customer(&account(number)).await.is_ok(), "{number}");
    }
}

#[tokio::test]
async fn rule_13_a_failure_of_unknown_kind_parks_after_five_that_we_counted_ourselves() {
    let house = House::new().await;
    for statement in [
        "create function customers.fail() returns trigger language plpgsql as $$
         begin raise exception 'unforeseen' using errcode = 'XX123'; end $$",
        "create trigger fail before insert on customers.customer for each row when (new.name = 'poison')
         execute function customers.fail()",
    ] {
        sqlx::query(statement).execute(&house.admin).await.unwrap();
    }
    let batch = house.batch(Account, 5).live(&account(1), &cells("poison")).live(&account(2), &cells("fine"));
    for _ in 0..4 {
        assert_eq!(house.apply(batch.clone()).await, Outcome::Retry { reason: "write_failed" });
        assert!(parked(&house).await.is_empty());
    }
    house.applied(batch).await;
    assert_eq!(codes(&house).await, [(account(1), "write_refused".to_owned())]);
    assert!(house.customer(&account(2)).await.is_ok());
    let counted: i64 =
        sqlx::query_scalar("select count(*) from customers.chunk_failure").fetch_one(&house.admin).await.unwrap();
    assert_eq!(counted, 0);
}

#[tokio::test]
async fn rule_13_a_transient_failure_never_parks_however_often() {
    let house = House::new().await;
    for statement in [
        "create function customers.fail() returns trigger language plpgsql as $$
         begin raise exception 'no room' using errcode = '53100'; end $$",
        "create trigger fail before insert on customers.customer for each row execute function customers.fail()",
    ] {
        sqlx::query(statement).execute(&house.admin).await.unwrap();
    }
    let batch = house.batch(Account, 5).live(&account(1), &cells("x"));
    for _ in 0..8 {
        assert_eq!(house.apply(batch.clone()).await, Outcome::Retry { reason: "dependency_unavailable" });
    }
    assert!(parked(&house).await.is_empty());
    sqlx::query("drop trigger fail on customers.customer").execute(&house.admin).await.unwrap();
    house.applied(batch).await;
}

#[tokio::test]
async fn rule_12_a_chunk_that_could_not_be_mapped_is_parked_as_a_whole_until_it_comes_newer() {
    let house = House::new().await;
    let unreadable = house.batch(Account, 5).fault("", "page_invalid");
    let again = unreadable.clone().change(|batch| batch.faults.clear()).reference(|reference| reference.read_seq = 6);
    house.applied(unreadable).await;
    assert_eq!(codes(&house).await, [(String::new(), "page_invalid".to_owned())]);
    house.applied(again).await;
    assert!(parked(&house).await.is_empty());
}

#[tokio::test]
async fn parked_records_are_asked_for_again_once_and_shown_so() {
    let house = House::new().await;
    house.applied(house.batch(Account, 5).fault(&account(1), "a").fault(&account(2), "b").fault("", "c")).await;
    let requeue = async |ids: Vec<String>| {
        let request = RequeueParkedRecordsRequest {
            workspace_id: house.workspace.to_string(),
            object: Unspecified.into(),
            ids,
            group: None,
        };
        let answer = house.writer.parked_service().requeue_parked_records(Request::new(request)).await.unwrap();
        answer.into_inner().records.len()
    };
    assert_eq!(requeue(vec![account(1)]).await, 1);
    let marked: Vec<_> = parked(&house).await.into_iter().filter(|one| one.requeue_time.is_some()).collect();
    assert_eq!(marked.len(), 1);
    assert_eq!(requeue(Vec::new()).await, 3);
    // No apply of a record could ever clear a whole chunk: asking for it again does.
    assert_eq!(parked(&house).await.len(), 2);
}

#[tokio::test]
async fn a_fault_of_a_replay_counts_as_old_as_the_image_it_mapped() {
    let house = House::new().await;
    let key = account(1);
    house.applied(house.batch(Account, 70).live(&key, &cells("read"))).await;
    let replay = house
        .batch(Account, 3)
        .mapping(2, &["name", "arr", "tier"])
        .fault(&key, "number_out_of_range")
        .change(|batch| batch.mode = RunMode::Replay.into());
    house.applied(replay).await;
    assert_eq!(codes(&house).await, [(key.clone(), "number_out_of_range".to_owned())]);
    let healed = house.batch(Account, 70).mapping(3, &["name", "arr", "tier"]).live(&key, &cells("healed"));
    house.applied(healed).await;
    assert!(parked(&house).await.is_empty());
}

#[tokio::test]
async fn parked_records_are_grouped_by_reason_with_what_to_do_and_a_group_is_asked_for_again() {
    let house = House::new().await;
    let mut batch = house.batch(Account, 5).fault(&account(50), "name_missing");
    for number in 1..=7 {
        batch = batch.fault(&account(number), "number_out_of_range");
    }
    house.applied(batch).await;
    let groups = async || {
        let request = GroupParkedRecordsRequest { workspace_id: house.workspace.to_string() };
        house.writer.parked_service().group_parked_records(Request::new(request)).await.unwrap().into_inner().groups
    };
    let told = groups().await;
    let counts: Vec<_> = told.iter().map(|group| (group.key.as_ref().unwrap().code.as_str(), group.count)).collect();
    assert_eq!(counts, [("number_out_of_range", 7), ("name_missing", 1)]);
    assert_eq!((told[0].samples.len(), told[0].fixer()), (5, Fixer::SalesforceUser));
    assert!(
        told.iter()
            .all(|group| !group.title.is_empty() && !group.remedy.is_empty() && group.newest_park_time.is_some())
    );

    let key = told[1].key.clone();
    let request = ListParkedRecordsRequest {
        workspace_id: house.workspace.to_string(),
        group: key.clone(),
        ..Default::default()
    };
    let listed = house.writer.parked_service().list_parked_records(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(listed.records.iter().map(|record| record.id.clone()).collect::<Vec<_>>(), [account(50)]);
    let requeue = async |object: contract::common::v1::SalesforceObject| {
        let request = RequeueParkedRecordsRequest {
            workspace_id: house.workspace.to_string(),
            object: object.into(),
            ids: Vec::new(),
            group: key.clone(),
        };
        house.writer.parked_service().requeue_parked_records(Request::new(request)).await
    };
    assert_eq!(requeue(Unspecified).await.unwrap().into_inner().records.len(), 1);
    assert_eq!(
        requeue(contract::common::v1::SalesforceObject::Lead).await.unwrap_err().code(),
        tonic::Code::InvalidArgument
    );
    assert_eq!(groups().await.iter().map(|group| group.requeued).collect::<Vec<_>>(), [0, 1]);
}
