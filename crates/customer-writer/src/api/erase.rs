//! Erase orders as they come in.

use std::sync::Arc;

use contract::KeyHash;
use contract::convert::to_wire_time;
use contract::writer::v1::{EraseRecordRequest, EraseRecordResponse};
use domain::{Object, WorkspaceId};
use sqlx::PgPool;
use tokio::sync::Notify;
use uuid::Uuid;

use super::customers::row_name;
use super::{CallError, begin, invalid, not_found};
use crate::store::erase::{self, Order, Standing};
use crate::store::history::Hour;
use crate::store::read::RowName;
use crate::store::{applied, workspace};

/// Takes erase orders in.
#[derive(Clone, Debug)]
pub(crate) struct Eraser {
    pool: PgPool,
    feed: Arc<Notify>,
    orders: Arc<Notify>,
}

impl Eraser {
    /// `feed` is told when the change feed grew, `orders` when an order waits to be passed on.
    pub(crate) fn new(pool: PgPool, feed: Arc<Notify>, orders: Arc<Notify>) -> Self {
        Self { pool, feed, orders }
    }

    /// Carries an order out, or says how far it is if it was given before.
    pub(crate) async fn erase(
        &self,
        request: EraseRecordRequest,
        caller: &str,
    ) -> Result<EraseRecordResponse, CallError> {
        let workspace = contract::convert::workspace_id(&request.workspace_id)?;
        let id: Uuid = request.request_id.parse().map_err(|_| invalid("request_id", "is not a UUID"))?;
        let name = row_name(&request.id, &request.salesforce_id)?;
        if let RowName::Source(key) = &name
            && !Object::ALL.iter().any(|object| object.id_prefix() == key.prefix())
        {
            return Err(invalid("salesforce_id", "is not that of an account, a contact or a lead"));
        }
        let named = hash_of(workspace, &name);
        let actor = if request.actor.is_empty() { caller } else { &request.actor };

        let mut transaction = begin(&self.pool, workspace).await?;
        // Waits for every apply in hand; those that come after see the order.
        workspace::hold_alone(&mut transaction, workspace).await?.ok_or_else(|| not_found("workspace"))?;
        if let Some(standing) = erase::standing(&mut transaction, workspace, id).await? {
            if standing.named != named.as_bytes() {
                return Err(invalid("request_id", "named another record before"));
            }
            return Ok(answer(&standing));
        }
        let (keys, lane) = erase::of_name(&name);
        let erased = erase::carry_out(&mut transaction, workspace, Order { id, named, actor, keys }, lane).await?;
        if erased.rows == 0 && lane.is_some() {
            // Dropping the transaction takes the order back.
            return Err(not_found("customer or contact"));
        }
        if !erased.changes.is_empty() {
            applied::book(&mut transaction, workspace, &[], &erased.changes, &Hour::default()).await?;
        }
        let standing = erase::standing(&mut transaction, workspace, id).await?;
        transaction.commit().await?;
        self.orders.notify_one();
        self.feed.notify_one();
        standing.as_ref().map(answer).ok_or_else(|| not_found("erase order"))
    }
}

fn hash_of(workspace: WorkspaceId, name: &RowName) -> KeyHash {
    match name {
        RowName::Lane(id) => KeyHash::of(workspace, &id.to_string()),
        RowName::Source(key) => KeyHash::of(workspace, key.as_str()),
    }
}

fn answer(standing: &Standing) -> EraseRecordResponse {
    EraseRecordResponse {
        erased_rows: standing.rows_erased,
        erase_time: Some(to_wire_time(standing.ordered_at)),
        source_erase_time: standing.source_erased_at.map(to_wire_time),
    }
}
