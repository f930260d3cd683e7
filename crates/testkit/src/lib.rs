//! Builders and process control for tests.
