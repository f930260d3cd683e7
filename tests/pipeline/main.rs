//! The whole pipeline, end to end, on real parts; the only stand-in is Salesforce.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod crash;
mod story;
mod world;
