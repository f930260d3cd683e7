//! Free ports for programs that can't pick one themselves.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use anyhow::Context as _;
use rand::Rng as _;

/// A port of 127.0.0.1 that nobody listens on at this moment.
///
/// It lies below the range that systems hand out to outgoing connections, so that none of those takes it
/// between this answer and its use.
///
/// # Errors
/// A hundred ports in a row were taken.
pub fn free_port() -> anyhow::Result<u16> {
    (0..100)
        .map(|_| rand::rng().random_range(15_000..32_000))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("no free port on 127.0.0.1")
}

/// [`free_port`] as an address.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}
