//! getUpdated and getDeleted.

use serde_json::json;

use crate::api::Request;
use crate::id::Id;
use crate::moment::{datetime_text, parse_datetime};
use crate::org::Org;
use crate::refusal::Refusal;
use crate::wire::Answer;

const DAY_MS: i64 = 86_400_000;
const MINUTE_MS: i64 = 60_000;
const MOST_IDS: usize = 600_000;

struct Window {
    table: usize,
    start: i64,
    end: i64,
    /// How far the answer is complete: not past an open transaction, nor past now.
    covered: i64,
}

/// Reads object, start and end; seconds are dropped.
fn window(request: &Request<'_>, org: &Org, days_back: i64, shortest: i64) -> Result<Window, Refusal> {
    let invalid = |message: &str| Refusal::bad("INVALID_REPLICATION_DATE", message);
    let object = request.call.segments().get(4).cloned().unwrap_or_default();
    let table = org.visible_table(&object).ok_or_else(Refusal::not_found)?;
    let moment = |name: &str| -> Result<i64, Refusal> {
        let text = request
            .call
            .parameter(name)
            .ok_or_else(|| Refusal::bad("MISSING_ARGUMENT", format!("missing required parameter: {name}")))?;
        let ms = parse_datetime(&text).ok_or_else(|| invalid(&format!("invalid date: {text}")))?;
        Ok(ms.div_euclid(MINUTE_MS) * MINUTE_MS)
    };
    let (start, end) = (moment("start")?, moment("end")?);
    let now_ms = request.world.clock.now_ms();
    if end - start < shortest {
        return Err(invalid("startDate must be before endDate, by more than one minute"));
    }
    if start < now_ms - days_back * DAY_MS {
        return Err(invalid(&format!("startDate cannot be more than {days_back} days ago")));
    }
    let now_minute = now_ms.div_euclid(MINUTE_MS) * MINUTE_MS;
    let covered = end.min(now_minute).min(org.oldest_open().unwrap_or(i64::MAX)).max(start);
    Ok(Window { table, start, end, covered })
}

/// `GET …/sobjects/X/updated`.
pub(super) fn updated(request: &Request<'_>) -> Result<Answer, Refusal> {
    request.with_org(|org| {
        let window = window(request, org, 30, 1)?;
        let table = &org.tables[window.table];
        let ids: Vec<Id> = table
            .by_stamp((window.start, Id::MIN), (window.end - 1, Id::MAX))
            .filter(|row| !table.is_deleted(*row) && !table.unshared.contains(row))
            .map(|row| table.id(row))
            .collect();
        if ids.len() > MOST_IDS {
            return Err(Refusal::bad("EXCEEDED_ID_LIMIT", "too many ids: narrow the window"));
        }
        Ok(Answer::json(200, &json!({ "ids": ids, "latestDateCovered": datetime_text(window.covered) })))
    })
}

/// `GET …/sobjects/X/deleted`.
pub(super) fn deleted(request: &Request<'_>) -> Result<Answer, Refusal> {
    request.with_org(|org| {
        let window = window(request, org, 15, MINUTE_MS + 1)?;
        let earliest = org.deletions_from.unwrap_or(request.world.clock.stamp() - 15 * DAY_MS);
        let records: Vec<_> = org
            .deletions
            .iter()
            .filter(|deletion| deletion.table == window.table && deletion.at_ms >= window.start.max(earliest) && deletion.at_ms < window.end)
            .map(|deletion| json!({ "id": deletion.id, "deletedDate": datetime_text(deletion.at_ms) }))
            .collect();
        if records.len() > MOST_IDS {
            return Err(Refusal::bad("EXCEEDED_ID_LIMIT", "too many ids: narrow the window"));
        }
        Ok(Answer::json(
            200,
            &json!({ "deletedRecords": records, "earliestDateAvailable": datetime_text(earliest), "latestDateCovered": datetime_text(window.covered) }),
        ))
    })
}
