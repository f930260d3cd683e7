//! What operators do by hand: `keys rotate`, `traffic stop|resume`, `audit verify`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use clap::{Parser, Subcommand};
use domain::WorkspaceId;
use jiff::Timestamp;
use service::config::Database;

use crate::config::Keys;
use crate::keys::{Mode, rotate};
use crate::kill_switch::{self, Traffic};
use crate::serve::{SERVICE, serve};
use crate::store::{Store, audit};
use crate::vault::KeyRing;

/// The first words that name a command rather than the service.
const NAMES: [&str; 3] = ["keys", "traffic", "audit"];

/// Runs the process from its arguments to its exit code.
#[must_use]
pub fn launch() -> ExitCode {
    let first = std::env::args().nth(1).unwrap_or_default();
    if NAMES.contains(&first.as_str()) {
        return command();
    }
    service::launch(SERVICE, env!("CARGO_PKG_VERSION"), serve)
}

/// A command has no telemetry: what it says goes to the terminal.
fn command() -> ExitCode {
    let outcome = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(run(Cli::parse())));
    let written = match &outcome {
        Ok(text) => std::io::stdout().write_all(text.as_bytes()),
        Err(error) => writeln!(std::io::stderr(), "{error:#}"),
    };
    if outcome.is_ok() && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Commands of `lanesync-auth` beside serving.
#[derive(Debug, Parser)]
#[command(name = "lanesync-auth")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Token keys.
    #[command(subcommand)]
    Keys(KeysCommand),
    /// The kill switch.
    #[command(subcommand)]
    Traffic(TrafficCommand),
    /// The audit log.
    #[command(subcommand)]
    Audit(AuditCommand),
}

#[derive(Debug, Subcommand)]
enum KeysCommand {
    /// Wraps every data key with the first key of the file. May be broken off and run again.
    Rotate {
        /// Counts only.
        #[arg(long)]
        dry_run: bool,
        #[command(flatten)]
        keys: Keys,
        #[command(flatten)]
        database: Database,
    },
}

#[derive(Debug, Subcommand)]
enum TrafficCommand {
    /// Stops Salesforce traffic.
    Stop(Scope),
    /// Lets it flow again.
    Resume(Scope),
}

#[derive(Debug, clap::Args)]
struct Scope {
    /// Only this workspace; without it, everything.
    #[arg(long)]
    workspace: Option<WorkspaceId>,
    /// Who does it.
    #[arg(long, default_value = "operator")]
    actor: String,
    #[command(flatten)]
    database: Database,
}

#[derive(Debug, Subcommand)]
enum AuditCommand {
    /// Checks the hash chain of a workspace, or of the operator's own log.
    Verify {
        /// The workspace; without it, the operator's log.
        #[arg(long)]
        workspace: Option<WorkspaceId>,
        #[command(flatten)]
        database: Database,
    },
}

/// Runs a command and returns what it has to say; if it fails, what was done before stays done.
async fn run(cli: Cli) -> anyhow::Result<String> {
    let now = Timestamp::now();
    match cli.command {
        Command::Keys(KeysCommand::Rotate { dry_run, keys, database }) => {
            let ring = Arc::new(KeyRing::load(&keys.token_keys_file)?);
            let mode = if dry_run { Mode::DryRun } else { Mode::Rewrap };
            let tally = rotate(&open(&database).await?, &ring, mode, now).await?;
            let mut text = format!("wrapped anew: {}\n", tally.rewrapped);
            for (id, count) in &tally.by_key {
                writeln!(text, "{id}: {count}").context("writing the counts")?;
            }
            Ok(text)
        }
        Command::Traffic(TrafficCommand::Stop(scope)) => switch(scope, Traffic::Stopped, now).await,
        Command::Traffic(TrafficCommand::Resume(scope)) => switch(scope, Traffic::Flowing, now).await,
        Command::Audit(AuditCommand::Verify { workspace, database }) => {
            let chain = workspace.unwrap_or(audit::OPERATOR);
            let mut conn = open(&database).await?.begin(chain).await?;
            match audit::verify(&mut conn, chain).await? {
                Ok(entries) => Ok(format!("{entries} entries, unbroken\n")),
                Err(broken) => anyhow::bail!("the chain is broken at entry {}", broken.number),
            }
        }
    }
}

async fn switch(scope: Scope, traffic: Traffic, now: Timestamp) -> anyhow::Result<String> {
    let store = open(&scope.database).await?;
    kill_switch::set(&store, scope.workspace, traffic, &scope.actor, now).await?;
    Ok(match traffic {
        Traffic::Stopped => "stopped\n".to_owned(),
        Traffic::Flowing => "flowing\n".to_owned(),
    })
}

async fn open(database: &Database) -> anyhow::Result<Store> {
    Ok(Store::new(service::postgres::connect(database, SERVICE).await?))
}
