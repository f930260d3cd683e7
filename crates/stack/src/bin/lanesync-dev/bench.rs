//! `cargo x bench`: what the whole system carries, beside what this machine could carry, in one run.
//!
//! Ratios matter, not seconds: the ceilings are measured on the same machine, minutes apart.

mod ceiling;
mod usage;

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use contract::common::v1::Plan;
use contract::extractor::v1::{SyncRun, SyncScope};
use contract::mapper::v1::StartReplayRequest;
use contract::writer::v1::GetCustomerRequest;
use serde_json::{Value, json};
use stack::books::balance;
use stack::lane::{Headless, Lane};
use stack::{Folder, OrgSize, ServiceName, Simulator, Stack, StackOptions};

use crate::interrupt::Interrupts;

const PATIENCE: Duration = Duration::from_secs(1_800);
/// Changes whose way into Lane is timed.
const FRESHNESS_SAMPLES: usize = 30;

/// What the benchmark is asked for.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// How many records the org has: a fifth accounts, three fifths contacts, a fifth leads.
    #[arg(long, default_value_t = 200_000)]
    records: u32,
    /// Prints the figures as one line of JSON.
    #[arg(long)]
    json: bool,
}

/// Runs the benchmark.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::new()?;
    let figures = tokio::select! {
        figures = measure(arguments.records) => figures?,
        _ = interrupts.next() => return Ok(ExitCode::from(130)),
    };
    let mut out = std::io::stdout();
    if arguments.json {
        writeln!(out, "{figures}")?;
    } else {
        writeln!(out, "{figures:#}")?;
    }
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

async fn measure(records: u32) -> anyhow::Result<Value> {
    let accounts = records / 5;
    let size = OrgSize { accounts, contacts: records - 2 * accounts, leads: accounts };
    let folder = Folder::new("bench")?;
    let simulator = Simulator::start(&crate::programs()?, folder.path(), size).await?;

    // The second load brings the pages that the first made the simulator render: neither pays for rendering twice.
    let by_rest = Bench::start(&simulator, Some(u32::MAX)).await?;
    let (rest, _) = by_rest.load().await?;
    by_rest.stack.down().await?;

    let bench = Bench::start(&simulator, None).await?;
    let before = usage::Snapshot::take(&bench.stack, &simulator)?;
    let (load, load_seconds) = bench.load().await?;
    let after = usage::Snapshot::take(&bench.stack, &simulator)?;
    let written = written(&load);
    let balance = balance(&bench.lane, &bench.workspace, &simulator, "").await?;
    anyhow::ensure!(balance.balances(), "the books do not balance: {:?}", balance.differences.first());

    let (resync, resync_seconds) = bench.timed(SyncScope::Everything).await?;
    let calls = bench.api_calls(&simulator).await?;
    let begun = Instant::now();
    let replay = StartReplayRequest { workspace_id: bench.workspace.clone(), everything: true };
    bench.lane.mappings().start_replay(replay).await.context("starting the replay")?;
    let replay = bench.lane.replayed(&bench.workspace, PATIENCE).await?;
    let replay_seconds = begun.elapsed().as_secs_f64();
    let replay_calls = bench.api_calls(&simulator).await? - calls;
    let freshness = bench.freshness(&simulator).await?;

    let upsert = ceiling::upsert(&bench.stack).await?;
    let parse = ceiling::parse(&simulator).await?;
    let figures = json!({
        "records": written,
        "end_to_end_per_s": rate(written, load_seconds),
        "upsert_ceiling_per_s": upsert,
        "parse_ceiling_per_s": parse,
        "ratio": rate(written, load_seconds) / upsert,
        "resync_unchanged_per_s": rate(read(&resync), resync_seconds),
        "cpu_us_per_record": after.cpu_us_since(&before, written),
        "rss_max_mb": after.rss_max_mb(),
        "replay_per_s": rate(replay.mapped, replay_seconds),
        "replay_api_calls": replay_calls,
        "api_calls_per_100k": { "rest": per_100k(&rest), "bulk": per_100k(&load) },
        "freshness_ms": freshness,
    });
    bench.stack.down().await?;
    simulator.stop().await?;
    Ok(figures)
}

/// A mapped workspace that has read nothing yet.
struct Bench {
    stack: Stack,
    lane: Lane,
    workspace: String,
}

impl Bench {
    async fn start(simulator: &Simulator, bulk_threshold: Option<u32>) -> anyhow::Result<Self> {
        let mut options = StackOptions::new(crate::programs()?, crate::search());
        options.salesforce = simulator.salesforce();
        options.log = "warn".to_owned();
        if let Some(threshold) = bulk_threshold {
            let name = "LANESYNC_EXTRACTOR_BULK_THRESHOLD".to_owned();
            options.settings.push((ServiceName::Extractor, name, threshold.to_string().into()));
        }
        let stack = Stack::up(&options).await?;
        let lane = Lane::of(&stack)?;
        let workspace = lane.create_workspace("Bench", Plan::Business).await?;
        lane.connect(&workspace, &Headless { environment: simulator.url(), start_at: None }).await?;
        lane.adopt_suggestions(&workspace).await?;
        lane.match_same_names(&workspace).await?;
        Ok(Self { stack, lane, workspace })
    }

    async fn load(&self) -> anyhow::Result<(SyncRun, f64)> {
        self.timed(SyncScope::Changes).await
    }

    async fn timed(&self, scope: SyncScope) -> anyhow::Result<(SyncRun, f64)> {
        self.idle().await?;
        let begun = Instant::now();
        let run = self.lane.start_when_free(&self.workspace, scope, PATIENCE).await?;
        let run = self.lane.finished(&self.workspace, &run.run_id, PATIENCE, |_| {}).await?;
        Ok((run, begun.elapsed().as_secs_f64()))
    }

    async fn api_calls(&self, simulator: &Simulator) -> anyhow::Result<u64> {
        let stats = simulator.order("stats", json!({})).await?;
        let by_org = stats["api_calls"].as_object().context("the simulator counts calls by org")?;
        Ok(by_org.values().filter_map(Value::as_u64).sum())
    }

    /// Changes single records and times each from the change to the row.
    async fn freshness(&self, simulator: &Simulator) -> anyhow::Result<Value> {
        let ids = simulator.order("ids", json!({ "object": "Account", "limit": FRESHNESS_SAMPLES })).await?;
        let mut took = Vec::new();
        for (number, id) in ids.as_array().into_iter().flatten().filter_map(Value::as_str).enumerate() {
            let name = format!("Fresh {number}");
            simulator.order("update", json!({ "id": id, "fields": { "Name": name } })).await?;
            let begun = Instant::now();
            self.lane.start_when_free(&self.workspace, SyncScope::Changes, PATIENCE).await?;
            while !self.is_called(id, &name).await? {
                anyhow::ensure!(begun.elapsed() < PATIENCE, "a change did not arrive");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            took.push(begun.elapsed().as_secs_f64() * 1_000.0);
            self.idle().await?;
        }
        took.sort_by(f64::total_cmp);
        let at = |share: f64| took.get(((took.len() - 1) as f64 * share).round() as usize).copied();
        Ok(json!({ "p50": at(0.5), "p99": at(0.99) }))
    }

    async fn is_called(&self, id: &str, name: &str) -> anyhow::Result<bool> {
        let request = GetCustomerRequest {
            workspace_id: self.workspace.clone(),
            salesforce_id: id.to_owned(),
            ..Default::default()
        };
        let customer = self.lane.customers().get_customer(request).await?.into_inner();
        let held = customer.fields.into_iter().find(|field| field.field == "name").and_then(|field| field.value);
        Ok(held.and_then(|value| value.value) == Some(contract::common::v1::value::Value::Text(name.to_owned())))
    }

    /// Waits until no run is in hand, so that the next can start.
    async fn idle(&self) -> anyhow::Result<()> {
        let status = self.lane.status(&self.workspace).await?;
        if let Some(run) = status.run {
            self.lane.finished(&self.workspace, &run.run_id, PATIENCE, |_| {}).await?;
        }
        Ok(())
    }
}

fn written(run: &SyncRun) -> i64 {
    run.objects.iter().map(|object| object.written).sum()
}

fn read(run: &SyncRun) -> i64 {
    run.objects.iter().map(|object| object.read).sum()
}

fn rate(records: i64, seconds: f64) -> f64 {
    (records as f64 / seconds).round()
}

fn per_100k(run: &SyncRun) -> f64 {
    (run.api_calls as f64 * 100_000.0 / read(run).max(1) as f64 * 10.0).round() / 10.0
}
