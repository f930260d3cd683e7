//! What is covered of each object: cursors, the covered start, and why an object is paused.

use chrono::{DateTime, Utc};
use domain::{Epoch, Object, WorkspaceId};
use sqlx::PgConnection;

use super::StoreError;
use crate::stamp::Stamp;

/// What is covered of one object.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Coverage {
    /// The object.
    pub object: Object,
    /// Whether it was read whole once in this epoch.
    pub loaded: bool,
    /// Where the next poll begins, before the overlap.
    pub poll_cursor: Option<Stamp>,
    /// Where the next look into the delete log begins.
    pub delete_cursor: Option<Stamp>,
    /// First moment that the reads cover; absent: everything, once loaded.
    pub covered_from: Option<Stamp>,
    /// Everything up to this moment is applied or parked.
    pub synced_to: Option<Stamp>,
    /// When fields that change without a stamp were last read whole.
    pub unstamped_as_of: Option<Stamp>,
    /// Why it is paused; empty when it is not.
    pub paused_reason: String,
    /// Mapped fields that can't be read.
    pub broken_fields: Vec<String>,
    /// Whether more records vanished than is safe to archive.
    pub needs_look: bool,
    /// When a paused object is tried again.
    pub retry_at: Option<DateTime<Utc>>,
}

impl Coverage {
    /// Nothing is covered of an object.
    #[must_use]
    pub fn none(object: Object) -> Self {
        Self {
            object,
            loaded: false,
            poll_cursor: None,
            delete_cursor: None,
            covered_from: None,
            synced_to: None,
            unstamped_as_of: None,
            paused_reason: String::new(),
            broken_fields: Vec::new(),
            needs_look: false,
            retry_at: None,
        }
    }
}

/// Returns what is covered of all objects in an epoch; objects that nobody ever asked for are absent.
///
/// What an older epoch covered counts for nothing, but the object is still one that somebody asked for.
///
/// # Errors
/// When Postgres fails.
pub async fn list(conn: &mut PgConnection, workspace: WorkspaceId, epoch: Epoch) -> Result<Vec<Coverage>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select object, epoch = $2 as "current!", loaded, poll_cursor_ms, delete_cursor_ms, covered_from_ms, synced_to_ms, unstamped_as_of_ms,
               paused_reason, broken_fields, needs_look, retry_at
          from extractor.coverage
         where workspace_id = $1
         order by object
        "#,
        workspace.0,
        epoch,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let object =
                Object::from_token(&row.object).ok_or_else(|| StoreError::impossible("coverage", workspace))?;
            if !row.current {
                return Ok(Coverage::none(object));
            }
            Ok(Coverage {
                object,
                loaded: row.loaded,
                poll_cursor: row.poll_cursor_ms.map(Stamp::from_millis),
                delete_cursor: row.delete_cursor_ms.map(Stamp::from_millis),
                covered_from: row.covered_from_ms.map(Stamp::from_millis),
                synced_to: row.synced_to_ms.map(Stamp::from_millis),
                unstamped_as_of: row.unstamped_as_of_ms.map(Stamp::from_millis),
                paused_reason: row.paused_reason,
                broken_fields: row.broken_fields,
                needs_look: row.needs_look,
                retry_at: row.retry_at,
            })
        })
        .collect()
}

/// Makes sure that the object has a row of this epoch; one of an older epoch begins anew.
///
/// # Errors
/// When Postgres fails.
pub async fn ensure(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    epoch: Epoch,
) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from extractor.coverage where workspace_id = $1 and object = $2 and epoch < $3",
        workspace.0,
        object.token(),
        epoch
    )
    .execute(&mut *conn)
    .await?;
    sqlx::query!(
        r#"
        insert into extractor.coverage (workspace_id, object, epoch)
        values ($1, $2, $3)
        on conflict (workspace_id, object) do nothing
        "#,
        workspace.0,
        object.token(),
        epoch,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that an object is loaded: cursors are born, the covered start is set.
///
/// # Errors
/// When Postgres fails.
pub async fn set_loaded(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    covered_from: Option<Stamp>,
    cursor: Stamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.coverage
           set loaded = true, covered_from_ms = $3, poll_cursor_ms = $4, delete_cursor_ms = $4
         where workspace_id = $1 and object = $2
        "#,
        workspace.0,
        object.token(),
        covered_from.map(Stamp::as_millis),
        cursor.as_millis(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves the poll cursor; it never goes back.
///
/// # Errors
/// When Postgres fails.
pub async fn move_poll_cursor(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    cursor: Stamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.coverage
           set poll_cursor_ms = greatest(poll_cursor_ms, $3), paused_reason = '', retry_at = null
         where workspace_id = $1 and object = $2
        "#,
        workspace.0,
        object.token(),
        cursor.as_millis(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves the delete cursor; it never goes back.
///
/// # Errors
/// When Postgres fails.
pub async fn move_delete_cursor(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    cursor: Stamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.coverage
           set delete_cursor_ms = greatest(delete_cursor_ms, $3)
         where workspace_id = $1 and object = $2
        "#,
        workspace.0,
        object.token(),
        cursor.as_millis(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Moves the covered start earlier; never later.
///
/// # Errors
/// When Postgres fails.
pub async fn extend_back(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    covered_from: Option<Stamp>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.coverage
           set covered_from_ms = $3
         where workspace_id = $1 and object = $2 and ($3::bigint is null or covered_from_ms > $3)
        "#,
        workspace.0,
        object.token(),
        covered_from.map(Stamp::as_millis),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes up to when everything is applied.
///
/// # Errors
/// When Postgres fails.
pub async fn set_synced(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    to: Stamp,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.coverage
           set synced_to_ms = greatest(synced_to_ms, $3)
         where workspace_id = $1 and object = $2
        "#,
        workspace.0,
        object.token(),
        to.as_millis(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes when fields that change without a stamp were read whole; absent when no such field is mapped.
///
/// # Errors
/// When Postgres fails.
pub async fn set_unstamped_as_of(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    as_of: Option<Stamp>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update extractor.coverage set unstamped_as_of_ms = $3 where workspace_id = $1 and object = $2",
        workspace.0,
        object.token(),
        as_of.map(Stamp::as_millis),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Pauses an object, or ends its pause with an empty reason.
///
/// # Errors
/// When Postgres fails.
pub async fn set_paused(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    reason: &str,
    retry_at: Option<DateTime<Utc>>,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update extractor.coverage set paused_reason = $3, retry_at = $4 where workspace_id = $1 and object = $2",
        workspace.0,
        object.token(),
        reason,
        retry_at,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes which mapped fields can't be read.
///
/// # Errors
/// When Postgres fails.
pub async fn set_broken(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    fields: &[String],
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update extractor.coverage
           set broken_fields = $3
         where workspace_id = $1 and object = $2 and broken_fields <> $3
        "#,
        workspace.0,
        object.token(),
        fields,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes whether the last compare needs a look.
///
/// # Errors
/// When Postgres fails.
pub async fn set_needs_look(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    needs_look: bool,
) -> Result<(), StoreError> {
    sqlx::query!(
        "update extractor.coverage set needs_look = $3 where workspace_id = $1 and object = $2",
        workspace.0,
        object.token(),
        needs_look,
    )
    .execute(conn)
    .await?;
    Ok(())
}
