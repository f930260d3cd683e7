//! Keeps customers and contacts equal to the newest version of every record.
//!
//! One row per source key; the guard is in the statement; a mapped field is locked in the API and in the database.

pub mod alias;
mod apply;
mod chunk;
mod column;
mod metrics;
mod record;
mod store;
mod transaction;

pub use record::Existence;
