//! Moments as people read them: in words and in UTC on the page, in the viewer's zone once the script has run.

use std::time::Duration;

use jiff::Timestamp;
use prost_types::Timestamp as WireTime;

/// A moment on a page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Moment {
    /// RFC 3339, for machines.
    pub(crate) iso: String,
    /// Date and time in UTC, for people.
    pub(crate) text: String,
    /// The distance from now, e.g. "12 s ago" or "in 4 min".
    pub(crate) distance: String,
}

impl Moment {
    /// Returns a moment as seen from `now`.
    pub(crate) fn new(at: Timestamp, now: Timestamp) -> Self {
        Self {
            iso: at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
            text: at.strftime("%-d %b %Y, %H:%M UTC").to_string(),
            distance: distance(at, now),
        }
    }

    /// Returns a moment that a service sent; `None` when it sent none or one out of range.
    pub(crate) fn of(wire: Option<&WireTime>, now: Timestamp) -> Option<Self> {
        read(wire).map(|at| Self::new(at, now))
    }
}

/// Reads a moment that a service sent.
pub(crate) fn read(wire: Option<&WireTime>) -> Option<Timestamp> {
    let wire = wire?;
    Timestamp::new(wire.seconds, wire.nanos).ok()
}

/// Returns a moment for a service.
pub(crate) fn write(at: Timestamp) -> WireTime {
    contract::convert::to_wire_time(at)
}

fn distance(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.as_second() - at.as_second();
    let span = span(Duration::from_secs(seconds.unsigned_abs()));
    match seconds {
        // Another machine's clock may be a little ahead of this one's.
        -2..=0 => "just now".to_owned(),
        1.. => format!("{span} ago"),
        _ => format!("in {span}"),
    }
}

/// Returns a span in its largest unit, e.g. "12 s", "4 min", "3 h", "2 days".
pub(crate) fn span(span: Duration) -> String {
    let seconds = span.as_secs();
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3_600 => format!("{} min", seconds / 60),
        3_600..86_400 => format!("{} h", seconds / 3_600),
        86_400..172_800 => "1 day".to_owned(),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_in_words_and_in_utc() {
        let now: Timestamp = "2026-11-12T09:14:30Z".parse().unwrap();
        let at = |text: &str| Moment::new(text.parse().unwrap(), now);
        assert_eq!(at("2026-11-12T09:14:18Z").distance, "12 s ago");
        assert_eq!(at("2026-11-12T09:18:31Z").distance, "in 4 min");
        assert_eq!(at("2026-11-10T09:14:30Z").distance, "2 days ago");
        assert_eq!(at("2026-11-12T09:14:30Z").distance, "just now");
        assert_eq!(at("2026-11-12T09:14:31Z").distance, "just now", "by a clock that is ahead");
        assert_eq!(at("2026-11-02T07:05:00Z").text, "2 Nov 2026, 07:05 UTC");
        assert_eq!(at("2026-11-02T07:05:00Z").iso, "2026-11-02T07:05:00Z");
    }
}
