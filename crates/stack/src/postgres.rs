//! A Postgres server of our own.

use std::ffi::OsStr;
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use sqlx::{AssertSqlSafe, Connection as _, PgConnection};

use crate::process::Process;
use crate::{free_port, random_hex, write_private};

/// What a new server should be good for.
#[derive(Clone, Debug)]
pub struct PostgresOptions {
    /// How many connections it takes.
    pub max_connections: u32,
    /// Further settings, as in `postgresql.conf`.
    pub settings: Vec<(String, String)>,
}

impl Default for PostgresOptions {
    fn default() -> Self {
        Self { max_connections: 200, settings: Vec::new() }
    }
}

/// A Postgres server that ends, with all its data, when this value is dropped.
///
/// It listens on 127.0.0.1 only, has no socket file, and asks everybody for a password.
#[derive(Debug)]
pub struct Postgres {
    programs: servers::Postgres,
    folder: PathBuf,
    options: PostgresOptions,
    port: u16,
    password: String,
    process: Process,
}

/// How long a server may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

impl Postgres {
    /// Makes a database cluster in `folder` and starts a server on it.
    ///
    /// # Errors
    /// The server does not come up; the message ends with what it said.
    pub async fn start(programs: servers::Postgres, folder: &Path, options: PostgresOptions) -> anyhow::Result<Self> {
        let folder = folder.join("postgres");
        std::fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let password = random_hex();
        init_cluster(&programs, &folder, &password)?;

        // Between choosing a port and listening on it somebody else may take it.
        let mut attempts = 5;
        loop {
            attempts -= 1;
            let port = free_port()?;
            let process = spawn(&programs, &folder, port, &options)?;
            let mut server = Self {
                programs: programs.clone(),
                folder: folder.clone(),
                options: options.clone(),
                port,
                password: password.clone(),
                process,
            };
            match server.ready().await {
                Ok(()) => return Ok(server),
                Err(_) if attempts > 0 && server.port_was_taken() => {}
                Err(error) => return Err(error),
            }
        }
    }

    /// The address of the superuser's own database.
    #[must_use]
    pub fn admin_url(&self) -> String {
        self.url_of("postgres", &self.password, "postgres")
    }

    /// The address of `database` for `role`.
    #[must_use]
    pub fn url_of(&self, role: &str, password: &str, database: &str) -> String {
        format!("postgres://{role}:{password}@127.0.0.1:{}/{database}", self.port)
    }

    /// Makes an empty database and returns its address for the superuser.
    ///
    /// # Errors
    /// The server refused.
    pub async fn database(&self, name: &str) -> anyhow::Result<String> {
        let mut admin = PgConnection::connect(&self.admin_url()).await.context("connecting to Postgres")?;
        let plain = name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_');
        anyhow::ensure!(plain, "{name:?} is no name for a database");
        sqlx::query(AssertSqlSafe(format!("create database {name}")))
            .execute(&mut admin)
            .await
            .with_context(|| format!("creating database {name}"))?;
        Ok(self.url_of("postgres", &self.password, name))
    }

    /// The process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Stops the server: open transactions are rolled back, everything is written.
    ///
    /// # Errors
    /// It does not stop.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.stop(Signal::INT, PATIENCE).await.map(|_| ())
    }

    /// Stops the server as a crash would: nothing more is written, the next start recovers from the log.
    ///
    /// # Errors
    /// It does not stop.
    pub async fn crash(&mut self) -> anyhow::Result<()> {
        self.process.stop(Signal::QUIT, PATIENCE).await.map(|_| ())
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// The system can't tell.
    pub fn exit_status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.process.exit_status()
    }

    /// Starts a stopped server again, on the same data and the same port.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.process = spawn(&self.programs, &self.folder, self.port, &self.options)?;
        self.ready().await
    }

    async fn ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.exit_status()? {
                bail!("Postgres ended ({status}):\n{}", self.process.last_words(10));
            }
            let answer = match PgConnection::connect(&self.admin_url()).await {
                Ok(mut conn) => sqlx::query("select 1").execute(&mut conn).await.map(|_| ()),
                Err(error) => Err(error),
            };
            match answer {
                Ok(()) => return Ok(()),
                Err(error) if Instant::now() >= deadline => {
                    return Err(error).context("waiting for Postgres");
                }
                Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
            }
        }
    }

    fn port_was_taken(&self) -> bool {
        self.process.last_words(20).contains("could not bind")
    }
}

/// The user that Postgres runs as: itself where it may, another one in place of root, whom it refuses.
fn unprivileged() -> Option<(u32, u32)> {
    if !rustix::process::getuid().is_root() {
        return None;
    }
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let ids_of = |name: &str| {
        users.lines().find_map(|line| {
            let mut fields = line.split(':');
            let is_named = fields.next()? == name;
            let uid = fields.nth(1)?.parse().ok()?;
            let gid = fields.next()?.parse().ok()?;
            is_named.then_some((uid, gid))
        })
    };
    const NOBODY: (u32, u32) = (65534, 65534);
    ids_of("postgres").or_else(|| ids_of("nobody")).or(Some(NOBODY))
}

/// A Postgres program, run as the right user and without this process's environment.
fn program(programs: &servers::Postgres, name: &str, folder: &Path) -> Command {
    let mut command = Command::new(programs.bin_dir.join(name));
    command.env_clear().env("LC_ALL", "C").env("TZ", "UTC");
    // Ctrl-C in a terminal is for this process, which then ends its children in good order.
    command.process_group(0);
    command.current_dir(folder);
    if let Some((uid, gid)) = unprivileged() {
        command.uid(uid).gid(gid);
    }
    command
}

fn init_cluster(programs: &servers::Postgres, folder: &Path, password: &str) -> anyhow::Result<()> {
    let password_file = folder.join("password");
    write_private(&password_file, password)?;
    if let Some((uid, gid)) = unprivileged() {
        for path in [folder, &password_file] {
            chown(path, Some(uid), Some(gid)).context("giving Postgres its folder")?;
        }
    }
    let arguments: [&OsStr; 14] = [
        "-D".as_ref(),
        "data".as_ref(),
        "-U".as_ref(),
        "postgres".as_ref(),
        "-E".as_ref(),
        "UTF8".as_ref(),
        "--locale=C".as_ref(),
        "-A".as_ref(),
        // The stored form is SCRAM all the same. Sending the password as it is spares each connection of an
        // unoptimized build 50 ms of hashing, and nobody listens in on the loopback of this machine.
        "password".as_ref(),
        "--pwfile".as_ref(),
        password_file.as_ref(),
        // The cluster is new: after a power cut it is made again.
        "--no-sync".as_ref(),
        "--no-instructions".as_ref(),
        "--wal-segsize=4".as_ref(),
    ];
    let made = program(programs, "initdb", folder).args(arguments).output().context("starting initdb")?;
    std::fs::remove_file(&password_file).context("removing the password file of initdb")?;
    if !made.status.success() {
        bail!("initdb failed: {}", String::from_utf8_lossy(&made.stderr));
    }
    Ok(())
}

fn spawn(programs: &servers::Postgres, folder: &Path, port: u16, options: &PostgresOptions) -> anyhow::Result<Process> {
    let mut command = program(programs, "postgres", folder);
    command.args(["-D", "data", "-k", "", "-p", &port.to_string()]);
    let fixed = [
        ("listen_addresses", "127.0.0.1"),
        // A failed statement may hold a password or a customer.
        ("log_min_error_statement", "panic"),
        ("log_parameter_max_length_on_error", "0"),
    ];
    let max_connections = options.max_connections.to_string();
    let chosen = options.settings.iter().map(|(name, value)| (name.as_str(), value.as_str()));
    for (name, value) in fixed.into_iter().chain([("max_connections", max_connections.as_str())]).chain(chosen) {
        command.arg("-c").arg(format!("{name}={value}"));
    }
    let log = folder.with_file_name("postgres.log");
    // SIGQUIT: the server ends its own children and then itself, at once.
    Process::spawn("Postgres", command, &log, Signal::QUIT)
}
