//! Tokens that came while Postgres was away. With rotation they are the only ones that still work, so nothing else is
//! done for their connection until they are stored.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::WorkspaceId;

use crate::vault::{Place, Sealed};

/// What a refresh brought, sealed, and where it belongs.
#[derive(Clone, Debug)]
pub(super) struct Pending {
    pub(super) place: Place,
    pub(super) of_generation: i64,
    pub(super) access: Sealed,
    pub(super) refresh: Option<Sealed>,
    pub(super) instance_url: String,
}

#[derive(Debug, Default)]
pub(super) struct Unsaved(Mutex<HashMap<WorkspaceId, Pending>>);

impl Unsaved {
    pub(super) fn keep(&self, pending: Pending) {
        self.lock().insert(pending.place.workspace, pending);
    }

    pub(super) fn of(&self, workspace: WorkspaceId) -> Option<Pending> {
        self.lock().get(&workspace).cloned()
    }

    pub(super) fn all(&self) -> Vec<Pending> {
        self.lock().values().cloned().collect()
    }

    pub(super) fn stored(&self, pending: &Pending) {
        let mut map = self.lock();
        if map.get(&pending.place.workspace).is_some_and(|kept| kept.of_generation == pending.of_generation) {
            map.remove(&pending.place.workspace);
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<WorkspaceId, Pending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
