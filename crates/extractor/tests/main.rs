//! The extractor against a simulated Salesforce, real Postgres and NATS.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod access;
mod api;
mod bulk;
mod faults;
mod figures;
mod first_load;
mod gone;
mod limits;
mod pages;
mod parents;
mod polls;
mod protocol;
mod turns;
mod values;
mod world;
