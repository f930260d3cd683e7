//! One page of Salesforce is one trace, from the HTTP call over NATS to the row in Postgres.

use std::collections::{BTreeMap, BTreeSet};

use contract::extractor::v1::{SyncRun, SyncScope};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use crate::collector::{Collector, Span};
use crate::world::{PATIENCE, SMALL, World};

const RAW: &str = "lanesync.v1.raw.{workspace}.{object}";
const MAPPED: &str = "lanesync.v1.mapped.{workspace}.{object}";
const EXTRACTOR: &str = "lanesync-extractor";
const MAPPER: &str = "lanesync-mapper";
const WRITER: &str = "lanesync-customer-writer";

/// How many records the pages of this test hold: pages of several objects and sizes are in flight at once.
const PAGE: usize = 50;

/// What happened, and every span of it.
struct Told {
    collector: Collector,
    world: World,
    run: SyncRun,
    spans: Vec<Span>,
}

impl Told {
    /// Loads an org in small pages, one call failing, and waits until nothing more is told.
    async fn of_a_first_load() -> Self {
        let collector = Collector::start().await;
        let world = World::connected(SMALL, &collector.settings()).await;
        world.poll_once_a_day().await;
        let unavailable = json!({
            "endpoints": ["query"], "object": "Account", "after": 1, "times": 1, "fault": { "kind": "server_unavailable" },
        });
        world.order("fault", json!({ "rule": unavailable })).await;
        world.order("fault", json!({ "rule": { "fault": { "kind": "shrink_pages", "rows": PAGE } } })).await;
        let run = world.sync(SyncScope::Changes).await;
        world.at_rest().await;
        let rows = traces_of_rows(&world).await;
        testkit::eventually_true(PATIENCE, "every trace is told to its end", || async {
            let spans = collector.spans();
            rows.keys().all(|(trace, _)| {
                let ends = |name: &str| spans.iter().any(|span| span.trace_id() == *trace && span.name() == name);
                ends(&format!("ack {MAPPED}")) && spans.iter().any(|span| is_page(span) && span.trace_id() == *trace)
            })
        })
        .await;
        let spans = testkit::eventually(PATIENCE, "the run is told", || async {
            let spans = collector.spans();
            spans.iter().any(|span| span.name() == "lanesync.run backfill").then_some(spans)
        })
        .await;
        Self { collector, world, run, spans }
    }

    fn of_trace<'a>(&'a self, trace: &'a str) -> impl Iterator<Item = &'a Span> {
        self.spans.iter().filter(move |span| span.trace_id() == trace)
    }

    /// The spans of a name in a trace.
    fn named(&self, trace: &str, name: &str) -> Vec<&Span> {
        self.spans.iter().filter(|span| span.trace_id() == trace && span.name() == name).collect()
    }
}

fn is_page(span: &Span) -> bool {
    span.name().starts_with("lanesync.page ")
}

/// How many rows carry each pair of trace and run.
async fn traces_of_rows(world: &World) -> BTreeMap<(String, String), i64> {
    let url = std::fs::read_to_string(world.stack.database_url_file()).unwrap();
    let mut admin = PgConnection::connect(&url).await.unwrap();
    let rows: Vec<(Option<String>, Option<String>, i64)> = sqlx::query_as(
        "select sync_trace_id, sync_run_id::text, count(*) from (
             select sync_trace_id, sync_run_id from customers.customer
             union all select sync_trace_id, sync_run_id from customers.contact) as row
         group by 1, 2",
    )
    .fetch_all(&mut admin)
    .await
    .unwrap();
    let complete = |(trace, run, count): (Option<String>, Option<String>, i64)| {
        ((trace.expect("every row carries its trace"), run.expect("every row carries its run")), count)
    };
    rows.into_iter().map(complete).collect()
}

#[tokio::test]
async fn a_page_is_one_trace_from_the_call_to_the_row() {
    let told = Told::of_a_first_load().await;
    let rows = traces_of_rows(&told.world).await;
    let runs: BTreeSet<&str> = rows.keys().map(|(_, run)| run.as_str()).collect();
    assert_eq!(runs, BTreeSet::from([told.run.run_id.as_str()]));
    assert_eq!(rows.values().sum::<i64>(), i64::from(SMALL.accounts + SMALL.contacts + SMALL.leads));
    assert!(rows.len() > 8, "pages are small, so there are many: {}", rows.len());

    for ((trace, _), count) in &rows {
        let pages: Vec<_> = told.of_trace(trace).filter(|span| is_page(span)).collect();
        assert_eq!(pages.len(), 1, "a trace is of one page");
        assert_eq!(pages[0].text("lanesync.page.records"), Some(count.to_string()), "its rows, and no others");
        let services: BTreeSet<_> = told.of_trace(trace).map(|span| span.service.as_str()).collect();
        assert!(services.is_superset(&BTreeSet::from([EXTRACTOR, MAPPER, WRITER])), "{services:?}");
        assert_chain(&told, trace, pages[0]);
    }
}

/// The spans of one page's trace: names, kinds, parents, links.
fn assert_chain(told: &Told, trace: &str, page: &Span) {
    let only = |name: &str| {
        let found = told.named(trace, name);
        assert_eq!(found.len(), 1, "{name} in {:?}", told.of_trace(trace).map(Span::name).collect::<Vec<_>>());
        found[0]
    };
    let object = page.text("lanesync.object").unwrap();
    assert_eq!(page.name(), format!("lanesync.page {object}"));
    assert!(page.is_root());
    assert_eq!(page.kind(), SpanKind::Internal);
    assert!(page.text("lanesync.page.number").is_some());
    let run = told.spans.iter().find(|span| page.is_linked_to(span)).expect("a page is linked to its run");
    assert_eq!((run.name(), run.kind(), run.is_root()), ("lanesync.run backfill", SpanKind::Internal, true));
    assert_eq!(run.text("lanesync.run.id").as_ref(), Some(&told.run.run_id));
    assert_eq!(run.text("lanesync.run.mode").as_deref(), Some("backfill"));
    assert_eq!(run.text("lanesync.workspace.id").as_ref(), Some(&told.world.workspace));

    let published = only(&format!("publish {RAW}"));
    assert!(published.is_child_of(page));
    assert_messaging(published, SpanKind::Producer, "send", RAW);
    let destination = format!("lanesync.v1.raw.{}.{object}", told.world.workspace);
    assert_eq!(published.text("messaging.destination.name"), Some(destination));
    assert_eq!(published.text("messaging.batch.message_count").as_deref(), Some("1"));
    let mapping = only(&format!("process {RAW}"));
    assert_processed(told, mapping, published, (RAW, "LANESYNC_RAW", "mapper"));
    let mapped = only(&format!("publish {MAPPED}"));
    assert!(mapped.is_child_of(mapping));
    assert_messaging(mapped, SpanKind::Producer, "send", MAPPED);
    let writing = only(&format!("process {MAPPED}"));
    assert_processed(told, writing, mapped, (MAPPED, "LANESYNC_MAPPED", "writer"));

    let table = if object == "account" { "customer" } else { "contact" };
    let upsert = only(&format!("BATCH UPSERT {table}"));
    assert!(upsert.is_child_of(writing));
    assert_eq!(upsert.kind(), SpanKind::Client);
    for (key, value) in [
        ("db.system.name", "postgresql"),
        ("db.namespace", "lanesync|customers"),
        ("db.collection.name", table),
        ("db.operation.name", "BATCH UPSERT"),
        ("db.query.summary", &format!("BATCH UPSERT {table}")),
    ] {
        assert_eq!(upsert.text(key).as_deref(), Some(value), "{key}");
    }
    assert_eq!(upsert.text("db.operation.batch.size"), page.text("lanesync.page.records"));
    for span in told.of_trace(trace) {
        assert_eq!(span.schema_url, "https://opentelemetry.io/schemas/1.42.0", "{}", span.name());
    }
}

fn assert_messaging(span: &Span, kind: SpanKind, operation: &str, template: &str) {
    assert_eq!(span.kind(), kind, "{}", span.name());
    assert_eq!(span.text("messaging.system").as_deref(), Some("nats"));
    assert_eq!(span.text("messaging.operation.type").as_deref(), Some(operation));
    assert_eq!(span.text("messaging.destination.template").as_deref(), Some(template));
    assert!(!span.has_failed());
}

/// A message is fetched, processed below its origin and linked to it, and settled.
fn assert_processed(told: &Told, process: &Span, origin: &Span, (template, stream, durable): (&str, &str, &str)) {
    assert!(process.is_child_of(origin) && process.is_linked_to(origin), "{}", process.name());
    assert_messaging(process, SpanKind::Consumer, "process", template);
    assert_eq!(process.text("lanesync.nats.stream").as_deref(), Some(stream));
    assert!(process.text("lanesync.nats.stream_sequence").is_some());
    assert_eq!(process.text("lanesync.nats.delivery_count").as_deref(), Some("1"));
    let trace = process.trace_id();
    let settled = told.named(&trace, &format!("ack {template}"));
    assert_eq!(settled.len(), 1);
    assert!(settled[0].is_child_of(process));
    assert_messaging(settled[0], SpanKind::Client, "settle", template);
    let name = format!("fetch {template}");
    let fetched = told.spans.iter().find(|span| span.name() == name && span.is_linked_to(origin));
    let fetched = fetched.expect("a fetch is linked to the origins of what it brought");
    assert!(fetched.is_root());
    assert_messaging(fetched, SpanKind::Client, "receive", template);
    assert_eq!(fetched.text("messaging.consumer.group.name").as_deref(), Some(durable));
}

#[tokio::test]
async fn calls_are_told_without_literals_and_failed_ones_as_failed() {
    let mut told = Told::of_a_first_load().await;
    // A first load asks for everything; a poll has a lower bound, which is a literal.
    told.world.sync(SyncScope::Changes).await;
    let is_redacted = |span: &Span| span.text("url.full").is_some_and(|full| full.contains("REDACTED"));
    told.spans = testkit::eventually(PATIENCE, "a call with its literals taken out is told", || async {
        let spans = told.collector.spans();
        spans.iter().any(is_redacted).then_some(spans)
    })
    .await;
    let calls: Vec<_> = told.spans.iter().filter(|span| ["GET", "POST"].contains(&span.name())).collect();
    for call in &calls {
        assert_eq!((call.kind(), call.service.as_str()), (SpanKind::Client, EXTRACTOR));
        assert_eq!(call.text("http.request.method").as_deref(), Some(call.name()));
        let full: url::Url = call.text("url.full").unwrap().parse().unwrap();
        assert_eq!(full.host_str(), call.text("server.address").as_deref());
        assert_eq!(full.port().map(|port| port.to_string()), call.text("server.port"));
        assert!(call.text("url.template").is_some());
        for (name, value) in full.query_pairs().filter(|(name, _)| name == "q") {
            let has_literal = value.contains('\'') || value.contains(|c: char| c.is_ascii_digit());
            assert!(!has_literal, "{name}={value}");
        }
    }
    let failed: Vec<_> = calls.iter().filter(|call| call.has_failed()).collect();
    assert_eq!(failed.len(), 1, "one call failed: {failed:?}");
    assert_eq!(failed[0].text("http.response.status_code").as_deref(), Some("503"));
    assert_eq!(failed[0].text("error.type").as_deref(), Some("SERVER_UNAVAILABLE"));
    let trace = failed[0].trace_id();
    let again = told.of_trace(&trace).find(|span| span.text("http.request.resend_count").as_deref() == Some("1"));
    let again = again.expect("the call is made again in the same trace");
    assert!(!again.has_failed());
    assert_eq!(again.text("http.response.status_code").as_deref(), Some("200"));
}

#[tokio::test]
async fn a_call_between_services_is_one_trace_with_both_ends() {
    let told = Told::of_a_first_load().await;
    let asked: Vec<_> = told
        .spans
        .iter()
        .filter(|span| span.service == EXTRACTOR && span.kind() == SpanKind::Client && span.name().contains('/'))
        .collect();
    let peers: BTreeSet<_> =
        asked.iter().filter_map(|call| call.name().split_once(".v1.")).map(|(area, _)| area).collect();
    assert_eq!(peers, BTreeSet::from(["lanesync.auth", "lanesync.mapper", "lanesync.writer"]));
    for call in asked {
        assert_eq!(call.text("rpc.system.name").as_deref(), Some("grpc"));
        assert_eq!(call.text("rpc.method").as_deref(), Some(call.name()));
        assert!(call.text("rpc.response.status_code").is_some_and(|code| !code.contains(|c: char| c.is_ascii_digit())));
        if call.has_failed() {
            continue;
        }
        let answer = testkit::eventually(PATIENCE, "the other end is told too", || async {
            let spans = told.collector.spans();
            spans.into_iter().find(|span| span.is_child_of(call) && span.kind() == SpanKind::Server)
        })
        .await;
        assert_eq!(answer.name(), call.name());
        assert_eq!(answer.text("rpc.response.status_code"), call.text("rpc.response.status_code"));
    }
}
