//! Runs the writer: mapped batches in, customers and contacts out.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::launch(customer_writer::SERVICE, customer_writer::VERSION, customer_writer::serve)
}
