//! Runs the extractor: Salesforce in, raw chunks out.

use std::process::ExitCode;

fn main() -> ExitCode {
    extractor::launch()
}
