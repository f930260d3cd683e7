//! The heavy half of `cargo x`: starts real processes and looks after them.

mod bench;
mod compose;
mod demo;
mod interrupt;
mod up;
mod with;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Parser, Subcommand};

/// Runs lanesync on this machine; `cargo x` calls it.
#[derive(Parser)]
#[command(name = "lanesync-dev", version)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Loads many records and prints what the system and this machine can do.
    Bench(bench::Arguments),
    /// docker-compose.yml on the engine of this machine: up from empty, synced, killed, cut off, restarted.
    ComposeCheck(compose::Arguments),
    /// Everything on this machine: a simulated Salesforce, synced into locked customers.
    Demo(demo::Arguments),
    /// Starts the product against the Salesforce that the environment names.
    Up,
    /// Runs a command beside a Postgres of its own.
    With(with::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let outcome = match Arguments::parse().command {
        Action::Bench(arguments) => bench::run(arguments).await,
        Action::ComposeCheck(arguments) => compose::run(arguments).await,
        Action::Demo(arguments) => demo::run(arguments).await,
        Action::Up => up::run().await,
        Action::With(arguments) => with::run(arguments).await,
    };
    outcome.unwrap_or_else(|error| {
        // Without the backtrace that a shell may ask for: it hides what to do.
        writeln!(std::io::stderr(), "cargo x: {error:#}").ok();
        ExitCode::FAILURE
    })
}

/// The folder in which this program and the product's lie.
fn programs() -> anyhow::Result<PathBuf> {
    let own = std::env::current_exe().context("asking where this program lies")?;
    let folder = own.parent().context("a program lies in a folder")?;
    Ok(folder.to_owned())
}

/// The places to look for servers: this machine, and the private folder of the checkout.
fn search() -> servers::Search {
    servers::Search::from_env(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").as_path())
}
