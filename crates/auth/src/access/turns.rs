//! One turn per workspace and process.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use domain::WorkspaceId;
use tokio::sync::{Mutex as Turn, OwnedMutexGuard};

/// Lets callers of one workspace go one after the other.
#[derive(Debug, Default)]
pub(super) struct Turns {
    turns: Mutex<HashMap<WorkspaceId, Weak<Turn<()>>>>,
}

impl Turns {
    /// Waits for the turn; it ends when the guard is dropped.
    pub(super) async fn take(&self, workspace: WorkspaceId) -> OwnedMutexGuard<()> {
        self.of(workspace).lock_owned().await
    }

    fn of(&self, workspace: WorkspaceId) -> Arc<Turn<()>> {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(turn) = turns.get(&workspace).and_then(Weak::upgrade) {
            return turn;
        }
        turns.retain(|_, turn| turn.strong_count() > 0);
        let turn = Arc::new(Turn::new(()));
        turns.insert(workspace, Arc::downgrade(&turn));
        turn
    }
}
