//! What was written, hour by hour.

use clap::Args;
use contract::writer::v1 as wire;
use jiff::Timestamp;
use serde::Serialize;

use crate::failure::{Exit, Failure};
use crate::session::{Answer, Party, Session};
use crate::table::{Table, or_dash};
use crate::wire::{moment, seconds};

#[derive(Args, Debug)]
pub(crate) struct Command {
    /// Hours up to now, at most 336.
    #[arg(long, default_value_t = 24, value_parser = clap::value_parser!(i32).range(1..=336))]
    hours: i32,
}

pub(crate) async fn run(session: &Session, command: Command) -> Result<Exit, Failure> {
    let request = wire::GetHistoryRequest { workspace_id: session.workspace()?, hours: command.hours };
    let history = session.ask(Party::Writer, session.history()?.get_history(request)).await?;
    session.show(&History { hours: history.buckets.into_iter().map(Hour::from).collect() })?;
    Ok(Exit::Done)
}

#[derive(Debug, Serialize)]
struct History {
    hours: Vec<Hour>,
}

#[derive(Debug, Serialize)]
struct Hour {
    started_at: Option<Timestamp>,
    created: i64,
    updated: i64,
    unchanged: i64,
    deleted: i64,
    parked: i64,
    fresh_count: i64,
    freshness_p50_seconds: Option<i64>,
    freshness_p95_seconds: Option<i64>,
    freshness_max_seconds: Option<i64>,
}

impl From<wire::HistoryBucket> for Hour {
    fn from(bucket: wire::HistoryBucket) -> Self {
        let records = bucket.records.unwrap_or_default();
        Self {
            started_at: moment(bucket.start_time.as_ref()),
            created: records.created,
            updated: records.updated,
            unchanged: records.unchanged,
            deleted: records.deleted,
            parked: records.parked,
            fresh_count: bucket.fresh_count,
            freshness_p50_seconds: seconds(bucket.freshness_p50.as_ref()),
            freshness_p95_seconds: seconds(bucket.freshness_p95.as_ref()),
            freshness_max_seconds: seconds(bucket.freshness_max.as_ref()),
        }
    }
}

impl Answer for History {
    fn text(&self) -> String {
        let headings =
            ["hour", "created", "updated", "unchanged", "deleted", "parked", "fresh p50 s", "p95 s", "max s"];
        let mut table = Table::new(headings);
        for hour in &self.hours {
            table.row([
                or_dash(hour.started_at.as_ref()),
                hour.created.to_string(),
                hour.updated.to_string(),
                hour.unchanged.to_string(),
                hour.deleted.to_string(),
                hour.parked.to_string(),
                or_dash(hour.freshness_p50_seconds.as_ref()),
                or_dash(hour.freshness_p95_seconds.as_ref()),
                or_dash(hour.freshness_max_seconds.as_ref()),
            ]);
        }
        table.text()
    }
}
