//! Runs auth: workspaces, grants, short-lived access tokens.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;

fn main() -> ExitCode {
    let first = std::env::args().nth(1).unwrap_or_default();
    if auth::commands::NAMES.contains(&first.as_str()) {
        return command();
    }
    service::launch(auth::serve::SERVICE, env!("CARGO_PKG_VERSION"), auth::serve::serve)
}

/// A command has no telemetry: what it says goes to the terminal.
fn command() -> ExitCode {
    let outcome = tokio::runtime::Runtime::new()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| runtime.block_on(auth::commands::run(auth::commands::Cli::parse())));
    let written = match &outcome {
        Ok(text) => std::io::stdout().write_all(text.as_bytes()),
        Err(error) => writeln!(std::io::stderr(), "{error:#}"),
    };
    if outcome.is_ok() && written.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
