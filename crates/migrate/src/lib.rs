//! Brings Postgres and NATS to the shape that the services expect.
