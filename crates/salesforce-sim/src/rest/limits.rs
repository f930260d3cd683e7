//! `/limits` and `/limits/recordCount`.

use std::sync::atomic::Ordering;

use serde_json::json;

use crate::api::Request;
use crate::refusal::Refusal;
use crate::wire::Answer;
use crate::world::lock;

/// `GET …/limits`.
pub(super) fn limits(request: &Request<'_>) -> Result<Answer, Refusal> {
    request.with_org(|org| {
        let max = org.usage.max.load(Ordering::Relaxed);
        let remaining = max.saturating_sub(org.usage.used.load(Ordering::Relaxed));
        let jobs = lock(&org.jobs).made();
        let untouched = |max: u64| json!({ "Max": max, "Remaining": max });
        Ok(Answer::json(
            200,
            &json!({
                "DailyApiRequests": { "Max": max, "Remaining": remaining },
                "DailyAsyncApexExecutions": untouched(250_000), "DailyBulkApiBatches": untouched(15_000),
                "DailyBulkV2QueryFileStorageMB": untouched(976_562),
                "DailyBulkV2QueryJobs": { "Max": 10_000, "Remaining": 10_000u64.saturating_sub(jobs) },
                "DailyDeliveredPlatformEvents": untouched(25_000), "DailyGenericStreamingApiEvents": untouched(10_000),
                "DailyStandardVolumePlatformEvents": untouched(25_000), "DailyStreamingApiEvents": untouched(10_000),
                "DataStorageMB": untouched(10_240), "FileStorageMB": untouched(10_240), "HourlyPublishedPlatformEvents": untouched(50_000),
                "MonthlyPlatformEventsUsageEntitlement": untouched(0), "SingleEmail": untouched(5_000), "MassEmail": untouched(5_000)
            }),
        ))
    })
}

/// `GET …/limits/recordCount?sObjects=A,B`.
pub(super) fn record_count(request: &Request<'_>) -> Result<Answer, Refusal> {
    request.with_org(|org| {
        let wanted = request.call.parameter("sObjects");
        let names: Vec<String> = match &wanted {
            Some(list) => list.split(',').map(|name| name.trim().to_owned()).collect(),
            None => org.tables.iter().map(|table| table.schema.name.to_owned()).collect(),
        };
        let counts: Vec<_> = names
            .iter()
            .filter_map(|name| org.visible_table(name))
            .map(|table| {
                let table = &org.tables[table];
                let live = table.all().filter(|row| !table.is_deleted(*row)).count();
                json!({ "count": live, "name": table.schema.name })
            })
            .collect();
        Ok(Answer::json(200, &json!({ "sObjects": counts })))
    })
}
