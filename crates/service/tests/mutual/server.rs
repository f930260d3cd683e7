//! A server that asks who calls, and certificates to call it with.

use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::time::Duration;

use certificates::{AUTHORITY, Authority, CERTIFICATE, KEY, Subject};
use clap::Parser as _;
use contract::access::Identity;
use contract::status::v1::GetServiceStatusRequest;
use contract::status::v1::status_service_client::StatusServiceClient;
use service::config::{Common, Tls};
use service::credentials::Credentials;
use service::grpc::{Peer, Server, peer};
use service::health::Health;
use service::status::Board;
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tonic::{Code, Status};

pub(crate) const DAY: Duration = Duration::from_secs(86_400);

/// Longer than anything here takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(20);

#[derive(clap::Parser)]
struct Config {
    #[command(flatten)]
    common: Common,
}

/// A folder with the files of one identity.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn of(authority: &Authority, subject: &Subject) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.renew(authority, subject);
        files
    }

    pub(crate) fn caller(authority: &Authority, identity: Identity) -> Self {
        Self::of(authority, &Subject::new(identity, &[], DAY))
    }

    pub(crate) fn renew(&self, authority: &Authority, subject: &Subject) {
        authority.issue(subject).unwrap().write(self.0.path()).unwrap();
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn tls(&self) -> Tls {
        let file = |name: &str| Some(self.0.path().join(name));
        Tls { tls_cert_file: file(CERTIFICATE), tls_key_file: file(KEY), tls_client_ca_file: file(AUTHORITY) }
    }

    /// As another process would hold it: nothing is remembered from before.
    pub(crate) fn credentials(&self) -> Credentials {
        Credentials::load(&self.tls()).unwrap().unwrap()
    }
}

/// The subject of a server on this machine.
pub(crate) fn local(identity: Identity) -> Subject {
    Subject::new(identity, &["127.0.0.1"], DAY)
}

/// A server of nothing but its own status, health and reflection; it ends with this value.
pub(crate) struct Served {
    pub(crate) authority: Authority,
    pub(crate) files: Files,
    pub(crate) api: SocketAddr,
    pub(crate) probes: SocketAddr,
    serving: JoinSet<anyhow::Result<()>>,
}

impl Served {
    pub(crate) async fn new() -> Self {
        let authority = Authority::new().unwrap();
        let files = Files::of(&authority, &local(Identity::Auth));
        let [api, probes, metrics] = free_addresses();
        let mut common = Config::parse_from(["service"]).common;
        common.tls = files.tls();
        (common.grpc_addr, common.health_addr) = (api, probes);
        (common.metrics_host, common.metrics_port) = (metrics.ip(), metrics.port());
        let server = Server::new(&common, &Health::new().await, &Board::new("test", "0")).unwrap();
        let mut serving = JoinSet::new();
        serving.spawn(server.serve(CancellationToken::new()));
        let mut served = Self { authority, files, api, probes, serving };
        served.is_up().await;
        served
    }

    async fn is_up(&mut self) {
        let begun = std::time::Instant::now();
        while tokio::net::TcpStream::connect(self.api).await.is_err() {
            assert!(begun.elapsed() < LIMIT && self.serving.try_join_next().is_none(), "the server does not listen");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub(crate) fn url(&self) -> String {
        format!("https://{}", self.api)
    }

    /// A new connection of whoever holds `files`.
    pub(crate) fn peer(&self, files: &Files) -> Peer {
        peer(&self.url(), Some(&files.credentials())).unwrap()
    }

    /// What a call to the service's status is answered over a new connection.
    pub(crate) async fn ask(&self, files: &Files) -> Result<(), Status> {
        ask(self.peer(files)).await
    }
}

pub(crate) async fn ask(peer: Peer) -> Result<(), Status> {
    let mut client = StatusServiceClient::new(peer);
    let asked = tokio::time::timeout(LIMIT, client.get_service_status(GetServiceStatusRequest {})).await;
    asked.expect("an answer of any kind").map(|_| ())
}

/// The code of a call that failed.
pub(crate) fn code(outcome: &Result<(), Status>) -> Code {
    outcome.as_ref().map_or_else(Status::code, |()| Code::Ok)
}

fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let held: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind("127.0.0.1:0").unwrap());
    held.map(|listener| listener.local_addr().unwrap())
}
