//! `grpc.health.v1`: not serving until said otherwise, by the names that probes ask for.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tonic_health::ServingStatus;
use tonic_health::pb::health_server::{Health as HealthService, HealthServer};
use tonic_health::server::HealthReporter;

use crate::status::Board;

/// What probes see.
#[derive(Clone, Debug)]
pub struct Health {
    reporter: HealthReporter,
}

impl Health {
    /// Begins with everything not serving.
    pub async fn new() -> Self {
        let reporter = HealthReporter::new();
        let health = Self { reporter };
        for name in ["", "startup", "readiness", "liveness"] {
            health.set(name, false).await;
        }
        health
    }

    /// Says that config, schema and streams are as they must be.
    pub async fn started(&self) {
        self.set("startup", true).await;
        self.set("liveness", true).await;
    }

    /// Says whether the process takes work.
    pub async fn set_ready(&self, ready: bool) {
        self.set("readiness", ready).await;
        self.set("", ready).await;
    }

    /// Follows the board: ready while every dependency that matters is available. Ends not ready at `stopping`.
    ///
    /// # Errors
    /// Never; the signature is that of a task.
    pub async fn follow(self, board: Board, stopping: CancellationToken) -> anyhow::Result<()> {
        let mut tick = tokio::time::interval(Duration::from_millis(500));
        loop {
            tokio::select! {
                () = stopping.cancelled() => break,
                _ = tick.tick() => self.set_ready(board.is_ready()).await,
            }
        }
        self.set_ready(false).await;
        Ok(())
    }

    async fn set(&self, name: &str, serving: bool) {
        let status = if serving { ServingStatus::Serving } else { ServingStatus::NotServing };
        self.reporter.set_service_status(name, status).await;
    }

    pub(crate) fn server(&self) -> HealthServer<impl HealthService> {
        HealthServer::new(tonic_health::server::HealthService::from_health_reporter(self.reporter.clone()))
    }
}
