//! The settings console: Lane's Settings → Integrations → Salesforce, as a service of its own.
//!
//! A gRPC client like any other, without tables: who is signed in lives in a NATS bucket, everything else is asked of the four
//! services whenever a page is shown. A page is a plain struct that a pure function builds from their answers, a template that
//! renders it, and forms that work without JavaScript. README.md shows how each of these is written.

mod access;
mod config;
mod connect;
mod csv;
mod customers;
mod disconnect;
mod estimate;
mod gate;
mod mapping;
mod moment;
mod peers;
mod plan;
mod problems;
mod resync;
mod runs;
mod serve;
mod session;
mod settings;
mod sign_in;
mod status;
mod trouble;
mod values;
mod web;
mod words;

pub use config::Config;
pub use serve::{SERVICE, VERSION, launch};
