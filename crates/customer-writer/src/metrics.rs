//! The writer's own measurements; names are those of the conventions.

use std::sync::LazyLock;
use std::time::Duration;

use domain::Object;
use jiff::Timestamp;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};

const FRESHNESS_SECONDS: [f64; 13] =
    [1.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 21_600.0, 86_400.0];

const STATEMENT_SECONDS: [f64; 9] = [0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1.0, 5.0, 10.0];

struct Instruments {
    records: Counter<u64>,
    freshness: Histogram<f64>,
    rejections: Counter<u64>,
    parked: Gauge<i64>,
    routed: Counter<u64>,
    statement: Histogram<f64>,
}

// Made on first use: by then `main` has installed the meter provider.
static INSTRUMENTS: LazyLock<Instruments> = LazyLock::new(|| {
    let meter = service::metrics::meter();
    Instruments {
        records: meter.u64_counter("lanesync.write.records").with_unit("{record}").build(),
        freshness: meter
            .f64_histogram("lanesync.sync.freshness")
            .with_unit("s")
            .with_boundaries(FRESHNESS_SECONDS.to_vec())
            .build(),
        rejections: meter.u64_counter("lanesync.lock.rejections").with_unit("{edit}").build(),
        parked: meter.i64_gauge("lanesync.dlq.messages").with_unit("{message}").build(),
        routed: meter.u64_counter("lanesync.dlq.routed").with_unit("{message}").build(),
        statement: meter
            .f64_histogram("db.client.operation.duration")
            .with_unit("s")
            .with_boundaries(STATEMENT_SECONDS.to_vec())
            .build(),
    }
});

/// What became of records, by outcome.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Outcomes {
    pub(crate) created: u64,
    pub(crate) updated: u64,
    pub(crate) unchanged: u64,
    pub(crate) deleted: u64,
    pub(crate) stale: u64,
    pub(crate) rejected: u64,
}

/// Counts records that were written, or not.
pub(crate) fn written(object: Object, outcomes: &Outcomes) {
    let Outcomes { created, updated, unchanged, deleted, stale, rejected } = *outcomes;
    let by_name = [
        ("created", created),
        ("updated", updated),
        ("unchanged", unchanged),
        ("deleted", deleted),
        ("stale", stale),
        ("rejected", rejected),
    ];
    for (outcome, count) in by_name {
        if count > 0 {
            let attributes =
                [KeyValue::new("lanesync.object", object.token()), KeyValue::new("lanesync.outcome", outcome)];
            INSTRUMENTS.records.add(count, &attributes);
        }
    }
}

/// Notes how long the upsert of one batch took.
pub(crate) fn upserted(table: &'static str, took: Duration) {
    let attributes = [
        KeyValue::new("db.system.name", "postgresql"),
        KeyValue::new("db.operation.name", "BATCH UPSERT"),
        KeyValue::new("db.collection.name", table),
    ];
    INSTRUMENTS.statement.record(took.as_secs_f64(), &attributes);
}

/// Notes how old a change in Salesforce was when it was written here.
pub(crate) fn fresh(object: Object, is_replay: bool, modified_ms: i64, now: Timestamp) {
    let age_ms = now.as_millisecond().saturating_sub(modified_ms);
    let path = if is_replay { "replay" } else { "poll" };
    let attributes = [KeyValue::new("lanesync.object", object.token()), KeyValue::new("lanesync.path", path)];
    // Milliseconds of any age that matters fit a float exactly.
    #[expect(clippy::cast_precision_loss, reason = "an age in milliseconds is far below 2^52")]
    let seconds = age_ms as f64 / 1000.0;
    INSTRUMENTS.freshness.record(seconds.max(0.0), &attributes);
}

/// Counts an edit that a lock refused.
pub(crate) fn refused(field: String) {
    INSTRUMENTS.rejections.add(1, &[KeyValue::new("lanesync.field", field)]);
}

/// Tells how many records are parked in all workspaces.
pub(crate) fn parked(count: i64) {
    INSTRUMENTS.parked.record(count, &[KeyValue::new("lanesync.stage", "writer")]);
}

/// Counts records that were parked, by code.
pub(crate) fn routed(code: &str, count: u64) {
    let attributes = [KeyValue::new("lanesync.stage", "writer"), KeyValue::new("lanesync.reason", code.to_owned())];
    INSTRUMENTS.routed.add(count, &attributes);
}
