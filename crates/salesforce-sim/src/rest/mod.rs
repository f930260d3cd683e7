//! The REST data API: what each endpoint answers.

mod bulk;
mod composite;
mod limits;
mod query;
mod replication;
mod sobjects;

use serde_json::{Value as Json, json};

use crate::api::{Request, VERSIONS};
use crate::endpoint::Endpoint;
use crate::id::Id;
use crate::refusal::Refusal;
use crate::wire::{Answer, Call};
use crate::world::{World, lock};

/// `GET /services/data/`.
pub(crate) fn versions() -> Answer {
    let list: Vec<Json> = VERSIONS
        .iter()
        .map(|(number, label)| json!({ "label": label, "url": format!("/services/data/v{number}.0"), "version": format!("{number}.0") }))
        .collect();
    Answer::json(200, &Json::Array(list))
}

/// The answer of a data endpoint; the session is known to be good.
pub(crate) fn answer(request: &Request<'_>, endpoint: Endpoint) -> Result<Answer, Refusal> {
    let method = request.call.method.as_str();
    let reads_only = !matches!(
        endpoint,
        Endpoint::Write
            | Endpoint::Record
            | Endpoint::Composite
            | Endpoint::CompositeBatch
            | Endpoint::BulkCreate
            | Endpoint::BulkAbort
            | Endpoint::BulkDelete
    );
    if reads_only && !matches!(method, "GET" | "HEAD") {
        return Err(Refusal::method(method, "HEAD,GET"));
    }
    match endpoint {
        Endpoint::Resources => Ok(resources(request.version)),
        Endpoint::Sobjects => sobjects::list(request),
        Endpoint::Describe => sobjects::describe(request),
        Endpoint::Record => sobjects::record(request),
        Endpoint::Write => sobjects::write(request),
        Endpoint::Query => query::first(request),
        Endpoint::QueryMore => query::more(request),
        Endpoint::Updated => replication::updated(request),
        Endpoint::Deleted => replication::deleted(request),
        Endpoint::Limits => limits::limits(request),
        Endpoint::RecordCount => limits::record_count(request),
        Endpoint::Composite => composite::composite(request),
        Endpoint::CompositeBatch => composite::batch(request),
        Endpoint::BulkCreate => bulk::create(request),
        Endpoint::BulkPoll => bulk::poll(request),
        Endpoint::BulkResults => bulk::results(request),
        Endpoint::BulkPages => bulk::pages(request),
        Endpoint::BulkAbort => bulk::abort(request),
        Endpoint::BulkDelete => bulk::delete(request),
        Endpoint::BulkList => bulk::list(request),
        _ => Err(Refusal::not_found()),
    }
}

fn resources(version: &str) -> Answer {
    let names = [
        "sobjects",
        "query",
        "queryAll",
        "limits",
        "composite",
        "jobs",
        "recent",
        "search",
        "tooling",
        "chatter",
        "actions",
    ];
    let map: serde_json::Map<String, Json> =
        names.iter().map(|name| ((*name).to_owned(), json!(format!("/services/data/v{version}/{name}")))).collect();
    Answer::json(200, &Json::Object(map))
}

/// The SOQL text that a request carries.
pub(crate) fn soql_of(endpoint: Endpoint, call: &Call) -> Option<String> {
    match endpoint {
        Endpoint::Query => call.parameter("q"),
        Endpoint::BulkCreate => call.json().ok()?.get("query")?.as_str().map(str::to_owned),
        _ => None,
    }
}

/// The object that a request is about, for faults that strike one object only.
pub(crate) fn object_of(
    world: &World,
    endpoint: Endpoint,
    call: &Call,
    org: Option<Id>,
    soql: Option<&str>,
) -> Option<String> {
    if let Some(soql) = soql {
        let mut words = soql.split_whitespace().skip_while(|word| !word.eq_ignore_ascii_case("FROM"));
        return words.nth(1).map(str::to_owned);
    }
    let segments = call.segments();
    let now_ms = world.clock.now_ms();
    let orgs = world.read();
    let org = orgs.iter().find(|known| Some(known.id) == org)?;
    match endpoint {
        Endpoint::QueryMore => {
            let (name, _) = segments.last()?.rsplit_once('-')?;
            let table = lock(&org.cursors).find(name, now_ms)?.plan.table;
            Some(org.tables[table].schema.name.to_owned())
        }
        Endpoint::BulkPoll
        | Endpoint::BulkResults
        | Endpoint::BulkPages
        | Endpoint::BulkAbort
        | Endpoint::BulkDelete => {
            let id: Id = segments.get(5)?.parse().ok()?;
            Some(lock(&org.jobs).find(id, now_ms)?.object.to_owned())
        }
        Endpoint::Describe | Endpoint::Updated | Endpoint::Deleted | Endpoint::Write | Endpoint::Sobjects => {
            segments.get(4).cloned()
        }
        Endpoint::Record => segments.get(if segments.get(3)? == "composite" { 5 } else { 4 }).cloned(),
        _ => None,
    }
}

/// Renders every row that a query finds, once, and keeps the bytes for the pages to come.
pub(crate) fn warm(org: &crate::org::Org, text: &str, csv: bool, version: &str, now_ms: i64) -> Result<Json, Refusal> {
    let (plan, found) = query::run(org, text, now_ms, true)?;
    let crate::soql::Answer::Rows(rows) = found else {
        return Ok(json!({ "rows": 0 }));
    };
    let mut out = Vec::new();
    if csv {
        let query = crate::soql::parse(text).map_err(|malformed| malformed.refusal(text))?;
        let columns = bulk::columns(org, &query, text)?;
        let form = crate::render::Csv { columns: &columns, delimiter: b',', line_ending: b"\n" };
        org.tables[plan.table].rendered.warm(&form.list());
        for part in rows.chunks(1_000) {
            out.clear();
            crate::render::csv(org, plan.table, part, &form, &mut out);
        }
    } else {
        org.tables[plan.table].rendered.warm(&crate::render::json_list(&plan, version));
        for part in rows.chunks(1_000) {
            out.clear();
            crate::render::records(org, &plan, part, version, &mut out);
        }
    }
    Ok(json!({ "rows": rows.len() }))
}
