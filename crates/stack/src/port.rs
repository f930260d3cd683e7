//! Free ports for programs that can't pick one themselves.

use std::collections::BTreeMap;
use std::fs::File;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::sync::{Mutex, PoisonError};

use anyhow::Context as _;
use rand::Rng as _;

/// Ports that this process was given, each with the locked file that keeps other processes from being given it.
static GIVEN: Mutex<BTreeMap<u16, File>> = Mutex::new(BTreeMap::new());

/// A port of 127.0.0.1 that nobody listens on and that no other process of ours is given while this one lives.
///
/// It lies below the range that systems hand out to outgoing connections, so that none of those takes it
/// between this answer and its use.
///
/// # Errors
/// A thousand ports in a row were taken.
pub fn free_port() -> anyhow::Result<u16> {
    let mut given = GIVEN.lock().unwrap_or_else(PoisonError::into_inner);
    for _ in 0..1_000 {
        let port = rand::rng().random_range(15_000..32_000);
        if given.contains_key(&port) {
            continue;
        }
        let Some(lock) = reserve(port) else { continue };
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            given.insert(port, lock);
            return Ok(port);
        }
    }
    None.context("no free port on 127.0.0.1")
}

/// Takes the port among the processes of this machine; the system lets go of it when this process ends.
fn reserve(port: u16) -> Option<File> {
    let path = std::env::temp_dir().join(format!("lanesync-port-{port}"));
    let file = File::options().create(true).append(true).open(path).ok()?;
    file.try_lock().is_ok().then_some(file)
}

/// [`free_port`] as an address.
pub(crate) fn free_address() -> anyhow::Result<SocketAddr> {
    Ok((Ipv4Addr::LOCALHOST, free_port()?).into())
}
