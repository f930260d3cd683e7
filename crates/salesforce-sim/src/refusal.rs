//! Refusals in Salesforce's own words: `[{"message":…,"errorCode":…}]`.

use serde_json::json;

use crate::id::InvalidId;

/// A status and one error entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) message: String,
    pub(crate) fields: Option<Vec<String>>,
}

impl Refusal {
    pub(crate) fn new(status: u16, code: &str, message: impl Into<String>) -> Self {
        Self { status, code: code.to_owned(), message: message.into(), fields: None }
    }

    pub(crate) fn bad(code: &str, message: impl Into<String>) -> Self {
        Self::new(400, code, message)
    }

    pub(crate) fn on_fields(mut self, fields: &[&str]) -> Self {
        self.fields = Some(fields.iter().map(|name| (*name).to_owned()).collect());
        self
    }

    pub(crate) fn not_found() -> Self {
        Self::new(404, "NOT_FOUND", "The requested resource does not exist")
    }

    pub(crate) fn session_expired() -> Self {
        Self::new(401, "INVALID_SESSION_ID", "Session expired or invalid")
    }

    pub(crate) fn method(method: &str, allowed: &str) -> Self {
        Self::new(405, "METHOD_NOT_ALLOWED", format!("HTTP Method '{method}' not allowed. Allowed are {allowed}"))
    }

    /// The error entry, as it stands in arrays and inside composite answers.
    pub(crate) fn entry(&self) -> serde_json::Value {
        match &self.fields {
            Some(fields) => {
                json!({ "message": self.message, "errorCode": self.code, "fields": fields })
            }
            None => json!({ "message": self.message, "errorCode": self.code }),
        }
    }
}

impl From<InvalidId> for Refusal {
    fn from(error: InvalidId) -> Self {
        Self::bad("MALFORMED_ID", format!("malformed id {}", error.0))
    }
}
