//! All metrics of the extractor. No record, no value, no address ever is a label.

use std::sync::LazyLock;
use std::time::Duration;

use domain::Object;
use domain::state::SyncState;
use opentelemetry::KeyValue;
use opentelemetry::metrics::{Counter, Histogram};
use service::metrics::{CALL_SECONDS, meter};

use crate::figures::Shown;
use crate::store::figures::{OfWorkspace, OrgCalls};

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
static HTTP_DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    meter().f64_histogram("http.client.request.duration").with_unit("s").with_boundaries(CALL_SECONDS.to_vec()).build()
});
static WATCHDOG: LazyLock<Counter<u64>> =
    LazyLock::new(|| meter().u64_counter("lanesync.extract.chunks_read_again").with_unit("{chunk}").build());

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

/// Shows the figures of the fleet with every scrape.
pub(crate) fn show(shown: &Shown) {
    let figures = shown.clone();
    meter()
        .i64_observable_gauge("lanesync.connections")
        .with_unit("{connection}")
        .with_callback(move |observer| {
            figures.look(|figures| {
                for state in SyncState::TOKENS {
                    let count = figures.states.iter().find(|(known, _)| known == state).map_or(0, |(_, count)| *count);
                    observer.observe(count, &[KeyValue::new("lanesync.state", state)]);
                }
            });
        })
        .build();
    let figures = shown.clone();
    meter()
        .i64_observable_gauge("lanesync.sync.last_success.time")
        .with_unit("s")
        .with_callback(move |observer| {
            figures.look(|figures| {
                for of in &figures.applied {
                    observer.observe(of.figure.applied_at, &[of_workspace(of), of_object(of.figure.object)]);
                }
            });
        })
        .build();
    let figures = shown.clone();
    // Salesforce's clock against ours: good to the seconds that they differ, and nothing is decided by it.
    meter()
        .f64_observable_gauge("lanesync.sync.lag")
        .with_unit("s")
        .with_callback(move |observer| {
            let now = jiff::Timestamp::now();
            figures.look(|figures| {
                for of in &figures.applied {
                    let Some(synced_to) = of.figure.synced_to else { continue };
                    let lag = now.duration_since(synced_to.to_timestamp()).as_secs_f64();
                    observer.observe(lag.max(0.0), &[of_workspace(of), of_object(of.figure.object)]);
                }
            });
        })
        .build();
    show_org_calls(shown);
}

fn show_org_calls(shown: &Shown) {
    let figures = shown.clone();
    meter()
        .i64_observable_gauge("lanesync.salesforce.api.limit")
        .with_unit("{request}")
        .with_callback(move |observer| {
            figures.look(|figures| {
                figures.org_calls.iter().for_each(|of| observer.observe(of.figure.limit, &[of_workspace(of)]));
            });
        })
        .build();
    let figures = shown.clone();
    meter()
        .i64_observable_gauge("lanesync.salesforce.api.usage")
        .with_unit("{request}")
        .with_callback(move |observer| {
            figures.look(|figures| {
                figures.org_calls.iter().for_each(|of| observer.observe(of.figure.used, &[of_workspace(of)]));
            });
        })
        .build();
    let figures = shown.clone();
    meter()
        .f64_observable_gauge("lanesync.salesforce.api.utilization")
        .with_unit("1")
        .with_callback(move |observer| {
            figures.look(|figures| {
                for of in figures.org_calls.iter().filter(|of| of.figure.limit > 0) {
                    observer.observe(utilization(of.figure), &[of_workspace(of)]);
                }
            });
        })
        .build();
}

#[allow(clippy::cast_precision_loss, reason = "a ratio for people")]
fn utilization(calls: OrgCalls) -> f64 {
    calls.used as f64 / calls.limit as f64
}

fn of_object(object: Object) -> KeyValue {
    KeyValue::new("lanesync.object", object.token())
}

fn of_workspace<T>(of: &OfWorkspace<T>) -> KeyValue {
    let name = of.workspace.map_or_else(|| "_other".to_owned(), |workspace| workspace.to_string());
    KeyValue::new("lanesync.workspace.id", name)
}
