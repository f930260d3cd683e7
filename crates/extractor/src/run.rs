//! What a run is: why it reads, where it stands, and which stages an object goes through. Pure.

use chrono::{DateTime, Utc};
use contract::event::v1::RunMode;
use contract::extractor::v1::RunPhase;
use serde::{Deserialize, Serialize};

use crate::stamp::Stamp;
use crate::window::Scan;

/// Why a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// The first whole read of objects.
    FirstLoad,
    /// What an earlier start date adds.
    Span,
    /// What changed.
    Poll,
    /// Everything, with a sweep for what vanished.
    Resync,
    /// Everything, because fields are needed that were never read.
    Reread,
    /// Everything, because fields are mapped that change without a stamp.
    Daily,
    /// Named records.
    Refetch,
}

impl Purpose {
    const ALL: [Self; 7] =
        [Self::FirstLoad, Self::Span, Self::Poll, Self::Resync, Self::Reread, Self::Daily, Self::Refetch];

    /// Returns the name for tables.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::FirstLoad => "first_load",
            Self::Span => "span",
            Self::Poll => "poll",
            Self::Resync => "resync",
            Self::Reread => "reread",
            Self::Daily => "daily",
            Self::Refetch => "refetch",
        }
    }

    /// Returns the purpose of a [`Self::token`].
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|purpose| purpose.token() == token)
    }

    /// Returns what others are told.
    #[must_use]
    pub fn mode(self) -> RunMode {
        match self {
            Self::FirstLoad | Self::Span => RunMode::Backfill,
            Self::Poll => RunMode::Incremental,
            Self::Resync | Self::Reread | Self::Daily => RunMode::Resync,
            Self::Refetch => RunMode::Refetch,
        }
    }

    /// Returns the mode for metrics and spans.
    #[must_use]
    pub fn mode_token(self) -> &'static str {
        match self {
            Self::FirstLoad | Self::Span => "backfill",
            Self::Poll => "incremental",
            Self::Resync | Self::Reread | Self::Daily => "resync",
            Self::Refetch => "refetch",
        }
    }

    /// Whether every record of an object is read.
    #[must_use]
    pub fn is_whole(self) -> bool {
        matches!(self, Self::FirstLoad | Self::Resync | Self::Reread | Self::Daily)
    }

    /// Whether at most one of its like runs at a time in a workspace, asked for by a person or needed for the whole object.
    #[must_use]
    pub fn is_pass(self) -> bool {
        self.is_whole() || self == Self::Span
    }

    /// Whether records that vanished are looked for, to be archived.
    #[must_use]
    pub fn sweeps(self) -> bool {
        matches!(self, Self::FirstLoad | Self::Resync)
    }

    /// Returns the stage that an object begins with.
    #[must_use]
    pub fn first_stage(self) -> Stage {
        match self {
            Self::FirstLoad | Self::Span | Self::Resync | Self::Reread | Self::Daily => Stage::Choose,
            Self::Poll => Stage::Rest,
            Self::Refetch => Stage::ById,
        }
    }

    /// Returns the stage after `stage`, or `None` when the object is read.
    #[must_use]
    pub fn stage_after(self, stage: Stage) -> Option<Stage> {
        match stage {
            Stage::Choose => Some(Stage::Rest),
            Stage::Rest | Stage::Bulk => match self {
                Self::Poll | Self::Resync => Some(Stage::Deletes),
                _ => Some(Stage::ById),
            },
            Stage::Deletes => Some(Stage::ById),
            Stage::ById if self.is_whole() => Some(Stage::Unseen),
            Stage::ById => None,
            Stage::Unseen => Some(Stage::UnseenById),
            Stage::UnseenById => None,
        }
    }
}

/// One step of reading an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// Count, and choose REST or bulk.
    Choose,
    /// Read the span by REST pages.
    Rest,
    /// Read the span by a bulk job.
    Bulk,
    /// Ask the delete log.
    Deletes,
    /// Read records by id.
    ById,
    /// Once all is applied: ask the writer what was not seen.
    Unseen,
    /// Read those by id.
    UnseenById,
}

/// What is left to do for an object, kept so that any replica can go on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Work {
    /// The step in hand.
    pub stage: Stage,
    /// Where the span began, however far its reading has come.
    pub start: Option<Stamp>,
    /// The span that is read.
    pub scan: Scan,
    /// Salesforce's time when the span's first query began: where cursors are born.
    pub began: Option<Stamp>,
    /// The bulk job in hand.
    pub job: Option<Job>,
    /// Bulk jobs that were made.
    pub jobs_made: u32,
    /// Somebody asked for the run and waits: nothing is put off to spare a call.
    #[serde(default)]
    pub wished: bool,
}

impl Work {
    /// Begins an object.
    #[must_use]
    pub fn begin(purpose: Purpose, scan: Scan) -> Self {
        let stage = purpose.first_stage();
        Self { stage, start: scan.since, scan, began: None, job: None, jobs_made: 0, wished: false }
    }
}

/// A bulk job and how far its results were read: a cursor of its own, nothing else moves with it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Job {
    /// Salesforce's id of the job; checked before it is put into an address.
    pub id: domain::SalesforceId,
    /// Read number of all its records: taken just before it was made.
    pub read_seq: i64,
    /// Records of the whole result; known once complete.
    pub total: Option<u64>,
    /// Result page in hand; absent: the first.
    pub locator: Option<String>,
    /// Rows of that page that are in the books.
    pub rows_done: usize,
    /// Rows of all pages before it.
    pub rows_before: u64,
    /// Times the job was asked whether it is complete.
    pub polls: u32,
    /// When it is asked again, by our own clock.
    #[serde(default)]
    pub look_at: Option<DateTime<Utc>>,
}

/// Where a run stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Waits for its turn.
    Queued,
    /// Reads.
    Reading,
    /// All read; waits until every chunk is applied.
    Applying,
    /// Every chunk is applied or parked.
    Completed,
    /// Gave up.
    Failed,
    /// Cancelled.
    Cancelled,
    /// Complete, but more records vanished than is safe to archive.
    NeedsLook,
}

impl Phase {
    const ALL: [Self; 7] =
        [Self::Queued, Self::Reading, Self::Applying, Self::Completed, Self::Failed, Self::Cancelled, Self::NeedsLook];

    /// Returns the name for tables.
    #[must_use]
    pub fn token(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Reading => "reading",
            Self::Applying => "applying",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
            Self::NeedsLook => "needs_look",
        }
    }

    /// Returns the phase of a [`Self::token`].
    #[must_use]
    pub fn from_token(token: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|phase| phase.token() == token)
    }

    /// Whether the run goes on.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Reading | Self::Applying)
    }
}

impl From<Phase> for RunPhase {
    fn from(phase: Phase) -> Self {
        match phase {
            Phase::Queued => Self::Queued,
            Phase::Reading => Self::Reading,
            Phase::Applying => Self::Applying,
            Phase::Completed => Self::Completed,
            Phase::Failed => Self::Failed,
            Phase::Cancelled => Self::Cancelled,
            Phase::NeedsLook => Self::NeedsLook,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stages(purpose: Purpose) -> Vec<Stage> {
        std::iter::successors(Some(purpose.first_stage()), |stage| purpose.stage_after(*stage)).collect()
    }

    #[test]
    fn every_purpose_ends_and_only_whole_reads_ask_what_was_not_seen() {
        use Stage::{ById, Choose, Deletes, Rest, Unseen, UnseenById};
        assert_eq!(stages(Purpose::Poll), [Rest, Deletes, ById]);
        assert_eq!(stages(Purpose::Refetch), [ById]);
        assert_eq!(stages(Purpose::Span), [Choose, Rest, ById]);
        assert_eq!(stages(Purpose::FirstLoad), [Choose, Rest, ById, Unseen, UnseenById]);
        assert_eq!(stages(Purpose::Resync), [Choose, Rest, Deletes, ById, Unseen, UnseenById]);
    }

    #[test]
    fn names_come_back_as_they_went() {
        for purpose in Purpose::ALL {
            assert_eq!(Purpose::from_token(purpose.token()), Some(purpose));
        }
        for phase in Phase::ALL {
            assert_eq!(Phase::from_token(phase.token()), Some(phase));
        }
    }
}
