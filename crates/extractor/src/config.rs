//! The extractor's settings.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use service::ServiceConfig;
use service::config::{Common, Database, Nats, duration};

use crate::reader::Pace;

/// Settings by flag or environment; no secret among them, only names of files.
#[derive(Clone, Debug, Parser)]
pub struct Config {
    /// What every service has.
    #[command(flatten)]
    pub common: Common,
    /// Postgres.
    #[command(flatten)]
    pub database: Database,
    /// NATS.
    #[command(flatten)]
    pub nats: Nats,
    /// Address of auth.
    #[arg(long, env = "LANESYNC_AUTH_URL")]
    pub auth_url: String,
    /// Address of the mapper.
    #[arg(long, env = "LANESYNC_MAPPER_URL")]
    pub mapper_url: String,
    /// Address of the writer.
    #[arg(long, env = "LANESYNC_WRITER_URL")]
    pub writer_url: String,
    /// PEM file of certificates to trust besides the system's.
    #[arg(long, env = "LANESYNC_SALESFORCE_CA_FILE")]
    pub salesforce_ca_file: Option<PathBuf>,
    /// Whether hosts beyond Salesforce's own may be called; never in production.
    #[arg(long, env = "LANESYNC_SALESFORCE_ALLOW_TEST_HOSTS", default_value_t = false, action = clap::ArgAction::Set)]
    pub salesforce_allow_test_hosts: bool,
    /// Our share of the org's daily calls, in percent, for workspaces that chose none.
    #[arg(long, env = "LANESYNC_SALESFORCE_API_BUDGET_PERCENT", default_value_t = 25, value_parser = clap::value_parser!(u64).range(1..=100))]
    pub salesforce_api_budget_percent: u64,
    /// API version, e.g. 67.0.
    #[arg(long, env = "LANESYNC_SALESFORCE_API_VERSION", default_value = "67.0", value_parser = api_version)]
    pub salesforce_api_version: String,
    /// Reads of more records than this use a bulk job.
    #[arg(long, env = "LANESYNC_EXTRACTOR_BULK_THRESHOLD", default_value_t = 20_000)]
    pub extractor_bulk_threshold: u64,
    /// How far a cursor stays behind Salesforce's clock.
    #[arg(long, env = "LANESYNC_EXTRACTOR_SETTLE", default_value = "60s", value_parser = duration)]
    pub extractor_settle: Duration,
    /// How far a poll reaches back.
    #[arg(long, env = "LANESYNC_EXTRACTOR_OVERLAP", default_value = "15m", value_parser = duration)]
    pub extractor_overlap: Duration,
}

impl ServiceConfig for Config {
    fn common(&self) -> &Common {
        &self.common
    }
}

impl Config {
    /// Returns the pace that the settings ask for.
    #[must_use]
    pub fn pace(&self) -> Pace {
        Pace {
            bulk_threshold: self.extractor_bulk_threshold,
            settle: self.extractor_settle,
            overlap: self.extractor_overlap,
            ..Pace::default()
        }
    }
}

fn api_version(text: &str) -> Result<String, String> {
    let well_formed = text
        .strip_suffix(".0")
        .is_some_and(|major| !major.is_empty() && major.len() <= 3 && major.bytes().all(|byte| byte.is_ascii_digit()));
    if well_formed { Ok(text.to_owned()) } else { Err("an API version looks like 67.0".to_owned()) }
}
