//! Runs: what reads Salesforce, how far it is, and how to start or stop one.

use std::time::{Duration, Instant};

use clap::{Args, Subcommand, ValueEnum};
use contract::error::Reason;
use contract::event::v1::RunMode;
use contract::extractor::v1 as wire;
use domain::{Object, RunId};
use jiff::Timestamp;
use serde::Serialize;
use uuid::Uuid;

use crate::argument;
use crate::failure::{Exit, Failure};
use crate::progress::Bars;
use crate::session::{Answer, Party, Session, remark};
use crate::table::{Table, or_dash, yes};
use crate::wire::{UNKNOWN, moment, object_numbers, object_word, seconds, some};

/// How often a run is looked at while somebody waits for it.
const GLANCE: Duration = Duration::from_millis(500);
/// How long a service may be away while somebody waits: long enough for a restart.
const PATIENCE: Duration = Duration::from_secs(120);

#[derive(Subcommand, Debug)]
pub(crate) enum Command {
    /// List runs, newest first.
    List {
        /// At most this many.
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(i32).range(1..=1000))]
        limit: i32,
        /// Go on where an earlier answer ended.
        #[arg(long, default_value = "", hide_default_value = true)]
        page_token: String,
    },
    /// Show a run.
    Show {
        /// UUID of the run.
        run: RunId,
    },
    /// Cancel a run; what was read stays.
    Cancel {
        /// UUID of the run.
        run: RunId,
    },
}

#[derive(Args, Debug)]
pub(crate) struct Resync {
    /// What to read.
    #[arg(long, value_enum, default_value_t = Scope::Changes)]
    scope: Scope,
    /// Only this object (account, contact, lead); may be given several times.
    #[arg(long = "object", value_parser = argument::object)]
    objects: Vec<Object>,
    /// Only say what it would cost.
    #[arg(long)]
    estimate: bool,
    /// Wait until the run has ended, or until only connecting again helps; the exit code says how it went.
    #[arg(long, conflicts_with = "estimate")]
    wait: bool,
}

/// How much a run reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Scope {
    /// What changed since the last run; the first run loads everything.
    Changes,
    /// Everything since the start date, compared record by record.
    Everything,
}

impl From<Scope> for wire::SyncScope {
    fn from(scope: Scope) -> Self {
        match scope {
            Scope::Changes => Self::Changes,
            Scope::Everything => Self::Everything,
        }
    }
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    match command {
        Command::List { limit, page_token } => {
            let request =
                wire::ListSyncRunsRequest { workspace_id: session.workspace()?, page_size: limit, page_token };
            let page = session.ask(Party::Extractor, session.syncs()?.list_sync_runs(request)).await?;
            let runs = page.runs.into_iter().map(Run::from).collect();
            session.show(&Runs { runs, next_page_token: some(page.next_page_token) })?;
        }
        Command::Show { run } => session.show(&look(session, &run.to_string()).await?)?,
        Command::Cancel { run } => {
            let request = wire::CancelSyncRunRequest { workspace_id: session.workspace()?, run_id: run.to_string() };
            let cancelled = session.ask(Party::Extractor, session.syncs()?.cancel_sync_run(request)).await?;
            session.show(&Run::from(cancelled))?;
        }
    }
    Ok(Exit::Done)
}

pub(crate) async fn resync(session: &Session, resync: Resync) -> Result<Exit, Failure> {
    let scope = wire::SyncScope::from(resync.scope);
    if resync.estimate {
        let request = wire::EstimateSyncRequest {
            workspace_id: session.workspace()?,
            scope: scope as i32,
            objects: object_numbers(&resync.objects),
            start_at: None,
        };
        let cost = session.ask(Party::Extractor, session.syncs()?.estimate_sync(request)).await?;
        session.show(&Estimate::from(cost))?;
        return Ok(Exit::Done);
    }
    let mut run = start(session, scope, &resync.objects).await?;
    if resync.wait {
        run = wait(session, run).await?;
    }
    session.show(&run)?;
    Ok(if resync.wait { run.exit() } else { Exit::Done })
}

pub(crate) async fn schedule(session: &Session, interval: Duration) -> Result<Exit, Failure> {
    let too_long = |_| Failure::new(Reason::PollIntervalInvalid, "The interval is too long.");
    let request = wire::UpdateScheduleRequest {
        workspace_id: session.workspace()?,
        poll_interval: Some(prost_types::Duration::try_from(interval).map_err(too_long)?),
    };
    let schedule = session.ask(Party::Extractor, session.syncs()?.update_schedule(request)).await?;
    let poll_interval_seconds = seconds(schedule.poll_interval.as_ref());
    session.show(&Schedule { workspace_id: schedule.workspace_id, poll_interval_seconds })?;
    Ok(Exit::Done)
}

/// Starts a run.
pub(crate) async fn start(session: &Session, scope: wire::SyncScope, objects: &[Object]) -> Result<Run, Failure> {
    let request = wire::StartSyncRequest {
        workspace_id: session.workspace()?,
        scope: scope as i32,
        objects: object_numbers(objects),
        request_id: Uuid::new_v4().to_string(),
        validate_only: false,
    };
    session.ask(Party::Extractor, session.syncs()?.start_sync(request)).await.map(Run::from)
}

/// Returns a run as it stands now.
pub(crate) async fn look(session: &Session, run_id: &str) -> Result<Run, Failure> {
    let request = wire::GetSyncRunRequest { workspace_id: session.workspace()?, run_id: run_id.to_owned() };
    session.ask(Party::Extractor, session.syncs()?.get_sync_run(request)).await.map(Run::from)
}

/// Waits until the run has ended, or can't go on without a person; with bars for people.
async fn wait(session: &Session, begun: Run) -> Result<Run, Failure> {
    let bars = Bars::new(session.json());
    let mut run = begun;
    while !run.has_ended() {
        if run.waits_for_a_person() {
            bars.finish();
            remark("Salesforce refused our access: the run goes on once somebody connects again (lanesync connect).");
            return Ok(run);
        }
        bars.show(&run);
        tokio::time::sleep(GLANCE).await;
        run = steadily(|| look(session, &run.id)).await?;
    }
    bars.show(&run);
    bars.finish();
    Ok(run)
}

/// Repeats a question that changes nothing while the service is away, for a while.
pub(crate) async fn steadily<T, F>(mut ask: impl FnMut() -> F) -> Result<T, Failure>
where
    F: Future<Output = Result<T, Failure>>,
{
    let mut away_since = None;
    loop {
        match ask().await {
            Err(failure) if failure.exit() == Exit::Unavailable => {
                let since = *away_since.get_or_insert_with(Instant::now);
                if since.elapsed() > PATIENCE {
                    return Err(failure);
                }
                tokio::time::sleep(GLANCE).await;
            }
            outcome => return outcome,
        }
    }
}

/// A run.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Run {
    id: String,
    workspace_id: String,
    mode: &'static str,
    phase: &'static str,
    reason: Option<String>,
    objects: Vec<Progress>,
    started_at: Option<Timestamp>,
    ended_at: Option<Timestamp>,
    api_calls: i64,
}

/// How far one object of a run is.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Progress {
    pub(crate) object: &'static str,
    /// Nothing until Salesforce counted.
    pub(crate) expected: Option<i64>,
    pub(crate) read: i64,
    pub(crate) mapped: i64,
    pub(crate) written: i64,
    pub(crate) parked: i64,
    pub(crate) done: bool,
    pub(crate) reason: Option<String>,
    pub(crate) path: Option<String>,
}

impl Run {
    /// Returns the UUID.
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    /// Returns where it stands.
    pub(crate) fn phase(&self) -> &'static str {
        self.phase
    }

    /// Returns how far its objects are.
    pub(crate) fn objects(&self) -> &[Progress] {
        &self.objects
    }

    /// Whether nothing more will come of it.
    pub(crate) fn has_ended(&self) -> bool {
        matches!(self.phase, "completed" | "failed" | "cancelled" | "needs_look")
    }

    /// Whether it goes on only after somebody connected again.
    fn waits_for_a_person(&self) -> bool {
        self.reason.as_deref() == Some(Reason::SalesforceAuthRevoked.as_str())
    }

    /// Returns how a run that has ended went, or why one is not waited for any longer.
    fn exit(&self) -> Exit {
        match self.phase {
            "completed" => Exit::Done,
            "cancelled" | "needs_look" => Exit::Refused,
            _ => Exit::of_run_reason(self.reason.as_deref().unwrap_or_default()),
        }
    }
}

fn phase_word(number: i32) -> &'static str {
    match wire::RunPhase::try_from(number) {
        Ok(wire::RunPhase::Queued) => "queued",
        Ok(wire::RunPhase::Reading) => "reading",
        Ok(wire::RunPhase::Applying) => "applying",
        Ok(wire::RunPhase::Completed) => "completed",
        Ok(wire::RunPhase::Failed) => "failed",
        Ok(wire::RunPhase::Cancelled) => "cancelled",
        Ok(wire::RunPhase::NeedsLook) => "needs_look",
        Ok(wire::RunPhase::Unspecified) | Err(_) => UNKNOWN,
    }
}

fn mode_word(number: i32) -> &'static str {
    match RunMode::try_from(number) {
        Ok(RunMode::Backfill) => "backfill",
        Ok(RunMode::Incremental) => "incremental",
        Ok(RunMode::Resync) => "resync",
        Ok(RunMode::Refetch) => "refetch",
        Ok(RunMode::Replay) => "replay",
        Ok(RunMode::Unspecified) | Err(_) => UNKNOWN,
    }
}

impl From<wire::SyncRun> for Run {
    fn from(run: wire::SyncRun) -> Self {
        Self {
            mode: mode_word(run.mode),
            phase: phase_word(run.phase),
            started_at: moment(run.start_time.as_ref()),
            ended_at: moment(run.end_time.as_ref()),
            id: run.run_id,
            workspace_id: run.workspace_id,
            reason: some(run.reason),
            objects: run.objects.into_iter().map(Progress::from).collect(),
            api_calls: run.api_calls,
        }
    }
}

impl From<wire::ObjectProgress> for Progress {
    fn from(progress: wire::ObjectProgress) -> Self {
        Self {
            object: object_word(progress.object),
            expected: progress.expected,
            read: progress.read,
            mapped: progress.mapped,
            written: progress.written,
            parked: progress.parked,
            done: progress.done,
            reason: some(progress.reason),
            path: some(progress.path),
        }
    }
}

impl Answer for Run {
    fn text(&self) -> String {
        let mut facts = Table::facts();
        facts.fact("run", &self.id);
        facts.fact("mode", self.mode);
        facts.fact("phase", self.phase);
        facts.fact("reason", self.reason.as_deref().unwrap_or_default());
        facts.fact("started", or_dash(self.started_at.as_ref()));
        facts.fact("ended", self.ended_at.map(|at| at.to_string()).unwrap_or_default());
        facts.fact("api calls", self.api_calls);
        if self.objects.is_empty() {
            return facts.text();
        }
        let mut table =
            Table::new(["object", "expected", "read", "mapped", "written", "parked", "done", "by", "reason"]);
        for progress in &self.objects {
            table.row([
                progress.object.to_owned(),
                or_dash(progress.expected.as_ref()),
                progress.read.to_string(),
                progress.mapped.to_string(),
                progress.written.to_string(),
                progress.parked.to_string(),
                yes(progress.done),
                or_dash(progress.path.as_ref()),
                progress.reason.clone().unwrap_or_default(),
            ]);
        }
        format!("{}\n\n{}", facts.text(), table.text())
    }
}

#[derive(Debug, Serialize)]
struct Runs {
    runs: Vec<Run>,
    next_page_token: Option<String>,
}

impl Answer for Runs {
    fn text(&self) -> String {
        let mut table =
            Table::new(["run", "mode", "phase", "started", "ended", "written", "parked", "calls", "reason"]);
        for run in &self.runs {
            let sum = |part: fn(&Progress) -> i64| run.objects.iter().map(part).sum::<i64>().to_string();
            table.row([
                run.id.clone(),
                run.mode.to_owned(),
                run.phase.to_owned(),
                or_dash(run.started_at.as_ref()),
                or_dash(run.ended_at.as_ref()),
                sum(|progress| progress.written),
                sum(|progress| progress.parked),
                run.api_calls.to_string(),
                run.reason.clone().unwrap_or_default(),
            ]);
        }
        table.text()
    }
}

/// What a run would cost.
#[derive(Debug, Serialize)]
pub(crate) struct Estimate {
    objects: Vec<ObjectEstimate>,
    api_calls: i64,
    duration_seconds: Option<i64>,
    shortest_seconds: Option<i64>,
    longest_seconds: Option<i64>,
    rate_measured: bool,
}

#[derive(Debug, Serialize)]
struct ObjectEstimate {
    object: &'static str,
    records: i64,
    api_calls: i64,
    path: Option<String>,
    /// Why nothing was counted.
    reason: Option<String>,
}

impl From<wire::SyncEstimate> for Estimate {
    fn from(estimate: wire::SyncEstimate) -> Self {
        let objects = estimate.objects.into_iter().map(|object| ObjectEstimate {
            object: object_word(object.object),
            records: object.records,
            api_calls: object.api_calls,
            path: some(object.path),
            reason: some(object.reason),
        });
        Self {
            objects: objects.collect(),
            api_calls: estimate.api_calls,
            duration_seconds: seconds(estimate.duration.as_ref()),
            shortest_seconds: seconds(estimate.shortest.as_ref()),
            longest_seconds: seconds(estimate.longest.as_ref()),
            rate_measured: estimate.rate_measured,
        }
    }
}

impl Answer for Estimate {
    fn text(&self) -> String {
        let mut table = Table::new(["object", "records", "calls", "by"]);
        for object in &self.objects {
            let by = or_dash(object.reason.as_ref().or(object.path.as_ref()));
            table.row([object.object.to_owned(), object.records.to_string(), object.api_calls.to_string(), by]);
        }
        let time = match (self.shortest_seconds, self.longest_seconds) {
            (Some(shortest), Some(longest)) => format!(", {shortest} to {longest} s"),
            _ => self.duration_seconds.map_or_else(String::new, |seconds| format!(", about {seconds} s")),
        };
        format!("{}\nin all {} Salesforce calls{time}", table.text(), self.api_calls)
    }
}

#[derive(Debug, Serialize)]
struct Schedule {
    workspace_id: String,
    poll_interval_seconds: Option<i64>,
}

impl Answer for Schedule {
    fn text(&self) -> String {
        format!("polled every {} s", or_dash(self.poll_interval_seconds.as_ref()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ended(phase: wire::RunPhase, reason: &str) -> Run {
        wire::SyncRun { phase: phase as i32, reason: reason.to_owned(), ..wire::SyncRun::default() }.into()
    }

    #[test]
    fn how_a_run_ended_is_an_exit_code() {
        assert_eq!(ended(wire::RunPhase::Completed, "").exit(), Exit::Done);
        assert_eq!(ended(wire::RunPhase::Failed, "salesforce_quota_exhausted").exit(), Exit::Quota);
        assert_eq!(ended(wire::RunPhase::Failed, "").exit(), Exit::Internal);
        assert_eq!(ended(wire::RunPhase::Cancelled, "").exit(), Exit::Refused);
        assert_eq!(ended(wire::RunPhase::NeedsLook, "").exit(), Exit::Refused);
    }

    #[test]
    fn a_run_in_hand_has_not_ended() {
        for phase in [wire::RunPhase::Queued, wire::RunPhase::Reading, wire::RunPhase::Applying] {
            assert!(!ended(phase, "").has_ended(), "{phase:?}");
        }
    }
}
