//! The state of a workspace's sync, gathered from our own books and from the peers. One function decides the word.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::auth::v1::{Connection, GetConnectionRequest, GrantState};
use contract::common::v1::{Plan as WirePlan, SalesforceObject};
use contract::convert::to_wire_time;
use contract::error::Reason;
use contract::extractor::v1::{DayCounts, ObjectCoverage, SyncState as WireState, SyncStatus};
use contract::mapper::v1::CountUnmappedValuesRequest;
use contract::writer::v1::{Counts, GetCountsRequest};
use domain::WorkspaceId;
use domain::state::{Degradation, Facts, Grant, SyncState, decide, degradations};
use tonic::Status;

use super::runs::{wire_run, wire_time};
use super::{books, known, plan_of};
use crate::budget;
use crate::reader::Reader;
use crate::run::Purpose;
use crate::stamp::Stamp;
use crate::store::coverage::Coverage;
use crate::store::run::Run;
use crate::store::workspace::Workspace;
use crate::store::{self, StoreError};

/// Salesforce may be silent for so long before anybody is told.
const HICCUP: Duration = Duration::from_secs(900);

/// What our own books hold.
struct Books {
    coverage: Vec<Coverage>,
    active: Vec<Run>,
    newest: Option<Run>,
    calls: u64,
    now: DateTime<Utc>,
}

/// What the peers tell; absent when one does not answer.
struct Told {
    grant: Option<Grant>,
    connection: Option<Connection>,
    counts: Option<Counts>,
    unmapped: Option<Unmapped>,
}

/// What the mapper tells of open values.
#[derive(Clone, Copy)]
struct Unmapped {
    count: u64,
    /// When the one was seen first that is open longest.
    oldest: Option<prost_types::Timestamp>,
}

/// Gathers the state of a workspace.
pub(super) async fn gather(reader: &Reader, workspace: WorkspaceId) -> Result<SyncStatus, Status> {
    let Some(known) = known(reader, workspace).await? else {
        let plan = plan_of(reader, workspace).await?;
        let state = if plan.includes_salesforce() { SyncState::NotConnected } else { SyncState::PlanRequired };
        let (state, reason) = wire_state(state);
        return Ok(SyncStatus {
            workspace_id: workspace.to_string(),
            state: state.into(),
            reason,
            plan: WirePlan::from(plan).into(),
            ..SyncStatus::default()
        });
    };
    let books = read_books(reader, &known).await.map_err(books)?;
    let told = ask_peers(reader, workspace).await;
    let facts = facts(&known, &books, &told);
    let decided = decide(&facts);
    let (state, reason) = wire_state(decided);
    let reasons = match decided {
        SyncState::Degraded(_) => degradations(&facts).map(|one| one.reason().to_owned()).collect(),
        _ => Vec::new(),
    };
    let state_since = since(decided, &known, &books, &told);
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
    let share = known.api_budget_percent.unwrap_or(reader.client.share_percent());
    let limit = u64::try_from(known.org_calls_limit?).ok()?;
    i64::try_from(budget::own_limit(limit, share)).ok()
}

async fn read_books(reader: &Reader, workspace: &Workspace) -> Result<Books, StoreError> {
    let mut tx = store::begin(&reader.pool, workspace.id).await?;
    let coverage = store::coverage::list(&mut tx, workspace.id, workspace.epoch).await?;
    let active = store::run::active(&mut tx, workspace.id).await?;
    let newest = store::run::list(&mut tx, workspace.id, None, 1).await?.pop();
    let booked = store::usage::last_day(&mut tx, workspace.id).await?;
    let now = store::workspace::clock(&mut tx).await?;
    tx.commit().await?;
    Ok(Books { coverage, active, newest, calls: booked, now })
}

async fn ask_peers(reader: &Reader, workspace: WorkspaceId) -> Told {
    let workspace_id = workspace.to_string();
    let (mut connections, mut writer, mut mappings) =
        (reader.peers.connections.clone(), reader.peers.writer.clone(), reader.peers.mappings.clone());
    let connection = connections.get_connection(GetConnectionRequest { workspace_id: workspace_id.clone() });
    let counts = writer.get_counts(GetCountsRequest { workspace_id: workspace_id.clone() });
    let unmapped = mappings.count_unmapped_values(CountUnmappedValuesRequest { workspace_id });
    let (connection, counts, unmapped) = tokio::join!(connection, counts, unmapped);
    let (grant, connection) = match connection.map(tonic::Response::into_inner) {
        Ok(connection) => (grant_of(connection.state), Some(connection)),
        Err(status) if Reason::of(&status) == Some(Reason::NotConnected) => (Some(Grant::Never), None),
        Err(_) => (None, None),
    };
    Told {
        grant,
        connection,
        counts: counts.ok().map(tonic::Response::into_inner),
        unmapped: unmapped.ok().map(|counted| {
            let counted = counted.into_inner();
            let count = u64::try_from(counted.count).unwrap_or_default();
            Unmapped { count, oldest: counted.oldest_first_seen_time }
        }),
    }
}

/// Returns since when the state is what it is, as far as somebody wrote it down.
fn since(state: SyncState, known: &Workspace, books: &Books, told: &Told) -> Option<prost_types::Timestamp> {
    let connection = told.connection.as_ref();
    match state {
        SyncState::PlanRequired => known.plan_since.and_then(wire_time),
        SyncState::Disconnected | SyncState::AuthRevoked => connection.and_then(|connection| connection.end_time),
        SyncState::Connecting => connection.and_then(|connection| connection.connect_time),
        SyncState::QuotaExhausted | SyncState::Degraded(Degradation::SalesforceSilent) => {
            known.wait_since.and_then(wire_time)
        }
        SyncState::FirstSync => {
            let first = books.active.iter().filter(|run| run.purpose == Purpose::FirstLoad);
            first.map(|run| run.started_at).min().and_then(wire_time)
        }
        SyncState::Degraded(Degradation::ParkedRecords) => {
            told.counts.as_ref().and_then(|counts| counts.oldest_park_time)
        }
        SyncState::Degraded(Degradation::UnmappedValues) => told.unmapped.and_then(|unmapped| unmapped.oldest),
        SyncState::Degraded(Degradation::Late) => {
            known.last_success_at.map(|at| at + promise(known)).and_then(wire_time)
        }
        SyncState::NotConnected
        | SyncState::Healthy
        | SyncState::Degraded(Degradation::ObjectPaused | Degradation::NeedsLook) => None,
    }
}

/// Returns how long after a success the next one is promised.
fn promise(workspace: &Workspace) -> Duration {
    workspace.poll_interval * 2 + Duration::from_secs(60)
}

fn grant_of(state: i32) -> Option<Grant> {
    match GrantState::try_from(state) {
        Ok(GrantState::Active) => Some(Grant::Active),
        Ok(GrantState::Revoked) => Some(Grant::Revoked),
        Ok(GrantState::Disconnecting | GrantState::Disconnected) => Some(Grant::Ended),
        Ok(GrantState::Unspecified) | Err(_) => None,
    }
}

fn facts(workspace: &Workspace, books: &Books, told: &Told) -> Facts {
    let last_known_grant = match (workspace.connected, workspace.org_id.is_empty()) {
        (true, _) if workspace.wait_reason == Reason::SalesforceAuthRevoked.as_str() => Grant::Revoked,
        (true, _) => Grant::Active,
        (false, true) => Grant::Never,
        (false, false) => Grant::Ended,
    };
    let is_paused = |coverage: &Coverage| !coverage.paused_reason.is_empty() || !coverage.broken_fields.is_empty();
    let first_load_runs = books.active.iter().any(|run| run.purpose == Purpose::FirstLoad);
    let all_loaded =
        books.coverage.iter().all(|coverage| coverage.synced_to.is_some() || !coverage.paused_reason.is_empty());
    let older_than = |at: DateTime<Utc>, limit: Duration| (books.now - at).to_std().is_ok_and(|age| age > limit);
    let overdue = workspace.last_success_at.is_some_and(|at| older_than(at, promise(workspace)));
    let unanswered = workspace.wait_reason == Reason::SalesforceUnavailable.as_str();
    // Green without every number would be a guess.
    let peer_silent = told.counts.is_none() || told.unmapped.is_none();
    Facts {
        plan_allows: workspace.plan.includes_salesforce(),
        grant: told.grant.unwrap_or(last_known_grant),
        first_sync_started: workspace.first_sync_started,
        first_sync_done: !books.coverage.is_empty() && all_loaded && !first_load_runs,
        waits_for_quota: workspace.wait_reason == Reason::SalesforceQuotaExhausted.as_str(),
        paused_objects: books.coverage.iter().filter(|coverage| is_paused(coverage)).count() as u64,
        parked: told.counts.as_ref().map_or(0, |counts| u64::try_from(counts.parked).unwrap_or(0)),
        unmapped: told.unmapped.map_or(0, |unmapped| unmapped.count),
        needs_look: books.coverage.iter().any(|coverage| coverage.needs_look),
        salesforce_silent: unanswered && workspace.wait_since.is_some_and(|at| older_than(at, HICCUP)),
        late: overdue || peer_silent,
    }
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
