//! A whole installation for one test: simulated Salesforce, the four services and the console as real processes.

use std::path::{Path, PathBuf};
use std::time::Duration;

use contract::common::v1::Plan;
use contract::extractor::v1::SyncScope;
use serde_json::Value;
use stack::lane::{Headless, Lane};
use stack::{Folder, OrgSize, Simulator, Stack, StackOptions};

use crate::browser::Browser;

/// How long a load of a test's size may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(180);

/// An installation.
pub(crate) struct World {
    pub(crate) stack: Stack,
    pub(crate) simulator: Simulator,
    pub(crate) lane: Lane,
    // Dropped last: the simulator writes into it.
    _folder: Folder,
}

fn programs() -> PathBuf {
    let folder = std::env::var_os("LANESYNC_TEST_BIN_DIR").expect("run the tests with: cargo x test");
    PathBuf::from(folder)
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// An installation with settings of its own.
    pub(crate) async fn with(change: impl FnOnce(&mut StackOptions)) -> Self {
        let folder = Folder::new("console").unwrap();
        let size = OrgSize { accounts: 40, contacts: 90, leads: 30 };
        let simulator = Simulator::start(&programs(), folder.path(), size).await.unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2).unwrap();
        let mut options = StackOptions::new(programs(), servers::Search::from_env(root));
        options.salesforce = simulator.salesforce();
        change(&mut options);
        let stack = Stack::up(&options).await.unwrap();
        let lane = Lane::of(&stack).unwrap();
        Self { stack, simulator, lane, _folder: folder }
    }

    pub(crate) async fn workspace(&self, name: &str, plan: Plan) -> String {
        self.lane.create_workspace(name, plan).await.unwrap()
    }

    /// Connects a workspace without a person.
    pub(crate) async fn connect(&self, workspace: &str) {
        let how = Headless { environment: self.simulator.url(), start_at: None };
        self.lane.connect(workspace, &how).await.unwrap();
    }

    /// A connected workspace with the suggested mapping and everything read once; no value is decided.
    pub(crate) async fn synced(&self, name: &str) -> String {
        let workspace = self.workspace(name, Plan::Business).await;
        self.connect(&workspace).await;
        self.lane.adopt_suggestions(&workspace).await.unwrap();
        self.read_changes(&workspace).await;
        workspace
    }

    /// Reads what changed, to the end.
    pub(crate) async fn read_changes(&self, workspace: &str) {
        let run = self.lane.start_when_free(workspace, SyncScope::Changes, PATIENCE).await.unwrap();
        self.lane.finished(workspace, &run.run_id, PATIENCE, |_| {}).await.unwrap();
    }

    /// Gives an order to the simulated Salesforce.
    pub(crate) async fn order(&self, order: &str, details: Value) -> Value {
        self.simulator.order(order, details).await.unwrap()
    }

    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.stack.console_url())
    }

    pub(crate) async fn admin(&self, workspace: &str) -> Browser {
        let browser = self.browser();
        browser.sign_in(workspace, "Ada", "admin").await;
        browser
    }
}
