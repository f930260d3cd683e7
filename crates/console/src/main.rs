//! Runs the settings console: connect, map, fix, re-sync, in a browser.

use std::process::ExitCode;

fn main() -> ExitCode {
    console::launch()
}
