//! The HTTP client: no redirects, no proxies, checked addresses, bounded time and size.

use std::path::Path;
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, StatusCode};
use zeroize::Zeroizing;

use super::address::PublicResolver;

/// No single call takes longer; a refresh as a whole has 20 s.
const CALL_TIMEOUT: Duration = Duration::from_secs(15);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// The longest answer that is read. Real ones have a few kilobytes.
const LARGEST_BODY: usize = 256 * 1024;

/// Calls Salesforce's login side.
#[derive(Clone, Debug)]
pub struct Http {
    client: Client,
}

/// Why there is no client.
#[derive(Debug, thiserror::Error)]
pub enum BuildClientError {
    /// The file with the private CA is not readable.
    #[error("reading the Salesforce CA file")]
    CaFile(#[source] std::io::Error),
    /// The file with the private CA holds no certificate.
    #[error("the Salesforce CA file is not a PEM bundle of certificates")]
    NotPem,
    /// The TLS set-up failed.
    #[error("setting up the HTTPS client")]
    Client(#[source] reqwest::Error),
}

/// What came back.
pub(super) struct Answer {
    pub(super) status: StatusCode,
    /// Whether the answer says that it is a web page: a maintenance page, not an answer of the API.
    pub(super) is_page: bool,
    pub(super) location: Option<String>,
    /// May hold tokens.
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// Why nothing came back.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    /// The request did not leave: nothing happened at Salesforce.
    #[error("the host could not be reached")]
    NotReached(#[source] reqwest::Error),
    /// The request left, and the answer was lost: what happened is unknown.
    #[error("the answer was lost")]
    Lost(#[source] reqwest::Error),
    /// The answer is longer than any real one.
    #[error("the answer is too long")]
    TooLong,
}

impl Http {
    /// Makes the client. `ca_file` adds a private certificate authority.
    ///
    /// # Errors
    /// When the file is not readable or not PEM.
    pub fn new(ca_file: Option<&Path>, allow_test_hosts: bool) -> Result<Self, BuildClientError> {
        // Installing twice is an error that changes nothing: the provider is there already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let mut builder = Client::builder()
            .redirect(Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(CALL_TIMEOUT)
            .tcp_keepalive(Duration::from_secs(20))
            .user_agent(concat!("lanesync/", env!("CARGO_PKG_VERSION")));
        if !allow_test_hosts {
            builder = builder.https_only(true).dns_resolver(PublicResolver);
        }
        if let Some(path) = ca_file {
            let pem = std::fs::read(path).map_err(BuildClientError::CaFile)?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).map_err(|_| BuildClientError::NotPem)?;
            if certificates.is_empty() {
                return Err(BuildClientError::NotPem);
            }
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self { client: builder.build().map_err(BuildClientError::Client)? })
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }
}

/// Sends a request and reads the whole answer.
pub(super) async fn send(request: RequestBuilder) -> Result<Answer, NoAnswer> {
    // Addresses may hold ids and queries: errors go without them.
    let failed = |error: reqwest::Error| {
        let error = error.without_url();
        if error.is_connect() || error.is_builder() { NoAnswer::NotReached(error) } else { NoAnswer::Lost(error) }
    };
    let mut response = request.send().await.map_err(failed)?;
    let header = |name| response.headers().get(name).and_then(|value: &http::HeaderValue| value.to_str().ok());
    let is_page = header(http::header::CONTENT_TYPE).is_some_and(|kind| kind.starts_with("text/html"));
    let location = header(http::header::LOCATION).map(str::to_owned);
    let status = response.status();
    let mut body = Zeroizing::new(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(failed)? {
        if body.len() + chunk.len() > LARGEST_BODY {
            return Err(NoAnswer::TooLong);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, is_page, location, body })
}
