//! Where a gRPC server takes connections: in the clear, or by mutual TLS with an identity for each.

use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use anyhow::Context as _;
use contract::access::Identity;
use futures::{Stream, StreamExt as _};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use tokio_stream::wrappers::TcpListenerStream;
use tonic::transport::server::Connected;

use crate::credentials::{Credentials, identity_of};

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(5);
/// Handshakes in hand at once: one that dawdles keeps nobody else waiting.
const MOST_HANDSHAKES: usize = 256;

/// Who is at the other end of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Caller {
    /// Whoever reaches the port: the connection is in the clear.
    Anybody,
    /// The authority vouches for a certificate that names no identity of ours.
    Nobody,
    /// The authority vouches for this identity.
    Proven(Identity),
}

/// A connection, and who is at its other end.
pub(crate) struct Connection {
    wire: Wire,
    caller: Caller,
}

enum Wire {
    Clear(TcpStream),
    Sealed(Box<TlsStream<TcpStream>>),
}

/// Takes connections on an address: by mutual TLS if there are credentials for it.
///
/// # Errors
/// When the address can't be bound.
pub(crate) async fn listen(
    addr: SocketAddr,
    credentials: Option<Credentials>,
) -> anyhow::Result<impl Stream<Item = io::Result<Connection>>> {
    let listener = TcpListener::bind(addr).await.with_context(|| format!("serving gRPC on {addr}"))?;
    let greeted = TcpListenerStream::new(listener).map(move |accepted| greet(accepted, credentials.clone()));
    // A failed greeting is the caller's affair: it hears of it by itself.
    Ok(greeted.buffer_unordered(MOST_HANDSHAKES).filter_map(|greeted| futures::future::ready(greeted.map(Ok))))
}

async fn greet(accepted: io::Result<TcpStream>, credentials: Option<Credentials>) -> Option<Connection> {
    let stream = match accepted {
        Ok(stream) => stream,
        Err(error) => {
            // Such as too many open files: what comes next may well find one.
            tracing::warn!(%error, "a connection was not taken");
            tokio::time::sleep(Duration::from_millis(50)).await;
            return None;
        }
    };
    let _ = stream.set_nodelay(true);
    let Some(credentials) = credentials else {
        return Some(Connection { wire: Wire::Clear(stream), caller: Caller::Anybody });
    };
    let handshake = TlsAcceptor::from(credentials.server()).accept(stream);
    match tokio::time::timeout(HANDSHAKE, handshake).await {
        Ok(Ok(stream)) => {
            let caller = caller_of(&stream);
            Some(Connection { wire: Wire::Sealed(Box::new(stream)), caller })
        }
        Ok(Err(error)) => {
            tracing::warn!(%error, "a handshake was refused");
            None
        }
        Err(_) => {
            tracing::warn!("a handshake took too long");
            None
        }
    }
}

fn caller_of(stream: &TlsStream<TcpStream>) -> Caller {
    let certificate = stream.get_ref().1.peer_certificates().and_then(|chain| chain.first());
    certificate.and_then(identity_of).map_or(Caller::Nobody, Caller::Proven)
}

impl Connected for Connection {
    type ConnectInfo = Caller;

    fn connect_info(&self) -> Caller {
        self.caller
    }
}

impl AsyncRead for Connection {
    fn poll_read(mut self: Pin<&mut Self>, context: &mut Context<'_>, into: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Clear(stream) => Pin::new(stream).poll_read(context, into),
            Wire::Sealed(stream) => Pin::new(stream).poll_read(context, into),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, from: &[u8]) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Clear(stream) => Pin::new(stream).poll_write(context, from),
            Wire::Sealed(stream) => Pin::new(stream).poll_write(context, from),
        }
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        from: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match &mut self.wire {
            Wire::Clear(stream) => Pin::new(stream).poll_write_vectored(context, from),
            Wire::Sealed(stream) => Pin::new(stream).poll_write_vectored(context, from),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match &self.wire {
            Wire::Clear(stream) => stream.is_write_vectored(),
            Wire::Sealed(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Clear(stream) => Pin::new(stream).poll_flush(context),
            Wire::Sealed(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match &mut self.wire {
            Wire::Clear(stream) => Pin::new(stream).poll_shutdown(context),
            Wire::Sealed(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
