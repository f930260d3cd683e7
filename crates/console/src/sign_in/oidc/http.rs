//! Calls to the provider: our own client, no redirects, bounded answers.

use std::path::Path;
use std::pin::Pin;
use std::time::Duration;

use anyhow::Context as _;
use openidconnect::{AsyncHttpClient, HttpRequest, HttpResponse};

/// Longest time for one call.
const LIMIT: Duration = Duration::from_secs(10);
/// Largest answer: discovery documents and key sets are far smaller.
const MAX_BYTES: usize = 512 * 1024;

/// Why a call has no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallError {
    /// It could not be made, or broke off.
    #[error("calling the provider of identities")]
    Call(#[from] reqwest::Error),
    /// The answer is too large or no answer at all.
    #[error("the answer of the provider of identities can't be read")]
    Answer,
}

/// The client.
#[derive(Clone, Debug)]
pub(crate) struct Http(reqwest::Client);

impl Http {
    /// Returns a client that trusts the system's authorities and, if given, one of the provider's own.
    ///
    /// # Errors
    /// The certificates can't be read.
    pub(crate) fn new(ca_file: Option<&Path>) -> anyhow::Result<Self> {
        let mut builder = reqwest::Client::builder().timeout(LIMIT).redirect(reqwest::redirect::Policy::none());
        if let Some(file) = ca_file {
            let pem = std::fs::read(file).with_context(|| format!("reading {}", file.display()))?;
            let certificates = reqwest::Certificate::from_pem_bundle(&pem).context("reading certificates")?;
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self(builder.build().context("making an HTTP client")?))
    }

    async fn send(&self, request: HttpRequest) -> Result<HttpResponse, CallError> {
        let without_url = reqwest::Error::without_url;
        let request = reqwest::Request::try_from(request).map_err(without_url)?;
        let mut answer = self.0.execute(request).await.map_err(without_url)?;
        let mut response = http::Response::builder().status(answer.status());
        if let Some(headers) = response.headers_mut() {
            headers.clone_from(answer.headers());
        }
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(without_url)? {
            if body.len() + chunk.len() > MAX_BYTES {
                return Err(CallError::Answer);
            }
            body.extend_from_slice(&chunk);
        }
        response.body(body).map_err(|_| CallError::Answer)
    }
}

impl<'c> AsyncHttpClient<'c> for Http {
    type Error = CallError;
    type Future = Pin<Box<dyn Future<Output = Result<HttpResponse, CallError>> + Send + 'c>>;

    fn call(&'c self, request: HttpRequest) -> Self::Future {
        Box::pin(self.send(request))
    }
}
