//! `cargo x compose-check`: docker-compose.yml on the engine of this machine, from empty volumes to a synced org, with
//! every container killed, cut off and restarted while records flow.

mod confinement;
mod drill;
mod engine;
mod images;

use std::collections::BTreeMap;
use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use contract::common::v1::Plan;
use contract::error::Reason;
use contract::extractor::v1::{SyncRun, SyncScope};
use serde_json::{Value, json};
use service::credentials::Credentials;
use stack::books::balance;
use stack::lane::{Headless, Lane};
use stack::{Folder, Orders, ServiceName, free_port, tls_in};

use self::drill::Drill;
use self::engine::{Compose, Engine, Found, Lacking};
use crate::interrupt::Interrupts;

/// How long a run may take whose parts are killed meanwhile.
const PATIENCE: Duration = Duration::from_secs(300);
/// Compares that a workspace may ask for in an hour; each drill needs one.
const COMPARES: usize = 6;
/// The org: large enough that a load is still running when a drill begins.
const SIZE: [(&str, u32); 3] =
    [("LANESYNC_DEMO_ACCOUNTS", 2_000), ("LANESYNC_DEMO_CONTACTS", 5_000), ("LANESYNC_DEMO_LEADS", 1_000)];

/// What the check is asked for.
#[derive(clap::Args, Default)]
pub(crate) struct Arguments {
    /// Prints what was found as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Compiles the programs inside the Dockerfile, as a user of compose does, instead of taking those of this build.
    #[arg(long)]
    compile: bool,
    /// The profile of `--compile`.
    #[arg(long, default_value = "release", requires = "compile")]
    profile: String,
    /// Seals every gRPC link by mutual TLS.
    #[arg(long)]
    mtls: bool,
    /// Leaves the containers running.
    #[arg(long)]
    keep: bool,
}

/// Runs the check. Without an engine, or without what base images are made of, it is skipped, and says so.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::new()?;
    let skipped = |why: String| {
        say(&format!("skipped: {why}"));
        json!({ "outcome": "skipped", "why": why })
    };
    let found = match Engine::find().await? {
        Found::Engine(engine) => match check(&engine, &arguments, &mut interrupts).await {
            Ok(Some(found)) => found,
            Ok(None) => return Ok(ExitCode::from(130)),
            Err(error) if error.is::<Lacking>() => skipped(format!("{error:#}")),
            Err(error) => return Err(error),
        },
        Found::Nothing { why } => skipped(why),
    };
    let mut out = std::io::stdout();
    if arguments.json {
        writeln!(out, "{found}")?;
    } else {
        writeln!(out, "{found:#}")?;
    }
    out.flush()?;
    Ok(if found["outcome"] == "failed" { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Everything, and away with it afterwards, however it ends; nothing where somebody interrupts it.
async fn check(engine: &Engine, arguments: &Arguments, interrupts: &mut Interrupts) -> anyhow::Result<Option<Value>> {
    let begun = Instant::now();
    Compose::sweep(engine).await?;
    let images = images::prepare(engine, arguments).await?;
    let ports = Ports::free()?;
    let mut environment = images.environment.clone();
    environment.extend(ports.environment());
    environment.extend(SIZE.map(|(name, number)| (name.to_owned(), number.to_string())));
    let compose = Compose::new(engine, environment, arguments.mtls);
    say("building the images");
    let built = Instant::now();
    compose.run(&["--profile", "*", "build", "--quiet"]).await?;
    let built = built.elapsed();
    if !arguments.compile {
        std::fs::remove_dir_all(images::given(engine)).context("removing the given programs")?;
    }

    let played = tokio::select! {
        played = play(&compose, &ports) => Some(played),
        _ = interrupts.next() => None,
    };
    if matches!(played, Some(Err(_))) {
        say(&compose.last_words().await);
    }
    if !arguments.keep {
        compose.down().await?;
    }
    let Some(played) = played else { return Ok(None) };
    let mut found = played?;
    found["engine"] = engine.version().into();
    found["images"] = images.kind.into();
    found["programs"] = if arguments.compile { "compiled in the Dockerfile" } else { "given" }.into();
    found["build_seconds"] = built.as_secs().into();
    found["seconds"] = begun.elapsed().as_secs().into();
    Ok(Some(found))
}

async fn play(compose: &Compose<'_>, ports: &Ports) -> anyhow::Result<Value> {
    say("starting everything from empty volumes");
    let up = Instant::now();
    compose.up().await?;
    let up = up.elapsed();
    let faults = confinement::faults(compose).await?;
    compose.run(&["run", "--rm", "-T", "lanesync", "workspace", "list", "--json"]).await.context("the command line")?;

    let folder = Folder::new("operator")?;
    let operator = if compose.is_mutual() { Some(operator(compose, &folder).await?) } else { None };

    let mut drills = Vec::new();
    let all: Vec<_> = Drill::all().collect();
    for some in all.chunks(COMPARES) {
        say("syncing the simulated org into a new workspace");
        let world = World::connected(ports, operator.as_ref()).await?;
        world.sync().await?;
        drills.push(world.books("first load").await?);
        for drill in some {
            say(&format!("{drill} while records flow"));
            let begun = Instant::now();
            let run = world.load(drills.len()).await?;
            drill.perform(compose).await.with_context(|| format!("{drill}"))?;
            world
                .lane
                .finished(&world.workspace, &run.run_id, PATIENCE, |_| {})
                .await
                .with_context(|| format!("{drill}"))?;
            let mut books = world.books(&drill.to_string()).await?;
            books["seconds"] = begun.elapsed().as_secs().into();
            drills.push(books);
        }
    }
    let sum = |name: &str| drills.iter().filter_map(|books| books[name].as_u64()).sum::<u64>();
    let (lost, doubled, wrong) = (sum("lost"), sum("doubled"), sum("differences"));
    let passed = faults.is_empty() && lost == 0 && doubled == 0 && wrong == 0;
    Ok(json!({
        "outcome": if passed { "passed" } else { "failed" },
        "up_seconds": up.as_secs(),
        "unconfined": faults,
        "lost": lost,
        "doubled": doubled,
        "differences": wrong,
        "drills": drills,
    }))
}

/// The operator's certificate, taken out of its volume into a folder of this machine.
async fn operator(compose: &Compose<'_>, folder: &Folder) -> anyhow::Result<Credentials> {
    let files = folder.private("files")?;
    let to = files.to_str().context("a folder of ours has a plain name")?;
    compose.run(&["cp", "certificates:/volumes/certificates/operator/.", to]).await?;
    Credentials::load(&tls_in(&files))?.context("the files are all named")
}

/// A connected and mapped workspace inside the containers.
struct World {
    lane: Lane,
    orders: Orders,
    workspace: String,
}

impl World {
    async fn connected(ports: &Ports, operator: Option<&Credentials>) -> anyhow::Result<Self> {
        let scheme = if operator.is_some() { "https" } else { "http" };
        let lane = Lane::at(|service| format!("{scheme}://127.0.0.1:{}", ports.services[&service]), operator)?;
        let orders = Orders::at(&format!("http://127.0.0.1:{}", ports.salesforce))?;
        let workspace = lane.create_workspace("Compose", Plan::Business).await?;
        let salesforce = format!("http://salesforce.localhost:{}", ports.salesforce);
        lane.connect(&workspace, &Headless { environment: &salesforce, start_at: None }).await?;
        lane.adopt_suggestions(&workspace).await?;
        lane.match_same_names(&workspace).await?;
        Ok(Self { lane, orders, workspace })
    }

    /// Starts a run, letting a poll that runs by itself through first.
    async fn start(&self, scope: SyncScope) -> anyhow::Result<SyncRun> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.lane.start(&self.workspace, scope).await {
                Ok(run) => return Ok(run),
                Err(error) => {
                    let reason = error.downcast_ref::<tonic::Status>().and_then(Reason::of);
                    if reason != Some(Reason::SyncAlreadyRunning) || Instant::now() >= deadline {
                        return Err(error);
                    }
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
            }
        }
    }

    async fn sync(&self) -> anyhow::Result<()> {
        let run = self.start(SyncScope::Changes).await?;
        self.lane.finished(&self.workspace, &run.run_id, PATIENCE, |_| {}).await?;
        Ok(())
    }

    /// Changes every record in Salesforce and starts reading it all; returns in mid-load.
    async fn load(&self, round: usize) -> anyhow::Result<SyncRun> {
        for (object, field) in [("Account", "Name"), ("Contact", "Title"), ("Lead", "Title")] {
            let change = json!({ "object": object, "fields": { field: format!("Round {round}") } });
            self.orders.give("mass_update", change).await?;
        }
        let run = self.start(SyncScope::Everything).await?;
        let deadline = Instant::now() + PATIENCE;
        loop {
            let seen = self.lane.run(&self.workspace, &run.run_id).await?;
            if seen.objects.iter().any(|object| object.read > 0) {
                return Ok(run);
            }
            anyhow::ensure!(Instant::now() < deadline, "the run reads nothing");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Compares every record with the oracle.
    async fn books(&self, after: &str) -> anyhow::Result<Value> {
        let balance = balance(&self.lane, &self.workspace, &self.orders, "").await?;
        for difference in balance.differences.iter().take(5) {
            say(&format!("after {after}: {difference}"));
        }
        Ok(json!({
            "after": after,
            "records": balance.verdict.records.len(),
            "lost": balance.lost(),
            "doubled": balance.holdings.doubled.len(),
            "parked": balance.holdings.parked.len(),
            "differences": balance.differences.len(),
        }))
    }
}

/// The ports of this machine that are published.
struct Ports {
    services: BTreeMap<ServiceName, u16>,
    salesforce: u16,
}

impl Ports {
    fn free() -> anyhow::Result<Self> {
        let mut services = BTreeMap::new();
        for service in ServiceName::ALL {
            services.insert(service, free_port()?);
        }
        Ok(Self { services, salesforce: free_port()? })
    }

    fn environment(&self) -> BTreeMap<String, String> {
        let name = |service: &ServiceName| format!("LANESYNC_{}_PORT", service.short().to_uppercase());
        let services = self.services.iter().map(|(service, port)| (name(service), port.to_string()));
        services.chain([("LANESYNC_SALESFORCE_PORT".to_owned(), self.salesforce.to_string())]).collect()
    }
}

/// Tells a person what happens; programs read the other output.
fn say(what: &str) {
    writeln!(std::io::stderr(), "compose-check: {what}").ok();
}
