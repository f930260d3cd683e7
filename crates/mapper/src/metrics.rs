//! The names of all metrics of this crate.

use std::sync::LazyLock;

use domain::Object;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge};

static RECORDS: LazyLock<Counter<u64>> =
    LazyLock::new(|| service::metrics::meter().u64_counter("lanesync.map.records").with_unit("{record}").build());
static UNMAPPED: LazyLock<Gauge<u64>> =
    LazyLock::new(|| service::metrics::meter().u64_gauge("lanesync.unmapped_values").with_unit("{value}").build());
static UNMAPPED_EVENTS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    service::metrics::meter().u64_counter("lanesync.unmapped_value.events").with_unit("{event}").build()
});

/// What became of records in a batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct MappedCounts {
    pub(crate) mapped: u64,
    pub(crate) with_unmapped_value: u64,
    pub(crate) rejected: u64,
}

/// Counts mapped records.
pub(crate) fn mapped(object: Object, counts: MappedCounts) {
    for (outcome, count) in
        [("mapped", counts.mapped), ("unmapped_value", counts.with_unmapped_value), ("rejected", counts.rejected)]
    {
        if count > 0 {
            let attributes =
                [KeyValue::new("lanesync.object", object.token()), KeyValue::new("lanesync.outcome", outcome)];
            RECORDS.add(count, &attributes);
        }
    }
}

/// Counts an event about an unmapped value.
pub(crate) fn unmapped_event(kind: domain::Kind, field: &str) {
    // People's values count under contact; field names are few.
    let attributes =
        [KeyValue::new("lanesync.object", kind.token()), KeyValue::new("lanesync.field", field.to_owned())];
    UNMAPPED_EVENTS.add(1, &attributes);
}

/// Sets the number of open values of a field.
pub(crate) fn unmapped_values(kind: domain::Kind, field: &str, workspace: &str, count: u64) {
    let attributes = [
        KeyValue::new("lanesync.object", kind.token()),
        KeyValue::new("lanesync.field", field.to_owned()),
        KeyValue::new("lanesync.workspace.id", workspace.to_owned()),
    ];
    UNMAPPED.record(count, &attributes);
}
