//! Runs and the objects in them.

use chrono::{DateTime, Utc};
use domain::{Epoch, Object, RunId, WorkspaceId};
use sqlx::PgConnection;
use sqlx::types::Json;
use uuid::Uuid;

mod progress;

pub use progress::{NotedPage, ensure_object, ensure_work, give_up, note_page, set_choice, set_cursor, set_work};

use super::StoreError;
use crate::run::{Phase, Purpose, Work};
use crate::stamp::Stamp;

/// A run as the books have it.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// Id; later runs sort later.
    pub id: RunId,
    /// Whose.
    pub workspace: WorkspaceId,
    /// Why it reads.
    pub purpose: Purpose,
    /// Where it stands.
    pub phase: Phase,
    /// Stable reason of a failure or a wait.
    pub reason: String,
    /// Epoch that it reads in.
    pub epoch: Epoch,
    /// Began.
    pub started_at: DateTime<Utc>,
    /// Ended.
    pub ended_at: Option<DateTime<Utc>>,
    /// Salesforce calls used.
    pub api_calls: i64,
    /// How far the writer's list of applied chunks was read.
    pub applied_position: i64,
    /// When a chunk was last seen applied.
    pub applied_at: DateTime<Utc>,
    /// Its objects, in reading order.
    pub objects: Vec<RunObject>,
}

/// One object in a run.
#[derive(Clone, Debug, PartialEq)]
pub struct RunObject {
    /// The object.
    pub object: Object,
    /// What is left to do; absent: read.
    pub work: Option<Work>,
    /// Why it was given up; empty when it was not.
    pub reason: String,
    /// "rest" or "bulk".
    pub path: String,
    /// Number of the next page.
    pub next_page: i32,
    /// First field list that its reads used.
    pub field_list_version: Option<i64>,
    /// First read number of its reads.
    pub first_read_seq: Option<i64>,
    /// Cursor that it leaves behind.
    pub cursor: Option<Stamp>,
    /// Records counted at the start.
    pub expected: Option<i64>,
    /// Records published.
    pub read: i64,
    /// Records that reached the writer.
    pub mapped: i64,
    /// Records applied.
    pub written: i64,
    /// Records parked.
    pub parked: i64,
}

impl Run {
    /// Returns an object of the run.
    #[must_use]
    pub fn object(&self, object: Object) -> Option<&RunObject> {
        self.objects.iter().find(|found| found.object == object)
    }

    /// Whether every object is read.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.objects.iter().all(|object| object.work.is_none())
    }
}

/// What came of the wish for a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Creation {
    /// It waits for its turn.
    Created(RunId),
    /// One like it runs already.
    Running(RunId),
    /// The same request made this one before.
    Repeated(RunId),
}

/// Creates a run, unless one of its like is active or the request was made before.
///
/// # Errors
/// When Postgres fails.
pub async fn create(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    epoch: Epoch,
    purpose: Purpose,
    objects: &[(Object, Work)],
    request_id: Option<Uuid>,
) -> Result<Creation, StoreError> {
    if let Some(request_id) = request_id {
        let repeated = sqlx::query_scalar!(
            "select run_id from extractor.run where workspace_id = $1 and request_id = $2",
            workspace.0,
            request_id,
        )
        .fetch_optional(&mut *conn)
        .await?;
        if let Some(run_id) = repeated {
            return Ok(Creation::Repeated(RunId(run_id)));
        }
    }
    let id = RunId::generate();
    let created = sqlx::query!(
        r#"
        insert into extractor.run (workspace_id, run_id, purpose, phase, epoch, request_id)
        values ($1, $2, $3, 'queued', $4, $5)
        on conflict do nothing
        "#,
        workspace.0,
        id.0,
        purpose.token(),
        epoch,
        request_id,
    )
    .execute(&mut *conn)
    .await?
    .rows_affected();
    if created == 0 {
        let running = active(&mut *conn, workspace)
            .await?
            .into_iter()
            .find(|run| run.purpose == purpose || (run.purpose.is_pass() && purpose.is_pass()));
        // The other one ended between the two statements: the next wish will be granted.
        let running = running.ok_or_else(|| StoreError::impossible("run", workspace))?;
        return Ok(Creation::Running(running.id));
    }
    for (object, work) in objects {
        sqlx::query!(
            "insert into extractor.run_object (workspace_id, run_id, object, work) values ($1, $2, $3, $4)",
            workspace.0,
            id.0,
            object.token(),
            Json(work) as _,
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(Creation::Created(id))
}

/// Returns the runs that go on, oldest first.
///
/// # Errors
/// When Postgres fails.
pub async fn active(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Vec<Run>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"
        select run_id
          from extractor.run
         where workspace_id = $1 and phase in ('queued', 'reading', 'applying')
         order by started_at, run_id
        "#,
        workspace.0,
    )
    .fetch_all(&mut *conn)
    .await?;
    load_all(conn, workspace, &ids).await
}

/// Returns a run.
///
/// # Errors
/// When Postgres fails.
pub async fn load(conn: &mut PgConnection, workspace: WorkspaceId, run: RunId) -> Result<Option<Run>, StoreError> {
    Ok(load_all(conn, workspace, &[run.0]).await?.pop())
}

/// Returns some runs, newest first, after `before` if given.
///
/// # Errors
/// When Postgres fails.
pub async fn list(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    before: Option<RunId>,
    most: i64,
) -> Result<Vec<Run>, StoreError> {
    let ids = sqlx::query_scalar!(
        r#"
        select run_id
          from extractor.run
         where workspace_id = $1 and ($2::uuid is null or run_id < $2)
         order by run_id desc
         limit $3
        "#,
        workspace.0,
        before.map(|run| run.0),
        most,
    )
    .fetch_all(&mut *conn)
    .await?;
    load_all(conn, workspace, &ids).await
}

async fn load_all(conn: &mut PgConnection, workspace: WorkspaceId, ids: &[Uuid]) -> Result<Vec<Run>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select run_id, purpose, phase, reason, epoch, started_at, ended_at, api_calls, applied_position, applied_at
          from extractor.run
         where workspace_id = $1 and run_id = any($2)
        "#,
        workspace.0,
        ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    let objects = sqlx::query!(
        r#"
        select run_id, object, work as "work: Json<Work>", reason, path, next_page, field_list_version, first_read_seq,
               cursor_ms, expected, read, mapped, written, parked
          from extractor.run_object
         where workspace_id = $1 and run_id = any($2)
         order by object
        "#,
        workspace.0,
        ids,
    )
    .fetch_all(&mut *conn)
    .await?;
    let mut runs = Vec::with_capacity(ids.len());
    for id in ids {
        let Some(row) = rows.iter().find(|row| row.run_id == *id) else { continue };
        let impossible = || StoreError::impossible("run", id);
        let objects = objects
            .iter()
            .filter(|object| object.run_id == *id)
            .map(|row| {
                Ok(RunObject {
                    object: Object::from_token(&row.object).ok_or_else(impossible)?,
                    work: row.work.as_ref().map(|work| work.0.clone()),
                    reason: row.reason.clone(),
                    path: row.path.clone(),
                    next_page: row.next_page,
                    field_list_version: row.field_list_version,
                    first_read_seq: row.first_read_seq,
                    cursor: row.cursor_ms.map(Stamp::from_millis),
                    expected: row.expected,
                    read: row.read,
                    mapped: row.mapped,
                    written: row.written,
                    parked: row.parked,
                })
            })
            .collect::<Result<Vec<_>, StoreError>>()?;
        runs.push(Run {
            id: RunId(*id),
            workspace,
            purpose: Purpose::from_token(&row.purpose).ok_or_else(impossible)?,
            phase: Phase::from_token(&row.phase).ok_or_else(impossible)?,
            reason: row.reason.clone(),
            epoch: row.epoch,
            started_at: row.started_at,
            ended_at: row.ended_at,
            api_calls: row.api_calls,
            applied_position: row.applied_position,
            applied_at: row.applied_at,
            objects,
        });
    }
    Ok(runs)
}

/// Moves an active run to another phase; false when it was not active any more.
///
/// # Errors
/// When Postgres fails.
pub async fn set_phase(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    phase: Phase,
    reason: &str,
) -> Result<bool, StoreError> {
    let moved = sqlx::query!(
        r#"
        update extractor.run
           set phase = $3, reason = $4, ended_at = case when $5 then null else now() end
         where workspace_id = $1 and run_id = $2 and phase in ('queued', 'reading', 'applying')
        "#,
        workspace.0,
        run.0,
        phase.token(),
        reason,
        phase.is_active(),
    )
    .execute(conn)
    .await?
    .rows_affected();
    Ok(moved == 1)
}

/// Adds calls to a run.
///
/// # Errors
/// When Postgres fails.
pub async fn add_calls(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    calls: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update extractor.run set api_calls = api_calls + $3 where workspace_id = $1 and run_id = $2",
        workspace.0,
        run.0,
        calls,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Forgets what nobody asks for any more: manifests of runs that ended a day ago, polls that found nothing, old runs, old
/// hours of the calls' book.
///
/// # Errors
/// When Postgres fails.
pub async fn forget_old(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        delete from extractor.manifest m
         using extractor.run r
         where m.workspace_id = $1 and r.workspace_id = $1 and r.run_id = m.run_id and r.ended_at < now() - interval '1 day'
        "#,
        workspace.0,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        delete from extractor.run r
         where workspace_id = $1
           and (ended_at < now() - interval '30 days'
                or (purpose = 'poll' and phase = 'completed' and ended_at < now() - interval '1 day'
                    and not exists (select from extractor.run_object o
                                     where o.workspace_id = r.workspace_id and o.run_id = r.run_id and o.read > 0)))
        "#,
        workspace.0,
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        "delete from extractor.api_usage where workspace_id = $1 and hour < now() - interval '2 days'",
        workspace.0,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns how many whole compares were asked for in the last hour.
///
/// # Errors
/// When Postgres fails.
pub async fn resyncs_in_last_hour(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        select count(*) as "runs!"
          from extractor.run
         where workspace_id = $1 and purpose = 'resync' and started_at > now() - interval '1 hour'
        "#,
        workspace.0,
    )
    .fetch_one(conn)
    .await?)
}
