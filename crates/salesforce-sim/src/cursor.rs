//! Query locators: what `nextRecordsUrl` leads back to.

use std::collections::HashMap;

use crate::soql::Plan;
use crate::table::Row;

/// Two days, as since API version 56.
const LIFETIME_MS: i64 = 2 * 86_400_000;

/// The open cursors of an org.
#[derive(Debug, Default)]
pub(crate) struct Cursors {
    next: u64,
    open: HashMap<String, Cursor>,
}

/// Which rows a query found; their values are read when a page is built.
#[derive(Debug)]
pub(crate) struct Cursor {
    pub(crate) plan: Plan,
    pub(crate) rows: std::sync::Arc<[Row]>,
    pub(crate) page: usize,
    opened_ms: i64,
}

impl Cursors {
    /// The number of the next cursor; the org makes an id of it.
    pub(crate) fn next_number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    pub(crate) fn open(&mut self, name: String, plan: Plan, rows: std::sync::Arc<[Row]>, page: usize, now_ms: i64) {
        self.open.retain(|_, cursor| now_ms - cursor.opened_ms < LIFETIME_MS);
        self.open.insert(name, Cursor { plan, rows, page, opened_ms: now_ms });
    }

    pub(crate) fn find(&self, name: &str, now_ms: i64) -> Option<&Cursor> {
        self.open.get(name).filter(|cursor| now_ms - cursor.opened_ms < LIFETIME_MS)
    }

    /// Forgets every cursor, as a server that lost them.
    pub(crate) fn expire(&mut self) {
        self.open.clear();
    }
}
