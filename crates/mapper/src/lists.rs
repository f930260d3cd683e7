//! Field lists by version: which fields a read asked for. A list never changes under its version.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};

use domain::{Epoch, Object, WorkspaceId};
use sqlx::PgConnection;

use crate::store::StoreError;

type Key = (WorkspaceId, Epoch, Object, i64);

/// Field lists that the store is known to hold.
#[derive(Debug, Default)]
pub(crate) struct ListCache(Mutex<HashMap<Key, Arc<[String]>>>);

/// The lists that one piece of work needs, by version.
pub(crate) type Lists = HashMap<i64, Arc<[String]>>;

impl ListCache {
    /// Whether a list is known to be stored.
    pub(crate) fn knows(&self, workspace: WorkspaceId, epoch: Epoch, object: Object, version: i64) -> bool {
        self.lock().contains_key(&(workspace, epoch, object, version))
    }

    /// Notes lists that a committed transaction stored or read.
    pub(crate) fn learn(&self, workspace: WorkspaceId, epoch: Epoch, object: Object, lists: &Lists) {
        let mut known = self.lock();
        for (version, fields) in lists {
            known.entry((workspace, epoch, object, *version)).or_insert_with(|| Arc::clone(fields));
        }
    }

    /// Adds to `lists` those among `versions` that are missing there.
    pub(crate) async fn complete(
        &self,
        conn: &mut PgConnection,
        (workspace, epoch, object): (WorkspaceId, Epoch, Object),
        lists: &mut Lists,
        versions: impl IntoIterator<Item = i64>,
    ) -> Result<(), StoreError> {
        let mut missing = BTreeSet::new();
        for version in versions.into_iter().filter(|version| !lists.contains_key(version)).collect::<BTreeSet<_>>() {
            match self.lock().get(&(workspace, epoch, object, version)) {
                Some(fields) => {
                    lists.insert(version, Arc::clone(fields));
                }
                None => {
                    missing.insert(version);
                }
            }
        }
        if missing.is_empty() {
            return Ok(());
        }
        let wanted: Vec<i64> = missing.into_iter().collect();
        let rows = sqlx::query!(
            r#"
            select version, fields
              from mapper.field_list
             where workspace_id = $1 and object = $2 and version = any($3)
            "#,
            workspace.0,
            object.token(),
            &wanted,
        )
        .fetch_all(conn)
        .await?;
        lists.extend(rows.into_iter().map(|row| (row.version, row.fields.into())));
        match wanted.into_iter().find(|version| !lists.contains_key(version)) {
            Some(version) => Err(StoreError::Impossible { table: "source_record", key: format!("list {version}") }),
            None => Ok(()),
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<Key, Arc<[String]>>> {
        // Every change is one insertion, so a panic elsewhere leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stores a list, unless it is there.
pub(crate) async fn store(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    version: i64,
    fields: &[String],
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into mapper.field_list (workspace_id, object, version, fields)
        values ($1, $2, $3, $4)
            on conflict (workspace_id, object, version) do nothing
        "#,
        workspace.0,
        object.token(),
        version,
        fields,
    )
    .execute(conn)
    .await?;
    Ok(())
}
