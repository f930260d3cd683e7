//! The whole pipeline, end to end, on real parts; the only stand-in is Salesforce.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod canary;
mod cli;
mod collector;
mod crash;
mod mutual;
mod storm;
mod story;
mod terminal;
mod trace;
mod world;
