//! Connections to Postgres, the workspace that a transaction works for, and which errors pass by themselves.

use std::str::FromStr;
use std::time::Duration;

use anyhow::Context;
use domain::WorkspaceId;
use secrecy::ExposeSecret;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::{PgConnection, PgPool, Row as _};
use tokio_util::sync::CancellationToken;

use crate::config::{self, Database};
use crate::pool_metrics;
use crate::status::Board;

/// Tables grow from empty, and statements are prepared once: a plan that was best for one page would read the whole table
/// for ever. Every hot statement goes by a key; a plan that reads a whole table anyway is not worth compiling either.
const PLANNER: [(&str, &str); 2] = [("enable_seqscan", "off"), ("jit", "off")];

/// Opens a pool; the first connection must succeed.
///
/// # Errors
/// When the URL is wrong or Postgres refuses.
pub async fn connect(config: &Database, service: &'static str) -> anyhow::Result<PgPool> {
    let url = config::secret(&config.database_url_file)?;
    // The parse error is dropped on purpose: it can quote the URL, which holds a password.
    let options = PgConnectOptions::from_str(url.expose_secret())
        .map_err(|_| anyhow::anyhow!("LANESYNC_DATABASE_URL_FILE does not hold a Postgres URL"))?
        .application_name(service)
        .options(PLANNER);
    let pool = PgPoolOptions::new()
        .max_connections(config.database_max_connections)
        .acquire_timeout(Duration::from_secs(10))
        // For the metric of the wait, not for the log.
        .acquire_time_level(log::LevelFilter::Info)
        // In place of the pool's own ping, which a broken transaction answers as if all were well.
        .test_before_acquire(false)
        .before_acquire(|connection, _| Box::pin(is_clean(connection)))
        .connect_with(options)
        .await
        .context("connecting to Postgres")?;
    pool_metrics::show(&pool, config.database_max_connections);
    Ok(pool)
}

/// Whether no transaction is left open: a call that its client gave up while it began one, or while it rolled one back,
/// leaves the connection in it, and everybody after would be refused. Such a connection is closed.
async fn is_clean(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    // Inside a transaction `now()` is its beginning. Raw, because a prepared statement takes several messages and the clock
    // goes on between them: then a clean connection would not look like one, and each call would make another.
    let row = sqlx::raw_sql("select now() = statement_timestamp()").fetch_one(connection).await?;
    row.try_get(0)
}

/// Binds the rest of the transaction to one workspace: row security shows and takes only its rows.
///
/// # Errors
/// When Postgres fails.
pub async fn in_workspace(transaction: &mut PgConnection, workspace: WorkspaceId) -> Result<(), sqlx::Error> {
    sqlx::query("select set_config('lanesync.workspace', $1, true)")
        .bind(workspace.to_string())
        .execute(transaction)
        .await
        .map(|_| ())
}

/// Whether trying the same work again can help: the connection, a conflict, a lock or a limit stood in the way.
#[must_use]
pub fn is_transient(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(error) => error.code().is_some_and(|code| {
            // Connection, transaction conflict, resources, operator intervention, system, lock not available.
            ["08", "40", "53", "57", "58"].iter().any(|class| code.starts_with(class)) || code == "55P03"
        }),
        _ => false,
    }
}

/// Asks Postgres every two seconds whether it is there and writes the answer on the board, until `stopping`.
///
/// # Errors
/// Never; the signature is that of a task.
pub async fn watch(pool: PgPool, board: Board, stopping: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_secs(2));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        match tokio::time::timeout(Duration::from_secs(5), sqlx::query("select 1").execute(&pool)).await {
            Ok(Ok(_)) => board.up("postgres"),
            Ok(Err(_)) => board.down("postgres", "refused"),
            Err(_) => board.down("postgres", "timed_out"),
        }
    }
}
