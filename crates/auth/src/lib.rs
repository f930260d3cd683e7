//! Owns workspaces, Salesforce grants and epochs; hands out short-lived access tokens.

pub mod access;
mod metrics;
pub mod salesforce;
pub mod store;
pub mod vault;
