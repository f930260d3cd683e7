//! Alerts, recording rules and dashboards: they parse, ask only for what the code makes, and lead somewhere.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::LazyLock;

use serde_json::Value;

use crate::metrics::{SERIES, named, unknown};
use crate::{documents, files, items, output, read, tool};

const RULES: &str = "deploy/observability/prometheus/rules";
const TESTS: &str = "deploy/observability/prometheus/tests";
const DASHBOARDS: &str = "deploy/observability/grafana/dashboards/lanesync";

static ALL_RULES: LazyLock<Vec<Value>> = LazyLock::new(|| {
    let groups = files(RULES, ".yml").into_iter().flat_map(|path| documents(&std::fs::read_to_string(path).unwrap()));
    groups
        .flat_map(|file| items(&file["groups"]).flat_map(|group| items(&group["rules"]).cloned()).collect::<Vec<_>>())
        .collect()
});

pub(crate) fn alerts() -> impl Iterator<Item = (&'static str, &'static Value)> {
    ALL_RULES.iter().filter_map(|rule| Some((rule["alert"].as_str()?, rule)))
}

fn recorded() -> BTreeSet<String> {
    ALL_RULES.iter().filter_map(|rule| Some(rule["record"].as_str()?.to_owned())).collect()
}

/// Every panel, with the name of its dashboard.
static PANELS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let dashboards = files(DASHBOARDS, ".json").into_iter().map(|path| {
        let text = std::fs::read_to_string(&path).unwrap();
        (path.file_stem().unwrap().to_string_lossy().into_owned(), serde_json::from_str::<Value>(&text).unwrap())
    });
    let panels = dashboards.flat_map(|(name, dashboard)| {
        items(&dashboard["panels"]).map(|panel| (name.clone(), panel.clone())).collect::<Vec<_>>()
    });
    panels.collect()
});

/// The queries of all panels as Grafana sends them, each with the names of its dashboard and its panel.
pub(crate) fn asked() -> impl Iterator<Item = ([&'static str; 2], String)> {
    PANELS.iter().flat_map(|(dashboard, panel)| {
        items(&panel["targets"]).map(move |target| {
            let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "1m");
            let query = query.replace("$workspace", ".*").replace("$object", ".*");
            ([dashboard.as_str(), panel["title"].as_str().unwrap()], query)
        })
    })
}

fn queries() -> Vec<String> {
    asked().map(|(_, query)| query).collect()
}

#[test]
fn promtool_finds_nothing_in_rules_and_config() {
    output(tool("promtool").args(["check", "rules", "--lint=all", "--lint-fatal"]).args(files(RULES, ".yml")));
    output(tool("promtool").args(["check", "config", "deploy/observability/prometheus/prometheus.yml"]));
}

#[test]
fn alerts_fire_when_they_must_and_only_then() {
    output(tool("promtool").args(["test", "rules"]).args(files(TESTS, ".test.yml")));
}

#[test]
fn every_alert_is_seen_firing_and_seen_quiet() {
    let suites =
        files(TESTS, ".test.yml").into_iter().flat_map(|path| documents(&std::fs::read_to_string(path).unwrap()));
    let cases: Vec<Value> = suites
        .flat_map(|suite| {
            items(&suite["tests"]).flat_map(|test| items(&test["alert_rule_test"]).cloned()).collect::<Vec<_>>()
        })
        .collect();
    for (name, rule) in alerts() {
        let mut of_alert = cases.iter().filter(|case| case["alertname"] == name);
        let fires = |case: &&Value| {
            // An alert of one service, or one pace of a budget, is an alert of its own.
            items(&case["exp_alerts"]).any(|alert| {
                rule["labels"].as_object().unwrap().iter().all(|(label, value)| alert["exp_labels"][label] == *value)
            })
        };
        assert!(of_alert.clone().any(|case| fires(&case)), "{name} {} never fires in a test", rule["labels"]);
        assert!(of_alert.any(|case| !fires(&case)), "{name} {} is never quiet in a test", rule["labels"]);
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let runbooks = read("docs/runbooks.md");
    for (name, rule) in alerts() {
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["page", "ticket"].contains(&severity), "{name}");
        for said in ["summary", "description"] {
            assert!(rule["annotations"][said].is_string(), "{name} has no {said}");
        }
        let address = format!("docs/runbooks.md#{}", name.to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"], address, "{name}");
        let entry = runbooks.split(&format!("\n## {name}\n")).nth(1).unwrap_or_else(|| panic!("no entry for {name}"));
        let entry = entry.split("\n## ").next().unwrap();
        assert!(entry.contains("```console\n$ "), "the entry for {name} holds no command");
    }
}

#[test]
fn rules_and_dashboards_ask_only_for_what_the_code_makes() {
    let recorded = recorded();
    let rules = ALL_RULES.iter().map(|rule| rule["expr"].as_str().unwrap().to_owned());
    for query in rules.chain(queries()) {
        let unknown = unknown(&query, &recorded);
        assert!(unknown.is_empty(), "nothing makes {unknown:?}, which is asked for by {query}");
    }
}

#[test]
fn every_metric_that_the_code_makes_is_on_a_dashboard() {
    let shown: BTreeSet<_> = queries().iter().flat_map(|query| named(query).0).collect();
    let stem = |name: &str| {
        let parts = ["_bucket", "_count", "_sum"];
        parts.into_iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name).to_owned()
    };
    let shown: BTreeSet<_> = shown.iter().map(|name| stem(name)).collect();
    let unseen: BTreeSet<_> = SERIES.iter().map(|name| stem(name)).filter(|name| !shown.contains(name)).collect();
    assert!(unseen.is_empty(), "{unseen:?}");
}

#[test]
fn every_query_of_every_dashboard_parses() {
    // As recording rules, so that promtool reads them all at once.
    let mut rules = "groups:\n  - name: dashboards\n    rules:\n".to_owned();
    for (number, query) in queries().iter().enumerate() {
        writeln!(rules, "      - {{ record: 'query:{number}', expr: '{}' }}", query.replace('\'', "''")).unwrap();
    }
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), rules).unwrap();
    output(tool("promtool").args(["check", "rules"]).arg(file.path()));
}

#[test]
fn the_four_dashboards_are_there_and_every_panel_explains_itself() {
    let names: BTreeSet<_> = PANELS.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, BTreeSet::from(["internals", "overview", "pipeline", "salesforce"]));
    for (dashboard, panel) in PANELS.iter() {
        let title = panel["title"].as_str().unwrap();
        assert!(panel["description"].as_str().is_some_and(|text| text.len() > 10), "{dashboard}: {title}");
        assert!(panel["fieldConfig"]["defaults"]["unit"].is_string(), "{dashboard}: {title} has no unit");
        for target in items(&panel["targets"]) {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{dashboard}: {title}");
            let query = target["expr"].as_str().unwrap();
            assert!(!query.contains("rate(") || query.contains("$__rate_interval"), "{dashboard}: {title}");
        }
    }
}

#[test]
fn the_files_of_grafana_and_of_the_collector_are_yaml_with_the_names_that_dashboards_use() {
    let sources = documents(&read("deploy/observability/grafana/provisioning/datasources/default.yaml"));
    let uids: Vec<_> = items(&sources[0]["datasources"]).map(|source| source["uid"].as_str().unwrap()).collect();
    assert_eq!(uids, ["prometheus", "tempo", "loki"]);
    let folders = documents(&read("deploy/observability/grafana/provisioning/dashboards/default.yaml"));
    assert_eq!(folders[0]["providers"][0]["allowUiUpdates"], false);
    let collector = &documents(&read("deploy/observability/otel-collector.yaml"))[0];
    for part in ["receivers", "processors", "exporters"] {
        for used in items(&collector["service"]["pipelines"]["traces"][part]) {
            assert!(collector[part].get(used.as_str().unwrap()).is_some(), "{part} has no {used}");
        }
    }
}
