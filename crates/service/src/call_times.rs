//! How long gRPC calls take, as the one who serves them and the one who makes them see it.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::Histogram;
use opentelemetry::{KeyValue, global};

use crate::metrics::CALL_SECONDS;

static SERVED: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("lanesync.grpc")
        .f64_histogram("rpc.server.call.duration")
        .with_unit("s")
        .with_boundaries(CALL_SECONDS.to_vec())
        .build()
});
static MADE: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    global::meter("lanesync.grpc")
        .f64_histogram("rpc.client.call.duration")
        .with_unit("s")
        .with_boundaries(CALL_SECONDS.to_vec())
        .build()
});

/// Records a call of somebody else's. `method` is one that is there: any other name is the caller's invention.
pub(crate) fn served(method: String, code: &'static str, took: Duration) {
    SERVED.record(took.as_secs_f64(), &labels(method, code));
}

/// Records a call of our own to a peer, until its answer began.
pub(crate) fn made(method: String, code: &'static str, took: Duration) {
    MADE.record(took.as_secs_f64(), &labels(method, code));
}

fn labels(method: String, code: &'static str) -> [KeyValue; 2] {
    [KeyValue::new("rpc.method", method), KeyValue::new("rpc.response.status_code", code)]
}
