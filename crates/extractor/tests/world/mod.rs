//! A whole extractor against a simulated Salesforce, real Postgres and NATS, and peers that answer from memory.

mod lane;
mod peers;

use std::time::Duration;

use contract::admin::v1::SetWorkspaceStateRequest;
use contract::admin::v1::workspace_state_service_server::WorkspaceStateService;
use contract::common::v1::{Plan, SalesforceObject};
use contract::extractor::v1::sync_service_server::SyncService;
use contract::extractor::v1::{
    GetSyncRunRequest, GetSyncStatusRequest, ObjectCoverage, RunPhase, StartSyncRequest, SyncRun, SyncScope, SyncStatus,
};
use domain::{Object, WorkspaceId};
use extractor::reader::{Pace, Reader};
use extractor::salesforce::host::Hosts;
use extractor::salesforce::{Client, ClientOptions};
use extractor::{Peers, SyncApi, WorkspaceStateApi};
use messaging::Bus;
use salesforce_sim::{Command, Config, Endpoint, Seed, Simulator};
use sqlx::PgPool;
use testkit::{NatsUser, Role, TestDatabase, TestNats};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};

pub(crate) use lane::Lane;
pub(crate) use peers::Peered;

/// How long a test waits for anything.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// Everything of one test.
pub(crate) struct World {
    pub(crate) sim: Simulator,
    pub(crate) lane: Lane,
    pub(crate) peered: Peered,
    pub(crate) workspace: WorkspaceId,
    pub(crate) pool: PgPool,
    pub(crate) reader: Reader,
    pub(crate) api: SyncApi,
    pub(crate) bus: Bus,
    readers: JoinSet<()>,
    pub(crate) stopping: CancellationToken,
    tasks: JoinSet<()>,
    nats: TestNats,
    database: TestDatabase,
}

/// What a test may choose.
#[derive(Clone)]
pub(crate) struct Choice {
    pub(crate) config: Config,
    pub(crate) pace: Pace,
    pub(crate) start: Option<&'static str>,
    pub(crate) share_percent: u64,
    pub(crate) usage_believed_for: Duration,
}

impl Default for Choice {
    fn default() -> Self {
        Self {
            config: Config::default(),
            pace: Pace {
                deletes_every: Duration::ZERO,
                settle: Duration::from_secs(1),
                job_poll: Duration::from_millis(10),
                settle_poll: Duration::from_millis(10),
                idle: Duration::from_millis(10),
                outage: Duration::from_millis(50),
                pause: Duration::from_secs(3_600),
                quota_probe: Duration::from_millis(300),
                ..Pace::default()
            },
            start: None,
            share_percent: 100,
            usage_believed_for: Duration::from_secs(900),
        }
    }
}

impl Choice {
    pub(crate) fn seeded(accounts: usize, contacts: usize, leads: usize) -> Self {
        let seed = Seed { accounts, contacts, leads, ..Seed::default() };
        Self { config: Config { seed: Some(seed), ..Config::default() }, ..Self::default() }
    }

    pub(crate) fn paced(mut self, change: impl FnOnce(&mut Pace)) -> Self {
        change(&mut self.pace);
        self
    }

    pub(crate) fn from(mut self, start: &'static str) -> Self {
        self.start = Some(start);
        self
    }

    /// Starts everything, connected, with the usual mapping, and one reader.
    pub(crate) async fn start(self) -> World {
        let mut world = self.start_idle().await;
        world.add_reader();
        world
    }

    /// Starts everything but a reader.
    pub(crate) async fn start_idle(self) -> World {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let sim = Simulator::start(self.config);
        let (database, nats) = tokio::join!(testkit::database(), testkit::nats());
        let pool = database.pool(Role::Extractor).await;
        let bus = nats.bus(NatsUser::Extractor).await;
        let lane = Lane::default();
        let mut tasks = JoinSet::new();
        let stopping = CancellationToken::new();
        let peered = Peered::new(sim.url(), sim.org_id().to_string(), lane.clone());
        let address = peered.clone().serve(&mut tasks).await;
        let mapper_bus = nats.bus(NatsUser::Mapper).await;
        tasks.spawn(lane::take_raw(mapper_bus, lane.clone(), stopping.clone()));

        let reader = make_reader(&pool, &bus, &address, self.pace, self.share_percent, self.usage_believed_for);
        let world = World {
            api: SyncApi::new(reader.clone()),
            sim,
            lane,
            peered,
            workspace: WorkspaceId::generate(),
            pool,
            reader,
            bus,
            readers: JoinSet::new(),
            stopping,
            tasks,
            nats,
            database,
        };
        world
            .tell(1, |state| {
                state.start_at = self.start.map(|text| {
                    let moment: jiff::Timestamp = text.parse().unwrap();
                    contract::convert::to_wire_time(moment)
                });
            })
            .await;
        world
    }
}

fn make_reader(
    pool: &PgPool,
    bus: &Bus,
    address: &str,
    pace: Pace,
    share_percent: u64,
    usage_believed_for: Duration,
) -> Reader {
    let peers = Peers::new(address, address, address, None).unwrap();
    let options = ClientOptions {
        api_version: "67.0".into(),
        hosts: Hosts::Test,
        extra_roots: None,
        share_percent,
        usage_believed_for,
        patience: 0.02,
    };
    let client = Client::new(peers.tokens.clone(), options).unwrap();
    Reader::new(pool.clone(), bus.clone(), peers, client, pace)
}

impl World {
    /// Starts one more replica's reader; it remembers nothing of the others.
    pub(crate) fn add_reader(&mut self) {
        let (reader, stopping) = (self.reader.another(), self.stopping.clone());
        self.readers.spawn(async move { reader.serve(stopping).await.unwrap() });
    }

    /// Ends all readers at once, wherever they are: what a SIGKILL does.
    pub(crate) async fn kill_readers(&mut self) {
        self.readers.shutdown().await;
    }

    /// A reader that shares nothing in memory with the first, as after a restart.
    pub(crate) fn restart_reader(&mut self, pace: Pace) {
        let address = self.peered.address();
        self.reader = make_reader(&self.pool, &self.bus, &address, pace, 100, Duration::from_secs(900));
        self.api = SyncApi::new(self.reader.clone());
        self.add_reader();
    }

    /// Tells the state of the workspace as auth does.
    pub(crate) async fn tell(&self, revision: i64, change: impl FnOnce(&mut SetWorkspaceStateRequest)) {
        let mut state = SetWorkspaceStateRequest {
            workspace_id: self.workspace.to_string(),
            revision,
            epoch: 1,
            plan: Plan::Business.into(),
            connected: true,
            org_id: self.sim.org_id().to_string(),
            instance_url: self.sim.url(),
            start_at: None,
            purge: false,
        };
        change(&mut state);
        self.peered.set_epoch(state.epoch);
        WorkspaceStateApi::new(self.reader.clone()).set_workspace_state(Request::new(state)).await.unwrap();
    }

    /// Asks for a run.
    pub(crate) async fn ask(&self, scope: SyncScope, objects: &[Object]) -> Result<SyncRun, Status> {
        let request = StartSyncRequest {
            workspace_id: self.workspace.to_string(),
            scope: scope.into(),
            objects: objects.iter().map(|object| SalesforceObject::from(*object).into()).collect(),
            ..StartSyncRequest::default()
        };
        self.api.start_sync(Request::new(request)).await.map(tonic::Response::into_inner)
    }

    /// Asks for a run and waits until it ended.
    pub(crate) async fn sync(&self, scope: SyncScope, objects: &[Object]) -> SyncRun {
        let run = loop {
            match self.ask(scope, objects).await {
                Ok(run) => break run,
                // A poll of the schedule was faster: the wish is repeated once it ended.
                Err(status) => {
                    let details =
                        tonic_types::StatusExt::get_details_error_info(&status).unwrap_or_else(|| panic!("{status}"));
                    let running = details.metadata.get("runId").unwrap_or_else(|| panic!("{status}")).clone();
                    self.ended(&running).await;
                }
            }
        };
        self.ended(&run.run_id).await
    }

    /// Loads everything and waits until it is applied.
    pub(crate) async fn first_load(&self, objects: &[Object]) -> SyncRun {
        let run = self.sync(SyncScope::Changes, objects).await;
        assert_eq!(run.phase(), RunPhase::Completed, "{run:?}");
        run
    }

    /// Polls and waits until the run ended.
    pub(crate) async fn poll(&self, objects: &[Object]) -> SyncRun {
        self.sync(SyncScope::Changes, objects).await
    }

    pub(crate) async fn run(&self, run_id: &str) -> SyncRun {
        let request = GetSyncRunRequest { workspace_id: self.workspace.to_string(), run_id: run_id.to_owned() };
        self.api.get_sync_run(Request::new(request)).await.unwrap().into_inner()
    }

    /// Waits until a run ended.
    pub(crate) async fn ended(&self, run_id: &str) -> SyncRun {
        let deadline = std::time::Instant::now() + LIMIT;
        loop {
            let run = self.run(run_id).await;
            if !matches!(run.phase(), RunPhase::Queued | RunPhase::Reading | RunPhase::Applying) {
                return run;
            }
            assert!(std::time::Instant::now() < deadline, "run did not end: {run:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    pub(crate) async fn status(&self) -> SyncStatus {
        let request = GetSyncStatusRequest { workspace_id: self.workspace.to_string() };
        self.api.get_sync_status(Request::new(request)).await.unwrap().into_inner()
    }

    /// Waits until the status satisfies `look`.
    pub(crate) async fn status_when(&self, what: &str, look: impl Fn(&SyncStatus) -> bool) -> SyncStatus {
        let deadline = std::time::Instant::now() + LIMIT;
        loop {
            let status = self.status().await;
            if look(&status) {
                return status;
            }
            assert!(std::time::Instant::now() < deadline, "{what}: {status:#?}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Changes the simulated world.
    pub(crate) fn order(&self, command: Command) -> serde_json::Value {
        self.sim.order(command).unwrap()
    }

    /// What is covered of an object.
    pub(crate) async fn coverage(&self, object: Object) -> ObjectCoverage {
        let status = self.status().await;
        let wire = i32::from(SalesforceObject::from(object));
        status.coverage.into_iter().find(|coverage| coverage.object == wire).unwrap_or_default()
    }

    /// Calls of one endpoint so far.
    pub(crate) fn calls(&self, endpoint: Endpoint) -> u64 {
        self.sim.stats().calls_of(endpoint)
    }

    /// Asks the books as the superuser, beside row security.
    pub(crate) async fn admin(&self) -> PgPool {
        // Two are enough: all tests of this binary share one small Postgres.
        let options = sqlx::postgres::PgPoolOptions::new().max_connections(2);
        options.connect(&self.database.admin_url()).await.unwrap()
    }

    /// The broker.
    pub(crate) fn nats(&mut self) -> &mut TestNats {
        &mut self.nats
    }

    /// Everything that must keep running while the world does.
    pub(crate) fn tasks(&mut self) -> &mut JoinSet<()> {
        &mut self.tasks
    }
}

/// Ids of the live records that Lane holds, sorted.
pub(crate) fn live_ids(lane: &Lane, object: Object) -> Vec<String> {
    let mut ids: Vec<String> = lane
        .held(object)
        .into_iter()
        .filter(|held| held.record.state() == contract::event::v1::SourceState::Live)
        .map(|held| held.record.id)
        .collect();
    ids.sort();
    ids
}

/// Ids of the live records that Salesforce holds, sorted.
pub(crate) fn sim_ids(sim: &Simulator, object: Object) -> Vec<String> {
    let mut ids: Vec<String> = sim.ids(object.api_name()).unwrap().iter().map(ToString::to_string).collect();
    ids.sort();
    ids
}
