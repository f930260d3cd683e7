//! `cargo x demo`: from nothing to synced, locked customers, and proof that nothing is missing.

use std::io::Write as _;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use contract::access::Identity;
use contract::common::v1::{Plan, SalesforceObject};
use contract::extractor::v1::{SyncRun, SyncScope};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde_json::{Value, json};
use stack::books::{Balance, balance};
use stack::lane::{Headless, Lane, progress_of};
use stack::scene;
use stack::{Folder, OrgSize, ServiceName, Simulator, Stack, StackOptions};

use crate::interrupt::Interrupts;

/// How long the first sync may take.
const PATIENCE: Duration = Duration::from_secs(600);
const OBJECTS: [(SalesforceObject, &str); 3] = [
    (SalesforceObject::Account, "accounts"),
    (SalesforceObject::Contact, "contacts"),
    (SalesforceObject::Lead, "leads"),
];

/// What the demo is asked for.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Ends when the books balance (exit code 0) or can't (1).
    #[arg(long)]
    once: bool,
    /// Prints the summary as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Seals every gRPC link by mutual TLS, with certificates made for this run.
    #[arg(long)]
    mtls: bool,
    /// How many accounts the org has.
    #[arg(long, default_value_t = 4_000)]
    accounts: u32,
    /// How many contacts the org has.
    #[arg(long, default_value_t = 12_000)]
    contacts: u32,
    /// How many leads the org has.
    #[arg(long, default_value_t = 4_000)]
    leads: u32,
}

/// Runs the demo.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::new()?;
    let begun = Instant::now();
    let demo = tokio::select! {
        demo = Demo::play(&arguments) => demo?,
        _ = interrupts.next() => return Ok(ExitCode::from(130)),
    };
    let summary = demo.summary(begun.elapsed()).await?;
    let balances = demo.balance.balances();
    if balances && !arguments.once {
        tokio::select! {
            staged = scene::live_a_little(&demo.lane, &demo.simulator, &demo.workspace, None) => staged?,
            _ = interrupts.next() => return Ok(ExitCode::from(130)),
        }
    }
    let mut out = std::io::stdout();
    if arguments.json {
        writeln!(out, "{summary}")?;
    } else {
        write!(out, "{}", demo.in_words(&summary))?;
        if balances && !arguments.once {
            writeln!(out, "Since then {} records were broken in Salesforce on purpose: see Problems.", scene::PARKED)?;
        }
    }
    out.flush()?;
    if !balances {
        let mut err = std::io::stderr();
        for difference in demo.balance.differences.iter().take(20) {
            writeln!(err, "{difference}")?;
        }
    }
    if !arguments.once {
        interrupts.next().await;
    }
    tokio::select! {
        down = demo.end() => down?,
        _ = interrupts.next() => return Ok(ExitCode::from(130)),
    }
    Ok(if balances { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// A world in which the first sync is done.
struct Demo {
    stack: Stack,
    simulator: Simulator,
    lane: Lane,
    workspace: String,
    run: SyncRun,
    balance: Balance,
    // Dropped last: the simulator writes into it.
    _folder: Folder,
}

impl Demo {
    async fn play(arguments: &Arguments) -> anyhow::Result<Self> {
        let size = OrgSize { accounts: arguments.accounts, contacts: arguments.contacts, leads: arguments.leads };
        let folder = Folder::new("demo")?;
        let bars = Bars::new(arguments.json);
        bars.say("starting Postgres, NATS, Salesforce (simulated) and the services");
        let simulator = Simulator::start(&crate::programs()?, folder.path(), size).await?;
        let mut options = StackOptions::new(crate::programs()?, crate::search());
        options.salesforce = simulator.salesforce();
        options.is_mutual = arguments.mtls;
        let stack = Stack::up(&options).await?;
        let lane = Lane::of(&stack)?;

        bars.say("connecting, mapping fields as suggested, mapping values that are called alike");
        let workspace = lane.create_workspace("Demo", Plan::Business).await?;
        lane.connect(&workspace, &Headless { environment: simulator.url(), start_at: None }).await?;
        lane.adopt_suggestions(&workspace).await?;
        lane.match_same_names(&workspace).await?;

        bars.say("syncing");
        let run = lane.start(&workspace, SyncScope::Changes).await?;
        let run = lane.finished(&workspace, &run.run_id, PATIENCE, |run| bars.show(run)).await?;
        bars.show(&run);
        bars.say("comparing every customer with Salesforce");
        let balance = balance(&lane, &workspace, &simulator, "").await?;
        bars.end();
        Ok(Self { stack, simulator, lane, workspace, run, balance, _folder: folder })
    }

    async fn summary(&self, took: Duration) -> anyhow::Result<Value> {
        let locked: std::collections::BTreeSet<String> = self
            .balance
            .holdings
            .rows
            .values()
            .flat_map(|row| row.fields.values())
            .filter(|field| !field.locked_by.is_empty())
            .map(|field| field.locked_by.clone())
            .collect();
        let unmapped = self.lane.unmapped(&self.workspace).await?;
        let unmapped: Vec<_> = unmapped
            .into_iter()
            .map(|entry| {
                let kind = entry.kind().as_str_name().trim_start_matches("RECORD_KIND_").to_lowercase();
                let value = entry.value.unwrap_or_default();
                json!({ "kind": kind, "field": entry.field, "value": value.value, "records": value.record_count })
            })
            .collect();
        let mut summary = json!({
            "ok": self.balance.balances(),
            "seconds": took.as_secs_f64(),
            "locked_fields": locked,
            "unmapped": unmapped,
            "parked": self.balance.holdings.parked.len(),
            "api_calls": self.run.api_calls,
            "console": self.stack.console_url(),
            "workspace": self.workspace,
        });
        for (object, name) in OBJECTS {
            let progress = progress_of(&self.run, object);
            summary[name] = json!({ "expected": progress.expected, "written": progress.written });
        }
        Ok(summary)
    }

    /// The summary for people.
    fn in_words(&self, summary: &Value) -> String {
        use std::fmt::Write as _;
        let mut text = String::new();
        for (_, name) in OBJECTS {
            let _ = writeln!(text, "{name:>9}: {} of {} written", summary[name]["written"], summary[name]["expected"]);
        }
        let list = |value: &Value| value.as_array().map_or(0, Vec::len);
        let _ = writeln!(text, "   locked: {} fields, by their Salesforce sources:", list(&summary["locked_fields"]));
        for field in summary["locked_fields"].as_array().into_iter().flatten() {
            let _ = writeln!(text, "           {}", field.as_str().unwrap_or_default());
        }
        let _ = writeln!(text, " unmapped: {} values; the largest:", list(&summary["unmapped"]));
        for value in summary["unmapped"].as_array().into_iter().flatten().take(5) {
            let _ = writeln!(
                text,
                "           {} {}: {} ({} records)",
                value["kind"], value["field"], value["value"], value["records"]
            );
        }
        let _ = writeln!(text, "   parked: {}", summary["parked"]);
        let _ = writeln!(text, "    calls: {} of Salesforce's API", summary["api_calls"]);
        let verdict =
            if self.balance.balances() { "every record is as Salesforce has it" } else { "the books do not balance" };
        let _ = writeln!(text, "\n{verdict}, {:.1} s after the start", summary["seconds"].as_f64().unwrap_or_default());
        let _ = writeln!(text, "workspace {}", self.workspace);
        let _ = writeln!(text, "  console: {}/", self.stack.console_url());
        for name in ServiceName::ALL.into_iter().filter(|name| *name != ServiceName::Console) {
            let _ = writeln!(text, "{:>9}: {}", name.short(), self.stack.grpc_url(name));
        }
        if let Some(mutual) = self.stack.mutual() {
            let _ = writeln!(text, "each link is sealed; call as the operator, with the files in");
            let _ = writeln!(text, "           {}", mutual.folder(Identity::Operator).display());
        }
        let _ = writeln!(text, "     logs: {}", self.stack.folder().display());
        text
    }

    async fn end(self) -> anyhow::Result<()> {
        self.stack.down().await?;
        self.simulator.stop().await.context("stopping the simulator")
    }
}

/// One progress bar per object.
struct Bars {
    step: ProgressBar,
    objects: Vec<(SalesforceObject, ProgressBar)>,
}

impl Bars {
    fn new(hidden: bool) -> Self {
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let all = MultiProgress::with_draw_target(target);
        let step = all.add(ProgressBar::new_spinner());
        step.enable_steady_tick(Duration::from_millis(120));
        let style = ProgressStyle::with_template("{prefix:>9} {bar:40} {pos}/{len} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let bar = |(object, name): (SalesforceObject, &'static str)| {
            let bar = all.add(ProgressBar::new(0).with_style(style.clone()).with_prefix(name));
            (object, bar)
        };
        Self { step, objects: OBJECTS.map(bar).into() }
    }

    fn say(&self, step: &'static str) {
        self.step.set_message(step);
    }

    fn show(&self, run: &SyncRun) {
        for (object, bar) in &self.objects {
            let progress = progress_of(run, *object);
            // While the count is not known, the bar is as long as what was read: never full before it is done.
            let expected = progress.expected.unwrap_or(progress.read + 1).max(progress.read);
            bar.set_length(u64::try_from(expected).unwrap_or(0));
            bar.set_position(u64::try_from(progress.written + progress.parked).unwrap_or(0));
            bar.set_message(progress.path);
        }
    }

    fn end(&self) {
        self.step.finish_and_clear();
        for (_, bar) in &self.objects {
            bar.abandon();
        }
    }
}
