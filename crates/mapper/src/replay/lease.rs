//! Who works on a replay: one replica at a time, for as long as it shows signs of life.
//!
//! A lease that ran out is taken by whoever looks next: that is how the replay of a dead replica goes on. The moment it runs
//! out is also its token: a replica that slept too long finds another moment in the row, and changes nothing more.

use chrono::{DateTime, Utc};
use domain::{Epoch, MappingVersion, Object, RunId, WorkspaceId};

use crate::Mapper;
use crate::store::{StoreError, Workspace};

/// How long a worker may be silent before another takes the replay over.
pub(super) const LEASE_SECONDS: f64 = 15.0;

/// A replay that this process works on.
#[derive(Clone, Debug)]
pub(super) struct Leased {
    pub(super) run: RunId,
    pub(super) workspace: WorkspaceId,
    pub(super) epoch: Epoch,
    pub(super) version: MappingVersion,
    pub(super) is_mapping: bool,
    pub(super) next_page: i32,
    pub(super) cursor: Option<(Object, String)>,
    pub(super) applied_position: i64,
    /// When the lease runs out, as the row says: a row that says otherwise belongs to another.
    pub(super) until: DateTime<Utc>,
}

impl Leased {
    /// Whether the replay still brings what is in force.
    pub(super) fn is_current(&self, known: Option<&Workspace>) -> bool {
        known.is_some_and(|known| known.connected && known.epoch == self.epoch && known.mapping_version == self.version)
    }
}

impl Mapper {
    /// Takes the oldest replay that nobody works on.
    pub(super) async fn lease(&self) -> Result<Option<Leased>, StoreError> {
        let row = sqlx::query!(
            r#"
            update mapper.replay
               set leased_until = now() + make_interval(secs => $1)
             where run_id = (select run_id
                               from mapper.replay
                              where phase in ('mapping', 'applying')
                                and (leased_until is null or leased_until < now())
                              order by started_at
                              limit 1
                                for update skip locked)
            returning run_id, workspace_id, epoch, mapping_version, phase, next_page, cursor_object, cursor_id,
                      applied_position, leased_until as "until!"
            "#,
            LEASE_SECONDS,
        )
        .fetch_optional(&self.pool)
        .await?;
        Ok(row.map(|row| Leased {
            run: RunId(row.run_id),
            workspace: WorkspaceId(row.workspace_id),
            epoch: row.epoch,
            version: row.mapping_version,
            is_mapping: row.phase == "mapping",
            next_page: row.next_page,
            cursor: row.cursor_object.as_deref().and_then(Object::from_token).zip(row.cursor_id),
            applied_position: row.applied_position,
            until: row.until,
        }))
    }

    /// Gives the replay back for a while.
    pub(super) async fn release(&self, leased: &Leased, seconds: f64) -> Result<(), StoreError> {
        sqlx::query!(
            r#"
            update mapper.replay
               set leased_until = now() + make_interval(secs => $2)
             where run_id = $1 and leased_until = $3
            "#,
            leased.run.0,
            seconds,
            leased.until,
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
