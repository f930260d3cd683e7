//! What people look at before they sync: access, samples, estimates; and since when a state holds.

use contract::common::v1::{Plan, RecordKind, SalesforceObject};
use contract::error::Reason;
use contract::extractor::v1::access_service_server::AccessService;
use contract::extractor::v1::sync_service_server::SyncService;
use contract::extractor::v1::{
    AccessReport, EstimateStartDatesRequest, EstimateSyncRequest, FieldAccess, FieldUse, GetAccessReportRequest,
    ObjectAccess, SampleFieldsRequest, StartDate, SyncState,
};
use contract::writer::v1::{Counts, RecordTally};
use domain::Object;
use extractor::AccessApi;
use salesforce_sim::{Command, Endpoint, Fault, FaultRule};
use serde_json::json;
use tonic::Request;

use crate::world::{Choice, World};

const ACCOUNT: &[Object] = &[Object::Account];

async fn report(world: &World, api: &AccessApi, refresh: bool) -> AccessReport {
    let request = GetAccessReportRequest { workspace_id: world.workspace.to_string(), refresh };
    api.get_access_report(Request::new(request)).await.unwrap().into_inner()
}

fn of(report: &AccessReport, object: SalesforceObject) -> &ObjectAccess {
    report.objects.iter().find(|access| access.object() == object).unwrap()
}

fn field<'a>(access: &'a ObjectAccess, path: &str) -> &'a FieldAccess {
    access.fields.iter().find(|field| field.path == path).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_report_tells_what_is_hidden_what_is_lost_and_what_it_cost() {
    let world = Choice::seeded(12, 5, 3).start_idle().await;
    let api = AccessApi::new(world.reader.clone());
    world.peered.feed(RecordKind::Account, "industry", "Industry", "");
    world.peered.feed(RecordKind::Contact, "email", "Email", "Email");
    world.order(Command::HideField { org: None, object: "Account".into(), field: "Industry".into(), hidden: true });
    world.order(Command::HideField { org: None, object: "Contact".into(), field: "AccountId".into(), hidden: true });
    world.order(Command::HideObject { org: None, object: "Lead".into(), hidden: true });

    let before = world.sim.stats().all_api_calls();
    let told = report(&world, &api, false).await;
    let made = world.sim.stats().all_api_calls() - before;
    assert_eq!(told.api_calls, i64::try_from(made).unwrap());
    assert!(made <= 9, "{made}");
    assert_eq!(told.username, "sync@oma.example");

    let account = of(&told, SalesforceObject::Account);
    assert_eq!((account.readable, account.visible_records), (true, Some(12)));
    let industry = field(account, "Industry");
    assert_eq!(
        (industry.r#use(), industry.readable, industry.lane_field.as_str()),
        (FieldUse::Mapped, false, "industry")
    );
    assert!(industry.permission.contains("Account.Industry") && industry.lost.contains("Industry"), "{industry:?}");
    assert_eq!(
        (field(account, "Rating").r#use(), field(account, "Website").r#use()),
        (FieldUse::Suggested, FieldUse::Standard)
    );
    assert!(field(account, "Website").readable && field(account, "Website").lost.is_empty());

    let contact = of(&told, SalesforceObject::Contact);
    let link = field(contact, "AccountId");
    assert_eq!((contact.visible_records, link.r#use(), link.readable), (Some(5), FieldUse::Link, false));
    let lead = of(&told, SalesforceObject::Lead);
    assert_eq!((lead.readable, lead.reason.as_str(), lead.visible_records), (false, "object_not_visible", None));
    assert!(lead.permission.contains("Lead") && !lead.lost.is_empty());

    // The calls are in our budget, and what is young costs less.
    assert_eq!(world.status().await.api_calls_used, i64::try_from(made).unwrap());
    assert!(report(&world, &api, false).await.api_calls < told.api_calls);
    world.order(Command::HideField { org: None, object: "Account".into(), field: "Industry".into(), hidden: false });
    let again = report(&world, &api, true).await;
    assert!(field(of(&again, SalesforceObject::Account), "Industry").readable);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn samples_count_what_is_filled_and_are_kept_for_a_while() {
    let world = Choice::seeded(0, 0, 0).start_idle().await;
    for number in 0..10 {
        let industry = if number % 2 == 0 { json!("Energy") } else { json!(null) };
        let fields = json!({ "Name": format!("N{number}"), "Industry": industry, "AnnualRevenue": number * 1000 });
        world.sim.create("Account", fields).unwrap();
    }
    let gone = world.sim.create("Account", json!({ "Name": "gone", "Industry": "Energy" })).unwrap();
    world.sim.delete(gone).unwrap();
    let api = AccessApi::new(world.reader.clone());
    let sample = async |refresh| {
        let object = SalesforceObject::Account.into();
        let request = SampleFieldsRequest { workspace_id: world.workspace.to_string(), object, refresh };
        api.sample_fields(Request::new(request)).await
    };
    let told = sample(false).await.unwrap().into_inner();
    let of = |path: &str| told.fields.iter().find(|sample| sample.field.as_ref().unwrap().path == path).unwrap();
    assert_eq!(told.records, 10);
    assert_eq!((of("Industry").filled, of("Industry").values.as_slice()), (Some(5), &["Energy".to_owned()][..]));
    assert_eq!((of("Name").filled, of("Name").values.len()), (Some(10), 3));
    assert_eq!(of("BillingAddress").filled, None);
    assert!(of("Owner.Name").filled.is_some());
    assert!(told.api_calls > 0);

    let queries = world.calls(Endpoint::Query);
    assert_eq!(sample(false).await.unwrap().into_inner().api_calls, 0);
    assert_eq!(world.calls(Endpoint::Query), queries, "a kept sample costs nothing");

    // A field that is hidden meanwhile is left out, not an error.
    world.order(Command::HideField { org: None, object: "Account".into(), field: "Industry".into(), hidden: true });
    let again = sample(true).await.unwrap().into_inner();
    assert!(again.fields.iter().all(|sample| sample.field.as_ref().unwrap().path != "Industry"));
    world.order(Command::HideObject { org: None, object: "Account".into(), hidden: true });
    assert_eq!(Reason::of(&sample(true).await.unwrap_err()), Some(Reason::SalesforcePermissionMissing));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn start_dates_are_estimated_side_by_side_and_a_hidden_object_is_told() {
    let world = Choice::seeded(0, 0, 0).start_idle().await;
    let stamps = ["2020-01-01T00:00:00Z", "2024-01-01T00:00:00Z", "2026-01-01T00:00:00Z"];
    for stamp in stamps {
        let id = world.sim.create("Account", json!({ "Name": "A" })).unwrap();
        world.order(Command::SetStamp { org: None, id, stamp: stamp.to_owned() });
    }
    world.order(Command::HideObject { org: None, object: "Lead".into(), hidden: true });
    let at = |text: &str| StartDate { start_at: Some(contract::convert::to_wire_time(text.parse().unwrap())) };
    let start_dates = vec![at("2025-01-01T00:00:00Z"), at("2023-01-01T00:00:00Z"), StartDate { start_at: None }];
    let request = EstimateStartDatesRequest { workspace_id: world.workspace.to_string(), start_dates };
    let before = world.sim.stats().all_api_calls();
    let told = world.api.estimate_start_dates(Request::new(request.clone())).await.unwrap().into_inner().estimates;
    assert!(world.sim.stats().all_api_calls() - before <= 9);
    let accounts: Vec<_> = told.iter().map(|estimate| estimate.objects[0].records).collect();
    assert_eq!(accounts, [1, 2, 3]);
    assert!(told.iter().all(|estimate| estimate.objects[2].reason == "object_not_visible" && !estimate.rate_measured));
    let span = |duration: Option<prost_types::Duration>| std::time::Duration::try_from(duration.unwrap()).unwrap();
    assert!(span(told[2].shortest) < span(told[2].duration) && span(told[2].duration) < span(told[2].longest));
    for dates in [0, 6] {
        let wrong = EstimateStartDatesRequest { start_dates: vec![StartDate::default(); dates], ..request.clone() };
        let refused = world.api.estimate_start_dates(Request::new(wrong)).await.unwrap_err();
        assert_eq!(Reason::of(&refused), Some(Reason::ArgumentInvalid));
    }
    world.sim.fault(FaultRule::always(Endpoint::Query, Fault::DailyLimit));
    let spent = EstimateSyncRequest { workspace_id: world.workspace.to_string(), ..EstimateSyncRequest::default() };
    let refused = world.api.estimate_sync(Request::new(spent)).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::SalesforceQuotaExhausted));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_state_says_since_when_and_everything_there_is_to_look_at() {
    let world = Choice::seeded(3, 0, 0).start().await;
    let told = world.status().await;
    assert_eq!((told.state(), told.state_since.unwrap().seconds), (SyncState::Connecting, 1_000));
    assert_eq!((told.plan(), told.connected), (Plan::Business, true));
    world.first_load(ACCOUNT).await;

    let time = |seconds| Some(prost_types::Timestamp { seconds, nanos: 0 });
    world.peered.set_unmapped(1);
    world.peered.set_counts(Counts {
        parked: 2,
        oldest_park_time: time(3_000),
        last_change_time: time(4_000),
        last_day: Some(RecordTally { created: 3, parked: 2, ..RecordTally::default() }),
        ..Counts::default()
    });
    let told = world.status().await;
    assert_eq!(
        (told.state(), told.reason.as_str(), told.state_since),
        (SyncState::Degraded, "parked_records", time(3_000))
    );
    assert_eq!(told.reasons, ["parked_records", "unmapped_values"]);
    let day = told.last_day.unwrap();
    assert_eq!((told.last_change_time, day.created, day.rejected), (time(4_000), 3, 2));
    assert_eq!(told.own_calls_limit, told.org_calls_limit, "the share in this test is all of it");

    world.peered.set_counts(Counts::default());
    world.peered.set_unmapped(0);
    sqlx::query(
        "update extractor.workspace
            set wait_reason = 'SALESFORCE_UNAVAILABLE', wait_until = now() + interval '1 hour', due_at = now() + interval '1 hour',
                wait_since = now() - interval '16 minutes'",
    )
    .execute(&world.pool)
    .await
    .unwrap();
    let told = world.status().await;
    assert_eq!((told.state(), told.reason.as_str()), (SyncState::Degraded, "salesforce_unavailable"));
    assert!(told.state_since.is_some() && told.wait_until_time.is_some());
    sqlx::query("update extractor.workspace set wait_since = now()").execute(&world.pool).await.unwrap();
    assert_eq!(world.status().await.state(), SyncState::Healthy, "a hiccup is nothing to look at");

    world.peered.revoke(true);
    let told = world.status().await;
    assert_eq!((told.state(), told.state_since), (SyncState::AuthRevoked, time(2_000)));
    world.tell(2, |state| state.plan = Plan::Starter.into()).await;
    let told = world.status().await;
    assert_eq!((told.state(), told.plan(), told.connected), (SyncState::PlanRequired, Plan::Starter, true));
    assert!(told.state_since.is_some());
}
