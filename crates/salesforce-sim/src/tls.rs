//! TLS with a certificate authority made at start, for clients that insist on https.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::connect_info::Connected;
use axum::serve::{IncomingStream, Listener};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, KeyUsagePurpose};
use rustls::ServerConfig;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

use crate::listen::{Cut, Wire};

/// A server's identity and the authority that vouches for it.
pub(crate) struct Identity {
    /// What a client has to trust, as PEM.
    pub(crate) ca_pem: String,
    config: Arc<ServerConfig>,
}

impl Identity {
    /// Makes an authority and a certificate for `localhost`, `127.0.0.1` and `[::1]`.
    pub(crate) fn new() -> io::Result<Self> {
        let mut authority = CertificateParams::new(Vec::<String>::new()).map_err(io::Error::other)?;
        authority.distinguished_name.push(DnType::CommonName, "salesforce-sim authority");
        authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let authority = CertifiedIssuer::self_signed(authority, key).map_err(io::Error::other)?;

        let names = ["localhost", "127.0.0.1", "::1"].map(str::to_owned);
        let mut server = CertificateParams::new(names.to_vec()).map_err(io::Error::other)?;
        server.distinguished_name.push(DnType::CommonName, "salesforce-sim");
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().map_err(io::Error::other)?;
        let certificate = server.signed_by(&key, &authority).map_err(io::Error::other)?;

        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .and_then(|builder| builder.with_no_client_auth().with_single_cert(vec![certificate.der().clone()], key))
            .map_err(io::Error::other)?;
        Ok(Self { ca_pem: authority.pem(), config: Arc::new(config) })
    }

    pub(crate) fn door(&self, listener: TcpListener) -> TlsDoor {
        TlsDoor { listener, acceptor: TlsAcceptor::from(self.config.clone()), greeting: JoinSet::new() }
    }
}

/// A listener that greets several clients at once, so that a slow one keeps nobody waiting.
pub(crate) struct TlsDoor {
    listener: TcpListener,
    acceptor: TlsAcceptor,
    greeting: JoinSet<io::Result<(TlsStream<TcpStream>, SocketAddr)>>,
}

impl Listener for TlsDoor {
    type Io = Wire<TlsStream<TcpStream>>;
    type Addr = SocketAddr;

    async fn accept(&mut self) -> (Self::Io, Self::Addr) {
        loop {
            tokio::select! {
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, from)) => {
                        let _ = stream.set_nodelay(true);
                        let greeting = self.acceptor.accept(stream);
                        self.greeting.spawn(async move { Ok((greeting.await?, from)) });
                    }
                    Err(_) => tokio::time::sleep(std::time::Duration::from_millis(50)).await,
                },
                // A failed greeting is the client's affair: it hears of it by itself.
                Some(greeted) = self.greeting.join_next() => if let Ok(Ok((stream, from))) = greeted {
                    return (Wire::new(stream), from);
                },
            }
        }
    }

    fn local_addr(&self) -> io::Result<Self::Addr> {
        self.listener.local_addr()
    }
}

impl Connected<IncomingStream<'_, TlsDoor>> for Cut {
    fn connect_info(stream: IncomingStream<'_, TlsDoor>) -> Self {
        stream.io().cut()
    }
}
