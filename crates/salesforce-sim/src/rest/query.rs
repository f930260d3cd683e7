//! `/query`, `/queryAll` and the pages that follow.

use std::sync::Arc;

use crate::api::Request;
use crate::fault::Fault;
use crate::org::Org;
use crate::refusal::Refusal;
use crate::render;
use crate::soql::{self, Answer as Found, Plan};
use crate::table::Row;
use crate::value::write_json_text;
use crate::wire::{Answer, JSON};
use crate::world::lock;

const LARGEST_PAGE: usize = 2_000;
const SMALLEST_PAGE: usize = 200;
/// Most rows on a page when two or more long texts are selected.
const WIDE_PAGE: usize = 200;

/// Parses, binds and runs a query.
pub(super) fn run(org: &Org, text: &str, now_ms: i64, deleted: bool) -> Result<(Plan, Found), Refusal> {
    let query = soql::parse(text).map_err(|malformed| malformed.refusal(text))?;
    let plan = soql::plan(org, &query, now_ms).map_err(|malformed| malformed.refusal(text))?;
    let found = soql::rows(org, &plan, deleted || query.all_rows);
    Ok((plan, found))
}

/// `GET …/query?q=`.
pub(super) fn first(request: &Request<'_>) -> Result<Answer, Refusal> {
    let text = request
        .call
        .parameter("q")
        .ok_or_else(|| Refusal::bad("MALFORMED_QUERY", "A query string has to be specified"))?;
    let deleted = request.call.path.trim_end_matches('/').ends_with("/queryAll");
    let now_ms = request.world.clock.now_ms();
    request.with_org(|org| {
        let (plan, found) = run(org, &text, now_ms, deleted)?;
        let body = match found {
            Found::Count(count) => format!("{{\"totalSize\":{count},\"done\":true,\"records\":[]}}").into_bytes(),
            Found::Aggregates(records) => {
                serde_json::json!({ "totalSize": records.len(), "done": true, "records": records })
                    .to_string()
                    .into_bytes()
            }
            Found::Rows(rows) => {
                let page = page_size(request, org, &plan);
                let rows: Arc<[Row]> = rows.into();
                let more = rows.len() > page;
                let name = more.then(|| {
                    let mut cursors = lock(&org.cursors);
                    let name = org.loose_id("0r8", cursors.next_number()).to_string();
                    cursors.open(name.clone(), plan.clone(), rows.clone(), page, now_ms);
                    name
                });
                let next = name.map(|name| locator(request.version, deleted, &name, page));
                page_body(org, &plan, &rows[..page.min(rows.len())], rows.len(), next, request.version)
            }
        };
        Ok(Answer::new(200, JSON, body))
    })
}

/// `GET …/query/<locator>`.
pub(super) fn more(request: &Request<'_>) -> Result<Answer, Refusal> {
    let lost = || Refusal::bad("INVALID_QUERY_LOCATOR", "invalid query locator");
    let segments = request.call.segments();
    let deleted = segments.get(3).is_some_and(|path| path == "queryAll");
    let locator_text = segments.get(4).ok_or_else(lost)?;
    let (name, from) = locator_text.rsplit_once('-').ok_or_else(lost)?;
    let from: usize = from.parse().map_err(|_| lost())?;
    let now_ms = request.world.clock.now_ms();
    request.with_org(|org| {
        let (plan, rows, page) = {
            let cursors = lock(&org.cursors);
            let cursor = cursors.find(name, now_ms).ok_or_else(lost)?;
            (cursor.plan.clone(), cursor.rows.clone(), cursor.page)
        };
        let page = shrunk(request, page);
        if from == 0 || from >= rows.len() {
            return Err(lost());
        }
        let to = (from + page).min(rows.len());
        let next = (to < rows.len()).then(|| locator(request.version, deleted, name, to));
        Ok(Answer::new(200, JSON, page_body(org, &plan, &rows[from..to], rows.len(), next, request.version)))
    })
}

fn locator(version: &str, deleted: bool, name: &str, from: usize) -> String {
    let resource = if deleted { "queryAll" } else { "query" };
    format!("/services/data/v{version}/{resource}/{name}-{from}")
}

fn page_body(org: &Org, plan: &Plan, rows: &[Row], total: usize, next: Option<String>, version: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(rows.len() * 512 + 256);
    body.extend_from_slice(format!("{{\"totalSize\":{total},\"done\":{}", next.is_none()).as_bytes());
    if let Some(next) = next {
        body.extend_from_slice(b",\"nextRecordsUrl\":");
        write_json_text(&next, &mut body);
    }
    body.extend_from_slice(b",\"records\":");
    // Between the pages a record may have been purged or hidden: it is left out, as it is gone.
    let table = &org.tables[plan.table];
    let there = |row: &Row| table.find_shared(table.id(*row)).is_some();
    if rows.iter().all(there) {
        render::records(org, plan, rows, version, &mut body);
    } else {
        let rows: Vec<Row> = rows.iter().copied().filter(there).collect();
        render::records(org, plan, &rows, version, &mut body);
    }
    body.push(b'}');
    body
}

/// What was asked for in `Sforce-Query-Options: batchSize=…`, within bounds; wide rows make pages short.
fn page_size(request: &Request<'_>, org: &Org, plan: &Plan) -> usize {
    let asked = request.call.header("sforce-query-options").and_then(|options| {
        options.split(',').find_map(|option| {
            option.trim().strip_prefix("batchSize=").and_then(|size| size.trim().parse::<usize>().ok())
        })
    });
    let size = asked.unwrap_or(LARGEST_PAGE).clamp(SMALLEST_PAGE, LARGEST_PAGE);
    let schema = &org.tables[plan.table].schema;
    let soql::Shape::Rows(outputs) = &plan.shape else {
        return size;
    };
    let long_texts = outputs
        .iter()
        .filter(|output| matches!(output, soql::Out::Field { column, .. } if schema.fields.get(*column).is_some_and(|field| field.is_custom() && !field.filterable())))
        .count();
    let size = if long_texts >= 2 { size.min(WIDE_PAGE) } else { size };
    shrunk(request, size)
}

fn shrunk(request: &Request<'_>, page: usize) -> usize {
    match request.fault {
        Some(Fault::ShrinkPages { rows }) => page.min((*rows).max(1)),
        _ => page,
    }
}
