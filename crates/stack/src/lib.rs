//! Starts and stops the parts of lanesync as real processes, for the dev loop and for tests.
//!
//! Everything started here dies with its owner: a value that is dropped ends its process, and a process that
//! is killed outright leaves a [guard](process::Process) behind that does the same. Everything listens on
//! 127.0.0.1, on a free port, and keeps its files in one private [`Folder`] that goes when its owner goes.

pub mod books;
mod folder;
mod guard;
pub mod lane;
mod mutual;
mod nats;
mod port;
mod postgres;
mod process;
mod product;
pub mod scene;
mod secret;
mod service;
mod simulator;

pub use folder::Folder;
pub use mutual::{Mutual, tls_in};
pub use nats::{Nats, NatsUser};
pub use port::free_port;
pub use postgres::{Postgres, PostgresOptions};
pub use process::Process;
pub use product::{NatsAccess, Salesforce, Stack, StackOptions};
pub use rustix::process::Signal;
pub use secret::{random_hex, write_private};
pub use service::{Addresses, Service, ServiceName};
pub use simulator::{Orders, OrgSize, Simulator};
