//! Signing in at the surrounding product's provider: OpenID Connect by discovery, code flow, PKCE, nonce.

mod http;

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use openidconnect::core::{
    CoreAuthDisplay, CoreAuthPrompt, CoreErrorResponseType, CoreGenderClaim, CoreJsonWebKey,
    CoreJweContentEncryptionAlgorithm, CoreJwsSigningAlgorithm, CoreProviderMetadata, CoreResponseType,
    CoreRevocableToken, CoreRevocationErrorResponse, CoreTokenIntrospectionResponse, CoreTokenType,
};
use openidconnect::{
    AdditionalClaims, AuthenticationFlow, AuthorizationCode, ClientId, ClientSecret, CsrfToken, EmptyExtraTokenFields,
    EndpointMaybeSet, EndpointNotSet, EndpointSet, IdTokenClaims, IdTokenFields, IssuerUrl, Nonce, PkceCodeChallenge,
    PkceCodeVerifier, RedirectUrl, Scope, StandardErrorResponse, StandardTokenResponse, TokenResponse as _,
};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use subtle::ConstantTimeEq as _;
use url::Url;

use crate::config::Oidc;
use crate::session::{Member, Role};
use http::Http;

/// How long a person may take at the provider.
const PATIENCE: SignedDuration = SignedDuration::from_mins(10);

/// Every claim that the library does not know: ours are among them.
#[derive(Clone, Deserialize, Serialize)]
struct Claims {
    #[serde(flatten)]
    all: BTreeMap<String, Value>,
}

impl AdditionalClaims for Claims {}

impl std::fmt::Debug for Claims {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.all.keys()).finish()
    }
}

type Tokens = StandardTokenResponse<
    IdTokenFields<
        Claims,
        EmptyExtraTokenFields,
        CoreGenderClaim,
        CoreJweContentEncryptionAlgorithm,
        CoreJwsSigningAlgorithm,
    >,
    CoreTokenType,
>;
type Client = openidconnect::Client<
    Claims,
    CoreAuthDisplay,
    CoreGenderClaim,
    CoreJweContentEncryptionAlgorithm,
    CoreJsonWebKey,
    CoreAuthPrompt,
    StandardErrorResponse<CoreErrorResponseType>,
    Tokens,
    CoreTokenIntrospectionResponse,
    CoreRevocableToken,
    CoreRevocationErrorResponse,
    EndpointSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointNotSet,
    EndpointMaybeSet,
    EndpointMaybeSet,
>;

/// Why nobody is signed in. Each is told in the person's words; none carries a token or a claim's value.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SignInError {
    /// The callback belongs to no sign-in that this browser began, or it took too long.
    #[error("the sign-in was not begun in this browser, or too long ago")]
    Unknown,
    /// The provider said no.
    #[error("the provider refused: {0}")]
    Refused(String),
    /// The provider does not answer, or not as it must.
    #[error("asking the provider")]
    Provider(#[source] anyhow::Error),
    /// The ID token does not hold.
    #[error("checking the ID token")]
    Token(#[source] anyhow::Error),
    /// A claim that we need is missing or can't be read.
    #[error("the claim {0} is missing or has another form")]
    Claim(String),
}

/// A sign-in that one browser has begun.
#[derive(Deserialize, Serialize)]
pub(crate) struct Begun {
    state: String,
    nonce: String,
    verifier: String,
    /// Where to go afterwards.
    pub(crate) next: String,
    begun_at: Timestamp,
}

/// What the provider sends the browser back with.
#[derive(Default, Deserialize)]
pub(crate) struct Callback {
    #[serde(default)]
    state: String,
    #[serde(default)]
    code: String,
    #[serde(default)]
    error: String,
}

/// The provider of identities.
#[derive(Debug)]
pub(crate) struct Provider {
    http: Http,
    issuer: IssuerUrl,
    client_id: ClientId,
    client_secret: Option<ClientSecret>,
    redirect: RedirectUrl,
    workspace_claim: String,
    role_claim: String,
    metadata: RwLock<Arc<CoreProviderMetadata>>,
}

impl Provider {
    /// Reads the provider's discovery document and keys.
    ///
    /// # Errors
    /// A setting is wrong, or the provider does not answer.
    pub(crate) async fn discover(config: &Oidc, issuer: &Url, public_url: &Url) -> anyhow::Result<Self> {
        let http = Http::new(config.console_oidc_ca_file.as_deref())?;
        // The issuer must be compared byte for byte, and `Url` adds a slash to a bare host.
        let issuer = issuer.as_str();
        let issuer =
            if Url::parse(issuer).is_ok_and(|url| url.path() == "/") { issuer.trim_end_matches('/') } else { issuer };
        let issuer = IssuerUrl::new(issuer.to_owned()).context("LANESYNC_CONSOLE_OIDC_ISSUER is not a URL")?;
        let metadata = CoreProviderMetadata::discover_async(issuer.clone(), &http).await;
        let metadata = metadata.context("reading the discovery document of LANESYNC_CONSOLE_OIDC_ISSUER")?;
        let secret = config.console_oidc_client_secret_file.as_deref().map(service::config::secret).transpose()?;
        let redirect = public_url.join("/sign-in/callback").context("LANESYNC_PUBLIC_URL has no path")?;
        Ok(Self {
            http,
            issuer,
            client_id: ClientId::new(config.console_oidc_client_id.clone().unwrap_or_default()),
            client_secret: secret.map(|secret| ClientSecret::new(secret.expose_secret().to_owned())),
            redirect: RedirectUrl::from_url(redirect),
            workspace_claim: config.console_oidc_workspace_claim.clone(),
            role_claim: config.console_oidc_role_claim.clone(),
            metadata: RwLock::new(Arc::new(metadata)),
        })
    }

    /// Returns the origin that the browser is sent to.
    pub(crate) fn destination(&self) -> String {
        self.metadata().authorization_endpoint().url().origin().ascii_serialization()
    }

    /// Returns the host of the issuer, for people.
    pub(crate) fn host(&self) -> String {
        self.issuer.url().host_str().unwrap_or("your provider").to_owned()
    }

    /// Begins a sign-in: the address to open, and what to remember until the browser comes back.
    pub(crate) fn begin(&self, next: &str, now: Timestamp) -> (Url, Begun) {
        let (challenge, verifier) = PkceCodeChallenge::new_random_sha256();
        let client = self.client();
        let flow = AuthenticationFlow::<CoreResponseType>::AuthorizationCode;
        let request = client.authorize_url(flow, CsrfToken::new_random, Nonce::new_random);
        let (url, state, nonce) = request.add_scope(Scope::new("profile".into())).set_pkce_challenge(challenge).url();
        let begun = Begun {
            state: state.secret().clone(),
            nonce: nonce.secret().clone(),
            verifier: verifier.secret().clone(),
            next: next.to_owned(),
            begun_at: now,
        };
        (url, begun)
    }

    /// Finishes a sign-in with what the browser came back with.
    ///
    /// # Errors
    /// Nobody is signed in; the reason says whether trying again can help.
    pub(crate) async fn finish(&self, begun: Begun, sent: Callback, now: Timestamp) -> Result<Member, SignInError> {
        let is_same: bool = begun.state.as_bytes().ct_eq(sent.state.as_bytes()).into();
        if !is_same || now.duration_since(begun.begun_at) > PATIENCE {
            return Err(SignInError::Unknown);
        }
        if !sent.error.is_empty() || sent.code.is_empty() {
            let known = sent.error.chars().filter(|c| c.is_ascii_lowercase() || *c == '_').take(40).collect();
            return Err(SignInError::Refused(known));
        }
        let client = self.client();
        let exchange = client.exchange_code(AuthorizationCode::new(sent.code));
        let exchange = exchange.map_err(|error| SignInError::Provider(error.into()))?;
        let exchange = exchange.set_pkce_verifier(PkceCodeVerifier::new(begun.verifier));
        let tokens = exchange.request_async(&self.http).await;
        // The library's message may quote the provider's reply; its kind is enough.
        let tokens = tokens.map_err(|error| SignInError::Provider(anyhow::anyhow!("{}", kind_of(&error))))?;
        let token = tokens.id_token().ok_or_else(|| SignInError::Token(anyhow::anyhow!("there is none")))?;
        let nonce = Nonce::new(begun.nonce);
        match token.claims(&client.id_token_verifier(), &nonce) {
            Ok(claims) => self.member(claims),
            Err(openidconnect::ClaimsVerificationError::SignatureVerification(_)) => {
                // The provider may have changed its keys since we read them.
                self.read_again().await?;
                let fresh = self.client();
                let claims = token.claims(&fresh.id_token_verifier(), &nonce);
                self.member(claims.map_err(|error| SignInError::Token(error.into()))?)
            }
            Err(error) => Err(SignInError::Token(error.into())),
        }
    }

    fn member(&self, claims: &IdTokenClaims<Claims, CoreGenderClaim>) -> Result<Member, SignInError> {
        let subject = claims.subject().as_str();
        let name = claims.name().and_then(|name| name.get(None)).map_or("", |name| name.as_str());
        let all = &claims.additional_claims().all;
        let role = all.get(&self.role_claim).and_then(role_of);
        let role = role.ok_or_else(|| SignInError::Claim(self.role_claim.clone()))?;
        let workspace = all.get(&self.workspace_claim).and_then(Value::as_str).unwrap_or_default();
        Member::new(subject, name, role, workspace).map_err(|_| SignInError::Claim(self.workspace_claim.clone()))
    }

    async fn read_again(&self) -> Result<(), SignInError> {
        let metadata = CoreProviderMetadata::discover_async(self.issuer.clone(), &self.http).await;
        let metadata = metadata.map_err(|error| SignInError::Provider(error.into()))?;
        *self.metadata.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(metadata);
        Ok(())
    }

    fn metadata(&self) -> Arc<CoreProviderMetadata> {
        Arc::clone(&self.metadata.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn client(&self) -> Client {
        let metadata = self.metadata().as_ref().clone();
        let client = Client::from_provider_metadata(metadata, self.client_id.clone(), self.client_secret.clone());
        client.set_redirect_uri(self.redirect.clone())
    }
}

/// Reads a role claim: a text or a list of texts, of which the highest counts.
fn role_of(claim: &Value) -> Option<Role> {
    match claim {
        Value::String(text) => Role::of_claim(text),
        Value::Array(all) => {
            let roles: Vec<_> = all.iter().filter_map(Value::as_str).filter_map(Role::of_claim).collect();
            roles.iter().copied().find(|role| *role == Role::Admin).or(roles.first().copied())
        }
        _ => None,
    }
}

fn kind_of<RE: std::error::Error, T: openidconnect::ErrorResponse>(
    error: &openidconnect::RequestTokenError<RE, T>,
) -> &'static str {
    match error {
        openidconnect::RequestTokenError::ServerResponse(_) => "it refused the code",
        openidconnect::RequestTokenError::Request(_) => "it does not answer",
        openidconnect::RequestTokenError::Parse(..) => "its answer can't be read",
        openidconnect::RequestTokenError::Other(_) => "its answer is not as it must be",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_highest_known_role_of_a_list_counts_and_unknown_ones_are_none() {
        assert_eq!(role_of(&json!("admin")), Some(Role::Admin));
        assert_eq!(role_of(&json!(["viewer", "member", "admin"])), Some(Role::Admin));
        assert_eq!(role_of(&json!(["member"])), Some(Role::Member));
        assert_eq!(role_of(&json!("owner")), None);
        assert_eq!(role_of(&json!(1)), None);
    }
}
