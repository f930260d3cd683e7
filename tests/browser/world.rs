//! One installation for every story, and a workspace and a Salesforce org of its own for each.

use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, Weak};
use std::time::Duration;

use contract::auth::v1::{AuthorizeConnectionRequest, CompleteAuthorizationRequest};
use contract::common::v1::{Plan, RecordKind, Value, value};
use contract::extractor::v1::{SyncRun, SyncScope};
use contract::mapper::v1::{ValueDecision, ValueMapping};
use contract::writer::v1::{Customer, ListCustomersRequest};
use futures::FutureExt as _;
use serde_json::json;
use stack::lane::{Lane, OPTION_FIELDS};
use stack::{Folder, OrgSize, ServiceName, Simulator, Stack, StackOptions};
use tokio::runtime::Runtime;
use tokio::sync::{Mutex, Semaphore};

use crate::driver::{Browser, Driver};

/// How long anything may take on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(120);

/// Every page lies below.
pub(crate) const ROOT: &str = "/integrations/salesforce";

/// All stories share it: what the world holds open must outlive the test that began it.
static RUNTIME: LazyLock<Runtime> = LazyLock::new(|| Runtime::new().unwrap());
static SHARED: Mutex<Weak<World>> = Mutex::const_new(Weak::new());
/// Stories that are told at once. Each has a browser that draws and services that sync: more of them would only wait for
/// the same cores until something runs out of patience.
static SEATS: Semaphore = Semaphore::const_new(2);

/// An installation, a simulated Salesforce and a program that starts browsers.
pub(crate) struct World {
    // Dropped in this order: users before what they use.
    driver: Driver,
    pub(crate) stack: Stack,
    pub(crate) simulator: Simulator,
    pub(crate) lane: Lane,
    http: reqwest::Client,
    _folder: Folder,
}

/// A Salesforce org of the simulator.
#[derive(Clone)]
pub(crate) struct Org {
    pub(crate) id: String,
    pub(crate) name: String,
}

/// Tells a story in the world that all stories of this run share; the last to end takes it down.
pub(crate) fn tell<F: Future>(story: impl FnOnce(Arc<World>) -> F) -> F::Output {
    RUNTIME.block_on(async {
        let world = {
            let mut shared = SHARED.lock().await;
            match shared.upgrade() {
                Some(world) => world,
                None => {
                    let world = Arc::new(World::new().await);
                    *shared = Arc::downgrade(&world);
                    world
                }
            }
        };
        let _seat = SEATS.acquire().await.unwrap();
        let told = AssertUnwindSafe(Box::pin(story(Arc::clone(&world)))).catch_unwind().await;
        told.unwrap_or_else(|panic| {
            // The folder with the logs goes with the world.
            std::io::stderr().write_all(world.complaints().as_bytes()).ok();
            std::panic::resume_unwind(panic)
        })
    })
}

fn programs() -> PathBuf {
    PathBuf::from(std::env::var_os("LANESYNC_TEST_BIN_DIR").expect("run the tests with: cargo x test"))
}

impl World {
    async fn new() -> Self {
        let folder = Folder::new("browser").unwrap();
        // Every story makes an org of its own; the one that the simulator begins with stays empty.
        let nobody = OrgSize { accounts: 0, contacts: 0, leads: 0 };
        let simulator = Simulator::start(&programs(), folder.path(), nobody).await.unwrap();
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
        let mut options = StackOptions::new(programs(), servers::Search::from_env(root));
        options.salesforce = simulator.salesforce();
        let (stack, driver) = tokio::join!(Stack::up(&options), Driver::start(folder.path()));
        let stack = stack.unwrap();
        let lane = Lane::of(&stack).unwrap();
        let policy = reqwest::redirect::Policy::none();
        let http = reqwest::Client::builder().no_proxy().redirect(policy).build().unwrap();
        Self { driver, stack, simulator, lane, http, _folder: folder }
    }

    /// What the services logged above the level of information: said when a test fails.
    fn complaints(&self) -> String {
        let mut said = String::new();
        for name in ServiceName::ALL {
            let log = std::fs::read_to_string(self.stack.service(name).log()).unwrap_or_default();
            let lines: Vec<_> = log.lines().filter(|line| !line.contains("\"level\":\"info\"")).collect();
            for line in lines.iter().rev().take(12).rev() {
                said.push_str(line);
                said.push('\n');
            }
        }
        said
    }

    /// An address of the console.
    pub(crate) fn at(&self, path: &str) -> String {
        format!("{}{path}", self.stack.console_url().trim_end_matches('/'))
    }

    /// Gives an order to the simulated Salesforce.
    pub(crate) async fn order(&self, order: &str, details: serde_json::Value) -> serde_json::Value {
        self.simulator.order(order, details).await.unwrap()
    }

    /// A new org with this many records, drawn from `seed`.
    pub(crate) async fn org(&self, name: &str, seed: serde_json::Value) -> Org {
        let username = format!("sync@{}.example", name.to_lowercase().replace(|c: char| !c.is_alphanumeric(), "-"));
        let spec = json!({ "name": name, "username": username });
        let made = self.order("create_org", json!({ "spec": spec })).await;
        let id = made["id"].as_str().or_else(|| made.as_str()).expect("a new org has an id").to_owned();
        self.order("seed", json!({ "org": id, "seed": seed })).await;
        Org { id, name: name.to_owned() }
    }

    pub(crate) async fn workspace(&self, name: &str, plan: Plan) -> String {
        self.lane.create_workspace(name, plan).await.unwrap()
    }

    /// Connects a workspace to an org as the pages would, without a browser.
    pub(crate) async fn connect(&self, workspace: &str, org: &Org) {
        let request = AuthorizeConnectionRequest {
            workspace_id: workspace.to_owned(),
            environment: "production".into(),
            actor: "Ada".into(),
            ..Default::default()
        };
        let begun = self.lane.connections().authorize_connection(request).await.unwrap().into_inner();
        let mut page: url::Url = begun.authorize_url.parse().unwrap();
        page.query_pairs_mut().append_pair("sim_auto", "allow").append_pair("sim_org", &org.id);
        let back = self.http.get(page).send().await.unwrap();
        let back: url::Url = back.headers()["location"].to_str().unwrap().parse().unwrap();
        let part = |name: &str| {
            back.query_pairs().find(|(known, _)| known == name).map(|(_, part)| part.into_owned()).unwrap_or_default()
        };
        let request = CompleteAuthorizationRequest { state: part("state"), code: part("code"), ..Default::default() };
        self.lane.connections().complete_authorization(request).await.unwrap();
    }

    /// A connected workspace with the suggested mapping and everything read once; no value is decided.
    pub(crate) async fn synced(&self, name: &str, org: &Org) -> String {
        let workspace = self.workspace(name, Plan::Business).await;
        self.connect(&workspace, org).await;
        self.lane.adopt_suggestions(&workspace).await.unwrap();
        self.sync(&workspace).await;
        workspace
    }

    /// Reads what changed, to the end.
    pub(crate) async fn sync(&self, workspace: &str) -> SyncRun {
        let run = self.lane.start_when_free(workspace, SyncScope::Changes, PATIENCE).await.unwrap();
        self.lane.finished(workspace, &run.run_id, PATIENCE, |_| {}).await.unwrap()
    }

    /// Lets what usually happens in Salesforce happen, and some of it go wrong.
    pub(crate) async fn live_a_little(&self, workspace: &str, org: &Org) {
        stack::scene::live_a_little(&self.lane, &self.simulator, workspace, Some(&org.id)).await.unwrap();
    }

    /// Decides every open value: those called alike are mapped, the others ignored.
    pub(crate) async fn decide_all(&self, workspace: &str) {
        self.lane.match_same_names(workspace).await.unwrap();
        for (kind, field) in OPTION_FIELDS {
            let values = self.lane.values(workspace, kind, field).await.unwrap();
            let open = values.into_iter().filter(|value| value.decision() == ValueDecision::Open);
            let decision = ValueDecision::Ignore.into();
            let ignored = open.map(|value| ValueMapping { value: value.value, decision, ..Default::default() });
            let ignored: Vec<_> = ignored.collect();
            if !ignored.is_empty() {
                self.lane.decide(workspace, kind, field, ignored).await.unwrap();
            }
        }
        self.lane.replayed(workspace, PATIENCE).await.unwrap();
    }

    /// The first customers of a workspace.
    pub(crate) async fn customers(&self, workspace: &str) -> Vec<Customer> {
        let request = ListCustomersRequest { workspace_id: workspace.to_owned(), page_size: 200, ..Default::default() };
        self.lane.customers().list_customers(request).await.unwrap().into_inner().customers
    }

    /// What feeds a Lane field of customers.
    pub(crate) async fn feeding(&self, workspace: &str, field: &str) -> Option<String> {
        let mapping = self.lane.field_mapping(workspace, RecordKind::Account).await.unwrap();
        mapping.entries.into_iter().find(|entry| entry.lane_field == field).map(|entry| entry.salesforce_field)
    }

    /// A browser in which nobody is signed in.
    pub(crate) async fn browser(&self) -> Browser {
        self.driver.browser().await
    }

    /// A browser in which somebody is signed in.
    pub(crate) async fn signed_in(&self, workspace: &str, name: &str, role: &str) -> Browser {
        let browser = self.browser().await;
        browser.go(&self.at(ROOT)).await;
        browser.click(&format!("option[value='{workspace}']")).await;
        browser.fill("[name=name]", name).await;
        browser.click(&format!("[name=role][value={role}]")).await;
        browser.click("button").await;
        browser.wait("main[data-state]").await;
        browser
    }
}

/// The text of a customer's field; empty when it holds none.
pub(crate) fn text_of(customer: &Customer, field: &str) -> String {
    let found = customer.fields.iter().find(|known| known.field == field);
    match found.and_then(|found| found.value.clone()) {
        Some(Value { value: Some(value::Value::Text(text) | value::Value::Option(text)) }) => text,
        _ => String::new(),
    }
}
