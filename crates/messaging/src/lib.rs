//! JetStream: publish, consume, settle, verify streams.
