//! The kill switch: stops all Salesforce traffic, or that of one workspace, without a deploy.

use domain::WorkspaceId;
use jiff::Timestamp;

use crate::store::{Store, StoreError, audit, traffic, workspace};

/// Whether traffic flows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Traffic {
    /// It flows.
    Flowing,
    /// It is stopped.
    Stopped,
}

/// Sets the switch of a workspace, or of the whole installation. Every call for an access token looks at both.
///
/// # Errors
/// When Postgres fails, or the workspace does not exist.
pub async fn set(
    store: &Store,
    workspace: Option<WorkspaceId>,
    traffic: Traffic,
    actor: &str,
    now: Timestamp,
) -> Result<(), StoreError> {
    let stopped = traffic == Traffic::Stopped;
    let action = if stopped { "stop traffic" } else { "resume traffic" };
    let entry = audit::Entry { actor, action, outcome: "done", detail: "" };
    let chain = workspace.unwrap_or(audit::OPERATOR);
    let mut conn = store.begin(chain).await?;
    if let Some(id) = workspace {
        let Some(mut standing) = workspace::lock(&mut conn, id).await? else {
            return Err(StoreError::Impossible { table: "auth.workspace", workspace: id });
        };
        standing.stopped = stopped;
        workspace::save(&mut conn, id, &standing).await?;
    } else {
        traffic::set_stopped(&mut conn, stopped).await?;
    }
    audit::append(&mut conn, chain, &entry, now).await?;
    conn.commit().await?;
    Ok(())
}
