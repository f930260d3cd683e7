//! The web server: bounded headers, a limit for slow ones, an end in good order (S26).

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context as _;
use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto::Builder;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How long requests in hand may take once the end is asked for.
const CUT: Duration = Duration::from_secs(5);
/// How long a browser may take to send its headers.
const HEADER_TIME: Duration = Duration::from_secs(10);
/// Most that headers may take.
const HEADER_BYTES: usize = 16 * 1024;
/// Most connections at once; more wait in the system's queue.
const CONNECTIONS: usize = 1024;

/// Serves until `stopping`; five seconds later connections are cut.
///
/// # Errors
/// When the address can't be bound.
pub(crate) async fn serve(addr: SocketAddr, router: Router, stopping: CancellationToken) -> anyhow::Result<()> {
    let listener = TcpListener::bind(addr).await.with_context(|| format!("binding the web address {addr}"))?;
    let server = server();
    let graceful = GracefulShutdown::new();
    let mut connections = JoinSet::new();
    loop {
        let stream = tokio::select! {
            () = stopping.cancelled() => break,
            Some(_) = connections.join_next(), if !connections.is_empty() => continue,
            accepted = listener.accept(), if connections.len() < CONNECTIONS => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    // Out of file handles, or a browser that went away: the next one may do better.
                    tracing::debug!(error = %error, "accepting a connection");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    continue;
                }
            },
        };
        let service = TowerToHyperService::new(router.clone());
        let connection = server.serve_connection(TokioIo::new(stream), service).into_owned();
        let connection = graceful.watch(connection);
        connections.spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(error = %error, "a connection broke off");
            }
        });
    }
    drop(listener);
    // Dropping the set cuts whatever is left.
    let _ = tokio::time::timeout(CUT, graceful.shutdown()).await;
    Ok(())
}

fn server() -> Builder<TokioExecutor> {
    let mut server = Builder::new(TokioExecutor::new());
    server.http1().timer(TokioTimer::new()).header_read_timeout(HEADER_TIME).max_buf_size(HEADER_BYTES);
    server
        .http2()
        .timer(TokioTimer::new())
        .max_header_list_size(16 * 1024)
        .max_concurrent_streams(100)
        .keep_alive_interval(Duration::from_secs(30));
    server
}
