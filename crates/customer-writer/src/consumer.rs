//! Takes mapped batches from the stream: those of one workspace are applied together.

use contract::event::v1::MappedBatch;
use contract::subjects;
use domain::WorkspaceId;
use messaging::{Delivery, Handler, Outcome};
use service::status::Board;

use crate::apply::Applier;
use crate::chunk::{self, Chunk, UnreadableBatch};

/// Full protobuf name of what the stream carries.
const MAPPED_BATCH: &str = "lanesync.event.v1.MappedBatch";

/// Applies what the mapper publishes.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    applier: Applier,
    board: Board,
}

impl Consumer {
    /// `board` is told how much is in hand.
    pub(crate) fn new(applier: Applier, board: Board) -> Self {
        Self { applier, board }
    }

    async fn apply(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let read = |delivery| {
            read(delivery)
                .inspect_err(|error| tracing::error!(error = format!("{error:#}"), "a mapped batch can't be read"))
                .ok()
        };
        self.applier.apply_all(deliveries.iter().map(read).collect()).await
    }
}

fn read(delivery: &Delivery) -> anyhow::Result<Chunk> {
    let batch: MappedBatch = delivery.decode(MAPPED_BATCH)?;
    let chunk = chunk::read(batch, delivery.trace_id())?;
    if workspace_of(delivery.subject()) != Some(chunk.workspace) {
        return Err(UnreadableBatch::WrongWorkspace.into());
    }
    Ok(chunk)
}

/// Returns the workspace of `lanesync.v1.mapped.{workspace}.{object}`.
fn workspace_of(subject: &str) -> Option<WorkspaceId> {
    let rest = subject.strip_prefix(subjects::PREFIX)?.strip_prefix(".mapped.")?;
    rest.split_once('.')?.0.parse().ok()
}

impl Handler for Consumer {
    async fn handle(&self, deliveries: &[Delivery]) -> Vec<Outcome> {
        let count = i64::try_from(deliveries.len()).unwrap_or(i64::MAX);
        self.board.work(count);
        let outcomes = self.apply(deliveries).await;
        self.board.work(-count);
        outcomes
    }

    async fn handle_panic(&self, delivery: &Delivery) -> Outcome {
        match read(delivery) {
            Ok(chunk) => self.applier.count_panic(&chunk).await.into(),
            Err(_) => Outcome::Reject { reason: "message_invalid" },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_workspace_stands_in_the_subject() {
        let workspace = WorkspaceId::generate();
        let subject = subjects::mapped(workspace, domain::Object::Lead);
        assert_eq!(workspace_of(&subject), Some(workspace));
        assert_eq!(workspace_of("lanesync.v1.raw.x.lead"), None);
    }
}
