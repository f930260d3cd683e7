//! Why a command did not do what it was asked, and the exit code that says so.

use std::collections::BTreeMap;
use std::process::ExitCode;

use contract::error::Reason;
use serde::Serialize;
use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::table::printable;

/// What the exit code of the process means. Stable for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// Done.
    Done = 0,
    /// Our fault, or a run that failed for a reason without a class of its own.
    Internal = 1,
    /// The command line, or an argument in it, does not hold.
    Usage = 2,
    /// It does not exist, or not for this workspace.
    NotFound = 3,
    /// A precondition is missing: plan, connection, lock, confirmation.
    Refused = 4,
    /// Somebody else was first: etag, running sync.
    Conflict = 5,
    /// It does not answer now; trying again makes sense.
    Unavailable = 6,
    /// The org's limit or our share of it is used up.
    Quota = 7,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}

impl Exit {
    /// Returns the class of a reason. Without a wildcard: a new reason must choose.
    pub(crate) fn of(reason: Reason) -> Self {
        match reason {
            Reason::Internal => Self::Internal,
            Reason::LoginHostNotAllowed
            | Reason::StartDateInvalid
            | Reason::FieldMappingInvalid
            | Reason::ValueMappingInvalid
            | Reason::PollIntervalInvalid
            | Reason::ApiBudgetInvalid
            | Reason::RecordRejected
            | Reason::ArgumentInvalid => Self::Usage,
            Reason::ResourceNotFound => Self::NotFound,
            Reason::PlanRequired
            | Reason::NotConnected
            | Reason::SalesforceAuthRevoked
            | Reason::SalesforcePermissionMissing
            | Reason::OauthStateInvalid
            | Reason::OauthCallbackMalformed
            | Reason::OauthDenied
            | Reason::OauthFailed
            | Reason::OauthAppNotApproved
            | Reason::OauthReplyIncomplete
            | Reason::InstanceUrlNotAllowed
            | Reason::OrgMismatch
            | Reason::MappingIncomplete
            | Reason::FieldLocked => Self::Refused,
            Reason::EtagMismatch | Reason::SyncAlreadyRunning => Self::Conflict,
            Reason::SalesforceUnavailable | Reason::DependencyUnavailable | Reason::RateLimited => Self::Unavailable,
            Reason::SalesforceQuotaExhausted => Self::Quota,
        }
    }

    /// Returns the class of the stable reason that a run ended with, in whatever case it is written.
    pub(crate) fn of_run_reason(reason: &str) -> Self {
        Reason::from_text(&reason.to_ascii_uppercase()).map_or(Self::Internal, Self::of)
    }
}

/// What is wrong with one field of what was asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Violation {
    /// Lane field id, or path of the argument.
    pub(crate) field: String,
    /// What is wrong, and what would be right.
    pub(crate) description: String,
}

/// Why a command did not do what it was asked. One pointer: it travels in every `Result`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub(crate) struct Failure(Box<Told>);

/// What is told of a failure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
struct Told {
    /// Stable reason of [`Reason`].
    reason: String,
    /// One sentence.
    message: String,
    /// What to do about it; may be empty.
    remedy: String,
    violations: Vec<Violation>,
    /// Facts for programs.
    metadata: BTreeMap<String, String>,
    #[serde(skip)]
    exit: Exit,
}

/// The form of a failure for programs.
#[derive(Serialize)]
struct Envelope<'a> {
    error: &'a Failure,
}

impl Failure {
    /// A failure that this process found itself.
    pub(crate) fn new(reason: Reason, message: impl Into<String>) -> Self {
        Self::told(reason, message.into(), reason.remedy())
    }

    /// An argument that does not hold; `message` says what would.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::told(Reason::ArgumentInvalid, message.into(), "")
    }

    /// Something that must be true and is not.
    pub(crate) fn internal(message: impl Into<String>) -> Self {
        Self::told(Reason::Internal, message.into(), "")
    }

    fn told(reason: Reason, message: String, remedy: &str) -> Self {
        Self(Box::new(Told {
            reason: reason.as_str().to_owned(),
            message,
            remedy: remedy.to_owned(),
            violations: Vec::new(),
            metadata: BTreeMap::new(),
            exit: Exit::of(reason),
        }))
    }

    /// Reads what a service answered; `service` names it for the case that it could not be reached.
    pub(crate) fn answered(service: &str, status: &Status) -> Self {
        let Some(info) = status.get_details_error_info() else { return Self::without_details(service, status) };
        let known = Reason::from_text(&info.reason);
        let message = status.message().to_owned();
        Self(Box::new(Told {
            remedy: remedy(status, &message).or(known.map(|reason| reason.remedy().to_owned())).unwrap_or_default(),
            exit: known.map_or_else(|| Exit::of(stand_in(status.code())), Exit::of),
            violations: violations(status),
            reason: info.reason,
            message,
            metadata: info.metadata.into_iter().collect(),
        }))
    }

    /// A status that is not of our making: from the transport, or from something between us and the service.
    fn without_details(service: &str, status: &Status) -> Self {
        let reason = stand_in(status.code());
        match Exit::of(reason) {
            Exit::Unavailable => Self::new(reason, format!("{service} does not answer: {}.", status.message())),
            _ => Self::new(reason, format!("{service} answered {:?}: {}", status.code(), status.message())),
        }
    }

    /// Returns the class.
    pub(crate) fn exit(&self) -> Exit {
        self.0.exit
    }

    /// Whether it failed for this reason.
    pub(crate) fn is(&self, reason: Reason) -> bool {
        self.0.reason == reason.as_str()
    }

    /// Returns a fact for programs.
    pub(crate) fn fact(&self, key: &str) -> Option<&str> {
        self.0.metadata.get(key).map(String::as_str)
    }

    /// Returns the sentence.
    pub(crate) fn message(&self) -> &str {
        &self.0.message
    }

    /// Returns the form for programs, one line.
    pub(crate) fn to_json(&self) -> String {
        // Only maps with text keys and texts: nothing that JSON can't say.
        serde_json::to_string(&Envelope { error: self }).expect("a failure is plain text")
    }

    /// Returns the form for people: reason and sentence, one line per violation, the remedy.
    pub(crate) fn to_text(&self) -> String {
        let mut lines = vec![format!("error: {}: {}", self.0.reason, self.0.message)];
        lines.extend(self.0.violations.iter().map(|wrong| format!("  {}: {}", wrong.field, wrong.description)));
        if !self.0.remedy.is_empty() {
            lines.push(self.0.remedy.clone());
        }
        lines.iter().map(|line| printable(line)).collect::<Vec<_>>().join("\n")
    }
}

/// Returns the reason that stands in for a status that brings none.
fn stand_in(code: Code) -> Reason {
    match code {
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => Reason::DependencyUnavailable,
        Code::ResourceExhausted => Reason::RateLimited,
        Code::InvalidArgument | Code::OutOfRange => Reason::ArgumentInvalid,
        Code::NotFound => Reason::ResourceNotFound,
        Code::Aborted | Code::AlreadyExists => Reason::EtagMismatch,
        Code::Ok
        | Code::Unknown
        | Code::PermissionDenied
        | Code::Unauthenticated
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Internal
        | Code::DataLoss => Reason::Internal,
    }
}

/// The localized message is the sentence and the remedy; what remains without the sentence is the remedy.
fn remedy(status: &Status, message: &str) -> Option<String> {
    let localized = status.get_details_localized_message()?.message;
    Some(localized.strip_prefix(message).unwrap_or(&localized).trim().to_owned())
}

fn violations(status: &Status) -> Vec<Violation> {
    let arguments = status.get_details_bad_request().map(|detail| detail.field_violations).unwrap_or_default();
    let conditions = status.get_details_precondition_failure().map(|detail| detail.violations).unwrap_or_default();
    let arguments = arguments.into_iter().map(|wrong| Violation { field: wrong.field, description: wrong.description });
    let conditions =
        conditions.into_iter().map(|wrong| Violation { field: wrong.subject, description: wrong.description });
    arguments.chain(conditions).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn locked() -> Failure {
        let status = contract::error::Failure::new(Reason::FieldLocked, "One field is locked.")
            .with("customerId", "c1")
            .with_violations([contract::error::Violation {
                field: "arr".into(),
                description: "Account.AnnualRevenue feeds it".into(),
            }])
            .into();
        Failure::answered("the writer", &status)
    }

    #[test]
    fn a_person_reads_reason_sentence_violations_and_remedy() {
        assert_eq!(
            locked().to_text(),
            "error: FIELD_LOCKED: One field is locked.\n  arr: Account.AnnualRevenue feeds it\n\
             Edit the record in Salesforce, or unmap the field."
        );
    }

    #[test]
    fn a_program_reads_the_same_as_json() {
        let json: serde_json::Value = serde_json::from_str(&locked().to_json()).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"error": {
                "reason": "FIELD_LOCKED",
                "message": "One field is locked.",
                "remedy": "Edit the record in Salesforce, or unmap the field.",
                "violations": [{"field": "arr", "description": "Account.AnnualRevenue feeds it"}],
                "metadata": {"customerId": "c1"},
            }})
        );
    }

    #[test]
    fn each_class_of_reasons_has_its_exit_code() {
        let codes = [
            (Reason::Internal, 1),
            (Reason::ArgumentInvalid, 2),
            (Reason::ResourceNotFound, 3),
            (Reason::PlanRequired, 4),
            (Reason::FieldLocked, 4),
            (Reason::NotConnected, 4),
            (Reason::EtagMismatch, 5),
            (Reason::SyncAlreadyRunning, 5),
            (Reason::SalesforceUnavailable, 6),
            (Reason::SalesforceQuotaExhausted, 7),
        ];
        for (reason, code) in codes {
            assert_eq!(Exit::of(reason) as u8, code, "{reason:?}");
        }
    }

    #[test]
    fn a_service_that_does_not_answer_is_named_and_worth_a_retry() {
        let failure = Failure::answered("auth at http://127.0.0.1:1", &Status::unavailable("tcp connect error"));
        assert_eq!(failure.exit(), Exit::Unavailable);
        assert_eq!(failure.message(), "auth at http://127.0.0.1:1 does not answer: tcp connect error.");
    }

    #[test]
    fn a_run_that_failed_for_a_known_reason_has_its_class() {
        assert_eq!(Exit::of_run_reason("salesforce_quota_exhausted"), Exit::Quota);
        assert_eq!(Exit::of_run_reason("anything_else"), Exit::Internal);
    }

    #[test]
    fn a_reason_that_is_newer_than_this_program_keeps_its_name_and_gets_the_class_of_its_code() {
        use tonic_types::ErrorDetails;
        let details =
            ErrorDetails::with_error_info("NEW_REASON", contract::error::DOMAIN, [("k".to_owned(), "v".to_owned())]);
        let failure = Failure::answered("x", &Status::with_error_details(Code::NotFound, "gone", details));
        assert_eq!((failure.exit(), failure.0.reason.as_str()), (Exit::NotFound, "NEW_REASON"));
    }
}
