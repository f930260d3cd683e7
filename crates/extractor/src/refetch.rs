//! Asks for named records once more.

use domain::{Object, RunId, SalesforceId, WorkspaceId};

use crate::reader::Reader;
use crate::run::{Purpose, Work};
use crate::store::pending::{self, Cause};
use crate::store::run::{Creation, create};
use crate::store::{self, StoreError};
use crate::window::Scan;

/// Creates a run that reads the records by id; `None` when the workspace is not connected or no id is of the object.
///
/// # Errors
/// When Postgres fails.
pub(crate) async fn refetch(
    reader: &Reader,
    workspace: WorkspaceId,
    object: Object,
    ids: &[SalesforceId],
) -> Result<Option<RunId>, StoreError> {
    let ids: Vec<SalesforceId> = ids.iter().filter(|id| id.prefix() == object.id_prefix()).cloned().collect();
    let mut tx = store::begin(&reader.pool, workspace).await?;
    store::workspace::wake(&mut tx, workspace).await?;
    let known = store::workspace::load(&mut tx, workspace).await?;
    let Some(known) = known.filter(|known| known.connected && !ids.is_empty()) else { return Ok(None) };
    let work = Work::begin(Purpose::Refetch, Scan::default());
    let created = create(&mut tx, workspace, known.epoch, Purpose::Refetch, &[(object, work)], None).await?;
    let (Creation::Created(run) | Creation::Running(run) | Creation::Repeated(run)) = created;
    pending::add(&mut tx, workspace, run, object, Cause::Refetch, &ids).await?;
    tx.commit().await?;
    Ok(Some(run))
}
