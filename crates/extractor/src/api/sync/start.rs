//! Starts runs that people ask for.

use contract::error::{Failure, Reason, Violation};
use contract::extractor::v1::{StartSyncRequest, SyncScope};
use domain::{Object, WorkspaceId};
use std::time::Duration;
use tonic::Status;
use uuid::Uuid;

use super::{SyncApi, objects_of};
use crate::api::{books, peer_failed, readable};
use crate::reader::{needs_of, work_for};
use crate::run::{Purpose, Work};
use crate::store::coverage::Coverage;
use crate::store::run::Creation;
use crate::store::workspace::Workspace;
use crate::store::{self, StoreError, coverage};

/// Whole compares that a workspace may ask for in an hour.
const RESYNCS_PER_HOUR: i64 = 6;

/// Decides what a wish comes to: what was never loaded is loaded, whatever the scope.
fn purpose_of(scope: SyncScope, objects: &[Object], covered: &[Coverage]) -> (Purpose, Vec<Object>) {
    let is_loaded = |object: &Object| covered.iter().any(|coverage| coverage.object == *object && coverage.loaded);
    let (loaded, fresh): (Vec<Object>, Vec<Object>) = objects.iter().copied().partition(is_loaded);
    match scope {
        SyncScope::Everything if fresh.is_empty() => (Purpose::Resync, loaded),
        SyncScope::Everything => (Purpose::FirstLoad, objects.to_vec()),
        SyncScope::Unspecified | SyncScope::Changes if fresh.is_empty() => (Purpose::Poll, loaded),
        SyncScope::Unspecified | SyncScope::Changes => (Purpose::FirstLoad, fresh),
    }
}

impl SyncApi {
    /// Starts a run; `None` when it was only checked that it could start.
    pub(super) async fn start(
        &self,
        workspace: WorkspaceId,
        request: &StartSyncRequest,
    ) -> Result<Option<Creation>, Status> {
        let scope = SyncScope::try_from(request.scope)
            .map_err(|_| contract::convert::InvalidField { field: "scope", problem: "is unknown" })?;
        let request_id = match request.request_id.as_str() {
            "" => None,
            text => Some(
                Uuid::parse_str(text)
                    .map_err(|_| contract::convert::InvalidField { field: "request_id", problem: "is not a UUID" })?,
            ),
        };
        let wished = objects_of(&request.objects)?;
        let known = readable(&self.reader, workspace).await?;
        let objects = self.mapped_objects(workspace, &wished).await?;
        if known.wait_reason == Reason::SalesforceAuthRevoked.as_str() {
            return Err(Failure::new(Reason::SalesforceAuthRevoked, "Salesforce refused the grant.").into());
        }
        if request.validate_only {
            return Ok(None);
        }
        self.create(&known, scope, &objects, request_id)
            .await
            .map_err(books)?
            .ok_or_else(|| {
                Failure::new(Reason::RateLimited, "Too many compares in an hour.")
                    .retry_after(Duration::from_secs(3_600))
                    .into()
            })
            .map(Some)
    }

    /// Returns the wished objects that a mapping reads.
    async fn mapped_objects(&self, workspace: WorkspaceId, wished: &[Object]) -> Result<Vec<Object>, Status> {
        let request = contract::mapper::v1::GetReadPlanRequest { workspace_id: workspace.to_string() };
        let answer = self.reader.peers.plans.clone().get_read_plan(request).await;
        let plan = answer.map_err(|status| peer_failed("mapper", &status))?.into_inner();
        let mapped = |object: &Object| !needs_of(&plan, *object).fields.is_empty();
        let objects: Vec<Object> = wished.iter().copied().filter(mapped).collect();
        if objects.is_empty() {
            let violation = Violation { field: "name".into(), description: "is required and not mapped".into() };
            return Err(Failure::new(Reason::MappingIncomplete, "No field of these objects is mapped.")
                .with_violations([violation])
                .into());
        }
        Ok(objects)
    }

    async fn create(
        &self,
        known: &Workspace,
        scope: SyncScope,
        objects: &[Object],
        request_id: Option<Uuid>,
    ) -> Result<Option<Creation>, StoreError> {
        let workspace = known.id;
        let mut tx = store::begin(&self.reader.pool, workspace).await?;
        store::workspace::wake(&mut tx, workspace).await?;
        let covered = coverage::list(&mut tx, workspace, known.epoch).await?;
        let (purpose, objects) = purpose_of(scope, objects, &covered);
        if purpose == Purpose::Resync && store::run::resyncs_in_last_hour(&mut tx, workspace).await? >= RESYNCS_PER_HOUR
        {
            return Ok(None);
        }
        let of = |object: Object| covered.iter().find(|coverage| coverage.object == object);
        let overlap = self.reader.pace.overlap;
        let works: Vec<(Object, Work)> = objects
            .iter()
            .filter_map(|object| {
                let work = work_for(purpose, known, of(*object), overlap)?;
                Some((*object, Work { wished: true, ..work }))
            })
            .collect();
        let created = store::run::create(&mut tx, workspace, known.epoch, purpose, &works, request_id).await?;
        if let Creation::Created(_) = created {
            for object in &objects {
                coverage::ensure(&mut tx, workspace, *object, known.epoch).await?;
                coverage::set_paused(&mut tx, workspace, *object, "", None).await?;
            }
            store::workspace::set_first_sync_started(&mut tx, workspace).await?;
            store::workspace::set_next_poll(&mut tx, workspace, known.poll_interval).await?;
        }
        tx.commit().await?;
        Ok(Some(created))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn loaded(object: Object) -> Coverage {
        Coverage { loaded: true, ..Coverage::none(object) }
    }

    #[test]
    fn the_first_sync_loads_and_later_ones_poll_or_compare() {
        use Object::{Account, Contact};
        let both = [Account, Contact];
        assert_eq!(purpose_of(SyncScope::Changes, &both, &[]), (Purpose::FirstLoad, both.to_vec()));
        assert_eq!(purpose_of(SyncScope::Changes, &both, &[loaded(Account)]), (Purpose::FirstLoad, vec![Contact]));
        let all = [loaded(Account), loaded(Contact)];
        assert_eq!(purpose_of(SyncScope::Changes, &both, &all), (Purpose::Poll, both.to_vec()));
        assert_eq!(purpose_of(SyncScope::Everything, &both, &all), (Purpose::Resync, both.to_vec()));
        assert_eq!(purpose_of(SyncScope::Everything, &both, &[loaded(Account)]), (Purpose::FirstLoad, both.to_vec()));
    }
}
