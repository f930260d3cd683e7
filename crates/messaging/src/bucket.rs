//! Small values by key, shared by the replicas of one service.

use async_nats::jetstream::kv;
use bytes::Bytes;
use contract::streams::BucketSpec;

use crate::Bus;

/// A bucket did not answer; nothing is known about the entry.
#[derive(Debug, thiserror::Error)]
#[error("{doing} in bucket {bucket}")]
pub struct BucketError {
    bucket: &'static str,
    doing: &'static str,
    #[source]
    source: async_nats::Error,
}

/// A key-value bucket that `lanesync-migrate` made; cheap to clone.
#[derive(Clone, Debug)]
pub struct Bucket {
    name: &'static str,
    store: kv::Store,
}

impl Bucket {
    /// Opens a bucket.
    ///
    /// # Errors
    /// It is not there, forgets nothing or keeps its entries in memory: run lanesync-migrate.
    pub async fn open(bus: &Bus, spec: BucketSpec) -> Result<Self, BucketError> {
        let failed = |source: async_nats::Error| BucketError { bucket: spec.name, doing: "opening", source };
        let store = bus.context().get_key_value(spec.name).await.map_err(|error| failed(error.into()))?;
        if store.stream.cached_info().config.max_age != spec.max_age {
            return Err(failed("it has the wrong max_age; run lanesync-migrate".into()));
        }
        Ok(Self { name: spec.name, store })
    }

    /// Returns the value of a key, or `None` when there is none or it is too old.
    ///
    /// # Errors
    /// The bucket does not answer.
    pub async fn get(&self, key: &str) -> Result<Option<Bytes>, BucketError> {
        self.store.get(key).await.map_err(|error| self.failed("reading", error.into()))
    }

    /// Stores a value, in place of the one that was there; its age begins anew.
    ///
    /// # Errors
    /// It may or may not be stored.
    pub async fn put(&self, key: &str, value: Vec<u8>) -> Result<(), BucketError> {
        self.store.put(key, value.into()).await.map(drop).map_err(|error| self.failed("writing", error.into()))
    }

    /// Removes a key and what it held; none there is fine.
    ///
    /// # Errors
    /// It may or may not be removed.
    pub async fn remove(&self, key: &str) -> Result<(), BucketError> {
        self.store.purge(key).await.map_err(|error| self.failed("removing", error.into()))
    }

    fn failed(&self, doing: &'static str, source: async_nats::Error) -> BucketError {
        BucketError { bucket: self.name, doing, source }
    }
}
