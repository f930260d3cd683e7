//! Brings Postgres and NATS to the shape that the services expect, then exits.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use clap::{Parser, Subcommand};
use messaging::Bus;
use migrate::RolePasswords;
use tokio::signal::unix::{SignalKind, signal};

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
    /// The address of NATS.
    #[arg(long, env = "LANESYNC_NATS_URL", global = true)]
    nats_url: Option<String>,
    /// Who logs in to NATS.
    #[arg(long, env = "LANESYNC_NATS_USER", global = true)]
    nats_user: Option<String>,
    /// The file with that user's password.
    #[arg(long, env = "LANESYNC_NATS_PASSWORD_FILE", global = true)]
    nats_password_file: Option<PathBuf>,
    /// Copies of every stream: 3 in a cluster.
    #[arg(long, env = "LANESYNC_MIGRATE_NATS_REPLICAS", default_value_t = 1, global = true)]
    nats_replicas: usize,
    /// The most bytes any stream may take, for small disks.
    #[arg(long, env = "LANESYNC_MIGRATE_NATS_MAX_BYTES", global = true)]
    nats_max_bytes: Option<i64>,
    #[command(subcommand)]
    part: Option<Part>,
}

#[derive(Clone, PartialEq, Eq, Subcommand)]
enum Part {
    /// Roles, schemas and tables only.
    Postgres,
    /// Streams and consumers only.
    Nats,
    /// Makes the secrets of an installation in containers, where they are missing; connects to nothing.
    Secrets(Secrets),
    /// Issues every identity of an installation in containers its certificate; connects to nothing.
    Certificates(Certificates),
}

#[derive(Clone, PartialEq, Eq, clap::Args)]
struct Certificates {
    /// The folder whose sub-folders are the volumes of the identities.
    #[arg(long, env = "LANESYNC_MIGRATE_CERTIFICATES_DIR")]
    folder: PathBuf,
    /// Stays, and issues others every so often, e.g. 8h; they hold for 24 hours.
    #[arg(long, value_parser = service::config::duration)]
    every: Option<Duration>,
    /// Instead, only says whether every certificate still holds.
    #[arg(long, conflicts_with = "every")]
    check: bool,
}

#[derive(Clone, PartialEq, Eq, clap::Args)]
struct Secrets {
    /// The folder whose sub-folders are the volumes of the programs.
    #[arg(long, env = "LANESYNC_MIGRATE_SECRETS_DIR")]
    folder: PathBuf,
    /// Host, port and name of the database.
    #[arg(long, default_value = "postgres:5432/lanesync")]
    database: String,
    /// Instead, keeps what is read from standard input as the secret of the Salesforce app.
    #[arg(long)]
    salesforce: bool,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    if let Some(Part::Secrets(secrets)) = &arguments.part {
        return make_secrets(secrets);
    }
    if let Some(Part::Certificates(certificates)) = &arguments.part {
        return issue_certificates(certificates).await;
    }
    if arguments.part != Some(Part::Nats) {
        migrate_postgres(&arguments).await?;
    }
    if arguments.part != Some(Part::Postgres) {
        migrate_nats(&arguments).await?;
    }
    Ok(())
}

fn make_secrets(secrets: &Secrets) -> anyhow::Result<()> {
    if secrets.salesforce {
        return Ok(migrate::secrets::keep_salesforce_secret(&secrets.folder, std::io::stdin())?);
    }
    Ok(migrate::secrets::make(&secrets.folder, &secrets.database)?)
}

async fn issue_certificates(asked: &Certificates) -> anyhow::Result<()> {
    if asked.check {
        ensure!(migrate::certificates::hold(&asked.folder), "a certificate is missing or has ended");
        return Ok(());
    }
    migrate::certificates::issue(&asked.folder)?;
    let Some(every) = asked.every else { return Ok(()) };
    let mut terminate = signal(SignalKind::terminate()).context("listening for SIGTERM")?;
    let mut tick = tokio::time::interval_at(tokio::time::Instant::now() + every, every);
    loop {
        tokio::select! {
            _ = terminate.recv() => return Ok(()),
            _ = tick.tick() => migrate::certificates::issue(&asked.folder)?,
        }
    }
}

async fn migrate_postgres(arguments: &Arguments) -> anyhow::Result<()> {
    let url_file = arguments.database_url_file.as_deref().context("LANESYNC_DATABASE_URL_FILE is not set")?;
    let url = read(url_file)?;
    ensure!(!url.is_empty(), "{} is empty", url_file.display());
    let passwords = match &arguments.role_passwords_file {
        Some(file) => RolePasswords::from_json(&read(file)?)?,
        None => RolePasswords::default(),
    };
    migrate::postgres(&url, &passwords).await.context("migrating Postgres")
}

async fn migrate_nats(arguments: &Arguments) -> anyhow::Result<()> {
    let config = messaging::Config {
        url: arguments.nats_url.clone().context("LANESYNC_NATS_URL is not set")?,
        user: arguments.nats_user.clone(),
        password: arguments.nats_password_file.as_deref().map(read).transpose()?,
        client_name: "lanesync-migrate".to_owned(),
    };
    let bus = Bus::connect(&config).await.context("connecting to NATS")?;
    migrate::nats(&bus, arguments.nats_replicas, arguments.nats_max_bytes).await.context("shaping NATS")?;
    bus.drain().await;
    Ok(())
}

/// Reads a file without the line end that editors leave.
fn read(file: &Path) -> anyhow::Result<String> {
    let text = std::fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
    Ok(text.trim().to_owned())
}
