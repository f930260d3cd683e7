//! Where a workspace's sync stands, decided from our own books and from what the peers tell. Whoever wants the word, a caller or
//! the figures of the fleet, has it decided here.

use std::time::Duration;

use chrono::{DateTime, Utc};
use contract::auth::v1::{Connection, GetConnectionRequest, GrantState};
use contract::error::Reason;
use contract::mapper::v1::CountUnmappedValuesRequest;
use contract::writer::v1::{Counts, GetCountsRequest};
use domain::state::{Degradation, Facts, Grant, SyncState, decide};
use domain::{Plan, WorkspaceId};

use crate::api::wire_time;
use crate::reader::Reader;
use crate::run::Purpose;
use crate::store::coverage::Coverage;
use crate::store::run::Run;
use crate::store::workspace::Workspace;
use crate::store::{self, StoreError};

/// Where a workspace stands, and all that it was decided from.
pub(crate) struct Standing {
    pub(crate) state: SyncState,
    pub(crate) known: Workspace,
    pub(crate) books: Books,
    pub(crate) told: Told,
    pub(crate) facts: Facts,
}

/// Salesforce may be silent for so long before anybody is told.
const HICCUP: Duration = Duration::from_secs(900);

/// What our own books hold.
pub(crate) struct Books {
    pub(crate) coverage: Vec<Coverage>,
    pub(crate) active: Vec<Run>,
    pub(crate) newest: Option<Run>,
    pub(crate) calls: u64,
    pub(crate) now: DateTime<Utc>,
}

/// What the peers tell; absent when one does not answer.
pub(crate) struct Told {
    grant: Option<Grant>,
    connection: Option<Connection>,
    pub(crate) counts: Option<Counts>,
    pub(crate) unmapped: Option<Unmapped>,
}

/// What the mapper tells of open values.
#[derive(Clone, Copy)]
pub(crate) struct Unmapped {
    pub(crate) count: u64,
    /// When the one was seen first that is open longest.
    oldest: Option<prost_types::Timestamp>,
}

impl Standing {
    /// Decides where a workspace stands that we were told about.
    ///
    /// # Errors
    /// When the books can't be read; a peer that does not answer is a fact like others.
    pub(crate) async fn of(reader: &Reader, known: Workspace) -> Result<Self, StoreError> {
        let books = read_books(reader, &known).await?;
        let told = ask_peers(reader, known.id).await;
        let facts = facts(&known, &books, &told);
        Ok(Self { state: decide(&facts), known, books, told, facts })
    }

    /// Decides where a workspace stands that we were never told about: it can't have been connected.
    pub(crate) fn of_unknown(plan: Plan) -> SyncState {
        if plan.includes_salesforce() { SyncState::NotConnected } else { SyncState::PlanRequired }
    }

    /// Returns since when the state is what it is, as far as somebody wrote it down.
    pub(crate) fn since(&self) -> Option<prost_types::Timestamp> {
        let Self { state, known, books, told, .. } = self;
        let connection = told.connection.as_ref();
        match *state {
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
