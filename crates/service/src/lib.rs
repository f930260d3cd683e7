//! What every `main` needs: config, telemetry, lifecycle, health, gRPC. Services own their config; this only loads it.

pub mod audit;
pub mod config;
pub mod credentials;
mod gate;
pub mod grpc;
pub mod health;
mod launch;
mod lifecycle;
mod listen;
mod logs;
pub mod metrics;
pub mod nats;
pub mod postgres;
pub mod status;
pub mod telemetry;

pub use launch::{ServiceConfig, launch};
pub use lifecycle::Lifecycle;

/// Records are many small values, made by one thread and freed by another: what the system's own allocator does worst.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
