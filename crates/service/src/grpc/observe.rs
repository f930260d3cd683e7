//! One span and one duration per call that a server answers.

use std::task::{Context, Poll};
use std::time::Instant;

use contract::access;
use futures::future::BoxFuture;
use opentelemetry::global;
use opentelemetry::propagation::Extractor;
use tonic::Code;
use tonic::body::Body;
use tower::{Layer, Service};
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::call_times;

#[derive(Clone, Copy)]
pub(super) struct ObserveLayer;

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observe { inner }
    }
}

/// One span and one duration per call.
#[derive(Clone)]
pub(super) struct Observe<S> {
    inner: S,
}

impl<S, B> Service<http::Request<Body>> for Observe<S>
where
    S: Service<http::Request<Body>, Response = http::Response<B>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = BoxFuture<'static, Result<S::Response, S::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        let method = method_of(&request);
        let is_ours = access::row_of(request.uri().path()).is_some();
        let span = span_of("server", &method);
        let parent = global::get_text_map_propagator(|propagator| propagator.extract(&HeaderReader(request.headers())));
        let _ = span.set_parent(parent);
        // The clone may not be ready; the original is, so it makes the call.
        let clone = self.inner.clone();
        let mut ready = std::mem::replace(&mut self.inner, clone);
        let begun = Instant::now();
        let told = span.clone();
        let answered = async move {
            let response = ready.call(request).await;
            let code = response.as_ref().map_or(Code::Unknown, code_of);
            tell(&told, code, blames_server(code));
            // The name of a method that is not there is the caller's invention and must not become a label.
            let method = if is_ours { method } else { "_other".to_owned() };
            call_times::served(method, name_of(code), begun.elapsed());
            response
        };
        Box::pin(answered.instrument(span))
    }
}

pub(super) fn method_of(request: &http::Request<Body>) -> String {
    request.uri().path().trim_start_matches('/').to_owned()
}

/// Returns what the headers say; a good unary call and every stream have their status in the trailers.
pub(super) fn code_of<B>(response: &http::Response<B>) -> Code {
    response.headers().get("grpc-status").map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

/// The span of a call, at either end.
pub(super) fn span_of(kind: &'static str, method: &str) -> Span {
    info_span!(
        "rpc",
        otel.name = method,
        otel.kind = kind,
        otel.status_code = Empty,
        error.type = Empty,
        rpc.system.name = "grpc",
        rpc.method = method,
        rpc.response.status_code = Empty,
    )
}

pub(super) fn tell(span: &Span, code: Code, failed: bool) {
    span.record("rpc.response.status_code", name_of(code));
    if failed {
        span.record("otel.status_code", "ERROR").record("error.type", name_of(code));
    }
}

/// Whether the server is to blame; the others are answers that a caller earned.
fn blames_server(code: Code) -> bool {
    use Code::{DataLoss, DeadlineExceeded, Internal, Unavailable, Unimplemented, Unknown};
    matches!(code, Unknown | DeadlineExceeded | Unimplemented | Internal | Unavailable | DataLoss)
}

/// The name of a code as gRPC writes it.
pub(super) fn name_of(code: Code) -> &'static str {
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

struct HeaderReader<'a>(&'a http::HeaderMap);

impl Extractor for HeaderReader<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        Vec::new()
    }
}
