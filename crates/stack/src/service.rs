//! One service of the product as a real process.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use contract::access::Identity;
use rustix::process::Signal;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::port::free_address;
use crate::process::Process;

/// How long a service may take until it is ready: it connects to everything it needs before.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a service may take to end after SIGTERM; its own budget is shorter.
const GRACE: Duration = Duration::from_secs(45);
/// What a service may see of this process's environment besides its own settings.
const INHERITED: [&str; 6] =
    ["PATH", "HOME", "TMPDIR", "RUST_BACKTRACE", "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_RESOURCE_ATTRIBUTES"];

/// The services of the product.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ServiceName {
    /// Connections and tokens.
    Auth,
    /// The reader of Salesforce.
    Extractor,
    /// Mappings, previews, replays.
    Mapper,
    /// Customers and locks.
    Writer,
    /// The settings pages.
    Console,
}

impl ServiceName {
    /// All of them, in the order in which they start.
    pub const ALL: [Self; 5] = [Self::Auth, Self::Writer, Self::Mapper, Self::Extractor, Self::Console];

    /// Its name in settings, NATS users and Postgres roles.
    #[must_use]
    pub const fn short(self) -> &'static str {
        match self {
            Self::Auth => "auth",
            Self::Extractor => "extractor",
            Self::Mapper => "mapper",
            Self::Writer => "writer",
            Self::Console => "console",
        }
    }

    /// Its program.
    #[must_use]
    pub const fn program(self) -> &'static str {
        match self {
            Self::Auth => "lanesync-auth",
            Self::Extractor => "lanesync-extractor",
            Self::Mapper => "lanesync-mapper",
            Self::Writer => "lanesync-customer-writer",
            Self::Console => "lanesync-console",
        }
    }

    /// Who it is to those it calls and to those that call it.
    #[must_use]
    pub const fn identity(self) -> Identity {
        match self {
            Self::Auth => Identity::Auth,
            Self::Extractor => Identity::Extractor,
            Self::Mapper => Identity::Mapper,
            Self::Writer => Identity::Writer,
            Self::Console => Identity::Console,
        }
    }

    /// Whether it calls `peer`; a service refuses settings that it has no use for.
    #[must_use]
    pub const fn calls(self, peer: Self) -> bool {
        match self {
            Self::Auth => matches!(peer, Self::Extractor | Self::Mapper | Self::Writer),
            Self::Extractor => matches!(peer, Self::Auth | Self::Mapper | Self::Writer),
            Self::Mapper => matches!(peer, Self::Extractor | Self::Writer),
            Self::Writer => matches!(peer, Self::Mapper),
            Self::Console => !matches!(peer, Self::Console),
        }
    }

    /// Whether it has a Postgres schema of its own.
    #[must_use]
    pub const fn has_database(self) -> bool {
        !matches!(self, Self::Console)
    }

    /// Its Postgres role.
    #[must_use]
    pub fn role(self) -> String {
        format!("lanesync_{}", self.short())
    }
}

/// Where a service listens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Addresses {
    /// The gRPC API.
    pub grpc: SocketAddr,
    /// gRPC health alone, without TLS.
    pub health: SocketAddr,
    /// Prometheus metrics.
    pub metrics: SocketAddr,
    /// Pages for people; only the console listens there.
    pub web: SocketAddr,
}

impl Addresses {
    /// Four free ports of this machine.
    ///
    /// # Errors
    /// There are none.
    pub fn free() -> anyhow::Result<Self> {
        Ok(Self { grpc: free_address()?, health: free_address()?, metrics: free_address()?, web: free_address()? })
    }

    /// The address of the gRPC API as its clients are given it: sealed by mutual TLS, or in the clear.
    #[must_use]
    pub fn grpc_url(&self, is_sealed: bool) -> String {
        format!("{}://{}", if is_sealed { "https" } else { "http" }, self.grpc)
    }

    /// The address of the pages as browsers are given it.
    #[must_use]
    pub fn web_url(&self) -> String {
        format!("http://{}", self.web)
    }
}

/// A service that runs, or that ran and can be started again with the same settings and addresses.
///
/// Dropping it kills it.
#[derive(Debug)]
pub struct Service {
    name: ServiceName,
    program: PathBuf,
    environment: BTreeMap<OsString, OsString>,
    addresses: Addresses,
    log: PathBuf,
    process: Process,
}

impl Service {
    /// Starts `name` from the folder `programs`, logging to `logs`; [`Service::ready`] says when it serves.
    ///
    /// The service sees `settings`, its addresses, and next to nothing of this process's environment.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn spawn(
        name: ServiceName,
        programs: &Path,
        settings: BTreeMap<OsString, OsString>,
        addresses: Addresses,
        logs: &Path,
    ) -> anyhow::Result<Self> {
        let mut environment: BTreeMap<OsString, OsString> =
            INHERITED.iter().filter_map(|name| Some((OsString::from(name), std::env::var_os(name)?))).collect();
        environment.extend(settings);
        for (variable, value) in [
            ("LANESYNC_GRPC_ADDR", addresses.grpc.to_string()),
            ("LANESYNC_HEALTH_ADDR", addresses.health.to_string()),
            ("OTEL_EXPORTER_PROMETHEUS_HOST", addresses.metrics.ip().to_string()),
            ("OTEL_EXPORTER_PROMETHEUS_PORT", addresses.metrics.port().to_string()),
        ] {
            environment.insert(variable.into(), value.into());
        }
        if name == ServiceName::Console {
            environment.insert("LANESYNC_HTTP_ADDR".into(), addresses.web.to_string().into());
        }
        let program = programs.join(name.program());
        let log = logs.join(format!("{}.log", name.short()));
        let process = run(name, &program, &environment, &log)?;
        Ok(Self { name, program, environment, addresses, log, process })
    }

    /// Waits until the service says that it is ready to work.
    ///
    /// # Errors
    /// It ended or is not ready in a minute; the message ends with what it logged.
    pub async fn ready(&mut self) -> anyhow::Result<()> {
        let name = self.name.program();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.process.exit_status()? {
                bail!("{name} ended ({status}):\n{}", self.process.last_words(10));
            }
            if self.is_serving().await {
                return Ok(());
            }
            if Instant::now() >= deadline {
                bail!("{name} is not ready after {} s:\n{}", PATIENCE.as_secs(), self.process.last_words(10));
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Whether it answers that it is ready, at this moment.
    pub async fn is_serving(&self) -> bool {
        let answer = async {
            let address = format!("http://{}", self.addresses.health);
            let channel = tonic::transport::Endpoint::from_shared(address).ok()?.connect().await.ok()?;
            let request = HealthCheckRequest { service: "readiness".to_owned() };
            let answer = HealthClient::new(channel).check(request).await.ok()?;
            Some(answer.into_inner().status() == ServingStatus::Serving)
        };
        tokio::time::timeout(Duration::from_secs(2), answer).await.ok().flatten().unwrap_or(false)
    }

    /// Which service it is.
    #[must_use]
    pub const fn name(&self) -> ServiceName {
        self.name
    }

    /// Where it listens; the same over restarts.
    #[must_use]
    pub const fn addresses(&self) -> Addresses {
        self.addresses
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// The file it logs to, over all its restarts.
    #[must_use]
    pub fn log(&self) -> &Path {
        &self.log
    }

    /// The settings it was started with.
    pub fn settings(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.environment.iter().map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// Sends a signal, such as SIGSTOP and SIGCONT.
    ///
    /// # Errors
    /// The system refused.
    pub fn signal(&mut self, signal: Signal) -> anyhow::Result<()> {
        self.process.signal(signal)
    }

    /// How it ended, or `None` while it runs.
    ///
    /// # Errors
    /// The system can't tell.
    pub fn exit_status(&mut self) -> anyhow::Result<Option<ExitStatus>> {
        self.process.exit_status()
    }

    /// Kills it with SIGKILL and waits until it is gone.
    ///
    /// # Errors
    /// It does not die.
    pub async fn kill(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.kill().await
    }

    /// Asks it to stop with SIGTERM and waits for the end; kills it if it takes longer than it may.
    ///
    /// # Errors
    /// The system refused.
    pub async fn stop(&mut self) -> anyhow::Result<ExitStatus> {
        self.process.stop(Signal::TERM, GRACE).await
    }

    /// Starts it again after it ended, without waiting until it is ready.
    ///
    /// # Errors
    /// The program can't be started.
    pub fn spawn_again(&mut self) -> anyhow::Result<()> {
        self.process = run(self.name, &self.program, &self.environment, &self.log)?;
        Ok(())
    }

    /// Starts it again after it ended, and waits until it is ready.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.spawn_again()?;
        self.ready().await
    }

    /// Stops it and starts it again.
    ///
    /// # Errors
    /// It does not become ready.
    pub async fn restart(&mut self) -> anyhow::Result<()> {
        self.stop().await?;
        self.start_again().await
    }
}

fn run(
    name: ServiceName,
    program: &Path,
    environment: &BTreeMap<OsString, OsString>,
    log: &Path,
) -> anyhow::Result<Process> {
    let mut command = Command::new(program);
    command.env_clear().envs(environment);
    Process::spawn(name.program(), command, log, Signal::KILL).with_context(|| format!("starting {}", name.program()))
}
