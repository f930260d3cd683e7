//! A NATS of our own: who gets in, and who may say what.

use async_nats::{Client, ConnectOptions, Event};
use stack::NatsUser;
use testkit::{TestNats, eventually_true};
use tokio::sync::mpsc;

use crate::{LIMIT, is_running};

/// A connection as `user`, and the complaints of the server.
async fn connect(nats: &TestNats, user: NatsUser) -> (Client, mpsc::UnboundedReceiver<String>) {
    let (complaints, heard) = mpsc::unbounded_channel();
    let client = ConnectOptions::with_user_and_password(user.name().into(), nats.password(user).into())
        .custom_inbox_prefix(user.inbox_prefix())
        .event_callback(move |event| {
            let complaints = complaints.clone();
            async move {
                if let Event::ServerError(error) = event {
                    complaints.send(error.to_string()).ok();
                }
            }
        })
        .connect(nats.url())
        .await
        .unwrap();
    (client, heard)
}

async fn is_refused(heard: &mut mpsc::UnboundedReceiver<String>, subject: &str) -> bool {
    let complaint = tokio::time::timeout(LIMIT, heard.recv()).await;
    complaint.is_ok_and(|text| text.is_some_and(|text| text.contains(subject)))
}

#[tokio::test]
async fn an_anonymous_or_wrong_user_gets_nothing() {
    let nats = testkit::nats().await;
    let anonymous = async_nats::connect(nats.url()).await;
    let wrong = ConnectOptions::with_user_and_password("writer".into(), "guess".into()).connect(nats.url()).await;
    let unknown = ConnectOptions::with_user_and_password("admin".into(), "admin".into()).connect(nats.url()).await;
    for refused in [anonymous, wrong, unknown] {
        let error = refused.unwrap_err().to_string();
        assert!(error.contains("authorization"), "{error}");
    }
}

#[tokio::test]
async fn a_publish_to_somebody_elses_subject_is_refused() {
    let nats = testkit::nats().await;
    let foreign = [
        (NatsUser::Extractor, "lanesync.v1.mapped.w.account"),
        (NatsUser::Extractor, "lanesync.v1.cmd.w"),
        (NatsUser::Extractor, "lanesync.v1.customer.w"),
        (NatsUser::Mapper, "lanesync.v1.raw.w.account"),
        (NatsUser::Mapper, "lanesync.v1.run.w"),
        (NatsUser::Mapper, "lanesync.v1.dlq.writer.w.account"),
        (NatsUser::Writer, "lanesync.v1.mapped.w.account"),
        (NatsUser::Writer, "lanesync.v1.cmd.w"),
        (NatsUser::Migrate, "lanesync.v1.raw.w.account"),
        (NatsUser::Observer, "lanesync.v1.raw.w.account"),
        (NatsUser::Console, "lanesync.v1.raw.w.account"),
        (NatsUser::Console, "lanesync.v1.cmd.w"),
        (NatsUser::Console, "$KV.OTHERS.key"),
        (NatsUser::Console, "$JS.API.DIRECT.GET.LANESYNC_RAW"),
        (NatsUser::Writer, "$KV.LANESYNC_SESSIONS.key"),
        (NatsUser::Mapper, "$JS.API.DIRECT.GET.KV_LANESYNC_SESSIONS.$KV.LANESYNC_SESSIONS.key"),
        // The data of others, and the settings of streams.
        (NatsUser::Writer, "$JS.API.CONSUMER.MSG.NEXT.LANESYNC_RAW.mapper"),
        (NatsUser::Mapper, "$JS.API.STREAM.MSG.GET.LANESYNC_RAW"),
        (NatsUser::Mapper, "$JS.API.STREAM.PURGE.LANESYNC_RAW"),
        (NatsUser::Extractor, "$JS.API.STREAM.DELETE.LANESYNC_RAW"),
        (NatsUser::Mapper, "$JS.API.CONSUMER.DELETE.LANESYNC_RAW.mapper"),
        (NatsUser::Writer, "$JS.ACK.LANESYNC_RAW.mapper.1.1.1.1.1"),
        (NatsUser::Migrate, "$JS.API.STREAM.DELETE.LANESYNC_RAW"),
        (NatsUser::Observer, "$JS.API.STREAM.DELETE.LANESYNC_RAW"),
    ];
    for (user, subject) in foreign {
        let (client, mut heard) = connect(&nats, user).await;
        client.publish(subject, "x".into()).await.unwrap();
        client.flush().await.unwrap();
        assert!(is_refused(&mut heard, subject).await, "{} published to {subject}", user.name());
    }
}

#[tokio::test]
async fn a_service_hears_only_its_own_answers() {
    let nats = testkit::nats().await;
    let foreign = [
        (NatsUser::Writer, "lanesync.v1.raw.>"),
        (NatsUser::Mapper, "lanesync.v1.raw.*.*"),
        (NatsUser::Mapper, "_INBOX_writer.>"),
        (NatsUser::Extractor, "_INBOX.>"),
        (NatsUser::Extractor, ">"),
        (NatsUser::Console, "$KV.LANESYNC_SESSIONS.>"),
        (NatsUser::Migrate, "lanesync.v1.>"),
        (NatsUser::Observer, "_INBOX_extractor.>"),
    ];
    for (user, subject) in foreign {
        let (client, mut heard) = connect(&nats, user).await;
        let _subscription = client.subscribe(subject).await.unwrap();
        client.flush().await.unwrap();
        assert!(is_refused(&mut heard, subject).await, "{} listens to {subject}", user.name());
    }
}

#[tokio::test]
async fn every_service_may_do_its_own_work() {
    let nats = testkit::nats().await;
    let stored = [
        (NatsUser::Extractor, "lanesync.v1.raw.w.account"),
        (NatsUser::Extractor, "lanesync.v1.run.w"),
        (NatsUser::Mapper, "lanesync.v1.mapped.w.account"),
        (NatsUser::Mapper, "lanesync.v1.unmapped.w.contact"),
        (NatsUser::Mapper, "lanesync.v1.cmd.w"),
        (NatsUser::Mapper, "lanesync.v1.dlq.mapper.w.account"),
        (NatsUser::Writer, "lanesync.v1.customer.w"),
        (NatsUser::Writer, "lanesync.v1.dlq.writer.w.account"),
    ];
    for (user, subject) in stored {
        let bus = nats.bus(user).await;
        let ack = bus.context().publish(subject, "x".into()).await.unwrap().await;
        assert!(ack.is_ok(), "{} to {subject}: {ack:?}", user.name());
    }
    let consumed = [
        (NatsUser::Extractor, "LANESYNC_CMD", "extractor"),
        (NatsUser::Mapper, "LANESYNC_RAW", "mapper"),
        (NatsUser::Writer, "LANESYNC_MAPPED", "writer"),
    ];
    for (user, stream, durable) in consumed {
        use futures::StreamExt as _;
        let bus = nats.bus(user).await;
        let consumer: async_nats::jetstream::consumer::PullConsumer =
            bus.context().get_consumer_from_stream(durable, stream).await.unwrap();
        let mut messages = consumer.messages().await.unwrap();
        let message = tokio::time::timeout(LIMIT, messages.next()).await.unwrap().unwrap().unwrap();
        message.double_ack().await.unwrap();
    }
    for (_, stream, durable) in consumed {
        let (client, _) = connect(&nats, NatsUser::Observer).await;
        let context = async_nats::jetstream::new(client);
        let mut consumer: async_nats::jetstream::consumer::PullConsumer =
            context.get_consumer_from_stream(durable, stream).await.unwrap();
        let info = consumer.info().await.unwrap();
        assert_eq!((info.num_ack_pending, info.num_pending), (0, 0), "{stream}");
    }
}

#[tokio::test]
async fn an_acknowledged_message_survives_a_kill_of_the_server() {
    let mut nats = testkit::nats().await;
    let bus = nats.bus(NatsUser::Extractor).await;
    bus.context().publish("lanesync.v1.raw.w.account", "x".into()).await.unwrap().await.unwrap();
    let pid = nats.pid();

    nats.kill().await.unwrap();
    assert!(!is_running(pid));
    nats.start_again().await.unwrap();

    eventually_true(LIMIT, "the client to come back", || async { bus.is_connected() }).await;
    let (client, _) = connect(&nats, NatsUser::Observer).await;
    let context = async_nats::jetstream::new(client);
    let state = context.get_stream("LANESYNC_RAW").await.unwrap().cached_info().state.clone();
    assert_eq!(state.messages, 1);
}

#[tokio::test]
async fn monitoring_stays_on_this_machine_and_every_write_is_flushed() {
    let nats = testkit::nats().await;
    assert!(nats.monitoring_url().starts_with("http://127.0.0.1:"), "{}", nats.monitoring_url());

    let http = tokio::net::TcpStream::connect(nats.monitoring_url().trim_start_matches("http://")).await.unwrap();
    let answer = tokio::time::timeout(LIMIT, get(http, "/jsz?config=true")).await.unwrap();
    assert!(answer.contains("\"sync_always\": true"), "{answer}");
}

async fn get(mut stream: tokio::net::TcpStream, path: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}
