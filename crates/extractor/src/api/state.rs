//! What auth tells of workspaces.

use contract::admin::v1::workspace_state_service_server::WorkspaceStateService;
use contract::admin::v1::{SetWorkspaceStateRequest, SetWorkspaceStateResponse};
use contract::convert;
use tonic::{Request, Response, Status};

use super::books;
use crate::reader::Reader;
use crate::stamp::Stamp;
use crate::store::StoreError;
use crate::store::workspace::{self, Told, Workspace};

/// Takes what auth tells.
#[derive(Debug)]
pub struct WorkspaceStateApi {
    reader: Reader,
}

impl WorkspaceStateApi {
    /// Takes it for a reader.
    #[must_use]
    pub fn new(reader: Reader) -> Self {
        Self { reader }
    }

    async fn note(&self, told: &Told) -> Result<i64, StoreError> {
        let mut tx = self.reader.pool.begin().await?;
        if let Some(before) = workspace::note(&mut tx, told).await?
            && resumes(before.as_ref(), told)
        {
            workspace::set_compare_due(&mut tx, told.workspace, true).await?;
        }
        let known = workspace::load(&mut tx, told.workspace).await?;
        tx.commit().await?;
        Ok(known.map_or(0, |known| known.revision))
    }
}

/// Whether reading was paused by the plan and goes on now: what changed meanwhile can only be told by comparing everything.
///
/// A new epoch needs no such wish: nothing of it is loaded yet, and a first load compares everything by itself.
fn resumes(before: Option<&Workspace>, told: &Told) -> bool {
    before.is_some_and(|before| {
        !before.plan.includes_salesforce()
            && told.plan.includes_salesforce()
            && before.epoch == told.epoch
            && told.connected
            && before.first_sync_started
    })
}

#[tonic::async_trait]
impl WorkspaceStateService for WorkspaceStateApi {
    async fn set_workspace_state(
        &self,
        request: Request<SetWorkspaceStateRequest>,
    ) -> Result<Response<SetWorkspaceStateResponse>, Status> {
        let request = request.into_inner();
        let start = request.start_at.as_ref().map(|start| convert::from_wire_time("start_at", start)).transpose()?;
        let told = Told {
            workspace: convert::workspace_id(&request.workspace_id)?,
            revision: request.revision,
            epoch: request.epoch,
            plan: convert::plan(request.plan)?,
            connected: request.connected,
            org_id: request.org_id,
            start: start.map(Stamp::from),
        };
        let revision = self.note(&told).await.map_err(books)?;
        Ok(Response::new(SetWorkspaceStateResponse { revision }))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use domain::{Plan, WorkspaceId};

    use super::*;

    #[test]
    fn rule_17_only_an_upgrade_of_a_running_sync_asks_for_a_full_compare() {
        let id = WorkspaceId::generate();
        let told = |plan, epoch| Told {
            workspace: id,
            revision: 9,
            epoch,
            plan,
            connected: true,
            org_id: String::new(),
            start: None,
        };
        let before = |plan, first_sync_started| Workspace {
            id,
            revision: 1,
            epoch: 3,
            plan,
            connected: true,
            org_id: String::new(),
            start: None,
            first_sync_started,
            compare_due: false,
            poll_interval: Duration::from_secs(300),
            next_poll_at: None,
            wait_reason: String::new(),
            wait_until: None,
            wait_since: None,
            plan_since: None,
            org_calls_used: None,
            org_calls_limit: None,
            api_budget_percent: None,
            last_success_at: None,
        };
        assert!(resumes(Some(&before(Plan::Pro, true)), &told(Plan::Business, 3)));
        assert!(!resumes(Some(&before(Plan::Pro, false)), &told(Plan::Business, 3)));
        assert!(!resumes(Some(&before(Plan::Business, true)), &told(Plan::Business, 3)));
        assert!(!resumes(Some(&before(Plan::Pro, true)), &told(Plan::Business, 4)));
        assert!(!resumes(None, &told(Plan::Business, 1)));
    }
}
