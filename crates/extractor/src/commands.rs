//! Wishes of other services that come over NATS. Losing one only delays: planning finds the same by itself.

use contract::convert;
use contract::event::v1::command::Command as Wish;
use contract::event::v1::{Command, ReadFieldsCommand, RefetchCommand};
use domain::{SalesforceId, WorkspaceId};
use messaging::{Delivery, Handler, Outcome};

use crate::reader::Reader;
use crate::refetch::refetch;
use crate::store::{self, StoreError};

/// Takes commands.
#[derive(Debug)]
pub struct Commands {
    reader: Reader,
}

impl Commands {
    /// Takes commands for a reader.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }

    async fn take(&self, delivery: &Delivery) -> Outcome {
        let Ok(command) = delivery.decode::<Command>("lanesync.event.v1.Command") else {
            return Outcome::Reject { reason: "message_invalid" };
        };
        let (Ok(workspace), Some(wish)) = (convert::workspace_id(&command.workspace_id), command.command) else {
            return Outcome::Reject { reason: "message_invalid" };
        };
        // A body must not speak for another workspace than its subject.
        if delivery.subject() != contract::subjects::command(workspace) {
            return Outcome::Reject { reason: "message_invalid" };
        }
        let taken = match wish {
            Wish::ReadFields(wanted) => self.read_fields(workspace, &wanted).await,
            Wish::Refetch(wanted) => self.read_again(workspace, &wanted).await,
        };
        match taken {
            Ok(()) => Outcome::Done,
            Err(error) => {
                tracing::warn!(error = format!("{:#}", anyhow::Error::new(error)), "a command could not be taken");
                Outcome::Retry { reason: "store_unavailable" }
            }
        }
    }

    /// The next turn asks the mapper what it needs. An object that is mapped for the first time is one to load from now on.
    async fn read_fields(&self, workspace: WorkspaceId, wanted: &ReadFieldsCommand) -> Result<(), StoreError> {
        let mut tx = store::begin(&self.reader.pool, workspace).await?;
        store::workspace::wake(&mut tx, workspace).await?;
        let known = store::workspace::load(&mut tx, workspace).await?;
        if let (Some(known), Ok(object)) =
            (known.filter(|known| known.first_sync_started), convert::object(wanted.object))
        {
            store::coverage::ensure(&mut tx, workspace, object, known.epoch).await?;
        }
        tx.commit().await?;
        Ok(())
    }

    async fn read_again(&self, workspace: WorkspaceId, wanted: &RefetchCommand) -> Result<(), StoreError> {
        let Ok(object) = convert::object(wanted.object) else { return Ok(()) };
        let ids: Vec<SalesforceId> = wanted.ids.iter().filter_map(|id| id.parse().ok()).collect();
        refetch(&self.reader, workspace, object, &ids).await.map(|_| ())
    }
}

impl Handler for Commands {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let mut outcomes = Vec::with_capacity(deliveries.len());
        for delivery in deliveries {
            outcomes.push(self.take(delivery).await);
        }
        outcomes
    }
}
