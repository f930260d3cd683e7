//! The gRPC server of a service and its channels to peers: limits, deadlines, traces, metrics.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::OnceLock;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::Context as _;
use futures::future::BoxFuture;
use http::{HeaderName, HeaderValue};
use opentelemetry::global;
use opentelemetry::propagation::{Extractor, Injector};
use tokio_util::sync::CancellationToken;
use tonic::Code;
use tonic::body::Body;
use tonic::metadata::MetadataMap;
use tonic::server::NamedService;
use tonic::service::{Routes, RoutesBuilder};
use tonic::transport::{Channel, Endpoint};
use tower::{Layer, Service};
use tracing::field::Empty;
use tracing::{Instrument, Span, info_span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::config::Common;
use crate::health::Health;
use crate::status::Board;
use crate::{call_times, metrics};

/// Longest time that a call may take on the server, streams apart.
const SERVER_DEADLINE: Duration = Duration::from_secs(60);
/// Deadline of calls to peers that set none.
const CLIENT_DEADLINE: Duration = Duration::from_secs(30);
/// Largest message in either direction.
pub const MAX_MESSAGE_BYTES: usize = 4 * 1024 * 1024;

static OWN_NAME: OnceLock<&'static str> = OnceLock::new();

/// Sets the name by which this process introduces itself to its peers; the first one stays.
pub fn introduce(name: &'static str) {
    OWN_NAME.get_or_init(|| name);
}

/// Returns the name by which a caller introduced itself, for the audit log. It is a claim, not a proof.
#[must_use]
pub fn caller(metadata: &MetadataMap) -> &str {
    let agent = metadata.get("user-agent").and_then(|agent| agent.to_str().ok()).unwrap_or_default();
    agent.split(' ').next().filter(|name| !name.is_empty()).unwrap_or("unknown")
}

/// Returns a channel that connects on first use and reconnects by itself.
///
/// # Errors
/// When the address is not a URL.
pub fn peer(url: &str) -> anyhow::Result<Peer> {
    let endpoint = Endpoint::from_shared(url.to_owned())
        .with_context(|| format!("{url} is not an address of a peer"))?
        .user_agent(*OWN_NAME.get_or_init(|| "lanesync"))?
        .connect_timeout(Duration::from_secs(5))
        .timeout(CLIENT_DEADLINE)
        .http2_keep_alive_interval(Duration::from_secs(30))
        .tcp_nodelay(true);
    Ok(Peer { channel: endpoint.connect_lazy() })
}

/// A channel to a peer: a span for each call, and the trace goes on at the other end.
#[derive(Clone, Debug)]
pub struct Peer {
    channel: Channel,
}

impl Service<http::Request<Body>> for Peer {
    type Response = http::Response<Body>;
    type Error = tonic::transport::Error;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let method = method_of(&request);
        let span = info_span!(
            "rpc",
            otel.name = method,
            otel.kind = "client",
            otel.status_code = Empty,
            error.type = Empty,
            rpc.system.name = "grpc",
            rpc.method = method,
            rpc.response.status_code = Empty,
        );
        let context = span.context();
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut HeaderWriter(request.headers_mut()));
        });
        let answer = self.channel.call(request);
        let told = span.clone();
        let begun = Instant::now();
        let answered = async move {
            let response = answer.await;
            let code = response.as_ref().map_or(Code::Unavailable, code_of);
            tell(&told, code, code != Code::Ok);
            call_times::made(method, name_of(code), begun.elapsed());
            response
        };
        Box::pin(answered.instrument(span))
    }
}

fn method_of(request: &http::Request<Body>) -> String {
    request.uri().path().trim_start_matches('/').to_owned()
}

/// Returns what the headers say; a good unary call and every stream have their status in the trailers.
fn code_of<B>(response: &http::Response<B>) -> Code {
    response.headers().get("grpc-status").map_or(Code::Ok, |code| Code::from_bytes(code.as_bytes()))
}

fn tell(span: &Span, code: Code, failed: bool) {
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
fn name_of(code: Code) -> &'static str {
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

struct HeaderWriter<'a>(&'a mut http::HeaderMap);

impl Injector for HeaderWriter<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(key, value);
        }
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
    health: Health,
    board: Board,
}

impl Server {
    /// Begins with health, status and, if wanted, reflection.
    ///
    /// # Errors
    /// When the descriptors can't be served.
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
        Ok(Self { routes, common: common.clone(), health: health.clone(), board: board.clone() })
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
        let Self { routes, common, health, board } = self;
        let api = tonic::transport::Server::builder()
            .layer(ObserveLayer)
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
                served = api.serve_with_shutdown(common.grpc_addr, stopping.clone().cancelled_owned()) => {
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

#[derive(Clone, Copy)]
struct ObserveLayer;

impl<S> Layer<S> for ObserveLayer {
    type Service = Observe<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Observe { inner }
    }
}

/// One span and one duration per call.
#[derive(Clone)]
struct Observe<S> {
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
        let span = info_span!(
            "rpc",
            otel.name = method,
            otel.kind = "server",
            otel.status_code = Empty,
            error.type = Empty,
            rpc.system.name = "grpc",
            rpc.method = method,
            rpc.response.status_code = Empty,
        );
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
            let method = if code == Code::Unimplemented { "_other".to_owned() } else { method };
            call_times::served(method, name_of(code), begun.elapsed());
            response
        };
        Box::pin(answered.instrument(span))
    }
}
