//! Why a page can't do what was asked, in plain words, with what to do about it. Never a bare code.

use std::time::Duration;

use axum::http::StatusCode;
use contract::error::{Reason, Violation};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::peers::Party;

/// What is told of a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trouble {
    /// Stable reason; `None` when the service did not answer at all.
    pub(crate) reason: Option<Reason>,
    /// Headline: what is the matter.
    pub(crate) title: String,
    /// One sentence with the particulars; may be empty.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) remedy: String,
    /// What is wrong with single fields.
    pub(crate) violations: Vec<Violation>,
    /// When trying again makes sense.
    pub(crate) retry_after: Option<Duration>,
    /// A fact that the service added for programs, such as the id of the run in hand.
    pub(crate) run_id: String,
}

impl Trouble {
    /// A failure that the console found itself.
    pub(crate) fn new(reason: Reason, title: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            reason: Some(reason),
            title: title.into(),
            message: message.into(),
            remedy: reason.remedy().to_owned(),
            violations: Vec::new(),
            retry_after: None,
            run_id: String::new(),
        }
    }

    /// The same with another advice.
    #[must_use]
    pub(crate) fn advise(mut self, remedy: impl Into<String>) -> Self {
        self.remedy = remedy.into();
        self
    }

    /// Reads what a service answered instead of a result.
    pub(crate) fn answered(party: Party, status: &Status) -> Self {
        let Some(reason) = Reason::of(status) else {
            return match status.code() {
                Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Self::silent(party),
                _ => {
                    tracing::warn!(code = ?status.code(), party = ?party, "a service answered without a reason");
                    Self::new(Reason::Internal, title(Reason::Internal), format!("This came from {}.", party.title()))
                }
            };
        };
        let details = status.get_error_details();
        let info = details.error_info();
        let run_id = info.and_then(|info| info.metadata.get("runId")).cloned().unwrap_or_default();
        let bad = details.bad_request().into_iter().flat_map(|bad| &bad.field_violations);
        let bad = bad.map(|bad| Violation { field: bad.field.clone(), description: bad.description.clone() });
        let unmet = details.precondition_failure().into_iter().flat_map(|unmet| &unmet.violations);
        let unmet =
            unmet.map(|unmet| Violation { field: unmet.subject.clone(), description: unmet.description.clone() });
        Self {
            violations: bad.chain(unmet).collect(),
            retry_after: details.retry_info().and_then(|retry| retry.retry_delay),
            run_id,
            ..Self::new(reason, title(reason), status.message())
        }
    }

    /// A service that did not answer in time, or is not there.
    pub(crate) fn silent(party: Party) -> Self {
        let title = "Part of Lane is not answering";
        let message = format!("No answer from {}.", party.title());
        Self { reason: None, ..Self::new(Reason::DependencyUnavailable, title, message) }
            .advise("Nothing is lost. Try again in a moment.")
    }

    /// Whether the thing asked for does not exist, as opposed to not being told.
    pub(crate) fn is(&self, reason: Reason) -> bool {
        self.reason == Some(reason)
    }

    /// Returns the status code of a page that tells it.
    pub(crate) fn status(&self) -> StatusCode {
        let Some(reason) = self.reason else { return StatusCode::SERVICE_UNAVAILABLE };
        match reason.code() {
            Code::NotFound => StatusCode::NOT_FOUND,
            Code::InvalidArgument => StatusCode::UNPROCESSABLE_ENTITY,
            Code::PermissionDenied => StatusCode::FORBIDDEN,
            Code::FailedPrecondition | Code::Aborted => StatusCode::CONFLICT,
            Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
            Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }
}

/// Returns the headline of a reason. Without a wildcard: a new reason must choose.
pub(crate) fn title(reason: Reason) -> &'static str {
    match reason {
        Reason::PlanRequired => "Salesforce sync is part of Business",
        Reason::NotConnected => "Salesforce is not connected",
        Reason::SalesforceAuthRevoked => "Salesforce access was revoked",
        Reason::SalesforcePermissionMissing => "The Salesforce user may not see this",
        Reason::SalesforceQuotaExhausted => "The Salesforce API limit is used up",
        Reason::SalesforceUnavailable => "Salesforce is not answering",
        Reason::OauthStateInvalid | Reason::OauthCallbackMalformed => "This connection attempt is no longer valid",
        Reason::OauthDenied => "Access was not allowed in Salesforce",
        Reason::OauthFailed | Reason::OauthReplyIncomplete => "Salesforce refused to connect",
        Reason::OauthAppNotApproved => "Lane's app is not installed in this org",
        Reason::InstanceUrlNotAllowed | Reason::LoginHostNotAllowed => "This is not a Salesforce address",
        Reason::StartDateInvalid => "This start date can't be used",
        Reason::OrgMismatch => "This is a different Salesforce org",
        Reason::FieldMappingInvalid => "The field mapping can't be saved",
        Reason::ValueMappingInvalid => "The value mapping can't be saved",
        Reason::MappingIncomplete => "Required fields are not mapped yet",
        Reason::EtagMismatch => "Somebody else saved first",
        Reason::SyncAlreadyRunning => "A sync is running already",
        Reason::PollIntervalInvalid => "This interval can't be used",
        Reason::ApiBudgetInvalid => "This share can't be used",
        Reason::FieldLocked => "This field is locked",
        Reason::RecordRejected => "This value does not fit",
        Reason::ArgumentInvalid => "Something in this request is not right",
        Reason::ResourceNotFound => "This does not exist",
        Reason::RateLimited => "Too much at once",
        Reason::DependencyUnavailable => "Part of Lane is not answering",
        Reason::Internal => "Something went wrong on our side",
    }
}

#[cfg(test)]
mod tests {
    use contract::error::Failure;

    use super::*;

    #[test]
    fn a_services_refusal_becomes_words_remedy_and_fields() {
        let status: Status = Failure::new(Reason::SyncAlreadyRunning, "A run is in hand.")
            .with("runId", "r1")
            .with_violations([Violation { field: "scope".into(), description: "is running".into() }])
            .into();
        let trouble = Trouble::answered(Party::Extractor, &status);
        assert_eq!(trouble.title, "A sync is running already");
        assert_eq!(trouble.message, "A run is in hand.");
        assert_eq!(trouble.remedy, "Open the running sync, or cancel it.");
        assert_eq!(trouble.run_id, "r1");
        assert_eq!(trouble.violations[0].field, "scope");
        assert_eq!(trouble.status(), StatusCode::CONFLICT);
    }

    #[test]
    fn a_dead_service_is_told_by_what_it_does_and_not_by_its_name() {
        let trouble = Trouble::answered(Party::Mapper, &Status::unavailable("tcp connect error 10.0.0.1"));
        assert_eq!(trouble.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(trouble.message, "No answer from the service that keeps the mapping.");
        assert!(!format!("{trouble:?}").contains("10.0.0.1"));
    }
}
