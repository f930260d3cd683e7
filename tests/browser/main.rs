//! The console in a real browser, on real parts; the only stand-in is Salesforce.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod admins;
mod album;
mod axe;
mod bounds;
mod crowd;
mod driver;
mod hostile;
mod pages;
mod person;
mod states;
mod story;
mod walk;
mod world;
