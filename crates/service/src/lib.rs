//! What every `main` needs: config, telemetry, lifecycle, health, gRPC. Services own their config; this only loads it.

pub mod audit;
pub mod config;
pub mod grpc;
pub mod health;
mod launch;
mod lifecycle;
mod logs;
pub mod metrics;
pub mod nats;
pub mod postgres;
pub mod status;
pub mod telemetry;

pub use launch::{ServiceConfig, launch};
pub use lifecycle::Lifecycle;
