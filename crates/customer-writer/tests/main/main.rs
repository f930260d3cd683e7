//! The writer against real Postgres and NATS.
#![expect(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

mod books;
mod edits;
mod erase;
mod fixture;
mod guard;
mod history;
mod identity;
mod lists;
mod model;
mod order;
mod parking;
mod pool;
mod standing;
mod stream;
mod tenants;
