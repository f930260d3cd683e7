//! Several requests in one: `/composite` and `/composite/batch`.

use serde_json::{Map, Value as Json, json};

use crate::api::Request;
use crate::endpoint::Endpoint;
use crate::refusal::Refusal;
use crate::wire::{Answer, Call};

const MOST_PARTS: usize = 25;

/// `POST …/composite`: outer 200, inner statuses.
pub(super) fn composite(request: &Request<'_>) -> Result<Answer, Refusal> {
    let (body, parts) = parts(request, "compositeRequest")?;
    let all_or_none = body["allOrNone"].as_bool().unwrap_or(false);
    let mut answers: Vec<Json> = Vec::new();
    for part in &parts {
        let answer = inner(request, part);
        let headers: Map<String, Json> = answer
            .headers
            .iter()
            .filter(|(name, _)| *name == "location")
            .map(|(_, value)| ("Location".to_owned(), json!(value)))
            .collect();
        answers.push(json!({ "body": answer.body_json(), "httpHeaders": headers, "httpStatusCode": answer.status, "referenceId": part["referenceId"] }));
        if all_or_none && answer.status >= 400 {
            break;
        }
    }
    Ok(Answer::json(200, &json!({ "compositeResponse": answers })))
}

/// `POST …/composite/batch`.
pub(super) fn batch(request: &Request<'_>) -> Result<Answer, Refusal> {
    let (_, parts) = parts(request, "batchRequests")?;
    let answers: Vec<Answer> = parts.iter().map(|part| inner(request, part)).collect();
    let failed = answers.iter().any(|answer| answer.status >= 400);
    let results: Vec<Json> =
        answers.iter().map(|answer| json!({ "statusCode": answer.status, "result": answer.body_json() })).collect();
    Ok(Answer::json(200, &json!({ "hasErrors": failed, "results": results })))
}

fn parts(request: &Request<'_>, list: &str) -> Result<(Json, Vec<Json>), Refusal> {
    if request.call.method != "POST" {
        return Err(Refusal::method(&request.call.method, "POST"));
    }
    let body = request.call.json()?;
    let parts =
        body[list].as_array().cloned().ok_or_else(|| Refusal::bad("JSON_PARSER_ERROR", format!("missing {list}")))?;
    if parts.len() > MOST_PARTS {
        return Err(Refusal::bad("LIMIT_EXCEEDED", "You can't have more than 25 subrequests in a single request"));
    }
    Ok((body, parts))
}

/// Runs a part as a request of its own; the whole counts as one call.
fn inner(outer: &Request<'_>, part: &Json) -> Answer {
    let url = part["url"].as_str().unwrap_or("");
    let (path, query) = url.split_once('?').unwrap_or((url, ""));
    // In a batch the path starts at the version, in a composite at the root.
    let path = if path.starts_with("/services/") {
        path.to_owned()
    } else {
        format!("/services/data/{}", path.trim_start_matches('/'))
    };
    let body = ["body", "richInput"].iter().find_map(|key| part.get(*key)).filter(|body| !body.is_null());
    let call = Call {
        method: part["method"].as_str().unwrap_or("GET").to_ascii_uppercase(),
        path,
        query: query.to_owned(),
        headers: outer.call.headers.clone(),
        body: body.map(|body| body.to_string().into_bytes()).unwrap_or_default(),
    };
    let endpoint = Endpoint::of(&call);
    if matches!(endpoint, Endpoint::Composite | Endpoint::CompositeBatch) || !endpoint.counts() {
        return Refusal::not_found().into();
    }
    let request =
        Request { world: outer.world, call: &call, version: outer.version, org: outer.org, fault: outer.fault };
    super::answer(&request, endpoint).into()
}
