//! Owns workspaces, Salesforce grants and epochs; hands out short-lived access tokens.
fn main() {}
