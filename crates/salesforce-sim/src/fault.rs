//! Faults on demand: which request fails, and how.

use serde::{Deserialize, Serialize};

use crate::endpoint::Endpoint;
use crate::id::Id;
use crate::refusal::Refusal;
use crate::wire::Answer;

/// What goes wrong.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Fault {
    /// 401 `INVALID_SESSION_ID`; the presented session dies, a refresh cures it.
    SessionExpired {
        /// Another text, as a user of another language gets it.
        #[serde(default)]
        message: Option<String>,
    },
    /// 401 that no refresh cures.
    SessionNotValid,
    /// 403 `TotalRequests Limit exceeded.`; the token endpoint answers the same.
    DailyLimit,
    /// 403 `ConcurrentRequests …`.
    ConcurrentLimit,
    /// 503 `SERVER_UNAVAILABLE`.
    ServerUnavailable,
    /// 500 `UNKNOWN_EXCEPTION`.
    UnknownException,
    /// An HTML page with a status: 420, 502, 503…
    Html {
        /// The status.
        status: u16,
    },
    /// 200 with the HTML of the maintenance page.
    Maintenance,
    /// The connection ends after half of the body.
    CutBody,
    /// A gzip body that ends in the middle, its length told truly.
    GzipCut,
    /// A plain body with `Content-Encoding: gzip`.
    PlainLabelledGzip,
    /// The body in pieces with a pause between them.
    SlowDrip {
        /// Bytes per piece.
        bytes: usize,
        /// Milliseconds between pieces.
        pause_ms: u64,
    },
    /// The whole answer comes late.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The answer never comes: the connection is reset.
    Reset,
    /// The connection is reset after the request took effect: the answer is lost.
    LostAnswer,
    /// `INVALID_QUERY_LOCATOR`.
    LocatorExpired {
        /// 400 or 404.
        status: u16,
    },
    /// 400 `QUERY_TIMEOUT`.
    QueryTimeout,
    /// Pages hold this many rows, whatever was asked for.
    ShrinkPages {
        /// Rows a page.
        rows: usize,
    },
    /// A Bulk page holds one row less than its header says.
    RowMissing,
    /// A Bulk result without rows comes as a bare newline or as nothing at all.
    EmptyResult {
        /// A newline instead of 0 bytes.
        newline: bool,
    },
    /// The job fails at the next poll.
    BulkFailed {
        /// Its `errorMessage`, if any.
        #[serde(default)]
        message: Option<String>,
    },
    /// The job is aborted by an admin.
    BulkAborted,
    /// 400 `LIMIT_EXCEEDED`, as for too many Bulk jobs.
    LimitExceeded,
    /// 400 `unknown_error` of the token endpoint.
    TokenUnknownError,
    /// 400 `invalid_grant` with a text of one's own.
    InvalidGrant {
        /// The `error_description`.
        description: String,
    },
    /// No `Sforce-Limit-Info` header.
    MissingLimitHeader,
    /// This value in the `Sforce-Limit-Info` header.
    LimitHeader {
        /// The header's value.
        value: String,
    },
    /// Any error entry with any status.
    Error {
        /// The status.
        status: u16,
        /// The `errorCode`.
        code: String,
        /// The message.
        message: String,
    },
}

/// When a fault strikes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FaultRule {
    /// The endpoints; every endpoint that counts against the daily limit when empty.
    #[serde(default)]
    pub endpoints: Vec<Endpoint>,
    /// The object asked for, where the request names one.
    #[serde(default)]
    pub object: Option<String>,
    /// The org asked.
    #[serde(default)]
    pub org: Option<Id>,
    /// How many matching requests pass first.
    #[serde(default)]
    pub after: u32,
    /// How often it strikes; without end when absent.
    #[serde(default)]
    pub times: Option<u32>,
    /// What happens.
    pub fault: Fault,
}

impl FaultRule {
    /// A fault that strikes the next request of an endpoint, once.
    pub fn once(endpoint: Endpoint, fault: Fault) -> Self {
        Self { endpoints: vec![endpoint], object: None, org: None, after: 0, times: Some(1), fault }
    }

    /// A fault that strikes until the rules are cleared.
    pub fn always(endpoint: Endpoint, fault: Fault) -> Self {
        Self { times: None, ..Self::once(endpoint, fault) }
    }

    /// Lets the first `count` matching requests pass.
    pub fn after(mut self, count: u32) -> Self {
        self.after = count;
        self
    }

    /// Strikes `count` times.
    pub fn times(mut self, count: u32) -> Self {
        self.times = Some(count);
        self
    }

    /// Only for requests about one object.
    pub fn on_object(mut self, object: &str) -> Self {
        self.object = Some(object.to_owned());
        self
    }

    /// Only for requests of one org.
    pub fn on_org(mut self, org: Id) -> Self {
        self.org = Some(org);
        self
    }
}

/// The rules in force, in the order they were given.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Vec<FaultRule>,
}

impl Faults {
    pub(crate) fn add(&mut self, rule: FaultRule) {
        self.rules.push(rule);
    }

    pub(crate) fn clear(&mut self) {
        self.rules.clear();
    }

    /// Rules that have not struck as often as they may.
    pub(crate) fn pending(&self) -> Vec<FaultRule> {
        self.rules.clone()
    }

    /// The fault of the first rule that matches, counting the request against every rule it meets
    /// on the way.
    pub(crate) fn strike(&mut self, endpoint: Endpoint, object: Option<&str>, org: Option<Id>) -> Option<Fault> {
        let mut struck = None;
        for rule in &mut self.rules {
            let here = if rule.endpoints.is_empty() { endpoint.counts() } else { rule.endpoints.contains(&endpoint) };
            let this_object = rule
                .object
                .as_deref()
                .is_none_or(|wanted| object.is_some_and(|object| wanted.eq_ignore_ascii_case(object)));
            let this_org = rule.org.is_none_or(|wanted| org == Some(wanted));
            if !(here && this_object && this_org) {
                continue;
            }
            if rule.after > 0 {
                rule.after -= 1;
                continue;
            }
            if let Some(times) = &mut rule.times {
                *times -= 1;
            }
            struck = Some(rule.fault.clone());
            break;
        }
        self.rules.retain(|rule| rule.times != Some(0));
        struck
    }
}

impl Fault {
    /// The answer given instead of the true one, for faults that replace it.
    pub(crate) fn answer(&self) -> Option<Answer> {
        let limit = "REQUEST_LIMIT_EXCEEDED";
        let refusal = match self {
            Self::SessionExpired { message } => {
                let expired = Refusal::session_expired();
                Refusal { message: message.clone().unwrap_or(expired.message.clone()), ..expired }
            }
            Self::SessionNotValid => {
                Refusal::new(401, "INVALID_SESSION_ID", "This session is not valid for use with the REST API")
            }
            Self::DailyLimit => Refusal::new(403, limit, "TotalRequests Limit exceeded."),
            Self::ConcurrentLimit => {
                Refusal::new(403, limit, "ConcurrentRequests (Concurrent API Requests) Limit exceeded.")
            }
            Self::ServerUnavailable => Refusal::new(503, "SERVER_UNAVAILABLE", "Server Unavailable"),
            Self::UnknownException => Refusal::new(
                500,
                "UNKNOWN_EXCEPTION",
                "An unexpected error occurred. Please include this ErrorId if you contact support: 1234567890-12345 (-1234567890)",
            ),
            Self::LocatorExpired { status } => Refusal::new(*status, "INVALID_QUERY_LOCATOR", "invalid query locator"),
            Self::QueryTimeout => Refusal::bad("QUERY_TIMEOUT", "Your query request was running for too long."),
            Self::LimitExceeded => {
                Refusal::bad("LIMIT_EXCEEDED", "Max bulk v2 query jobs (10000) per 24 hrs has been reached")
            }
            Self::Error { status, code, message } => Refusal::new(*status, code, message),
            Self::TokenUnknownError => {
                return Some(token_error("unknown_error", "retry your request"));
            }
            Self::InvalidGrant { description } => {
                return Some(token_error("invalid_grant", description));
            }
            Self::Html { status } => return Some(html_page(*status)),
            Self::Maintenance => return Some(Answer::html(200, MAINTENANCE)),
            _ => return None,
        };
        Some(refusal.into())
    }
}

fn token_error(error: &str, description: &str) -> Answer {
    Answer::json(400, &serde_json::json!({ "error": error, "error_description": description }))
}

const MAINTENANCE: &str = "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01 Transitional//EN\" \"http://www.w3.org/TR/html4/loose.dtd\">\n<html><head><title>Maintenance</title></head><body><h1>We are down for maintenance.</h1><p>Sorry for the inconvenience. We'll be back shortly.</p></body></html>\n";

fn html_page(status: u16) -> Answer {
    let text = match status {
        420 => "We are setting things up",
        502 => "Bad Gateway",
        503 => "We are down for maintenance.",
        _ => "Error",
    };
    Answer::html(
        status,
        format!(
            "<!DOCTYPE HTML PUBLIC \"-//W3C//DTD HTML 4.01 Transitional//EN\">\n<html><body><h1>{text}</h1></body></html>\n"
        ),
    )
}
