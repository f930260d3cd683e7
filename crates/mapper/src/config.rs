//! The mapper's settings.

use service::ServiceConfig;
use service::config::{Common, Database, Nats};

/// Settings of the mapper.
#[derive(Clone, Debug, clap::Parser)]
#[command(name = "lanesync-mapper", version)]
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
    /// Address of the extractor, which knows what the org's objects look like.
    #[arg(long, env = "LANESYNC_EXTRACTOR_URL", default_value = "http://extractor:50051")]
    pub extractor_url: String,
    /// Address of the writer, which is told locks and asked what was applied.
    #[arg(long, env = "LANESYNC_WRITER_URL", default_value = "http://writer:50051")]
    pub writer_url: String,
    /// Address of auth; the mapper does not call it, but one environment may serve all services.
    #[arg(long, env = "LANESYNC_AUTH_URL", default_value = "")]
    pub auth_url: String,
    /// Chunks mapped together in one transaction.
    #[arg(long, env = "LANESYNC_MAPPER_BATCH", default_value_t = 16)]
    pub batch: usize,
    /// Transactions in hand at once.
    #[arg(long, env = "LANESYNC_MAPPER_WORKERS", default_value_t = 3)]
    pub workers: usize,
    /// Most workspaces that gauges name.
    #[arg(long, env = "LANESYNC_METRICS_MAX_WORKSPACES", default_value_t = 100)]
    pub metrics_max_workspaces: usize,
}

impl ServiceConfig for Config {
    fn common(&self) -> &Common {
        &self.common
    }
}
