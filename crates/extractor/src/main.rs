//! Runs the extractor: Salesforce in, raw chunks out.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::launch(extractor::SERVICE, env!("CARGO_PKG_VERSION"), extractor::serve)
}
