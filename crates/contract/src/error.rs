//! The one table of errors: a stable reason decides the gRPC code and what a person is told to do.

use std::collections::HashMap;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The domain of every `ErrorInfo` of ours.
pub const DOMAIN: &str = "lanesync";

macro_rules! reasons {
    ($($(#[$doc:meta])* $variant:ident = $text:literal, $code:ident, $remedy:literal;)*) => {
        /// Why a call failed. The text is stable for ever.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Reason { $($(#[$doc])* $variant,)* }

        impl Reason {
            /// All reasons.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// Returns the stable text.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)* }
            }

            /// Returns the gRPC code.
            #[must_use]
            pub fn code(self) -> Code {
                match self { $(Self::$variant => Code::$code,)* }
            }

            /// Returns what a person is told to do.
            #[must_use]
            pub fn remedy(self) -> &'static str {
                match self { $(Self::$variant => $remedy,)* }
            }
        }
    };
}

reasons! {
    /// The plan does not include Salesforce.
    PlanRequired = "PLAN_REQUIRED", PermissionDenied, "Upgrade the workspace to Business.";
    /// There is no connection.
    NotConnected = "NOT_CONNECTED", FailedPrecondition, "Connect the workspace to Salesforce first.";
    /// Salesforce refused the grant.
    SalesforceAuthRevoked = "SALESFORCE_AUTH_REVOKED", FailedPrecondition, "Connect again; mapping and data are kept.";
    /// The integration user may not see an object or a field.
    SalesforcePermissionMissing = "SALESFORCE_PERMISSION_MISSING", FailedPrecondition, "Give the integration user access in Salesforce.";
    /// The org's limit or our share of it is used up.
    SalesforceQuotaExhausted = "SALESFORCE_QUOTA_EXHAUSTED", ResourceExhausted, "Wait until the limit frees up, or raise the budget.";
    /// Salesforce does not answer.
    SalesforceUnavailable = "SALESFORCE_UNAVAILABLE", Unavailable, "Nothing to do: it is tried again by itself.";
    /// The callback's state is unknown, used, or too old.
    OauthStateInvalid = "OAUTH_STATE_INVALID", InvalidArgument, "Start connecting again.";
    /// The callback can't be read.
    OauthCallbackMalformed = "OAUTH_CALLBACK_MALFORMED", InvalidArgument, "Start connecting again.";
    /// The person said no.
    OauthDenied = "OAUTH_DENIED", FailedPrecondition, "Allow access in Salesforce, or ask an admin to.";
    /// Salesforce refused the flow.
    OauthFailed = "OAUTH_FAILED", FailedPrecondition, "Start connecting again; if it fails again, check the app's settings in Salesforce.";
    /// The app is not installed in the org.
    OauthAppNotApproved = "OAUTH_APP_NOT_APPROVED", FailedPrecondition, "Ask a Salesforce admin to install the app or to approve it for you.";
    /// Salesforce's answer lacks what a connection needs.
    OauthReplyIncomplete = "OAUTH_REPLY_INCOMPLETE", FailedPrecondition, "Check that the app's scopes include api and refresh_token.";
    /// The org's address is not one that we call.
    InstanceUrlNotAllowed = "INSTANCE_URL_NOT_ALLOWED", FailedPrecondition, "Only Salesforce hosts are called; ask the operator about test hosts.";
    /// The login host is not one that we call.
    LoginHostNotAllowed = "LOGIN_HOST_NOT_ALLOWED", InvalidArgument, "Use production, sandbox, or your My Domain host.";
    /// The start date is out of range.
    StartDateInvalid = "START_DATE_INVALID", InvalidArgument, "Choose a date from 1999-01-01 to today.";
    /// Another org than before.
    OrgMismatch = "ORG_MISMATCH", FailedPrecondition, "Connect the same org, or confirm the switch: what came from the old org is removed.";
    /// A field mapping does not hold.
    FieldMappingInvalid = "FIELD_MAPPING_INVALID", InvalidArgument, "Correct the named rows.";
    /// A value mapping does not hold.
    ValueMappingInvalid = "VALUE_MAPPING_INVALID", InvalidArgument, "Correct the named values.";
    /// Required fields are not mapped.
    MappingIncomplete = "MAPPING_INCOMPLETE", FailedPrecondition, "Map the named fields first.";
    /// Somebody else saved first.
    EtagMismatch = "ETAG_MISMATCH", Aborted, "Reload and repeat.";
    /// A run is in hand.
    SyncAlreadyRunning = "SYNC_ALREADY_RUNNING", Aborted, "Open the running sync, or cancel it.";
    /// The poll interval is out of range.
    PollIntervalInvalid = "POLL_INTERVAL_INVALID", InvalidArgument, "Choose between 1 minute and 24 hours.";
    /// The share of the org's calls is out of range.
    ApiBudgetInvalid = "API_BUDGET_INVALID", InvalidArgument, "Choose between 1 and 100 percent of the org's calls.";
    /// A mapping feeds the field.
    FieldLocked = "FIELD_LOCKED", FailedPrecondition, "Edit the record in Salesforce, or unmap the field.";
    /// A value does not fit.
    RecordRejected = "RECORD_REJECTED", InvalidArgument, "Correct the named fields.";
    /// An argument does not hold.
    ArgumentInvalid = "ARGUMENT_INVALID", InvalidArgument, "Correct the named argument.";
    /// It does not exist, or not for this workspace.
    ResourceNotFound = "RESOURCE_NOT_FOUND", NotFound, "Check the id and the workspace.";
    /// Too much at once.
    RateLimited = "RATE_LIMITED", ResourceExhausted, "Wait and repeat.";
    /// Something that we need does not answer.
    DependencyUnavailable = "DEPENDENCY_UNAVAILABLE", Unavailable, "Repeat in a moment.";
    /// Our fault.
    Internal = "INTERNAL", Internal, "Give the trace id to support.";
}

impl Reason {
    /// Returns the reason of a [`Self::as_str`].
    #[must_use]
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|reason| reason.as_str() == text)
    }

    /// Returns the reason that a status of ours carries.
    #[must_use]
    pub fn of(status: &Status) -> Option<Self> {
        let info = status.get_details_error_info()?;
        if info.domain == DOMAIN { Self::from_text(&info.reason) } else { None }
    }
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, or id of the Lane field.
    pub field: String,
    /// What is wrong, and what would be right; never the value.
    pub description: String,
}

/// A failure on its way to a caller.
#[derive(Clone, Debug)]
pub struct Failure {
    reason: Reason,
    message: String,
    metadata: HashMap<String, String>,
    violations: Vec<Violation>,
    retry_after: Option<Duration>,
}

impl Failure {
    /// Begins a failure; `message` is one sentence without values of records.
    pub fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self { reason, message: message.into(), metadata: HashMap::new(), violations: Vec::new(), retry_after: None }
    }

    /// Adds a fact for programs; keys are lowerCamel.
    #[must_use]
    pub fn with(mut self, key: &str, value: impl Into<String>) -> Self {
        self.metadata.insert(key.to_owned(), value.into());
        self
    }

    /// Adds what is wrong with each field.
    #[must_use]
    pub fn with_violations(mut self, violations: impl IntoIterator<Item = Violation>) -> Self {
        self.violations.extend(violations);
        self
    }

    /// Tells when trying again makes sense.
    #[must_use]
    pub fn retry_after(mut self, delay: Duration) -> Self {
        self.retry_after = Some(delay);
        self
    }

    /// Returns why.
    #[must_use]
    pub fn reason(&self) -> Reason {
        self.reason
    }
}

impl From<Failure> for Status {
    fn from(failure: Failure) -> Self {
        let mut details = ErrorDetails::new();
        details.set_error_info(failure.reason.as_str(), DOMAIN, failure.metadata);
        details.set_localized_message("en", format!("{} {}", failure.message, failure.reason.remedy()));
        if let Some(delay) = failure.retry_after {
            details.set_retry_info(Some(delay));
        }
        for violation in failure.violations {
            if failure.reason.code() == Code::InvalidArgument {
                details.add_bad_request_violation(violation.field, violation.description);
            } else {
                details.add_precondition_failure_violation(
                    failure.reason.as_str(),
                    violation.field,
                    violation.description,
                );
            }
        }
        Status::with_error_details(failure.reason.code(), failure.message, details)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_status_tells_reason_and_violations() {
        let status: Status = Failure::new(Reason::FieldLocked, "The field is locked.")
            .with_violations([Violation { field: "arr".into(), description: "Account.AnnualRevenue feeds it".into() }])
            .into();
        assert_eq!(status.code(), Code::FailedPrecondition);
        assert_eq!(Reason::of(&status), Some(Reason::FieldLocked));
        let violations = status.get_details_precondition_failure().unwrap().violations;
        assert_eq!(violations[0].subject, "arr");
    }

    #[test]
    fn every_reason_is_found_by_its_text() {
        for reason in Reason::ALL {
            assert_eq!(Reason::from_text(reason.as_str()), Some(*reason));
        }
    }
}
