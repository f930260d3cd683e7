//! The only reader of Salesforce data: windows, pages, bulk jobs, deletes, runs.

pub mod budget;
pub mod chunk;
pub mod describe;
mod metrics;
mod peers;
pub mod reader;
pub mod record;
pub mod salesforce;
pub mod soql;
pub mod run;
pub mod stamp;
pub mod store;
pub mod window;
