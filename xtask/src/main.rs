//! The one door to the dev loop: `cargo x …`.
//!
//! It needs nothing but cargo, asks no question, and stays light: what starts processes and looks after them
//! is `lanesync-dev`, which this builds and hands over to.

mod audit;
mod cargo;
mod check;
mod deploy;
mod handover;
mod queries;
mod release;
mod sbom;
mod tools;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};

/// The one door to the dev loop.
#[derive(Parser)]
#[command(name = "cargo x", bin_name = "cargo x", version)]
struct Arguments {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// Everything on this machine: a simulated Salesforce, synced into locked customers.
    Demo(Demo),
    /// The product against the Salesforce that LANESYNC_SALESFORCE_LOGIN_URL names, until Ctrl-C.
    Up(Up),
    /// Every test, beside real Postgres and NATS.
    Test(Test),
    /// Pictures of every page in every state, at three widths, light and dark.
    Shots(Shots),
    /// Format, lints, documentation, and whether .sqlx is fresh; warnings are errors.
    Check,
    /// Writes the description of every SQL query to .sqlx, so that a build needs no database.
    Sqlx,
    /// Loads many records and prints what this machine can do.
    Bench(Bench),
    /// docker-compose.yml on this machine's Docker engine: up, synced, killed, cut off, restarted, compared.
    ComposeCheck(ComposeCheck),
    /// Manifests, chart, dashboards, alerts, Dockerfile and contracts, by the tools that read them.
    DeployCheck,
    /// Dependencies, contracts, migrations and messages, compared with the last release; bills of materials.
    ReleaseCheck,
    /// Has every dependency audited with a clone of the RustSec advisory database.
    Advisories(Advisories),
    /// Makes the contracts, messages and migrations of this checkout the last release's.
    Freeze,
    /// Exactly what CI runs: check, deploy-check, release-check, then test.
    Ci,
    /// Finds or installs nats-server and Postgres, and says where they are.
    Tools,
    /// The part of `sqlx` and `check` that runs beside a migrated Postgres.
    #[command(hide = true)]
    Queries(queries::Arguments),
}

#[derive(Args)]
struct Demo {
    /// Ends when the books balance (exit code 0) or can't (1).
    #[arg(long)]
    once: bool,
    /// Prints the summary as one line of JSON.
    #[arg(long)]
    json: bool,
    /// How many accounts the org has.
    #[arg(long)]
    accounts: Option<u32>,
    /// How many contacts the org has.
    #[arg(long)]
    contacts: Option<u32>,
    /// How many leads the org has.
    #[arg(long)]
    leads: Option<u32>,
    /// Builds for speed.
    #[arg(long)]
    release: bool,
}

#[derive(Args)]
struct Up {
    /// Builds for speed.
    #[arg(long)]
    release: bool,
}

#[derive(Args)]
struct Test {
    /// What `cargo test` is told besides: `-p mapper`, a name, `-- --nocapture`.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    arguments: Vec<String>,
}

#[derive(Args)]
struct Shots {
    /// Where the pictures go.
    folder: PathBuf,
}

#[derive(Args)]
struct Bench {
    /// Prints the result as one line of JSON.
    #[arg(long)]
    json: bool,
    /// How many records to load.
    #[arg(long)]
    records: Option<u32>,
}

#[derive(Args)]
struct ComposeCheck {
    /// Prints what was found as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Compiles inside the Dockerfile, as a user of compose does: in release, which takes long.
    #[arg(long)]
    compile: bool,
    /// Leaves the containers running.
    #[arg(long)]
    keep: bool,
}

#[derive(Args)]
struct Advisories {
    /// A git clone of the advisory database.
    clone: PathBuf,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // One line that says what to do, whatever the shell says about backtraces.
            cargo::say(&format!("{error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Action::Demo(demo) => handover::run("demo", &demo_arguments(&demo), demo.release),
        Action::Up(up) => handover::run("up", &[], up.release),
        Action::Bench(bench) => handover::run("bench", &bench_arguments(&bench), true),
        Action::ComposeCheck(check) => handover::run("compose-check", &compose_arguments(&check), false),
        Action::Test(test) => handover::test(&test.arguments),
        Action::Shots(shots) => handover::shots(&shots.folder),
        Action::Check => check::all(),
        Action::Sqlx => queries::beside_postgres(queries::Task::Write),
        Action::DeployCheck => deploy::check(),
        Action::ReleaseCheck => release::check(),
        Action::Advisories(advisories) => audit::refresh(&advisories.clone),
        Action::Freeze => release::freeze(),
        Action::Ci => ci(),
        Action::Tools => tools::ensure().map(|tools| tools.print()),
        Action::Queries(arguments) => queries::run(&arguments),
    }
}

fn ci() -> anyhow::Result<()> {
    check::all()?;
    deploy::check()?;
    release::check()?;
    handover::test(&[])
}

fn demo_arguments(demo: &Demo) -> Vec<String> {
    let sizes = [("--accounts", demo.accounts), ("--contacts", demo.contacts), ("--leads", demo.leads)];
    let flags = [("--once", demo.once), ("--json", demo.json)];
    flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag.to_owned()).chain(options(&sizes)).collect()
}

fn bench_arguments(bench: &Bench) -> Vec<String> {
    let json = bench.json.then(|| "--json".to_owned());
    json.into_iter().chain(options(&[("--records", bench.records)])).collect()
}

fn compose_arguments(check: &ComposeCheck) -> Vec<String> {
    let flags = [("--json", check.json), ("--compile", check.compile), ("--keep", check.keep)];
    flags.into_iter().filter(|(_, set)| *set).map(|(flag, _)| flag.to_owned()).collect()
}

fn options(sizes: &[(&str, Option<u32>)]) -> Vec<String> {
    sizes
        .iter()
        .filter_map(|(name, size)| Some((*name, (*size)?)))
        .flat_map(|(name, size)| [name.to_owned(), size.to_string()])
        .collect()
}

/// The checkout.
fn root() -> anyhow::Result<PathBuf> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    manifest.parent().map(Path::to_owned).context("xtask lies in the checkout")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_size_of_a_demo_is_handed_over_and_the_kind_of_build_is_not() {
        let parsed = Arguments::parse_from(["x", "demo", "--once", "--leads", "7", "--release"]);
        let Action::Demo(demo) = parsed.command else { panic!("demo was asked for") };
        assert_eq!(demo_arguments(&demo), ["--once", "--leads", "7"]);
    }

    #[test]
    fn whatever_follows_test_is_left_to_cargo() {
        let parsed = Arguments::parse_from(["x", "test", "-p", "mapper", "a_name", "--", "--nocapture"]);
        let Action::Test(test) = parsed.command else { panic!("test was asked for") };
        assert_eq!(test.arguments, ["-p", "mapper", "a_name", "--", "--nocapture"]);
    }
}
