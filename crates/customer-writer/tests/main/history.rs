//! What was written is counted by the hour, once per apply, and told without holes.

use contract::common::v1::SalesforceObject::{Account, Contact};
use contract::event::v1::{IdentityState, RunMode};
use contract::writer::v1::apply_service_server::ApplyService;
use contract::writer::v1::history_service_server::HistoryService;
use contract::writer::v1::{Counts, GetCountsRequest, GetHistoryRequest, HistoryBucket};
use jiff::Timestamp;
use tonic::{Request, Status};

use crate::fixture::{House, account, cells, contact, person};

async fn history(house: &House, hours: i32) -> Result<Vec<HistoryBucket>, Status> {
    let request = GetHistoryRequest { workspace_id: house.workspace.to_string(), hours };
    let answer = house.writer.history_service().get_history(Request::new(request)).await?;
    Ok(answer.into_inner().buckets)
}

async fn counts(house: &House) -> Counts {
    let request = GetCountsRequest { workspace_id: house.workspace.to_string() };
    house.writer.apply_service().get_counts(Request::new(request)).await.unwrap().into_inner()
}

#[tokio::test]
async fn an_hour_counts_what_became_of_records_and_how_old_changes_were() {
    let house = House::new().await;
    assert_eq!(counts(&house).await.last_change_time, None);
    let young = Timestamp::now().as_millisecond() - 20_000;
    let batch = house
        .batch(Account, 5)
        .live(&account(1), &cells("a"))
        .live(&account(2), &cells("b"))
        .fault(&account(3), "number_out_of_range")
        .change(|batch| batch.records.iter_mut().for_each(|record| record.modified_ms = young));
    house.applied(batch).await;
    // A whole read is no news, however old its records are.
    let whole = house.batch(Account, 6).live(&account(1), &cells("a")).live(&account(2), &cells("changed"));
    house.applied(whole.change(|batch| batch.mode = RunMode::Resync.into())).await;
    house.applied(house.batch(Account, 7).gone(&account(2), IdentityState::Deleted, "")).await;
    house
        .applied(
            house
                .batch(Contact, 8)
                .live(&contact(1), &person("p"))
                .change(|batch| batch.mode = RunMode::Backfill.into()),
        )
        .await;

    let buckets = history(&house, 24).await.unwrap();
    assert_eq!(buckets.len(), 24);
    let starts: Vec<_> = buckets.iter().map(|bucket| bucket.start_time.unwrap().seconds).collect();
    assert!(starts.windows(2).all(|pair| pair[1] - pair[0] == 3_600), "{starts:?}");
    // The hour may have turned while the test ran.
    let sum = |of: fn(&contract::writer::v1::RecordTally) -> i64| {
        buckets.iter().filter_map(|bucket| bucket.records.as_ref()).map(of).sum::<i64>()
    };
    let told = [
        sum(|all| all.created),
        sum(|all| all.updated),
        sum(|all| all.unchanged),
        sum(|all| all.deleted),
        sum(|all| all.parked),
    ];
    assert_eq!(told, [3, 1, 1, 1, 1]);
    let fresh = buckets.iter().find(|bucket| bucket.fresh_count > 0).unwrap();
    assert_eq!(fresh.fresh_count, 2);
    assert!((20..=30).contains(&fresh.freshness_p50.unwrap().seconds), "{fresh:?}");
    assert!((20..40).contains(&fresh.freshness_max.unwrap().seconds), "{fresh:?}");

    let counts = counts(&house).await;
    let day = counts.last_day.unwrap();
    assert_eq!((day.created, day.updated, day.unchanged, day.deleted, day.parked), (3, 1, 1, 1, 1));
    assert!(counts.last_change_time.is_some() && counts.oldest_park_time.is_some());
}

#[tokio::test]
async fn what_changes_nothing_moves_no_time_of_change_and_old_hours_are_left_out() {
    let house = House::new().await;
    house.applied(house.batch(Account, 1).live(&account(1), &cells("a"))).await;
    let changed = counts(&house).await.last_change_time;
    house.applied(house.batch(Account, 2).live(&account(1), &cells("a"))).await;
    assert_eq!(counts(&house).await.last_change_time, changed);
    sqlx::query("update customers.history set hour = hour - interval '3 hours'").execute(&house.admin).await.unwrap();
    assert!(history(&house, 3).await.unwrap().iter().all(|bucket| bucket.records == Some(Default::default())));
    assert_eq!(history(&house, 336).await.unwrap().len(), 336);
    for wrong in [-1, 337] {
        assert_eq!(history(&house, wrong).await.unwrap_err().code(), tonic::Code::InvalidArgument);
    }
}
