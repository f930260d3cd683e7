//! The console as a browser meets it: the real process, the real services behind it, a simulated Salesforce.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod browser;
mod connecting;
mod guarding;
mod oidc;
mod problems;
mod provider;
mod signing_in;
mod statuses;
mod values;
mod world;
