//! From a request to its answer: faults, sessions, limits, and the way to the right endpoint.

use std::sync::atomic::Ordering;

use crate::endpoint::Endpoint;
use crate::fault::Fault;
use crate::id::Id;
use crate::oauth;
use crate::org::Org;
use crate::refusal::Refusal;
use crate::rest;
use crate::stats::Recorded;
use crate::wire::{Answer, Call};
use crate::world::World;

/// Longest URI, and longest URI with headers.
const LONGEST_URI: usize = 16_384;
/// API versions served.
pub(crate) const VERSIONS: [(u32, &str); 38] = [
    (31, "Summer '14"),
    (32, "Winter '15"),
    (33, "Spring '15"),
    (34, "Summer '15"),
    (35, "Winter '16"),
    (36, "Spring '16"),
    (37, "Summer '16"),
    (38, "Winter '17"),
    (39, "Spring '17"),
    (40, "Summer '17"),
    (41, "Winter '18"),
    (42, "Spring '18"),
    (43, "Summer '18"),
    (44, "Winter '19"),
    (45, "Spring '19"),
    (46, "Summer '19"),
    (47, "Winter '20"),
    (48, "Spring '20"),
    (49, "Summer '20"),
    (50, "Winter '21"),
    (51, "Spring '21"),
    (52, "Summer '21"),
    (53, "Winter '22"),
    (54, "Spring '22"),
    (55, "Summer '22"),
    (56, "Winter '23"),
    (57, "Spring '23"),
    (58, "Summer '23"),
    (59, "Winter '24"),
    (60, "Spring '24"),
    (61, "Summer '24"),
    (62, "Winter '25"),
    (63, "Spring '25"),
    (64, "Summer '25"),
    (65, "Winter '26"),
    (66, "Spring '26"),
    (67, "Summer '26"),
    (68, "Winter '27"),
];

/// A request inside an org, with the version it speaks.
pub(crate) struct Request<'a> {
    pub(crate) world: &'a World,
    pub(crate) call: &'a Call,
    pub(crate) version: &'a str,
    pub(crate) org: Id,
    /// A fault that changes the true answer instead of replacing it.
    pub(crate) fault: Option<&'a Fault>,
}

impl Request<'_> {
    /// Runs `work` on the org, reading.
    pub(crate) fn with_org<T>(&self, work: impl FnOnce(&Org) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let orgs = self.world.read();
        work(orgs.iter().find(|org| org.id == self.org).ok_or_else(Refusal::session_expired)?)
    }

    /// Runs `work` on the org, writing.
    pub(crate) fn with_org_mut<T>(&self, work: impl FnOnce(&mut Org) -> Result<T, Refusal>) -> Result<T, Refusal> {
        let mut orgs = self.world.write();
        work(orgs.iter_mut().find(|org| org.id == self.org).ok_or_else(Refusal::session_expired)?)
    }
}

/// What becomes of an answer on its way out.
pub(crate) struct Outcome {
    pub(crate) answer: Answer,
    pub(crate) fault: Option<Fault>,
}

/// Answers a request.
pub(crate) fn answer(world: &World, call: &Call) -> Outcome {
    let endpoint = Endpoint::of(call);
    let token = call.token().map(str::to_owned);
    let session = token.as_deref().and_then(|token| world.session(token));
    let org = session.as_ref().map(|session| session.org);
    let speaks_api = session
        .as_ref()
        .is_none_or(|session| session.scope.split_whitespace().any(|scope| matches!(scope, "api" | "full" | "web")));
    let soql = rest::soql_of(endpoint, call);
    let object = rest::object_of(world, endpoint, call, org, soql.as_deref());
    let fault = world.faults().strike(endpoint, object.as_deref(), org);
    if let (Some(Fault::SessionExpired { .. }), Some(token)) = (&fault, &token) {
        world.grants().end_session(token);
    }
    let answer = match fault.as_ref().and_then(Fault::answer) {
        Some(answer) => answer,
        None if matches!(fault, Some(Fault::Reset)) => Answer::empty(500),
        None if endpoint.counts() && !speaks_api => {
            Fault::SessionNotValid.answer().unwrap_or_else(|| Answer::empty(401))
        }
        None => true_answer(world, call, endpoint, org, fault.as_ref()),
    };
    let answer = with_headers(world, answer, endpoint, org, fault.as_ref());
    let host = call.header("host").unwrap_or("").to_owned();
    let status = if matches!(fault, Some(Fault::Reset | Fault::LostAnswer)) { 0 } else { answer.status };
    let recorded = Recorded { method: call.method.clone(), path: call.path.clone(), endpoint, host, org, soql, status };
    world.book().enter(recorded, answer.body.len());
    Outcome { answer, fault }
}

fn true_answer(world: &World, call: &Call, endpoint: Endpoint, org: Option<Id>, fault: Option<&Fault>) -> Answer {
    let uri = call.path.len() + call.query.len() + 1;
    let headers: usize = call.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if uri > LONGEST_URI {
        return Answer::html(
            414,
            "<html><head><title>414 URI Too Long</title></head><body><h1>URI Too Long</h1></body></html>",
        );
    }
    if uri + headers > LONGEST_URI {
        return Answer::html(
            431,
            "<html><head><title>431 Request Header Fields Too Large</title></head><body></body></html>",
        );
    }
    match endpoint {
        Endpoint::Authorize => oauth::authorize(world, call),
        Endpoint::Token => oauth::token(world, call),
        Endpoint::Revoke => oauth::revoke(world, call),
        Endpoint::Identity => oauth::identity(world, call),
        Endpoint::Userinfo => oauth::userinfo(world, call),
        Endpoint::Soap => oauth::login(world, call),
        Endpoint::Versions => rest::versions(),
        Endpoint::Other if call.path.starts_with("/setup/secur/RemoteAccessErrorPage") => oauth::error_page(call),
        _ => data_answer(world, call, endpoint, org, fault).into(),
    }
}

fn data_answer(
    world: &World,
    call: &Call,
    endpoint: Endpoint,
    org: Option<Id>,
    fault: Option<&Fault>,
) -> Result<Answer, Refusal> {
    let segments = call.segments();
    if segments.len() < 3 || segments[0] != "services" || segments[1] != "data" {
        return Err(Refusal::not_found());
    }
    let version = served_version(&segments[2])?;
    let org = org.ok_or_else(Refusal::session_expired)?;
    let request = Request { world, call, version: &version, org, fault };
    request.with_org(|org| {
        let (used, max) = (org.usage.used.load(Ordering::Relaxed), org.usage.max.load(Ordering::Relaxed));
        if used >= max {
            return Err(Refusal::new(403, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded."));
        }
        org.usage.used.fetch_add(u64::from(endpoint.counts()), Ordering::Relaxed);
        Ok(())
    })?;
    rest::answer(&request, endpoint)
}

/// `v67.0` as `67.0`, if it is served.
fn served_version(segment: &str) -> Result<String, Refusal> {
    let number =
        segment.strip_prefix('v').and_then(|text| text.strip_suffix(".0")).and_then(|text| text.parse::<u32>().ok());
    match number {
        Some(number) if VERSIONS.iter().any(|(known, _)| *known == number) => Ok(format!("{number}.0")),
        Some(number) if (7..=30).contains(&number) => {
            Err(Refusal::new(410, "GONE", format!("The requested API version v{number}.0 is no longer available")))
        }
        _ => Err(Refusal::not_found()),
    }
}

fn with_headers(
    world: &World,
    mut answer: Answer,
    endpoint: Endpoint,
    org: Option<Id>,
    fault: Option<&Fault>,
) -> Answer {
    let request_id = format!("{:032x}", rand::random::<u128>());
    let common = [
        ("date", crate::moment::http_date(world.clock.now_ms())),
        ("server", "sfdcedge".to_owned()),
        ("strict-transport-security", "max-age=63072000; includeSubDomains".to_owned()),
        ("x-content-type-options", "nosniff".to_owned()),
        ("x-robots-tag", "none".to_owned()),
        ("vary", "Accept-Encoding".to_owned()),
        ("x-sfdc-request-id", request_id.clone()),
        ("x-request-id", request_id),
        ("set-cookie", "BrowserId=demoBrowserId; domain=.salesforce.com; path=/; expires=Sat, 14-Aug-2027 09:00:00 GMT; Max-Age=31536000".to_owned()),
        ("set-cookie", "CookieConsentPolicy=0:1; path=/; expires=Sat, 14-Aug-2027 09:00:00 GMT; Max-Age=31536000".to_owned()),
        ("set-cookie", "LSKey-c$CookieConsentPolicy=0:1; path=/; expires=Sat, 14-Aug-2027 09:00:00 GMT; Max-Age=31536000".to_owned()),
    ];
    answer.headers.extend(common);
    if !answer.headers.iter().any(|(name, _)| *name == "cache-control") {
        answer.headers.push(("cache-control", "no-cache,must-revalidate,max-age=0,no-store,private".to_owned()));
    }
    let html = answer.content_type == crate::wire::HTML;
    if endpoint.counts() && !html && !matches!(fault, Some(Fault::MissingLimitHeader)) {
        let orgs = world.read();
        let header = match fault {
            Some(Fault::LimitHeader { value }) => Some(value.clone()),
            _ => orgs.iter().find(|known| Some(known.id) == org).and_then(Org::limit_header),
        };
        answer.headers.extend(header.map(|value| ("sforce-limit-info", value)));
    }
    answer
}
