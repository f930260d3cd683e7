//! Headers of NATS messages, in their exact case. No record data in headers.

/// Deduplication id; raw chunks only.
pub const MESSAGE_ID: &str = "Nats-Msg-Id";
/// Always [`PROTOBUF`].
pub const CONTENT_TYPE: &str = "Content-Type";
/// The content type of all messages.
pub const PROTOBUF: &str = "application/x-protobuf";
/// `zstd`, or absent for a plain body.
pub const CONTENT_ENCODING: &str = "Content-Encoding";
/// Full protobuf name of the message.
pub const MESSAGE_TYPE: &str = "Lanesync-Message-Type";
/// Schema version, an integer.
pub const SCHEMA: &str = "Lanesync-Schema";
/// Run that the message belongs to.
pub const RUN_ID: &str = "Lanesync-Run-Id";
/// Workspace that the message belongs to.
pub const WORKSPACE: &str = "Lanesync-Workspace";
/// When the records were read, RFC 3339.
pub const CAPTURED_AT: &str = "Lanesync-Captured-At";
/// Stage that gave up on a dead letter.
pub const DLQ_STAGE: &str = "Lanesync-Dlq-Stage";
/// Stable reason of a dead letter.
pub const DLQ_REASON: &str = "Lanesync-Dlq-Reason";
/// Subject that a dead letter came from.
pub const DLQ_ORIGIN_SUBJECT: &str = "Lanesync-Dlq-Origin-Subject";
/// Stream sequence that a dead letter came from.
pub const DLQ_ORIGIN_SEQ: &str = "Lanesync-Dlq-Origin-Seq";

/// The schema version that we write; one older is read too.
pub const SCHEMA_VERSION: u32 = 1;
