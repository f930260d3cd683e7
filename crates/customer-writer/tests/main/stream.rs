//! From the stream to the row, with the users and rights of production.

use std::sync::Arc;
use std::time::Duration;

use contract::common::v1::SalesforceObject::Account;
use contract::event::v1::CustomerChanged;
use contract::streams::{DLQ, EVENTS, MAPPED, WRITER};
use contract::{body, subjects};
use domain::Object;
use futures::StreamExt as _;
use messaging::{Bus, Options, Publication};
use prost::Message as _;
use service::status::Board;
use testkit::NatsUser;
use tokio_util::sync::CancellationToken;

use crate::fixture::{Batch, House, account, cells};

const OPTIONS: Options = Options { batch: 8, workers: 2, stage: "writer" };
const LIMIT: Duration = Duration::from_secs(60);

fn publication(house: &House, batch: Batch) -> Publication {
    Publication {
        subject: subjects::mapped(house.workspace, Object::Account),
        template: subjects::template::MAPPED,
        stream: MAPPED.name,
        message_type: "lanesync.event.v1.MappedBatch",
        message_id: None,
        run_id: None,
        workspace_id: house.workspace.to_string(),
        captured_at: None,
        body: body::pack(&batch.build()).unwrap(),
        compressed: true,
    }
}

#[tokio::test]
async fn what_the_mapper_publishes_becomes_a_row_and_a_change_and_the_stream_is_empty_again() {
    let (house, nats) = (House::new().await, testkit::nats().await);
    let migrate = bus(&nats, NatsUser::Migrate).await;
    messaging::setup::ensure(&migrate, 1, Some(64 * 1024 * 1024)).await.unwrap();
    let (mapper, writer) = (bus(&nats, NatsUser::Mapper).await, bus(&nats, NatsUser::Writer).await);
    messaging::setup::verify(&writer, &[MAPPED, EVENTS, DLQ], &[WRITER]).await.unwrap();
    let observer = nats.connect(NatsUser::Observer).await.unwrap();
    let mut changes = observer.subscribe(subjects::customer(house.workspace)).await.unwrap();
    observer.flush().await.unwrap();

    let stopping = CancellationToken::new();
    let handler = Arc::new(house.writer.consumer(Board::new("test", "0")));
    let consume = messaging::consume(&writer, WRITER, OPTIONS, handler, stopping.clone());
    let publish = house.writer.clone().publish_changes(writer.clone(), stopping.clone());
    let story = async {
        let batch = house.batch(Account, 1).live(&account(1), &cells("arrived"));
        mapper.publish(publication(&house, batch)).await.unwrap();
        // A batch that says to be of another workspace than its subject is kept as a dead letter.
        let foreign = Batch::new(domain::WorkspaceId::generate(), Account, 1).live(&account(2), &cells("foreign"));
        mapper.publish(publication(&house, foreign)).await.unwrap();

        testkit::eventually_true(LIMIT, "the row", || async { house.customer(&account(1)).await.is_ok() }).await;
        let change = tokio::time::timeout(LIMIT, changes.next()).await.unwrap().unwrap();
        let change = CustomerChanged::decode(change.payload).unwrap();
        assert_eq!((change.sequence, change.fields), (1, vec!["arr".to_owned(), "tier".to_owned()]));
        testkit::eventually_true(LIMIT, "an empty stream and a dead letter", || async {
            (messages(&migrate, MAPPED.name).await, messages(&migrate, DLQ.name).await) == (0, 1)
        })
        .await;
        stopping.cancel();
    };
    let (consumed, published, ()) = tokio::join!(consume, publish, story);
    consumed.unwrap();
    published.unwrap();
}

async fn messages(bus: &Bus, stream: &str) -> u64 {
    bus.context().get_stream(stream).await.unwrap().cached_info().state.messages
}

async fn bus(nats: &testkit::TestNats, user: NatsUser) -> Bus {
    let config = messaging::Config {
        url: nats.url().to_owned(),
        user: Some(user.name().to_owned()),
        password: Some(nats.password(user).to_owned()),
        client_name: user.name().to_owned(),
    };
    Bus::connect(&config).await.unwrap()
}
