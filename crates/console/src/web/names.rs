//! What workspaces are called, as auth told last: pages that ask nobody can still say where one is.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Names that are kept; beyond that they are forgotten, and learned again with the next page.
const MOST: usize = 10_000;

/// Names by the id of the workspace.
#[derive(Debug, Default)]
pub(crate) struct Names(Mutex<HashMap<String, String>>);

impl Names {
    /// Keeps what a workspace is called.
    pub(super) fn learn(&self, workspace: &str, name: &str) {
        let mut names = self.lock();
        if names.get(workspace).is_some_and(|known| known == name) {
            return;
        }
        if names.len() >= MOST {
            names.clear();
        }
        names.insert(workspace.to_owned(), name.to_owned());
    }

    /// Returns what a workspace was called last; empty when nobody told.
    pub(super) fn of(&self, workspace: &str) -> String {
        self.lock().get(workspace).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, String>> {
        // Every change is one insertion, so a panic elsewhere leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_workspace_is_called_as_it_was_told_last_and_only_itself() {
        let names = Names::default();
        names.learn("w1", "Acme");
        names.learn("w1", "Acme Europe");
        assert_eq!((names.of("w1").as_str(), names.of("w2").as_str()), ("Acme Europe", ""));
    }
}
