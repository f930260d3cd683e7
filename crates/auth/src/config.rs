//! Config of the process. Secrets are named by file, never given.

use std::path::PathBuf;

use clap::{ArgAction, Args, Parser};
use service::ServiceConfig;
use service::config::{Common, Database};
use url::Url;

/// What `lanesync-auth` needs.
#[derive(Clone, Debug, Parser)]
#[command(name = "lanesync-auth")]
pub struct Config {
    /// What every service has.
    #[command(flatten)]
    pub common: Common,
    /// Schema `auth`.
    #[command(flatten)]
    pub database: Database,
    /// The keys that wrap data keys.
    #[command(flatten)]
    pub keys: Keys,
    /// Our app at Salesforce.
    #[command(flatten)]
    pub salesforce: SalesforceApp,
    /// Address of the console as people see it; callbacks go to `/integrations/salesforce/callback` there.
    #[arg(long, env = "LANESYNC_PUBLIC_URL")]
    pub public_url: Url,
    /// Address of `lanesync-extractor`.
    #[arg(long, env = "LANESYNC_EXTRACTOR_URL")]
    pub extractor_url: String,
    /// Address of `lanesync-mapper`.
    #[arg(long, env = "LANESYNC_MAPPER_URL")]
    pub mapper_url: String,
    /// Address of `lanesync-customer-writer`.
    #[arg(long, env = "LANESYNC_WRITER_URL")]
    pub writer_url: String,
}

/// The keys that wrap data keys.
#[derive(Args, Clone, Debug)]
pub struct Keys {
    /// File with the token keys; the first encrypts, all decrypt.
    #[arg(long, env = "LANESYNC_TOKEN_KEYS_FILE")]
    pub token_keys_file: PathBuf,
}

/// Our app at Salesforce, and which hosts are called.
#[derive(Args, Clone, Debug)]
pub struct SalesforceApp {
    /// Consumer key of the app.
    #[arg(long, env = "LANESYNC_SALESFORCE_CLIENT_ID")]
    pub salesforce_client_id: String,
    /// File with the consumer secret of the app.
    #[arg(long, env = "LANESYNC_SALESFORCE_CLIENT_SECRET_FILE")]
    pub salesforce_client_secret_file: PathBuf,
    /// Login host that stands for "production".
    #[arg(long, env = "LANESYNC_SALESFORCE_LOGIN_URL", default_value = "https://login.salesforce.com")]
    pub salesforce_login_url: String,
    /// File with certificates of a private authority.
    #[arg(long, env = "LANESYNC_SALESFORCE_CA_FILE")]
    pub salesforce_ca_file: Option<PathBuf>,
    /// Whether hosts that are not Salesforce's may be called: loopback, the login host and its siblings.
    #[arg(long, env = "LANESYNC_SALESFORCE_ALLOW_TEST_HOSTS", default_value_t = false, action = ArgAction::Set)]
    pub salesforce_allow_test_hosts: bool,
}

impl ServiceConfig for Config {
    fn common(&self) -> &Common {
        &self.common
    }
}

impl Config {
    /// Returns the one address that Salesforce sends people back to.
    #[must_use]
    pub fn redirect_uri(&self) -> String {
        format!("{}/integrations/salesforce/callback", self.public_url.as_str().trim_end_matches('/'))
    }
}
