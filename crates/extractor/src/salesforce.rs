//! Salesforce over HTTP: one door, with a token, limits and one decision about every failure.

mod body;
mod client;
pub mod host;
mod session;
pub mod usage;
pub mod verdict;

pub use client::{Answer, CallError, Client, ClientOptions, Request};
pub use session::{Session, Sessions, counting};
