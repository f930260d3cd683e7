//! The audit log of a service: appended to, never changed; each entry holds the hash of the one before.
//!
//! Every service keeps its own in its own schema, in two tables of one shape: `audit` holds the entries, a chain per
//! workspace; `audit_anchor` says where the chain goes on from once old entries are gone. `audit_log!` makes the
//! statements for a schema, because only the crate that owns the tables can have its SQL checked. The service's role may
//! insert and read; `forget_old_audit`, which belongs to the owner of the schema, takes away what is older than a year.

use domain::WorkspaceId;
use jiff::Timestamp;
use sha2::{Digest as _, Sha256};

/// What somebody did. It holds no token, code or value of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Who, as given by the caller; else the name of the service that called.
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

/// The end of a chain: what the next entry continues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct End {
    /// Number of the last entry; 0 if there never was one.
    pub number: i64,
    /// Its hash.
    pub hash: Vec<u8>,
}

impl Default for End {
    fn default() -> Self {
        Self { number: 0, hash: vec![0; 32] }
    }
}

/// An entry in its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Link {
    /// Counted from 1, without gaps.
    pub number: i64,
    /// Microseconds since 1970: Postgres keeps no more, and the hash must be of what it keeps.
    pub at: i64,
    /// Hash of the entry before.
    pub previous_hash: Vec<u8>,
    /// Hash of all of this.
    pub hash: Vec<u8>,
}

impl Link {
    /// Puts an entry behind the end of its chain.
    #[must_use]
    pub fn after(end: End, workspace: WorkspaceId, now: Timestamp, entry: &Entry<'_>) -> Self {
        let (number, at) = (end.number + 1, now.as_microsecond());
        let hash = hash_of(workspace, number, at, entry, &end.hash).to_vec();
        Self { number, at, previous_hash: end.hash, hash }
    }

    /// Whether an entry as it was read is the one that was put behind `end`.
    #[must_use]
    pub fn continues(&self, end: &End, workspace: WorkspaceId, entry: &Entry<'_>) -> bool {
        self.number == end.number + 1
            && self.previous_hash == end.hash
            && self.hash == hash_of(workspace, self.number, self.at, entry, &end.hash)
    }

    /// Returns the end of the chain behind this entry.
    #[must_use]
    pub fn into_end(self) -> End {
        End { number: self.number, hash: self.hash }
    }
}

fn hash_of(workspace: WorkspaceId, number: i64, at: i64, entry: &Entry<'_>, previous: &[u8]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update(previous);
    hash.update(workspace.0.as_bytes());
    hash.update(number.to_be_bytes());
    hash.update(at.to_be_bytes());
    for text in [entry.actor, entry.action, entry.outcome, entry.detail] {
        // With its length first, so that no two entries read alike.
        hash.update((text.len() as u64).to_be_bytes());
        hash.update(text.as_bytes());
    }
    hash.finalize().into()
}

/// Makes `append`, `verify` and `forget_old` for the audit tables of a schema, failing with an error type that
/// `sqlx::Error` becomes.
#[macro_export]
macro_rules! audit_log {
    ($schema:literal, $error:ty) => {
        /// Appends an entry in the transaction of what it tells of, which is bound to the workspace.
        pub async fn append(
            conn: &mut sqlx::PgConnection,
            workspace: domain::WorkspaceId,
            entry: &$crate::audit::Entry<'_>,
            now: jiff::Timestamp,
        ) -> Result<(), $error> {
            // One writer per chain at a time; two would continue the same entry.
            sqlx::query!(
                "select pg_advisory_xact_lock(hashtextextended('" + $schema + ".audit.' || $1::text, 0))",
                workspace.to_string(),
            )
            .execute(&mut *conn)
            .await?;
            let end = sqlx::query_as!(
                $crate::audit::End,
                r#"
                select number as "number!", hash as "hash!"
                  from (select number, hash from "# + $schema + r#".audit where workspace_id = $1
                        union all
                        select number, hash from "# + $schema + r#".audit_anchor where workspace_id = $1) as ends
                 order by number desc
                 limit 1
                "#,
                workspace.0,
            )
            .fetch_optional(&mut *conn)
            .await?;
            let link = $crate::audit::Link::after(end.unwrap_or_default(), workspace, now, entry);
            sqlx::query!(
                "insert into " + $schema + r#".audit
                        (workspace_id, number, happened_at, actor, action, outcome, detail, previous_hash, hash)
                 values ($1, $2, timestamptz 'epoch' + $3::bigint * interval '1 microsecond', $4, $5, $6, $7, $8, $9)"#,
                workspace.0,
                link.number,
                link.at,
                entry.actor,
                entry.action,
                entry.outcome,
                entry.detail,
                link.previous_hash,
                link.hash,
            )
            .execute(conn)
            .await?;
            Ok(())
        }

        /// Checks a chain, from where its old entries were forgotten, and returns the number of its last entry.
        pub async fn verify(
            conn: &mut sqlx::PgConnection,
            workspace: domain::WorkspaceId,
        ) -> Result<Result<i64, $crate::audit::Broken>, $error> {
            let anchor = sqlx::query_as!(
                $crate::audit::End,
                "select number, hash from " + $schema + ".audit_anchor where workspace_id = $1",
                workspace.0,
            )
            .fetch_optional(&mut *conn)
            .await?;
            let rows = sqlx::query!(
                r#"
                select number, (extract(epoch from happened_at) * 1000000)::bigint as "at!",
                       actor, action, outcome, detail, previous_hash, hash
                  from "# + $schema + r#".audit
                 where workspace_id = $1
                 order by number
                "#,
                workspace.0,
            )
            .fetch_all(conn)
            .await?;
            let mut end = anchor.unwrap_or_default();
            for row in rows {
                let entry = $crate::audit::Entry {
                    actor: &row.actor,
                    action: &row.action,
                    outcome: &row.outcome,
                    detail: &row.detail,
                };
                let link = $crate::audit::Link {
                    number: row.number,
                    at: row.at,
                    previous_hash: row.previous_hash,
                    hash: row.hash,
                };
                if !link.continues(&end, workspace, &entry) {
                    return Ok(Err($crate::audit::Broken { number: end.number + 1 }));
                }
                end = link.into_end();
            }
            Ok(Ok(end.number))
        }

        /// Forgets entries older than a year; the last of them stays as the anchor of those that remain.
        pub async fn forget_old(
            conn: &mut sqlx::PgConnection,
            workspace: domain::WorkspaceId,
        ) -> Result<i64, $error> {
            let forgotten = sqlx::query_scalar!(
                "select " + $schema + r#".forget_old_audit($1) as "forgotten!""#,
                workspace.0,
            )
            .fetch_one(conn)
            .await?;
            Ok(forgotten)
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    const ENTRY: Entry<'_> = Entry { actor: "ada", action: "connect", outcome: "done", detail: "" };

    #[test]
    fn an_entry_fits_only_behind_the_one_it_was_put_behind() {
        let workspace = WorkspaceId::generate();
        let first = Link::after(End::default(), workspace, Timestamp::UNIX_EPOCH, &ENTRY);
        let end = first.clone().into_end();
        let second = Link::after(end.clone(), workspace, Timestamp::UNIX_EPOCH, &ENTRY);
        assert!(first.continues(&End::default(), workspace, &ENTRY));
        assert!(second.continues(&end, workspace, &ENTRY));
        assert!(!second.continues(&End::default(), workspace, &ENTRY));
        assert!(!second.continues(&end, WorkspaceId::generate(), &ENTRY));
        assert!(!second.continues(&end, workspace, &Entry { detail: "more", ..ENTRY }));
    }
}
