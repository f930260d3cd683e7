//! Which endpoint a request is for: what statistics count by and faults match on.

use serde::{Deserialize, Serialize};

use crate::wire::Call;

/// A kind of request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Endpoint {
    /// `GET /services/data/`.
    Versions,
    /// `GET /services/data/vXX.0/`.
    Resources,
    /// `GET …/sobjects`.
    Sobjects,
    /// `GET …/sobjects/X/describe`.
    Describe,
    /// `GET …/query?q=` and `…/queryAll?q=`.
    Query,
    /// `GET …/query/<locator>`.
    QueryMore,
    /// `GET …/sobjects/X/updated`.
    Updated,
    /// `GET …/sobjects/X/deleted`.
    Deleted,
    /// `GET …/sobjects/X/<id>` and `POST …/composite/sobjects/X`.
    Record,
    /// POST, PATCH and DELETE of records.
    Write,
    /// `GET …/limits`.
    Limits,
    /// `GET …/limits/recordCount`.
    RecordCount,
    /// `POST …/composite`.
    Composite,
    /// `POST …/composite/batch`.
    CompositeBatch,
    /// `POST …/jobs/query`.
    BulkCreate,
    /// `GET …/jobs/query/<id>`.
    BulkPoll,
    /// `GET …/jobs/query/<id>/results`.
    BulkResults,
    /// `GET …/jobs/query/<id>/resultPages`.
    BulkPages,
    /// `PATCH …/jobs/query/<id>`.
    BulkAbort,
    /// `DELETE …/jobs/query/<id>`.
    BulkDelete,
    /// `GET …/jobs/query`.
    BulkList,
    /// `/services/oauth2/authorize`.
    Authorize,
    /// `POST /services/oauth2/token`.
    Token,
    /// `/services/oauth2/revoke`.
    Revoke,
    /// `GET /id/<org>/<user>`.
    Identity,
    /// `/services/oauth2/userinfo`.
    Userinfo,
    /// `POST /services/Soap/u/<version>`.
    Soap,
    /// Anything else.
    Other,
}

impl Endpoint {
    /// The endpoint of a request.
    pub(crate) fn of(call: &Call) -> Self {
        let segments = call.segments();
        let parts: Vec<&str> = segments.iter().map(String::as_str).collect();
        let reads = call.method == "GET" || call.method == "HEAD";
        match parts.as_slice() {
            ["services", "oauth2", "authorize"] => Self::Authorize,
            ["services", "oauth2", "token"] => Self::Token,
            ["services", "oauth2", "revoke"] => Self::Revoke,
            ["services", "oauth2", "userinfo"] => Self::Userinfo,
            ["services", "Soap", "u", ..] => Self::Soap,
            ["id", _, _] => Self::Identity,
            ["services", "data"] => Self::Versions,
            ["services", "data", _version, rest @ ..] => Self::of_data(rest, &call.method, reads),
            _ => Self::Other,
        }
    }

    fn of_data(rest: &[&str], method: &str, reads: bool) -> Self {
        match rest {
            [] => Self::Resources,
            ["query" | "queryAll"] => Self::Query,
            ["query" | "queryAll", _] => Self::QueryMore,
            ["sobjects"] => Self::Sobjects,
            ["sobjects", _, "describe"] => Self::Describe,
            ["sobjects", _, "updated"] => Self::Updated,
            ["sobjects", _, "deleted"] => Self::Deleted,
            ["sobjects", _] if reads => Self::Sobjects,
            ["sobjects", _, _] if reads => Self::Record,
            ["composite", "sobjects", _] => Self::Record,
            ["sobjects", ..] => Self::Write,
            ["limits"] => Self::Limits,
            ["limits", "recordCount"] => Self::RecordCount,
            ["composite"] => Self::Composite,
            ["composite", "batch"] => Self::CompositeBatch,
            ["jobs", "query"] => {
                if method == "POST" {
                    Self::BulkCreate
                } else {
                    Self::BulkList
                }
            }
            ["jobs", "query", _] => match method {
                "PATCH" => Self::BulkAbort,
                "DELETE" => Self::BulkDelete,
                _ => Self::BulkPoll,
            },
            ["jobs", "query", _, "results"] => Self::BulkResults,
            ["jobs", "query", _, "resultPages"] => Self::BulkPages,
            _ => Self::Other,
        }
    }

    /// Whether Salesforce counts the call against the daily limit.
    pub fn counts(self) -> bool {
        !matches!(
            self,
            Self::Versions
                | Self::Authorize
                | Self::Token
                | Self::Revoke
                | Self::Identity
                | Self::Userinfo
                | Self::Soap
                | Self::Other
        )
    }
}
