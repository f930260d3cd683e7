//! Takes mapped batches from the stream: those of one workspace are applied together.

use contract::event::v1::MappedBatch;
use contract::subjects;
use domain::WorkspaceId;
use messaging::{Delivery, Handler, Outcome};
use service::status::Board;

use crate::apply::{Applier, Verdict};
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
        let mut outcomes = vec![Outcome::Reject { reason: "message_invalid" }; deliveries.len()];
        let mut chunks: Vec<(usize, Chunk)> = Vec::with_capacity(deliveries.len());
        for (place, delivery) in deliveries.iter().enumerate() {
            match read(delivery) {
                Ok(chunk) => chunks.push((place, chunk)),
                Err(error) => tracing::error!(error = format!("{error:#}"), "a mapped batch can't be read"),
            }
        }
        // Stable, so that the chunks of a workspace stay in their order.
        chunks.sort_by_key(|(_, chunk)| chunk.workspace);
        for group in chunks.chunk_by(|(_, a), (_, b)| a.workspace == b.workspace) {
            let Some((_, first)) = group.first() else { continue };
            let together: Vec<_> = group.iter().map(|(_, chunk)| chunk).collect();
            let verdicts = self.applier.apply(first.workspace, &together).await;
            for ((place, _), verdict) in group.iter().zip(verdicts) {
                outcomes[*place] = outcome(verdict);
            }
        }
        outcomes
    }
}

fn outcome(verdict: Verdict) -> Outcome {
    match verdict {
        Verdict::Done => Outcome::Done,
        Verdict::Again(reason) => Outcome::Retry { reason },
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
            Ok(chunk) => outcome(self.applier.count_panic(&chunk).await),
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
