//! What to do about a failed call: one pure function, one table. Texts come in the user's language, so codes decide; texts
//! are looked at only where Salesforce uses one code for two things.

use std::time::Duration;

use crate::record::AnswerInvalid;

/// How a call failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// No answer: not reached, timed out, reset.
    Transport,
    /// An answer that is not from the API: maintenance pages, proxies.
    NotApi {
        /// HTTP status.
        status: u16,
    },
    /// The API refused.
    Refused(Refusal),
    /// The API answered something that can't be believed.
    Invalid(AnswerInvalid),
}

/// A refusal of the API.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Error code; empty when there was none.
    pub code: String,
    /// What the text told beyond the code.
    pub hint: Hint,
}

/// What a text tells beyond its code. The text itself is not kept: it may hold values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Hint {
    /// Nothing.
    None,
    /// A session that no refresh will cure.
    SessionUnusable,
    /// The daily limit.
    DailyLimit,
    /// A limit on calls at the same time.
    ConcurrentLimit,
    /// A column that the integration user can't read.
    NoSuchColumn(String),
    /// The object or query is nothing for the Bulk API.
    NotForBulk,
    /// Salesforce's own number of a fault, for its support.
    ErrorId(String),
}

impl Hint {
    /// Looks at a text for what its code leaves open.
    #[must_use]
    pub fn find(code: &str, message: &str) -> Self {
        match code {
            "INVALID_SESSION_ID" => {
                let unusable = ["not valid for use with the REST API", "Connected app is not attached to Agent"];
                if unusable.iter().any(|text| message.contains(text)) { Self::SessionUnusable } else { Self::None }
            }
            "REQUEST_LIMIT_EXCEEDED" if message.contains("TotalRequests") => Self::DailyLimit,
            "REQUEST_LIMIT_EXCEEDED" if message.contains("Concurrent") => Self::ConcurrentLimit,
            "INVALID_FIELD" => between(message, "No such column '", "'")
                .or_else(|| between(message, "Didn't understand relationship '", "'"))
                .map_or(Self::None, Self::NoSuchColumn),
            "UNKNOWN_EXCEPTION" => between(message, "ErrorId if you contact support: ", " ")
                .filter(|id| id.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-'))
                .map_or(Self::None, Self::ErrorId),
            _ if message.contains("not supported by the Bulk API")
                || message.contains("compound data not supported")
                || message.contains("Implementation restriction") =>
            {
                Self::NotForBulk
            }
            _ => Self::None,
        }
    }
}

fn between(text: &str, start: &str, end: &str) -> Option<String> {
    let rest = &text[text.find(start)? + start.len()..];
    Some(rest[..rest.find(end)?].to_owned())
}

/// What to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The same call again, at once.
    RetryNow,
    /// The same call again after this long, longer each time.
    RetryAfter(Duration),
    /// No calls for this org until its limit frees up; hours.
    WaitForQuota,
    /// A new access token, then the same call once more.
    RefreshToken,
    /// The session can't be used; a person must act.
    Reauthorize,
    /// The query without this column, after a new describe; absent when Salesforce did not name it.
    DropField(Option<String>),
    /// The object is left alone until something changes; the others go on.
    PauseObject(&'static str),
    /// Half the span.
    SplitWindow,
    /// A new query from the last position; the locator is gone.
    RestartFromKeyset,
    /// The changes can't be told any more: compare everything.
    FullCompare,
    /// The record is deleted: positive evidence.
    Gone,
    /// The same by REST.
    UseRest,
    /// Nothing helps but a new version of ours.
    Fatal(&'static str),
}

impl Verdict {
    /// Whether trying again can help, without anybody acting.
    #[must_use]
    pub fn is_transient(&self) -> bool {
        matches!(self, Self::RetryNow | Self::RetryAfter(_))
    }
}

const SOON: Duration = Duration::from_millis(500);
const CROWDED: Duration = Duration::from_secs(2);
const MOVING: Duration = Duration::from_secs(30);
const POLICY: Duration = Duration::from_secs(60);

/// Decides what to do about a failure.
#[must_use]
pub fn decide(problem: &Problem) -> Verdict {
    match problem {
        Problem::Transport => Verdict::RetryAfter(SOON),
        Problem::Invalid(AnswerInvalid::NextUrl) => Verdict::Fatal("next_url_not_allowed"),
        Problem::Invalid(AnswerInvalid::TooLarge) => Verdict::PauseObject("page_too_large"),
        Problem::Invalid(_) => Verdict::RetryNow,
        Problem::NotApi { status } => decide_not_api(*status),
        Problem::Refused(refusal) => decide_refusal(refusal),
    }
}

/// HTML and the like: only the status is worth anything. A page of markup with 200 is a maintenance page.
fn decide_not_api(status: u16) -> Verdict {
    match status {
        401 => Verdict::RefreshToken,
        404 => Verdict::PauseObject("not_found"),
        410 => Verdict::Fatal("api_version_retired"),
        414 | 431 => Verdict::Fatal("uri_too_long"),
        400 | 405 | 409 | 412 | 415 | 428 => Verdict::Fatal("request_refused"),
        300..=399 => Verdict::Fatal("redirect_not_followed"),
        420 => Verdict::RetryAfter(MOVING),
        _ => Verdict::RetryAfter(SOON),
    }
}

fn decide_refusal(refusal: &Refusal) -> Verdict {
    match refusal.code.as_str() {
        "INVALID_SESSION_ID" if refusal.hint == Hint::SessionUnusable => Verdict::Reauthorize,
        "INVALID_SESSION_ID" => Verdict::RefreshToken,
        "REQUEST_LIMIT_EXCEEDED" => match refusal.hint {
            Hint::DailyLimit => Verdict::WaitForQuota,
            Hint::ConcurrentLimit => Verdict::RetryAfter(CROWDED),
            _ => Verdict::RetryAfter(POLICY),
        },
        "INVALID_FIELD" => match &refusal.hint {
            Hint::NoSuchColumn(name) => Verdict::DropField(Some(name.clone())),
            _ => Verdict::DropField(None),
        },
        "INVALID_TYPE" | "INSUFFICIENT_ACCESS" | "INSUFFICIENT_ACCESS_OR_READONLY" => {
            Verdict::PauseObject("object_not_visible")
        }
        "INVALID_QUERY_LOCATOR" => Verdict::RestartFromKeyset,
        "QUERY_TIMEOUT" | "OPERATION_TOO_LARGE" | "EXCEEDED_ID_LIMIT" => Verdict::SplitWindow,
        "QUERY_TOO_COMPLICATED" => Verdict::PauseObject("query_too_complicated"),
        "INVALID_REPLICATION_DATE" => Verdict::FullCompare,
        "MALFORMED_QUERY" => Verdict::Fatal("malformed_query"),
        "MALFORMED_ID" => Verdict::Fatal("malformed_id"),
        "API_DISABLED_FOR_ORG" => Verdict::Fatal("api_disabled_for_org"),
        "API_CURRENTLY_DISABLED" => Verdict::PauseObject("api_currently_disabled"),
        "INVALID_OPERATION_WITH_EXPIRED_PASSWORD" => Verdict::Reauthorize,
        "TXN_SECURITY_METERING_ERROR" => Verdict::RetryAfter(POLICY),
        "UNABLE_TO_LOCK_ROW" | "SERVER_UNAVAILABLE" => Verdict::RetryAfter(SOON),
        "ENTITY_IS_DELETED" => Verdict::Gone,
        "INVALIDENTITY" | "INVALIDBATCH" | "INVALIDJOB" | "API_ERROR" | "LIMIT_EXCEEDED" => Verdict::UseRest,
        "NOT_FOUND" => Verdict::PauseObject("not_found"),
        "GONE" => Verdict::Fatal("api_version_retired"),
        _ if refusal.hint == Hint::NotForBulk => Verdict::UseRest,
        _ => decide_status(refusal.status),
    }
}

fn decide_status(status: u16) -> Verdict {
    match status {
        401 => Verdict::RefreshToken,
        403 => Verdict::PauseObject("access_refused"),
        404 => Verdict::PauseObject("not_found"),
        // There is no official 429, and 406 should not happen: peers meet both and wait.
        406 | 420 | 429 => Verdict::RetryAfter(CROWDED),
        410 => Verdict::Fatal("api_version_retired"),
        400..=499 => Verdict::Fatal("request_refused"),
        _ => Verdict::RetryAfter(SOON),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITED: &str = "REQUEST_LIMIT_EXCEEDED";

    fn verdict_of(status: u16, code: &str, message: &str) -> Verdict {
        decide(&Problem::Refused(Refusal { status, code: code.into(), hint: Hint::find(code, message) }))
    }

    #[test]
    fn every_row_of_the_error_table_has_its_verdict() {
        let column = "\nSELECT Id,Tier__c FROM Account\n          ^\nERROR at Row:1:Column:11\nNo such column 'Tier__c' on entity \
                      'Account'. If you are attempting to use a custom field, be sure to append the '__c'";
        let secs = Duration::from_secs;
        for (status, code, message, verdict) in [
            (400, "INVALID_FIELD", column, Verdict::DropField(Some("Tier__c".into()))),
            (
                400,
                "INVALID_FIELD",
                "Didn't understand relationship 'X' in field path",
                Verdict::DropField(Some("X".into())),
            ),
            (400, "INVALID_FIELD", "duplicate field selected: Id", Verdict::DropField(None)),
            (400, "INVALID_TYPE", "sObject type 'Leed' is not supported", Verdict::PauseObject("object_not_visible")),
            (400, "MALFORMED_QUERY", "unexpected token: 'FROM'", Verdict::Fatal("malformed_query")),
            (400, "INVALID_QUERY_LOCATOR", "invalid query locator", Verdict::RestartFromKeyset),
            (404, "INVALID_QUERY_LOCATOR", "ungültig", Verdict::RestartFromKeyset),
            (400, "QUERY_TIMEOUT", "Your query request was running for too long.", Verdict::SplitWindow),
            (400, "OPERATION_TOO_LARGE", "", Verdict::SplitWindow),
            (400, "EXCEEDED_ID_LIMIT", "", Verdict::SplitWindow),
            (400, "QUERY_TOO_COMPLICATED", "", Verdict::PauseObject("query_too_complicated")),
            (400, "INVALID_REPLICATION_DATE", "", Verdict::FullCompare),
            (400, "MALFORMED_ID", "", Verdict::Fatal("malformed_id")),
            (400, "INVALID_OPERATION_WITH_EXPIRED_PASSWORD", "", Verdict::Reauthorize),
            (400, "TXN_SECURITY_METERING_ERROR", "", Verdict::RetryAfter(secs(60))),
            (400, "UNABLE_TO_LOCK_ROW", "", Verdict::RetryAfter(SOON)),
            (401, "INVALID_SESSION_ID", "Session expired or invalid", Verdict::RefreshToken),
            (401, "INVALID_SESSION_ID", "セッションの期限が切れているか無効です", Verdict::RefreshToken),
            (401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API", Verdict::Reauthorize),
            (403, LIMITED, "TotalRequests Limit exceeded.", Verdict::WaitForQuota),
            (
                403,
                LIMITED,
                "ConcurrentRequests (Concurrent API Requests) Limit exceeded.",
                Verdict::RetryAfter(secs(2)),
            ),
            (403, LIMITED, "ConcurrentPerOrgLongTxn Limit exceeded.", Verdict::RetryAfter(secs(2))),
            (403, "API_DISABLED_FOR_ORG", "API is not enabled", Verdict::Fatal("api_disabled_for_org")),
            (403, "API_CURRENTLY_DISABLED", "", Verdict::PauseObject("api_currently_disabled")),
            (403, "INSUFFICIENT_ACCESS", "", Verdict::PauseObject("object_not_visible")),
            (404, "NOT_FOUND", "The requested resource does not exist", Verdict::PauseObject("not_found")),
            (404, "ENTITY_IS_DELETED", "entity is deleted", Verdict::Gone),
            (400, "ENTITY_IS_DELETED", "entity is deleted", Verdict::Gone),
            (405, "METHOD_NOT_ALLOWED", "HTTP Method 'DELETE' not allowed.", Verdict::Fatal("request_refused")),
            (410, "GONE", "", Verdict::Fatal("api_version_retired")),
            (415, "UNSUPPORTED_MEDIA_TYPE", "", Verdict::Fatal("request_refused")),
            (429, "", "", Verdict::RetryAfter(CROWDED)),
            (500, "UNKNOWN_EXCEPTION", "An unexpected error occurred.", Verdict::RetryAfter(SOON)),
            (503, "SERVER_UNAVAILABLE", "Server Unavailable", Verdict::RetryAfter(SOON)),
            (400, "INVALIDENTITY", "Entity 'X' is not supported by the Bulk API.", Verdict::UseRest),
            (400, "API_ERROR", "Implementation restriction: …", Verdict::UseRest),
            (400, "LIMIT_EXCEEDED", "", Verdict::UseRest),
            (400, "FEATURE_X", "Selecting compound data not supported in Bulk Query", Verdict::UseRest),
        ] {
            assert_eq!(verdict_of(status, code, message), verdict, "{status} {code} {message}");
        }
    }

    #[test]
    fn case_36_what_is_no_api_answer_is_judged_by_its_status() {
        assert_eq!(decide(&Problem::NotApi { status: 200 }), Verdict::RetryAfter(SOON));
        assert_eq!(decide(&Problem::NotApi { status: 502 }), Verdict::RetryAfter(SOON));
        assert_eq!(decide(&Problem::NotApi { status: 420 }), Verdict::RetryAfter(MOVING));
        assert_eq!(decide(&Problem::NotApi { status: 414 }), Verdict::Fatal("uri_too_long"));
        assert_eq!(decide(&Problem::NotApi { status: 302 }), Verdict::Fatal("redirect_not_followed"));
        assert_eq!(decide(&Problem::Transport), Verdict::RetryAfter(SOON));
    }

    #[test]
    fn case_35_the_error_id_is_kept_for_support_and_nothing_else_of_the_text() {
        let message =
            "An unexpected error occurred. Please include this ErrorId if you contact support: 1234567890-12345 (-1)";
        assert_eq!(Hint::find("UNKNOWN_EXCEPTION", message), Hint::ErrorId("1234567890-12345".into()));
        assert_eq!(Hint::find("UNKNOWN_EXCEPTION", "secret"), Hint::None);
    }
}
