//! Mutual TLS as callers meet it: who gets a connection, what they may call on it, and how certificates are replaced.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod door;
mod handshake;
mod rotation;
mod server;
