//! The one table of streams and durable consumers. `lanesync-migrate` creates them; services only verify.

use std::time::Duration;

use crate::subjects::template;

/// A JetStream stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StreamSpec {
    /// Name, upper case.
    pub name: &'static str,
    /// Subjects that it takes.
    pub subjects: &'static [&'static str],
    /// When messages leave.
    pub retention: Retention,
    /// Largest size in bytes; a full work queue refuses publishes, which slows the reader.
    pub max_bytes: i64,
    /// Oldest message kept.
    pub max_age: Duration,
}

/// When messages leave a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retention {
    /// Once settled; new messages are refused when full.
    WorkQueue,
    /// By age and size; old messages give way.
    Limits,
}

/// A durable pull consumer with explicit acks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerSpec {
    /// Stream that it reads.
    pub stream: &'static str,
    /// Name.
    pub durable: &'static str,
    /// Subject that it takes.
    pub filter: &'static str,
    /// The subject's template, for spans and metrics.
    pub template: &'static str,
}

/// Longest time between delivery and settlement; longer work sends progress.
pub const ACK_WAIT: Duration = Duration::from_secs(30);
/// Deliveries in flight for a whole consumer: 8 replicas of 64.
pub const MAX_ACK_PENDING: i64 = 512;
/// Largest message.
pub const MAX_MESSAGE_BYTES: i32 = 1024 * 1024;
/// How long the server remembers message ids; a cheap first filter, nothing rests on it.
pub const DUPLICATE_WINDOW: Duration = Duration::from_secs(600);

const DAY: Duration = Duration::from_secs(86_400);
const GIB: i64 = 1024 * 1024 * 1024;

/// Raw chunks from the extractor to the mapper.
pub const RAW: StreamSpec = StreamSpec {
    name: "LANESYNC_RAW",
    subjects: &["lanesync.v1.raw.*.*"],
    retention: Retention::WorkQueue,
    max_bytes: 4 * GIB,
    max_age: Duration::from_secs(3 * 86_400),
};
/// Mapped chunks from the mapper to the writer.
pub const MAPPED: StreamSpec = StreamSpec {
    name: "LANESYNC_MAPPED",
    subjects: &["lanesync.v1.mapped.*.*"],
    retention: Retention::WorkQueue,
    max_bytes: 4 * GIB,
    max_age: Duration::from_secs(3 * 86_400),
};
/// What others may want to know.
pub const EVENTS: StreamSpec = StreamSpec {
    name: "LANESYNC_EVENTS",
    subjects: &["lanesync.v1.unmapped.*.*", "lanesync.v1.run.*", "lanesync.v1.customer.*"],
    retention: Retention::Limits,
    max_bytes: GIB,
    max_age: Duration::from_secs(7 * 86_400),
};
/// Commands to the extractor.
pub const CMD: StreamSpec = StreamSpec {
    name: "LANESYNC_CMD",
    subjects: &["lanesync.v1.cmd.*"],
    retention: Retention::WorkQueue,
    max_bytes: GIB / 16,
    max_age: DAY,
};
/// Messages that can't even be parsed.
pub const DLQ: StreamSpec = StreamSpec {
    name: "LANESYNC_DLQ",
    subjects: &["lanesync.v1.dlq.>"],
    retention: Retention::Limits,
    max_bytes: GIB,
    max_age: Duration::from_secs(14 * 86_400),
};

/// A key-value bucket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BucketSpec {
    /// Name, upper case.
    pub name: &'static str,
    /// When an entry goes by itself, counted from its last write.
    pub max_age: Duration,
    /// Largest size in bytes; a full bucket refuses new entries.
    pub max_bytes: i64,
    /// Largest value in bytes.
    pub max_value_bytes: i32,
}

/// Who is signed in to the console, by the hash of the cookie.
pub const SESSIONS: BucketSpec = BucketSpec {
    name: "LANESYNC_SESSIONS",
    max_age: Duration::from_secs(12 * 3_600),
    max_bytes: GIB / 16,
    max_value_bytes: 16 * 1024,
};

/// All buckets.
pub const BUCKETS: &[BucketSpec] = &[SESSIONS];

/// All streams.
pub const STREAMS: &[StreamSpec] = &[RAW, MAPPED, EVENTS, CMD, DLQ];

/// The mapper's consumer of raw chunks.
pub const MAPPER: ConsumerSpec =
    ConsumerSpec { stream: RAW.name, durable: "mapper", filter: "lanesync.v1.raw.*.*", template: template::RAW };
/// The writer's consumer of mapped chunks.
pub const WRITER: ConsumerSpec = ConsumerSpec {
    stream: MAPPED.name,
    durable: "writer",
    filter: "lanesync.v1.mapped.*.*",
    template: template::MAPPED,
};
/// Notifications about unmapped values.
pub const UNMAPPED: ConsumerSpec = ConsumerSpec {
    stream: EVENTS.name,
    durable: "unmapped",
    filter: "lanesync.v1.unmapped.*.*",
    template: template::UNMAPPED,
};
/// The extractor's consumer of commands.
pub const EXTRACTOR: ConsumerSpec =
    ConsumerSpec { stream: CMD.name, durable: "extractor", filter: "lanesync.v1.cmd.*", template: template::COMMAND };

/// All durable consumers.
pub const CONSUMERS: &[ConsumerSpec] = &[MAPPER, WRITER, UNMAPPED, EXTRACTOR];
