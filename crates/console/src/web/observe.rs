//! One span and one duration per request, by route: never by address, which may name a customer.

use std::sync::LazyLock;
use std::time::Instant;

use axum::extract::{MatchedPath, Request};
use axum::middleware::Next;
use axum::response::Response;
use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};
use tracing::{Instrument as _, info_span};

static DURATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("lanesync.http")
        .f64_histogram("http.server.request.duration")
        .with_unit("s")
        .with_boundaries(service::metrics::CALL_SECONDS.to_vec())
        .build()
});

/// Observes a request.
pub(super) async fn observe(request: Request, next: Next) -> Response {
    let route = request.extensions().get::<MatchedPath>().map_or("_other", MatchedPath::as_str).to_owned();
    let method = request.method().as_str().to_owned();
    let span = info_span!(
        "request",
        otel.name = format!("{method} {route}"),
        otel.kind = "server",
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
    );
    let begun = Instant::now();
    let response = next.run(request).instrument(span.clone()).await;
    let status = i64::from(response.status().as_u16());
    span.record("http.response.status_code", status);
    let attributes = [
        KeyValue::new("http.request.method", method),
        KeyValue::new("http.route", route),
        KeyValue::new("http.response.status_code", status),
    ];
    DURATION.record(begun.elapsed().as_secs_f64(), &attributes);
    response
}
