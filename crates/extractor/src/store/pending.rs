//! Records that are to be read by id, and why.

use domain::{Object, RunId, SalesforceId, WorkspaceId};
use sqlx::PgConnection;

use super::StoreError;

/// Why a record is to be read by id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// The delete log lists it: if it is not there, it was purged.
    Deleted,
    /// Another record needs it.
    Parent,
    /// A whole read did not bring it.
    Unseen,
    /// Somebody asked for it.
    Refetch,
    /// Its chunk never reached the writer.
    Again,
    /// Not itself: the contacts of this account.
    ContactsOf,
}

impl Cause {
    const ALL: [Self; 6] = [Self::Deleted, Self::Parent, Self::Unseen, Self::Refetch, Self::Again, Self::ContactsOf];

    fn token(self) -> &'static str {
        match self {
            Self::Deleted => "deleted",
            Self::Parent => "parent",
            Self::Unseen => "unseen",
            Self::Refetch => "refetch",
            Self::Again => "again",
            Self::ContactsOf => "contacts_of",
        }
    }
}

/// A record to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wanted {
    /// Its id.
    pub id: SalesforceId,
    /// Why.
    pub cause: Cause,
}

/// Adds records of one object. The delete log's word outweighs other causes.
///
/// # Errors
/// When Postgres fails.
pub async fn add(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    object: Object,
    cause: Cause,
    ids: &[SalesforceId],
) -> Result<(), StoreError> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    sqlx::query!(
        r#"
        insert into extractor.pending (workspace_id, run_id, object, id, cause)
        select distinct $1::uuid, $2::uuid, $3, id, $4 from unnest($5::text[]) as id
        on conflict (workspace_id, run_id, object, id) do update
           set cause = excluded.cause
         where excluded.cause = 'deleted'
        "#,
        workspace.0,
        run.0,
        object.token(),
        cause.token(),
        &ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Returns some records that are still to be read.
///
/// # Errors
/// When Postgres fails.
pub async fn next(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    object: Object,
    most: i64,
) -> Result<Vec<Wanted>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select id, cause
          from extractor.pending
         where workspace_id = $1 and run_id = $2 and object = $3
         order by cause = 'contacts_of' desc, id
         limit $4
        "#,
        workspace.0,
        run.0,
        object.token(),
        most,
    )
    .fetch_all(conn)
    .await?;
    rows.into_iter()
        .map(|row| {
            let impossible = || StoreError::impossible("pending", run);
            Ok(Wanted {
                id: row.id.parse().map_err(|_| impossible())?,
                cause: Cause::ALL.into_iter().find(|cause| cause.token() == row.cause).ok_or_else(impossible)?,
            })
        })
        .collect()
}

/// Takes records off the list.
///
/// # Errors
/// When Postgres fails.
pub async fn remove(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    run: RunId,
    object: Object,
    ids: &[SalesforceId],
) -> Result<(), StoreError> {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    sqlx::query!(
        r#"
        delete from extractor.pending
         where workspace_id = $1 and run_id = $2 and object = $3 and id = any($4)
        "#,
        workspace.0,
        run.0,
        object.token(),
        &ids,
    )
    .execute(conn)
    .await?;
    Ok(())
}
