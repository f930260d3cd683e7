//! What auth tells about workspaces.

use contract::admin::v1::workspace_state_service_server::WorkspaceStateService;
use contract::admin::v1::{SetWorkspaceStateRequest, SetWorkspaceStateResponse};
use contract::convert;
use jiff::Timestamp;
use service::grpc::caller;
use sqlx::PgPool;
use tonic::{Request, Response, Status};

use super::{CallError, begin, invalid};
use crate::store::audit;
use crate::store::workspace::{self, State};

/// Serves `WorkspaceStateService`.
#[derive(Clone, Debug)]
pub(crate) struct WorkspaceStateApi {
    pool: PgPool,
}

impl WorkspaceStateApi {
    pub(crate) fn new(pool: PgPool) -> Self {
        Self { pool }
    }

    async fn set(
        &self,
        request: SetWorkspaceStateRequest,
        caller: &str,
    ) -> Result<SetWorkspaceStateResponse, CallError> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        if request.purge && request.connected {
            return Err(invalid("purge", "needs connected to be false"));
        }
        let state = State {
            revision: request.revision,
            epoch: request.epoch,
            plan: convert::plan(request.plan)?,
            connected: request.connected,
            org_id: request.org_id,
            instance_url: request.instance_url,
        };
        let mut transaction = begin(&self.pool, workspace).await?;
        // Waits for every apply in hand; those that come after see the new epoch.
        let (taken, revision) = workspace::set_state(&mut transaction, workspace, &state).await?;
        if taken && request.purge {
            let purged = workspace::purge(&mut transaction, workspace).await?;
            let detail = format!("epoch {}, {purged} rows", request.epoch);
            let entry = audit::Entry { actor: caller, action: "purge", outcome: "done", detail: &detail };
            audit::append(&mut transaction, workspace, &entry, Timestamp::now()).await?;
        }
        transaction.commit().await?;
        Ok(SetWorkspaceStateResponse { revision })
    }
}

#[tonic::async_trait]
impl WorkspaceStateService for WorkspaceStateApi {
    async fn set_workspace_state(
        &self,
        request: Request<SetWorkspaceStateRequest>,
    ) -> Result<Response<SetWorkspaceStateResponse>, Status> {
        let (metadata, _, request) = request.into_parts();
        Ok(Response::new(self.set(request, caller(&metadata)).await?))
    }
}
