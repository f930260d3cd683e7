//! The program as a process, against services that answer from memory.

#![expect(clippy::unwrap_used, reason = "a helper of a test fails the test")]

mod connecting;
mod customers;
mod exit_codes;
mod insight;
mod mapping;
mod program;
mod scripted;
mod syncing;
