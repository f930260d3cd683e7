//! lanesync on the command line.

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::launch()
}
