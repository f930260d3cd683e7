//! After a whole read: which records does the writer hold that the read did not bring? Each is asked for by id before
//! anything is believed of it, and too many of them are a reason to stop and look, not to archive.

use contract::common::v1::SalesforceObject;
use contract::mapper::v1::GetReplayRequest;
use contract::writer::v1::{GetCountsRequest, HeldRecord, ListUnseenRecordsRequest};
use domain::{Object, SalesforceId};

use super::TurnError;
use super::page::{BookEntry, RunRef};
use super::turn::{Step, Turn};
use crate::run::Work;
use crate::stamp::Stamp;
use crate::store;
use crate::store::pending::Cause;
use crate::store::run::RunObject;

/// So many vanished records are never too many.
const ALWAYS_SAFE: u64 = 50;
/// Beyond that, so much of what is held.
const SAFE_PERCENT: u64 = 5;
/// Records of one answer of the writer.
const PER_ANSWER: i32 = 1_000;
/// Before-start candidates that are put into the books at once.
const MOST_CANDIDATES: usize = 100_000;

/// Returns how many records may vanish before it takes a person to look.
fn safe_limit(held: u64) -> u64 {
    ALWAYS_SAFE.max(held * SAFE_PERCENT / 100)
}

/// What the writer holds that was not seen.
#[derive(Debug, Default)]
struct Candidates {
    /// Stamped before the covered start: no scan could have brought them.
    before_start: Vec<SalesforceId>,
    /// The others.
    vanished: Vec<SalesforceId>,
}

impl Candidates {
    fn add(&mut self, held: &HeldRecord, covered_from: Option<Stamp>) {
        let Ok(id) = held.id.parse() else { return };
        let before = covered_from.is_some_and(|covered| Stamp::from_millis(held.modified_ms) < covered);
        if before { self.before_start.push(id) } else { self.vanished.push(id) }
    }
}

impl Turn {
    /// Asks the writer for what was not seen, once everything that was read is applied.
    pub(crate) async fn ask_unseen(
        &mut self,
        run: RunRef,
        progress: &RunObject,
        work: Work,
    ) -> Result<Step, TurnError> {
        let object = progress.object;
        let next = run.purpose.stage_after(work.stage).map(|stage| Work { stage, ..work.clone() });
        let move_on = BookEntry::Work(object, next);
        let Some(first_read_seq) = progress.first_read_seq else {
            self.book(run.id, &[move_on]).await?;
            return Ok(Step::Progress);
        };
        self.settle_applied().await?;
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        let open = store::manifest::open_in_run(&mut tx, self.workspace.id, run.id).await?;
        tx.commit().await?;
        if open > 0 {
            return Ok(Step::WaitAtLeast(self.reader.pace.settle_poll));
        }
        if run.purpose.sweeps() && self.replay_runs().await? {
            return Ok(Step::WaitAtLeast(self.reader.pace.outage));
        }

        let covered_from = self.coverage_of(object).and_then(|coverage| coverage.covered_from);
        let candidates = self.list_unseen(object, first_read_seq, covered_from).await?;
        let mut entries = vec![move_on];
        let mut wanted = candidates.before_start;
        if run.purpose.sweeps() {
            let limit = safe_limit(self.held(object).await?);
            let vanished = u64::try_from(candidates.vanished.len()).unwrap_or(u64::MAX);
            // A parked record may be one that only seems to have vanished.
            let safe = vanished == 0 || (vanished <= limit && progress.parked == 0);
            entries.push(BookEntry::NeedsLook(object, !safe));
            if safe {
                wanted.extend(candidates.vanished);
            } else {
                tracing::warn!(
                    lanesync.object = object.token(),
                    vanished,
                    limit,
                    "too many records vanished to archive them"
                );
            }
        }
        if !wanted.is_empty() {
            entries.push(BookEntry::Pending(object, Cause::Unseen, wanted));
        }
        self.book(run.id, &entries).await?;
        Ok(Step::Progress)
    }

    async fn list_unseen(
        &self,
        object: Object,
        before_read_seq: i64,
        covered_from: Option<Stamp>,
    ) -> Result<Candidates, TurnError> {
        let mut candidates = Candidates::default();
        let mut after_id = String::new();
        loop {
            let request = ListUnseenRecordsRequest {
                workspace_id: self.workspace.id.to_string(),
                object: SalesforceObject::from(object).into(),
                before_read_seq,
                page_size: PER_ANSWER,
                after_id: after_id.clone(),
                show_deleted: true,
            };
            let answer = self.reader.peers.writer.clone().list_unseen_records(request).await;
            let answer = answer.map_err(|status| TurnError::peer("writer", status))?.into_inner();
            for held in &answer.records {
                candidates.add(held, covered_from);
            }
            let enough = candidates.before_start.len() + candidates.vanished.len() > MOST_CANDIDATES;
            match answer.records.last() {
                Some(last) if !enough => after_id.clone_from(&last.id),
                _ => return Ok(candidates),
            }
        }
    }

    async fn held(&self, object: Object) -> Result<u64, TurnError> {
        let request = GetCountsRequest { workspace_id: self.workspace.id.to_string() };
        let answer = self.reader.peers.writer.clone().get_counts(request).await;
        let counts = answer.map_err(|status| TurnError::peer("writer", status))?.into_inner();
        let wire = i32::from(SalesforceObject::from(object));
        let count = counts.live.iter().filter(|count| count.object == wire).map(|count| count.count).sum::<i64>();
        Ok(u64::try_from(count).unwrap_or(0))
    }

    async fn replay_runs(&self) -> Result<bool, TurnError> {
        let request = GetReplayRequest { workspace_id: self.workspace.id.to_string() };
        let answer = self.reader.peers.mappings.clone().get_replay(request).await;
        let replay = answer.map_err(|status| TurnError::peer("mapper", status))?.into_inner();
        Ok(!replay.run_id.is_empty() && !replay.done)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_63_fifty_or_five_percent_may_vanish_unseen() {
        assert_eq!([0, 900, 1_000, 2_000, 100_000].map(safe_limit), [50, 50, 50, 100, 5_000]);
    }

    #[test]
    fn rule_15_records_before_the_covered_start_count_apart() {
        let held = |id: &str, modified_ms| HeldRecord { id: id.into(), modified_ms };
        let mut candidates = Candidates::default();
        let covered = Some(Stamp::from_millis(1_000));
        candidates.add(&held("001Kd00001a2B3cIAE", 999), covered);
        candidates.add(&held("001Kd00001a2B3CIAU", 1_000), covered);
        assert_eq!((candidates.before_start.len(), candidates.vanished.len()), (1, 1));
        candidates.add(&held("001Kd00001a2B3dIAE", 5), None);
        assert_eq!(candidates.vanished.len(), 2);
    }
}
