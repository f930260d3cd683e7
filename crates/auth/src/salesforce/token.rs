//! The token endpoint: asking, and deciding what an answer means.

use domain::OrgId;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;
use zeroize::Zeroize as _;

use super::http::{Answer, NoAnswer, send};
use super::pkce::{Verifier, challenge};
use super::{HostNotAllowed, Salesforce, SalesforceHost};

const AUTHORIZE: &str = "/services/oauth2/authorize";
const TOKEN: &str = "/services/oauth2/token";
const REVOKE: &str = "/services/oauth2/revoke";
const SCOPE: &str = "api refresh_token id";

/// What the token endpoint gave.
#[derive(Debug)]
pub struct Grant {
    /// For API calls.
    pub access_token: SecretString,
    /// For the next token; absent where the flow or the app gives none, and where the old one stays.
    pub refresh_token: Option<SecretString>,
    /// Where API calls go. A refresh that names none leaves it as it was.
    pub instance: Option<Result<SalesforceHost, HostNotAllowed>>,
    /// Who it is for, and at which host.
    pub identity: Option<Identity>,
}

/// The `id` of a token reply.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The identity URL.
    pub url: Url,
    /// The org that it names.
    pub org: OrgId,
}

/// Why there is no token. Never holds a token, code or text of Salesforce.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// Trying again helps.
    #[error("the token endpoint gave no answer that counts ({})", .0.as_str())]
    Transient(Transient),
    /// Trying again is useless.
    #[error("the token endpoint refused ({})", .0.as_str())]
    Permanent(Permanent),
    /// The answer was a success without what a success must have.
    #[error("the token reply lacks {missing}")]
    Incomplete {
        /// Name of the key.
        missing: &'static str,
    },
}

/// Why trying again helps.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transient {
    /// No connection.
    NotReached,
    /// The request left, the answer did not arrive whole.
    ReplyLost,
    /// 5xx, a web page, or something that is no answer of this endpoint.
    Unavailable,
    /// `unknown_error`: "retry your request".
    Busy,
    /// The org used up its daily API calls.
    RequestLimit,
    /// The user logged in too often this hour.
    LoginRate,
}

impl Transient {
    /// Returns the name for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotReached => "not_reached",
            Self::ReplyLost => "reply_lost",
            Self::Unavailable => "unavailable",
            Self::Busy => "busy",
            Self::RequestLimit => "request_limit",
            Self::LoginRate => "login_rate",
        }
    }
}

/// Why trying again is useless.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Permanent {
    /// The code or token is expired, revoked, used, rotated out, or not for us.
    InvalidGrant,
    /// The user is frozen or deactivated.
    InactiveUser,
    /// The org is locked or expired.
    InactiveOrg,
    /// The app is not installed in the org, or blocked there.
    AppNotApproved,
    /// Our id or secret is wrong, or the flow is switched off.
    AppRefused,
    /// A code of the 4xx kind that we don't know.
    Other,
}

impl Permanent {
    /// Returns the name for logs and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::InvalidGrant => "invalid_grant",
            Self::InactiveUser => "inactive_user",
            Self::InactiveOrg => "inactive_org",
            Self::AppNotApproved => "app_not_approved",
            Self::AppRefused => "app_refused",
            Self::Other => "other",
        }
    }
}

/// Why a token could not be revoked.
#[derive(Debug, thiserror::Error)]
#[error("the revoke endpoint gave no answer that counts (status {status})")]
pub struct RevokeError {
    /// HTTP status; 0 when no answer came.
    pub status: u16,
}

impl Salesforce {
    /// Returns the address where a person allows the access.
    #[must_use]
    pub fn authorize_url(&self, login: &SalesforceHost, state: &str, verifier: &Verifier) -> Url {
        let mut url = login.at(AUTHORIZE);
        url.query_pairs_mut()
            .append_pair("response_type", "code")
            .append_pair("client_id", &self.client_id)
            .append_pair("redirect_uri", &self.redirect_uri)
            .append_pair("scope", SCOPE)
            .append_pair("state", state)
            .append_pair("code_challenge", &challenge(verifier))
            .append_pair("code_challenge_method", "S256");
        url
    }

    /// Exchanges the code of a callback. A code counts once, so this is never repeated.
    ///
    /// # Errors
    /// [`TokenError`]; a reply without refresh token, `instance_url` or `id` is incomplete.
    pub async fn exchange_code(
        &self,
        login: &SalesforceHost,
        code: &SecretString,
        verifier: &Verifier,
    ) -> Result<Grant, TokenError> {
        let form = [
            ("grant_type", "authorization_code"),
            ("code", code.expose_secret()),
            ("redirect_uri", &self.redirect_uri),
            ("code_verifier", verifier.0.expose_secret()),
        ];
        let grant = complete(self.ask(login, &form).await?)?;
        if grant.refresh_token.is_none() {
            return Err(TokenError::Incomplete { missing: "refresh_token" });
        }
        Ok(grant)
    }

    /// Asks for a token of the app itself.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn client_credentials(&self, login: &SalesforceHost) -> Result<Grant, TokenError> {
        complete(self.ask(login, &[("grant_type", "client_credentials")]).await?)
    }

    /// Asks for a new access token. With rotation the answer holds a new refresh token, and the old one is dead.
    ///
    /// # Errors
    /// [`TokenError`].
    pub async fn refresh(&self, login: &SalesforceHost, refresh_token: &SecretString) -> Result<Grant, TokenError> {
        self.ask(login, &[("grant_type", "refresh_token"), ("refresh_token", refresh_token.expose_secret())]).await
    }

    /// Revokes a token. One that is dead already counts as revoked.
    ///
    /// # Errors
    /// When Salesforce did not say that it is gone.
    pub async fn revoke(&self, login: &SalesforceHost, token: &SecretString) -> Result<(), RevokeError> {
        let request = self.http.client().post(login.at(REVOKE)).form(&[("token", token.expose_secret())]);
        let answer = send(request).await.map_err(|_| RevokeError { status: 0 })?;
        let is_gone = match answer.status {
            StatusCode::OK => !answer.is_page,
            StatusCode::BAD_REQUEST => {
                matches!(refusal(&answer.body).error.as_str(), "invalid_token" | "unsupported_token_type")
            }
            _ => false,
        };
        if is_gone { Ok(()) } else { Err(RevokeError { status: answer.status.as_u16() }) }
    }

    async fn ask(&self, login: &SalesforceHost, form: &[(&str, &str)]) -> Result<Grant, TokenError> {
        let mut form = form.to_vec();
        form.push(("client_id", &self.client_id));
        form.push(("client_secret", self.client_secret.expose_secret()));
        let request = self.http.client().post(login.at(TOKEN)).header("accept", "application/json").form(&form);
        let answer = send(request).await.map_err(|no_answer| {
            TokenError::Transient(match no_answer {
                NoAnswer::NotReached(_) => Transient::NotReached,
                NoAnswer::Lost(_) | NoAnswer::TooLong => Transient::ReplyLost,
            })
        })?;
        self.grant_of(&answer)
    }

    fn grant_of(&self, answer: &Answer) -> Result<Grant, TokenError> {
        if answer.is_page || answer.status.is_server_error() {
            return Err(TokenError::Transient(Transient::Unavailable));
        }
        if !answer.status.is_success() {
            return Err(meaning_of_refusal(answer.status, &refusal(&answer.body)));
        }
        // A success that can't be read may have rotated the token all the same.
        let reply: Reply =
            serde_json::from_slice(&answer.body).map_err(|_| TokenError::Transient(Transient::ReplyLost))?;
        let non_empty = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
        let access_token = non_empty(&reply.access_token).ok_or(TokenError::Incomplete { missing: "access_token" })?;
        if !reply.token_type.as_deref().is_none_or(|kind| kind.eq_ignore_ascii_case("bearer")) {
            return Err(TokenError::Incomplete { missing: "token_type Bearer" });
        }
        Ok(Grant {
            access_token: access_token.into(),
            refresh_token: non_empty(&reply.refresh_token).map(SecretString::from),
            instance: non_empty(&reply.instance_url).map(|url| self.rules.instance(&url)),
            identity: reply.id.as_deref().and_then(identity_of),
        })
    }
}

/// A reply that begins a connection must say where and whose it is.
fn complete(grant: Grant) -> Result<Grant, TokenError> {
    if grant.instance.is_none() {
        return Err(TokenError::Incomplete { missing: "instance_url" });
    }
    if grant.identity.is_none() {
        return Err(TokenError::Incomplete { missing: "id" });
    }
    Ok(grant)
}

/// Reads `https://host/id/<org>/<user>`.
fn identity_of(text: &str) -> Option<Identity> {
    let url = Url::parse(text).ok()?;
    let mut segments = url.path_segments()?;
    let org = if segments.next()? == "id" { segments.next()?.parse().ok()? } else { return None };
    Some(Identity { url, org })
}

/// The keys of a success. Unknown ones are ignored, wiped with the rest.
#[derive(Deserialize)]
struct Reply {
    access_token: Option<String>,
    refresh_token: Option<String>,
    instance_url: Option<String>,
    id: Option<String>,
    token_type: Option<String>,
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.access_token.zeroize();
        self.refresh_token.zeroize();
    }
}

/// An error body, whatever its form.
#[derive(Debug, Default, Deserialize, PartialEq, Eq)]
struct Refusal {
    #[serde(default, alias = "errorCode")]
    error: String,
    #[serde(default, alias = "message")]
    error_description: String,
}

/// Reads an error body: a JSON object, a JSON array (the form of the REST API), or a form.
fn refusal(body: &[u8]) -> Refusal {
    if let Ok(refusal) = serde_json::from_slice::<Refusal>(body) {
        return refusal;
    }
    if let Ok(refusals) = serde_json::from_slice::<Vec<Refusal>>(body) {
        return refusals.into_iter().next().unwrap_or_default();
    }
    let mut refusal = Refusal::default();
    for (key, value) in url::form_urlencoded::parse(body) {
        match key.as_ref() {
            "error" => refusal.error = value.into_owned(),
            "error_description" => refusal.error_description = value.into_owned(),
            _ => {}
        }
    }
    refusal
}

/// Decides on `error` first, then on the text.
fn meaning_of_refusal(status: StatusCode, refusal: &Refusal) -> TokenError {
    let text = refusal.error_description.to_ascii_lowercase();
    if text.contains("login rate exceeded") {
        return TokenError::Transient(Transient::LoginRate);
    }
    let permanent = match refusal.error.to_ascii_lowercase().as_str() {
        "rate_limit_exceeded" => return TokenError::Transient(Transient::LoginRate),
        "request_limit_exceeded" => return TokenError::Transient(Transient::RequestLimit),
        "unknown_error" | "temporarily_unavailable" | "server_error" | "server_unavailable" => {
            return TokenError::Transient(Transient::Busy);
        }
        "invalid_grant" if text.contains("inactive user") => Permanent::InactiveUser,
        "invalid_grant" if text.contains("inactive organization") => Permanent::InactiveOrg,
        "invalid_grant" => Permanent::InvalidGrant,
        "inactive_user" => Permanent::InactiveUser,
        "inactive_org" => Permanent::InactiveOrg,
        "invalid_client" if text.contains("must be installed") => Permanent::AppNotApproved,
        "oauth_approval_error_generic" | "oauth_app_access_denied" | "oauth_app_blocked" => Permanent::AppNotApproved,
        "invalid_client"
        | "invalid_client_id"
        | "invalid_client_credentials"
        | "invalid_request"
        | "invalid_scope"
        | "unsupported_grant_type"
        | "redirect_uri_mismatch" => Permanent::AppRefused,
        // Only a known code ends a connection: anything else may be a proxy on the way.
        "" => return TokenError::Transient(Transient::Unavailable),
        _ if status == StatusCode::BAD_REQUEST || status == StatusCode::UNAUTHORIZED => Permanent::Other,
        _ => return TokenError::Transient(Transient::Unavailable),
    };
    TokenError::Permanent(permanent)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meaning(status: u16, body: &str) -> String {
        match meaning_of_refusal(StatusCode::from_u16(status).unwrap(), &refusal(body.as_bytes())) {
            TokenError::Transient(transient) => format!("transient {}", transient.as_str()),
            TokenError::Permanent(permanent) => format!("permanent {}", permanent.as_str()),
            TokenError::Incomplete { missing } => format!("incomplete {missing}"),
        }
    }

    #[test]
    fn the_table_of_token_errors_is_kept() {
        for (status, body, expected) in [
            (
                400,
                r#"{"error":"invalid_grant","error_description":"expired access/refresh token"}"#,
                "permanent invalid_grant",
            ),
            (
                400,
                r#"{"error":"invalid_grant","error_description":"invalid code verifier"}"#,
                "permanent invalid_grant",
            ),
            (
                400,
                r#"{"error":"invalid_grant","error_description":"authentication failure"}"#,
                "permanent invalid_grant",
            ),
            (400, r#"{"error":"invalid_grant","error_description":"inactive user"}"#, "permanent inactive_user"),
            (400, r#"{"error":"inactive_user","error_description":"x"}"#, "permanent inactive_user"),
            (400, r#"{"error":"inactive_org","error_description":"x"}"#, "permanent inactive_org"),
            (
                400,
                r#"{"error":"invalid_client","error_description":"invalid client credentials"}"#,
                "permanent app_refused",
            ),
            (
                400,
                r#"{"error":"invalid_client","error_description":"app must be installed into org"}"#,
                "permanent app_not_approved",
            ),
            (
                400,
                r#"{"error":"invalid_client_id","error_description":"client identifier invalid"}"#,
                "permanent app_refused",
            ),
            (
                400,
                r#"{"error":"unsupported_grant_type","error_description":"grant type not supported"}"#,
                "permanent app_refused",
            ),
            (400, r#"{"error":"redirect_uri_mismatch"}"#, "permanent app_refused"),
            (
                400,
                r#"{"error":"rate_limit_exceeded","error_description":"login rate exceeded"}"#,
                "transient login_rate",
            ),
            (400, r#"{"error":"invalid_grant","error_description":"login rate exceeded"}"#, "transient login_rate"),
            (400, r#"{"error":"unknown_error","error_description":"retry your request"}"#, "transient busy"),
            (
                403,
                r#"[{"errorCode":"REQUEST_LIMIT_EXCEEDED","message":"TotalRequests Limit exceeded."}]"#,
                "transient request_limit",
            ),
            (400, "error=invalid_grant&error_description=expired+access%2Frefresh+token", "permanent invalid_grant"),
            (400, "", "transient unavailable"),
            (404, "<html>not found</html>", "transient unavailable"),
            (429, r#"{"error":"too_many"}"#, "transient unavailable"),
            (400, r#"{"error":"something_new"}"#, "permanent other"),
        ] {
            assert_eq!(meaning(status, body), expected, "{body}");
        }
    }

    #[test]
    fn an_identity_names_its_org_in_18_characters() {
        let identity = identity_of("https://login.salesforce.com/id/00DKd0000AbCdEf/005Kd000007uVwXIAU").unwrap();
        assert_eq!(identity.org.as_str(), "00DKd0000AbCdEfMQK");
        for other in ["", "https://login.salesforce.com/", "https://login.salesforce.com/id/x/y", "/id/00DKd0000AbCdEf"]
        {
            assert_eq!(identity_of(other), None, "{other}");
        }
    }
}
