//! Bulk API 2.0 query jobs over HTTP.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use serde_json::{Value as Json, json};

use crate::api::Request;
use crate::bulk_job::{Job, State};
use crate::fault::Fault;
use crate::id::Id;
use crate::org::Org;
use crate::refusal::Refusal;
use crate::render::{self, Csv};
use crate::schema::Kind;
use crate::soql::{self, Access, Answer as Found, ast};
use crate::wire::{Answer, CSV};
use crate::world::lock;

const DELIMITERS: [(&str, u8); 6] =
    [("BACKQUOTE", b'`'), ("CARET", b'^'), ("COMMA", b','), ("PIPE", b'|'), ("SEMICOLON", b';'), ("TAB", b'\t')];
const LINE_ENDINGS: [(&str, &[u8]); 2] = [("LF", b"\n"), ("CRLF", b"\r\n")];
const MOST_JOBS: u64 = 10_000;
const MOST_PAGES: usize = 5;

/// `POST …/jobs/query`.
pub(super) fn create(request: &Request<'_>) -> Result<Answer, Refusal> {
    let body = request.call.json()?;
    let text = |name: &str, default: &str| body[name].as_str().unwrap_or(default).to_owned();
    let operation = text("operation", "");
    if !matches!(operation.as_str(), "query" | "queryAll") {
        return Err(Refusal::bad("API_ERROR", format!("Unsupported operation: {operation}")));
    }
    let invalid = |what: &str| Refusal::bad("API_ERROR", format!("Invalid {what}"));
    if text("contentType", "CSV") != "CSV" {
        return Err(invalid("contentType"));
    }
    let delimiter = text("columnDelimiter", "COMMA");
    let delimiter =
        DELIMITERS.into_iter().find(|(name, _)| *name == delimiter).ok_or_else(|| invalid("columnDelimiter"))?;
    let line_ending = text("lineEnding", "LF");
    let line_ending =
        LINE_ENDINGS.into_iter().find(|(name, _)| *name == line_ending).ok_or_else(|| invalid("lineEnding"))?;
    let soql_text = text("query", "");
    let now_ms = request.world.clock.now_ms();
    request.with_org(|org| {
        if lock(&org.jobs).made() >= MOST_JOBS {
            return Err(Refusal::bad("LIMIT_EXCEEDED", "Max bulk v2 query jobs (10000) per 24 hrs has been reached"));
        }
        let query = soql::parse(&soql_text).map_err(|malformed| malformed.refusal(&soql_text))?;
        let columns = columns(org, &query, &soql_text)?;
        let (plan, found) = super::query::run(org, &soql_text, now_ms, operation == "queryAll")?;
        let Found::Rows(rows) = found else {
            return Err(unsupported("Aggregate Relationships not supported in Bulk Query"));
        };
        let mut jobs = lock(&org.jobs);
        let job = Job {
            id: org.loose_id("750", jobs.next_number()),
            operation: operation.clone(),
            object: org.tables[plan.table].schema.name,
            version: request.version.to_owned(),
            delimiter,
            line_ending,
            plan,
            columns: columns.into(),
            rows: rows.into(),
            state: State::UploadComplete,
            error: None,
            created_by: org.user,
            created_ms: now_ms,
            changed_ms: now_ms,
            polls: 0,
        };
        let answer = Answer::json(200, &job.to_json(true));
        jobs.keep(job);
        Ok(answer)
    })
}

fn unsupported(message: &str) -> Refusal {
    Refusal::bad("API_ERROR", message)
}

/// The columns of the CSV; refuses what Bulk can't do.
pub(super) fn columns(org: &Org, query: &ast::Query, text: &str) -> Result<Vec<(String, Access)>, Refusal> {
    let object = &query.from.segments[0];
    let aggregates = |item: &ast::Item| matches!(item, ast::Item::Count | ast::Item::Call { .. });
    if !query.group_by.is_empty() || query.select.iter().any(aggregates) {
        return Err(unsupported(
            "Implementation restriction: Aggregate functions, GROUP BY and COUNT() are not supported in Bulk Query",
        ));
    }
    if query.offset.is_some() {
        return Err(unsupported("Implementation restriction: OFFSET is not supported in Bulk Query"));
    }
    let table =
        org.visible_table(object).filter(|_| query.select.iter().all(|item| matches!(item, ast::Item::Field(_))));
    let Some(table) = table else {
        // Lets the ordinary checks name an unknown object first.
        soql::plan(org, query, 0).map_err(|malformed| malformed.refusal(text))?;
        return Err(unsupported("Implementation restriction: FIELDS() is not supported in Bulk Query"));
    };
    if !matches!(org.tables[table].schema.name, "Account" | "Contact" | "Lead" | "Opportunity" | "User") {
        return Err(Refusal::bad("INVALIDENTITY", format!("Entity '{object}' is not supported by the Bulk API.")));
    }
    let mut columns = Vec::new();
    for item in &query.select {
        let ast::Item::Field(path) = item else {
            continue;
        };
        let field =
            soql::resolve(org, table, path, query.alias.as_deref()).map_err(|malformed| malformed.refusal(text))?;
        if field.kind == Kind::Address {
            return Err(unsupported("Selecting compound data not supported in Bulk Query"));
        }
        columns.push((path.text(), field.access));
    }
    Ok(columns)
}

/// Runs `work` on the job of the path.
fn with_job<T>(request: &Request<'_>, work: impl FnOnce(&Org, &mut Job) -> Result<T, Refusal>) -> Result<T, Refusal> {
    let id: Id = request.call.segments().get(5).and_then(|text| text.parse().ok()).ok_or_else(Refusal::not_found)?;
    let now_ms = request.world.clock.now_ms();
    request.with_org(|org| {
        let mut jobs = lock(&org.jobs);
        work(org, jobs.find(id, now_ms).ok_or_else(Refusal::not_found)?)
    })
}

/// `GET …/jobs/query/<id>`; every poll moves the job on.
pub(super) fn poll(request: &Request<'_>) -> Result<Answer, Refusal> {
    let now_ms = request.world.clock.now_ms();
    let polls_in_progress = request.world.config.bulk_polls;
    with_job(request, |_, job| {
        if !job.state.is_over() {
            job.polls += 1;
            job.changed_ms = now_ms;
            job.state = if job.polls > polls_in_progress { State::JobComplete } else { State::InProgress };
            match request.fault {
                Some(Fault::BulkFailed { message }) => (job.state, job.error) = (State::Failed, message.clone()),
                Some(Fault::BulkAborted) => job.state = State::Aborted,
                _ => {}
            }
        }
        Ok(Answer::json(200, &job.to_json(false)))
    })
}

/// The job, if its results can be read in this version.
fn finished(request: &Request<'_>) -> Result<Job, Refusal> {
    with_job(request, |_, job| {
        if job.version != request.version {
            return Err(Refusal::new(409, "API_ERROR", format!("The API version of the job is v{}", job.version)));
        }
        if job.state != State::JobComplete {
            return Err(Refusal::bad(
                "API_ERROR",
                format!("Results are not available: the job is in state {}", job.state.name()),
            ));
        }
        Ok(job.clone())
    })
}

fn locator(from: usize) -> String {
    STANDARD_NO_PAD.encode(from.to_string())
}

fn position(locator: Option<String>, rows: usize) -> Result<usize, Refusal> {
    let Some(locator) = locator.filter(|locator| !locator.is_empty()) else {
        return Ok(0);
    };
    let decoded =
        STANDARD_NO_PAD.decode(locator.trim_end_matches('=')).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let from = decoded.and_then(|text| text.parse().ok()).filter(|from| *from < rows);
    from.ok_or_else(|| Refusal::bad("INVALID_QUERY_LOCATOR", format!("invalid locator: {locator}")))
}

/// `GET …/jobs/query/<id>/results`.
pub(super) fn results(request: &Request<'_>) -> Result<Answer, Refusal> {
    let job = finished(request)?;
    let asked =
        request.call.parameter("maxRecords").and_then(|text| text.parse::<usize>().ok()).filter(|most| *most > 0);
    let most = asked.unwrap_or(request.world.config.bulk_page_rows);
    let most = match request.fault {
        Some(Fault::ShrinkPages { rows }) => most.min((*rows).max(1)),
        _ => most,
    };
    let from = position(request.call.parameter("locator"), job.rows.len())?;
    let to = (from + most).min(job.rows.len());
    let rows = &job.rows[from..to];
    let next = if to < job.rows.len() { locator(to) } else { "null".to_owned() };
    let body = match request.fault {
        Some(Fault::EmptyResult { newline }) if rows.is_empty() => {
            if *newline {
                b"\n".to_vec()
            } else {
                Vec::new()
            }
        }
        fault => {
            let kept =
                if matches!(fault, Some(Fault::RowMissing)) { &rows[..rows.len().saturating_sub(1)] } else { rows };
            let form = Csv { columns: &job.columns, delimiter: job.delimiter.1, line_ending: job.line_ending.1 };
            request.with_org(|org| {
                let mut body = Vec::with_capacity(kept.len() * 256 + 256);
                render::csv(org, job.plan.table, kept, &form, &mut body);
                Ok(body)
            })?
        }
    };
    Ok(Answer::new(200, CSV, body).with("sforce-numberofrecords", rows.len().to_string()).with("sforce-locator", next))
}

/// `GET …/jobs/query/<id>/resultPages`.
pub(super) fn pages(request: &Request<'_>) -> Result<Answer, Refusal> {
    let job = finished(request)?;
    let page = request.world.config.bulk_page_rows;
    let base = format!("/services/data/v{}/jobs/query/{}", request.version, job.id);
    let from = position(request.call.parameter("locator"), job.rows.len())?;
    let starts: Vec<usize> = (from..job.rows.len()).step_by(page).collect();
    let urls: Vec<Json> = starts
        .iter()
        .take(MOST_PAGES)
        .map(|start| {
            let locator = if *start == 0 { String::new() } else { format!("?locator={}", locator(*start)) };
            json!({ "resultUrl": format!("{base}/results{locator}") })
        })
        .collect();
    let mut body = json!({ "resultPages": urls, "done": starts.len() <= MOST_PAGES });
    if let Some(next) = starts.get(MOST_PAGES) {
        body["nextRecordsUrl"] = json!(format!("{base}/resultPages?locator={}", locator(*next)));
    }
    Ok(Answer::json(200, &body))
}

/// `PATCH …/jobs/query/<id>`.
pub(super) fn abort(request: &Request<'_>) -> Result<Answer, Refusal> {
    let body = request.call.json()?;
    if body["state"] != "Aborted" {
        return Err(Refusal::bad("API_ERROR", "The only state a query job can be set to is Aborted"));
    }
    with_job(request, |_, job| {
        if job.state.is_over() {
            return Err(Refusal::bad(
                "API_ERROR",
                format!("The job is in state {} and can't be aborted", job.state.name()),
            ));
        }
        job.state = State::Aborted;
        Ok(Answer::json(200, &job.to_json(false)))
    })
}

/// `DELETE …/jobs/query/<id>`.
pub(super) fn delete(request: &Request<'_>) -> Result<Answer, Refusal> {
    let id = with_job(request, |_, job| {
        if job.state.is_over() {
            Ok(job.id)
        } else {
            Err(Refusal::bad("API_ERROR", "A job in progress can't be deleted"))
        }
    })?;
    request.with_org(|org| if lock(&org.jobs).forget(id) { Ok(Answer::empty(204)) } else { Err(Refusal::not_found()) })
}

/// `GET …/jobs/query`.
pub(super) fn list(request: &Request<'_>) -> Result<Answer, Refusal> {
    request.with_org(|org| {
        let records: Vec<Json> = lock(&org.jobs).all().map(|job| job.to_json(true)).collect();
        Ok(Answer::json(200, &json!({ "done": true, "records": records, "nextRecordsUrl": null })))
    })
}
