//! What is done to containers while records flow.

use std::fmt;
use std::time::Duration;

use anyhow::Context as _;
use serde_json::Value;

use super::engine::Compose;

/// The containers that the product needs, in the order in which a careful person restarts them.
const PARTS: [&str; 6] = ["postgres", "nats", "auth", "customer-writer", "mapper", "extractor"];
/// How long a part is cut off: longer than every connection's patience.
const CUT: Duration = Duration::from_secs(8);

/// One thing that goes wrong, or is done on purpose.
#[derive(Clone, Copy)]
pub(super) enum Drill {
    /// SIGKILL, and started again.
    Kill(&'static str),
    /// Taken off every network, and joined again.
    CutOff(&'static str),
    /// Every container stopped in good order and started again, one after the other.
    RollingRestart,
}

impl fmt::Display for Drill {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(part) => write!(f, "killing {part}"),
            Self::CutOff(part) => write!(f, "cutting {part} off"),
            Self::RollingRestart => write!(f, "restarting one after the other"),
        }
    }
}

impl Drill {
    pub(super) fn all() -> impl Iterator<Item = Self> {
        PARTS.map(Self::Kill).into_iter().chain(PARTS.map(Self::CutOff)).chain([Self::RollingRestart])
    }

    /// Returns when everything is healthy again.
    pub(super) async fn perform(self, compose: &Compose<'_>) -> anyhow::Result<()> {
        match self {
            Self::Kill(part) => {
                let container = compose.container(part).await?;
                compose.engine().docker(&["kill", "--signal", "KILL", &container]).await?;
                compose.engine().docker(&["start", &container]).await?;
            }
            Self::CutOff(part) => cut_off(compose, part).await?,
            Self::RollingRestart => {
                for part in PARTS {
                    let container = compose.container(part).await?;
                    compose.engine().docker(&["restart", "--time", "45", &container]).await?;
                    compose.healthy(&[part]).await?;
                }
            }
        }
        compose.healthy(&PARTS).await
    }
}

async fn cut_off(compose: &Compose<'_>, part: &str) -> anyhow::Result<()> {
    let container = compose.container(part).await?;
    let known = compose.inspect(&container).await?;
    let networks: Vec<String> = match &known["NetworkSettings"]["Networks"] {
        Value::Object(networks) => networks.keys().cloned().collect(),
        _ => Vec::new(),
    };
    anyhow::ensure!(!networks.is_empty(), "{part} is on no network");
    for network in &networks {
        compose.engine().docker(&["network", "disconnect", network, &container]).await?;
    }
    tokio::time::sleep(CUT).await;
    for network in &networks {
        // The name by which the others find it is not remembered by the engine.
        let join = ["network", "connect", "--alias", part, network, &container];
        compose.engine().docker(&join).await.with_context(|| format!("joining {part} again"))?;
    }
    Ok(())
}
