//! The network around [`crate::api`]: sockets that can be reset, bodies that can be cut.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::connect_info::Connected;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderName, HeaderValue, Request, Response, StatusCode};
use axum::serve::{IncomingStream, Listener};
use futures::StreamExt as _;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};

use crate::api;
use crate::fault::Fault;
use crate::wire::{Answer, Call};
use crate::world::World;

/// Largest request body read.
const LARGEST_BODY: usize = 64 * 1024 * 1024;

/// A TCP listener whose connections can be reset from inside a handler.
pub(crate) struct Door(pub(crate) TcpListener);

/// One connection.
pub(crate) struct Wire<S> {
    stream: S,
    cut: Cut,
}

/// The switch that breaks a connection off.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(Arc<AtomicBool>);

impl Cut {
    fn pull(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn is_pulled(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl<S> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, cut: Cut::default() }
    }
}

impl Listener for Door {
    type Io = Wire<TcpStream>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            match self.0.accept().await {
                Ok((stream, from)) => {
                    // Small answers must not wait for the client's acknowledgement.
                    let _ = stream.set_nodelay(true);
                    return (Wire::new(stream), from);
                }
                // Out of descriptors: others will close theirs.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.0.local_addr()
    }
}

impl Connected<IncomingStream<'_, Door>> for Cut {
    fn connect_info(stream: IncomingStream<'_, Door>) -> Self {
        stream.io().cut()
    }
}

impl<S> Wire<S> {
    pub(crate) fn cut(&self) -> Cut {
        self.cut.clone()
    }

    fn broken(&self) -> Option<io::Error> {
        self.cut.is_pulled().then(|| io::Error::new(io::ErrorKind::ConnectionReset, "reset by a fault"))
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.broken() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_read(context, buffer),
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.broken() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_write(context, bytes),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.broken() {
            Some(error) => Poll::Ready(Err(error)),
            None => Pin::new(&mut self.stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// Answers one HTTP request.
pub(crate) async fn serve(
    State(world): State<Arc<World>>,
    ConnectInfo(cut): ConnectInfo<Cut>,
    request: Request<Body>,
) -> Response<Body> {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        return plain(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let headers = parts
        .headers
        .iter()
        .map(|(name, value)| (name.as_str().to_owned(), String::from_utf8_lossy(value.as_bytes()).into_owned()));
    let call = Call {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: parts.uri.query().unwrap_or("").to_owned(),
        headers: headers.collect(),
        body: body.to_vec(),
    };
    if call.path.starts_with("/sim/") {
        return send(&world, crate::simulator::control(&world, &call), None, &call, &cut).await;
    }
    let outcome = api::answer(&world, &call);
    send(&world, outcome.answer, outcome.fault.as_ref(), &call, &cut).await
}

fn plain(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = status;
    response
}

/// Sends an answer, as a fault may spoil it.
async fn send(world: &World, answer: Answer, fault: Option<&Fault>, call: &Call, cut: &Cut) -> Response<Body> {
    match fault {
        Some(Fault::Delay { ms }) => tokio::time::sleep(Duration::from_millis(*ms)).await,
        Some(Fault::Reset | Fault::LostAnswer) => {
            cut.pull();
            return plain(StatusCode::OK);
        }
        _ => {}
    }
    let asked = call.header("accept-encoding").is_some_and(|encodings| encodings.contains("gzip"));
    let pretty = call.header("x-prettyprint") == Some("1") && answer.content_type == crate::wire::JSON;
    let Answer { status, content_type, headers, mut body } = answer;
    if pretty && let Ok(value) = serde_json::from_slice::<&serde_json::value::RawValue>(&body) {
        body = indented(value.get()).into_bytes();
    }
    let mut response = plain(StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR));
    let target = response.headers_mut();
    for (name, value) in headers {
        if let Ok(value) = HeaderValue::from_str(&value) {
            target.append(HeaderName::from_static(name), value);
        }
    }
    if !content_type.is_empty() {
        target.insert("content-type", HeaderValue::from_static(content_type));
    }
    let labelled = matches!(fault, Some(Fault::PlainLabelledGzip));
    let zipped = labelled || matches!(fault, Some(Fault::GzipCut)) || (asked && world.config.gzip && body.len() > 512);
    if zipped {
        target.insert("content-encoding", HeaderValue::from_static("gzip"));
    }
    if zipped && !labelled {
        body = gzip(&body);
    }
    *response.body_mut() = match fault {
        Some(Fault::GzipCut) => {
            body.truncate(body.len() / 2);
            Body::from(body)
        }
        Some(Fault::CutBody) => cut_body(body),
        Some(Fault::SlowDrip { bytes, pause_ms }) => drip(body, (*bytes).max(1), Duration::from_millis(*pause_ms)),
        _ => Body::from(body),
    };
    response
}

/// The first half, then the end of the connection; the pause lets the half go out before.
fn cut_body(mut body: Vec<u8>) -> Body {
    body.truncate(body.len() / 2);
    let broken = async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        Err(io::Error::new(io::ErrorKind::ConnectionReset, "cut by a fault"))
    };
    let half = futures::stream::iter([Ok(Bytes::from(body))]);
    Body::from_stream(half.chain(futures::stream::once(broken)))
}

fn drip(body: Vec<u8>, bytes: usize, pause: Duration) -> Body {
    let whole = Bytes::from(body);
    Body::from_stream(futures::stream::unfold((whole, 0), move |(whole, from)| async move {
        if from >= whole.len() {
            return None;
        }
        tokio::time::sleep(pause).await;
        let to = (from + bytes).min(whole.len());
        Some((Ok::<_, io::Error>(whole.slice(from..to)), (whole, to)))
    }))
}

fn gzip(body: &[u8]) -> Vec<u8> {
    use std::io::Write as _;
    let mut encoder = flate2::write::GzEncoder::new(Vec::with_capacity(body.len() / 4), flate2::Compression::fast());
    let written = encoder.write_all(body).and_then(|()| encoder.finish());
    written.expect("writing into memory does not fail")
}

/// JSON with line breaks and indents, its numbers and order untouched.
fn indented(compact: &str) -> String {
    let mut out = String::with_capacity(compact.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0usize, false, false);
    let line = |out: &mut String, depth: usize| {
        out.push('\n');
        (0..depth).for_each(|_| out.push_str("  "));
    };
    let mut chars = compact.chars().peekable();
    while let Some(here) = chars.next() {
        if quoted {
            out.push(here);
            quoted = here != '"' || escaped;
            escaped = here == '\\' && !escaped;
            continue;
        }
        match here {
            '"' => {
                quoted = true;
                out.push(here);
            }
            '{' | '[' if matches!(chars.peek(), Some('}' | ']')) => out.push(here),
            '{' | '[' => {
                depth += 1;
                out.push(here);
                line(&mut out, depth);
            }
            '}' | ']' => {
                if !out.ends_with(['{', '[']) {
                    depth -= 1;
                    line(&mut out, depth);
                }
                out.push(here);
            }
            ',' => {
                out.push(here);
                line(&mut out, depth);
            }
            ':' => out.push_str(" : "),
            other => out.push(other),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::indented;

    #[test]
    fn indenting_changes_nothing_but_white_space() {
        let compact = r#"[{"a":"x: {\"y\"}, [z]\\","b":[],"c":{},"d":[1.0E7,null]}]"#;
        let pretty = indented(compact);
        assert!(pretty.contains("\n    \"b\" : []"), "{pretty}");
        let plain = |text: &str| serde_json::from_str::<serde_json::Value>(text).unwrap();
        assert_eq!(plain(&pretty), plain(compact));
    }
}
