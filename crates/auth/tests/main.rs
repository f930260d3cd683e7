//! Auth against real Postgres, the simulated Salesforce over HTTP, and peers that are small gRPC servers.

#![expect(clippy::unwrap_used, reason = "what a test's helper does not expect fails the test")]

mod cases;
mod harness;
