//! What a process remembers between turns to spare calls and messages. Forgetting all of it costs both, never a record.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use domain::{Epoch, Object, RunId, SalesforceId, WorkspaceId};

use crate::soql::FieldPath;
use crate::stamp::Stamp;
use crate::store::workspace::Lease;
use crate::window::Position;

/// Fingerprints kept for one workspace; beyond that, records in the overlap are simply published again.
const MAX_FINGERPRINTS: usize = 200_000;
/// Parents kept for one workspace.
const MAX_PARENTS: usize = 200_000;

/// The memory of a process; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Memory(Arc<Mutex<HashMap<WorkspaceId, Arc<Mutex<OfWorkspace>>>>>);

/// What is remembered of one workspace.
#[derive(Debug, Default)]
pub(crate) struct OfWorkspace {
    epoch: Epoch,
    fence: i64,
    /// Where queries go on, by run and object.
    pub(crate) locators: HashMap<(RunId, Object), Locator>,
    fingerprints: HashMap<SalesforceId, (u128, Stamp)>,
    parents: HashSet<SalesforceId>,
    /// Columns that Salesforce refused although describe lists them.
    pub(crate) refused: HashMap<Object, HashSet<FieldPath>>,
    /// Turns that failed in a row, for the wait between them.
    pub(crate) failures: u32,
    /// Pages that could not be believed in a row.
    pub(crate) invalid_pages: u32,
    /// When each object was last read again for new fields.
    pub(crate) reread_at: HashMap<Object, std::time::Instant>,
    /// When each object's delete log was last asked.
    pub(crate) deletes_asked: HashMap<Object, std::time::Instant>,
}

/// Where a query goes on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Locator {
    /// Position in the books when it was given; another position means that somebody else read on.
    pub(crate) after: Option<Position>,
    /// Field list of the query.
    pub(crate) list_version: i64,
    /// Path of the next page.
    pub(crate) next: String,
    /// Salesforce's time when the query began.
    pub(crate) query_began: Stamp,
}

impl Memory {
    /// Returns what is remembered of the workspace, or nothing if somebody else had a turn since.
    pub(crate) fn of(&self, lease: &Lease, epoch: Epoch) -> Arc<Mutex<OfWorkspace>> {
        let memory =
            Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(lease.workspace).or_default());
        {
            let mut inner = lock(&memory);
            if inner.epoch != epoch || inner.fence + 1 != lease.fence {
                // Another reader may have published newer images: what we last published is not what was last published.
                *inner = OfWorkspace { epoch, failures: inner.failures, ..OfWorkspace::default() };
            }
            inner.fence = lease.fence;
        }
        memory
    }
}

/// Locks what is remembered; a panic in between leaves at worst something forgotten.
pub(crate) fn lock(memory: &Mutex<OfWorkspace>) -> MutexGuard<'_, OfWorkspace> {
    memory.lock().unwrap_or_else(PoisonError::into_inner)
}

impl OfWorkspace {
    /// Whether exactly this was the last that was published of the record.
    pub(crate) fn was_published(&self, id: &SalesforceId, fingerprint: u128) -> bool {
        self.fingerprints.get(id).is_some_and(|(known, _)| *known == fingerprint)
    }

    /// Remembers what was published. `forget_before`: older records are not read by polls any more.
    pub(crate) fn note_published(&mut self, published: Vec<(SalesforceId, u128, Stamp)>, forget_before: Stamp) {
        for (id, fingerprint, modified) in published {
            if modified < forget_before {
                self.fingerprints.remove(&id);
            } else {
                self.fingerprints.insert(id, (fingerprint, modified));
            }
        }
        if self.fingerprints.len() > MAX_FINGERPRINTS {
            self.fingerprints.retain(|_, (_, modified)| *modified >= forget_before);
        }
        if self.fingerprints.len() > MAX_FINGERPRINTS {
            self.fingerprints.clear();
        }
    }

    /// Whether the record was read as a parent before; changes since then come by polls.
    pub(crate) fn knows_parent(&self, id: &SalesforceId) -> bool {
        self.parents.contains(id)
    }

    /// Remembers parents that are in the books.
    pub(crate) fn note_parents(&mut self, ids: impl IntoIterator<Item = SalesforceId>) {
        if self.parents.len() > MAX_PARENTS {
            self.parents.clear();
        }
        self.parents.extend(ids);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_reader_may_have_changed_is_forgotten() {
        let memory = Memory::default();
        let workspace = WorkspaceId::generate();
        let lease = |fence| Lease { workspace, fence, reader: uuid::Uuid::nil() };
        let id: SalesforceId = "001Kd00001a2B3c".parse().unwrap();
        let now = Stamp::from_millis(1_000);

        lock(&memory.of(&lease(1), 7)).note_published(vec![(id.clone(), 42, now)], Stamp::from_millis(0));
        assert!(lock(&memory.of(&lease(2), 7)).was_published(&id, 42));
        assert!(!lock(&memory.of(&lease(3), 7)).was_published(&id, 43));
        assert!(!lock(&memory.of(&lease(5), 7)).was_published(&id, 42), "fence 4 was somebody else");

        lock(&memory.of(&lease(6), 7)).note_published(vec![(id.clone(), 42, now)], Stamp::from_millis(0));
        assert!(!lock(&memory.of(&lease(7), 8)).was_published(&id, 42), "another epoch");
    }
}
