//! What usually happens to a workspace, so that there is something to look at: for the demo and for pictures.

use std::time::Duration;

use anyhow::Context as _;
use contract::extractor::v1::SyncScope;
use serde_json::{Value, json};

use crate::Orders;
use crate::lane::Lane;

/// Records that each of the changes concerns.
const EACH: usize = 3;
/// How many records can't be applied afterwards.
pub const PARKED: usize = EACH;
/// How long reading a few changes may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Changes records of `org` (the first one if none is named) in Salesforce, some so that they can't be applied, and reads
/// after each change: what is left are runs to look back at and records that were set aside.
///
/// # Errors
/// An order is refused or a run does not end well.
pub async fn live_a_little(
    lane: &Lane,
    orders: &impl AsRef<Orders>,
    workspace: &str,
    org: Option<&str>,
) -> anyhow::Result<()> {
    let orders = orders.as_ref();
    let changes = [
        // More than Lane's money holds.
        json!({ "ARR__c": 1e19 }),
        json!({ "NumberOfEmployees": 77 }),
        json!({ "Phone": "+49 30 1234" }),
    ];
    let asked = json!({ "org": org, "object": "Account", "state": "live" });
    let ids = orders.give("ids", asked).await?;
    let ids: Vec<String> = serde_json::from_value(ids).context("reading the ids of accounts")?;
    for (records, fields) in ids.rchunks(EACH).zip(changes) {
        for id in records {
            let change: Value = json!({ "org": org, "id": id, "fields": fields });
            orders.give("update", change).await?;
        }
        let run = lane.start_when_free(workspace, SyncScope::Changes, PATIENCE).await?;
        lane.finished(workspace, &run.run_id, PATIENCE, |_| {}).await?;
    }
    Ok(())
}
