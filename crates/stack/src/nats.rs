//! A nats-server of our own, with the users and rights of production.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use serde::Deserialize;

use crate::process::Process;
use crate::{random_hex, write_private};

/// The configuration that every deployment shares: rights, limits, durability.
const CONFIG: &str = include_str!("../../../deploy/nats/nats-server.conf");

/// How long a server may take to listen.
const PATIENCE: Duration = Duration::from_secs(60);

/// Who may log in to NATS.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum NatsUser {
    /// Publishes raw chunks and run events, consumes commands.
    Extractor,
    /// Consumes raw chunks, publishes mapped ones, unmapped values and commands.
    Mapper,
    /// Consumes mapped chunks, publishes the change feed.
    Writer,
    /// Keeps who is signed in to the console.
    Console,
    /// Shapes streams, consumers and buckets.
    Migrate,
    /// Sees everything, changes nothing.
    Observer,
}

impl NatsUser {
    /// All of them.
    pub const ALL: [Self; 6] =
        [Self::Extractor, Self::Mapper, Self::Writer, Self::Console, Self::Migrate, Self::Observer];

    /// The name to log in with.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Extractor => "extractor",
            Self::Mapper => "mapper",
            Self::Writer => "writer",
            Self::Console => "console",
            Self::Migrate => "migrate",
            Self::Observer => "observer",
        }
    }

    /// The only prefix below which the user may receive answers.
    #[must_use]
    pub fn inbox_prefix(self) -> String {
        format!("_INBOX_{}", self.name())
    }
}

/// A nats-server that ends when this value is dropped; its files stay in the folder it was given.
#[derive(Debug)]
pub struct Nats {
    program: PathBuf,
    folder: PathBuf,
    passwords: BTreeMap<NatsUser, String>,
    listening: Listening,
    process: Process,
}

/// Where the server listens, as it writes it down itself.
#[derive(Clone, Debug, Deserialize)]
struct Listening {
    nats: Vec<String>,
    monitoring: Vec<String>,
}

impl Nats {
    /// Starts a server on free ports with its files below `folder`.
    ///
    /// # Errors
    /// The server does not come up; the message ends with what it said.
    pub async fn start(program: &Path, folder: &Path) -> anyhow::Result<Self> {
        let folder = folder.join("nats");
        std::fs::create_dir(&folder).with_context(|| format!("creating {}", folder.display()))?;
        let passwords: BTreeMap<_, _> = NatsUser::ALL.into_iter().map(|user| (user, random_hex())).collect();
        write_private(&folder.join("nats-server.conf"), CONFIG)?;
        write_private(&folder.join("secrets.conf"), &secrets(&passwords))?;
        for (user, password) in &passwords {
            write_private(&password_file(&folder, *user), password)?;
        }
        write_addresses(&folder, "-1", "127.0.0.1:-1")?;
        let mut process = spawn(program, &folder)?;
        let listening = ready(&mut process, &folder).await?;
        Ok(Self { program: program.to_owned(), folder, passwords, listening, process })
    }

    /// The address for clients, without user and password.
    #[must_use]
    pub fn url(&self) -> &str {
        first(&self.listening.nats)
    }

    /// The address of the monitoring pages (`/jsz`, `/connz`).
    #[must_use]
    pub fn monitoring_url(&self) -> &str {
        first(&self.listening.monitoring)
    }

    /// The password of `user`.
    #[must_use]
    pub fn password(&self, user: NatsUser) -> &str {
        self.passwords.get(&user).map_or("", String::as_str)
    }

    /// The file that holds the password of `user`, as a service reads it.
    #[must_use]
    pub fn password_file(&self, user: NatsUser) -> PathBuf {
        password_file(&self.folder, user)
    }

    /// Connects as `user`.
    ///
    /// # Errors
    /// The server refused.
    pub async fn connect(&self, user: NatsUser) -> anyhow::Result<async_nats::Client> {
        async_nats::ConnectOptions::with_user_and_password(user.name().to_owned(), self.password(user).to_owned())
            .name(user.name())
            .custom_inbox_prefix(user.inbox_prefix())
            .connect(self.url())
            .await
            .with_context(|| format!("connecting to NATS as {}", user.name()))
    }

    /// The process id of the server.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Sends a signal, such as SIGSTOP and SIGCONT, to the server.
    ///
    /// # Errors
    /// The system refused.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.process.signal(signal)
    }

    /// Kills the server as a crash would.
    ///
    /// # Errors
    /// It does not die.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.process.kill().await.map(|_| ())
    }

    /// Stops the server in good order.
    ///
    /// # Errors
    /// It does not stop.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.process.stop(Signal::TERM, PATIENCE).await.map(|_| ())
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// The system can't tell.
    pub fn exit_status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.process.exit_status()
    }

    /// Starts a stopped server again, on the same data and the same ports.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        let port = port_of(self.url())?;
        let monitoring = port_of(self.monitoring_url())?;
        write_addresses(&self.folder, &port.to_string(), &format!("127.0.0.1:{monitoring}"))?;
        self.process = spawn(&self.program, &self.folder)?;
        self.listening = ready(&mut self.process, &self.folder).await?;
        Ok(())
    }
}

fn secrets(passwords: &BTreeMap<NatsUser, String>) -> String {
    let mut text: String = passwords
        .iter()
        .map(|(user, password)| format!("{}_PASSWORD: \"{password}\"\n", user.name().to_uppercase()))
        .collect();
    text.push_str(&format!("JETSTREAM_KEY: \"{}\"\n", random_hex()));
    text
}

fn write_addresses(folder: &Path, port: &str, http: &str) -> anyhow::Result<()> {
    let store = folder.join("store");
    let ports = folder.join("ports");
    std::fs::create_dir_all(&ports).context("creating the folder of the ports file")?;
    let text = format!(
        "host: \"127.0.0.1\"\nport: {port}\nhttp: \"{http}\"\nports_file_dir: {ports:?}\n\
         LANESYNC_STORE: {store:?}\nLANESYNC_MAX_STORE: 16GB\n"
    );
    write_private(&folder.join("server.conf"), &text)
}

fn spawn(program: &Path, folder: &Path) -> anyhow::Result<Process> {
    let mut command = Command::new(program);
    command.arg("-c").arg(folder.join("nats-server.conf"));
    command.env_clear().current_dir(folder);
    // A server that was killed leaves its ports file behind; an old one must not be taken for the new one.
    if let Some(old) = ports_file(folder) {
        std::fs::remove_file(old).context("removing an old ports file")?;
    }
    let log = folder.with_file_name("nats.log");
    Process::spawn("nats-server", command, &log, Signal::KILL)
}

async fn ready(process: &mut Process, folder: &Path) -> anyhow::Result<Listening> {
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = process.exit_status()? {
            bail!("nats-server ended ({status}):\n{}", process.last_words(10));
        }
        // The file appears before it is written in full.
        let listening = ports_file(folder)
            .and_then(|file| std::fs::read(file).ok())
            .and_then(|text| serde_json::from_slice::<Listening>(&text).ok());
        if let Some(listening) = listening {
            return Ok(listening);
        }
        if Instant::now() >= deadline {
            bail!("nats-server does not listen:\n{}", process.last_words(10));
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
}

fn ports_file(folder: &Path) -> Option<PathBuf> {
    std::fs::read_dir(folder.join("ports"))
        .ok()?
        .filter_map(Result::ok)
        .map(|entry| entry.path())
        .find(|path| path.extension().is_some_and(|end| end == "ports"))
}

fn password_file(folder: &Path, user: NatsUser) -> PathBuf {
    folder.join(format!("{}.password", user.name()))
}

fn first(urls: &[String]) -> &str {
    urls.first().map_or("", String::as_str)
}

fn port_of(address: &str) -> anyhow::Result<u16> {
    let parsed: url::Url = address.parse().context("reading an address of NATS")?;
    parsed.port().with_context(|| format!("{address} has no port"))
}
