//! The writer against real Postgres and NATS.

mod books;
mod edits;
mod fixture;
mod guard;
mod identity;
mod lists;
mod order;
mod parking;
mod stream;
mod tenants;
