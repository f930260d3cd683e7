//! What is known of one connection while this process lives: its token, its calls, what the org said of its limit.

use std::cell::Cell;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use contract::auth::v1::GetAccessTokenRequest;
use contract::auth::v1::token_service_client::TokenServiceClient;
use contract::error::Reason;
use domain::{Epoch, WorkspaceId};
use secrecy::SecretString;
use service::grpc::Peer;
use tonic::Code;
use url::Url;

use super::host::Hosts;
use super::usage::OrgUsage;
use super::verdict::Verdict;
use crate::store::workspace::Workspace;

tokio::task_local! {
    /// Calls of the piece of work in hand, while somebody wants to know them.
    static COUNTED: Cell<u64>;
}

/// Does a piece of work and returns how many calls it made, whatever others do with the same session meanwhile.
///
/// Work that it spawns as tasks of their own is not counted.
pub async fn counting<F: Future>(work: F) -> (F::Output, u64) {
    let counted = async {
        let output = work.await;
        (output, COUNTED.with(Cell::get))
    };
    COUNTED.scope(Cell::new(0), counted).await
}

/// One connection in one epoch.
#[derive(Debug)]
pub struct Session {
    /// Whose it is.
    pub workspace: WorkspaceId,
    /// Epoch of the connection; a token of another one is not used.
    pub epoch: Epoch,
    token: tokio::sync::Mutex<Option<Arc<Token>>>,
    meter: Mutex<Meter>,
}

/// An access token; it lives in memory only.
pub(crate) struct Token {
    pub(crate) secret: SecretString,
    pub(crate) instance: Url,
    pub(crate) generation: i64,
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Token").field("generation", &self.generation).finish_non_exhaustive()
    }
}

#[derive(Debug, Default)]
struct Meter {
    unsaved_calls: u64,
    own_calls: u64,
    usage: Option<(OrgUsage, Instant)>,
    share: Option<u64>,
}

impl Session {
    fn new(workspace: WorkspaceId, epoch: Epoch) -> Self {
        Self { workspace, epoch, token: tokio::sync::Mutex::default(), meter: Mutex::default() }
    }

    fn meter(&self) -> MutexGuard<'_, Meter> {
        // Every change is a single assignment: a panic in between leaves nothing half done.
        self.meter.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes a call, whatever came of it: Salesforce counts it too.
    pub(crate) fn count_call(&self) {
        // Nobody may be counting.
        let _ = COUNTED.try_with(|counted| counted.set(counted.get() + 1));
        let mut meter = self.meter();
        meter.unsaved_calls += 1;
        meter.own_calls += 1;
    }

    /// Notes what the org said of its limit.
    pub(crate) fn note_usage(&self, usage: OrgUsage) {
        self.meter().usage = Some((usage, Instant::now()));
    }

    /// Tells how many calls of ours the books hold for the last 24 hours.
    pub fn set_own_calls(&self, booked: u64) {
        let mut meter = self.meter();
        meter.own_calls = booked + meter.unsaved_calls;
    }

    /// Returns our calls of the last 24 hours, booked or not.
    pub fn own_calls(&self) -> u64 {
        self.meter().own_calls
    }

    /// Takes the calls that are not in the books yet.
    pub fn take_unsaved_calls(&self) -> u64 {
        std::mem::take(&mut self.meter().unsaved_calls)
    }

    /// Returns what the org said last, and when.
    pub fn usage(&self) -> Option<(OrgUsage, Instant)> {
        self.meter().usage
    }

    /// Returns the share of the org's daily calls that was chosen for the workspace, in percent.
    pub fn share(&self) -> Option<u64> {
        self.meter().share
    }

    /// Returns a token that Salesforce did not reject yet.
    pub(crate) async fn token(
        &self,
        tokens: &TokenServiceClient<Peer>,
        hosts: Hosts,
        rejected: Option<i64>,
    ) -> Result<Arc<Token>, NoToken> {
        let mut held = self.token.lock().await;
        if let Some(token) = held.as_ref().filter(|token| rejected.is_none_or(|rejected| token.generation > rejected)) {
            return Ok(Arc::clone(token));
        }
        let request = GetAccessTokenRequest {
            workspace_id: self.workspace.to_string(),
            rejected_generation: rejected.unwrap_or(0),
        };
        let answer = tokens.clone().get_access_token(request).await.map_err(|status| NoToken::from_status(&status))?;
        let answer = answer.into_inner();
        if answer.epoch != self.epoch {
            return Err(NoToken::OtherEpoch);
        }
        let instance = hosts.check(&answer.instance_url).map_err(|_| NoToken::HostNotAllowed)?;
        let token =
            Arc::new(Token { secret: SecretString::from(answer.token), instance, generation: answer.generation });
        *held = Some(Arc::clone(&token));
        Ok(token)
    }
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum NoToken {
    #[error("Salesforce refused the grant")]
    Revoked,
    #[error("auth knows no connection that may be used")]
    NotConnected,
    #[error("the org's calls are used up")]
    Quota,
    #[error("auth or Salesforce's login does not answer")]
    Unavailable,
    #[error("the token belongs to another epoch")]
    OtherEpoch,
    #[error("the org's address is not allowed")]
    HostNotAllowed,
}

impl NoToken {
    fn from_status(status: &tonic::Status) -> Self {
        tracing::warn!(code = ?status.code(), reason = Reason::of(status).map_or("none", Reason::as_str), "auth gives no token");
        match (Reason::of(status), status.code()) {
            (Some(Reason::SalesforceAuthRevoked), _) => Self::Revoked,
            (Some(Reason::SalesforceQuotaExhausted), _) => Self::Quota,
            // A disconnect or a plan that we were not told yet, or a right that a deployment forgot: the word comes, and
            // nobody has to connect again.
            (_, Code::FailedPrecondition | Code::PermissionDenied | Code::NotFound) => Self::NotConnected,
            _ => Self::Unavailable,
        }
    }

    pub(crate) fn verdict(self) -> Verdict {
        match self {
            Self::Revoked => Verdict::Reauthorize,
            Self::Quota => Verdict::WaitForQuota,
            Self::NotConnected | Self::Unavailable | Self::OtherEpoch => {
                Verdict::RetryAfter(std::time::Duration::from_secs(5))
            }
            Self::HostNotAllowed => Verdict::Fatal("instance_url_not_allowed"),
        }
    }

    pub(crate) fn code(self) -> &'static str {
        match self {
            Self::Revoked => "auth_revoked",
            Self::NotConnected => "not_connected",
            Self::Quota => "quota_exhausted",
            Self::Unavailable => "auth_unavailable",
            Self::OtherEpoch => "other_epoch",
            Self::HostNotAllowed => "instance_url_not_allowed",
        }
    }
}

/// The sessions of this process; cheap to clone.
#[derive(Clone, Debug, Default)]
pub struct Sessions(Arc<Mutex<HashMap<WorkspaceId, Arc<Session>>>>);

impl Sessions {
    /// Returns the session of a connection, with the share of calls that the books say. A new epoch begins a new one:
    /// nothing of the old is used again.
    #[must_use]
    pub fn of(&self, known: &Workspace) -> Arc<Session> {
        let mut sessions = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let session = sessions.entry(known.id).or_insert_with(|| Arc::new(Session::new(known.id, known.epoch)));
        if session.epoch != known.epoch {
            *session = Arc::new(Session::new(known.id, known.epoch));
        }
        session.meter().share = known.api_budget_percent;
        Arc::clone(session)
    }
}

#[cfg(test)]
mod tests {
    use contract::error::Failure;

    use super::*;

    #[test]
    fn only_a_refused_grant_asks_people_to_connect_again() {
        let of = |reason| NoToken::from_status(&Failure::new(reason, "").into());
        assert_eq!(of(Reason::SalesforceAuthRevoked).verdict(), Verdict::Reauthorize);
        assert_eq!(of(Reason::SalesforceQuotaExhausted).verdict(), Verdict::WaitForQuota);
        for reason in [Reason::NotConnected, Reason::PlanRequired, Reason::DependencyUnavailable] {
            assert!(matches!(of(reason).verdict(), Verdict::RetryAfter(_)), "{}", reason.as_str());
        }
        assert_eq!(of(Reason::NotConnected), NoToken::NotConnected);
        assert_eq!(NoToken::from_status(&tonic::Status::permission_denied("")), NoToken::NotConnected);
    }
}
