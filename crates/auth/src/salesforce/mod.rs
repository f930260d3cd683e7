//! Salesforce's login side: hosts, the token endpoint, identity. What is called, with what, and what the answers mean.

mod address;
mod host;
mod http;
mod identity;
mod pkce;
mod token;

use std::sync::Arc;

use secrecy::SecretString;

pub use host::{HostNotAllowed, HostRules, SalesforceHost};
pub use http::{BuildClientError, Http};
pub use identity::{IdentityError, Org};
pub use pkce::{Verifier, challenge};
pub use token::{Grant, Identity, Permanent, RevokeError, TokenError, Transient};

/// The app that we are at Salesforce, and the way to call it.
pub struct Salesforce {
    http: Http,
    rules: Arc<HostRules>,
    client_id: String,
    client_secret: SecretString,
    redirect_uri: String,
}

impl Salesforce {
    /// Puts the parts together. `redirect_uri` is sent as it stands, always.
    #[must_use]
    pub fn new(
        http: Http,
        rules: Arc<HostRules>,
        client_id: String,
        client_secret: SecretString,
        redirect_uri: String,
    ) -> Self {
        Self { http, rules, client_id, client_secret, redirect_uri }
    }

    /// Returns which hosts may be called.
    #[must_use]
    pub fn rules(&self) -> &HostRules {
        &self.rules
    }

    /// Returns the one address that Salesforce sends people back to.
    #[must_use]
    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }
}

impl std::fmt::Debug for Salesforce {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Salesforce").field("redirect_uri", &self.redirect_uri).finish_non_exhaustive()
    }
}
