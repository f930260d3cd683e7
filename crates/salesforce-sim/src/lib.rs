//! A faithful Salesforce for tests and the demo.
//!
//! [`Simulator::start`] listens on a free port with an org of its own; clients talk to it as to
//! Salesforce (OAuth, REST, SOQL, Bulk 2.0, SOAP login). Tests change its world by the handle or by
//! `POST /sim/<op>`, ask it to fail, and ask its oracle what Lane must hold. The README says what it
//! answers and what it refuses.

#![recursion_limit = "512"]

mod api;
mod bulk_job;
mod control;
mod cursor;
mod endpoint;
mod fault;
mod id;
mod lifecycle;
mod listen;
mod moment;
mod mutate;
mod oauth;
mod oracle;
mod org;
mod refusal;
mod render;
mod rendered;
mod rest;
mod schema;
mod seed;
mod simulator;
mod soql;
mod stats;
mod table;
mod tls;
mod value;
mod wire;
mod world;

pub use control::Command;
pub use endpoint::Endpoint;
pub use fault::{Fault, FaultRule};
pub use id::{Id, InvalidId};
pub use lifecycle::{Conversion, Converted};
pub use oauth::AppSpec;
pub use oracle::{
    Because, Counts, Expected, LaneKind, LaneValue, Options, Paths, Purged, Question, State, Unmapped, Verdict,
};
pub use org::OrgSpec;
pub use seed::Seed;
pub use simulator::{NotDone, Simulator};
pub use stats::{Recorded, Stats};
pub use world::Config;
