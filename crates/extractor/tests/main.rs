//! The extractor against a simulated Salesforce, real Postgres and NATS.

mod first_load;
mod world;
