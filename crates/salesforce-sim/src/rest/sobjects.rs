//! `/sobjects`: lists, describes, single records, writes.

use serde_json::{Map, Value as Json, json};

use crate::api::Request;
use crate::id::Id;
use crate::moment::{http_date, parse_http_date, whole_second};
use crate::mutate::Writer;
use crate::org::Org;
use crate::refusal::Refusal;
use crate::render;
use crate::schema;
use crate::soql::{self, Out, Shape};
use crate::table::Row;
use crate::wire::{Answer, JSON};

/// Most ids of one `POST …/composite/sobjects/X`.
const MOST_RETRIEVED: usize = 2_000;

/// `GET …/sobjects`, and `GET …/sobjects/X` with the bare facts of one object.
pub(super) fn list(request: &Request<'_>) -> Result<Answer, Refusal> {
    request.with_org(|org| {
        if let Some(object) = request.call.segments().get(4) {
            let table = org.visible_table(object).ok_or_else(Refusal::not_found)?;
            let described = schema::list_entry(org.schema(table), request.version);
            return Ok(Answer::json(200, &json!({ "objectDescribe": described, "recentItems": [] })));
        }
        let visible = (0..org.tables.len()).filter(|table| !org.hidden.contains(table));
        let list: Vec<Json> = visible.map(|table| schema::list_entry(org.schema(table), request.version)).collect();
        Ok(Answer::json(200, &json!({ "encoding": "UTF-8", "maxBatchSize": 200, "sobjects": list })))
    })
}

/// `GET …/sobjects/X/describe`, 304 where nothing changed.
pub(super) fn describe(request: &Request<'_>) -> Result<Answer, Refusal> {
    request.with_org(|org| {
        let object = request.call.segments().get(4).cloned().unwrap_or_default();
        let table = org.visible_table(&object).ok_or_else(Refusal::not_found)?;
        let schema = org.schema(table);
        let changed_ms = whole_second(schema.changed_ms);
        let since = request.call.header("if-modified-since").and_then(parse_http_date);
        if since.is_some_and(|since| changed_ms <= since) {
            return Ok(Answer::empty(304));
        }
        let body = schema::describe(schema, request.version, org.describes_inactive);
        Ok(Answer::json(200, &body)
            .with("last-modified", http_date(changed_ms))
            .with("etag", format!("\"{:x}\"", changed_ms)))
    })
}

/// `GET …/sobjects/X/<id>`, and many at once by `POST …/composite/sobjects/X`.
pub(super) fn record(request: &Request<'_>) -> Result<Answer, Refusal> {
    let segments = request.call.segments();
    if segments.get(3).is_some_and(|part| part == "composite") {
        return retrieve(request, segments.get(5).map_or("", String::as_str));
    }
    let id: Id = segments.get(5).map_or("", String::as_str).parse()?;
    request.with_org(|org| {
        let table = org.visible_table(&segments[4]).ok_or_else(Refusal::not_found)?;
        let row = org.tables[table].find_shared(id).ok_or_else(|| {
            let purged = org.deletions.iter().any(|deletion| deletion.id == id);
            if purged { Refusal::new(404, "ENTITY_IS_DELETED", "entity is deleted") } else { Refusal::not_found() }
        })?;
        if org.tables[table].is_deleted(row) {
            return Err(Refusal::new(404, "ENTITY_IS_DELETED", "entity is deleted"));
        }
        let fields =
            request.call.parameter("fields").map(|list| list.split(',').map(|name| name.trim().to_owned()).collect());
        let outputs = outputs(request, org, table, fields)?;
        let mut body = Vec::new();
        render::record(org, table, row, None, &outputs, request.version, &mut body);
        Ok(Answer::new(200, JSON, body))
    })
}

/// The outputs of a field list, or of every field.
fn outputs(request: &Request<'_>, org: &Org, table: usize, fields: Option<Vec<String>>) -> Result<Vec<Out>, Refusal> {
    let schema = org.schema(table);
    let all = || schema.fields.iter().filter(|field| field.is_visible()).map(|field| field.name.clone()).collect();
    let list: Vec<String> = fields.unwrap_or_else(all);
    let text = format!("SELECT {} FROM {}", list.join(","), schema.name);
    let query = soql::parse(&text).map_err(|malformed| malformed.refusal(&text))?;
    let plan = soql::plan(org, &query, request.world.clock.now_ms()).map_err(|malformed| malformed.refusal(&text))?;
    match plan.shape {
        Shape::Rows(outputs) => Ok(outputs),
        Shape::Count | Shape::Aggregate(_) => Err(Refusal::bad("INVALID_FIELD", "fields must be names")),
    }
}

fn retrieve(request: &Request<'_>, object: &str) -> Result<Answer, Refusal> {
    if request.call.method != "POST" {
        return Err(Refusal::method(&request.call.method, "POST"));
    }
    let body = request.call.json()?;
    let texts = |name: &str| -> Vec<String> {
        body[name]
            .as_array()
            .map(|list| list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
            .unwrap_or_default()
    };
    let (ids, fields) = (texts("ids"), texts("fields"));
    if ids.len() > MOST_RETRIEVED {
        return Err(Refusal::bad("EXCEEDED_ID_LIMIT", "The maximum number of ids is 2000"));
    }
    let ids: Vec<Id> = ids.iter().map(|id| id.parse()).collect::<Result<_, _>>()?;
    request.with_org(|org| {
        let table = org.visible_table(object).ok_or_else(Refusal::not_found)?;
        let outputs = outputs(request, org, table, Some(fields))?;
        let there = |id: Id| -> Option<Row> {
            org.tables[table].find_shared(id).filter(|row| !org.tables[table].is_deleted(*row))
        };
        let mut out = vec![b'['];
        for (place, id) in ids.iter().enumerate() {
            if place > 0 {
                out.push(b',');
            }
            match there(*id) {
                Some(row) => render::record(org, table, row, None, &outputs, request.version, &mut out),
                None => out.extend_from_slice(b"null"),
            }
        }
        out.push(b']');
        Ok(Answer::new(200, JSON, out))
    })
}

/// POST creates, PATCH changes, DELETE moves to the bin.
pub(super) fn write(request: &Request<'_>) -> Result<Answer, Refusal> {
    let segments = request.call.segments();
    let object = segments.get(4).map_or("", String::as_str);
    let stamp = request.world.clock.stamp();
    let fields = |request: &Request<'_>| -> Result<Map<String, Json>, Refusal> {
        match request.call.json()? {
            Json::Object(fields) => Ok(fields),
            _ => Err(Refusal::bad("JSON_PARSER_ERROR", "The HTTP entity body is required to be a JSON object")),
        }
    };
    match (request.call.method.as_str(), segments.len()) {
        ("POST", 5) => {
            let fields = fields(request)?;
            let id = request.with_org_mut(|org| {
                let table = org
                    .visible_table(object)
                    .filter(|table| org.schema(*table).business)
                    .ok_or_else(Refusal::not_found)?;
                org.create(table, &fields, stamp, Writer::Client)
            })?;
            let location = format!("/services/data/v{}/sobjects/{object}/{id}", request.version);
            Ok(Answer::json(201, &json!({ "id": id, "success": true, "errors": [] })).with("location", location))
        }
        (method @ ("PATCH" | "DELETE"), 6) => {
            let id: Id = segments[5].parse()?;
            let fields = if method == "PATCH" { Some(fields(request)?) } else { None };
            request.with_org_mut(|org| {
                let table = org
                    .visible_table(object)
                    .filter(|table| org.schema(*table).business)
                    .ok_or_else(Refusal::not_found)?;
                if org.schema(table).prefix != id.prefix() {
                    return Err(Refusal::not_found());
                }
                match &fields {
                    Some(fields) => org.update(id, fields, stamp, Writer::Client),
                    None => org.delete(id, stamp).map(drop),
                }
            })?;
            Ok(Answer::empty(204))
        }
        (method, 5) => Err(Refusal::method(method, "HEAD,GET,POST")),
        (method, _) => Err(Refusal::method(method, "HEAD,GET,PATCH,DELETE")),
    }
}
