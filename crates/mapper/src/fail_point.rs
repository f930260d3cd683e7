//! A record over which mapping panics, for tests of what happens then. There is none in a release build.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

static ARMED: Mutex<Option<HashSet<String>>> = Mutex::new(None);

/// From now on telling the record with this id panics, in this process.
pub fn panic_on(id: &str) {
    let mut armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner);
    armed.get_or_insert_default().insert(id.to_owned());
}

/// Panics if the record was named.
pub(crate) fn reach(id: &str) {
    let is_armed = ARMED.lock().unwrap_or_else(PoisonError::into_inner).as_ref().is_some_and(|ids| ids.contains(id));
    assert!(!is_armed, "a fail point");
}
