//! The revenue behind picklist values: sums of the mapped ARR of live accounts, computed on demand and kept briefly.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use domain::{Epoch, Kind, Object, Value, WorkspaceId};
use mapping::{Cell, Reader};
use rust_decimal::Decimal;
use sqlx::PgConnection;

use crate::Mapper;
use crate::lists::Lists;
use crate::rules::Rules;
use crate::source::{self, Stored};
use crate::store::StoreError;

const PAGE: i64 = 4_000;
/// How long sums are shown before they are computed again.
const SHELF_LIFE: Duration = Duration::from_secs(30);

/// Sums by Lane field, raw value and currency.
pub(crate) type Sums = HashMap<(String, String), BTreeMap<String, Decimal>>;

/// Sums, when they were computed, and under which mapping.
type Computed = (Instant, i64, Arc<Sums>);

/// Customers behind the values that people carry, by Lane field and raw value.
pub(crate) type Customers = HashMap<(String, String), i64>;

/// Counts, when they were made, and under which mapping.
type Counted = (Instant, i64, Arc<Customers>);

/// Sums and counts of some workspaces.
#[derive(Debug, Default)]
pub(crate) struct SumCache {
    sums: Mutex<HashMap<WorkspaceId, Computed>>,
    customers: Mutex<HashMap<WorkspaceId, Counted>>,
}

impl Mapper {
    /// Returns the ARR of the live accounts that carry each value; none if no ARR is mapped.
    pub(crate) async fn arr_by_value(
        &self,
        conn: &mut PgConnection,
        workspace: WorkspaceId,
        epoch: Epoch,
        rules: &Rules,
    ) -> Result<Arc<Sums>, StoreError> {
        if let Some((at, version, sums)) = locked(&self.sums.sums).get(&workspace)
            && *version == rules.version
            && at.elapsed() < SHELF_LIFE
        {
            return Ok(Arc::clone(sums));
        }
        let compiled = rules.compiled(Object::Account);
        let arr = compiled.fields().position(|field| field.as_str() == "arr");
        let mut sums = Sums::new();
        if let Some(arr) = arr.filter(|_| rules.kind(Kind::Account).has_option_entries()) {
            let mut after = String::new();
            loop {
                let rows = source::page(conn, workspace, Object::Account, epoch, &after, PAGE).await?;
                let Some(last) = rows.last() else { break };
                after.clone_from(&last.image.id);
                let mut lists = Lists::new();
                let versions = rows.iter().map(|row| row.image.field_list_version);
                self.lists.complete(conn, (workspace, epoch, Object::Account), &mut lists, versions).await?;
                add(&mut sums, rules, arr, &rows, &lists);
            }
        }
        let sums = Arc::new(sums);
        locked(&self.sums.sums).insert(workspace, (Instant::now(), rules.version, Arc::clone(&sums)));
        Ok(sums)
    }

    /// Returns how many accounts have live contacts that carry each value.
    pub(crate) async fn customers_by_value(
        &self,
        conn: &mut PgConnection,
        workspace: WorkspaceId,
        epoch: Epoch,
        rules: &Rules,
    ) -> Result<Arc<Customers>, StoreError> {
        if let Some((at, version, customers)) = locked(&self.sums.customers).get(&workspace)
            && *version == rules.version
            && at.elapsed() < SHELF_LIFE
        {
            return Ok(Arc::clone(customers));
        }
        let compiled = rules.compiled(Object::Contact);
        let mut accounts: HashMap<(String, String), HashSet<String>> = HashMap::new();
        let mut after = String::new();
        while rules.kind(Kind::Contact).has_option_entries() {
            let rows = source::page(conn, workspace, Object::Contact, epoch, &after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.image.id);
            for row in rows.iter().filter(|row| row.image.is_live()) {
                let Some(account) = &row.image.account_id else { continue };
                for seen in compiled.options_of(&row.image.text) {
                    let field = compiled.entries()[seen.cell].field.as_str();
                    for value in seen.values {
                        accounts.entry((field.to_owned(), value.into_owned())).or_default().insert(account.clone());
                    }
                }
            }
        }
        let count = |accounts: HashSet<String>| i64::try_from(accounts.len()).unwrap_or(i64::MAX);
        let customers: Customers = accounts.into_iter().map(|(key, accounts)| (key, count(accounts))).collect();
        let customers = Arc::new(customers);
        locked(&self.sums.customers).insert(workspace, (Instant::now(), rules.version, Arc::clone(&customers)));
        Ok(customers)
    }
}

fn locked<K, V>(cache: &Mutex<HashMap<K, V>>) -> MutexGuard<'_, HashMap<K, V>> {
    cache.lock().unwrap_or_else(PoisonError::into_inner)
}

fn add(sums: &mut Sums, rules: &Rules, arr: usize, rows: &[Stored], lists: &Lists) {
    let compiled = rules.compiled(Object::Account);
    let mut readers: HashMap<(i64, Option<&str>), Reader<'_>> = HashMap::new();
    for row in rows.iter().filter(|row| row.image.is_live()) {
        let key = (row.image.field_list_version, row.image.currency.as_deref());
        let reader = readers.entry(key).or_insert_with(|| {
            let fields = lists.get(&key.0).map(AsRef::as_ref).unwrap_or_default();
            let currency = key.1.and_then(|code| code.parse().ok());
            compiled.reader(fields.iter().map(String::as_str), currency)
        });
        let mapped = reader.map(&row.image.text);
        let Some(Cell::Set(Value::Money(money))) = mapped.cells.get(arr) else { continue };
        for seen in &mapped.options {
            let field = compiled.entries()[seen.cell].field.as_str();
            for value in &seen.values {
                let key = (field.to_owned(), value.clone().into_owned());
                let sum = sums.entry(key).or_default().entry(money.currency.as_str().to_owned()).or_default();
                *sum = sum.saturating_add(money.amount);
            }
        }
    }
}
