//! Runs the settings console: connect, map, fix, re-sync, in a browser.

use std::process::ExitCode;

fn main() -> ExitCode {
    service::launch(console::SERVICE, console::VERSION, console::serve)
}
