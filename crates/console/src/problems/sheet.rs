//! Parked records as a file for spreadsheets: page by page, however many there are.

use axum::body::Body;
use axum::extract::Query;
use axum::http::header;
use axum::response::IntoResponse;
use contract::parking;
use contract::writer::v1::{ListParkedRecordsResponse, ParkedRecord};
use futures::{Stream, stream};

use super::{Place, list, view};
use crate::csv;
use crate::moment::read;
use crate::trouble::Trouble;
use crate::web::{Outcome, Visit};
use crate::words::record;

/// Records of one step.
const PAGE_SIZE: i32 = 1_000;

/// The columns.
const HEAD: [&str; 10] = [
    "Object",
    "Salesforce ID",
    "Reason",
    "What is wrong",
    "Who can fix it",
    "Field",
    "Set aside",
    "Asked for again",
    "Link",
    "Name in Lane",
];

/// Sends all records of a place. The first step is made before anything is sent, so that a refusal is a page.
pub(super) async fn download(visit: Visit, Query(place): Query<Place>) -> Outcome {
    let first = list(&visit, &place, PAGE_SIZE, "").await.map_err(|trouble| visit.refuse(&trouble))?;
    let headers = [
        (header::CONTENT_TYPE, "text/csv; charset=utf-8"),
        (header::CONTENT_DISPOSITION, "attachment; filename=\"salesforce-problems.csv\""),
    ];
    Ok((headers, Body::from_stream(lines(visit, place, first))).into_response())
}

/// What follows.
enum Step {
    Have(ListParkedRecordsResponse),
    Ask(String),
    Over,
}

fn lines(
    visit: Visit,
    place: Place,
    first: ListParkedRecordsResponse,
) -> impl Stream<Item = Result<String, std::io::Error>> {
    let head = csv::line(HEAD);
    stream::unfold((visit, place, Step::Have(first), head), async |(visit, place, step, mut text)| {
        let listed = match step {
            Step::Have(listed) => Ok(listed),
            Step::Ask(after) => list(&visit, &place, PAGE_SIZE, &after).await,
            Step::Over => return None,
        };
        let listed = match listed {
            Ok(listed) => listed,
            // The file breaks off, and the browser says so: half a list that looks whole would be worse.
            Err(trouble) => return Some((Err(broken(&trouble)), (visit, place, Step::Over, String::new()))),
        };
        listed.records.iter().for_each(|record| text.push_str(&row(record)));
        let next = if listed.next_page_token.is_empty() { Step::Over } else { Step::Ask(listed.next_page_token) };
        Some((Ok(text), (visit, place, next, String::new())))
    })
}

fn broken(trouble: &Trouble) -> std::io::Error {
    tracing::warn!(title = %trouble.title, "a download broke off");
    std::io::Error::other(trouble.title.clone())
}

fn row(parked: &ParkedRecord) -> String {
    let advice = parking::advice(&parked.code);
    let moment = |wire| read(wire).map(|at| at.to_string()).unwrap_or_default();
    csv::line([
        record(parked.object()),
        &parked.id,
        &parked.code,
        advice.title,
        view::who(advice.fixer),
        &parked.field,
        &moment(parked.park_time.as_ref()),
        &moment(parked.requeue_time.as_ref()),
        &parked.url,
        &parked.name,
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_every_column_and_no_formula() {
        let parked = ParkedRecord { field: "=1+1".into(), code: "text_too_long".into(), ..Default::default() };
        let text = row(&parked);
        assert_eq!(text.matches(',').count(), HEAD.len() - 1, "{text}");
        assert!(text.contains(",'=1+1,") && text.ends_with("\r\n"), "{text}");
    }
}
