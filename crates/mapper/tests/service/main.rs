//! The mapper against real Postgres and NATS; extractor and writer are small servers of the tests' own.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod delivery;
mod erasing;
mod model;
mod process;
mod records;
mod replaying;
mod saving;
mod stored;
mod values;
mod workspaces;
mod world;
mod writer;
