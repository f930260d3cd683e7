//! Runs a command, such as all tests, beside one Postgres that ends with it.

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context as _, bail};
use stack::{Folder, Postgres, PostgresOptions, Process, Signal};

use crate::interrupt::Interrupts;

/// How long the command may take to end once it was asked to.
const GRACE: Duration = Duration::from_secs(10);

/// What to run.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Gives the command a migrated database as `DATABASE_URL`.
    #[arg(long)]
    migrated: bool,
    /// Then, if the command succeeds, checks docker-compose.yml on the engine of this machine.
    #[arg(long)]
    compose_check: bool,
    /// The command.
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs the command and answers with its exit code, or with the check's that follows it; nothing is left running after it.
pub(crate) async fn run(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let mut interrupts = Interrupts::new()?;
    let prepared = tokio::select! {
        prepared = prepare(&arguments) => prepared?,
        _ = interrupts.next() => return Ok(ExitCode::from(130)),
    };
    let Prepared { mut process, mut postgres, folder: _folder } = prepared;

    let status = loop {
        tokio::select! {
            ended = process.ended_within(Duration::from_secs(3600)) => {
                if let Some(status) = ended? {
                    break status;
                }
            }
            // The command has a process group of its own, so Ctrl-C reaches it only through here.
            signal = interrupts.next() => break process.stop(signal, GRACE).await?,
        }
    };
    postgres.stop().await?;
    if arguments.compose_check && status.success() {
        return crate::compose::run(crate::compose::Arguments::default()).await;
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::from(130), ExitCode::from))
}

/// Everything that must live as long as the command.
struct Prepared {
    process: Process,
    postgres: Postgres,
    folder: Folder,
}

async fn prepare(arguments: &Arguments) -> anyhow::Result<Prepared> {
    let search = crate::search();
    let folder = Folder::new("test")?;
    let postgres = Postgres::start(search.postgres()?, folder.path(), tuned_for_tests()).await?;
    let Some((program, rest)) = arguments.command.split_first() else {
        bail!("no command to run");
    };
    let mut command = Command::new(program);
    command
        .args(rest)
        .env("LANESYNC_TEST_DATABASE_URL", postgres.admin_url())
        .env("LANESYNC_TEST_NATS_SERVER", search.nats_server()?.program)
        .env("LANESYNC_TEST_BIN_DIR", crate::programs()?);
    if arguments.migrated {
        let url = migrated_database(&postgres, &folder).await?;
        command.env("DATABASE_URL", url);
    }
    let process = Process::spawn_in_terminal("the command", command, Signal::TERM)?;
    Ok(Prepared { process, postgres, folder })
}

/// Many small databases, each made and used for a second.
fn tuned_for_tests() -> PostgresOptions {
    let settings =
        [("max_wal_size", "4GB"), ("checkpoint_timeout", "30min"), ("wal_level", "minimal"), ("max_wal_senders", "0")];
    PostgresOptions {
        max_connections: 400,
        settings: settings.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
    }
}

async fn migrated_database(postgres: &Postgres, folder: &Folder) -> anyhow::Result<String> {
    let url = postgres.database("lanesync").await?;
    let secrets = folder.private("secrets")?;
    let url_file = secrets.join("admin.database-url");
    stack::write_private(&url_file, &url)?;
    let migrate = crate::programs()?.join("lanesync-migrate");
    let mut command = Command::new(migrate);
    command.arg("postgres").env_clear().env("LANESYNC_DATABASE_URL_FILE", &url_file);
    let log = folder.path().join("migrate.log");
    migrate_to_end(command, &log).await?;
    Ok(url)
}

async fn migrate_to_end(command: Command, log: &Path) -> anyhow::Result<()> {
    let mut process = Process::spawn("lanesync-migrate", command, log, Signal::KILL)?;
    let status = process.ended_within(Duration::from_secs(120)).await?.context("lanesync-migrate did not end")?;
    if !status.success() {
        bail!("lanesync-migrate failed:\n{}", process.last_words(10));
    }
    Ok(())
}
