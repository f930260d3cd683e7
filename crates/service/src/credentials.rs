//! The certificate by which this process proves who it is, and the authority that vouches for others.
//!
//! The files are read anew for every handshake, so a certificate is replaced by replacing the files: no restart, and what
//! is connected stays so. Files that don't hold together, as in the middle of being replaced, leave the last ones in
//! force.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use contract::access::Identity;
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;
use rustls::{ClientConfig, RootCertStore, ServerConfig};

use crate::config::Tls;

/// What gRPC speaks.
const HTTP2: &[u8] = b"h2";

/// Why there is nothing to prove an identity with.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// A file can't be read; the next handshake tries again.
    #[error("reading {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
    /// A file holds no certificate or key; the next handshake tries again.
    #[error("{} holds no {what} in PEM", path.display())]
    Empty {
        /// Which one.
        path: PathBuf,
        /// What it should hold.
        what: &'static str,
    },
    /// Certificate, key and authority don't go together; the next handshake tries again.
    #[error("certificate, key and authority do not go together: {0}")]
    Unfit(String),
    /// Some of the files are named, some are not; only other settings help.
    #[error("{0}")]
    Half(String),
}

/// The credentials of this process; cheap to clone.
#[derive(Clone, Debug)]
pub struct Credentials(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    cert_file: PathBuf,
    key_file: PathBuf,
    ca_file: PathBuf,
    last: Mutex<Sides>,
}

/// What both sides of a handshake need of the same files.
#[derive(Clone, Debug)]
struct Sides {
    server: Arc<ServerConfig>,
    client: Arc<ClientConfig>,
}

impl Credentials {
    /// Reads the files; `None` when none is named.
    ///
    /// # Errors
    /// When a file can't be read, or they don't hold together.
    pub fn load(tls: &Tls) -> Result<Option<Self>, CredentialsError> {
        let Tls { tls_cert_file, tls_key_file, tls_client_ca_file } = tls;
        let (Some(cert_file), Some(key_file), Some(ca_file)) = (tls_cert_file, tls_key_file, tls_client_ca_file) else {
            return match tls.contradictions().into_iter().next() {
                Some(fault) => Err(CredentialsError::Half(fault)),
                None => Ok(None),
            };
        };
        let sides = Sides::read(cert_file, key_file, ca_file)?;
        let (cert_file, key_file, ca_file) = (cert_file.clone(), key_file.clone(), ca_file.clone());
        Ok(Some(Self(Arc::new(Inner { cert_file, key_file, ca_file, last: Mutex::new(sides) }))))
    }

    /// What a handshake with a caller needs now.
    pub(crate) fn server(&self) -> Arc<ServerConfig> {
        self.now().server
    }

    /// What a handshake with a peer needs now.
    pub(crate) fn client(&self) -> Arc<ClientConfig> {
        self.now().client
    }

    /// Three small files: reading them takes less time than the handshake, and far less than a turn on another thread.
    fn now(&self) -> Sides {
        let Inner { cert_file, key_file, ca_file, last } = &*self.0;
        let read = Sides::read(cert_file, key_file, ca_file);
        // A panic while holding the lock leaves it whole: every change is a single assignment.
        let mut last = last.lock().unwrap_or_else(PoisonError::into_inner);
        match read {
            Ok(sides) => *last = sides,
            Err(error) => tracing::warn!(%error, "the certificate of before stays in force"),
        }
        last.clone()
    }
}

impl Sides {
    fn read(cert_file: &Path, key_file: &Path, ca_file: &Path) -> Result<Self, CredentialsError> {
        let unfit = |error: rustls::Error| CredentialsError::Unfit(error.to_string());
        let key = read(key_file)?;
        let key = PrivateKeyDer::from_pem_slice(&key)
            .map_err(|_| CredentialsError::Empty { path: key_file.to_owned(), what: "private key" })?;
        let chain = certificates(cert_file)?;
        let mut roots = RootCertStore::empty();
        for authority in certificates(ca_file)? {
            roots.add(authority).map_err(unfit)?;
        }
        let roots = Arc::new(roots);
        let provider = Arc::new(rustls::crypto::ring::default_provider());

        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
            .build()
            .map_err(|error| CredentialsError::Unfit(error.to_string()))?;
        let mut server = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(&[&TLS13])
            .map_err(unfit)?
            .with_client_cert_verifier(verifier)
            .with_single_cert(chain.clone(), key.clone_key())
            .map_err(unfit)?;
        server.alpn_protocols = vec![HTTP2.to_vec()];
        // A resumed session would not look at the certificate again.
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;

        let mut client = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&TLS13])
            .map_err(unfit)?
            .with_root_certificates(roots)
            .with_client_auth_cert(chain, key)
            .map_err(unfit)?;
        client.alpn_protocols = vec![HTTP2.to_vec()];
        client.resumption = Resumption::disabled();
        Ok(Self { server: Arc::new(server), client: Arc::new(client) })
    }
}

fn read(path: &Path) -> Result<Vec<u8>, CredentialsError> {
    std::fs::read(path).map_err(|source| CredentialsError::File { path: path.to_owned(), source })
}

fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, CredentialsError> {
    let empty = || CredentialsError::Empty { path: path.to_owned(), what: "certificate" };
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&read(path)?).collect();
    found.ok().filter(|found| !found.is_empty()).ok_or_else(empty)
}

/// Returns the identity that a certificate names, which its authority has vouched for already: exactly one URI.
pub(crate) fn identity_of(certificate: &CertificateDer<'_>) -> Option<Identity> {
    let certificate = webpki::EndEntityCert::try_from(certificate).ok()?;
    let mut uris = certificate.valid_uri_names();
    let (uri, None) = (uris.next()?, uris.next()) else { return None };
    Identity::from_uri(uri)
}
