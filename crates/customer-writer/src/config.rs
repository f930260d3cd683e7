//! What the writer needs to know.

use clap::Parser;
use service::ServiceConfig;
use service::config::{Common, Database, Nats};

/// Config of the writer.
#[derive(Clone, Debug, Parser)]
#[command(name = "lanesync-customer-writer")]
pub struct Config {
    /// What every service has.
    #[command(flatten)]
    pub common: Common,
    /// Where customers are kept.
    #[command(flatten)]
    pub database: Database,
    /// Where mapped batches come from.
    #[command(flatten)]
    pub nats: Nats,
    /// Address of the mapper, which carries erase orders out too.
    #[arg(long, env = "LANESYNC_MAPPER_URL", default_value = "http://mapper:50051")]
    pub mapper_url: String,
}

impl ServiceConfig for Config {
    fn common(&self) -> &Common {
        &self.common
    }
}
