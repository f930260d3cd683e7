//! All metrics of the extractor. No record, no value, no address ever is a label.

use std::sync::LazyLock;
use std::time::Duration;

use domain::Object;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use service::metrics::{CALL_SECONDS, meter};

use crate::salesforce::usage::Ratio;

static RECORDS: LazyLock<Counter<u64>> =
    LazyLock::new(|| meter().u64_counter("lanesync.extract.records").with_unit("{record}").build());
static PAGE_DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    meter()
        .f64_histogram("lanesync.extract.page.duration")
        .with_unit("s")
        .with_boundaries(vec![0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0])
        .build()
});
static RUNS: LazyLock<Counter<u64>> =
    LazyLock::new(|| meter().u64_counter("lanesync.sync.runs").with_unit("{run}").build());
static RUN_DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    meter()
        .f64_histogram("lanesync.sync.run.duration")
        .with_unit("s")
        .with_boundaries(vec![1.0, 5.0, 15.0, 60.0, 300.0, 900.0, 3_600.0, 10_800.0, 43_200.0])
        .build()
});
static THROTTLED: LazyLock<Counter<u64>> =
    LazyLock::new(|| meter().u64_counter("lanesync.salesforce.throttled").with_unit("{request}").build());
static API_LIMIT: LazyLock<Gauge<u64>> =
    LazyLock::new(|| meter().u64_gauge("lanesync.salesforce.api.limit").with_unit("{request}").build());
static API_USAGE: LazyLock<Gauge<u64>> =
    LazyLock::new(|| meter().u64_gauge("lanesync.salesforce.api.usage").with_unit("{request}").build());
static API_UTILIZATION: LazyLock<Gauge<f64>> =
    LazyLock::new(|| meter().f64_gauge("lanesync.salesforce.api.utilization").with_unit("1").build());
static LAST_SUCCESS: LazyLock<Gauge<u64>> =
    LazyLock::new(|| meter().u64_gauge("lanesync.sync.last_success.time").with_unit("s").build());
static HTTP_DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    meter().f64_histogram("http.client.request.duration").with_unit("s").with_boundaries(CALL_SECONDS.to_vec()).build()
});
static WATCHDOG: LazyLock<Counter<u64>> =
    LazyLock::new(|| meter().u64_counter("lanesync.extract.chunks_read_again").with_unit("{chunk}").build());

/// Most workspaces that have gauges of their own.
const MAX_WORKSPACES: usize = 500;

/// Counts a page that is in the books.
pub(crate) fn page(object: Object, mode: &'static str, records: usize, took: Duration) {
    let labels = [KeyValue::new("lanesync.object", object.token()), KeyValue::new("lanesync.run.mode", mode)];
    RECORDS.add(u64::try_from(records).unwrap_or(0), &labels);
    PAGE_DURATION.record(took.as_secs_f64(), &labels);
}

/// Counts a run that ended.
pub(crate) fn run_ended(mode: &'static str, outcome: &'static str, took: Duration) {
    RUNS.add(1, &[KeyValue::new("lanesync.run.mode", mode), KeyValue::new("lanesync.outcome", outcome)]);
    RUN_DURATION.record(took.as_secs_f64(), &[KeyValue::new("lanesync.run.mode", mode)]);
}

/// Counts a call that Salesforce, or our own budget, held back.
pub(crate) fn throttled(reason: &'static str) {
    THROTTLED.add(1, &[KeyValue::new("lanesync.reason", reason)]);
}

/// Counts chunks whose records are read once more, because they never reached the writer.
pub(crate) fn read_again(chunks: u64) {
    WATCHDOG.add(chunks, &[]);
}

/// Records an HTTP call.
pub(crate) fn http_call(template: &'static str, took: Duration, succeeded: bool) {
    let mut labels = vec![KeyValue::new("url.template", template)];
    if !succeeded {
        labels.push(KeyValue::new("error.type", "failed"));
    }
    HTTP_DURATION.record(took.as_secs_f64(), &labels);
}

/// Records what an org said of its limit. Beyond 500 workspaces the rest share one name.
#[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
pub(crate) fn org_usage(workspace: domain::WorkspaceId, ratio: Ratio) {
    let labels = [workspace_label(workspace)];
    API_LIMIT.record(ratio.limit, &labels);
    API_USAGE.record(ratio.used, &labels);
    if ratio.limit > 0 {
        API_UTILIZATION.record(ratio.used as f64 / ratio.limit as f64, &labels);
    }
}

/// Records when an object was last wholly applied.
pub(crate) fn succeeded(workspace: domain::WorkspaceId, object: Object, at: jiff::Timestamp) {
    let labels = [workspace_label(workspace), KeyValue::new("lanesync.object", object.token())];
    LAST_SUCCESS.record(u64::try_from(at.as_second()).unwrap_or(0), &labels);
}

fn workspace_label(workspace: domain::WorkspaceId) -> KeyValue {
    static KNOWN: LazyLock<std::sync::Mutex<std::collections::HashSet<domain::WorkspaceId>>> =
        LazyLock::new(std::sync::Mutex::default);
    let mut known = KNOWN.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    let named = known.contains(&workspace) || (known.len() < MAX_WORKSPACES && known.insert(workspace));
    let name = if named { workspace.to_string() } else { "_other".to_owned() };
    KeyValue::new("lanesync.workspace.id", name)
}
