//! A message as a service sees it, and what may become of it.

use async_nats::HeaderMap;
use async_nats::jetstream::Message;
use bytes::Bytes;
use contract::{body, headers};
use tracing::Span;

use crate::trace;

/// What became of a message; decides how it is settled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Its effect is durable.
    Done,
    /// Trying again can help; the delay grows with the number of deliveries.
    Retry {
        /// Stable reason.
        reason: &'static str,
    },
    /// Trying again can't help: kept as a dead letter, then let go.
    Reject {
        /// Stable reason.
        reason: &'static str,
    },
}

impl Outcome {
    /// What the server is told: `ack`, `nak` or `term`.
    pub(crate) const fn verb(self) -> &'static str {
        match self {
            Self::Done => "ack",
            Self::Retry { .. } => "nak",
            Self::Reject { .. } => "term",
        }
    }

    /// Why it is not done.
    pub(crate) const fn reason(self) -> Option<&'static str> {
        match self {
            Self::Done => None,
            Self::Retry { reason } | Self::Reject { reason } => Some(reason),
        }
    }
}

/// The message is not what its subject promises. Trying again can't help.
#[derive(Debug, thiserror::Error)]
pub enum UnreadableMessage {
    /// Another message type than expected.
    #[error("message type is not {expected}")]
    WrongType {
        /// What was expected.
        expected: &'static str,
    },
    /// A schema that this build does not know.
    #[error("schema version is unknown")]
    UnknownSchema,
    /// The body can't be decoded.
    #[error("reading the body")]
    Body(#[from] body::DecodeError),
}

/// One delivery of a message.
#[derive(Debug)]
pub struct Delivery {
    pub(crate) message: Message,
    stream_sequence: u64,
    delivered: i64,
    is_followed: bool,
    span: Span,
}

impl Delivery {
    pub(crate) fn new(message: Message) -> Option<Self> {
        let (stream_sequence, delivered, is_followed) = {
            let info = message.info().ok()?;
            (info.stream_sequence, info.delivered, info.pending > 0)
        };
        Some(Self { message, stream_sequence, delivered, is_followed, span: Span::none() })
    }

    /// Whether more messages waited for the consumer when the server sent this one.
    pub(crate) fn is_followed(&self) -> bool {
        self.is_followed
    }

    /// From now on it is processed in `span`.
    pub(crate) fn enter(&mut self, span: Span) {
        self.span = span;
    }

    /// Returns the subject.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.message.subject
    }

    /// Returns a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.message.headers.as_ref()?.get(name).map(|value| value.as_str())
    }

    /// Returns the body as it travelled.
    #[must_use]
    pub fn payload(&self) -> &Bytes {
        &self.message.payload
    }

    /// Returns the position in the stream.
    #[must_use]
    pub fn stream_sequence(&self) -> u64 {
        self.stream_sequence
    }

    /// Returns how often it was delivered; nothing but the delay of a retry may rest on it.
    #[must_use]
    pub fn delivered(&self) -> i64 {
        self.delivered
    }

    /// Returns the trace id in lower-case hex when the trace is sampled.
    #[must_use]
    pub fn trace_id(&self) -> Option<String> {
        trace::trace_id(&self.span)
    }

    /// Reads the body as an `M` named `message_type`.
    ///
    /// # Errors
    /// [`UnreadableMessage`]; the same bytes fail again.
    pub fn decode<M: prost::Message + Default>(&self, message_type: &'static str) -> Result<M, UnreadableMessage> {
        if self.header(headers::MESSAGE_TYPE) != Some(message_type) {
            return Err(UnreadableMessage::WrongType { expected: message_type });
        }
        let schema = self.header(headers::SCHEMA).and_then(|text| text.parse::<u32>().ok());
        if !schema.is_some_and(|schema| (1..=headers::SCHEMA_VERSION).contains(&schema)) {
            return Err(UnreadableMessage::UnknownSchema);
        }
        if self.header(headers::CONTENT_ENCODING) == Some("zstd") {
            return Ok(body::unpack(&self.message.payload)?);
        }
        M::decode(self.message.payload.clone()).map_err(|error| body::DecodeError::Protobuf(error).into())
    }

    /// Returns the headers of ours. Those of the server speak of the first publish: a dead letter that kept them would be
    /// taken for a duplicate of the raw chunk, or refused because it lands in another stream than the first time.
    pub(crate) fn headers_to_keep(&self) -> HeaderMap {
        let mut kept = HeaderMap::new();
        for (name, values) in self.message.headers.iter().flat_map(HeaderMap::iter) {
            let name: &str = name.as_ref();
            if !name.starts_with("Nats-") {
                for value in values {
                    kept.append(name, value.as_str());
                }
            }
        }
        kept
    }
}
