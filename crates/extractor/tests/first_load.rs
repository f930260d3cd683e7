//! First loads by REST and by bulk job.

use contract::extractor::v1::{RunPhase, SyncScope, SyncState};
use domain::Object;
use salesforce_sim::Endpoint;

use crate::world::{Choice, live_ids, sim_ids};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_first_load_brings_every_record_and_its_books_balance() {
    let world = Choice::seeded(450, 900, 250).start().await;
    let run = world.first_load(&[]).await;
    assert_eq!(run.phase(), RunPhase::Completed);
    for object in Object::ALL {
        assert_eq!(live_ids(&world.lane, object), sim_ids(&world.sim, object), "{object}");
        let progress = run.objects.iter().find(|found| contract::convert::object(found.object) == Ok(object)).unwrap();
        assert_eq!(progress.expected, Some(progress.read));
        assert_eq!((progress.read, progress.read), (progress.mapped, progress.written));
        assert!(progress.done && progress.reason.is_empty());
    }
    let status = world.status_when("healthy", |status| status.state() == SyncState::Healthy).await;
    assert!(status.coverage.iter().all(|coverage| coverage.synced_to.is_some()));
    assert!(status.last_success_time.is_some() && status.next_run_time.is_some());
    assert!(run.api_calls > 0 && status.api_calls_used >= run.api_calls);
    assert!(run.api_calls <= 30, "{} calls", run.api_calls);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rest_and_bulk_give_the_same_images() {
    let choice = || {
        let mut choice = Choice::seeded(700, 300, 200);
        choice.config.seed.as_mut().unwrap().nasty = true;
        choice
    };
    let rest = choice().start().await;
    rest.first_load(&[]).await;
    let bulk = choice().paced(|pace| (pace.bulk_threshold, pace.bulk_page_rows) = (10, 300)).start().await;
    let run = bulk.first_load(&[]).await;
    assert!(run.objects.iter().all(|object| object.path == "bulk"), "{run:?}");
    assert_eq!(bulk.calls(Endpoint::BulkCreate), 3);
    for object in Object::ALL {
        let images = |world: &crate::world::World| {
            let held = world.lane.held(object).into_iter();
            held.map(|held| contract::event::v1::RawRecord { ..held.record }).collect::<Vec<_>>()
        };
        let (by_rest, by_bulk) = (images(&rest), images(&bulk));
        assert_eq!(by_rest.len(), by_bulk.len());
        for (by_rest, by_bulk) in by_rest.iter().zip(&by_bulk) {
            assert_eq!(by_rest, by_bulk);
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_wish_finds_the_running_sync() {
    let world = Choice::seeded(50, 0, 0).start_idle().await;
    let first = world.ask(SyncScope::Changes, &[]).await.unwrap();
    let second = world.ask(SyncScope::Everything, &[]).await.unwrap_err();
    assert_eq!(contract::error::Reason::of(&second), Some(contract::error::Reason::SyncAlreadyRunning));
    let details = tonic_types::StatusExt::get_details_error_info(&second).unwrap();
    assert_eq!(details.metadata.get("runId"), Some(&first.run_id));
}
