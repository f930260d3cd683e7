//! Which user of NATS may say and hear what: every pair is tried, with the configuration that is deployed.

use std::collections::BTreeSet;

use async_nats::{Client, ConnectOptions, Event};
use contract::streams::{BUCKETS, CONSUMERS, ConsumerSpec, STREAMS};
use stack::NatsUser::{self, Console, Extractor, Mapper, Migrate, Observer, Writer};
use testkit::TestNats;
use tokio::sync::mpsc;

use crate::LIMIT;

/// A subject, and who may use it.
type Row = (String, Vec<NatsUser>);

/// Subjects that are tried before the server is heard out: the client keeps no more complaints than so many.
const AT_ONCE: usize = 32;

fn row(subject: impl Into<String>, users: &[NatsUser]) -> Row {
    (subject.into(), users.to_vec())
}

/// Who takes messages from a consumer; notifications about unmapped values are not taken yet.
fn taker(consumer: &ConsumerSpec) -> Option<NatsUser> {
    match consumer.durable {
        "extractor" => Some(Extractor),
        "mapper" => Some(Mapper),
        "writer" => Some(Writer),
        _ => None,
    }
}

/// Who looks whether a stream is as it must be.
fn lookers(stream: &str) -> Vec<NatsUser> {
    let mut users = vec![Migrate, Observer];
    let services: &[NatsUser] = match stream {
        "LANESYNC_RAW" | "LANESYNC_CMD" => &[Extractor, Mapper],
        "LANESYNC_MAPPED" => &[Mapper, Writer],
        "LANESYNC_EVENTS" | "LANESYNC_DLQ" => &[Extractor, Mapper, Writer],
        "KV_LANESYNC_SESSIONS" => &[Console],
        _ => &[],
    };
    users.extend(services);
    users
}

/// Everything that can be said, as far as it is ours or the broker's, and who may say it.
fn said() -> Vec<Row> {
    let mut rows = vec![
        row("lanesync.v1.raw.w.account", &[Extractor]),
        row("lanesync.v1.run.w", &[Extractor]),
        row("lanesync.v1.dlq.extractor.w", &[Extractor]),
        row("lanesync.v1.mapped.w.account", &[Mapper]),
        row("lanesync.v1.unmapped.w.contact", &[Mapper]),
        row("lanesync.v1.cmd.w", &[Mapper]),
        row("lanesync.v1.dlq.mapper.w.account", &[Mapper]),
        row("lanesync.v1.customer.w", &[Writer]),
        row("lanesync.v1.dlq.writer.w.account", &[Writer]),
        row("$KV.LANESYNC_SESSIONS.key", &[Console]),
        row("$KV.OTHERS.key", &[]),
        row("$JS.API.INFO", &[Migrate, Observer]),
        row("$JS.API.STREAM.NAMES", &[Observer]),
        row("$JS.API.STREAM.LIST", &[Observer]),
    ];
    // Like the ones above, and none of them.
    let strange = [
        "lanesync.v1.raw.w",
        "lanesync.v1.raw.w.account.more",
        "lanesync.v2.raw.w.account",
        "lanesync.v1.dlq.other.w",
        "lanesync.v1",
        "anything",
        "_INBOX.x.y",
        "_INBOX_mapper.x.y",
        "_INBOX_writer.x.y",
        "$SYS.REQ.SERVER.PING",
        "$JS.API.ACCOUNT.PURGE.A",
        "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.LANESYNC_MAPPED.writer",
        "$JS.API.STREAM.CREATE.OTHER",
        "$JS.API.STREAM.CREATE.KV_OTHER",
    ];
    rows.extend(strange.map(|subject| row(subject, &[])));

    let buckets = BUCKETS.iter().map(|bucket| format!("KV_{}", bucket.name));
    for stream in STREAMS.iter().map(|stream| stream.name.to_owned()).chain(buckets) {
        rows.push(row(format!("$JS.API.STREAM.INFO.{stream}"), &lookers(&stream)));
        for shape in ["CREATE", "UPDATE"] {
            rows.push(row(format!("$JS.API.STREAM.{shape}.{stream}"), &[Migrate]));
        }
        for end in ["DELETE", "PURGE", "MSG.DELETE", "SNAPSHOT", "RESTORE", "PEER.REMOVE", "LEADER.STEPDOWN"] {
            rows.push(row(format!("$JS.API.STREAM.{end}.{stream}"), &[]));
        }
        rows.push(row(format!("$JS.API.STREAM.MSG.GET.{stream}"), &[Observer]));
        rows.push(row(format!("$JS.API.DIRECT.GET.{stream}"), &[Observer]));
        let sessions: &[NatsUser] = if stream.starts_with("KV_") { &[Console, Observer] } else { &[Observer] };
        rows.push(row(format!("$JS.API.DIRECT.GET.{stream}.$KV.LANESYNC_SESSIONS.key"), sessions));
        for list in ["NAMES", "LIST"] {
            rows.push(row(format!("$JS.API.CONSUMER.{list}.{stream}"), &[Observer]));
        }
        // A consumer of one's own would be a way around all others.
        rows.push(row(format!("$JS.API.CONSUMER.CREATE.{stream}"), &[]));
        rows.push(row(format!("$JS.API.CONSUMER.CREATE.{stream}.own"), &[]));
    }
    for consumer in CONSUMERS {
        let ConsumerSpec { stream, durable, .. } = consumer;
        let taker: Vec<_> = taker(consumer).into_iter().collect();
        let lookers: Vec<_> = taker.iter().copied().chain([Migrate, Observer]).collect();
        rows.push(row(format!("$JS.API.CONSUMER.INFO.{stream}.{durable}"), &lookers));
        rows.push(row(format!("$JS.API.CONSUMER.CREATE.{stream}.{durable}"), &[Migrate]));
        rows.push(row(format!("$JS.API.CONSUMER.CREATE.{stream}.{durable}.filter"), &[Migrate]));
        rows.push(row(format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{durable}"), &taker));
        rows.push(row(format!("$JS.ACK.{stream}.{durable}.1.1.1.1.1"), &taker));
        for end in ["DELETE", "DURABLE.CREATE", "PAUSE", "RESET"] {
            rows.push(row(format!("$JS.API.CONSUMER.{end}.{stream}.{durable}"), &[]));
        }
    }
    rows
}

/// Everything that can be listened to, and who may.
fn heard() -> Vec<Row> {
    let given_up = "$JS.EVENT.ADVISORY.CONSUMER.MAX_DELIVERIES.LANESYNC_MAPPED.writer";
    let mut rows = vec![
        row("lanesync.v1.>", &[Observer]),
        row("lanesync.v1.raw.*.*", &[Observer]),
        row("lanesync.v1.mapped.*.*", &[Observer]),
        row("lanesync.v1.unmapped.*.*", &[Observer]),
        row("lanesync.v1.run.*", &[Observer]),
        row("lanesync.v1.cmd.*", &[Observer]),
        row("lanesync.v1.customer.*", &[Observer]),
        row("lanesync.v1.dlq.>", &[Observer]),
        row("$JS.EVENT.ADVISORY.>", &[Observer]),
        row(given_up, &[Writer, Observer]),
        row(given_up.replace("MAX_DELIVERIES", "MSG_TERMINATED"), &[Writer, Observer]),
        row(given_up.replace("LANESYNC_MAPPED.writer", "LANESYNC_RAW.mapper"), &[Observer]),
    ];
    let nobodys = [
        ">",
        "*",
        "lanesync.>",
        "_INBOX.>",
        "_INBOX.x",
        "$KV.>",
        "$KV.LANESYNC_SESSIONS.>",
        "$JS.>",
        "$JS.API.>",
        "$JS.ACK.>",
        "$SYS.>",
    ];
    rows.extend(nobodys.map(|subject| row(subject, &[])));
    rows.extend(NatsUser::ALL.map(|user| row(format!("{}.>", user.inbox_prefix()), &[user])));
    rows
}

/// A connection, and what the server complains of on it.
async fn connect(nats: &TestNats, user: NatsUser) -> (Client, mpsc::UnboundedReceiver<String>) {
    let (complaints, heard) = mpsc::unbounded_channel();
    let options = ConnectOptions::with_user_and_password(user.name().into(), nats.password(user).into());
    let options = options.event_callback(move |event| {
        let complaints = complaints.clone();
        async move {
            if let Event::ServerError(error) = event {
                complaints.send(error.to_string()).ok();
            }
        }
    });
    (options.connect(nats.url()).await.unwrap(), heard)
}

/// The subjects that the server complains of until it complains of `last`, which nobody may use.
async fn refused(heard: &mut mpsc::UnboundedReceiver<String>, last: &str) -> BTreeSet<String> {
    let mut refused = BTreeSet::new();
    loop {
        let complaint = tokio::time::timeout(LIMIT, heard.recv()).await.expect("a complaint").unwrap();
        let Some(subject) = complaint.split('"').nth(1).map(str::to_owned) else { continue };
        if subject.eq_ignore_ascii_case(last) {
            return refused;
        }
        refused.insert(subject);
    }
}

fn faults(user: NatsUser, rows: &[Row], refused: &BTreeSet<String>) -> Vec<String> {
    let wrong = rows.iter().filter(|(subject, users)| refused.contains(subject) == users.contains(&user));
    wrong.map(|(subject, users)| format!("{}, may {}: {subject}", user.name(), users.contains(&user))).collect()
}

#[tokio::test]
async fn s24_every_user_says_exactly_what_is_written_here() {
    let nats = testkit::nats().await;
    let mut wrong = Vec::new();
    for user in NatsUser::ALL {
        let (client, mut complaints) = connect(&nats, user).await;
        for (round, rows) in said().chunks(AT_ONCE).enumerate() {
            let last = format!("nobodys.{round}");
            for subject in rows.iter().map(|(subject, _)| subject).chain([&last]) {
                client.publish(subject.clone(), "x".into()).await.unwrap();
            }
            client.flush().await.unwrap();
            wrong.extend(faults(user, rows, &refused(&mut complaints, &last).await));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn s24_every_user_hears_exactly_what_is_written_here() {
    let nats = testkit::nats().await;
    let mut wrong = Vec::new();
    for user in NatsUser::ALL {
        let (client, mut complaints) = connect(&nats, user).await;
        for (round, rows) in heard().chunks(AT_ONCE).enumerate() {
            let last = format!("nobodys.{round}");
            let mut held = Vec::new();
            for subject in rows.iter().map(|(subject, _)| subject).chain([&last]) {
                held.push(client.subscribe(subject.clone()).await.unwrap());
            }
            client.flush().await.unwrap();
            wrong.extend(faults(user, rows, &refused(&mut complaints, &last).await));
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}
