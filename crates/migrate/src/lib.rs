//! Brings Postgres and NATS to the shape that the services expect.
//!
//! Everything here may run twice, at the same time, and against a system that is already in shape. Services
//! never do any of it: they look, and refuse to run on another shape.

pub mod certificates;
mod postgres;
mod role;
pub mod secrets;

pub use messaging::setup::{SetupError, ensure as nats};
pub use postgres::{MigratePostgresError, fingerprint, postgres};
pub use role::{InvalidPasswords, Role, RolePasswords};
