//! What the connections to Postgres are doing: how many there are, and how long work waits for one.

use std::sync::LazyLock;

use opentelemetry::KeyValue;
use opentelemetry::metrics::Histogram;
use sqlx::PgPool;
use tracing::field::{Field, Visit};
use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::metrics::meter;

/// Where sqlx tells of each connection that it hands out; it offers no other way to learn of the wait.
const HANDED_OUT: &str = "sqlx::pool::acquire";
/// The field of such an event that holds the wait in seconds, spelled as sqlx spells it.
const WAITED: &str = "acquired_after_secs";

static WAIT: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    meter()
        .f64_histogram("db.client.connection.wait_time")
        .with_unit("s")
        .with_boundaries(vec![0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0])
        .build()
});

/// Shows with every scrape how many connections the pool holds, and how many it may.
pub(crate) fn show(pool: &PgPool, most: u32) {
    let pool = pool.clone();
    meter()
        .u64_observable_gauge("db.client.connection.count")
        .with_unit("{connection}")
        .with_callback(move |observer| {
            let idle = pool.num_idle() as u64;
            // The two numbers are read one after the other.
            let used = u64::from(pool.size()).saturating_sub(idle);
            for (state, count) in [("idle", idle), ("used", used)] {
                observer.observe(count, &[of_pool(), KeyValue::new("db.client.connection.state", state)]);
            }
        })
        .build();
    meter()
        .u64_observable_gauge("db.client.connection.max")
        .with_unit("{connection}")
        .with_callback(move |observer| observer.observe(u64::from(most), &[of_pool()]))
        .build();
}

/// A process has one pool.
fn of_pool() -> KeyValue {
    KeyValue::new("db.client.connection.pool.name", "postgres")
}

/// Whether an event tells of a connection that was handed out.
pub(crate) fn is_hand_out(metadata: &Metadata<'_>) -> bool {
    metadata.is_event() && metadata.target() == HANDED_OUT
}

/// Keeps those events out of the log, except the warnings about slow ones.
pub(crate) fn unlogged() -> String {
    format!("{HANDED_OUT}=warn")
}

/// Measures the wait for every connection that is handed out.
pub(crate) struct Waits;

impl<S: Subscriber> Layer<S> for Waits {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut wait = Wait(None);
        event.record(&mut wait);
        if let Some(seconds) = wait.0 {
            WAIT.record(seconds, &[of_pool()]);
        }
    }
}

/// The wait that an event tells of.
struct Wait(Option<f64>);

impl Visit for Wait {
    fn record_f64(&mut self, field: &Field, value: f64) {
        if field.name() == WAITED {
            self.0 = Some(value);
        }
    }

    fn record_debug(&mut self, _: &Field, _: &dyn std::fmt::Debug) {}
}
