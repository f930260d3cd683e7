//! The only reader of Salesforce data: windows, pages, bulk jobs, deletes, runs.
//!
//! A workspace has one reader at a time, by a lease with a fencing number. The reader works in short turns: it takes a read
//! number, calls Salesforce, cuts the answer into chunks, publishes each and waits until NATS has stored it, and only then
//! writes manifest and cursor in one transaction that checks fence and epoch. A crash anywhere reads the page again under a
//! higher read number, and the guard of every store downstream absorbs the difference. A run is complete when the writer has
//! applied every chunk of its manifest.
//!
//! [`soql`], [`window`], [`record`], [`chunk`], [`budget`], [`run`] and [`salesforce::verdict`] decide and do no IO; [`store`]
//! keeps the books; [`reader`] does the work.

mod api;
pub mod budget;
pub mod chunk;
mod commands;
mod config;
pub mod describe;
pub mod figures;
mod metrics;
mod peers;
pub mod reader;
pub mod record;
mod refetch;
pub mod run;
pub mod salesforce;
mod serve;
pub mod soql;
pub mod stamp;
mod standing;
pub mod store;
pub mod window;

pub use api::{AccessApi, SchemaApi, SyncApi, WorkspaceStateApi};
pub use commands::Commands;
pub use config::Config;
pub use peers::Peers;
pub use serve::launch;

/// Name of the service in logs, traces and status.
pub const SERVICE: &str = "lanesync-extractor";
