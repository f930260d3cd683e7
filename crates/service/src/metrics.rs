//! The meter, common bucket bounds, and the Prometheus endpoint.

use std::net::SocketAddr;

use anyhow::Context;
use axum::Router;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use opentelemetry::metrics::Meter;
use prometheus::{Encoder, TextEncoder};
use tokio_util::sync::CancellationToken;

/// Bounds for durations of calls, in seconds.
pub const CALL_SECONDS: [f64; 14] = [0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0];

/// Returns the meter for instruments of our own.
#[must_use]
pub fn meter() -> Meter {
    opentelemetry::global::meter("lanesync")
}

/// Serves `/metrics` until `stopping`.
///
/// # Errors
/// When the address can't be bound.
pub async fn serve(addr: SocketAddr, stopping: CancellationToken) -> anyhow::Result<()> {
    let listener =
        tokio::net::TcpListener::bind(addr).await.with_context(|| format!("binding the metrics address {addr}"))?;
    let app = Router::new().route("/metrics", get(render));
    axum::serve(listener, app).with_graceful_shutdown(stopping.cancelled_owned()).await.context("serving metrics")
}

async fn render() -> impl IntoResponse {
    let mut text = Vec::new();
    match TextEncoder::new().encode(&prometheus::gather(), &mut text) {
        Ok(()) => (StatusCode::OK, [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, [(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], Vec::new()),
    }
}
