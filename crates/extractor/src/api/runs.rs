//! Runs in the words of the API.

use chrono::{DateTime, Utc};
use contract::common::v1::SalesforceObject;
use contract::convert::to_wire_time;
use contract::extractor::v1::{ObjectProgress, RunPhase, SyncRun};

use crate::store::run::{Run, RunObject};

/// Writes a moment of our clock.
pub(crate) fn wire_time(moment: DateTime<Utc>) -> Option<prost_types::Timestamp> {
    jiff::Timestamp::from_millisecond(moment.timestamp_millis()).ok().map(to_wire_time)
}

/// Writes a run. `waits` tells why an active one does not move.
pub(super) fn wire_run(run: &Run, waits: &str) -> SyncRun {
    let reason = if run.reason.is_empty() && run.phase.is_active() { waits } else { &run.reason };
    SyncRun {
        run_id: run.id.to_string(),
        workspace_id: run.workspace.to_string(),
        mode: run.purpose.mode().into(),
        phase: RunPhase::from(run.phase).into(),
        reason: reason.to_owned(),
        objects: run.objects.iter().map(|object| wire_progress(run, object)).collect(),
        start_time: wire_time(run.started_at),
        end_time: run.ended_at.and_then(wire_time),
        api_calls: run.api_calls,
    }
}

fn wire_progress(run: &Run, object: &RunObject) -> ObjectProgress {
    ObjectProgress {
        object: SalesforceObject::from(object.object).into(),
        expected: object.expected,
        read: object.read,
        mapped: object.mapped,
        written: object.written,
        parked: object.parked,
        done: object.work.is_none() && (!run.phase.is_active() || object.mapped + object.parked >= object.read),
        reason: object.reason.clone(),
        path: object.path.clone(),
    }
}
