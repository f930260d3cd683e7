//! The gRPC services.

mod access;
mod runs;
mod sample;
mod schema;
mod state;
mod status;
mod sync;

use std::time::Duration;

use contract::error::{Failure, Reason};
use domain::{Object, Plan, WorkspaceId};
use tonic::Status;

pub(crate) use runs::wire_time;

pub use access::AccessApi;
pub use schema::SchemaApi;
pub use state::WorkspaceStateApi;
pub use sync::SyncApi;

use crate::reader::Reader;
use crate::salesforce::CallError;
use crate::salesforce::verdict::Verdict;
use crate::store::workspace::Workspace;
use crate::store::{self, StoreError};

/// Returns a workspace that may read Salesforce now.
///
/// # Errors
/// PLAN_REQUIRED, NOT_CONNECTED, or that the workspace is unknown.
async fn readable(reader: &Reader, workspace: WorkspaceId) -> Result<Workspace, Status> {
    let known = known(reader, workspace).await?;
    let plan = match &known {
        Some(known) => known.plan,
        None => plan_of(reader, workspace).await?,
    };
    if !plan.includes_salesforce() {
        return Err(Failure::new(Reason::PlanRequired, "Salesforce sync is part of Business.").into());
    }
    let known = known.filter(|known| known.connected);
    let known = known.ok_or_else(|| Failure::new(Reason::NotConnected, "The workspace has no connection."))?;
    let mut conn = reader.pool.acquire().await.map_err(|error| books(error.into()))?;
    if store::workspace::is_stopped(&mut conn, workspace).await.map_err(books)? {
        return Err(
            Failure::new(Reason::SalesforceUnavailable, "Salesforce traffic is stopped by the operator.").into()
        );
    }
    Ok(known)
}

async fn known(reader: &Reader, workspace: WorkspaceId) -> Result<Option<Workspace>, Status> {
    let mut conn = reader.pool.acquire().await.map_err(|error| books(error.into()))?;
    store::workspace::load(&mut conn, workspace).await.map_err(books)
}

/// Asks auth for the plan of a workspace that we were never told about.
async fn plan_of(reader: &Reader, workspace: WorkspaceId) -> Result<Plan, Status> {
    let request = contract::auth::v1::GetWorkspaceRequest { workspace_id: workspace.to_string() };
    let answer = reader.peers.workspaces.clone().get_workspace(request).await;
    match answer {
        Ok(answer) => Ok(contract::convert::plan(answer.into_inner().plan)?),
        Err(status) if status.code() == tonic::Code::NotFound => Err(not_found()),
        Err(status) => Err(peer_failed("auth", &status)),
    }
}

fn not_found() -> Status {
    Failure::new(Reason::ResourceNotFound, "There is no such thing in this workspace.").into()
}

/// Logs why the books failed and tells the caller no more than that.
fn books(error: StoreError) -> Status {
    let transient = matches!(&error, StoreError::Postgres(error) if service::postgres::is_transient(error));
    tracing::error!(error = format!("{:#}", anyhow::Error::new(error)), "the books failed");
    if transient {
        Failure::new(Reason::DependencyUnavailable, "Postgres does not answer.")
            .retry_after(Duration::from_secs(2))
            .into()
    } else {
        Failure::new(Reason::Internal, "Something of ours failed.").into()
    }
}

fn peer_failed(peer: &'static str, status: &Status) -> Status {
    tracing::warn!(peer, code = ?status.code(), "a peer does not answer");
    Failure::new(Reason::DependencyUnavailable, format!("{peer} does not answer."))
        .with("peer", peer)
        .retry_after(Duration::from_secs(2))
        .into()
}

/// Says in a caller's terms why Salesforce brought nothing.
fn call_failed(error: &CallError, object: Option<Object>) -> Status {
    let failure = match &error.verdict {
        Verdict::WaitForQuota => Failure::new(Reason::SalesforceQuotaExhausted, "The org's calls are used up.")
            .retry_after(Duration::from_secs(900)),
        Verdict::Reauthorize => Failure::new(Reason::SalesforceAuthRevoked, "Salesforce refused the grant."),
        Verdict::PauseObject(_) => {
            Failure::new(Reason::SalesforcePermissionMissing, "The integration user may not see this.")
        }
        Verdict::Fatal(reason) => {
            Failure::new(Reason::SalesforceUnavailable, "Salesforce refused the call.").with("cause", *reason)
        }
        _ => Failure::new(Reason::SalesforceUnavailable, "Salesforce does not answer.")
            .retry_after(Duration::from_secs(30)),
    };
    let failure = failure.with("salesforceCode", error.code.clone());
    match object {
        Some(object) => failure.with("object", object.api_name()).into(),
        None => failure.into(),
    }
}
