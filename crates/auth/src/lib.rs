//! Owns workspaces, Salesforce grants and epochs; hands out short-lived access tokens.

pub mod access;
pub mod connect;
pub mod connections;
pub mod ending;
pub mod keys;
pub mod kill_switch;
mod metrics;
pub mod push;
pub mod salesforce;
pub mod store;
pub mod upkeep;
pub mod vault;
pub mod workspaces;
