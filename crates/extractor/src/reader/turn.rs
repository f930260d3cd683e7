//! One turn of one workspace: settle, plan, read a few pages, and say when the next turn is due.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::mapper::v1::ReadPlan;
use domain::{Object, RunId};
use sqlx::PgConnection;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, info_span};

use super::fields::Prepared;
use super::memory::{OfWorkspace, lock};
use super::page::RunRef;
use super::{Reader, TurnError};
use crate::metrics;
use crate::run::{Phase, Purpose, Stage, Work};
use crate::salesforce::verdict::Verdict;
use crate::salesforce::{CallError, Session};
use crate::soql;
use crate::store::coverage::{self, Coverage};
use crate::store::run::{Run, RunObject};
use crate::store::workspace::{Lease, Workspace};
use crate::store::{self, manifest};

/// Answers that can't be believed in a row before somebody must look.
const MAX_INVALID: u32 = 3;
/// Waits after outages grow up to this.
const LONGEST_OUTAGE: Duration = Duration::from_secs(300);
/// A turn without Salesforce calls is due again after this, at first.
const SETTLE_AGAIN: Duration = Duration::from_millis(150);

/// The kill switch is looked at this often within a turn.
const LONGEST_GLANCE: Duration = Duration::from_secs(2);

/// The state of one turn.
pub(crate) struct Turn {
    pub(crate) reader: Reader,
    pub(crate) lease: Lease,
    pub(crate) workspace: Workspace,
    pub(crate) session: Arc<Session>,
    pub(crate) memory: Arc<Mutex<OfWorkspace>>,
    pub(crate) plan: ReadPlan,
    pub(crate) prepared: HashMap<Object, Prepared>,
    pub(crate) coverage: Vec<Coverage>,
    pub(crate) pages: HashMap<(RunId, Object), i32>,
    pub(crate) open: i64,
    pub(crate) pages_left: usize,
    pub(crate) stopping: CancellationToken,
}

/// What a step of reading came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    /// There may be more to do.
    Progress,
    /// The turn is used up.
    TurnOver,
    /// Nothing to do before this long.
    WaitAtLeast(Duration),
}

/// Returns the moment after a span on our own clock; only for our own waits, never for what was read.
pub(crate) fn our_clock_after(span: Duration) -> DateTime<Utc> {
    let millis = jiff::Timestamp::now().as_millisecond() + i64::try_from(span.as_millis()).unwrap_or(0);
    DateTime::from_timestamp_millis(millis).unwrap_or_default()
}

impl Reader {
    /// Takes a turn; returns the pause until the next one, or `None` when somebody must wake the workspace.
    pub(crate) async fn take_turn(&self, lease: Lease, stopping: &CancellationToken) -> Option<Duration> {
        let held = async {
            loop {
                tokio::time::sleep((self.pace.lease / 3).min(LONGEST_GLANCE)).await;
                let renewed = async {
                    let mut conn = self.pool.acquire().await?;
                    store::workspace::renew(&mut conn, &lease, self.pace.lease).await
                };
                // A books outage is no loss of the lease: every commit checks it anyway.
                if let Ok(false) = renewed.await {
                    return;
                }
            }
        };
        tokio::select! {
            pause = Box::pin(self.turn(lease, stopping.clone())) => pause,
            () = held => Some(Duration::ZERO),
        }
    }

    async fn turn(&self, lease: Lease, stopping: CancellationToken) -> Option<Duration> {
        let mut turn = match Turn::begin(self, lease, stopping).await {
            Ok(Some(turn)) => turn,
            Ok(None) => return None,
            Err(error) => {
                tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), "a turn could not begin");
                return Some(self.pace.outage);
            }
        };
        let outcome = turn.go().await;
        let pause = match outcome {
            Ok(pause) => {
                lock(&turn.memory).failures = 0;
                pause
            }
            Err(error) => Some(turn.pause_after(error).await),
        };
        if let Err(error) = turn.book_calls(None).await {
            tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), "calls could not be booked");
        }
        pause
    }
}

impl Turn {
    async fn begin(reader: &Reader, lease: Lease, stopping: CancellationToken) -> Result<Option<Self>, TurnError> {
        let mut tx = store::begin(&reader.pool, lease.workspace).await?;
        let Some(workspace) = store::workspace::load(&mut tx, lease.workspace).await? else { return Ok(None) };
        let coverage = coverage::list(&mut tx, lease.workspace, workspace.epoch).await?;
        let open = manifest::open_in_workspace(&mut tx, lease.workspace).await?;
        let booked = store::usage::last_day(&mut tx, lease.workspace).await?;
        tx.commit().await?;
        let session = reader.sessions.of(&workspace);
        session.set_own_calls(booked);
        Ok(Some(Self {
            reader: reader.clone(),
            lease,
            memory: reader.memory.of(&lease, workspace.epoch),
            session,
            workspace,
            plan: ReadPlan::default(),
            prepared: HashMap::new(),
            coverage,
            pages: HashMap::new(),
            open,
            pages_left: reader.pace.quantum,
            stopping,
        }))
    }

    async fn go(&mut self) -> Result<Option<Duration>, TurnError> {
        let runs = self.settle_and_advance().await?;
        if !self.workspace.may_read() {
            // What was read is still applied and counted; nothing new is read.
            return Ok(runs.iter().any(|run| run.is_read()).then_some(Duration::from_secs(1)));
        }
        if let Some(left) = self.left_to_wait() {
            let settling = !runs.is_empty();
            return Ok(Some(if settling { left.min(Duration::from_secs(1)) } else { left }));
        }
        if !self.workspace.first_sync_started && runs.is_empty() {
            return Ok(None);
        }
        self.plan = self.reader.read_plan(self.workspace.id).await?;
        self.plan_runs(&runs).await?;
        let runs = self.active_runs().await?;
        let mut soonest: Option<Duration> = None;
        for run in in_order(&runs) {
            self.pages_left = self.reader.pace.quantum;
            let span = info_span!(
                "run",
                otel.name = format!("lanesync.run {}", run.purpose.mode_token()),
                lanesync.run.id = %run.id,
                lanesync.run.mode = run.purpose.mode_token(),
                lanesync.workspace.id = %self.workspace.id,
            );
            let step = self.read_run(run).instrument(span).await;
            self.book_calls(Some(run.id)).await?;
            let pause = match step? {
                Step::Progress | Step::TurnOver => Duration::ZERO,
                Step::WaitAtLeast(wait) => wait,
            };
            soonest = Some(soonest.map_or(pause, |soonest| soonest.min(pause)));
        }
        self.end_wait().await?;
        let mut runs = self.settle_and_advance().await?;
        if !runs.iter().any(|run| run.purpose.is_pass()) {
            // A pass may just have ended, or a step may have found that one is needed. What it read counts as read by now.
            self.plan = self.reader.read_plan(self.workspace.id).await?;
            self.plan_runs(&runs).await?;
            runs = self.active_runs().await?;
        }
        Ok(Some(self.next_due(&runs, soonest)))
    }

    /// Looks at the workspace and its coverage as they are now.
    pub(crate) async fn reload(&mut self) -> Result<(), TurnError> {
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        if let Some(workspace) = store::workspace::load(&mut tx, self.workspace.id).await? {
            // A newer epoch is for the next turn; this one's lease and session belong to the old one.
            let epoch = self.workspace.epoch;
            self.workspace = Workspace { epoch, ..workspace };
        }
        self.coverage = coverage::list(&mut tx, self.workspace.id, self.workspace.epoch).await?;
        tx.commit().await?;
        Ok(())
    }

    /// Returns when the next turn is due: at once if there is work, soon while chunks are being applied, else with the poll.
    fn next_due(&self, runs: &[Run], soonest: Option<Duration>) -> Duration {
        if runs.iter().any(|run| run.phase == Phase::Queued) {
            return Duration::ZERO;
        }
        if runs.iter().any(|run| !run.is_read()) {
            return soonest.unwrap_or(Duration::ZERO);
        }
        if let Some(oldest) = runs.iter().map(|run| run.applied_at).min() {
            let idle = (our_clock_after(Duration::ZERO) - oldest).to_std().unwrap_or_default();
            return SETTLE_AGAIN.max(idle / 20).min(Duration::from_secs(5));
        }
        let until_poll = self.workspace.next_poll_at.map(|at| at - our_clock_after(Duration::ZERO));
        let until_poll = until_poll.and_then(|span| span.to_std().ok()).unwrap_or(SETTLE_AGAIN);
        until_poll.min(self.workspace.poll_interval)
    }

    /// Reads a run's objects in their order until its share of the turn is used. While Salesforce prepares one object the
    /// next is read, so bulk jobs are prepared side by side.
    async fn read_run(&mut self, run: &Run) -> Result<Step, TurnError> {
        let reference = RunRef { id: run.id, purpose: run.purpose };
        let mut waiting: HashMap<Object, Duration> = HashMap::new();
        loop {
            if self.stopping.is_cancelled() {
                return Ok(Step::TurnOver);
            }
            let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
            let fresh = store::run::load(&mut tx, self.workspace.id, run.id).await?;
            self.coverage = coverage::list(&mut tx, self.workspace.id, self.workspace.epoch).await?;
            tx.commit().await?;
            let Some(fresh) = fresh.filter(|run| run.phase.is_active()) else { return Ok(Step::Progress) };
            let ready = fresh.objects.iter().filter(|object| !waiting.contains_key(&object.object));
            let next =
                ready.filter_map(|object| Some((object, object.work.clone()?))).min_by_key(|(_, work)| urgency(work));
            let Some((progress, work)) = next else {
                return Ok(waiting.into_values().min().map_or(Step::Progress, Step::WaitAtLeast));
            };
            let step = match self.step(reference, progress, work).await {
                Ok(step) => step,
                Err(TurnError::Call(error)) => self.heal(reference, progress.object, error).await?,
                Err(error) => return Err(error),
            };
            match step {
                Step::Progress if self.pages_left > 0 => {}
                Step::Progress | Step::TurnOver => return Ok(Step::TurnOver),
                Step::WaitAtLeast(wait) => {
                    waiting.insert(progress.object, wait);
                }
            }
        }
    }

    async fn step(&mut self, run: RunRef, progress: &RunObject, work: Work) -> Result<Step, TurnError> {
        let object = progress.object;
        match work.stage {
            Stage::Choose => self.choose(run, object, work).await,
            Stage::Rest => self.read_rest(run, object, work).await,
            Stage::Bulk => self.read_bulk(run, object, work).await,
            Stage::Deletes => self.read_deletes(run, object, work).await,
            Stage::ById | Stage::UnseenById => self.read_pending(run, object, work).await,
            Stage::Unseen => self.ask_unseen(run, progress, work).await,
        }
    }

    /// Counts a span and chooses how to read it. The count's server time is where a bulk job's cursors are born.
    async fn choose(&mut self, run: RunRef, object: Object, work: Work) -> Result<Step, TurnError> {
        self.prepare(object, crate::describe::Freshness::Asked).await?;
        let request = self.reader.client.query_all(&soql::count(object, &work.scan));
        let answer = self.reader.client.call(&self.session, &request).await?;
        let count = crate::record::page::parse_count(&answer.body).map_err(CallError::from)?;
        let bulk = count > self.reader.pace.bulk_threshold;
        let (stage, path) = if bulk { (Stage::Bulk, "bulk") } else { (Stage::Rest, "rest") };
        let began = bulk.then_some(answer.server_time_at_start);
        let work = Work { stage, began, ..work };
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        self.check_hold(&mut tx).await?;
        store::run::set_work(&mut tx, self.workspace.id, run.id, object, Some(&work)).await?;
        let expected = i64::try_from(count).ok();
        store::run::set_choice(&mut tx, self.workspace.id, run.id, object, path, expected).await?;
        tx.commit().await?;
        Ok(Step::Progress)
    }

    /// Acts on a refusal that concerns one object or one run; everything else ends the turn.
    async fn heal(&mut self, run: RunRef, object: Object, error: CallError) -> Result<Step, TurnError> {
        match &error.verdict {
            Verdict::DropField(name) => {
                if !self.drop_field(object, name.as_deref()).await? {
                    self.pause_object(run.id, object, "query_refused").await?;
                }
                Ok(Step::Progress)
            }
            Verdict::PauseObject(reason) => {
                self.pause_object(run.id, object, reason).await?;
                Ok(Step::Progress)
            }
            Verdict::SplitWindow | Verdict::Gone | Verdict::UseRest | Verdict::FullCompare => {
                self.pause_object(run.id, object, &error.code.to_ascii_lowercase()).await?;
                Ok(Step::Progress)
            }
            Verdict::RestartFromKeyset => Ok(Step::Progress),
            // Salesforce's own fault, five times in a row: this object rests, the others go on.
            Verdict::RetryAfter(_) if error.code == "UNKNOWN_EXCEPTION" => {
                self.pause_object(run.id, object, "salesforce_error").await?;
                Ok(Step::Progress)
            }
            Verdict::RetryNow => {
                let invalid = {
                    let mut memory = lock(&self.memory);
                    memory.invalid_pages += 1;
                    memory.invalid_pages
                };
                tracing::warn!(lanesync.object = object.token(), code = error.code, "an answer can't be believed");
                if invalid >= MAX_INVALID {
                    tracing::error!(lanesync.object = object.token(), code = error.code, "answers can't be believed");
                    lock(&self.memory).invalid_pages = 0;
                    self.pause_object(run.id, object, &error.code).await?;
                }
                Ok(Step::Progress)
            }
            Verdict::Fatal(reason) => {
                self.fail_run(run.id, reason).await?;
                Ok(Step::Progress)
            }
            Verdict::RetryAfter(_) | Verdict::WaitForQuota | Verdict::RefreshToken | Verdict::Reauthorize => {
                Err(TurnError::Call(error))
            }
        }
    }

    async fn fail_run(&mut self, run: RunId, reason: &str) -> Result<(), TurnError> {
        tracing::error!(lanesync.run.id = %run, lanesync.reason = reason, "run failed");
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        self.check_hold(&mut tx).await?;
        store::run::set_phase(&mut tx, self.workspace.id, run, Phase::Failed, reason).await?;
        let failed = store::run::load(&mut tx, self.workspace.id, run).await?;
        // A failed whole read is not begun again at once by itself.
        let retry_at = Some(our_clock_after(self.reader.pace.pause));
        for object in failed.iter().flat_map(|run| &run.objects).filter(|object| object.work.is_some()) {
            coverage::ensure(&mut tx, self.workspace.id, object.object, self.workspace.epoch).await?;
            coverage::set_paused(&mut tx, self.workspace.id, object.object, reason, retry_at).await?;
        }
        tx.commit().await?;
        if let Some(failed) = failed {
            self.ended(&failed, Phase::Failed, reason).await;
        }
        Ok(())
    }

    /// Settles what was applied, ends what is over, and returns the runs that go on.
    async fn settle_and_advance(&mut self) -> Result<Vec<Run>, TurnError> {
        for run in self.active_runs().await? {
            if run.epoch != self.workspace.epoch || !self.workspace.connected {
                self.cancel(&run, "epoch_over").await?;
            }
        }
        let runs = self.active_runs().await?;
        if runs.is_empty() {
            return Ok(runs);
        }
        self.settle_applied().await?;
        for run in &runs {
            self.advance_run(run).await?;
        }
        self.active_runs().await
    }

    async fn cancel(&mut self, run: &Run, reason: &str) -> Result<(), TurnError> {
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        store::run::set_phase(&mut tx, self.workspace.id, run.id, Phase::Cancelled, reason).await?;
        tx.commit().await?;
        self.ended(run, Phase::Cancelled, reason).await;
        Ok(())
    }

    async fn active_runs(&self) -> Result<Vec<Run>, TurnError> {
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        let runs = store::run::active(&mut tx, self.workspace.id).await?;
        tx.commit().await?;
        Ok(runs)
    }

    /// Makes sure, inside a transaction, that this reader may still write.
    pub(crate) async fn check_hold(&self, conn: &mut PgConnection) -> Result<(), TurnError> {
        if store::workspace::still_holds(conn, &self.lease, self.workspace.epoch).await? {
            Ok(())
        } else {
            Err(TurnError::Fenced)
        }
    }

    /// Returns what is covered of an object.
    pub(crate) fn coverage_of(&self, object: Object) -> Option<&Coverage> {
        self.coverage.iter().find(|coverage| coverage.object == object)
    }

    fn left_to_wait(&self) -> Option<Duration> {
        let until = self.workspace.wait_until.filter(|_| !self.workspace.wait_reason.is_empty())?;
        (until - our_clock_after(Duration::ZERO)).to_std().ok().filter(|left| !left.is_zero())
    }

    /// Decides how long the workspace rests after an error, and tells people why it waits.
    async fn pause_after(&mut self, error: TurnError) -> Duration {
        let pace = Arc::clone(&self.reader.pace);
        let failures = {
            let mut memory = lock(&self.memory);
            memory.failures += 1;
            memory.failures
        };
        let outage = pace.outage.saturating_mul(1 << failures.saturating_sub(1).min(6)).min(LONGEST_OUTAGE);
        let (reason, pause) = match &error {
            TurnError::Fenced => return Duration::ZERO,
            TurnError::CatchingUp => return pace.settle_poll * 4,
            TurnError::Call(call) => match &call.verdict {
                Verdict::WaitForQuota => ("SALESFORCE_QUOTA_EXHAUSTED", pace.quota_probe),
                Verdict::Reauthorize => ("SALESFORCE_AUTH_REVOKED", pace.pause),
                _ if ["auth_unavailable", "other_epoch", "not_connected"].contains(&call.code.as_str()) => {
                    ("DEPENDENCY_UNAVAILABLE", outage)
                }
                _ => ("SALESFORCE_UNAVAILABLE", outage),
            },
            TurnError::Peer { .. } | TurnError::Publish(_) | TurnError::Store(_) => ("DEPENDENCY_UNAVAILABLE", outage),
        };
        tracing::warn!(
            lanesync.reason = reason,
            error = format!("{:#}", anyhow::Error::new(error)),
            pause_seconds = pause.as_secs(),
            "the workspace waits"
        );
        let noted = async {
            let mut conn = self.reader.pool.acquire().await?;
            store::workspace::wait(&mut conn, &self.lease, reason, pause, self.workspace.api_budget_percent).await
        };
        if let Err(error) = noted.await {
            tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), "the wait could not be noted");
        }
        pause
    }

    async fn end_wait(&mut self) -> Result<(), TurnError> {
        if !self.workspace.wait_reason.is_empty() {
            let mut conn = self.reader.pool.acquire().await?;
            let share = self.workspace.api_budget_percent;
            store::workspace::wait(&mut conn, &self.lease, "", Duration::ZERO, share).await?;
            self.workspace.wait_reason.clear();
        }
        Ok(())
    }

    /// Books calls for the org's day and for a run, and what the org said of its limit.
    async fn book_calls(&mut self, run: Option<RunId>) -> Result<(), TurnError> {
        let calls = self.session.take_unsaved_calls();
        if calls == 0 {
            return Ok(());
        }
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        if let Some((usage, _)) = self.session.usage() {
            let wide = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
            let (used, limit) = (wide(usage.org.used), wide(usage.org.limit));
            store::workspace::note_org_usage(&mut tx, self.workspace.id, used, limit).await?;
            metrics::org_usage(self.workspace.id, usage.org);
        }
        store::usage::add(&mut tx, self.workspace.id, calls).await?;
        if let Some(run) = run {
            store::run::add_calls(&mut tx, self.workspace.id, run, i64::try_from(calls).unwrap_or(0)).await?;
        }
        tx.commit().await?;
        Ok(())
    }
}

/// What Salesforce prepares while something else is read is asked for first: counts, which decide about jobs, then jobs.
fn urgency(work: &Work) -> u8 {
    match work.stage {
        Stage::Choose => 0,
        Stage::Bulk if work.job.is_none() => 1,
        _ => 2,
    }
}

/// Refetches first, then polls, then passes: what is small and wished for does not wait behind what is large.
fn in_order(runs: &[Run]) -> Vec<&Run> {
    let rank = |run: &&Run| match run.purpose {
        Purpose::Refetch => 0,
        Purpose::Poll => 1,
        Purpose::FirstLoad | Purpose::Span | Purpose::Resync | Purpose::Reread | Purpose::Daily => 2,
    };
    let mut ordered: Vec<&Run> = runs.iter().collect();
    ordered.sort_by_key(rank);
    ordered
}
