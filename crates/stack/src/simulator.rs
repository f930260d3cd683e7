//! The simulated Salesforce as a real process, and the orders that change its world.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::Signal;
use serde::Deserialize;
use serde_json::Value;

use crate::process::Process;
use crate::{Salesforce, write_private};

/// How long seeding a large org may take.
const PATIENCE: Duration = Duration::from_secs(120);
/// How often the log is looked at for the line that says where it listens.
const GLANCE: Duration = Duration::from_millis(20);

/// The size of an org.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OrgSize {
    /// Accounts.
    pub accounts: u32,
    /// Contacts.
    pub contacts: u32,
    /// Leads.
    pub leads: u32,
}

/// What the simulator says when it is ready.
#[derive(Clone, Deserialize)]
struct Ready {
    url: String,
    client_id: String,
    client_secret: String,
}

/// The orders that change a simulated world, wherever it runs.
#[derive(Clone, Debug)]
pub struct Orders {
    url: String,
    http: reqwest::Client,
}

impl Orders {
    /// Orders for the simulator at `url`; connects on first use.
    ///
    /// # Errors
    /// There can be no HTTP client.
    pub fn at(url: &str) -> anyhow::Result<Self> {
        // Fails only when a provider is installed already: then there is one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder().no_proxy().build().context("making an HTTP client")?;
        Ok(Self { url: url.to_owned(), http })
    }

    /// Gives an order to the world and returns the answer.
    ///
    /// # Errors
    /// The order is refused.
    pub async fn give(&self, order: &str, details: Value) -> anyhow::Result<Value> {
        let reply = self.http.post(format!("{}/sim/{order}", self.url)).json(&details).send().await;
        let reply = reply.with_context(|| format!("ordering {order}"))?;
        let (status, body) = (reply.status(), reply.text().await.with_context(|| format!("ordering {order}"))?);
        anyhow::ensure!(status.is_success(), "{order} was refused with {status}: {body}");
        serde_json::from_str(&body).with_context(|| format!("reading the answer to {order}"))
    }
}

impl AsRef<Self> for Orders {
    fn as_ref(&self) -> &Self {
        self
    }
}

/// A running simulator; dropping it ends it.
#[derive(Debug)]
pub struct Simulator {
    process: Process,
    salesforce: Salesforce,
    orders: Orders,
}

impl AsRef<Orders> for Simulator {
    fn as_ref(&self) -> &Orders {
        &self.orders
    }
}

impl Simulator {
    /// Starts the program in the folder `programs` with a seeded org; logs and secrets go to `folder`.
    ///
    /// # Errors
    /// It does not come up.
    pub async fn start(programs: &Path, folder: &Path, size: OrgSize) -> anyhow::Result<Self> {
        let log = folder.join("salesforce-sim.log");
        let mut command = Command::new(programs.join("salesforce-sim"));
        // Somebody who connects through the console is asked for consent, as Salesforce asks.
        command.args(["serve", "--addr", "127.0.0.1:0", "--seed", "7"]);
        for (name, number) in [("--accounts", size.accounts), ("--contacts", size.contacts), ("--leads", size.leads)] {
            command.args([name, &number.to_string()]);
        }
        let mut process = Process::spawn("salesforce-sim", command, &log, Signal::TERM)?;
        let ready = ready(&mut process, &log).await?;
        let secret_file = folder.join("salesforce-client-secret");
        write_private(&secret_file, &ready.client_secret)?;
        let salesforce = Salesforce {
            login_url: Some(ready.url.clone()),
            client_id: Some(ready.client_id),
            client_secret_file: Some(secret_file),
            ca_file: None,
            allow_test_hosts: true,
        };
        Ok(Self { process, salesforce, orders: Orders::at(&ready.url)? })
    }

    /// Its address: login host and org in one.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.orders.url
    }

    /// How a stack reaches it.
    #[must_use]
    pub fn salesforce(&self) -> Salesforce {
        self.salesforce.clone()
    }

    /// Its process id.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Gives an order to its world and returns the answer.
    ///
    /// # Errors
    /// The order is refused.
    pub async fn order(&self, order: &str, details: Value) -> anyhow::Result<Value> {
        self.orders.give(order, details).await
    }

    /// Ends it.
    ///
    /// # Errors
    /// It does not end.
    pub async fn stop(mut self) -> anyhow::Result<()> {
        self.process.signal(Signal::TERM)?;
        self.process.ended_within(Duration::from_secs(5)).await?;
        Ok(())
    }
}

async fn ready(process: &mut Process, log: &Path) -> anyhow::Result<Ready> {
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        let text = std::fs::read_to_string(log).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("{\"") && line.contains("\"client_secret\""));
        if let Some(ready) = line.and_then(|line| serde_json::from_str(line).ok()) {
            return Ok(ready);
        }
        if let Some(status) = process.exit_status()? {
            bail!("salesforce-sim ended ({status}):\n{}", process.last_words(10));
        }
        tokio::time::sleep(GLANCE).await;
    }
    bail!("salesforce-sim is not ready after {} s:\n{}", PATIENCE.as_secs(), process.last_words(10))
}
