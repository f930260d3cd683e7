//! Makes calls: with a token, inside the budget, tried again where that helps, every failure with its verdict.

use std::sync::Arc;
use std::time::{Duration, Instant};

use contract::auth::v1::token_service_client::TokenServiceClient;
use reqwest::header::{self, HeaderMap};
use reqwest::{Certificate, Method, StatusCode};
use secrecy::ExposeSecret;
use serde::Deserialize;
use serde_json::value::RawValue;
use service::grpc::Peer;
use tracing::{Instrument, info_span};

use super::body::{self, BodyError};
use super::host::{Hosts, PublicAddresses};
use super::session::{Session, Token};
use super::usage::OrgUsage;
use super::verdict::{Hint, Problem, Refusal, Verdict, decide};
use crate::budget;
use crate::metrics;
use crate::record::AnswerInvalid;
use crate::soql::{self, MAX_URI_BYTES, Query};
use crate::stamp::Stamp;

/// Tries of one call, the first included.
const MAX_TRIES: u32 = 5;
/// A longer wait is not sat out here: the workspace gives its turn to others.
const LONGEST_WAIT: Duration = Duration::from_secs(10);

/// What Salesforce's calls need besides a session.
#[derive(Clone, Debug)]
pub struct ClientOptions {
    /// e.g. "67.0".
    pub api_version: String,
    /// Which hosts may be called.
    pub hosts: Hosts,
    /// Certificates to trust besides the system's, PEM.
    pub extra_roots: Option<Vec<u8>>,
    /// Our share of the org's daily calls, for workspaces that chose none.
    pub share_percent: u64,
    /// How long the org's word about its limit is believed.
    pub usage_believed_for: Duration,
    /// Scales every wait between tries: 1.0 in production.
    pub patience: f64,
}

/// What kind of answer is expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Json,
    Composite,
    Csv,
    Nothing,
}

/// A call to make.
#[derive(Clone, Debug)]
pub struct Request {
    method: Method,
    path: String,
    template: &'static str,
    expect: Expect,
    body: Option<Vec<u8>>,
    if_modified_since: Option<String>,
    limit: usize,
    deadline: Duration,
}

impl Request {
    /// A GET of a path that begins with `/services/data/`; `template` names it in spans.
    #[must_use]
    pub fn get(path: String, template: &'static str) -> Self {
        Self {
            method: Method::GET,
            path,
            template,
            expect: Expect::Json,
            body: None,
            if_modified_since: None,
            limit: 20 * 1024 * 1024,
            deadline: Duration::from_secs(120),
        }
    }

    /// A request with a JSON body.
    #[must_use]
    pub fn send(method: Method, path: String, template: &'static str, body: Vec<u8>) -> Self {
        Self { method, body: Some(body), ..Self::get(path, template) }
    }

    /// A DELETE, whose answer is nothing.
    #[must_use]
    pub fn delete(path: String, template: &'static str) -> Self {
        Self { method: Method::DELETE, expect: Expect::Nothing, ..Self::get(path, template) }
    }

    /// A GET of a page of a bulk result.
    #[must_use]
    pub fn csv(path: String, template: &'static str) -> Self {
        Self {
            expect: Expect::Csv,
            limit: 64 * 1024 * 1024,
            deadline: Duration::from_secs(600),
            ..Self::get(path, template)
        }
    }

    /// Answers 304 without a body when nothing changed since.
    #[must_use]
    pub fn if_modified_since(mut self, moment: Option<String>) -> Self {
        self.if_modified_since = moment;
        self
    }
}

/// An answer of the API.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Unpacked body.
    pub body: Vec<u8>,
    /// True for 304: what the caller has is current.
    pub not_modified: bool,
    /// Salesforce's time before the call began: nothing that the answer shows can be older than its clock then.
    pub server_time_at_start: Stamp,
    /// Salesforce's time of the answer.
    pub server_time: Stamp,
    headers: HeaderMap,
}

impl Answer {
    /// Returns a header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }
}

/// A call that brought nothing, and what to do about it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("calling Salesforce: {code}")]
pub struct CallError {
    /// What to do.
    pub verdict: Verdict,
    /// Stable code: Salesforce's own, or ours in lower case.
    pub code: String,
    /// HTTP status; 0 when there was none.
    pub status: u16,
}

impl CallError {
    /// A call that was not made, or whose answer can't be believed.
    #[must_use]
    pub fn new(verdict: Verdict, code: impl Into<String>) -> Self {
        Self { verdict, code: code.into(), status: 0 }
    }

    fn of(problem: &Problem) -> Self {
        let verdict = decide(problem);
        match problem {
            Problem::Transport => Self { verdict, code: "salesforce_unreachable".into(), status: 0 },
            Problem::NotApi { status } => Self { verdict, code: "not_an_api_answer".into(), status: *status },
            Problem::Refused(refusal) => Self { verdict, code: refusal.code.clone(), status: refusal.status },
            Problem::Invalid(invalid) => Self { verdict, code: invalid.code().into(), status: 200 },
        }
    }
}

impl From<AnswerInvalid> for CallError {
    fn from(invalid: AnswerInvalid) -> Self {
        Self::of(&Problem::Invalid(invalid))
    }
}

/// Salesforce over HTTP; cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    http: reqwest::Client,
    tokens: TokenServiceClient<Peer>,
    options: Arc<ClientOptions>,
}

impl Client {
    /// Makes a client; a crypto provider must be installed before.
    ///
    /// # Errors
    /// When the extra certificates can't be read.
    pub fn new(tokens: TokenServiceClient<Peer>, options: ClientOptions) -> Result<Self, reqwest::Error> {
        let mut http = reqwest::Client::builder()
            // Unpacked by hand: plain bodies labelled gzip have been met, and sizes are bounded while unpacking.
            .no_gzip()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(Duration::from_secs(10))
            .read_timeout(Duration::from_secs(130))
            .tcp_keepalive(Duration::from_secs(20))
            .user_agent("lanesync");
        if options.hosts == Hosts::Salesforce {
            http = http.https_only(true).dns_resolver(PublicAddresses);
        }
        if let Some(pem) = &options.extra_roots {
            http = http.tls_certs_merge(Certificate::from_pem_bundle(pem)?);
        }
        Ok(Self { http: http.build()?, tokens, options: Arc::new(options) })
    }

    /// Returns our share of the org's daily calls, in percent, for workspaces that chose none.
    #[must_use]
    pub fn share_percent(&self) -> u64 {
        self.options.share_percent
    }

    /// Returns the path of a resource of the API version that we speak.
    #[must_use]
    pub fn path(&self, resource: &str) -> String {
        format!("/services/data/v{}/{resource}", self.options.api_version)
    }

    /// Returns the request of a query over all records, deleted ones included.
    ///
    /// A query too long for an address travels in a body instead: one call, and no columns to split and join.
    #[must_use]
    pub fn query_all(&self, query: &Query) -> Request {
        let path = self.path(&format!("queryAll?q={}", query.encoded()));
        if path.len() <= MAX_URI_BYTES {
            return Request::get(path, "/services/data/{version}/queryAll");
        }
        let inner = serde_json::json!({
            "compositeRequest": [{ "method": "GET", "url": path, "referenceId": "q" }]
        });
        let body = inner.to_string().into_bytes();
        let request = Request::send(Method::POST, self.path("composite"), "/services/data/{version}/composite", body);
        Request { expect: Expect::Composite, ..request }
    }

    /// Makes a call, again where that helps.
    ///
    /// # Errors
    /// [`CallError`] with what to do, once trying again here does not help.
    pub async fn call(&self, session: &Session, request: &Request) -> Result<Answer, CallError> {
        let mut rejected = None;
        let mut tries = 0;
        loop {
            self.check_budget(session)?;
            let token = session
                .token(&self.tokens, self.options.hosts, rejected)
                .await
                .map_err(|no_token| CallError::new(no_token.verdict(), no_token.code()))?;
            tries += 1;
            let problem = match self.try_once(session, &token, request, tries).await {
                Ok(answer) => return Ok(answer),
                Err(problem) => problem,
            };
            let error = CallError::of(&problem);
            log_problem(&problem, tries, request.template);
            match error.verdict {
                // Only once: a session that a fresh token does not cure is cured by nobody here.
                Verdict::RefreshToken if rejected.is_none() => rejected = Some(token.generation),
                Verdict::RefreshToken => return Err(CallError { verdict: Verdict::Reauthorize, ..error }),
                Verdict::RetryNow if tries < MAX_TRIES => {}
                Verdict::RetryAfter(delay) if tries < MAX_TRIES && delay <= LONGEST_WAIT => {
                    tokio::time::sleep(self.delay(delay, tries)).await;
                }
                _ => return Err(error),
            }
        }
    }

    fn check_budget(&self, session: &Session) -> Result<(), CallError> {
        let known = budget::Known {
            usage: session.usage().map(|(usage, at)| (usage, at.elapsed())),
            own_calls: session.own_calls(),
            share_percent: session.share().unwrap_or(self.options.share_percent),
            believed_for: self.options.usage_believed_for,
        };
        budget::check(&known).map_err(|pause| {
            let code = match pause {
                budget::Pause::OwnShare => "own_share_used",
                budget::Pause::OrgGuard => "org_limit_near",
            };
            metrics::throttled(code);
            CallError::new(Verdict::WaitForQuota, code)
        })
    }

    /// Doubles with every try, with jitter so that many workspaces do not come back in one moment.
    fn delay(&self, base: Duration, tries: u32) -> Duration {
        let grown = base.saturating_mul(1 << tries.saturating_sub(1).min(5)).min(LONGEST_WAIT);
        let jitter = f64::from(uuid::Uuid::now_v7().as_u128() as u8) / 512.0;
        grown.mul_f64((0.75 + jitter) * self.options.patience)
    }

    async fn try_once(
        &self,
        session: &Session,
        token: &Token,
        request: &Request,
        tries: u32,
    ) -> Result<Answer, Problem> {
        let span = info_span!(
            "http",
            otel.name = request.method.as_str(),
            otel.kind = "client",
            otel.status_code = tracing::field::Empty,
            error.type = tracing::field::Empty,
            http.request.method = request.method.as_str(),
            server.address = token.instance.host_str(),
            server.port = token.instance.port_or_known_default(),
            url.full = redacted(token.instance.as_str(), &request.path),
            url.template = request.template,
            http.request.resend_count = tries - 1,
            http.response.status_code = tracing::field::Empty,
        );
        let begun = Instant::now();
        let outcome = self.exchange(session, token, request, begun).instrument(span.clone()).await;
        if let Err(problem) = &outcome {
            span.record("otel.status_code", "ERROR").record("error.type", CallError::of(problem).code.as_str());
        }
        metrics::http_call(request.template, begun.elapsed(), outcome.is_ok());
        outcome
    }

    async fn exchange(
        &self,
        session: &Session,
        token: &Token,
        request: &Request,
        begun: Instant,
    ) -> Result<Answer, Problem> {
        session.count_call();
        let sending = self.http_request(token, request).send();
        let response = tokio::time::timeout(request.deadline, sending)
            .await
            .map_err(|_| Problem::Transport)?
            .map_err(|_| Problem::Transport)?;
        let headers = response.headers().clone();
        let status = response.status();
        tracing::Span::current().record("http.response.status_code", status.as_u16());
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        if let Some(usage) = text("sforce-limit-info").and_then(OrgUsage::parse) {
            session.note_usage(usage);
        }
        let left = request.deadline.saturating_sub(begun.elapsed());
        let body = tokio::time::timeout(left, body::read(response, request.limit)).await;
        let body = body.map_err(|_| Problem::Transport)?.map_err(|error| match error {
            BodyError::Transport(_) => Problem::Transport,
            BodyError::Invalid(AnswerInvalid::Cut) => Problem::Transport,
            BodyError::Invalid(invalid) => Problem::Invalid(invalid),
        })?;

        let is_json = text("content-type").is_some_and(|kind| kind.starts_with("application/json"));
        if !status.is_success() && status != StatusCode::NOT_MODIFIED {
            return Err(refusal(status.as_u16(), is_json, &body));
        }
        let is_expected = match request.expect {
            _ if status == StatusCode::NOT_MODIFIED || status == StatusCode::NO_CONTENT => true,
            Expect::Json | Expect::Composite => is_json,
            Expect::Csv => text("content-type").is_some_and(|kind| kind.starts_with("text/csv")),
            Expect::Nothing => true,
        };
        let date = text("date").and_then(Stamp::from_http_date);
        // Our own clock never stands in for a missing one: an answer without a date is no answer.
        let (true, Some(server_time)) = (is_expected, date) else {
            return Err(Problem::NotApi { status: status.as_u16() });
        };
        let body = if request.expect == Expect::Composite { unwrap_composite(&body)? } else { body };
        Ok(Answer {
            body,
            not_modified: status == StatusCode::NOT_MODIFIED,
            server_time_at_start: server_time.earlier(begun.elapsed() + Duration::from_secs(1)),
            server_time,
            headers,
        })
    }

    fn http_request(&self, token: &Token, request: &Request) -> reqwest::RequestBuilder {
        let address = format!("{}{}", token.instance.as_str().trim_end_matches('/'), request.path);
        let accept = if request.expect == Expect::Csv { "text/csv" } else { "application/json" };
        let mut sending = self
            .http
            .request(request.method.clone(), address)
            .bearer_auth(token.secret.expose_secret())
            .header(header::ACCEPT, accept)
            .header(header::ACCEPT_ENCODING, "gzip")
            .header("Sforce-Query-Options", "batchSize=2000");
        if let Some(moment) = &request.if_modified_since {
            sending = sending.header(header::IF_MODIFIED_SINCE, moment);
        }
        if let Some(body) = &request.body {
            sending = sending.header(header::CONTENT_TYPE, "application/json; charset=UTF-8").body(body.clone());
        }
        sending
    }
}

/// Returns the address of a call as a span may show it: a query without its literals.
fn redacted(instance: &str, path: &str) -> String {
    let instance = instance.trim_end_matches('/');
    let Some((path, query)) = path.split_once('?') else { return format!("{instance}{path}") };
    let pairs = url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| {
        let value = if name == "q" { soql::redact(&value).into() } else { value };
        (name, value)
    });
    let query = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    format!("{instance}{path}?{query}")
}

#[derive(Deserialize)]
struct WireError {
    #[serde(rename = "errorCode", default)]
    code: String,
    #[serde(default)]
    message: String,
}

/// Reads an error body: an array of errors, or one of them alone.
fn refusal(status: u16, is_json: bool, body: &[u8]) -> Problem {
    let error = is_json.then(|| {
        serde_json::from_slice::<Vec<WireError>>(body)
            .ok()
            .and_then(|errors| errors.into_iter().next())
            .or_else(|| serde_json::from_slice::<WireError>(body).ok())
    });
    match error.flatten() {
        Some(error) => {
            let hint = Hint::find(&error.code, &error.message);
            Problem::Refused(Refusal { status, code: known_code(error.code), hint })
        }
        None => Problem::NotApi { status },
    }
}

/// A code goes into logs, so nothing that is no code may pass for one.
fn known_code(code: String) -> String {
    let well_formed =
        code.len() <= 80 && code.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_' || byte.is_ascii_digit());
    if well_formed { code } else { "UNREADABLE_CODE".to_owned() }
}

/// Looks at the inner status: the outer one of a composite call is 200 whatever happened.
fn unwrap_composite(body: &[u8]) -> Result<Vec<u8>, Problem> {
    #[derive(Deserialize)]
    struct Outer<'a> {
        #[serde(rename = "compositeResponse", borrow)]
        responses: Vec<Inner<'a>>,
    }
    #[derive(Deserialize)]
    struct Inner<'a> {
        #[serde(borrow)]
        body: &'a RawValue,
        #[serde(rename = "httpStatusCode")]
        status: u16,
    }
    let invalid = || Problem::Invalid(AnswerInvalid::Page);
    let outer: Outer<'_> = serde_json::from_slice(body).map_err(|_| invalid())?;
    let inner = outer.responses.into_iter().next().ok_or_else(invalid)?;
    if inner.status == 200 {
        Ok(inner.body.get().as_bytes().to_vec())
    } else {
        Err(refusal(inner.status, true, inner.body.get().as_bytes()))
    }
}

fn log_problem(problem: &Problem, tries: u32, template: &'static str) {
    let Problem::Refused(refusal) = problem else {
        tracing::debug!(template, tries, problem = ?problem, "Salesforce call failed");
        return;
    };
    if refusal.code == "REQUEST_LIMIT_EXCEEDED" {
        metrics::throttled(if refusal.hint == Hint::DailyLimit { "daily_limit" } else { "concurrent_limit" });
    }
    match &refusal.hint {
        Hint::ErrorId(error_id) => {
            tracing::warn!(template, tries, salesforce.error_id = error_id, "Salesforce failed by itself");
        }
        _ if refusal.status == 401 => {
            tracing::warn!(template, tries, code = refusal.code, "Salesforce refused the session");
        }
        _ => tracing::debug!(template, tries, status = refusal.status, code = refusal.code, "Salesforce refused"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_38_the_inner_status_of_a_composite_answer_decides() {
        let good = br#"{"compositeResponse":[{"body":{"totalSize":0},"httpHeaders":{},"httpStatusCode":200,"referenceId":"q"}]}"#;
        assert_eq!(unwrap_composite(good).unwrap(), br#"{"totalSize":0}"#);
        let bad = br#"{"compositeResponse":[{"body":[{"errorCode":"QUERY_TIMEOUT","message":"x"}],"httpHeaders":{},"httpStatusCode":400,"referenceId":"q"}]}"#;
        let problem = unwrap_composite(bad).unwrap_err();
        assert_eq!(CallError::of(&problem).verdict, Verdict::SplitWindow);
    }

    #[test]
    fn an_error_body_may_be_an_array_or_an_object_and_html_is_none() {
        let array = refusal(
            403,
            true,
            br#"[{"message":"TotalRequests Limit exceeded.","errorCode":"REQUEST_LIMIT_EXCEEDED"}]"#,
        );
        assert_eq!(CallError::of(&array).verdict, Verdict::WaitForQuota);
        let object = refusal(404, true, br#"{"errorCode":"NOT_FOUND","message":"x"}"#);
        assert_eq!(CallError::of(&object).code, "NOT_FOUND");
        assert_eq!(refusal(503, false, b"<html>"), Problem::NotApi { status: 503 });
        assert_eq!(known_code("ann@oma.example".into()), "UNREADABLE_CODE");
    }
}
