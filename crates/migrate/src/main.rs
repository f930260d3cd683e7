//! Brings Postgres and NATS to the shape that the services expect, then exits.

use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use migrate::RolePasswords;

/// Migrates Postgres and shapes NATS; safe to run again at any time.
#[derive(Parser)]
#[command(name = "lanesync-migrate", version)]
struct Arguments {
    /// The file with the administrator's address of the database.
    #[arg(long, env = "LANESYNC_DATABASE_URL_FILE", global = true)]
    database_url_file: Option<PathBuf>,
    /// The file with the passwords of the roles, as JSON; without it the roles keep theirs.
    #[arg(long, env = "LANESYNC_MIGRATE_ROLE_PASSWORDS_FILE", global = true)]
    role_passwords_file: Option<PathBuf>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Clone, Copy, PartialEq, Eq, Subcommand)]
enum Part {
    /// Roles, schemas and tables only.
    Postgres,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    migrate_postgres(&arguments).await
}

async fn migrate_postgres(arguments: &Arguments) -> anyhow::Result<()> {
    let url_file = arguments
        .database_url_file
        .as_deref()
        .context("LANESYNC_DATABASE_URL_FILE is not set")?;
    let url = read(url_file)?;
    ensure!(!url.trim().is_empty(), "{} is empty", url_file.display());
    let passwords = match &arguments.role_passwords_file {
        Some(file) => RolePasswords::from_json(&read(file)?)?,
        None => RolePasswords::default(),
    };
    migrate::postgres(url.trim(), &passwords)
        .await
        .context("migrating Postgres")
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))
}
