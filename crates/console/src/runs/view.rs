//! From a run to what its page says.

use std::time::Duration;

use contract::error::Reason;
use contract::event::v1::RunMode;
use contract::extractor::v1::{ObjectProgress, RunPhase, SyncRun};
use jiff::Timestamp;

use crate::moment::{Moment, read, span};
use crate::words::{count, number, object};

/// One line of the list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunRow {
    pub(super) id: String,
    pub(super) title: &'static str,
    pub(super) outcome: Outcome,
    pub(super) started: Option<Moment>,
    pub(super) duration: String,
    pub(super) read: String,
    pub(super) written: String,
    pub(super) parked: i64,
    pub(super) calls: String,
}

/// How it ended, or where it stands: word, tone, icon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) word: &'static str,
    pub(super) tone: &'static str,
    pub(super) icon: &'static str,
}

/// The page of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct RunPage {
    pub(super) id: String,
    pub(super) title: &'static str,
    pub(super) outcome: Outcome,
    /// Why it failed or waits; empty otherwise.
    pub(super) reason: String,
    /// What to do about it.
    pub(super) remedy: String,
    pub(super) started: Option<Moment>,
    pub(super) ended: Option<Moment>,
    pub(super) duration: String,
    pub(super) calls: String,
    pub(super) objects: Vec<ObjectRow>,
    pub(super) parked: i64,
    /// Whether it goes on.
    pub(super) is_live: bool,
}

/// One object of a run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ObjectRow {
    pub(super) name: &'static str,
    pub(super) expected: String,
    pub(super) read: String,
    pub(super) written: String,
    pub(super) parked: String,
    pub(super) state: String,
    pub(super) tone: &'static str,
    /// For the bar: how much of how much.
    pub(super) done: i64,
    pub(super) about: i64,
}

/// Returns what people call a run.
pub(crate) fn title(run: &SyncRun) -> &'static str {
    match run.mode() {
        RunMode::Backfill => "First sync",
        RunMode::Incremental => "Check for changes",
        RunMode::Resync => "Full compare",
        RunMode::Replay => "Mapping stored records again",
        RunMode::Refetch => "Reading single records again",
        RunMode::Unspecified => "Sync",
    }
}

pub(super) fn row(run: &SyncRun, now: Timestamp) -> RunRow {
    let sum = |of: fn(&ObjectProgress) -> i64| run.objects.iter().map(of).sum::<i64>();
    RunRow {
        id: run.run_id.clone(),
        title: title(run),
        outcome: outcome(run.phase()),
        started: Moment::of(run.start_time.as_ref(), now),
        duration: duration(run, now),
        read: number(sum(|object| object.read)),
        written: number(sum(|object| object.written)),
        parked: sum(|object| object.parked),
        calls: number(run.api_calls),
    }
}

pub(super) fn run(run: &SyncRun, now: Timestamp) -> RunPage {
    let (reason, remedy) = why(&run.reason);
    RunPage {
        id: run.run_id.clone(),
        title: title(run),
        outcome: outcome(run.phase()),
        reason,
        remedy,
        started: Moment::of(run.start_time.as_ref(), now),
        ended: Moment::of(run.end_time.as_ref(), now),
        duration: duration(run, now),
        calls: count(run.api_calls, "Salesforce call", "Salesforce calls"),
        objects: run.objects.iter().map(object_row).collect(),
        parked: run.objects.iter().map(|object| object.parked).sum(),
        is_live: is_live(run.phase()),
    }
}

fn is_live(phase: RunPhase) -> bool {
    matches!(phase, RunPhase::Queued | RunPhase::Reading | RunPhase::Applying)
}

/// Without a wildcard: a new phase must choose.
fn outcome(phase: RunPhase) -> Outcome {
    let of = |word, tone, icon| Outcome { word, tone, icon };
    match phase {
        RunPhase::Unspecified => of("Unknown", "", "wait"),
        RunPhase::Queued => of("Waiting for its turn", "busy", "wait"),
        RunPhase::Reading => of("Reading Salesforce", "busy", "sync"),
        RunPhase::Applying => of("Applying", "busy", "sync"),
        RunPhase::Completed => of("Complete", "good", "check"),
        RunPhase::Failed => of("Failed", "bad", "stop"),
        RunPhase::Cancelled => of("Cancelled", "", "off"),
        RunPhase::NeedsLook => of("Needs a look", "wait", "attention"),
    }
}

/// Says what a stable reason means, and what to do about it.
pub(crate) fn why(reason: &str) -> (String, String) {
    if reason.is_empty() {
        return (String::new(), String::new());
    }
    match Reason::from_text(&reason.to_ascii_uppercase()) {
        Some(reason) => (crate::trouble::title(reason).to_owned(), reason.remedy().to_owned()),
        None => (reason.replace('_', " "), "The next run tries again by itself.".to_owned()),
    }
}

fn duration(run: &SyncRun, now: Timestamp) -> String {
    let Some(begun) = read(run.start_time.as_ref()) else { return String::new() };
    let ended = read(run.end_time.as_ref()).unwrap_or(now);
    let seconds = (ended.as_second() - begun.as_second()).max(0).unsigned_abs();
    span(Duration::from_secs(seconds))
}

fn object_row(progress: &ObjectProgress) -> ObjectRow {
    let settled = progress.mapped.max(progress.written) + progress.parked;
    let about = progress.expected.unwrap_or(0).max(progress.read).max(settled);
    let (reason, _) = why(&progress.reason);
    let (state, tone) = match (reason.is_empty(), progress.done) {
        (false, _) => (reason, "wait"),
        (true, true) => ("done".to_owned(), "good"),
        (true, false) => ("in hand".to_owned(), "busy"),
    };
    ObjectRow {
        name: object(progress.object()),
        expected: progress.expected.map_or_else(|| "not counted".to_owned(), number),
        read: number(progress.read),
        written: number(progress.written),
        parked: number(progress.parked),
        state,
        tone,
        // A bar at its end that is not done would lie.
        done: if progress.done { about } else { settled.min(about * 99 / 100) },
        about: about.max(1),
    }
}

#[cfg(test)]
mod tests {
    use contract::common::v1::SalesforceObject;

    use super::*;

    fn wire(seconds: i64) -> Option<prost_types::Timestamp> {
        Some(prost_types::Timestamp { seconds: 1_800_000_000 + seconds, nanos: 0 })
    }

    fn sample(phase: RunPhase, reason: &str) -> SyncRun {
        let progress = ObjectProgress {
            object: SalesforceObject::Contact.into(),
            expected: Some(1_000),
            read: 1_000,
            written: 990,
            parked: 10,
            done: phase == RunPhase::Completed,
            ..Default::default()
        };
        SyncRun {
            run_id: "r1".into(),
            mode: RunMode::Resync.into(),
            phase: phase.into(),
            reason: reason.into(),
            objects: vec![progress],
            start_time: wire(0),
            end_time: (phase == RunPhase::Completed).then(|| wire(90)).flatten(),
            api_calls: 1,
            ..Default::default()
        }
    }

    #[test]
    fn a_complete_run_says_what_became_of_every_record() {
        let now = Timestamp::from_second(1_800_000_100).unwrap();
        let page = run(&sample(RunPhase::Completed, ""), now);
        assert_eq!((page.title, page.outcome.word, page.duration.as_str()), ("Full compare", "Complete", "1 min"));
        assert_eq!((page.calls.as_str(), page.parked, page.is_live), ("1 Salesforce call", 10, false));
        assert_eq!(page.objects[0].done, page.objects[0].about);
    }

    #[test]
    fn a_run_in_hand_has_no_full_bar_and_a_failed_one_a_remedy() {
        let now = Timestamp::from_second(1_800_000_030).unwrap();
        let page = run(&sample(RunPhase::Applying, ""), now);
        assert!(page.is_live && page.objects[0].done < page.objects[0].about);
        assert_eq!(page.duration, "30 s");
        let page = run(&sample(RunPhase::Failed, "SALESFORCE_AUTH_REVOKED"), now);
        assert_eq!(page.reason, "Salesforce access was revoked");
        assert!(page.remedy.contains("Connect again"));
    }
}
