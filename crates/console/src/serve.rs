//! Puts the service together and runs it.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use contract::streams::SESSIONS;
use messaging::Bucket;
use service::Lifecycle;
use service::grpc::serve_probes;
use service::health::Health;
use service::status::Board;
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::peers::Peers;
use crate::session::Sessions;
use crate::sign_in::{Provider, SignIn};
use crate::web::{self, App, Console, Pace, Site};

/// Name of the service.
pub const SERVICE: &str = "lanesync-console";
/// Version of the service.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Runs the process from its arguments to its exit code.
#[must_use]
pub fn launch() -> ExitCode {
    service::launch(SERVICE, VERSION, serve)
}

/// Serves until the process is asked to stop.
///
/// # Errors
/// When NATS or the provider of identities can't be reached at start, or a task ends unasked.
async fn serve(config: Config) -> anyhow::Result<()> {
    let health = Health::new().await;
    let board = Board::new(SERVICE, VERSION).depends_on("nats", true);
    let bus = service::nats::connect(&config.nats, SERVICE).await?;
    let bucket = Bucket::open(&bus, SESSIONS).await?;
    let sign_in = match &config.oidc.console_oidc_issuer {
        Some(issuer) => SignIn::Oidc(Box::new(Provider::discover(&config.oidc, issuer, &config.public_url).await?)),
        None => SignIn::Development,
    };
    let mut destinations = vec![config.salesforce_login_url.origin().ascii_serialization()];
    if let SignIn::Oidc(provider) = &sign_in {
        destinations.push(provider.destination());
    }
    let mut tasks = Lifecycle::new(config.common.shutdown_grace);
    let app: App = Arc::new(Console {
        peers: Peers::new(&config.peers)?,
        sessions: Sessions::new(bucket),
        sign_in,
        site: Site {
            origin: config.public_url.origin().ascii_serialization(),
            is_secure: config.public_url.scheme() == "https",
            destinations,
        },
        pace: Pace::new(),
        names: web::Names::default(),
        stopping: tasks.stopping(),
    });

    tasks.spawn("pages", web::serve(config.http_addr, web::router(Arc::clone(&app)), tasks.stopping()));
    tasks.spawn("health and metrics", serve_probes_of(config, health, board.clone(), tasks.stopping()));
    tasks.spawn("watch NATS", service::nats::watch(bus.clone(), None, board, tasks.stopping()));
    tasks.spawn("forget the quiet", forget(app, tasks.stopping()));
    let outcome = tasks.run().await;
    bus.drain().await;
    outcome
}

async fn serve_probes_of(
    config: Config,
    health: Health,
    board: Board,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    serve_probes(&config.common, health, board, stopping).await
}

/// Keeps the counts of who asks how often from growing, until `stopping`.
async fn forget(app: App, stopping: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_secs(60));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            _ = tick.tick() => app.pace.tidy(),
        }
    }
}
