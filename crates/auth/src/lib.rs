//! Owns workspaces, Salesforce grants and epochs; hands out short-lived access tokens.

pub mod salesforce;
pub mod vault;
