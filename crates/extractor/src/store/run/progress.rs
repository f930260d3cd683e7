//! How far the objects of a run are, and what is left to do for each.

use domain::{Object, RunId, WorkspaceId};
use sqlx::PgConnection;
use sqlx::types::Json;

use crate::run::Work;
use crate::stamp::Stamp;
use crate::store::StoreError;

/// Makes sure that a run has a row for an object, for pages of records that others need.
///
/// # Errors
/// When Postgres fails.
pub async fn ensure_object(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    object: Object,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into extractor.run_object (workspace_id, run_id, object)
        values ($1, $2, $3)
        on conflict (workspace_id, run_id, object) do nothing
        "#,
        workspace.0,
        run.0,
        object.token(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Writes what is left to do for an object; absent: nothing.
///
/// # Errors
/// When Postgres fails.
pub async fn set_work(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    object: Object,
    work: Option<&Work>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update extractor.run_object set work = $4 where workspace_id = $1 and run_id = $2 and object = $3",
        workspace.0,
        run.0,
        object.token(),
        work.map(Json) as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives an object something to do unless it has something to do already.
///
/// # Errors
/// When Postgres fails.
pub async fn ensure_work(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    object: Object,
    work: &Work,
) -> Result<(), StoreError> {
    ensure_object(&mut *conn, workspace, run, object).await?;
    sqlx::query!(
        r#"
        update extractor.run_object
           set work = $4
         where workspace_id = $1 and run_id = $2 and object = $3 and work is null
        "#,
        workspace.0,
        run.0,
        object.token(),
        Json(work) as _,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Gives an object up in a run, with the reason.
///
/// # Errors
/// When Postgres fails.
pub async fn give_up(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    object: Object,
    reason: &str,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.run_object
           set work = null, reason = $4
         where workspace_id = $1 and run_id = $2 and object = $3
        "#,
        workspace.0,
        run.0,
        object.token(),
        reason,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes the choice of path and the number of records that Salesforce counted.
///
/// # Errors
/// When Postgres fails.
pub async fn set_choice(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    object: Object,
    path: &str,
    expected: Option<i64>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.run_object
           set path = $4, expected = coalesce($5, expected)
         where workspace_id = $1 and run_id = $2 and object = $3
        "#,
        workspace.0,
        run.0,
        object.token(),
        path,
        expected,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes the cursor that an object's read leaves behind once it is applied.
///
/// # Errors
/// When Postgres fails.
pub async fn set_cursor(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    object: Object,
    cursor: Option<Stamp>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update extractor.run_object set cursor_ms = $4 where workspace_id = $1 and run_id = $2 and object = $3",
        workspace.0,
        run.0,
        object.token(),
        cursor.map(Stamp::as_millis),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes a page: its number is used, its records are read, the first read number and field list are kept.
///
/// # Errors
/// When Postgres fails.
pub async fn note_page(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    object: Object,
    page: &NotedPage,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.run_object
           set next_page          = greatest(next_page, $4),
               read               = read + $5,
               first_read_seq     = least(first_read_seq, $6),
               field_list_version = least(field_list_version, $7)
         where workspace_id = $1 and run_id = $2 and object = $3
        "#,
        workspace.0,
        run.0,
        object.token(),
        page.next_page,
        page.records,
        page.read_seq,
        page.field_list_version,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// What [`note_page`] notes.
#[derive(Clone, Copy, Debug)]
pub struct NotedPage {
    /// Number of the page after it.
    pub next_page: i32,
    /// Records in it.
    pub records: i64,
    /// Its read number.
    pub read_seq: i64,
    /// Its field list.
    pub field_list_version: i64,
}
