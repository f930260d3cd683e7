//! Runs the mapper: raw records in, records in Lane's terms out.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::launch::<mapper::Config, _, _>(mapper::SERVICE, env!("CARGO_PKG_VERSION"), mapper::run)
}
