//! Runs the writer: mapped batches in, customers and contacts out.

use std::process::ExitCode;

fn main() -> ExitCode {
    customer_writer::launch()
}
