//! The extractor's own tables. Functions take a connection, so the caller owns the transaction.

pub mod coverage;
pub mod field_list;
pub mod figures;
pub mod manifest;
pub mod pending;
pub mod run;
pub mod usage;
pub mod workspace;

use domain::WorkspaceId;
use sqlx::{PgConnection, PgPool, Postgres, Transaction};

/// The books could not be read or written.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres failed.
    #[error("using the extractor's tables")]
    Postgres(#[from] sqlx::Error),
    /// A row holds what no code of ours writes.
    #[error("table {table} holds an impossible row for {key}")]
    Impossible {
        /// Table.
        table: &'static str,
        /// Key of the row; never a value.
        key: String,
    },
}

impl StoreError {
    fn impossible(table: &'static str, key: impl std::fmt::Display) -> Self {
        Self::Impossible { table, key: key.to_string() }
    }
}

/// Begins a transaction that sees one workspace's rows and no others.
///
/// # Errors
/// When Postgres fails.
pub async fn begin(pool: &PgPool, workspace: WorkspaceId) -> Result<Transaction<'static, Postgres>, StoreError> {
    let mut transaction = pool.begin().await?;
    service::postgres::in_workspace(&mut transaction, workspace).await?;
    Ok(transaction)
}

/// Takes the next read number. Every record of the call that follows carries it.
///
/// # Errors
/// When Postgres fails.
pub async fn next_read_seq(conn: &mut PgConnection) -> Result<i64, StoreError> {
    Ok(sqlx::query_scalar!(r#"select nextval('extractor.read_seq') as "seq!""#).fetch_one(conn).await?)
}
