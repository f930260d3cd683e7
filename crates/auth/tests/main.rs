//! Auth against real Postgres, the simulated Salesforce over HTTP, and peers that are small gRPC servers.

mod cases;
mod harness;
