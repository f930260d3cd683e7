//! The state of a workspace's sync as callers are told it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::common::v1::{Plan as WirePlan, SalesforceObject};
use contract::convert::to_wire_time;
use contract::error::Reason;
use contract::extractor::v1::{DayCounts, ObjectCoverage, SyncState as WireState, SyncStatus};
use domain::WorkspaceId;
use domain::state::{SyncState, degradations};
use tonic::Status;

use super::runs::{wire_run, wire_time};
use super::{books, known, plan_of};
use crate::budget;
use crate::reader::Reader;
use crate::run::Purpose;
use crate::stamp::Stamp;
use crate::standing::{Books, Standing};
use crate::store::coverage::Coverage;
use crate::store::run::Run;
use crate::store::workspace::Workspace;

/// Gathers the state of a workspace.
pub(super) async fn gather(reader: &Reader, workspace: WorkspaceId) -> Result<SyncStatus, Status> {
    let Some(known) = known(reader, workspace).await? else {
        let plan = plan_of(reader, workspace).await?;
        let (state, reason) = wire_state(Standing::of_unknown(plan));
        return Ok(SyncStatus {
            workspace_id: workspace.to_string(),
            state: state.into(),
            reason,
            plan: WirePlan::from(plan).into(),
            ..SyncStatus::default()
        });
    };
    let standing = Standing::of(reader, known).await.map_err(books)?;
    let state_since = standing.since();
    let Standing { state: decided, known, books, told, facts } = standing;
    let (state, reason) = wire_state(decided);
    let reasons = match decided {
        SyncState::Degraded(_) => degradations(&facts).map(|one| one.reason().to_owned()).collect(),
        _ => Vec::new(),
    };
    let shown = shown_run(&books);
    let (rate, eta) = shown.map_or((0.0, None), |run| pace_of(run, books.now));
    let counts = told.counts.unwrap_or_default();
    Ok(SyncStatus {
        workspace_id: workspace.to_string(),
        state: state.into(),
        reason,
        run: shown.map(|run| wire_run(run, &known.wait_reason)),
        coverage: books.coverage.iter().map(wire_coverage).collect(),
        last_success_time: known.last_success_at.and_then(wire_time),
        next_run_time: next_run(&known).and_then(wire_time),
        api_calls_used: i64::try_from(books.calls).unwrap_or(i64::MAX),
        org_calls_used: known.org_calls_used,
        org_calls_limit: known.org_calls_limit,
        unmapped_values: i64::try_from(told.unmapped.map_or(0, |unmapped| unmapped.count)).unwrap_or(i64::MAX),
        parked_records: counts.parked,
        not_visible_records: counts.not_visible,
        records_per_second: rate,
        eta: eta.and_then(|eta| prost_types::Duration::try_from(eta).ok()),
        state_since,
        reasons,
        plan: WirePlan::from(known.plan).into(),
        connected: known.connected,
        last_change_time: counts.last_change_time,
        last_day: counts.last_day.map(|tally| DayCounts {
            created: tally.created,
            updated: tally.updated,
            unchanged: tally.unchanged,
            deleted: tally.deleted,
            rejected: tally.parked,
        }),
        wait_until_time: known.wait_until.filter(|_| !known.wait_reason.is_empty()).and_then(wire_time),
        poll_interval: prost_types::Duration::try_from(known.poll_interval).ok(),
        own_calls_limit: own_calls_limit(reader, &known),
    })
}

/// Returns how many calls our share allows in 24 hours, once the org told its limit.
pub(super) fn own_calls_limit(reader: &Reader, known: &Workspace) -> Option<i64> {
    let limit = u64::try_from(known.org_calls_limit?).ok()?;
    i64::try_from(budget::own_limit(limit, share_percent(reader, known))).ok()
}

/// Returns our share of the org's calls: what people chose, else the operator's.
pub(super) fn share_percent(reader: &Reader, known: &Workspace) -> u64 {
    known.api_budget_percent.unwrap_or(reader.client.share_percent())
}

fn wire_state(state: SyncState) -> (WireState, String) {
    match state {
        SyncState::PlanRequired => (WireState::PlanRequired, String::new()),
        SyncState::NotConnected => (WireState::NotConnected, String::new()),
        SyncState::Disconnected => (WireState::Disconnected, String::new()),
        SyncState::Connecting => (WireState::Connecting, String::new()),
        SyncState::AuthRevoked => (WireState::AuthRevoked, String::new()),
        SyncState::QuotaExhausted => (WireState::QuotaExhausted, Reason::SalesforceQuotaExhausted.as_str().to_owned()),
        SyncState::FirstSync => (WireState::FirstSync, String::new()),
        SyncState::Degraded(degradation) => (WireState::Degraded, degradation.reason().to_owned()),
        SyncState::Healthy => (WireState::Healthy, String::new()),
    }
}

/// A pass is what people wait for; a poll shows when nothing else runs.
fn shown_run(books: &Books) -> Option<&Run> {
    let of = |wanted: fn(&Run) -> bool| books.active.iter().find(|run| wanted(run));
    of(|run| run.purpose.is_pass()).or_else(|| of(|run| run.purpose == Purpose::Poll)).or(books.newest.as_ref())
}

#[allow(clippy::cast_precision_loss, reason = "a rate for people")]
fn pace_of(run: &Run, now: DateTime<Utc>) -> (f64, Option<Duration>) {
    if !run.phase.is_active() {
        return (0.0, None);
    }
    let applied: i64 = run.objects.iter().map(|object| object.mapped.max(object.written) + object.parked).sum();
    let expected: Option<i64> = run.objects.iter().map(|object| object.expected).sum();
    let seconds = (now - run.started_at).to_std().unwrap_or_default().as_secs_f64().max(0.001);
    let rate = applied as f64 / seconds;
    let left = expected.map(|expected| (expected - applied).max(0) as f64);
    let eta = left.filter(|_| rate > 0.0).and_then(|left| Duration::try_from_secs_f64(left / rate).ok());
    (rate, eta)
}

fn next_run(workspace: &Workspace) -> Option<DateTime<Utc>> {
    let reads = workspace.may_read() && workspace.first_sync_started;
    workspace.wait_until.filter(|_| !workspace.wait_reason.is_empty()).or(workspace.next_poll_at).filter(|_| reads)
}

fn wire_coverage(coverage: &Coverage) -> ObjectCoverage {
    let time = |stamp: Option<Stamp>| stamp.map(|stamp| to_wire_time(stamp.to_timestamp()));
    let paused_reason = if !coverage.paused_reason.is_empty() {
        coverage.paused_reason.clone()
    } else if coverage.broken_fields.is_empty() {
        String::new()
    } else {
        format!("mapping_broken:{}", coverage.broken_fields.join(","))
    };
    ObjectCoverage {
        object: SalesforceObject::from(coverage.object).into(),
        synced_to: time(coverage.synced_to),
        covered_from: time(coverage.covered_from.filter(|_| coverage.loaded)),
        unstamped_fields_as_of: time(coverage.unstamped_as_of),
        paused_reason,
    }
}
