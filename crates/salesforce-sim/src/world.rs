//! Everything the simulator knows, behind its locks.

use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};

use crate::fault::Faults;
use crate::id::Id;
use crate::moment::Clock;
use crate::oauth::{AppSpec, Grants, Session};
use crate::org::{Org, OrgSpec};
use crate::seed::Seed;
use crate::stats::Book;

/// How the simulator is set up.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub address: String,
    /// Scheme and host by which clients reach it, where that is not the address that it listens on.
    pub base_url: Option<String>,
    /// The orgs of the world, the default one first.
    pub orgs: Vec<OrgSpec>,
    /// What fills the first org.
    pub seed: Option<Seed>,
    /// The connected apps.
    pub apps: Vec<AppSpec>,
    /// Authorize grants at once, with no page.
    pub auto_consent: bool,
    /// Seconds until an unused access token dies.
    pub session_timeout_s: u32,
    /// Polls that answer InProgress before JobComplete.
    pub bulk_polls: u32,
    /// Rows of a Bulk page when the client does not say.
    pub bulk_page_rows: usize,
    /// Where the identity URL redirects to first: scheme and host.
    pub identity_redirect: Option<String>,
    /// Also serve TLS, on a port of its own, with a certificate made at start; then that is the base URL.
    pub tls: bool,
    /// Whether bodies are compressed for clients that ask; off for benchmarks of the client.
    pub gzip: bool,
    /// Two worker threads suffice; benchmarks may want more.
    pub worker_threads: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            address: "127.0.0.1:0".to_owned(),
            base_url: None,
            orgs: vec![OrgSpec::default()],
            seed: None,
            apps: vec![AppSpec::default()],
            auto_consent: false,
            session_timeout_s: 7_200,
            bulk_polls: 1,
            bulk_page_rows: 50_000,
            identity_redirect: None,
            tls: false,
            gzip: true,
            worker_threads: 2,
        }
    }
}

/// The whole state. Locks are taken in the order orgs, grants, faults, book, and briefly.
#[derive(Debug)]
pub(crate) struct World {
    pub(crate) config: Config,
    pub(crate) clock: Clock,
    base_url: OnceLock<String>,
    orgs: RwLock<Vec<Org>>,
    grants: Mutex<Grants>,
    faults: Mutex<Faults>,
    book: Mutex<Book>,
}

impl World {
    pub(crate) fn new(config: Config) -> Self {
        let clock = Clock::new();
        let now_ms = clock.now_ms();
        let mut orgs: Vec<Org> =
            config.orgs.iter().enumerate().map(|(place, spec)| Org::new(spec, place, now_ms)).collect();
        if let (Some(seed), Some(org)) = (&config.seed, orgs.first_mut()) {
            seed.fill(org, now_ms);
        }
        let timeout_ms = i64::from(config.session_timeout_s) * 1000;
        let grants = Grants::new(config.apps.clone(), timeout_ms);
        Self {
            config,
            clock,
            base_url: OnceLock::new(),
            orgs: RwLock::new(orgs),
            grants: Mutex::new(grants),
            faults: Mutex::default(),
            book: Mutex::default(),
        }
    }

    pub(crate) fn set_base_url(&self, listening: String) {
        self.base_url.get_or_init(|| self.config.base_url.clone().unwrap_or(listening));
    }

    /// The simulator's own address, as clients name it.
    pub(crate) fn base_url(&self) -> String {
        self.base_url.get().cloned().unwrap_or_default()
    }

    /// What token answers name as the org's host.
    pub(crate) fn instance_url(&self, org: Id) -> String {
        let orgs = self.read();
        orgs.iter()
            .find(|known| known.id == org)
            .and_then(|org| org.instance_url.clone())
            .unwrap_or_else(|| self.base_url())
    }

    pub(crate) fn read(&self) -> RwLockReadGuard<'_, Vec<Org>> {
        self.orgs.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn write(&self) -> RwLockWriteGuard<'_, Vec<Org>> {
        self.orgs.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn grants(&self) -> MutexGuard<'_, Grants> {
        lock(&self.grants)
    }

    pub(crate) fn faults(&self) -> MutexGuard<'_, Faults> {
        lock(&self.faults)
    }

    pub(crate) fn book(&self) -> MutexGuard<'_, Book> {
        lock(&self.book)
    }

    /// The live session of an access token.
    pub(crate) fn session(&self, token: &str) -> Option<Session> {
        let now_ms = self.clock.now_ms();
        self.grants().session(token, now_ms)
    }

    /// The org and user of a username and a password, with or without the security token behind it.
    pub(crate) fn log_in(&self, username: &str, password: &str) -> Option<(Id, Id)> {
        let orgs = self.read();
        let org = orgs.iter().find(|org| org.spec.username == username && org.user_active)?;
        let spec = &org.spec;
        let accepted = password == spec.password || password == format!("{}{}", spec.password, spec.security_token);
        accepted.then_some((org.id, org.user))
    }
}

/// Locks even after a panic elsewhere: the simulator's state is plain data.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_listens_on_one_address_and_is_reached_by_another_names_the_other() {
        let named = World::new(Config { base_url: Some("http://salesforce:8080".to_owned()), ..Config::default() });
        named.set_base_url("http://0.0.0.0:8080".to_owned());
        assert_eq!(named.base_url(), "http://salesforce:8080");
        assert_eq!(named.instance_url(named.read()[0].id), "http://salesforce:8080");
        let unnamed = World::new(Config::default());
        unnamed.set_base_url("http://127.0.0.1:1".to_owned());
        assert_eq!(unnamed.base_url(), "http://127.0.0.1:1");
    }
}
