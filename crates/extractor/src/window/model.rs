//! The windows against an org that changes while it is read, and a reader that may die between any two steps.
//!
//! The reader here does what `reader::rest` does with the functions of this module, and nothing else: books that survive a
//! crash, a locator that does not. The org stamps in whole seconds, lets transactions commit long after they stamped, and
//! puts masses of records on one second.

use std::collections::BTreeMap;
use std::time::Duration;

use domain::SalesforceId;
use proptest::prelude::*;

use super::{PageOrder, Position, Scan, Seen, cursor_after, poll_start, position_after};
use crate::stamp::Stamp;

const RECORDS: u8 = 12;
const PAGE: usize = 3;
const OVERLAP: Duration = Duration::from_secs(900);
const SETTLE: Duration = Duration::from_secs(60);
/// Where the org's time begins.
const BEGIN: i64 = 1_780_000_000;

#[derive(Clone, Debug)]
enum Step {
    /// A transaction stamps some records now and commits so many seconds later.
    Change { records: Vec<u8>, late: i64 },
    /// Time goes by.
    Wait(i64),
    /// A page is read, published and entered, unless the reader dies.
    Page(Death),
    /// Salesforce runs out of time over the query: the span is halved.
    TimeOut,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    None,
    BeforePublishing,
    /// Published, and in no books.
    BeforeTheBooks,
    AfterTheBooks,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let late = prop_oneof![4 => Just(0_i64), 2 => 1..120_i64, 2 => 600..900_i64];
    let change = (prop::collection::vec(0..RECORDS, 1..6), late);
    let mass = (Just((0..RECORDS).collect::<Vec<_>>()), Just(0));
    let death = prop_oneof![
        6 => Just(Death::None),
        1 => Just(Death::BeforePublishing),
        1 => Just(Death::BeforeTheBooks),
        1 => Just(Death::AfterTheBooks),
    ];
    let step = prop_oneof![
        4 => change.prop_map(|(records, late)| Step::Change { records, late }),
        1 => mass.prop_map(|(records, late)| Step::Change { records, late }),
        3 => prop_oneof![0..3_i64, 30..400_i64].prop_map(Step::Wait),
        10 => death.prop_map(Step::Page),
        1 => Just(Step::TimeOut),
    ];
    prop::collection::vec(step, 1..120)
}

fn at(seconds: i64) -> Stamp {
    Stamp::from_millis(seconds * 1_000)
}

fn id(record: u8) -> SalesforceId {
    format!("001Kd0000{record:06}").parse().unwrap()
}

/// One version of a record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Version {
    number: u32,
    stamp: i64,
    visible: i64,
}

/// Salesforce.
#[derive(Debug)]
struct Org {
    now: i64,
    versions: BTreeMap<u8, Vec<Version>>,
}

impl Org {
    fn new() -> Self {
        let first = Version { number: 0, stamp: BEGIN - 86_400, visible: BEGIN - 86_400 };
        Self { now: BEGIN, versions: (0..RECORDS).map(|record| (record, vec![first])).collect() }
    }

    /// A record in the hands of an open transaction can't be changed by another.
    fn change(&mut self, record: u8, late: i64) {
        let versions = self.versions.get_mut(&record).unwrap();
        let last = *versions.last().unwrap();
        if last.visible <= self.now {
            versions.push(Version { number: last.number + 1, stamp: self.now, visible: self.now + late });
        }
    }

    /// What a query shows of a record at a moment.
    fn shown(&self, record: u8, moment: i64) -> Version {
        *self.versions[&record].iter().rev().find(|version| version.visible <= moment).unwrap()
    }

    /// What a scan finds now, in its order.
    fn query(&self, scan: &Scan) -> Vec<u8> {
        let mut found: Vec<(Stamp, SalesforceId, u8)> = (0..RECORDS)
            .map(|record| (at(self.shown(record, self.now).stamp), id(record), record))
            .filter(|(stamp, id, _)| {
                scan.since.is_none_or(|since| *stamp >= since)
                    && scan.end().is_none_or(|end| *stamp < end)
                    && scan.after.as_ref().is_none_or(|after| (*stamp, id) > (after.modified, &after.id))
            })
            .collect();
        found.sort();
        found.into_iter().map(|(_, _, record)| record).collect()
    }
}

/// What is left to do of a window.
#[derive(Clone, Debug, Default)]
struct Work {
    scan: Scan,
    began: Option<i64>,
}

/// A query that goes on, in the memory of one process.
#[derive(Clone, Debug)]
struct Locator {
    after: Option<Position>,
    rest: Vec<u8>,
    query_began: i64,
}

/// The extractor: books, memory, and what the broker has.
#[derive(Debug, Default)]
struct Reader {
    work: Option<Work>,
    cursor: Option<Stamp>,
    locator: Option<Locator>,
    published: BTreeMap<u8, Version>,
}

impl Reader {
    fn work(&self) -> Work {
        self.work.clone().unwrap_or_else(|| {
            let since = self.cursor.map(|cursor| poll_start(cursor, OVERLAP, None));
            Work { scan: Scan { since, ..Scan::default() }, began: None }
        })
    }

    /// Reads one page; returns when the window began if the page was its last and is in the books.
    fn page(&mut self, org: &Org, death: Death) -> Option<i64> {
        let mut work = self.work();
        let (rows, query_began, order) = match self.locator.take().filter(|locator| locator.after == work.scan.after) {
            Some(locator) => {
                let trusted_before = at(locator.query_began).earlier(OVERLAP);
                (locator.rest, locator.query_began, PageOrder::Continued { trusted_before })
            }
            None => (org.query(&work.scan), org.now, PageOrder::Fresh),
        };
        let (page, rest) = rows.split_at(rows.len().min(PAGE));
        // The place is that of the query, the content that of now.
        let page: Vec<(SalesforceId, u8, Version)> =
            page.iter().map(|record| (id(*record), *record, org.shown(*record, org.now))).collect();
        let began = *work.began.get_or_insert(org.now);
        let seen = page.iter().map(|(id, _, version)| Seen { modified: at(version.stamp), id });
        work.scan.advance(position_after(seen, order));
        let is_read = rest.is_empty() && !work.scan.next_slice();

        if death == Death::BeforePublishing {
            return None;
        }
        for (_, record, version) in &page {
            self.published.insert(*record, *version);
        }
        if death == Death::BeforeTheBooks {
            return None;
        }
        if !rest.is_empty() && death == Death::None {
            self.locator = Some(Locator { after: work.scan.after.clone(), rest: rest.to_vec(), query_began });
        }
        if is_read {
            self.work = None;
            self.cursor = Some(cursor_after(at(began), SETTLE, self.cursor));
            return Some(began);
        }
        self.work = Some(work);
        None
    }

    fn time_out(&mut self, org: &Org) {
        let mut work = self.work();
        let now = at(work.began.unwrap_or(org.now));
        self.locator = None;
        if work.scan.halve(at(BEGIN - 90_000), now) {
            self.work = Some(work);
        }
    }
}

/// Nothing that was to be seen when the window began is missing, and the cursor claims no more than that.
fn check(org: &Org, reader: &Reader, began: i64) -> Result<(), TestCaseError> {
    prop_assert!(reader.cursor.unwrap() < at(began), "the cursor is beyond what was asked for");
    for record in 0..RECORDS {
        let (shown, published) = (org.shown(record, began), reader.published.get(&record));
        prop_assert!(published.is_some_and(|published| *published >= shown), "{record}: {published:?} for {shown:?}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn g4_nothing_is_lost_and_the_cursor_is_never_beyond_what_is_published(steps in steps()) {
        let (mut org, mut reader) = (Org::new(), Reader::default());
        for step in steps {
            match step {
                Step::Change { records, late } => records.into_iter().for_each(|record| org.change(record, late)),
                Step::Wait(seconds) => org.now += seconds,
                Step::TimeOut => reader.time_out(&org),
                Step::Page(death) => {
                    let before = reader.cursor;
                    if let Some(began) = reader.page(&org, death) {
                        check(&org, &reader, began)?;
                    }
                    prop_assert!(reader.cursor >= before, "the cursor never goes back");
                    org.now += 1;
                }
            }
        }
        // Once every transaction is over, the window in hand and one poll more bring all there is.
        org.now += 1_000;
        for _ in 0..2 {
            let began = std::iter::repeat_with(|| reader.page(&org, Death::None)).take(2_000).flatten().next();
            prop_assert!(began.is_some(), "a window ends");
            org.now += 1;
        }
        for record in 0..RECORDS {
            prop_assert_eq!(reader.published.get(&record), Some(&org.shown(record, org.now)), "record {}", record);
        }
    }
}
