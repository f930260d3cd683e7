//! Builders and process control for tests.
//!
//! Every test has its own database and its own NATS, so all run at once. `cargo x test` starts the one
//! Postgres they share; under plain `cargo test` each test binary starts its own, if the machine has one.

mod broker;
mod condition;
mod database;

pub use broker::{TestNats, nats};
pub use condition::{eventually, eventually_true};
pub use database::{TestDatabase, database};
pub use migrate::Role;
pub use stack::{NatsUser, Signal, free_port};

use std::path::{Path, PathBuf};

/// Where to look for servers when `cargo x test` did not say.
fn search() -> servers::Search {
    servers::Search::from_env(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../.."))
}

/// The folder of the product's programs, when the tests run under `cargo x test`.
#[must_use]
pub fn programs() -> Option<PathBuf> {
    std::env::var_os("LANESYNC_TEST_BIN_DIR").map(PathBuf::from)
}
