//! The state of a workspace's sync, once or as it changes.

use std::time::Duration;

use clap::Args;
use contract::extractor::v1 as wire;
use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::progress::Bars;
use crate::run::{Run, steadily};
use crate::session::{Answer, Party, Session};
use crate::table::{Table, or_dash};
use crate::wire::{UNKNOWN, moment, object_word, seconds, some};

/// How long is waited before a stream that broke off is begun again.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(Args, Debug)]
pub(crate) struct Command {
    /// Stay and show each change, with a bar per object while a run is in hand. With `--json` one line per change.
    #[arg(long)]
    watch: bool,
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    if command.watch {
        return watch(session).await;
    }
    let request = wire::GetSyncStatusRequest { workspace_id: session.workspace()? };
    let status = session.ask(Party::Extractor, session.syncs()?.get_sync_status(request)).await?;
    session.show(&Status::from(status))?;
    Ok(Exit::Done)
}

/// Shows changes until the person has seen enough, also across restarts of the extractor.
async fn watch(session: &Session) -> Result<Exit, Failure> {
    let bars = Bars::new(session.json());
    loop {
        let mut changes = steadily(|| open(session)).await?;
        loop {
            match changes.try_next().await {
                Ok(Some(change)) => show(session, &bars, &change.into())?,
                Ok(None) => break,
                Err(status) => {
                    let failure = session.failure(Party::Extractor, &status);
                    if failure.exit() != Exit::Unavailable {
                        return Err(failure);
                    }
                    break;
                }
            }
        }
        tokio::time::sleep(PAUSE).await;
    }
}

type Changes = futures::stream::BoxStream<'static, Result<wire::SyncStatus, tonic::Status>>;

async fn open(session: &Session) -> Result<Changes, Failure> {
    let request = wire::WatchSyncStatusRequest { workspace_id: session.workspace()? };
    session.ask(Party::Extractor, session.syncs()?.watch_sync_status(request)).await.map(StreamExt::boxed)
}

fn show(session: &Session, bars: &Bars, status: &Status) -> Result<(), Failure> {
    if bars.are_hidden() {
        return session.show(status);
    }
    bars.say(&status.headline());
    if let Some(run) = &status.run {
        bars.show(run);
    }
    Ok(())
}

/// The state of a workspace's sync.
#[derive(Debug, Serialize)]
struct Status {
    workspace_id: String,
    state: &'static str,
    reason: Option<String>,
    run: Option<Run>,
    coverage: Vec<Coverage>,
    last_success_at: Option<Timestamp>,
    next_run_at: Option<Timestamp>,
    api_calls_used: i64,
    org_calls_used: Option<i64>,
    org_calls_limit: Option<i64>,
    unmapped_values: i64,
    parked_records: i64,
    not_visible_records: i64,
    records_per_second: f64,
    eta_seconds: Option<i64>,
    state_since: Option<Timestamp>,
    reasons: Vec<String>,
    plan: Option<&'static str>,
    connected: bool,
    last_change_at: Option<Timestamp>,
    last_day: Option<DayCounts>,
    wait_until: Option<Timestamp>,
    poll_interval_seconds: Option<i64>,
    own_calls_limit: Option<i64>,
}

/// What became of records in the hour in hand and the 24 before it.
#[derive(Debug, Serialize)]
struct DayCounts {
    created: i64,
    updated: i64,
    unchanged: i64,
    deleted: i64,
    rejected: i64,
}

#[derive(Debug, Serialize)]
struct Coverage {
    object: &'static str,
    synced_to: Option<Timestamp>,
    covered_from: Option<Timestamp>,
    unstamped_fields_as_of: Option<Timestamp>,
    paused_reason: Option<String>,
}

fn state_word(number: i32) -> &'static str {
    match wire::SyncState::try_from(number) {
        Ok(wire::SyncState::PlanRequired) => "plan_required",
        Ok(wire::SyncState::NotConnected) => "not_connected",
        Ok(wire::SyncState::Disconnected) => "disconnected",
        Ok(wire::SyncState::Connecting) => "connecting",
        Ok(wire::SyncState::AuthRevoked) => "auth_revoked",
        Ok(wire::SyncState::QuotaExhausted) => "quota_exhausted",
        Ok(wire::SyncState::FirstSync) => "first_sync",
        Ok(wire::SyncState::Degraded) => "degraded",
        Ok(wire::SyncState::Healthy) => "healthy",
        Ok(wire::SyncState::Unspecified) | Err(_) => UNKNOWN,
    }
}

impl From<wire::SyncStatus> for Status {
    fn from(status: wire::SyncStatus) -> Self {
        Self {
            state: state_word(status.state),
            last_success_at: moment(status.last_success_time.as_ref()),
            next_run_at: moment(status.next_run_time.as_ref()),
            eta_seconds: seconds(status.eta.as_ref()),
            workspace_id: status.workspace_id,
            reason: some(status.reason),
            run: status.run.map(Run::from),
            coverage: status.coverage.into_iter().map(Coverage::from).collect(),
            api_calls_used: status.api_calls_used,
            org_calls_used: status.org_calls_used,
            org_calls_limit: status.org_calls_limit,
            unmapped_values: status.unmapped_values,
            parked_records: status.parked_records,
            not_visible_records: status.not_visible_records,
            records_per_second: status.records_per_second,
            state_since: moment(status.state_since.as_ref()),
            reasons: status.reasons,
            plan: contract::convert::plan(status.plan).ok().map(domain::Plan::token),
            connected: status.connected,
            last_change_at: moment(status.last_change_time.as_ref()),
            last_day: status.last_day.map(|day| DayCounts {
                created: day.created,
                updated: day.updated,
                unchanged: day.unchanged,
                deleted: day.deleted,
                rejected: day.rejected,
            }),
            wait_until: moment(status.wait_until_time.as_ref()),
            poll_interval_seconds: seconds(status.poll_interval.as_ref()),
            own_calls_limit: status.own_calls_limit,
        }
    }
}

impl From<wire::ObjectCoverage> for Coverage {
    fn from(coverage: wire::ObjectCoverage) -> Self {
        Self {
            object: object_word(coverage.object),
            synced_to: moment(coverage.synced_to.as_ref()),
            covered_from: moment(coverage.covered_from.as_ref()),
            unstamped_fields_as_of: moment(coverage.unstamped_fields_as_of.as_ref()),
            paused_reason: some(coverage.paused_reason),
        }
    }
}

impl Status {
    /// Returns the state in one line.
    fn headline(&self) -> String {
        let mut parts = vec![self.state.to_owned()];
        parts.extend(self.reason.clone());
        if self.records_per_second > 0.0 {
            parts.push(format!("{:.0} records/s", self.records_per_second));
        }
        parts.extend(self.eta_seconds.map(|seconds| format!("{seconds} s left")));
        parts.join(" · ")
    }
}

impl Answer for Status {
    fn text(&self) -> String {
        let mut facts = Table::facts();
        facts.fact("state", self.headline());
        facts.fact("since", self.state_since.map(|at| at.to_string()).unwrap_or_default());
        facts.fact("to look at", self.reasons.join(", "));
        facts.fact("last change", or_dash(self.last_change_at.as_ref()));
        facts.fact("last success", or_dash(self.last_success_at.as_ref()));
        facts.fact("next run", or_dash(self.next_run_at.as_ref()));
        facts.fact("unmapped values", self.unmapped_values);
        facts.fact("parked records", self.parked_records);
        facts.fact("hidden records", self.not_visible_records);
        facts.fact("calls, ours, 24 h", self.api_calls_used);
        facts.fact("our limit", self.own_calls_limit.map(|limit| limit.to_string()).unwrap_or_default());
        if let Some(day) = &self.last_day {
            let DayCounts { created, updated, unchanged, deleted, rejected } = day;
            let counts = [(created, "created"), (updated, "updated"), (unchanged, "unchanged"), (deleted, "deleted")];
            let counts = counts.into_iter().chain([(rejected, "rejected")]);
            facts.fact("24 h", counts.map(|(count, word)| format!("{count} {word}")).collect::<Vec<_>>().join(", "));
        }
        let (used, limit) = (or_dash(self.org_calls_used.as_ref()), or_dash(self.org_calls_limit.as_ref()));
        facts.fact("calls, org", format!("{used} of {limit}"));
        let mut parts = vec![facts.text()];
        if !self.coverage.is_empty() {
            let mut table = Table::new(["object", "synced to", "covered from", "formulas as of", "paused"]);
            for coverage in &self.coverage {
                table.row([
                    coverage.object.to_owned(),
                    or_dash(coverage.synced_to.as_ref()),
                    or_dash(coverage.covered_from.as_ref()),
                    or_dash(coverage.unstamped_fields_as_of.as_ref()),
                    coverage.paused_reason.clone().unwrap_or_default(),
                ]);
            }
            parts.push(table.text());
        }
        parts.extend(self.run.as_ref().map(Run::text));
        parts.join("\n\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_headline_tells_state_reason_rate_and_time_left() {
        let status = Status::from(wire::SyncStatus {
            state: wire::SyncState::Degraded as i32,
            reason: "unmapped_values".into(),
            records_per_second: 1234.4,
            eta: Some(prost_types::Duration { seconds: 7, nanos: 0 }),
            ..wire::SyncStatus::default()
        });
        assert_eq!(status.headline(), "degraded · unmapped_values · 1234 records/s · 7 s left");
    }
}
