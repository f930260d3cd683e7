//! Dashboards and alerts against the running product: after everything happened that a panel can show, each of them shows
//! something, and each alert has what it looks at.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use contract::common::v1::value::Value as Wire;
use contract::common::v1::{Plan, Value};
use contract::extractor::v1::{SyncScope, SyncState};
use contract::writer::v1::{FieldValue, ListCustomersRequest, UpdateCustomerRequest};
use serde_json::{Value as Json, json};
use stack::lane::{Headless, Lane};
use stack::{Folder, OrgSize, Process, ServiceName, Signal, Simulator, Stack, StackOptions};

use crate::metrics::selectors;
use crate::rules::{alerts, asked};
use crate::{documents, read, root, tool};

/// How long anything may take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(180);

/// Panels that can't show anything here, and why. One that does after all has to leave the list.
const EMPTY: [([&str; 2], &str); 1] =
    [(["pipeline", "Read once more"], "a chunk is read again when it was not applied for 15 minutes")];

#[tokio::test(flavor = "multi_thread")]
async fn every_panel_shows_something_and_every_alert_sees_its_series() {
    let folder = Folder::new("live").unwrap();
    let world = World::new(&folder).await;
    let prometheus = Prometheus::start(&folder, &world.stack).await;
    world.live(&prometheus).await;

    let panels: Vec<_> = asked().map(|(panel, query)| (panel.join(": "), query)).collect();
    let series: Vec<_> = alerts()
        .flat_map(|(name, rule)| selectors(rule["expr"].as_str().unwrap()).into_iter().map(move |one| (name, one)))
        .map(|(name, selector)| (name.to_owned(), selector))
        .collect();
    assert!(panels.len() > 50 && series.len() > 10);
    let hopeless: Vec<_> = EMPTY.iter().map(|(panel, _)| panel.join(": ")).collect();
    let hoped: Vec<_> = panels.iter().chain(&series).filter(|(place, _)| !hopeless.contains(place)).collect();

    let mut empty = Vec::new();
    let deadline = std::time::Instant::now() + Duration::from_secs(60);
    while std::time::Instant::now() < deadline {
        empty.clear();
        for asked in &hoped {
            if !prometheus.answers(&asked.1).await {
                empty.push(*asked);
            }
        }
        if empty.is_empty() {
            break;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    assert!(empty.is_empty(), "nothing is seen of {empty:#?}\n{}", world.complaints());
    for (place, query) in panels.iter().filter(|(place, _)| hopeless.contains(place)) {
        assert!(!prometheus.answers(query).await, "{place} shows something: take it off the list");
    }
}

#[test]
fn what_is_called_empty_is_on_a_dashboard() {
    for (panel, _) in EMPTY {
        assert!(asked().any(|(known, _)| known == panel), "{panel:?} is no panel");
    }
}

/// An installation with a simulated Salesforce.
struct World {
    stack: Stack,
    simulator: Simulator,
    lane: Lane,
}

impl World {
    async fn new(folder: &Folder) -> Self {
        let programs = std::env::var_os("LANESYNC_TEST_BIN_DIR").expect("run the tests with: cargo x deploy-check");
        let programs = PathBuf::from(programs);
        let size = OrgSize { accounts: 60, contacts: 90, leads: 30 };
        let simulator = Simulator::start(&programs, folder.path(), size).await.unwrap();
        let mut options = StackOptions::new(programs, servers::Search::from_env(root()));
        options.salesforce = simulator.salesforce();
        let stack = Stack::up(&options).await.unwrap();
        let lane = Lane::of(&stack).unwrap();
        Self { stack, simulator, lane }
    }

    /// Lets everything happen that a panel can show.
    async fn live(&self, prometheus: &Prometheus) {
        // Nobody decides about values: they stay open.
        let synced = self.connected("Synced").await;
        self.sync(&synced).await;
        // What is counted for the first time has no rate yet.
        for _ in 0..2 {
            stack::scene::live_a_little(&self.lane, &self.simulator, &synced, None).await.unwrap();
            self.edit_what_is_locked(&synced).await;
            self.look_at_the_console().await;
            prometheus.look().await;
        }

        let revoked = self.connected("Revoked").await;
        let fault =
            json!({ "endpoints": ["token"], "times": 1, "fault": { "kind": "invalid_grant", "description": "gone" } });
        self.order("fault", json!({ "rule": fault })).await;
        self.order("expire_sessions", json!({})).await;
        self.until(&revoked, SyncState::AuthRevoked).await;

        self.order("api_usage", json!({ "used": 100_000, "max": 100_000 })).await;
        self.until(&synced, SyncState::QuotaExhausted).await;
    }

    async fn connected(&self, name: &str) -> String {
        let workspace = self.lane.create_workspace(name, Plan::Business).await.unwrap();
        let how = Headless { environment: self.simulator.url(), start_at: None };
        self.lane.connect(&workspace, &how).await.unwrap();
        self.lane.adopt_suggestions(&workspace).await.unwrap();
        workspace
    }

    async fn sync(&self, workspace: &str) {
        let run = self.lane.start_when_free(workspace, SyncScope::Changes, PATIENCE).await.unwrap();
        self.lane.finished(workspace, &run.run_id, PATIENCE, |_| {}).await.unwrap();
    }

    /// Reads until the workspace can't any more.
    async fn until(&self, workspace: &str, state: SyncState) {
        // The wish may be refused for the very reason that is waited for.
        self.lane.start_when_free(workspace, SyncScope::Everything, PATIENCE).await.ok();
        testkit::eventually_true(PATIENCE, state.as_str_name(), || async {
            self.lane.status(workspace).await.is_ok_and(|status| status.state() == state)
        })
        .await;
    }

    async fn edit_what_is_locked(&self, workspace: &str) {
        let all = ListCustomersRequest { workspace_id: workspace.to_owned(), page_size: 1, ..Default::default() };
        let mut customers = self.lane.customers();
        let customer = customers.list_customers(all).await.unwrap().into_inner().customers.remove(0);
        let value = Some(Value { value: Some(Wire::Text("Typed".to_owned())) });
        let edit = UpdateCustomerRequest {
            workspace_id: workspace.to_owned(),
            id: customer.id,
            fields: vec![FieldValue { field: "name".to_owned(), value, ..Default::default() }],
            update_mask: Some(prost_types::FieldMask { paths: vec!["name".to_owned()] }),
            ..Default::default()
        };
        customers.update_customer(edit).await.unwrap_err();
    }

    async fn look_at_the_console(&self) {
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let page = http.get(self.stack.console_url()).send().await.unwrap();
        assert!(page.status().is_success(), "{}", page.status());
    }

    async fn order(&self, order: &str, details: Json) {
        self.simulator.order(order, details).await.unwrap();
    }

    /// What the services logged above the level of information.
    fn complaints(&self) -> String {
        let mut said = String::new();
        for name in ServiceName::ALL {
            let log = std::fs::read_to_string(self.stack.service(name).log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().filter(|line| !line.contains(r#""level":"info""#)).collect();
            for line in lines.iter().rev().take(10).rev() {
                said.push_str(line);
                said.push('\n');
            }
        }
        said
    }
}

/// A Prometheus with the configuration that is shipped, except that it looks at this stack, and often.
struct Prometheus {
    url: String,
    http: reqwest::Client,
    began: SystemTime,
    _process: Process,
}

impl Prometheus {
    async fn start(folder: &Folder, stack: &Stack) -> Self {
        let config = folder.path().join("prometheus.yml");
        std::fs::write(&config, pointed_at(stack).to_string()).unwrap();
        let address = format!("127.0.0.1:{}", stack::free_port().unwrap());
        let mut command = tool("prometheus");
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--storage.tsdb.path={}", folder.path().join("series").display()))
            .arg(format!("--web.listen-address={address}"));
        let log = folder.path().join("prometheus.log");
        let process = Process::spawn("prometheus", command, &log, Signal::KILL).unwrap();
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        let prometheus = Self { url: format!("http://{address}"), http, began: SystemTime::now(), _process: process };
        testkit::eventually_true(PATIENCE, "Prometheus is ready", || async {
            let asked = prometheus.http.get(format!("{}/-/ready", prometheus.url)).send().await;
            asked.is_ok_and(|answer| answer.status().is_success())
        })
        .await;
        prometheus
    }

    /// Waits until every service was asked once more.
    async fn look(&self) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs_f64();
        let all = format!("count(timestamp(up == 1) > {now}) == {}", ServiceName::ALL.len());
        testkit::eventually_true(PATIENCE, "every service is scraped", || self.answers(&all)).await;
    }

    /// Whether a graph of the query since the beginning has at least one point.
    async fn answers(&self, query: &str) -> bool {
        let seconds = |time: SystemTime| time.duration_since(UNIX_EPOCH).unwrap().as_secs().to_string();
        let (start, end) = (seconds(self.began), seconds(SystemTime::now()));
        let form = BTreeMap::from([("query", query), ("start", &start), ("end", &end), ("step", "1")]);
        let asked = self.http.post(format!("{}/api/v1/query_range", self.url)).form(&form);
        let answer: Json = asked.send().await.unwrap().json().await.unwrap();
        assert_eq!(answer["status"], "success", "{query}: {answer}");
        let series = answer["data"]["result"].as_array().unwrap();
        series.iter().flat_map(|one| one["values"].as_array().unwrap()).any(|point| {
            let value: f64 = point[1].as_str().unwrap().parse().unwrap();
            value.is_finite()
        })
    }
}

/// The shipped configuration, with the addresses of this stack's services.
fn pointed_at(stack: &Stack) -> Json {
    let shipped = Path::new("deploy/observability/prometheus/prometheus.yml");
    let mut config = documents(&read(shipped.to_str().unwrap())).remove(0);
    for interval in ["scrape_interval", "evaluation_interval"] {
        config["global"][interval] = "500ms".into();
    }
    config["rule_files"] = json!([root().join(shipped).with_file_name("rules").join("*.yml")]);
    for job in config["scrape_configs"].as_array_mut().unwrap() {
        let program = format!("lanesync-{}", job["job_name"].as_str().unwrap());
        let service = ServiceName::ALL.into_iter().find(|name| name.program() == program).unwrap();
        job["static_configs"] = json!([{ "targets": [stack.service(service).addresses().metrics] }]);
    }
    config
}
