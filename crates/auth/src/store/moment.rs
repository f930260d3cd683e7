//! Moments of ours as Postgres has them, and back.

use chrono::{DateTime, Utc};
use jiff::Timestamp;

/// Writes a moment; Postgres keeps microseconds.
pub(super) fn to_db(moment: Timestamp) -> DateTime<Utc> {
    DateTime::from_timestamp_micros(moment.as_microsecond()).expect("chrono's years reach further than jiff's")
}

/// Reads a moment; one outside of jiff's years becomes the nearest.
pub(super) fn from_db(moment: DateTime<Utc>) -> Timestamp {
    Timestamp::from_microsecond(moment.timestamp_micros()).unwrap_or(if moment.timestamp() < 0 {
        Timestamp::MIN
    } else {
        Timestamp::MAX
    })
}
