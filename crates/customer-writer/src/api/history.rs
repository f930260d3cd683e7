//! What was written, hour by hour.

use std::time::Duration;

use contract::convert::{self, to_wire_time};
use contract::writer::v1::history_service_server::HistoryService;
use contract::writer::v1::{GetHistoryRequest, GetHistoryResponse, HistoryBucket, RecordTally};
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::{CallError, begin, invalid};
use crate::store::history::{self, Hour};
use crate::store::read::moment;

/// Hours that are kept: 14 days.
const MOST_HOURS: i32 = 336;

/// Serves `HistoryService`.
#[derive(Clone, Debug)]
pub(crate) struct HistoryApi {
    pool: PgPool,
}

impl HistoryApi {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    async fn history(&self, request: GetHistoryRequest) -> Result<GetHistoryResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let hours = match request.hours {
            0 => 24,
            1..=MOST_HOURS => request.hours,
            _ => return Err(invalid("hours", "must be 1 to 336")),
        };
        let mut transaction = begin(&self.pool, workspace).await?;
        let hours = history::list(&mut transaction, workspace, hours).await?;
        let buckets = hours.into_iter().map(|(start, hour)| HistoryBucket {
            start_time: Some(to_wire_time(moment(start))),
            records: Some(tally(&hour)),
            fresh_count: hour.fresh_count(),
            freshness_p50: hour.age_of(50).and_then(wire_duration),
            freshness_p95: hour.age_of(95).and_then(wire_duration),
            freshness_max: hour
                .age_of(100)
                .map(|_| Duration::from_millis(hour.oldest_ms.unsigned_abs()))
                .and_then(wire_duration),
        });
        Ok(GetHistoryResponse { buckets: buckets.collect() })
    }
}

/// Returns counts as they travel.
pub(super) fn tally(hour: &Hour) -> RecordTally {
    RecordTally {
        created: hour.created,
        updated: hour.updated,
        unchanged: hour.unchanged,
        deleted: hour.deleted,
        parked: hour.parked,
    }
}

fn wire_duration(duration: Duration) -> Option<prost_types::Duration> {
    duration.try_into().ok()
}

#[tonic::async_trait]
impl HistoryService for HistoryApi {
    async fn get_history(&self, request: Request<GetHistoryRequest>) -> Result<Response<GetHistoryResponse>, Status> {
        Ok(Response::new(self.history(request.into_inner()).await?))
    }
}
