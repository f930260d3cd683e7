//! What a caller may know of an error. The chain is logged here, once; nothing of it travels.

use std::time::Duration;

use contract::error::{Failure, Reason};
use domain::Plan;
use tonic::Status;

use crate::access::AccessError;
use crate::connect::ConnectError;
use crate::connections::ConnectionError;
use crate::salesforce::{HostNotAllowed, IdentityError, TokenError};
use crate::store::StoreError;
use crate::workspaces::WorkspaceError;

const SOON: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

pub(super) fn of_access(error: &AccessError) -> Status {
    let failure = match error {
        AccessError::UnknownWorkspace(_) => unknown_workspace(),
        AccessError::NotConnected(_) => not_connected(),
        AccessError::Revoked(_) => {
            Failure::new(Reason::SalesforceAuthRevoked, "Salesforce refused the grant of this workspace.")
        }
        AccessError::Stopped => stopped(),
        AccessError::Later { after, cause } => {
            Failure::new(Reason::SalesforceUnavailable, "Salesforce gives no token now.")
                .with("cause", *cause)
                .retry_after(*after)
        }
        AccessError::Store(error) => of_store(error),
        AccessError::Sealed { .. } | AccessError::CutOff => internal(error),
    };
    failure.into()
}

pub(super) fn of_connect(error: &ConnectError) -> Status {
    let failure = match error {
        ConnectError::UnknownWorkspace(_) => unknown_workspace(),
        ConnectError::PlanRequired(plan) => plan_required(*plan),
        ConnectError::Stopped => stopped(),
        ConnectError::StartDate => start_date(),
        ConnectError::LoginHost(HostNotAllowed { host }) => {
            Failure::new(Reason::LoginHostNotAllowed, "This is no login host of Salesforce.").with("host", host)
        }
        ConnectError::TooMany => {
            Failure::new(Reason::RateLimited, "Too many flows were begun and not finished.").retry_after(MINUTE * 10)
        }
        ConnectError::State => Failure::new(Reason::OauthStateInvalid, "The link is used, too old, or not ours."),
        ConnectError::Malformed => Failure::new(Reason::OauthCallbackMalformed, "The callback can't be read."),
        ConnectError::Denied => Failure::new(Reason::OauthDenied, "Access was denied in Salesforce."),
        ConnectError::Refused { words } => {
            Failure::new(Reason::OauthFailed, "Salesforce refused the flow.").with("salesforceSays", words)
        }
        ConnectError::NotApproved => {
            Failure::new(Reason::OauthAppNotApproved, "The app is not installed in this org, or not approved.")
        }
        ConnectError::Token(TokenError::Permanent(why)) => {
            Failure::new(Reason::OauthFailed, "Salesforce gave no token.").with("cause", why.as_str())
        }
        ConnectError::Token(TokenError::Transient(why)) => {
            Failure::new(Reason::SalesforceUnavailable, "Salesforce gave no token.")
                .with("cause", why.as_str())
                .retry_after(SOON)
        }
        ConnectError::Token(TokenError::Incomplete { missing }) => {
            Failure::new(Reason::OauthReplyIncomplete, "Salesforce's reply lacks what a connection needs.")
                .with("missing", *missing)
        }
        ConnectError::Instance(HostNotAllowed { host })
        | ConnectError::Identity(IdentityError::HostNotAllowed(HostNotAllowed { host })) => {
            Failure::new(Reason::InstanceUrlNotAllowed, "The org's address is not one that we call.").with("host", host)
        }
        ConnectError::OtherHost | ConnectError::Identity(IdentityError::Contradiction) => {
            Failure::new(Reason::OauthFailed, "The reply is not of the host and org that the flow began with.")
        }
        ConnectError::Identity(IdentityError::Unavailable { .. } | IdentityError::Unreadable { .. }) => {
            Failure::new(Reason::SalesforceUnavailable, "Salesforce did not say whose grant it is.").retry_after(SOON)
        }
        ConnectError::Identity(IdentityError::Forbidden { .. }) => {
            Failure::new(Reason::SalesforcePermissionMissing, "The user may not use the API of this org.")
        }
        ConnectError::OrgMismatch { bound, found } => {
            Failure::new(Reason::OrgMismatch, "This is another org than the one whose customers are here.")
                .with("boundOrg", bound.as_str())
                .with("foundOrg", found.as_str())
        }
        ConnectError::Store(error) => of_store(error),
        ConnectError::Sealed(_) | ConnectError::CutOff => internal(error),
    };
    failure.into()
}

pub(super) fn of_connection(error: &ConnectionError) -> Status {
    let failure = match error {
        ConnectionError::UnknownWorkspace(_) => unknown_workspace(),
        ConnectionError::NotConnected(_) => not_connected(),
        ConnectionError::PlanRequired(plan) => plan_required(*plan),
        ConnectionError::StartDate => start_date(),
        ConnectionError::Store(error) => of_store(error),
    };
    failure.into()
}

pub(super) fn of_workspace(error: &WorkspaceError) -> Status {
    let failure = match error {
        WorkspaceError::Unknown(_) => unknown_workspace(),
        WorkspaceError::Store(error) => of_store(error),
    };
    failure.into()
}

fn unknown_workspace() -> Failure {
    Failure::new(Reason::ResourceNotFound, "There is no such workspace.")
}

fn not_connected() -> Failure {
    Failure::new(Reason::NotConnected, "The workspace is not connected to Salesforce.")
}

fn plan_required(plan: Plan) -> Failure {
    Failure::new(Reason::PlanRequired, "Salesforce sync is part of Business.").with("plan", plan.token())
}

fn stopped() -> Failure {
    Failure::new(Reason::SalesforceUnavailable, "Salesforce traffic is stopped by the operator.")
        .with("cause", "killSwitch")
        .retry_after(MINUTE)
}

fn start_date() -> Failure {
    Failure::new(Reason::StartDateInvalid, "The start date is before 1999-01-01 or in the future.")
        .with("earliest", "1999-01-01")
}

fn of_store(error: &StoreError) -> Failure {
    if error.is_transient() {
        tracing::warn!(error = ?error, "the database did not answer");
        return Failure::new(Reason::DependencyUnavailable, "The database did not answer.").retry_after(SOON);
    }
    internal(error)
}

fn internal(error: &(dyn std::error::Error + 'static)) -> Failure {
    let chain: Vec<String> =
        std::iter::successors(Some(error), |error| error.source()).map(ToString::to_string).collect();
    tracing::error!(error = chain.join(": "), "a call failed");
    Failure::new(Reason::Internal, "Something went wrong here.")
}
