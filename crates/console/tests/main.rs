//! The console as a browser meets it: the real process, the real services behind it, a simulated Salesforce.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod access;
mod browser;
mod connecting;
mod customers;
mod guarding;
mod mapping;
mod oidc;
mod problems;
mod provider;
mod settings;
mod signing_in;
mod statuses;
mod values;
mod world;
