//! Workspaces as auth tells them, whose turn it is, and the lease that makes one reader of many replicas.
//!
//! One lease covers all objects of a workspace: reading a contact may read its account, and the order of read numbers must be
//! the order of reads for every record.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::{Epoch, Plan, WorkspaceId};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use crate::stamp::Stamp;

/// A workspace as the extractor knows it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Workspace {
    /// Id.
    pub id: WorkspaceId,
    /// Newest revision of auth's word.
    pub revision: i64,
    /// Epoch of the connection.
    pub epoch: Epoch,
    /// Plan.
    pub plan: Plan,
    /// Whether a connection exists.
    pub connected: bool,
    /// Org id; empty when never connected.
    pub org_id: String,
    /// Replication start; absent: everything.
    pub start: Option<Stamp>,
    /// Whether a first sync was ever started for this org.
    pub first_sync_started: bool,
    /// Whether everything must be compared as soon as possible.
    pub compare_due: bool,
    /// How often it is polled.
    pub poll_interval: Duration,
    /// When the next poll is due.
    pub next_poll_at: Option<DateTime<Utc>>,
    /// Why it waits; empty when it does not.
    pub wait_reason: String,
    /// Until when it waits.
    pub wait_until: Option<DateTime<Utc>>,
    /// Since when it waits for that reason.
    pub wait_since: Option<DateTime<Utc>>,
    /// When the plan changed last, as far as we were told.
    pub plan_since: Option<DateTime<Utc>>,
    /// Calls of all apps in the org's day.
    pub org_calls_used: Option<i64>,
    /// The org's limit.
    pub org_calls_limit: Option<i64>,
    /// Which share of the org's calls people chose for us; absent: the operator's.
    pub api_budget_percent: Option<u64>,
    /// When everything read was last applied.
    pub last_success_at: Option<DateTime<Utc>>,
}

impl Workspace {
    /// Whether reads are wanted.
    #[must_use]
    pub fn may_read(&self) -> bool {
        self.connected && self.plan.includes_salesforce()
    }
}

/// What auth tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// Workspace.
    pub workspace: WorkspaceId,
    /// Grows with every change.
    pub revision: i64,
    /// Epoch.
    pub epoch: Epoch,
    /// Plan.
    pub plan: Plan,
    /// Whether a connection exists.
    pub connected: bool,
    /// Org id; empty when never connected.
    pub org_id: String,
    /// Replication start.
    pub start: Option<Stamp>,
}

/// The right to read a workspace's Salesforce data; lost as soon as another reader holds a higher fence.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lease {
    /// Whose data.
    pub workspace: WorkspaceId,
    /// Number of this holding; grows with every one.
    pub fence: i64,
    /// Who reads.
    pub reader: Uuid,
}

/// Returns a workspace.
///
/// # Errors
/// When Postgres fails.
pub async fn load(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Option<Workspace>, StoreError> {
    let row = sqlx::query!(
        r#"
        select revision, epoch, plan, connected, org_id, start_ms, first_sync_started, compare_due, poll_seconds,
               nullif(next_poll_at, 'infinity') as next_poll_at, wait_reason, wait_until, wait_since, plan_since,
               org_calls_used, org_calls_limit, api_budget_percent, last_success_at
          from extractor.workspace
         where workspace_id = $1
        "#,
        workspace.0,
    )
    .fetch_optional(conn)
    .await?;
    let Some(row) = row else { return Ok(None) };
    let plan = Plan::from_token(&row.plan).ok_or_else(|| StoreError::impossible("workspace", workspace))?;
    let waits = !row.wait_reason.is_empty();
    Ok(Some(Workspace {
        id: workspace,
        revision: row.revision,
        epoch: row.epoch,
        plan,
        connected: row.connected,
        org_id: row.org_id,
        start: row.start_ms.map(Stamp::from_millis),
        first_sync_started: row.first_sync_started,
        compare_due: row.compare_due,
        poll_interval: Duration::from_secs(u64::try_from(row.poll_seconds).unwrap_or(300)),
        next_poll_at: row.next_poll_at,
        wait_reason: row.wait_reason,
        wait_until: row.wait_until,
        wait_since: row.wait_since.filter(|_| waits),
        plan_since: row.plan_since,
        org_calls_used: row.org_calls_used,
        org_calls_limit: row.org_calls_limit,
        api_budget_percent: row.api_budget_percent.and_then(|percent| u64::try_from(percent).ok()),
        last_success_at: row.last_success_at,
    }))
}

/// Writes what auth tells unless a newer word is known. Returns the state before, if the word was news.
///
/// # Errors
/// When Postgres fails.
pub async fn note(conn: &mut PgConnection, told: &Told) -> Result<Option<Option<Workspace>>, StoreError> {
    // The row is locked first, so that two tellings of one workspace are seen one after the other.
    sqlx::query!("select 1 as one from extractor.workspace where workspace_id = $1 for update", told.workspace.0)
        .fetch_optional(&mut *conn)
        .await?;
    let before = load(&mut *conn, told.workspace).await?;
    let written = sqlx::query!(
        r#"
        insert into extractor.workspace (workspace_id, revision, epoch, plan, connected, org_id, start_ms)
        values ($1, $2, $3, $4, $5, $6, $7)
        on conflict (workspace_id) do update
           set revision           = excluded.revision,
               epoch              = excluded.epoch,
               plan               = excluded.plan,
               plan_since         = case when workspace.plan = excluded.plan then workspace.plan_since else now() end,
               connected          = excluded.connected,
               org_id             = case when excluded.org_id = '' then workspace.org_id else excluded.org_id end,
               start_ms           = excluded.start_ms,
               first_sync_started = workspace.first_sync_started
                                    and (excluded.org_id = '' or workspace.org_id = excluded.org_id),
               wait_reason        = case when workspace.epoch < excluded.epoch then '' else workspace.wait_reason end,
               wait_until         = case when workspace.epoch < excluded.epoch then null else workspace.wait_until end,
               due_at             = now(),
               changed_at         = now()
         where workspace.revision < excluded.revision and workspace.epoch <= excluded.epoch
        "#,
        told.workspace.0,
        told.revision,
        told.epoch,
        told.plan.token(),
        told.connected,
        told.org_id,
        told.start.map(Stamp::as_millis),
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    Ok((written == 1).then_some(before))
}

/// Takes the workspace that waited longest for its turn, or `None` when nobody's turn has come.
///
/// # Errors
/// When Postgres fails.
pub async fn claim(conn: &mut PgConnection, reader: Uuid, hold: Duration) -> Result<Option<Lease>, StoreError> {
    let row = sqlx::query!(
        r#"
        update extractor.workspace w
           set reader = $1, fence = fence + 1, reader_until = now() + make_interval(secs => $2), served_at = now()
         where workspace_id = (
                   select workspace_id
                     from extractor.workspace
                    where due_at <= now() and (reader is null or reader_until < now())
                      and not exists (select from extractor.traffic_stop s
                                       where s.workspace_id is null or s.workspace_id = workspace.workspace_id)
                    order by served_at
                    limit 1
                      for update skip locked)
        returning workspace_id, fence
        "#,
        reader,
        hold.as_secs_f64(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map(|row| Lease { workspace: WorkspaceId(row.workspace_id), fence: row.fence, reader }))
}

/// Holds the lease on; false when it is lost, or when all traffic of the workspace is to stop.
///
/// # Errors
/// When Postgres fails.
pub async fn renew(conn: &mut PgConnection, lease: &Lease, hold: Duration) -> Result<bool, StoreError> {
    let renewed = sqlx::query!(
        r#"
        update extractor.workspace
           set reader_until = now() + make_interval(secs => $3)
         where workspace_id = $1 and fence = $2
           and not exists (select from extractor.traffic_stop s
                            where s.workspace_id is null or s.workspace_id = workspace.workspace_id)
        "#,
        lease.workspace.0,
        lease.fence,
        hold.as_secs_f64(),
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(renewed == 1)
}

/// Gives the turn back; the next one is due after `pause`, or when somebody wakes the workspace.
///
/// # Errors
/// When Postgres fails.
pub async fn release(
    conn: &mut PgConnection,
    lease: &Lease,
    begun: DateTime<Utc>,
    pause: Option<Duration>,
) -> Result<(), StoreError> {
    // Whoever changed the workspace during the turn set it due: that wish must not be overwritten.
    sqlx::query!(
        r#"
        update extractor.workspace
           set reader = null, reader_until = '-infinity',
               due_at = case when changed_at >= $3 then now()
                             when $4::float8 is null then 'infinity'
                             else now() + make_interval(secs => $4) end
         where workspace_id = $1 and fence = $2
        "#,
        lease.workspace.0,
        lease.fence,
        begun,
        pause.map(|pause| pause.as_secs_f64()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns Postgres' clock: turns and wishes are ordered by it alone.
///
/// # Errors
/// When Postgres fails.
pub async fn clock(conn: &mut PgConnection) -> Result<DateTime<Utc>, StoreError> {
    Ok(sqlx::query_scalar!(r#"select clock_timestamp() as "now!""#).fetch_one(conn).await?)
}

/// Makes the workspace's turn due at once. Comes first in a transaction: a turn locks the workspace before anything else, and
/// two orders of locking would end in a deadlock.
///
/// # Errors
/// When Postgres fails.
pub async fn wake(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), StoreError> {
    sqlx::query!(
        "update extractor.workspace set due_at = now(), changed_at = clock_timestamp() where workspace_id = $1",
        workspace.0
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether the lease and the epoch still hold; they can't change before the transaction ends.
///
/// # Errors
/// When Postgres fails.
pub async fn still_holds(conn: &mut PgConnection, lease: &Lease, epoch: Epoch) -> Result<bool, StoreError> {
    let row = sqlx::query!(
        r#"
        select 1 as one
          from extractor.workspace
         where workspace_id = $1 and fence = $2 and epoch = $3 and connected
           for share
        "#,
        lease.workspace.0,
        lease.fence,
        epoch,
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.is_some())
}

/// Notes why the workspace waits and until when; an empty reason ends the wait.
///
/// A wait under another share of calls than the one in force is nobody's: somebody changed it during the turn.
///
/// # Errors
/// When Postgres fails.
pub async fn wait(
    conn: &mut PgConnection,
    lease: &Lease,
    reason: &str,
    pause: Duration,
    share: Option<u64>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.workspace
           set wait_since  = case when $3 = '' then null when wait_reason = $3 then coalesce(wait_since, now()) else now() end,
               wait_reason = $3,
               wait_until  = case when $3 = '' then null else now() + make_interval(secs => $4) end
         where workspace_id = $1 and fence = $2 and (wait_reason <> $3 or $3 <> '')
           and api_budget_percent is not distinct from $5
        "#,
        lease.workspace.0,
        lease.fence,
        reason,
        pause.as_secs_f64(),
        share.and_then(|share| i16::try_from(share).ok()),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes what the org said of its calls.
///
/// # Errors
/// When Postgres fails.
pub async fn note_org_usage(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    used: i64,
    limit: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update extractor.workspace set org_calls_used = $2, org_calls_limit = $3 where workspace_id = $1",
        workspace.0,
        used,
        limit,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Sets whether everything must be compared.
///
/// # Errors
/// When Postgres fails.
pub async fn set_compare_due(conn: &mut PgConnection, workspace: WorkspaceId, due: bool) -> Result<(), StoreError> {
    sqlx::query!("update extractor.workspace set compare_due = $2 where workspace_id = $1", workspace.0, due)
        .execute(conn)
        .await?;
    Ok(())
}

/// Notes that a first sync was started.
///
/// # Errors
/// When Postgres fails.
pub async fn set_first_sync_started(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), StoreError> {
    sqlx::query!("update extractor.workspace set first_sync_started = true where workspace_id = $1", workspace.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Sets when the next poll is due.
///
/// # Errors
/// When Postgres fails.
pub async fn set_next_poll(conn: &mut PgConnection, workspace: WorkspaceId, after: Duration) -> Result<(), StoreError> {
    sqlx::query!(
        "update extractor.workspace set next_poll_at = now() + make_interval(secs => $2) where workspace_id = $1",
        workspace.0,
        after.as_secs_f64(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Changes how often the workspace is polled; false when the workspace is unknown.
///
/// # Errors
/// When Postgres fails.
pub async fn set_poll_interval(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    interval: Duration,
) -> Result<bool, StoreError> {
    let seconds = i32::try_from(interval.as_secs()).unwrap_or(i32::MAX);
    let changed = sqlx::query!(
        r#"
        update extractor.workspace
           set poll_seconds = $2::integer,
               next_poll_at = least(next_poll_at, now() + $2::integer * interval '1 second'),
               due_at       = now(),
               changed_at   = clock_timestamp()
         where workspace_id = $1
        "#,
        workspace.0,
        seconds,
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(changed == 1)
}

/// Returns by which request the share of calls was chosen last.
///
/// # Errors
/// When Postgres fails.
pub async fn api_budget_request(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Option<Uuid>, StoreError> {
    let request = sqlx::query_scalar!(
        "select api_budget_request_id from extractor.workspace where workspace_id = $1 for update",
        workspace.0,
    );
    Ok(request.fetch_optional(conn).await?.flatten())
}

/// Changes our share of the org's calls, and ends a wait for calls if `ends_wait`. The next turn is due at once.
///
/// # Errors
/// When Postgres fails.
pub async fn set_api_budget(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    percent: i16,
    request_id: Option<Uuid>,
    ends_wait: bool,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.workspace
           set api_budget_percent    = $2,
               api_budget_request_id = $3,
               wait_reason = case when $4 then '' else wait_reason end,
               wait_until  = case when $4 then null else wait_until end,
               wait_since  = case when $4 then null else wait_since end,
               due_at      = now(),
               changed_at  = clock_timestamp()
         where workspace_id = $1
        "#,
        workspace.0,
        percent,
        request_id,
        ends_wait,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that everything read is applied.
///
/// # Errors
/// When Postgres fails.
pub async fn note_success(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), StoreError> {
    sqlx::query!("update extractor.workspace set last_success_at = now() where workspace_id = $1", workspace.0)
        .execute(conn)
        .await?;
    Ok(())
}

/// Whether the kill switch stops the workspace's traffic.
///
/// # Errors
/// When Postgres fails.
pub async fn is_stopped(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        select exists (select from extractor.traffic_stop
                        where workspace_id is null or workspace_id = $1) as "stopped!"
        "#,
        workspace.0,
    )
    .fetch_one(conn)
    .await?)
}
