//! lanesync on the command line.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    cli::invoke(std::env::args_os().collect()).await
}
