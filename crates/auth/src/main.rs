//! Runs auth: workspaces, grants, short-lived access tokens.

use std::process::ExitCode;

fn main() -> ExitCode {
    auth::launch()
}
