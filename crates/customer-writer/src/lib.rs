//! Keeps customers and contacts equal to the newest version of every record.
//!
//! A mapped batch is applied in one transaction: guarded upserts of mapped columns only, identities, tombstones, parked
//! rows, its place in the books, the change feed. There is one row per source key; keys that mean the same customer form
//! a group, which goes by its oldest Lane id (see [`alias`]). A mapped field is locked twice: by the API, and by a
//! trigger for every database role but the sync's own.

pub mod alias;
mod api;
mod apply;
mod chunk;
mod column;
mod config;
mod consumer;
mod erasure;
mod metrics;
mod outbox;
mod record;
mod refused;
mod serve;
mod store;
mod transaction;
mod writer;

pub use config::Config;
pub use record::Existence;
pub use serve::launch;
pub use writer::Writer;

/// Name of the service in logs, traces and status.
pub const SERVICE: &str = "lanesync-customer-writer";
/// Version of the build.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
