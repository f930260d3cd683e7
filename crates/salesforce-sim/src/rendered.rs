//! Rows kept as the bytes they were rendered to, so that a benchmark measures its client.

use std::collections::HashMap;
use std::sync::{Arc, RwLock};

use crate::table::Row;

/// The rendered rows of one column list, by row.
type Rows = HashMap<Row, Arc<[u8]>>;

/// Rendered rows of one table, per column list. Nothing is kept unless [`Rendered::warm`] asked for it.
#[derive(Debug, Default)]
pub(crate) struct Rendered {
    lists: RwLock<HashMap<String, Rows>>,
}

impl Rendered {
    /// Starts keeping rows of a column list.
    pub(crate) fn warm(&self, list: &str) {
        self.write().entry(list.to_owned()).or_default();
    }

    /// Appends the row to `out`, rendering it only if it is not kept.
    pub(crate) fn append(&self, list: &str, row: Row, out: &mut Vec<u8>, render: impl FnOnce(&mut Vec<u8>)) {
        let kept = {
            let lists = self.lists.read().unwrap_or_else(std::sync::PoisonError::into_inner);
            match lists.get(list) {
                None => return render(out),
                Some(rows) => match rows.get(&row) {
                    Some(bytes) => {
                        out.extend_from_slice(bytes);
                        return;
                    }
                    None => out.len(),
                },
            }
        };
        render(out);
        if let Some(rows) = self.write().get_mut(list) {
            rows.insert(row, Arc::from(&out[kept..]));
        }
    }

    /// Forgets what was rendered of a row.
    pub(crate) fn forget(&mut self, row: Row) {
        for rows in self.lists.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner).values_mut() {
            rows.remove(&row);
        }
    }

    /// Forgets every row that shows something of a parent: a parent has changed.
    pub(crate) fn forget_children(&mut self) {
        let lists = self.lists.get_mut().unwrap_or_else(std::sync::PoisonError::into_inner);
        lists
            .iter_mut()
            .filter(|(list, _)| list.split('@').next().is_some_and(|list| list.contains('.')))
            .for_each(|(_, rows)| rows.clear());
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, HashMap<String, Rows>> {
        self.lists.write().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}
