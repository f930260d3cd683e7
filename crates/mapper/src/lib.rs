//! Keeps field and value mappings and the source store; applies them to the stream.
//!
//! A raw chunk goes one way: [`intake`] stores its images under the mapping in force, `wire` says in Lane's terms
//! what the store now holds of its keys, `chunks` publishes that and settles. A change of mappings goes the other:
//! `saving` checks, previews and saves it, `replay` maps every stored record once more. No Salesforce call in either.

mod chunks;
mod config;
mod failures;
mod intake;
mod lists;
mod merge;
mod metrics;
mod outbox;
mod raw;
mod registry;
mod rules;
mod sights;
mod source;
mod store;
mod wire;

use messaging::Bus;
use sqlx::PgPool;

pub use config::Config;

/// The mapper: what its tasks and calls share.
#[derive(Debug)]
pub struct Mapper {
    pool: PgPool,
    bus: Bus,
    rules: rules::RulesCache,
    lists: lists::ListCache,
    sights: sights::Sights,
}

impl Mapper {
    /// Begins with empty caches.
    #[must_use]
    pub fn new(pool: PgPool, bus: Bus) -> Self {
        Self {
            pool,
            bus,
            rules: rules::RulesCache::default(),
            lists: lists::ListCache::default(),
            sights: sights::Sights::default(),
        }
    }
}
