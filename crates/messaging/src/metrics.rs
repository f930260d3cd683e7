//! What the messaging conventions ask for.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram, Meter};
use opentelemetry::{KeyValue, global};

const SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

struct Instruments {
    operation: Histogram<f64>,
    process: Histogram<f64>,
    sent: Counter<u64>,
    consumed: Counter<u64>,
    dead: Counter<u64>,
}

// Made on first use: by then `main` has installed the meter provider.
static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter: Meter = global::meter("lanesync.messaging");
    let seconds =
        |name: &'static str| meter.f64_histogram(name).with_unit("s").with_boundaries(SECONDS.to_vec()).build();
    Instruments {
        operation: seconds("messaging.client.operation.duration"),
        process: seconds("messaging.process.duration"),
        sent: meter.u64_counter("messaging.client.sent.messages").with_unit("{message}").build(),
        consumed: meter.u64_counter("messaging.client.consumed.messages").with_unit("{message}").build(),
        dead: meter.u64_counter("lanesync.dlq.routed").with_unit("{message}").build(),
    }
});

fn destination(template: &'static str) -> [KeyValue; 2] {
    [KeyValue::new("messaging.system", "nats"), KeyValue::new("messaging.destination.template", template)]
}

pub(crate) fn published(template: &'static str, took: Duration, stored: bool) {
    let attributes = destination(template);
    INSTRUMENTS.operation.record(took.as_secs_f64(), &attributes);
    if stored {
        INSTRUMENTS.sent.add(1, &attributes);
    }
}

pub(crate) fn processed(template: &'static str, count: usize, took: Duration) {
    let attributes = destination(template);
    INSTRUMENTS.process.record(took.as_secs_f64(), &attributes);
    INSTRUMENTS.consumed.add(count as u64, &attributes);
}

pub(crate) fn dead_letter(stage: &'static str, reason: &'static str) {
    INSTRUMENTS.dead.add(1, &[KeyValue::new("lanesync.stage", stage), KeyValue::new("lanesync.reason", reason)]);
}
