//! What a caller is told when a call can't be done.

use contract::error::{Failure, Reason, Violation};
use tonic::Status;

use crate::store::StoreError;

impl From<StoreError> for Status {
    fn from(error: StoreError) -> Self {
        let is_transient = error.is_transient();
        tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "answering a call");
        if is_transient {
            Failure::new(Reason::DependencyUnavailable, "The mapper's database does not answer.").into()
        } else {
            internal()
        }
    }
}

/// Our fault; the cause is in the log.
pub(crate) fn internal() -> Status {
    Failure::new(Reason::Internal, "Something went wrong in the mapper.").into()
}

/// Postgres failed outside of the store's own functions.
pub(crate) fn postgres(error: sqlx::Error) -> Status {
    StoreError::from(error).into()
}

pub(crate) fn not_found() -> Status {
    Failure::new(Reason::ResourceNotFound, "There is no such workspace.").into()
}

pub(crate) fn no_such(what: &str) -> Status {
    Failure::new(Reason::ResourceNotFound, format!("The source store holds no such {what}.")).into()
}

pub(crate) fn plan_required() -> Status {
    Failure::new(Reason::PlanRequired, "The workspace's plan does not include Salesforce.").into()
}

pub(crate) fn not_connected() -> Status {
    Failure::new(Reason::NotConnected, "The workspace is not connected to Salesforce.").into()
}

pub(crate) fn etag_mismatch() -> Status {
    Failure::new(Reason::EtagMismatch, "Somebody else saved first.").into()
}

/// Makes a violation whose description begins with a stable code.
pub(crate) fn violation(field: &str, code: &str, sentence: &str) -> Violation {
    Violation { field: field.to_owned(), description: format!("{code}: {sentence}") }
}

pub(crate) fn field_mapping_invalid(violations: Vec<Violation>) -> Status {
    Failure::new(Reason::FieldMappingInvalid, "The field mapping does not hold.").with_violations(violations).into()
}

pub(crate) fn value_mapping_invalid(violations: Vec<Violation>) -> Status {
    Failure::new(Reason::ValueMappingInvalid, "The value mapping does not hold.").with_violations(violations).into()
}

/// Passes on what a peer of ours said; what it did not say itself means that it can't be reached.
pub(crate) fn of_peer(status: Status) -> Status {
    if Reason::of(&status).is_some() {
        return status;
    }
    tracing::warn!(code = ?status.code(), "a peer did not answer");
    Failure::new(Reason::DependencyUnavailable, "Another service does not answer.").into()
}
