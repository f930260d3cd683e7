//! The audit log: appended to, never changed; each entry holds the hash of the one before.

use domain::WorkspaceId;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};
use sqlx::PgConnection;
use uuid::Uuid;

use super::StoreError;
use super::moment::{from_db, to_db};

/// The chain of what operators do for the whole installation.
pub const OPERATOR: WorkspaceId = WorkspaceId(Uuid::nil());

/// What somebody did. It holds no token, code or record value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Who, as given by the caller.
    pub actor: &'a str,
    /// What, e.g. "connect".
    pub action: &'a str,
    /// "done", or the reason why not.
    pub outcome: &'a str,
    /// Further words, e.g. which scopes.
    pub detail: &'a str,
}

/// A broken chain.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Broken {
    /// The first entry that does not fit.
    pub number: i64,
}

/// Appends an entry in the transaction of what it tells of.
pub async fn append(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    entry: &Entry<'_>,
    now: Timestamp,
) -> Result<(), StoreError> {
    // One writer per chain at a time; two would continue the same entry.
    sqlx::query!("select pg_advisory_xact_lock(hashtextextended('auth.audit.' || $1::text, 0))", workspace.to_string())
        .execute(&mut *conn)
        .await?;
    let last = sqlx::query!(
        "select number, hash from auth.audit where workspace_id = $1 order by number desc limit 1",
        workspace.0,
    )
    .fetch_optional(&mut *conn)
    .await?;
    let (number, previous) = last.map_or((1, vec![0; 32]), |last| (last.number + 1, last.hash));
    // Postgres keeps microseconds, and the hash must be of what it keeps.
    let now = from_db(to_db(now));
    let hash = hash_of(workspace, number, now, entry, &previous);
    sqlx::query!(
        r#"
        insert into auth.audit
               (workspace_id, number, happened_at, actor, action, outcome, detail, previous_hash, hash)
        values ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        "#,
        workspace.0,
        number,
        to_db(now),
        entry.actor,
        entry.action,
        entry.outcome,
        entry.detail,
        previous,
        hash.as_slice(),
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Checks a chain and returns how many entries it has.
pub async fn verify(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Result<i64, Broken>, StoreError> {
    let rows = sqlx::query!(
        r#"
        select number, happened_at, actor, action, outcome, detail, previous_hash, hash
          from auth.audit
         where workspace_id = $1
         order by number
        "#,
        workspace.0,
    )
    .fetch_all(conn)
    .await?;
    let mut previous = vec![0; 32];
    let mut expected = 0;
    for row in rows {
        expected += 1;
        let entry = Entry { actor: &row.actor, action: &row.action, outcome: &row.outcome, detail: &row.detail };
        let hash = hash_of(workspace, row.number, from_db(row.happened_at), &entry, &previous);
        if row.number != expected || row.previous_hash != previous || row.hash != hash {
            return Ok(Err(Broken { number: expected }));
        }
        previous = row.hash;
    }
    Ok(Ok(expected))
}

fn hash_of(workspace: WorkspaceId, number: i64, at: Timestamp, entry: &Entry<'_>, previous: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(workspace.0.as_bytes());
    hash.update(number.to_be_bytes());
    hash.update(at.as_microsecond().to_be_bytes());
    for text in [entry.actor, entry.action, entry.outcome, entry.detail] {
        // With its length first, so that no two entries read alike.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}
