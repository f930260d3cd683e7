//! `WorkspaceService`.

use std::sync::Arc;

use contract::auth::v1::workspace_service_server::{WorkspaceService, WorkspaceServiceServer};
use contract::auth::v1::{
    CreateWorkspaceRequest, GetWorkspaceRequest, ListWorkspacesRequest, ListWorkspacesResponse,
    SetWorkspacePlanRequest, Workspace as WireWorkspace,
};
use contract::common::v1 as wire;
use contract::convert::{self, to_wire_time};
use domain::{Plan, WorkspaceId};
use jiff::Timestamp;
use tonic::{Request, Response, Status};

use super::{failure, name};
use crate::page;
use crate::store::workspace::Workspace;
use crate::vault::KeyRing;
use crate::workspaces::Workspaces;

const LIST: &str = "workspaces";

/// Serves workspaces.
#[derive(Clone, Debug)]
pub struct WorkspaceApi {
    workspaces: Workspaces,
    ring: Arc<KeyRing>,
}

impl WorkspaceApi {
    /// Returns the service; `ring` signs page tokens.
    #[must_use]
    pub fn server(workspaces: Workspaces, ring: Arc<KeyRing>) -> WorkspaceServiceServer<Self> {
        WorkspaceServiceServer::new(Self { workspaces, ring })
    }
}

fn to_wire(workspace: Workspace) -> WireWorkspace {
    WireWorkspace {
        id: workspace.id.to_string(),
        display_name: workspace.display_name,
        plan: wire::Plan::from(workspace.plan).into(),
        create_time: Some(to_wire_time(workspace.created_at)),
    }
}

#[tonic::async_trait]
impl WorkspaceService for WorkspaceApi {
    async fn create_workspace(
        &self,
        request: Request<CreateWorkspaceRequest>,
    ) -> Result<Response<WireWorkspace>, Status> {
        let request = request.into_inner();
        let id = match request.workspace_id.as_str() {
            "" => WorkspaceId::generate(),
            // The nil id is the operator's own audit chain, and nobody's workspace.
            text => convert::workspace_id(text).and_then(|id| {
                let is_nil = id.0.is_nil();
                let nil = convert::InvalidField { field: "workspace_id", problem: "is nil" };
                if is_nil { Err(nil) } else { Ok(id) }
            })?,
        };
        let display_name = name("display_name", &request.display_name)?;
        let plan = match wire::Plan::try_from(request.plan) {
            Ok(wire::Plan::Unspecified) => Plan::Starter,
            _ => convert::plan(request.plan)?,
        };
        let created = self.workspaces.create(id, &display_name, plan, Timestamp::now()).await;
        created.map(|workspace| Response::new(to_wire(workspace))).map_err(|error| failure::of_workspace(&error))
    }

    async fn get_workspace(&self, request: Request<GetWorkspaceRequest>) -> Result<Response<WireWorkspace>, Status> {
        let id = convert::workspace_id(&request.into_inner().workspace_id)?;
        let found = self.workspaces.read(id).await;
        found.map(|workspace| Response::new(to_wire(workspace))).map_err(|error| failure::of_workspace(&error))
    }

    async fn list_workspaces(
        &self,
        request: Request<ListWorkspacesRequest>,
    ) -> Result<Response<ListWorkspacesResponse>, Status> {
        let request = request.into_inner();
        let size = page::size(request.page_size)?;
        let position = page::read(&self.ring, LIST, &request.page_token)?;
        let after = position.map_or(0, i64::from_be_bytes);
        let found = self.workspaces.list(after, size + 1).await.map_err(|error| failure::of_workspace(&error))?;
        let (kept, next) = cut(found, size);
        let next_page_token =
            next.map(|last: Workspace| page::write(&self.ring, LIST, &last.ordinal.to_be_bytes())).unwrap_or_default();
        let workspaces = kept.into_iter().map(to_wire).collect();
        Ok(Response::new(ListWorkspacesResponse { workspaces, next_page_token }))
    }

    async fn set_workspace_plan(
        &self,
        request: Request<SetWorkspacePlanRequest>,
    ) -> Result<Response<WireWorkspace>, Status> {
        let request = request.into_inner();
        let id = convert::workspace_id(&request.workspace_id)?;
        let plan = convert::plan(request.plan)?;
        let changed = self.workspaces.set_plan(id, plan, Timestamp::now()).await;
        changed.map(|workspace| Response::new(to_wire(workspace))).map_err(|error| failure::of_workspace(&error))
    }
}

/// Cuts a list that was read one longer than a page, and returns the last of the page if there is more.
pub(super) fn cut<T: Clone>(mut found: Vec<T>, size: i64) -> (Vec<T>, Option<T>) {
    let size = usize::try_from(size).unwrap_or(usize::MAX);
    let has_more = found.len() > size;
    found.truncate(size);
    let next = if has_more { found.last().cloned() } else { None };
    (found, next)
}
