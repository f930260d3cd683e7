//! Which span of Salesforce's time a read covers, and how far it has come. Pure: time comes in as an argument.

use std::time::Duration;

use domain::SalesforceId;
use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;

/// The shortest span that a query is cut down to before the object is given up on.
const SHORTEST_SLICE: Duration = Duration::from_secs(1);

/// The last record that was read for certain, in the order of (SystemModstamp, Id).
///
/// The pair, because a mass update puts ten thousand records on one second: by the stamp alone a reader skips or loops.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Position {
    /// SystemModstamp of the record.
    pub modified: Stamp,
    /// Its id; only Salesforce compares ids, never we.
    pub id: SalesforceId,
}

/// A read of everything that was changed in a span of time.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Scan {
    /// First moment; absent: from the beginning.
    pub since: Option<Stamp>,
    /// First moment that is not covered any more; absent: open.
    pub before: Option<Stamp>,
    /// While whole spans take Salesforce too long: where the slice in hand ends.
    pub slice: Option<Stamp>,
    /// What was read of the slice in hand.
    pub after: Option<Position>,
}

impl Scan {
    /// Returns where the query in hand ends; absent: open.
    #[must_use]
    pub fn end(&self) -> Option<Stamp> {
        self.slice.or(self.before)
    }

    /// Notes what was read. `None` changes nothing: it is safe to read records again, never to skip one.
    pub fn advance(&mut self, position: Option<Position>) {
        if let Some(position) = position {
            self.after = Some(position);
        }
    }

    /// Goes on to the next slice after the one in hand was read; false when the whole span is read.
    pub fn next_slice(&mut self) -> bool {
        let Some(end) = self.slice.take() else { return false };
        self.since = Some(end);
        self.after = None;
        self.before.is_none_or(|before| end < before)
    }

    /// Halves the span of the query, because Salesforce ran out of time; false when it can't be halved any more.
    ///
    /// `earliest` stands for an open beginning, `now` for an open end.
    pub fn halve(&mut self, earliest: Stamp, now: Stamp) -> bool {
        let start = self.after.as_ref().map(|position| position.modified).or(self.since).unwrap_or(earliest);
        let end = self.end().unwrap_or(now);
        // Whole seconds: Salesforce stamps no finer, and a literal with a fraction might not compare as we think.
        let middle = Stamp::from_millis(start.midway(end).as_millis().div_euclid(1_000) * 1_000);
        if middle < start.later(SHORTEST_SLICE) || middle >= end {
            return false;
        }
        self.slice = Some(middle);
        true
    }
}

/// Where one record stood in a page.
pub struct Seen<'a> {
    /// SystemModstamp as the page shows it.
    pub modified: Stamp,
    /// Id.
    pub id: &'a SalesforceId,
}

/// How much the order of a page can be trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageOrder {
    /// The first page of a query: order and values were taken at one moment.
    Fresh,
    /// A later page of a query that began at this moment: a record edited in between stands at its old place with its new
    /// stamp, and going on from there would skip what lies between.
    Continued {
        /// Salesforce's time when the query began, less the overlap (a long transaction stamps in the past).
        trusted_before: Stamp,
    },
}

/// Returns the position to go on from after a page, or `None` when no record of it can be trusted for that.
#[must_use]
pub fn position_after<'a>(records: impl DoubleEndedIterator<Item = Seen<'a>>, order: PageOrder) -> Option<Position> {
    let trusted = |seen: &Seen<'_>| match order {
        PageOrder::Fresh => true,
        PageOrder::Continued { trusted_before } => seen.modified < trusted_before,
    };
    records.rev().find(trusted).map(|seen| Position { modified: seen.modified, id: seen.id.clone() })
}

/// Returns where the next poll of an object begins.
///
/// The overlap reaches back over transactions that stamped early and committed late; nothing before the covered start is
/// taken in.
#[must_use]
pub fn poll_start(cursor: Stamp, overlap: Duration, covered_from: Option<Stamp>) -> Stamp {
    let start = cursor.earlier(overlap);
    covered_from.map_or(start, |covered| start.max(covered))
}

/// Returns the cursor that a window leaves behind: it never claims more than Salesforce had committed when it began.
#[must_use]
pub fn cursor_after(server_time_at_start: Stamp, settle: Duration, previous: Option<Stamp>) -> Stamp {
    let cursor = server_time_at_start.earlier(settle);
    // A clock of Salesforce's that steps back must not move the cursor back; the overlap covers the difference.
    previous.map_or(cursor, |previous| cursor.max(previous))
}

/// Returns the span that an earlier start date adds, or `None` when it adds nothing.
///
/// `wanted`: `None` means everything. `covered`: the covered start of a loaded object.
#[must_use]
pub fn added_span(wanted: Option<Stamp>, covered: Option<Stamp>) -> Option<Scan> {
    let covered = covered?;
    let earlier = wanted.is_none_or(|wanted| wanted < covered);
    earlier.then(|| Scan { since: wanted, before: Some(covered), ..Scan::default() })
}

#[cfg(test)]
mod model;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(text: &str) -> Stamp {
        Stamp::parse(text).unwrap()
    }

    fn id(n: u32) -> SalesforceId {
        format!("001Kd0000{n:06}").parse().unwrap()
    }

    #[test]
    fn case_21_a_record_edited_between_pages_never_moves_the_position_past_unread_ones() {
        let ids = [id(1), id(2)];
        let page = || {
            [at("2026-01-01T00:00:00Z"), at("2026-06-01T12:00:30Z")]
                .into_iter()
                .zip(&ids)
                .map(|(modified, id)| Seen { modified, id })
        };
        let began = at("2026-06-01T12:00:00Z");
        let position = position_after(page(), PageOrder::Continued { trusted_before: began }).unwrap();
        assert_eq!(position.id, ids[0]);
        assert_eq!(position_after(page(), PageOrder::Fresh).unwrap().id, ids[1]);
        let nothing_sure = PageOrder::Continued { trusted_before: at("2025-01-01T00:00:00Z") };
        assert_eq!(position_after(page(), nothing_sure), None);
    }

    #[test]
    fn case_23_the_cursor_comes_from_the_server_and_never_goes_back() {
        let settle = Duration::from_secs(60);
        let first = cursor_after(at("2026-08-01T10:00:00Z"), settle, None);
        assert_eq!(first, at("2026-08-01T09:59:00Z"));
        assert_eq!(cursor_after(at("2026-08-01T09:30:00Z"), settle, Some(first)), first);
    }

    #[test]
    fn case_22_a_poll_reaches_back_over_the_overlap_but_not_before_the_covered_start() {
        let overlap = Duration::from_secs(900);
        let cursor = at("2026-08-01T10:04:58Z");
        assert_eq!(poll_start(cursor, overlap, None), at("2026-08-01T09:49:58Z"));
        let covered = at("2026-08-01T10:00:00Z");
        assert_eq!(poll_start(cursor, overlap, Some(covered)), covered);
    }

    #[test]
    fn rule_15_an_earlier_start_adds_only_the_span_before_the_covered_start() {
        let covered = at("2026-01-01T00:00:00Z");
        let wanted = at("2025-06-01T00:00:00Z");
        let span = added_span(Some(wanted), Some(covered)).unwrap();
        assert_eq!((span.since, span.before), (Some(wanted), Some(covered)));
        assert_eq!(added_span(None, Some(covered)).unwrap().since, None);
        assert_eq!(added_span(Some(covered), Some(covered)), None);
        assert_eq!(added_span(Some(at("2026-02-01T00:00:00Z")), Some(covered)), None);
        assert_eq!(added_span(None, None), None);
    }

    #[test]
    fn case_32_a_window_halves_until_it_can_not() {
        let (start, now) = (at("2026-08-01T00:00:00Z"), at("2026-08-31T00:00:00Z"));
        let mut scan = Scan { since: Some(start), ..Scan::default() };
        assert!(scan.halve(start, now));
        assert_eq!(scan.end(), Some(at("2026-08-16T00:00:00Z")));
        let mut halvings = 1;
        while scan.halve(start, now) {
            halvings += 1;
        }
        assert!((15..25).contains(&halvings), "{halvings}");
    }

    proptest! {
        #[test]
        fn slices_cover_the_whole_span_without_a_gap(splits in prop::collection::vec(0_u8..6, 1..40)) {
            let (start, now) = (at("2026-08-01T00:00:00Z"), at("2026-08-31T00:00:00Z"));
            let mut scan = Scan { since: Some(start), before: Some(now), ..Scan::default() };
            let mut covered_to = start;
            for halvings in splits {
                for _ in 0..halvings {
                    scan.halve(start, now);
                }
                prop_assert_eq!(scan.since, Some(covered_to));
                let end = scan.end().unwrap();
                prop_assert!(end > covered_to);
                covered_to = end;
                if !scan.next_slice() {
                    prop_assert_eq!(covered_to, now);
                    return Ok(());
                }
            }
        }
    }
}
