//! The gRPC services: what they answer and what they refuse.

use contract::common::v1::{Plan, SalesforceObject};
use contract::error::Reason;
use contract::event::v1::{Command as Wish, RefetchCommand, command};
use contract::extractor::v1::schema_service_server::SchemaService;
use contract::extractor::v1::sync_service_server::SyncService;
use contract::extractor::v1::{
    CancelSyncRunRequest, DescribeObjectRequest, EstimateSyncRequest, ListSyncRunsRequest, RefetchRecordsRequest,
    RunPhase, StartSyncRequest, SyncScope, SyncState, UpdateScheduleRequest, WatchSyncStatusRequest,
};
use contract::{streams, subjects};
use domain::Object;
use extractor::{Commands, SchemaApi};
use futures::StreamExt;
use messaging::{Options, Publication};
use prost::Message;
use salesforce_sim::Command;
use serde_json::json;
use testkit::NatsUser;
use tonic::Request;

use crate::world::{Choice, LIMIT};

const ACCOUNT: &[Object] = &[Object::Account];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_state_follows_the_life_of_a_workspace() {
    let world = Choice::seeded(10, 0, 0).start().await;
    assert_eq!(world.status().await.state(), SyncState::Connecting);
    world.peered.set_unmapped(2);
    world.first_load(ACCOUNT).await;
    let status = world.status().await;
    assert_eq!(
        (status.state(), status.reason.as_str(), status.unmapped_values),
        (SyncState::Degraded, "unmapped_values", 2)
    );
    world.peered.set_unmapped(0);
    assert_eq!(world.status().await.state(), SyncState::Healthy);
    world.peered.revoke(true);
    assert_eq!(world.status().await.state(), SyncState::AuthRevoked);
    world.tell(2, |state| state.plan = Plan::Starter.into()).await;
    assert_eq!(world.status().await.state(), SyncState::PlanRequired);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sync_without_plan_connection_or_mapping_is_refused_with_the_reason() {
    let world = Choice::seeded(1, 0, 0).start_idle().await;
    for object in Object::ALL {
        world.peered.map(object, &[]);
    }
    let reason = |status: &tonic::Status| Reason::of(status);
    assert_eq!(reason(&world.ask(SyncScope::Changes, &[]).await.unwrap_err()), Some(Reason::MappingIncomplete));
    world.tell(2, |state| state.connected = false).await;
    assert_eq!(reason(&world.ask(SyncScope::Changes, &[]).await.unwrap_err()), Some(Reason::NotConnected));
    world.tell(3, |state| state.plan = Plan::Pro.into()).await;
    assert_eq!(reason(&world.ask(SyncScope::Changes, &[]).await.unwrap_err()), Some(Reason::PlanRequired));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_repeated_request_finds_its_run_and_a_check_starts_none() {
    let world = Choice::seeded(10, 0, 0).start_idle().await;
    let request = |validate_only| StartSyncRequest {
        workspace_id: world.workspace.to_string(),
        request_id: uuid::Uuid::nil().to_string(),
        validate_only,
        ..StartSyncRequest::default()
    };
    let checked = world.api.start_sync(Request::new(request(true))).await.unwrap().into_inner();
    assert_eq!(checked.run_id, "");
    let first = world.api.start_sync(Request::new(request(false))).await.unwrap().into_inner();
    let second = world.api.start_sync(Request::new(request(false))).await.unwrap().into_inner();
    assert_eq!(first.run_id, second.run_id);
    let list = ListSyncRunsRequest { workspace_id: world.workspace.to_string(), ..ListSyncRunsRequest::default() };
    assert_eq!(world.api.list_sync_runs(Request::new(list)).await.unwrap().into_inner().runs.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_load_does_not_begin_again_by_itself() {
    let world = Choice::seeded(5_000, 0, 0).start().await;
    world.lane.hold_back(true);
    let asked = world.ask(SyncScope::Changes, ACCOUNT).await.unwrap();
    let cancel = || CancelSyncRunRequest { workspace_id: world.workspace.to_string(), run_id: asked.run_id.clone() };
    for _ in 0..2 {
        let run = world.api.cancel_sync_run(Request::new(cancel())).await.unwrap().into_inner();
        assert_eq!(run.phase(), RunPhase::Cancelled);
    }
    world.lane.hold_back(false);
    testkit::eventually_true(LIMIT, "the workspace to rest", || async {
        sqlx::query_scalar::<_, bool>(
            "select due_at > now() + interval '1 second' and reader is null from extractor.workspace",
        )
        .fetch_one(&world.pool)
        .await
        .unwrap()
    })
    .await;
    let list = ListSyncRunsRequest { workspace_id: world.workspace.to_string(), ..ListSyncRunsRequest::default() };
    let runs = world.api.list_sync_runs(Request::new(list)).await.unwrap().into_inner().runs;
    assert_eq!(runs.len(), 1, "{runs:#?}");
    world.first_load(ACCOUNT).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn named_records_are_read_again_by_call_and_by_command() {
    let mut world = Choice::seeded(20, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    let ids: Vec<String> = world.sim.ids("Account").unwrap().iter().take(3).map(ToString::to_string).collect();
    let request = |ids: Vec<String>| RefetchRecordsRequest {
        workspace_id: world.workspace.to_string(),
        object: SalesforceObject::Account.into(),
        ids,
    };
    let run = world.api.refetch_records(Request::new(request(ids.clone()))).await.unwrap().into_inner();
    let run = world.ended(&run.run_id).await;
    assert_eq!((run.phase(), run.objects[0].read), (RunPhase::Completed, 3));
    for wrong in [vec![], vec!["nonsense".into()], vec!["003Kd00002Xy9ZqIAJ".into()]] {
        let status = world.api.refetch_records(Request::new(request(wrong))).await.unwrap_err();
        assert_eq!(Reason::of(&status), Some(Reason::ArgumentInvalid));
    }

    let (bus, commands, stopping) =
        (world.bus.clone(), std::sync::Arc::new(Commands::new(world.reader.clone())), world.stopping.clone());
    world.tasks().spawn(async move {
        let options = Options { batch: 4, workers: 1, stage: "extractor" };
        messaging::consume(&bus, streams::EXTRACTOR, options, commands, stopping).await.unwrap();
    });
    let workspace = world.workspace;
    let refetch = RefetchCommand { object: SalesforceObject::Account.into(), ids: ids.clone() };
    let wish = Wish { workspace_id: workspace.to_string(), command: Some(command::Command::Refetch(refetch)) };
    let mapper = world.nats().bus(NatsUser::Mapper).await;
    let before = world.lane.record(Object::Account, &ids[0]).unwrap().times;
    mapper
        .publish(Publication {
            subject: subjects::command(workspace),
            template: subjects::template::COMMAND,
            stream: streams::CMD.name,
            message_type: "lanesync.event.v1.Command",
            message_id: None,
            run_id: None,
            workspace_id: workspace.to_string(),
            captured_at: None,
            body: wish.encode_to_vec(),
            compressed: false,
        })
        .await
        .unwrap();
    testkit::eventually_true(LIMIT, "the record to be read again", || async {
        world.lane.record(Object::Account, &ids[0]).unwrap().times > before
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn describe_lists_own_fields_relations_and_picklists() {
    let world = Choice::seeded(5, 0, 0).start_idle().await;
    let schema = SchemaApi::new(world.reader.clone());
    let request = |object: SalesforceObject| DescribeObjectRequest {
        workspace_id: world.workspace.to_string(),
        object: object.into(),
        refresh: true,
    };
    let account = schema.describe_object(Request::new(request(SalesforceObject::Account))).await.unwrap().into_inner();
    let field = |path: &str| account.fields.iter().find(|field| field.path == path);
    assert_eq!(field("AnnualRevenue").unwrap().r#type, "currency");
    assert!(field("Industry").unwrap().picklist_values.iter().any(|value| value.value == "Energy" && value.active));
    assert_eq!(field("Owner.Name").unwrap().r#type, "string");
    assert_eq!(account.default_currency, "EUR");
    let contact = schema.describe_object(Request::new(request(SalesforceObject::Contact))).await.unwrap().into_inner();
    assert!(contact.fields.iter().any(|field| field.path == "Account.Name"));
    world.order(Command::HideObject { org: None, object: "Lead".into(), hidden: true });
    let hidden = schema.describe_object(Request::new(request(SalesforceObject::Lead))).await.unwrap_err();
    assert_eq!(Reason::of(&hidden), Some(Reason::SalesforcePermissionMissing));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_estimate_counts_records_and_calls() {
    let world = Choice::seeded(120, 30, 0).paced(|pace| pace.bulk_threshold = 100).start_idle().await;
    let request = EstimateSyncRequest { workspace_id: world.workspace.to_string(), ..EstimateSyncRequest::default() };
    let estimate = world.api.estimate_sync(Request::new(request)).await.unwrap().into_inner();
    let told: Vec<_> = estimate.objects.iter().map(|object| (object.records, object.path.as_str())).collect();
    assert_eq!(told, [(120, "bulk"), (30, "rest"), (0, "rest")]);
    assert!(estimate.api_calls > 0 && estimate.duration.is_some());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_poll_interval_has_its_limits_and_polls_follow_it() {
    let world = Choice::seeded(5, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    let request = |seconds| UpdateScheduleRequest {
        workspace_id: world.workspace.to_string(),
        poll_interval: Some(prost_types::Duration { seconds, nanos: 0 }),
    };
    for seconds in [0, 59, 86_401, -5] {
        let status = world.api.update_schedule(Request::new(request(seconds))).await.unwrap_err();
        assert_eq!(Reason::of(&status), Some(Reason::PollIntervalInvalid), "{seconds}");
    }
    world.api.update_schedule(Request::new(request(60))).await.unwrap();
    let due = world.status().await.next_run_time.unwrap().seconds - jiff::Timestamp::now().as_second();
    assert!((0..=61).contains(&due), "{due}");
    // The schedule polls by itself once it is due.
    let fresh = world.sim.create("Account", json!({ "Name": "fresh" })).unwrap();
    sqlx::query("update extractor.workspace set next_poll_at = now(), due_at = now(), changed_at = clock_timestamp()")
        .execute(&world.pool)
        .await
        .unwrap();
    testkit::eventually_true(LIMIT, "a poll of the schedule", || async {
        world.lane.record(Object::Account, &fresh.to_string()).is_some()
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_watch_sends_the_state_now_and_each_change() {
    let world = Choice::seeded(5, 0, 0).start().await;
    let request = WatchSyncStatusRequest { workspace_id: world.workspace.to_string() };
    let mut states = world.api.watch_sync_status(Request::new(request)).await.unwrap().into_inner();
    assert_eq!(states.next().await.unwrap().unwrap().state(), SyncState::Connecting);
    world.ask(SyncScope::Changes, ACCOUNT).await.unwrap();
    let healthy = async {
        while let Some(state) = states.next().await {
            if state.unwrap().state() == SyncState::Healthy {
                return;
            }
        }
    };
    tokio::time::timeout(LIMIT, healthy).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s27_compares_are_limited_to_six_an_hour() {
    let world = Choice::seeded(2, 0, 0).start().await;
    world.first_load(ACCOUNT).await;
    for _ in 0..6 {
        world.sync(SyncScope::Everything, ACCOUNT).await;
    }
    let refused = world.ask(SyncScope::Everything, ACCOUNT).await.unwrap_err();
    assert_eq!(Reason::of(&refused), Some(Reason::RateLimited));
}
