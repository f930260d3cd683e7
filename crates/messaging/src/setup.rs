//! Creates and verifies streams and consumers from the one table in `contract::streams`.

use async_nats::jetstream::consumer::{self, AckPolicy, DeliverPolicy, pull};
use async_nats::jetstream::kv;
use async_nats::jetstream::stream::{self, DiscardPolicy, RetentionPolicy, StorageType};
use contract::streams::{
    ACK_WAIT, BUCKETS, BucketSpec, CONSUMERS, ConsumerSpec, DUPLICATE_WINDOW, MAX_ACK_PENDING, MAX_MESSAGE_BYTES,
    Retention, STREAMS, StreamSpec,
};

use crate::Bus;

/// Streams or consumers are not as they must be.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The stream could not be created or changed.
    #[error("setting up stream {0}")]
    Stream(&'static str, #[source] async_nats::Error),
    /// The bucket could not be created or changed.
    #[error("setting up bucket {0}")]
    Bucket(&'static str, #[source] async_nats::Error),
    /// The consumer could not be created or changed.
    #[error("setting up consumer {0}")]
    Consumer(&'static str, #[source] async_nats::Error),
    /// A setting differs: acknowledged messages could be lost.
    #[error("{name} has the wrong {setting}; run lanesync-migrate")]
    Wrong {
        /// Stream or consumer.
        name: &'static str,
        /// The setting.
        setting: &'static str,
    },
}

fn stream_config(spec: &StreamSpec, replicas: usize) -> stream::Config {
    let (retention, discard) = match spec.retention {
        Retention::WorkQueue => (RetentionPolicy::WorkQueue, DiscardPolicy::New),
        Retention::Limits => (RetentionPolicy::Limits, DiscardPolicy::Old),
    };
    stream::Config {
        name: spec.name.to_owned(),
        subjects: spec.subjects.iter().map(|subject| (*subject).to_owned()).collect(),
        retention,
        discard,
        storage: StorageType::File,
        max_bytes: spec.max_bytes,
        max_age: spec.max_age,
        max_message_size: MAX_MESSAGE_BYTES,
        duplicate_window: DUPLICATE_WINDOW,
        num_replicas: replicas,
        ..stream::Config::default()
    }
}

fn consumer_config(spec: &ConsumerSpec) -> pull::Config {
    pull::Config {
        durable_name: Some(spec.durable.to_owned()),
        filter_subject: spec.filter.to_owned(),
        ack_policy: AckPolicy::Explicit,
        deliver_policy: DeliverPolicy::All,
        ack_wait: ACK_WAIT,
        // Parking is ours: the broker's delivery count decides nothing.
        max_deliver: -1,
        max_ack_pending: MAX_ACK_PENDING,
        ..pull::Config::default()
    }
}

fn bucket_config(spec: &BucketSpec, replicas: usize) -> kv::Config {
    kv::Config {
        bucket: spec.name.to_owned(),
        max_age: spec.max_age,
        max_bytes: spec.max_bytes,
        max_value_size: spec.max_value_bytes,
        // Who was signed in before is nobody's business.
        history: 1,
        storage: StorageType::File,
        num_replicas: replicas,
        ..kv::Config::default()
    }
}

/// Creates all streams, consumers and buckets, or brings them to the table. `max_bytes` caps every stream on small disks.
///
/// # Errors
/// The first stream or consumer that could not be set up.
pub async fn ensure(bus: &Bus, replicas: usize, max_bytes: Option<i64>) -> Result<(), SetupError> {
    for spec in STREAMS {
        let mut config = stream_config(spec, replicas);
        config.max_bytes = max_bytes.map_or(config.max_bytes, |cap| cap.min(config.max_bytes));
        bus.context()
            .create_or_update_stream(config)
            .await
            .map_err(|error| SetupError::Stream(spec.name, error.into()))?;
    }
    for spec in CONSUMERS {
        bus.context()
            .create_consumer_on_stream(consumer_config(spec), spec.stream)
            .await
            .map_err(|error| SetupError::Consumer(spec.durable, error.into()))?;
    }
    for spec in BUCKETS {
        let mut config = bucket_config(spec, replicas);
        config.max_bytes = max_bytes.map_or(config.max_bytes, |cap| cap.min(config.max_bytes));
        bus.context()
            .create_or_update_key_value(config)
            .await
            .map_err(|error| SetupError::Bucket(spec.name, error.into()))?;
    }
    Ok(())
}

/// Checks the streams that a service publishes to and the consumer that it reads.
///
/// # Errors
/// The first setting that could lose a message.
pub async fn verify(bus: &Bus, streams: &[StreamSpec], consumers: &[ConsumerSpec]) -> Result<(), SetupError> {
    for spec in streams {
        let found =
            bus.context().get_stream(spec.name).await.map_err(|error| SetupError::Stream(spec.name, error.into()))?;
        let (have, want) = (&found.cached_info().config, stream_config(spec, 1));
        let wrong = [
            (have.retention != want.retention, "retention"),
            (have.discard != want.discard, "discard policy"),
            (have.storage != want.storage, "storage"),
            (have.max_message_size < want.max_message_size, "max_msg_size"),
        ];
        if let Some((_, setting)) = wrong.into_iter().find(|(wrong, _)| *wrong) {
            return Err(SetupError::Wrong { name: spec.name, setting });
        }
    }
    for spec in consumers {
        let found: consumer::Consumer<pull::Config> = bus
            .context()
            .get_consumer_from_stream(spec.durable, spec.stream)
            .await
            .map_err(|error| SetupError::Consumer(spec.durable, error.into()))?;
        let have = &found.cached_info().config;
        let wrong = [
            (have.ack_wait != ACK_WAIT, "ack_wait"),
            (have.max_deliver != -1, "max_deliver"),
            (!have.backoff.is_empty(), "backoff"),
        ];
        if let Some((_, setting)) = wrong.into_iter().find(|(wrong, _)| *wrong) {
            return Err(SetupError::Wrong { name: spec.durable, setting });
        }
    }
    Ok(())
}
