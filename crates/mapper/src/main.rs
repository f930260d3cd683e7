//! Runs the mapper: raw records in, records in Lane's terms out.

use std::process::ExitCode;

fn main() -> ExitCode {
    mapper::launch()
}
