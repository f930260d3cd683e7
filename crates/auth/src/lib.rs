//! Owns workspaces, Salesforce grants and epochs; hands out short-lived access tokens.
//!
//! Only this crate sees a refresh token, and only sealed ones reach its tables. What others need of a workspace (plan,
//! epoch, org, start date) is told to them by [`push`]; what they need to call Salesforce is asked for by gRPC
//! ([`access`]).

pub mod access;
mod commands;
pub mod config;
pub mod connect;
pub mod connections;
pub mod ending;
pub mod grpc;
pub mod keys;
pub mod kill_switch;
mod metrics;
mod page;
pub mod push;
pub mod salesforce;
pub mod serve;
pub mod store;
pub mod upkeep;
pub mod vault;
pub mod workspaces;

pub use commands::launch;
