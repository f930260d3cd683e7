//! Channels to peers: a span for each call, the trace goes on at the other end, and both ends prove who they are.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use futures::future::BoxFuture;
use http::uri::Scheme;
use http::{HeaderName, HeaderValue, Uri};
use hyper_util::rt::TokioIo;
use opentelemetry::global;
use opentelemetry::propagation::Injector;
use rustls::pki_types::ServerName;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tonic::body::Body;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};
use tower::Service;
use tracing::Instrument;
use tracing_opentelemetry::OpenTelemetrySpanExt;

use super::OWN_NAME;
use super::observe::{code_of, method_of, name_of, span_of, tell};
use crate::call_times;
use crate::credentials::Credentials;

/// Deadline of calls to peers that set none.
const DEADLINE: Duration = Duration::from_secs(30);
/// How long connecting may take.
const CONNECT: Duration = Duration::from_secs(5);

/// Returns a channel that connects on first use and reconnects by itself: with credentials by mutual TLS, else in the
/// clear.
///
/// # Errors
/// When the address is not a URL, or its scheme does not go with the credentials.
pub fn peer(url: &str, credentials: Option<&Credentials>) -> anyhow::Result<Peer> {
    let endpoint = Endpoint::from_shared(url.to_owned())
        .with_context(|| format!("{url} is not an address of a peer"))?
        .user_agent(*OWN_NAME.get_or_init(|| "lanesync"))?
        .timeout(DEADLINE)
        .http2_keep_alive_interval(Duration::from_secs(30));
    Ok(Peer { channel: channel(endpoint, credentials)? })
}

/// Returns a channel to an endpoint that connects on first use: with credentials by mutual TLS, else in the clear.
///
/// # Errors
/// When the scheme of the address does not go with the credentials: what was meant to be sealed is never sent in the clear.
pub fn channel(endpoint: Endpoint, credentials: Option<&Credentials>) -> anyhow::Result<Channel> {
    let endpoint = endpoint.connect_timeout(CONNECT).tcp_nodelay(true);
    let uri = endpoint.uri();
    match (credentials, uri.scheme() == Some(&Scheme::HTTPS)) {
        (None, false) => Ok(endpoint.connect_lazy()),
        (Some(credentials), true) => {
            Ok(endpoint.connect_with_connector_lazy(Dial { credentials: credentials.clone() }))
        }
        (Some(_), false) => bail!("{uri} must begin with https: LANESYNC_TLS_CERT_FILE is set"),
        (None, true) => bail!("{uri} needs LANESYNC_TLS_CERT_FILE and its companions: the peer asks who calls"),
    }
}

/// Connects, and shows the certificate of the moment.
#[derive(Clone)]
struct Dial {
    credentials: Credentials,
}

impl Service<Uri> for Dial {
    type Response = TokioIo<TlsStream<TcpStream>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, uri: Uri) -> Self::Future {
        let config = self.credentials.client();
        Box::pin(async move {
            let host = uri.host().unwrap_or_default().trim_start_matches('[').trim_end_matches(']').to_owned();
            let stream = TcpStream::connect((host.as_str(), uri.port_u16().unwrap_or(443))).await?;
            stream.set_nodelay(true)?;
            let name = ServerName::try_from(host).map_err(io::Error::other)?;
            Ok(TokioIo::new(TlsConnector::from(config).connect(name, stream).await?))
        })
    }
}

/// A channel to a peer: a span for each call, and the trace goes on at the other end.
#[derive(Clone, Debug)]
pub struct Peer {
    channel: Channel,
}

impl Service<http::Request<Body>> for Peer {
    type Response = http::Response<Body>;
    type Error = Status;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.channel.poll_ready(context).map_err(no_answer)
    }

    fn call(&mut self, mut request: http::Request<Body>) -> Self::Future {
        let method = method_of(&request);
        let span = span_of("client", &method);
        let context = span.context();
        global::get_text_map_propagator(|propagator| {
            propagator.inject_context(&context, &mut HeaderWriter(request.headers_mut()));
        });
        let answer = self.channel.call(request);
        let told = span.clone();
        let begun = Instant::now();
        let answered = async move {
            let response = answer.await.map_err(no_answer);
            let code = response.as_ref().map_or_else(Status::code, code_of);
            tell(&told, code, code != Code::Ok);
            call_times::made(method, name_of(code), begun.elapsed());
            response
        };
        Box::pin(answered.instrument(span))
    }
}

/// Says why there was no answer. A refusal of our certificate comes after the handshake, as an alert that tonic has no
/// word for: whatever it is, the peer was not reached, and trying again may help.
fn no_answer(error: tonic::transport::Error) -> Status {
    let status = Status::from_error(Box::new(error));
    if status.code() == Code::Unknown { Status::unavailable(status.message()) } else { status }
}

struct HeaderWriter<'a>(&'a mut http::HeaderMap);

impl Injector for HeaderWriter<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(key), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(key, value);
        }
    }
}
