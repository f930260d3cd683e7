//! Schema `auth`. Functions take a connection, so the caller owns the transaction; a tenant's rows are seen only in a
//! transaction of [`Store::begin`].

pub mod audit;
pub mod connection;
pub mod ending;
pub mod flow;
pub mod intent;
mod moment;
pub mod push;
pub mod schedule;
pub mod state;
pub mod token;
pub mod traffic;
pub mod workspace;

use domain::WorkspaceId;
use sqlx::{PgPool, Postgres, Transaction};

/// Why the store gave nothing.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Postgres refused or is away.
    #[error("asking Postgres")]
    Postgres(#[from] sqlx::Error),
    /// A row holds what no version of ours wrote.
    #[error("{table} of workspace {workspace} holds what can't be")]
    Impossible {
        /// The table.
        table: &'static str,
        /// The workspace.
        workspace: WorkspaceId,
    },
}

impl StoreError {
    /// Whether trying again can help.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        match self {
            Self::Postgres(error) => service::postgres::is_transient(error),
            Self::Impossible { .. } => false,
        }
    }
}

/// The way to the schema.
#[derive(Clone, Debug)]
pub struct Store {
    pool: PgPool,
}

impl Store {
    /// Uses a pool of the role `lanesync_auth`.
    #[must_use]
    pub fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    /// Returns the pool, for tables without tenants.
    #[must_use]
    pub fn pool(&self) -> &PgPool {
        &self.pool
    }

    /// Begins a transaction that sees and takes rows of one workspace only.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn begin(&self, workspace: WorkspaceId) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut transaction = self.pool.begin().await?;
        service::postgres::in_workspace(&mut transaction, workspace).await?;
        Ok(transaction)
    }

    /// As [`Self::begin`], for reading only: all reads see one moment, so what they say fits together.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn begin_reading(&self, workspace: WorkspaceId) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut transaction = self.pool.begin_with("begin isolation level repeatable read read only").await?;
        service::postgres::in_workspace(&mut transaction, workspace).await?;
        Ok(transaction)
    }
}
