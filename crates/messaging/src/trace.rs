//! Carries the W3C trace context in NATS headers, so that a page is one trace from HTTP to Postgres.

use async_nats::HeaderMap;
use contract::headers;
use contract::streams::ConsumerSpec;
use opentelemetry::propagation::{Extractor, Injector};
use opentelemetry::trace::TraceContextExt;
use opentelemetry::{Context, global};
use tracing::field::Empty;
use tracing::{Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::{Delivery, Publication};

/// The header that names the origin of a message.
const TRACEPARENT: &str = "traceparent";

struct Writer<'a>(&'a mut HeaderMap);

impl Injector for Writer<'_> {
    fn set(&mut self, key: &str, value: String) {
        self.0.insert(key, value.as_str());
    }
}

struct Reader<'a>(&'a HeaderMap);

impl Extractor for Reader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key).map(|value| value.as_str())
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}

/// Writes the span's context into the headers.
pub(crate) fn inject(span: &Span, headers: &mut HeaderMap) {
    let context = span.context();
    global::get_text_map_propagator(|propagator| propagator.inject_context(&context, &mut Writer(headers)));
}

/// Reads the context that the producer wrote; an empty one if it wrote none.
fn creation(delivery: &Delivery) -> Context {
    let read = |headers| global::get_text_map_propagator(|propagator| propagator.extract(&Reader(headers)));
    delivery.message.headers.as_ref().map(read).unwrap_or_default()
}

fn link(span: &Span, origin: &Context) {
    let origin = origin.span();
    if origin.span_context().is_valid() {
        span.add_link(origin.span_context().clone());
    }
}

/// What all of `items` have in common, if they do.
fn common<'a, T>(items: &'a [T], of: impl Fn(&'a T) -> &'a str) -> Option<&'a str> {
    let first = of(items.first()?);
    items.iter().all(|item| of(item) == first).then_some(first)
}

/// How many there are, if they are a batch.
fn batch_size(count: usize) -> Option<u64> {
    (count > 1).then_some(count as u64)
}

/// The span in which messages are published, and which becomes their origin; none for no messages.
pub(crate) fn publish_span(publications: &[Publication]) -> Option<Span> {
    let template = publications.first()?.template;
    Some(info_span!(
        "publish",
        otel.name = format!("publish {template}"),
        otel.kind = "producer",
        otel.status_code = Empty,
        error.type = Empty,
        messaging.system = "nats",
        messaging.operation.name = "publish",
        messaging.operation.type = "send",
        messaging.destination.name = common(publications, |one| one.subject.as_str()),
        messaging.destination.template = template,
        messaging.batch.message_count = publications.len() as u64,
    ))
}

/// Notes that a fetch brought messages: a span of its own, linked to each of their origins.
pub(crate) fn fetched(spec: &ConsumerSpec, groups: &[Vec<Delivery>]) {
    if groups.is_empty() {
        return;
    }
    let template = spec.template;
    let span = info_span!(
        parent: None,
        "fetch",
        otel.name = format!("fetch {template}"),
        otel.kind = "client",
        messaging.system = "nats",
        messaging.operation.name = "fetch",
        messaging.operation.type = "receive",
        messaging.destination.template = template,
        messaging.consumer.group.name = spec.durable,
        messaging.batch.message_count = groups.iter().map(Vec::len).sum::<usize>() as u64,
    );
    for delivery in groups.iter().filter_map(|group| group.first()) {
        link(&span, &creation(delivery));
    }
}

/// Puts deliveries of one origin together, in the order in which the first of each came.
pub(crate) fn by_origin(deliveries: Vec<Delivery>) -> Vec<Vec<Delivery>> {
    let mut groups: Vec<Vec<Delivery>> = Vec::new();
    for delivery in deliveries {
        let origin = delivery.header(TRACEPARENT);
        let known = groups.iter_mut().find(|group| group.iter().any(|other| other.header(TRACEPARENT) == origin));
        match known {
            Some(group) => group.push(delivery),
            None => groups.push(vec![delivery]),
        }
    }
    groups
}

/// The span in which deliveries of one origin are processed: its child, and linked to it.
pub(crate) fn process_span(spec: &ConsumerSpec, deliveries: &[Delivery]) -> Span {
    let Some(first) = deliveries.first() else { return Span::none() };
    let template = spec.template;
    let count = batch_size(deliveries.len());
    let span = info_span!(
        "process",
        otel.name = format!("process {template}"),
        otel.kind = "consumer",
        otel.status_code = Empty,
        error.type = Empty,
        messaging.system = "nats",
        messaging.operation.name = "process",
        messaging.operation.type = "process",
        messaging.destination.name = common(deliveries, Delivery::subject),
        messaging.destination.template = template,
        messaging.consumer.group.name = spec.durable,
        messaging.message.id = first.header(headers::MESSAGE_ID).filter(|_| count.is_none()),
        messaging.batch.message_count = count,
        lanesync.nats.stream = spec.stream,
        lanesync.nats.stream_sequence = first.stream_sequence(),
        lanesync.nats.delivery_count = first.delivered(),
    );
    let origin = creation(first);
    link(&span, &origin);
    // Fails only when no telemetry is installed: then there is no trace to continue.
    let _ = span.set_parent(origin);
    span
}

/// The span in which `count` messages are settled by `verb`, below the span of processing them.
pub(crate) fn settle_span(spec: &ConsumerSpec, parent: &Span, verb: &'static str, count: usize) -> Span {
    let template = spec.template;
    info_span!(
        parent: parent,
        "settle",
        otel.name = format!("{verb} {template}"),
        otel.kind = "client",
        otel.status_code = Empty,
        error.type = Empty,
        messaging.system = "nats",
        messaging.operation.name = verb,
        messaging.operation.type = "settle",
        messaging.destination.template = template,
        messaging.consumer.group.name = spec.durable,
        messaging.batch.message_count = batch_size(count),
    )
}

/// Marks a span that has fields for it as failed.
pub(crate) fn fail(span: &Span, error_type: &str) {
    span.record("otel.status_code", "ERROR").record("error.type", error_type);
}

/// Returns the trace id of a sampled span in lower-case hex.
pub(crate) fn trace_id(span: &Span) -> Option<String> {
    let context = span.context();
    let span_ref = context.span();
    let span_context = span_ref.span_context();
    span_context.is_sampled().then(|| span_context.trace_id().to_string())
}
