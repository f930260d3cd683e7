//! The connection to NATS: made once, watched for the status board.

use std::time::Duration;

use anyhow::Context as _;
use contract::streams::ConsumerSpec;
use messaging::Bus;
use secrecy::ExposeSecret as _;
use tokio_util::sync::CancellationToken;

use crate::config::{self, Nats};
use crate::status::Board;

/// Connects under the service's name.
///
/// # Errors
/// When the password can't be read, or NATS is not there or refuses the user.
pub async fn connect(nats: &Nats, service: &str) -> anyhow::Result<Bus> {
    let password = nats.nats_password_file.as_deref().map(config::secret).transpose()?;
    let config = messaging::Config {
        url: nats.nats_url.clone(),
        user: nats.nats_user.clone(),
        password: password.map(|password| password.expose_secret().to_owned()),
        client_name: service.to_owned(),
    };
    Bus::connect(&config).await.context("connecting to NATS at LANESYNC_NATS_URL")
}

/// Writes on the board whether NATS is connected, and how many messages wait for `consumer`, until `stopping`.
///
/// # Errors
/// None; the signature is that of a task.
pub async fn watch(
    bus: Bus,
    consumer: Option<ConsumerSpec>,
    board: Board,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_secs(2));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        if !bus.is_connected() {
            board.down("nats", "disconnected");
            continue;
        }
        board.up("nats");
        if let Some(consumer) = consumer
            && let Some(waiting) = bus.waiting(consumer).await
        {
            board.lag(i64::try_from(waiting).unwrap_or(i64::MAX));
        }
    }
}
