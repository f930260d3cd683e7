//! Applies chunks, whatever stands in the way: conflicts are tried again, a poisonous record is found and parked, and
//! what can heal is left to come again.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use domain::WorkspaceId;
use jiff::Timestamp;
use sqlx::PgPool;
use tokio::sync::Notify;

use contract::event::v1::RunMode;

use crate::chunk::Chunk;
use crate::metrics;
use crate::record::{Content, Fault, Record};
use crate::store::parked;
use crate::store::workspace::{self, Mapping};
use crate::transaction::{Fate, Job, Manner, Report, Step, transact};

/// How often a conflict with another transaction is tried again before the chunk is given back.
const CONFLICT_ATTEMPTS: u32 = 10;
/// Failures of unknown kind that a chunk may have before its records are tried one by one.
const FAILURES_BEFORE_PARKING: i32 = 5;

/// What becomes of a chunk's message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Its effect is durable.
    Done,
    /// It must come again, for a stable reason.
    Again(&'static str),
}

/// Applies chunks to the database.
#[derive(Clone, Debug)]
pub(crate) struct Applier {
    pool: PgPool,
    feed: Arc<Notify>,
}

impl Applier {
    /// `feed` is told whenever the change feed grew.
    pub(crate) fn new(pool: PgPool, feed: Arc<Notify>) -> Self {
        Self { pool, feed }
    }

    /// Applies chunks of one workspace, together if that works; returns one verdict for each.
    pub(crate) async fn apply(&self, workspace: WorkspaceId, chunks: &[&Chunk]) -> Vec<Verdict> {
        let jobs: Vec<_> = chunks.iter().map(|chunk| Job::whole(chunk)).collect();
        match self.apply_jobs(workspace, &jobs).await {
            Ok(verdicts) => return verdicts,
            Err(error) if is_transient(&error) => {
                log(&error, "applying chunks; they come again");
                return vec![Verdict::Again("dependency_unavailable"); chunks.len()];
            }
            // Together they failed; who of them is the cause shows alone.
            Err(_) => {}
        }
        let mut verdicts = Vec::with_capacity(chunks.len());
        for chunk in chunks {
            verdicts.push(self.apply_alone(workspace, chunk).await);
        }
        verdicts
    }

    async fn apply_alone(&self, workspace: WorkspaceId, chunk: &Chunk) -> Verdict {
        let error = match self.apply_jobs(workspace, &[Job::whole(chunk)]).await {
            Ok(verdicts) => return verdicts.first().copied().unwrap_or(Verdict::Again("no_outcome")),
            Err(error) => error,
        };
        let outcome = match trouble(&error) {
            Trouble::Transient => Err(error),
            Trouble::Data(_) => self.isolate(workspace, chunk).await,
            Trouble::Unknown => match self.count_failure(workspace, chunk).await {
                Ok(failures) if failures >= FAILURES_BEFORE_PARKING => self.isolate(workspace, chunk).await,
                Ok(_) => Err(error),
                Err(uncounted) => Err(uncounted),
            },
        };
        outcome.unwrap_or_else(|error| {
            log(&error, "applying a chunk; it comes again");
            let transient = is_transient(&error);
            Verdict::Again(if transient { "dependency_unavailable" } else { "write_failed" })
        })
    }

    /// Counts a failure of ours; returns how many the chunk had.
    async fn count_failure(&self, workspace: WorkspaceId, chunk: &Chunk) -> Result<i32, sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        service::postgres::in_workspace(&mut transaction, workspace).await?;
        let failures = parked::count_failure(&mut transaction, workspace, &chunk.name()).await?;
        transaction.commit().await?;
        Ok(failures)
    }

    /// Counts a panic over a chunk as one of its failures; after too many the whole chunk is parked.
    pub(crate) async fn count_panic(&self, chunk: &Chunk) -> Verdict {
        let counted = self.count_failure(chunk.workspace, chunk).await;
        if !counted.is_ok_and(|failures| failures >= FAILURES_BEFORE_PARKING) {
            return Verdict::Again("panicked");
        }
        let fault = Fault { key: None, code: "panicked".to_owned(), field: String::new(), read_seq: None };
        let job = Job { chunk, records: Vec::new(), faults: vec![fault] };
        match self.apply_jobs(chunk.workspace, &[job]).await {
            Ok(verdicts) => verdicts.first().copied().unwrap_or(Verdict::Again("panicked")),
            Err(_) => Verdict::Again("panicked"),
        }
    }

    /// Finds the records that can't be written, parks them, and writes their neighbours.
    async fn isolate(&self, workspace: WorkspaceId, chunk: &Chunk) -> Result<Verdict, sqlx::Error> {
        let mut job = Job::whole(chunk);
        let mut poisonous = HashSet::new();
        let mut spans: Vec<&[Record]> = vec![&chunk.records];
        while let Some(span) = spans.pop() {
            let trial = Job { chunk, records: span.iter().collect(), faults: Vec::new() };
            let error = match self.attempt(workspace, &[trial], false).await {
                Ok(_) => continue,
                Err(error) if is_transient(&error) => return Err(error),
                Err(error) => error,
            };
            match span {
                [] => return Err(error),
                [record] => {
                    poisonous.insert(&record.key);
                    let code = match trouble(&error) {
                        Trouble::Data(code) => code,
                        Trouble::Transient | Trouble::Unknown => "write_refused",
                    };
                    job.faults.push(Fault {
                        key: Some(record.key.clone()),
                        code: code.to_owned(),
                        field: String::new(),
                        read_seq: Some(record.version.read_seq),
                    });
                }
                several => {
                    let (left, right) = several.split_at(several.len() / 2);
                    spans.extend([right, left]);
                }
            }
        }
        job.records.retain(|record| !poisonous.contains(&record.key));
        let verdicts = self.apply_jobs(workspace, &[job]).await?;
        Ok(verdicts.first().copied().unwrap_or(Verdict::Again("no_outcome")))
    }

    async fn apply_jobs(&self, workspace: WorkspaceId, jobs: &[Job<'_>]) -> Result<Vec<Verdict>, sqlx::Error> {
        let Some(report) = self.attempt(workspace, jobs, true).await? else {
            return Ok(vec![Verdict::Again("workspace_unknown"); jobs.len()]);
        };
        measure(jobs, &report);
        if report.has_changes {
            self.feed.notify_one();
        }
        let verdict = |fate: &Fate| match fate {
            Fate::Apply | Fate::Superseded | Fate::Closed => Verdict::Done,
            Fate::Early => Verdict::Again("epoch_not_told"),
        };
        Ok(report.fates.iter().map(verdict).collect())
    }

    /// Runs the transaction until it is neither in conflict with another nor in need of another form.
    async fn attempt(
        &self,
        workspace: WorkspaceId,
        jobs: &[Job<'_>],
        commit: bool,
    ) -> Result<Option<Report>, sqlx::Error> {
        let mut manner = Manner { alone: false, commit };
        let mut conflicts = 0;
        loop {
            match transact(&self.pool, workspace, jobs, manner).await {
                Ok(Step::Done(report)) => return Ok(Some(report)),
                Ok(Step::UnknownWorkspace) => return Ok(None),
                Ok(Step::Alone) => manner.alone = true,
                Ok(Step::NewerMapping(place)) => self.put_in_force(workspace, jobs[place].chunk).await?,
                Err(error) if is_conflict(&error) && conflicts < CONFLICT_ATTEMPTS => {
                    conflicts += 1;
                    let jitter = rand::random_range(0..10);
                    tokio::time::sleep(Duration::from_millis(u64::from(conflicts) * 5 + jitter)).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Puts the mapping that a chunk carries in force. A transaction of its own: the apply holds the row shared, and two
    /// that both wanted it alone would wait for each other.
    async fn put_in_force(&self, workspace: WorkspaceId, chunk: &Chunk) -> Result<(), sqlx::Error> {
        let mut transaction = self.pool.begin().await?;
        let mapping = Mapping { version: chunk.mapping_version, locks: &chunk.locks, rules: None };
        workspace::set_mapping(&mut transaction, workspace, mapping).await?;
        transaction.commit().await
    }
}

fn measure(jobs: &[Job<'_>], report: &Report) {
    for (object, outcomes) in &report.outcomes {
        metrics::written(*object, outcomes);
    }
    for (code, count) in &report.parked {
        metrics::routed(code, *count);
    }
    let now = Timestamp::now();
    for (job, fate) in jobs.iter().zip(&report.fates) {
        let is_replay = job.chunk.mode == RunMode::Replay;
        if *fate != Fate::Apply || !(is_replay || job.chunk.mode == RunMode::Incremental) {
            continue;
        }
        for record in &job.records {
            if record.modified_ms > 0 && matches!(record.content, Content::Live(_)) {
                metrics::fresh(record.object, is_replay, record.modified_ms, now);
            }
        }
    }
}

/// Can trying again help?
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trouble {
    /// Yes, by itself.
    Transient,
    /// No: Postgres refuses the data, for a stable reason.
    Data(&'static str),
    /// Nobody knows.
    Unknown,
}

fn trouble(error: &sqlx::Error) -> Trouble {
    if is_transient(error) {
        return Trouble::Transient;
    }
    let code = error.as_database_error().and_then(|error| error.code());
    match code.as_deref() {
        Some("22003") => Trouble::Data("number_out_of_range"),
        Some("22021" | "22P05") => Trouble::Data("text_invalid"),
        Some("22001") => Trouble::Data("text_too_long"),
        Some("23514") => Trouble::Data("constraint_violated"),
        Some(code) if code.starts_with("22") => Trouble::Data("write_refused"),
        _ => Trouble::Unknown,
    }
}

fn is_transient(error: &sqlx::Error) -> bool {
    // A missing right or table is a deployment that is not finished; no record is to blame.
    let is_deployment = error
        .as_database_error()
        .and_then(|error| error.code())
        .is_some_and(|code| code.starts_with("42") || code.starts_with("28"));
    is_deployment || service::postgres::is_transient(error)
}

fn is_conflict(error: &sqlx::Error) -> bool {
    let code = error.as_database_error().and_then(|error| error.code());
    matches!(code.as_deref(), Some("40001" | "40P01"))
}

/// Logs the SQLSTATE only: the text of an error can quote a value.
fn log(error: &sqlx::Error, message: &'static str) {
    let code = error.as_database_error().and_then(|error| error.code()).unwrap_or_default();
    let kind = if is_transient(error) { "transient" } else { "unknown" };
    tracing::warn!(db.response.status_code = %code, kind, message);
}
