//! Bulk API 2.0 query jobs.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value as Json, json};

use crate::id::Id;
use crate::moment::datetime_text;
use crate::soql::{Access, Plan};
use crate::table::Row;

/// Seven days.
const LIFETIME_MS: i64 = 7 * 86_400_000;

/// Where a job stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    UploadComplete,
    InProgress,
    JobComplete,
    Failed,
    Aborted,
}

impl State {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::UploadComplete => "UploadComplete",
            Self::InProgress => "InProgress",
            Self::JobComplete => "JobComplete",
            Self::Failed => "Failed",
            Self::Aborted => "Aborted",
        }
    }

    pub(crate) fn is_over(self) -> bool {
        matches!(self, Self::JobComplete | Self::Failed | Self::Aborted)
    }
}

/// One job and what it found.
#[derive(Clone, Debug)]
pub(crate) struct Job {
    pub(crate) id: Id,
    pub(crate) operation: String,
    pub(crate) object: &'static str,
    pub(crate) version: String,
    pub(crate) delimiter: (&'static str, u8),
    pub(crate) line_ending: (&'static str, &'static [u8]),
    pub(crate) plan: Plan,
    /// Header cell and way to the value, in the order of the query.
    pub(crate) columns: Arc<[(String, Access)]>,
    pub(crate) rows: Arc<[Row]>,
    pub(crate) state: State,
    pub(crate) error: Option<String>,
    pub(crate) created_by: Id,
    pub(crate) created_ms: i64,
    pub(crate) changed_ms: i64,
    /// Polls answered so far, and how many it takes to leave each state.
    pub(crate) polls: u32,
}

impl Job {
    /// The job as JSON; the answer to its creation is shorter.
    pub(crate) fn to_json(&self, created_now: bool) -> Json {
        let version: Json = serde_json::from_str(&self.version).unwrap_or(Json::Null);
        let mut job = json!({
            "id": self.id, "operation": self.operation, "object": self.object, "createdById": self.created_by,
            "createdDate": datetime_text(self.created_ms), "systemModstamp": datetime_text(self.changed_ms), "state": self.state.name(),
            "concurrencyMode": "Parallel", "contentType": "CSV", "apiVersion": version, "lineEnding": self.line_ending.0,
            "columnDelimiter": self.delimiter.0
        });
        if created_now {
            return job;
        }
        let processed = if self.state == State::JobComplete { self.rows.len() } else { 0 };
        job["jobType"] = json!("V2Query");
        job["numberRecordsProcessed"] = json!(processed);
        job["retries"] = json!(0);
        job["totalProcessingTime"] = json!(self.changed_ms - self.created_ms);
        job["isPkChunkingSupported"] = json!(true);
        if let Some(error) = &self.error {
            job["errorMessage"] = json!(error);
        }
        job
    }
}

/// The jobs of an org, oldest first.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    made: u64,
    kept: BTreeMap<Id, Job>,
}

impl Jobs {
    pub(crate) fn made(&self) -> u64 {
        self.made
    }

    pub(crate) fn next_number(&mut self) -> u64 {
        self.made += 1;
        self.made
    }

    pub(crate) fn keep(&mut self, job: Job) {
        self.kept.insert(job.id, job);
    }

    pub(crate) fn find(&mut self, id: Id, now_ms: i64) -> Option<&mut Job> {
        self.kept.get_mut(&id).filter(|job| now_ms - job.created_ms < LIFETIME_MS)
    }

    pub(crate) fn forget(&mut self, id: Id) -> bool {
        self.kept.remove(&id).is_some()
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Job> {
        self.kept.values()
    }
}
