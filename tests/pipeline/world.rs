//! A whole installation for one test: simulated Salesforce, Postgres, NATS and the four services as real processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::auth::v1::Connection;
use contract::common::v1::Plan;
use contract::extractor::v1::{RunPhase, SyncRun, SyncScope, UpdateScheduleRequest};
use serde_json::{Value, json};
use stack::lane::{Headless, Lane};
use stack::{Folder, OrgSize, ServiceName, Simulator, Stack, StackOptions};

/// How long a load of a test's size may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// An org that loads in a moment.
pub(crate) const SMALL: OrgSize = OrgSize { accounts: 120, contacts: 300, leads: 100 };

/// An installation.
pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) simulator: Simulator,
    pub(crate) lane: Lane,
    pub(crate) workspace: String,
    // Dropped last: the simulator writes into it.
    _folder: Folder,
}

/// The folder of the product's programs.
pub(crate) fn programs() -> PathBuf {
    let folder = std::env::var_os("LANESYNC_TEST_BIN_DIR").expect("run the tests with: cargo x test");
    PathBuf::from(folder)
}

impl World {
    /// Starts everything, with a workspace that is not connected yet.
    pub(crate) async fn new(size: OrgSize, plan: Plan, settings: &[(ServiceName, &str, &str)]) -> Self {
        Self::made(size, plan, |options| {
            options.settings =
                settings.iter().map(|(service, name, value)| (*service, (*name).to_owned(), value.into())).collect();
        })
        .await
    }

    /// The same, with options of any kind.
    pub(crate) async fn made(size: OrgSize, plan: Plan, choose: impl FnOnce(&mut StackOptions)) -> Self {
        let folder = Folder::new("pipeline").unwrap();
        let simulator = Simulator::start(&programs(), folder.path(), size).await.unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut options = StackOptions::new(programs(), servers::Search::from_env(root));
        options.salesforce = simulator.salesforce();
        choose(&mut options);
        let stack = Stack::up(&options).await.unwrap();
        let lane = Lane::of(&stack).unwrap();
        let workspace = lane.create_workspace("Test", plan).await.unwrap();
        Self { stack, simulator, lane, workspace, _folder: folder }
    }

    /// A connected and mapped workspace on Business, nothing read yet.
    pub(crate) async fn connected(size: OrgSize, settings: &[(ServiceName, &str, &str)]) -> Self {
        let world = Self::new(size, Plan::Business, settings).await;
        world.connect_and_map().await;
        world
    }

    /// Connects the workspace and maps it as suggested.
    pub(crate) async fn connect_and_map(&self) {
        self.connect().await;
        if let Err(error) = self.lane.adopt_suggestions(&self.workspace).await {
            panic!("{error:#}\n{}", self.complaints());
        }
        self.lane.match_same_names(&self.workspace).await.unwrap();
    }

    /// What the services logged above the level of information: said when a test fails.
    pub(crate) fn complaints(&self) -> String {
        let mut said = String::new();
        for name in ServiceName::ALL {
            let log = std::fs::read_to_string(self.stack.service(name).log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().filter(|line| !line.contains("\"level\":\"info\"")).collect();
            for line in lines.iter().rev().take(10).rev() {
                said.push_str(line);
                said.push('\n');
            }
        }
        said
    }

    /// Connects the workspace without a person.
    pub(crate) async fn connect(&self) -> Connection {
        let how = Headless { environment: self.simulator.url(), start_at: None };
        self.lane.connect(&self.workspace, &how).await.unwrap()
    }

    /// Runs a sync to its end; a poll or a compare that runs by itself is let through first.
    pub(crate) async fn sync(&self, scope: SyncScope) -> SyncRun {
        let run = match self.lane.start_when_free(&self.workspace, scope, PATIENCE).await {
            Ok(run) => run,
            Err(error) => panic!("{error:#}\n{}", self.complaints()),
        };
        self.lane.finished(&self.workspace, &run.run_id, PATIENCE, |_| {}).await.unwrap()
    }

    /// Makes polls so rare that none comes while a test counts calls.
    pub(crate) async fn poll_once_a_day(&self) {
        let request = UpdateScheduleRequest {
            workspace_id: self.workspace.clone(),
            poll_interval: Some(prost_types::Duration { seconds: 86_400, nanos: 0 }),
        };
        self.lane.syncs().update_schedule(request).await.unwrap();
    }

    /// Waits until no run is in hand and none is due within the hour.
    pub(crate) async fn at_rest(&self) {
        testkit::eventually_true(PATIENCE, "nothing runs and nothing is due", || async {
            let Ok(status) = self.lane.status(&self.workspace).await else { return false };
            let ended = status.run.is_none_or(|run| run.phase() == RunPhase::Completed);
            let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
            let due = status.next_run_time.map_or(i64::MAX, |due| due.seconds);
            ended && due > i64::try_from(now).unwrap() + 3_600
        })
        .await;
    }

    /// Gives an order to the simulated world.
    pub(crate) async fn order(&self, order: &str, details: Value) -> Value {
        self.simulator.order(order, details).await.unwrap()
    }

    /// Ids of live records of an object, in id order.
    pub(crate) async fn ids(&self, object: &str, limit: usize) -> Vec<String> {
        let answer = self.order("ids", json!({ "object": object, "state": "live", "limit": limit })).await;
        serde_json::from_value(answer).unwrap()
    }

    /// API calls that the org counted so far.
    pub(crate) async fn api_calls(&self) -> u64 {
        let stats = self.order("stats", json!({})).await;
        let by_org = stats["api_calls"].as_object().expect("the simulator counts API calls by org");
        by_org.values().filter_map(Value::as_u64).sum()
    }
}
