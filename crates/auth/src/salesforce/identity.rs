//! Whose connection it is: the identity URL and one query on Organization.

use domain::OrgId;
use reqwest::StatusCode;
use secrecy::{ExposeSecret as _, SecretString};
use serde::Deserialize;
use url::Url;

use super::http::{Answer, send};
use super::token::Identity;
use super::{HostNotAllowed, Salesforce, SalesforceHost};

const API_VERSION: &str = "v67.0";
const ORGANIZATION: &str = "SELECT Id,Name,IsSandbox FROM Organization";
const MOST_REDIRECTS: usize = 3;

/// An org as people know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Org {
    /// Its id.
    pub id: OrgId,
    /// Its name.
    pub name: String,
    /// Whether it is a sandbox or scratch org.
    pub sandbox: bool,
    /// Name of the user that the sync runs as; empty where the identity does not tell.
    pub username: String,
}

/// Why it is not known whose connection it is.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// Salesforce did not answer.
    #[error("Salesforce did not answer (status {status})")]
    Unavailable {
        /// HTTP status; 0 when no answer came.
        status: u16,
    },
    /// The user may not use the API.
    #[error("the user may not use the API (status {status})")]
    Forbidden {
        /// HTTP status.
        status: u16,
    },
    /// A redirect led away from Salesforce; nothing was sent there.
    #[error(transparent)]
    HostNotAllowed(#[from] HostNotAllowed),
    /// Token reply, identity and query do not name the same org.
    #[error("the answers name different orgs")]
    Contradiction,
    /// The answer can't be read.
    #[error("the answer on {what} can't be read")]
    Unreadable {
        /// What was asked.
        what: &'static str,
    },
}

#[derive(Deserialize)]
struct IdentityReply {
    #[serde(default)]
    username: String,
    organization_id: Option<String>,
}

#[derive(Deserialize)]
struct QueryReply {
    records: Vec<OrganizationRow>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct OrganizationRow {
    id: String,
    name: String,
    is_sandbox: bool,
}

impl Salesforce {
    /// Returns the org of a grant, as three answers of Salesforce name it alike.
    ///
    /// # Errors
    /// [`IdentityError`].
    pub async fn org(
        &self,
        login: &SalesforceHost,
        identity: &Identity,
        instance: &SalesforceHost,
        access_token: &SecretString,
    ) -> Result<Org, IdentityError> {
        let username = self.username(login, identity, access_token).await?;
        let mut url = instance.at(&format!("/services/data/{API_VERSION}/query"));
        url.query_pairs_mut().append_pair("q", ORGANIZATION);
        let answer = self.read(url, access_token).await?;
        match answer.status {
            StatusCode::OK if !answer.is_page => {}
            status if status.is_client_error() => return Err(IdentityError::Forbidden { status: status.as_u16() }),
            status => return Err(IdentityError::Unavailable { status: status.as_u16() }),
        }
        let unreadable = IdentityError::Unreadable { what: "Organization" };
        let Ok(QueryReply { records }) = serde_json::from_slice(&answer.body) else { return Err(unreadable) };
        let Some(row) = records.into_iter().next() else { return Err(unreadable) };
        let id: OrgId = row.id.parse().map_err(|_| unreadable)?;
        if id != identity.org {
            return Err(IdentityError::Contradiction);
        }
        Ok(Org { id, name: row.name, sandbox: row.is_sandbox, username })
    }

    /// Returns the user's name. The name is for people only, so an identity service that refuses is no reason to fail.
    async fn username(
        &self,
        login: &SalesforceHost,
        identity: &Identity,
        access_token: &SecretString,
    ) -> Result<String, IdentityError> {
        let mut url = self.rules.identity(login, &identity.url)?;
        for _ in 0..=MOST_REDIRECTS {
            let answer = self.read(url.clone(), access_token).await?;
            if answer.status.is_redirection() {
                let unreadable = IdentityError::Unreadable { what: "identity" };
                let Some(target) = answer.location.and_then(|target| url.join(&target).ok()) else {
                    return Err(unreadable);
                };
                // Checked before anything is sent: the token never leaves for another host.
                url = self.rules.callable(target)?;
                continue;
            }
            if answer.status.is_server_error() {
                return Err(IdentityError::Unavailable { status: answer.status.as_u16() });
            }
            let Ok(reply) = serde_json::from_slice::<IdentityReply>(&answer.body) else { return Ok(String::new()) };
            let org = reply.organization_id.and_then(|id| id.parse::<OrgId>().ok());
            let is_same = org.is_none_or(|org| org == identity.org);
            return if is_same { Ok(reply.username) } else { Err(IdentityError::Contradiction) };
        }
        Err(IdentityError::Unreadable { what: "identity" })
    }

    async fn read(&self, url: Url, access_token: &SecretString) -> Result<Answer, IdentityError> {
        let url = self.rules.callable(url)?;
        let request =
            self.http.client().get(url).bearer_auth(access_token.expose_secret()).header("accept", "application/json");
        send(request).await.map_err(|_| IdentityError::Unavailable { status: 0 })
    }
}
