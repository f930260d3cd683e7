//! Who has been told which revision. Holds no customer data, so a pusher sees all workspaces at once.

use std::time::Duration;

use domain::WorkspaceId;
use jiff::Timestamp;
use sqlx::PgConnection;

use super::StoreError;
use super::moment::to_db;

/// A service that is told of workspaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Peer {
    /// `lanesync-extractor`.
    Extractor,
    /// `lanesync-mapper`.
    Mapper,
    /// `lanesync-customer-writer`.
    Writer,
}

impl Peer {
    /// All peers.
    pub const ALL: [Self; 3] = [Self::Extractor, Self::Mapper, Self::Writer];

    /// Returns the name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Extractor => "extractor",
            Self::Mapper => "mapper",
            Self::Writer => "writer",
        }
    }
}

/// A peer that is owed news of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The peer.
    pub peer: Peer,
    /// What it is to know.
    pub wanted: i64,
    /// What it said it knows.
    pub acknowledged: i64,
    /// Attempts that failed in a row.
    pub failures: i32,
}

/// Takes at most `limit` that are due; others leave them alone for `lease`.
pub async fn take_due(
    conn: &mut PgConnection,
    now: Timestamp,
    lease: Duration,
    limit: i64,
) -> Result<Vec<Due>, StoreError> {
    let rows = sqlx::query!(
        r#"
        update auth.push
           set next_attempt_at = $2
         where (workspace_id, peer) in (
                   select workspace_id, peer
                     from auth.push
                    where next_attempt_at <= $1
                      and (acknowledged_revision < wanted_revision or retell)
                    order by next_attempt_at
                    limit $3
                      for update skip locked)
        returning workspace_id, peer, wanted_revision, acknowledged_revision, failures
        "#,
        to_db(now),
        to_db(now + lease),
        limit,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows
        .into_iter()
        .filter_map(|row| {
            Some(Due {
                workspace: WorkspaceId(row.workspace_id),
                peer: Peer::ALL.into_iter().find(|peer| peer.as_str() == row.peer)?,
                wanted: row.wanted_revision,
                acknowledged: row.acknowledged_revision,
                failures: row.failures,
            })
        })
        .collect())
}

/// Notes that a peer knows `revision`.
pub async fn acknowledge(conn: &mut PgConnection, due: &Due, revision: i64) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update auth.push
           set acknowledged_revision = greatest(acknowledged_revision, least($3, wanted_revision)),
               retell                = retell and $3 < wanted_revision,
               failures              = 0
         where workspace_id = $1 and peer = $2
        "#,
        due.workspace.0,
        due.peer.as_str(),
        revision,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes that a peer did not answer.
pub async fn postpone(conn: &mut PgConnection, due: &Due, until: Timestamp) -> Result<(), StoreError> {
    // A change that came meanwhile has set the clock back; it keeps its own time.
    sqlx::query!(
        r#"
        update auth.push
           set failures        = failures + 1,
               next_attempt_at = $4
         where workspace_id = $1 and peer = $2 and wanted_revision = $3
        "#,
        due.workspace.0,
        due.peer.as_str(),
        due.wanted,
        to_db(until),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Whether every peer knows `revision`.
pub async fn all_know(conn: &mut PgConnection, workspace: WorkspaceId, revision: i64) -> Result<bool, StoreError> {
    Ok(sqlx::query_scalar!(
        r#"
        select coalesce(min(acknowledged_revision) >= $2, false) as "all_know!"
          from auth.push
         where workspace_id = $1
        "#,
        workspace.0,
        revision,
    )
    .fetch_one(conn)
    .await?)
}

/// Has every peer told once more, within `spread` from now.
pub async fn retell_all(conn: &mut PgConnection, now: Timestamp, spread: Duration) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update auth.push
           set retell          = true,
               failures        = 0,
               next_attempt_at = case when acknowledged_revision < wanted_revision then $1::timestamptz
                                      else $1::timestamptz + make_interval(secs => random() * $2) end
        "#,
        to_db(now),
        spread.as_secs_f64(),
    )
    .execute(conn)
    .await?;
    Ok(())
}
