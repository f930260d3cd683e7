//! When the last sight of values is written down: at most every half minute, since nothing else may have changed.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::{Object, WorkspaceId};

const INTERVAL: Duration = Duration::from_secs(30);

/// When sights were last written, per workspace and object.
#[derive(Debug, Default)]
pub(crate) struct Sights(Mutex<HashMap<(WorkspaceId, Object), Instant>>);

impl Sights {
    /// Whether it is time to write sights again; if so, the next time is half a minute from now.
    pub(crate) fn is_due(&self, workspace: WorkspaceId, object: Object) -> bool {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        let due = last.get(&(workspace, object)).is_none_or(|last| now.duration_since(*last) >= INTERVAL);
        if due {
            last.insert((workspace, object), now);
        }
        due
    }
}
