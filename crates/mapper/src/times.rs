//! Moments of Postgres on the wire.

use chrono::{DateTime, Utc};
use prost_types::Timestamp;

/// Writes a moment that Postgres returned.
pub(crate) fn to_wire_time(moment: DateTime<Utc>) -> Timestamp {
    Timestamp { seconds: moment.timestamp(), nanos: i32::try_from(moment.timestamp_subsec_nanos()).unwrap_or_default() }
}
