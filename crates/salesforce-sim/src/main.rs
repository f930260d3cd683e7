//! Serves a simulated Salesforce until it is told to stop.

use std::io::Write as _;

use anyhow::Context as _;
use clap::{Args, Parser, Subcommand};
use salesforce_sim::{AppSpec, Config, OrgSpec, Seed, Simulator};

/// A simulated Salesforce.
#[derive(Debug, Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Serves until SIGTERM or SIGINT; prints one JSON line when ready.
    Serve(Box<Serve>),
}

#[derive(Debug, Args)]
struct Serve {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    addr: String,
    /// What the org grows from.
    #[arg(long, default_value_t = 7)]
    seed: u64,
    #[arg(long, default_value_t = 400)]
    accounts: usize,
    #[arg(long, default_value_t = 1_200)]
    contacts: usize,
    #[arg(long, default_value_t = 400)]
    leads: usize,
    /// Puts the worst that real orgs hold among the records.
    #[arg(long)]
    nasty: bool,
    /// Deletes, merges and converts some records.
    #[arg(long)]
    life: bool,
    /// Records carry a currency of their own.
    #[arg(long)]
    multi_currency: bool,
    #[arg(long)]
    org_name: Option<String>,
    #[arg(long)]
    client_id: Option<String>,
    #[arg(long)]
    client_secret: Option<String>,
    /// The allowed redirect URI; may be given several times, any when absent.
    #[arg(long)]
    redirect_uri: Vec<String>,
    /// Authorize grants at once, with no page.
    #[arg(long)]
    auto_consent: bool,
    /// Every refresh answers a new refresh token.
    #[arg(long)]
    rotation: bool,
    /// Scheme and host by which clients reach it, where that is not the address that it listens on.
    #[arg(long)]
    base_url: Option<String>,
    /// What token answers name as instance URL.
    #[arg(long)]
    instance_url: Option<String>,
    /// The daily limit of API calls.
    #[arg(long, default_value_t = 100_000)]
    daily_api_requests: u64,
    #[arg(long, default_value_t = 2)]
    worker_threads: usize,
    /// Also serve https, and write the certificate that clients have to trust into this file.
    #[arg(long)]
    tls_ca_file: Option<std::path::PathBuf>,
    /// Never compress: a benchmark of a client should not measure the simulator.
    #[arg(long)]
    no_gzip: bool,
}

impl Serve {
    fn config(self) -> Config {
        let app = AppSpec::default();
        let org = OrgSpec::default();
        Config {
            address: self.addr,
            base_url: self.base_url,
            orgs: vec![OrgSpec {
                name: self.org_name.unwrap_or(org.name),
                instance_url: self.instance_url,
                multi_currency: self.multi_currency,
                daily_api_requests: self.daily_api_requests,
                ..OrgSpec::default()
            }],
            seed: Some(Seed {
                seed: self.seed,
                accounts: self.accounts,
                contacts: self.contacts,
                leads: self.leads,
                nasty: self.nasty,
                life: self.life,
                ..Seed::default()
            }),
            apps: vec![AppSpec {
                client_id: self.client_id.unwrap_or(app.client_id),
                client_secret: self.client_secret.unwrap_or(app.client_secret),
                redirect_uris: self.redirect_uri,
                rotation: self.rotation,
                ..AppSpec::default()
            }],
            auto_consent: self.auto_consent,
            worker_threads: self.worker_threads,
            tls: self.tls_ca_file.is_some(),
            gzip: !self.no_gzip,
            ..Config::default()
        }
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<()> {
    let Action::Serve(serve) = Cli::parse().command;
    let ca_file = serve.tls_ca_file.clone();
    let config = serve.config();
    let (app, org) = (config.apps[0].clone(), config.orgs[0].clone());
    let simulator = Simulator::try_start(config).context("starting to listen")?;
    if let (Some(file), Some(pem)) = (&ca_file, simulator.ca_pem()) {
        std::fs::write(file, pem).with_context(|| format!("writing {}", file.display()))?;
    }
    let ready = serde_json::json!({
        "url": simulator.url(), "org_id": simulator.org_id(), "client_id": app.client_id, "client_secret": app.client_secret,
        "username": org.username, "password": org.password, "security_token": org.security_token
    });
    let mut out = std::io::stdout();
    writeln!(out, "{ready}").and_then(|()| out.flush()).context("printing the ready line")?;
    stopped().await.context("waiting for a signal")?;
    simulator.shutdown().await;
    Ok(())
}

/// Waits for SIGTERM or SIGINT.
async fn stopped() -> std::io::Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    tokio::select! {
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    Ok(())
}
