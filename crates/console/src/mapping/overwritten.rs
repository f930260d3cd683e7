//! Every value in Lane that saving would overwrite, as a table to download: page by page, never all at once in memory.

use axum::body::Body;
use axum::extract::{Path, Query};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use contract::mapper::v1::{FieldMappingEntry, LaneField, ListOverwrittenValuesRequest, ListOverwrittenValuesResponse};
use futures::{Stream, stream};

use super::draft::Draft;
use super::shown;
use super::side::Side;
use super::{Pairs, lane_fields, saved_mapping};
use crate::csv;
use crate::peers::{ACTION, Answer, Party, ask};
use crate::web::{Outcome, Visit};
use crate::words::object;

/// Rows that the mapper looks at for one page.
const PAGE_SIZE: i32 = 1_000;

/// Sends the table. What goes wrong before the first row is a page; what goes wrong later breaks the download off.
pub(super) async fn download(visit: Visit, Path(tab): Path<String>, Query(pairs): Query<Pairs>) -> Outcome {
    let side = Side::of(&tab).ok_or_else(|| visit.refuse_missing())?;
    let (fields, saved) = tokio::join!(lane_fields(&visit, side), saved_mapping(&visit, side));
    let fields = fields.map_err(|trouble| visit.refuse(&trouble))?;
    let saved = saved.map_err(|trouble| visit.refuse(&trouble))?;
    let entries = Draft::read(&pairs).entries(&saved);
    let first = page(&visit, side, &entries, String::new()).await.map_err(|trouble| visit.refuse(&trouble))?;
    let name = format!("attachment; filename=\"lane-values-overwritten-{}.csv\"", side.word());
    let headers = [(header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()), (header::CONTENT_DISPOSITION, name)];
    let rows = Rows { visit, side, fields, entries };
    let response: Response = (headers, Body::from_stream(lines(rows, first))).into_response();
    Ok(response)
}

async fn page(
    visit: &Visit,
    side: Side,
    entries: &[FieldMappingEntry],
    page_token: String,
) -> Answer<ListOverwrittenValuesResponse> {
    let request = ListOverwrittenValuesRequest {
        workspace_id: visit.workspace(),
        kind: side.kind().into(),
        entries: entries.to_vec(),
        page_size: PAGE_SIZE,
        page_token,
    };
    ask(Party::Mapper, ACTION, visit.peers().records().list_overwritten_values(request)).await
}

struct Rows {
    visit: Visit,
    side: Side,
    fields: Vec<LaneField>,
    entries: Vec<FieldMappingEntry>,
}

/// What comes next.
enum Next {
    Page(Box<ListOverwrittenValuesResponse>),
    Token(String),
    End,
}

fn lines(rows: Rows, first: ListOverwrittenValuesResponse) -> impl Stream<Item = Result<String, std::io::Error>> {
    let head = csv::line(["Object", "Salesforce ID", "Name", "Lane field", "Stands in Lane", "After saving"]);
    stream::unfold((rows, head, Next::Page(Box::new(first))), async |(rows, head, next)| {
        let answer = match next {
            Next::End => return None,
            Next::Page(answer) => *answer,
            Next::Token(token) => match page(&rows.visit, rows.side, &rows.entries, token).await {
                Ok(answer) => answer,
                // A table that breaks off is seen to be incomplete; one that merely ended would be believed.
                Err(trouble) => {
                    let broken = std::io::Error::other(trouble.title);
                    return Some((Err(broken), (rows, head, Next::End)));
                }
            },
        };
        let text = head + &table(&rows.fields, &answer);
        let next = match answer.next_page_token {
            token if token.is_empty() => Next::End,
            token => Next::Token(token),
        };
        Some((Ok(text), (rows, String::new(), next)))
    })
}

fn table(fields: &[LaneField], answer: &ListOverwrittenValuesResponse) -> String {
    let lines = answer.values.iter().map(|one| {
        let value = |value| shown::value(value, shown::field(fields, &one.field));
        let after = if one.unread { "known after the re-read".to_owned() } else { value(one.after.as_ref()) };
        let field = shown::name(fields, &one.field);
        csv::line([object(one.object()), &one.id, &one.name, field, &value(one.standing.as_ref()), &after])
    });
    lines.collect()
}
