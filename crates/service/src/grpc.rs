//! The gRPC server of a service and its channels to peers: limits, deadlines, who may call, traces, metrics.

mod observe;
mod peer;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::time::Duration;

use anyhow::Context as _;
use tokio_util::sync::CancellationToken;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tower::Service;

use crate::config::Common;
use crate::credentials::Credentials;
use crate::gate::GateLayer;
use crate::health::Health;
use crate::listen::listen;
use crate::metrics;
use crate::status::Board;

use observe::ObserveLayer;
pub use peer::{Peer, channel, peer};

/// Longest time that a call may take on the server, streams apart.
const SERVER_DEADLINE: Duration = Duration::from_secs(60);
/// Largest message in either direction.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

static OWN_NAME: OnceLock<&'static str> = OnceLock::new();

/// Sets the name by which this process introduces itself to its peers; the first one stays.
pub fn introduce(name: &'static str) {
    OWN_NAME.get_or_init(|| name);
}

/// Returns who called, for the audit log: by mutual TLS the URI of the proven identity; in the clear the name by which
/// the caller introduced itself, which is a claim and no proof.
#[must_use]
pub fn caller(metadata: &MetadataMap) -> &str {
    let agent = metadata.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.split(' ').next().filter(|name| !name.is_empty()).unwrap_or("unknown")
}

/// Serves health and metrics for a process that has no gRPC API, until `stopping`; readiness follows the board.
///
/// # Errors
/// When an address can't be bound.
pub async fn serve_probes(
    common: &Common,
    health: Health,
    board: Board,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let metrics_addr = SocketAddr::new(common.metrics_host, common.metrics_port);
    health.started().await;
    tokio::try_join!(
        serve_health(common.health_addr, &health, &stopping),
        metrics::serve(metrics_addr, stopping.clone()),
        health.clone().follow(board, stopping.clone()),
    )?;
    Ok(())
}

async fn serve_health(addr: SocketAddr, health: &Health, stopping: &CancellationToken) -> anyhow::Result<()> {
    tonic::transport::Server::builder()
        .add_service(health.server())
        .serve_with_shutdown(addr, stopping.clone().cancelled_owned())
        .await
        .with_context(|| format!("serving health on {addr}"))
}

/// The gRPC server of a process: API with health and status on one port, health alone on the other, metrics on a third.
pub struct Server {
    routes: RoutesBuilder,
    common: Common,
    credentials: Option<Credentials>,
    health: Health,
    board: Board,
}

impl Server {
    /// Begins with health, status and, if wanted, reflection.
    ///
    /// # Errors
    /// When the descriptors can't be served, or the files of TLS don't hold together.
    pub fn new(common: &Common, health: &Health, board: &Board) -> anyhow::Result<Self> {
        let mut routes = Routes::builder();
        routes.add_service(health.server()).add_service(board.server());
        if common.reflection {
            let descriptors = || {
                tonic_reflection::server::Builder::configure()
                    .register_encoded_file_descriptor_set(contract::DESCRIPTORS)
                    .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            };
            routes.add_service(descriptors().build_v1().context("serving reflection")?);
            routes.add_service(descriptors().build_v1alpha().context("serving reflection")?);
        }
        let credentials = Credentials::load(&common.tls)?;
        Ok(Self { routes, common: common.clone(), credentials, health: health.clone(), board: board.clone() })
    }

    /// Adds a service.
    #[must_use]
    pub fn add_service<S>(mut self, service: S) -> Self
    where
        S: Service<http::Request<Body>, Error = Infallible> + NamedService + Clone + Send + Sync + 'static,
        S::Response: axum::response::IntoResponse,
        S::Future: Send + 'static,
    {
        self.routes.add_service(service);
        self
    }

    /// Serves until `stopping`; readiness follows the board.
    ///
    /// # Errors
    /// When an address can't be bound.
    pub async fn serve(self, stopping: CancellationToken) -> anyhow::Result<()> {
        let Self { routes, common, credentials, health, board } = self;
        let incoming = listen(common.grpc_addr, credentials).await?;
        let api = tonic::transport::Server::builder()
            .layer(ObserveLayer)
            .layer(GateLayer)
            .timeout(SERVER_DEADLINE)
            .max_concurrent_streams(100)
            .http2_keepalive_interval(Some(Duration::from_secs(30)))
            .max_connection_age(Duration::from_secs(900))
            .max_connection_age_grace(Duration::from_secs(30))
            .add_routes(routes.routes());
        let metrics_addr = SocketAddr::new(common.metrics_host, common.metrics_port);
        health.started().await;
        // A streaming call never ends by itself: five seconds after the end is asked for, connections are cut.
        let cut = {
            let stopping = stopping.clone();
            async move {
                stopping.cancelled().await;
                tokio::time::sleep(Duration::from_secs(5)).await;
            }
        };
        let serve_api = async {
            tokio::select! {
                served = api.serve_with_incoming_shutdown(incoming, stopping.clone().cancelled_owned()) => {
                    served.with_context(|| format!("serving gRPC on {}", common.grpc_addr))
                }
                () = cut => Ok(()),
            }
        };
        tokio::try_join!(
            serve_api,
            serve_health(common.health_addr, &health, &stopping),
            metrics::serve(metrics_addr, stopping.clone()),
            health.clone().follow(board, stopping.clone()),
        )?;
        Ok(())
    }
}
