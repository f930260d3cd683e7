//! The manifest: every chunk that is in the books, and whether the writer has applied it.

use chrono::{DateTime, Utc};
use domain::{Epoch, Object, RunId, SalesforceId, WorkspaceId};
use sqlx::PgConnection;

use super::StoreError;

/// A chunk to enter.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Records and faults in it.
    pub records: i32,
    /// Ids of its records, 18 characters each, nothing between.
    pub keys: String,
}

/// Which page the chunks are of.
#[derive(Clone, Copy, Debug)]
pub struct PageKey {
    /// Run.
    pub run: RunId,
    /// Object.
    pub object: Object,
    /// Page.
    pub page: i32,
    /// Read number.
    pub read_seq: i64,
    /// Epoch.
    pub epoch: Epoch,
}

/// Enters the chunks of a page.
///
/// # Errors
/// When Postgres fails.
pub async fn enter(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    page: &PageKey,
    chunks: &[Entry],
) -> Result<(), StoreError> {
    if chunks.is_empty() {
        return Ok(());
    }
    let records: Vec<i32> = chunks.iter().map(|chunk| chunk.records).collect();
    let keys: Vec<String> = chunks.iter().map(|chunk| chunk.keys.clone()).collect();
    sqlx::query!(
        r#"
        insert into extractor.manifest (workspace_id, run_id, object, page, chunk, read_seq, epoch, records, keys)
        select $1, $2, $3, $4, (position - 1)::integer, $5, $6, records, keys
          from unnest($7::integer[], $8::text[]) with ordinality as entry (records, keys, position)
        "#,
        workspace.0,
        page.run.0,
        page.object.token(),
        page.page,
        page.read_seq,
        page.epoch,
        &records,
        &keys,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns how many chunks of the workspace's active runs are not applied yet.
///
/// # Errors
/// When Postgres fails.
pub async fn open_in_workspace(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        select count(*) as "open!"
          from extractor.manifest m
          join extractor.run r using (workspace_id, run_id)
         where m.workspace_id = $1 and not m.applied and r.phase in ('queued', 'reading', 'applying')
        "#,
        workspace.0,
    )
    .fetch_one(conn)
    .await?)
}

/// Returns how many chunks of a run are not applied yet.
///
/// # Errors
/// When Postgres fails.
pub async fn open_in_run(conn: &mut PgConnection, workspace: WorkspaceId, run: RunId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"select count(*) as "open!" from extractor.manifest where workspace_id = $1 and run_id = $2 and not applied"#,
        workspace.0,
        run.0,
    )
    .fetch_one(conn)
    .await?)
}

/// A chunk as the writer lists it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Object.
    pub object: Object,
    /// Page.
    pub page: i32,
    /// Chunk.
    pub chunk: i32,
    /// Read number: tells attempts of a page apart.
    pub read_seq: i64,
    /// Records that arrived mapped.
    pub mapped: i64,
    /// Of these, written or current.
    pub written: i64,
    /// Records parked.
    pub parked: i64,
}

/// Marks chunks as applied and adds their counts to the run's objects. Returns how many were news.
///
/// A chunk of an attempt that never came into the books is no news.
///
/// # Errors
/// When Postgres fails.
pub async fn mark_applied(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    applied: &[Applied],
    position: i64,
) -> Result<i64, StoreError> {
    let column = |read: fn(&Applied) -> i64| applied.iter().map(read).collect::<Vec<i64>>();
    let objects: Vec<String> = applied.iter().map(|chunk| chunk.object.token().to_owned()).collect();
    let news = sqlx::query_scalar!(
        r#"
        with listed as (
            select * from unnest($3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[],
                                 $9::bigint[]) as l (object, page, chunk, read_seq, mapped, written, parked)
        ), marked as (
            update extractor.manifest m
               set applied = true
              from listed l
             where m.workspace_id = $1 and m.run_id = $2 and not m.applied
               and m.object = l.object and m.page = l.page and m.chunk = l.chunk and m.read_seq = l.read_seq
            returning m.object, l.mapped, l.written, l.parked
        ), counted as (
            update extractor.run_object o
               set mapped = o.mapped + s.mapped, written = o.written + s.written, parked = o.parked + s.parked
              from (select object, sum(mapped)::bigint as mapped, sum(written)::bigint as written,
                           sum(parked)::bigint as parked
                      from marked group by object) s
             where o.workspace_id = $1 and o.run_id = $2 and o.object = s.object
        )
        select count(*) as "news!" from marked
        "#,
        workspace.0,
        run.0,
        &objects,
        &column(|chunk| i64::from(chunk.page)),
        &column(|chunk| i64::from(chunk.chunk)),
        &column(|chunk| chunk.read_seq),
        &column(|chunk| chunk.mapped),
        &column(|chunk| chunk.written),
        &column(|chunk| chunk.parked),
    )
    .fetch_one(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        update extractor.run
           set applied_position = greatest(applied_position, $3),
               applied_at       = case when $4::bigint > 0 then now() else applied_at end
         where workspace_id = $1 and run_id = $2
        "#,
        workspace.0,
        run.0,
        position,
        news,
    )
    .execute(conn)
    .await?;
    Ok(news)
}

/// A chunk that never reached the writer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stuck {
    /// Object.
    pub object: Object,
    /// Page.
    pub page: i32,
    /// Chunk.
    pub chunk: i32,
    /// Its records.
    pub ids: Vec<SalesforceId>,
    /// Times that it was read again before.
    pub read_again: i16,
}

/// Returns chunks of a run that are overdue: committed before `overdue`, not applied, although later ones are or nothing is
/// being applied at all.
///
/// # Errors
/// When Postgres fails.
pub async fn stuck(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    overdue: DateTime<Utc>,
) -> Result<Vec<Stuck>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select m.object, m.page, m.chunk, m.keys, m.read_again
          from extractor.manifest m
          join extractor.run r using (workspace_id, run_id)
         where m.workspace_id = $1 and m.run_id = $2 and not m.applied and m.committed_at < $3
           and (r.applied_at < $3
                or exists (select from extractor.manifest later
                            where later.workspace_id = $1 and later.run_id = $2 and later.applied
                              and later.committed_at > m.committed_at + (now() - $3)))
         order by m.object, m.page, m.chunk
         limit 50
        "#,
        workspace.0,
        run.0,
        overdue,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let impossible = || StoreError::impossible("manifest", run);
            let ids = row
                .keys
                .as_bytes()
                .chunks(18)
                .map(|key| std::str::from_utf8(key).ok().and_then(|key| key.parse().ok()).ok_or_else(impossible))
                .collect::<Result<_, _>>()?;
            Ok(Stuck {
                object: Object::from_token(&row.object).ok_or_else(impossible)?,
                page: row.page,
                chunk: row.chunk,
                ids,
                read_again: row.read_again,
            })
        })
        .collect()
}

/// Takes a stuck chunk out of the reckoning: its records are read again under new chunks of the same run.
///
/// # Errors
/// When Postgres fails.
pub async fn replace(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    stuck: &Stuck,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.manifest
           set applied = true, read_again = read_again + 1
         where workspace_id = $1 and run_id = $2 and object = $3 and page = $4 and chunk = $5
        "#,
        workspace.0,
        run.0,
        stuck.object.token(),
        stuck.page,
        stuck.chunk,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns the messages that were read again in a run.
///
/// # Errors
/// When Postgres fails.
pub async fn read_again(conn: &mut PgConnection, workspace: WorkspaceId, run: RunId) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        select coalesce(sum(read_again), 0)::bigint as "again!"
          from extractor.manifest
         where workspace_id = $1 and run_id = $2
        "#,
        workspace.0,
        run.0,
    )
    .fetch_one(conn)
    .await?)
}
