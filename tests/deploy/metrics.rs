//! The metrics that the code makes, by the names that Prometheus sees, and the names that a query uses.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use crate::files;

/// What Prometheus makes itself, and what the exporter adds to every scrape.
const GIVEN: [&str; 2] = ["up", "target_info"];
/// Labels of the same origin, and those of the resource.
const GIVEN_LABELS: [&str; 6] = ["job", "instance", "le", "service_name", "service_namespace", "service_version"];

/// Every series by name, without what Prometheus makes itself.
pub(crate) static SERIES: LazyLock<BTreeSet<String>> =
    LazyLock::new(|| sources().iter().flat_map(|text| instruments(text)).collect());

/// Every label that code puts on a metric or a span.
static LABELS: LazyLock<BTreeSet<String>> = LazyLock::new(|| {
    let of_file = |text: &String| {
        quoted_after(text, "KeyValue::new(").map(|(name, _)| name.replace('.', "_")).collect::<Vec<_>>()
    };
    sources().iter().flat_map(of_file).collect()
});

fn sources() -> Vec<String> {
    files("crates", ".rs").into_iter().map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// What is quoted right after each place where `call` stands, and what follows it.
fn quoted_after<'a>(text: &'a str, call: &str) -> impl Iterator<Item = (&'a str, &'a str)> {
    text.split(call).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"')?.split_once('"'))
}

/// The series of the instruments that a source file builds.
fn instruments(text: &str) -> Vec<String> {
    // `seconds` is how the messaging crate abbreviates a histogram.
    let kinds = ["_counter(", "_gauge(", "_histogram(", "seconds("];
    let built = kinds.into_iter().flat_map(|kind| quoted_after(text, kind).map(move |(name, rest)| (kind, name, rest)));
    built
        .flat_map(|(kind, name, rest)| {
            let building = rest.split(".build()").next().unwrap_or_default();
            let unit = if kind == "seconds(" {
                "s"
            } else {
                quoted_after(building, "with_unit(").next().map_or("", |(unit, _)| unit)
            };
            series(kind, name, unit)
        })
        .collect()
}

/// How the exporter names an instrument.
fn series(kind: &str, name: &str, unit: &str) -> Vec<String> {
    let unit = match unit {
        "s" => "_seconds",
        "By" => "_bytes",
        "1" if kind == "_gauge(" => "_ratio",
        _ => "",
    };
    let name = format!("{}{unit}", name.replace('.', "_"));
    match kind {
        "_counter(" => vec![format!("{name}_total")],
        "_gauge(" => vec![name],
        _ => ["bucket", "count", "sum"].map(|part| format!("{name}_{part}")).into(),
    }
}

/// The series and the labels that a query names.
pub(crate) fn named(query: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    let (selectors, labels) = parts(query);
    let name = |selector: String| selector.split('{').next().unwrap().to_owned();
    (selectors.into_iter().map(name).collect(), labels)
}

/// The series that a query reads, each with the labels that it is chosen by: `up{job="auth"}`.
pub(crate) fn selectors(query: &str) -> BTreeSet<String> {
    parts(query).0
}

fn parts(query: &str) -> (BTreeSet<String>, BTreeSet<String>) {
    const WORDS: [&str; 6] = ["and", "or", "unless", "by", "on", "offset"];
    let (mut selectors, mut labels) = (BTreeSet::new(), BTreeSet::new());
    let (mut in_labels, mut after_by) = (false, false);
    let mut rest = query;
    while let Some(first) = rest.chars().next() {
        let word = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
        let length = match first {
            '"' => rest[1..].find('"').unwrap() + 2,
            // A duration.
            '[' => rest.find(']').unwrap() + 1,
            c if word(c) => rest.find(|c| !word(c)).unwrap_or(rest.len()),
            c => c.len_utf8(),
        };
        let (token, after) = rest.split_at(length);
        match first {
            '{' => in_labels = true,
            '(' if after_by => (in_labels, after_by) = (true, false),
            '}' | ')' => in_labels = false,
            c if c.is_ascii_alphabetic() || c == '_' => {
                after_by = token == "by";
                if in_labels {
                    labels.insert(token.to_owned());
                } else if !WORDS.contains(&token) && !calls(after) {
                    selectors.insert(format!("{token}{}", chosen_by(after)));
                }
            }
            _ => {}
        }
        rest = after;
    }
    (selectors, labels)
}

/// The braces right after the name of a series, and what they hold. Braces also stand in the values of labels.
fn chosen_by(after: &str) -> &str {
    if !after.starts_with('{') {
        return "";
    }
    let mut quoted = false;
    let end = after.find(|c| {
        quoted ^= c == '"';
        c == '}' && !quoted
    });
    &after[..=end.unwrap()]
}

/// Whether what follows a word makes it a function or an aggregation.
fn calls(after: &str) -> bool {
    let after = after.trim_start();
    after.starts_with('(') || after.starts_with("by ")
}

/// What a query names although nothing makes it; `recorded` are the series that rules make.
pub(crate) fn unknown(query: &str, recorded: &BTreeSet<String>) -> Vec<String> {
    let (series, labels) = named(query);
    let series = series
        .into_iter()
        .filter(|name| !SERIES.contains(name) && !recorded.contains(name) && !GIVEN.contains(&name.as_str()));
    let labels = labels.into_iter().filter(|name| !LABELS.contains(name) && !GIVEN_LABELS.contains(&name.as_str()));
    series.chain(labels).collect()
}

#[test]
fn instruments_are_named_as_the_exporter_names_them() {
    let text = r#"
        static A: X = meter().u64_counter("lanesync.dlq.routed").with_unit("{message}").build();
        static B: X = meter()
            .f64_gauge("lanesync.api.utilization")
            .with_unit("1")
            .build();
        let c = seconds("messaging.process.duration");
    "#;
    let expected = [
        "lanesync_api_utilization_ratio",
        "lanesync_dlq_routed_total",
        "messaging_process_duration_seconds_bucket",
        "messaging_process_duration_seconds_count",
        "messaging_process_duration_seconds_sum",
    ];
    assert_eq!(instruments(text).into_iter().collect::<BTreeSet<_>>(), expected.map(str::to_owned).into());
    assert!(SERIES.contains("lanesync_sync_last_success_time_seconds"));
    assert!(SERIES.contains("db_client_connection_count"));
    assert!(SERIES.contains("http_server_request_duration_seconds_bucket"));
}

#[test]
fn a_query_names_its_series_and_labels_and_nothing_else() {
    let query = r#"sum by (le, job) (rate(a_total{x="b{c}", y=~"d"}[5m])) / 3 > 0 and time() - lanesync:e:f unless g offset 1h"#;
    let (series, labels) = named(query);
    assert_eq!(series, ["a_total", "g", "lanesync:e:f"].map(str::to_owned).into());
    assert_eq!(labels, ["job", "le", "x", "y"].map(str::to_owned).into());
    let chosen = [r#"a_total{x="b{c}", y=~"d"}"#, "g", "lanesync:e:f"];
    assert_eq!(selectors(query), chosen.map(str::to_owned).into());
}

#[test]
fn a_query_for_what_nothing_makes_is_seen() {
    let nothing = BTreeSet::new();
    assert_eq!(unknown("rate(lanesync_sync_runs_total[5m])", &nothing), Vec::<String>::new());
    assert_eq!(unknown("lanesync_sync_leg_seconds", &nothing), ["lanesync_sync_leg_seconds"]);
    assert_eq!(unknown(r#"up{colour="red"}"#, &nothing), ["colour"]);
}
