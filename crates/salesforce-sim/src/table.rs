//! The records of one object: columns of cells, found by id and by (stamp, id).

use std::collections::{BTreeMap, HashSet};

use crate::id::Id;
use crate::rendered::Rendered;
use crate::schema::{ID, IS_DELETED, STAMP, Schema};
use crate::value::{NULL, Value};

/// A record's place in its table; stays the same for the record's whole life.
pub(crate) type Row = u32;

/// One object's records.
///
/// A column that never held anything costs nothing. A purged record keeps its row, but no index
/// leads there any more.
#[derive(Debug)]
pub(crate) struct Table {
    pub(crate) schema: Schema,
    columns: Vec<Vec<Value>>,
    rows: usize,
    by_id: BTreeMap<Id, Row>,
    by_stamp: BTreeMap<(i64, Id), Row>,
    /// Rows outside the user's sharing.
    pub(crate) unshared: HashSet<Row>,
    /// Rows as they were last rendered, per column list.
    pub(crate) rendered: Rendered,
}

impl Table {
    pub(crate) fn new(schema: Schema) -> Self {
        let columns = vec![Vec::new(); schema.fields.len()];
        Self {
            schema,
            columns,
            rows: 0,
            by_id: BTreeMap::new(),
            by_stamp: BTreeMap::new(),
            unshared: HashSet::new(),
            rendered: Rendered::default(),
        }
    }

    pub(crate) fn cell(&self, row: Row, column: usize) -> &Value {
        self.columns.get(column).and_then(|cells| cells.get(row as usize)).unwrap_or(&NULL)
    }

    pub(crate) fn id(&self, row: Row) -> Id {
        self.cell(row, ID).as_id().expect("every row has an id")
    }

    pub(crate) fn stamp(&self, row: Row) -> i64 {
        self.cell(row, STAMP).as_moment().expect("every row has a stamp")
    }

    pub(crate) fn is_deleted(&self, row: Row) -> bool {
        self.cell(row, IS_DELETED).is_true()
    }

    /// The row of an id, unless purged.
    pub(crate) fn find(&self, id: Id) -> Option<Row> {
        self.by_id.get(&id).copied()
    }

    /// The row of an id that the user may see.
    pub(crate) fn find_shared(&self, id: Id) -> Option<Row> {
        self.find(id).filter(|row| !self.unshared.contains(row))
    }

    /// Adds a record. The cells must name id, stamp and IsDeleted.
    pub(crate) fn insert(&mut self, id: Id, stamp: i64, cells: Vec<(usize, Value)>) -> Row {
        let row = Row::try_from(self.rows).expect("a table stays below four thousand million rows");
        self.rows += 1;
        self.put(row, ID, Value::Id(id));
        self.put(row, IS_DELETED, Value::Bool(false));
        self.put(row, STAMP, Value::DateTime(stamp));
        for (column, value) in cells {
            self.put(row, column, value);
        }
        self.by_id.insert(id, row);
        self.by_stamp.insert((stamp, id), row);
        row
    }

    /// Changes a cell; the stamp has its own door, [`Table::restamp`].
    pub(crate) fn set(&mut self, row: Row, column: usize, value: Value) {
        debug_assert!(column != STAMP && column != ID);
        self.put(row, column, value);
        self.rendered.forget(row);
    }

    /// Moves a record to another stamp.
    pub(crate) fn restamp(&mut self, row: Row, stamp: i64) {
        let id = self.id(row);
        self.by_stamp.remove(&(self.stamp(row), id));
        self.by_stamp.insert((stamp, id), row);
        self.put(row, STAMP, Value::DateTime(stamp));
        self.rendered.forget(row);
    }

    /// Removes a record from every index.
    pub(crate) fn purge(&mut self, row: Row) {
        let id = self.id(row);
        self.by_id.remove(&id);
        self.by_stamp.remove(&(self.stamp(row), id));
        self.rendered.forget(row);
    }

    /// Room for one more field.
    pub(crate) fn add_field(&mut self, field: crate::schema::Field) {
        self.schema.add(field);
        self.columns.push(Vec::new());
    }

    fn put(&mut self, row: Row, column: usize, value: Value) {
        let cells = &mut self.columns[column];
        if cells.len() <= row as usize {
            if value.is_null() {
                return;
            }
            if cells.capacity() == 0 {
                cells.reserve(self.rows);
            }
            cells.resize(row as usize + 1, Value::Null);
        }
        cells[row as usize] = value;
    }

    /// Rows with `low <= id <= high`, in id order.
    pub(crate) fn by_id(&self, low: Id, high: Id) -> impl DoubleEndedIterator<Item = Row> + '_ {
        let range = (low <= high).then(|| self.by_id.range(low..=high));
        range.into_iter().flatten().map(|(_, row)| *row)
    }

    /// Rows between two places of the (stamp, id) order, both included.
    pub(crate) fn by_stamp(&self, low: (i64, Id), high: (i64, Id)) -> impl DoubleEndedIterator<Item = Row> + '_ {
        let range = (low <= high).then(|| self.by_stamp.range(low..=high));
        range.into_iter().flatten().map(|(_, row)| *row)
    }

    /// Every row in id order.
    pub(crate) fn all(&self) -> impl DoubleEndedIterator<Item = Row> + '_ {
        self.by_id.values().copied()
    }
}
