//! Erase orders on their way to the mapper: each is passed on until the mapper has carried it out.

use std::sync::Arc;
use std::time::Duration;

use contract::mapper::v1::EraseSourceRecordsRequest;
use contract::mapper::v1::erasure_service_client::ErasureServiceClient;
use domain::WorkspaceId;
use service::grpc::Peer;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use tonic::Code;

use crate::store::erase::{self, Pending};

/// How often to look without being told.
const GLANCE: Duration = Duration::from_secs(5);

#[derive(Debug, thiserror::Error)]
enum PassOnError {
    #[error("reading erase orders")]
    Store(#[from] sqlx::Error),
    #[error("the mapper answered {0:?}")]
    Mapper(Code),
}

/// Passes orders on to the mapper, until `stopping`. A failure only delays: an order is settled by the mapper's answer.
///
/// # Errors
/// Never; the signature is that of a task.
pub(crate) async fn pass_on(
    pool: PgPool,
    mapper: ErasureServiceClient<Peer>,
    told: Arc<Notify>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        if let Err(error) = pass_on_all(&pool, &mapper).await {
            tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "passing erase orders on");
        }
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = told.notified() => {}
            () = tokio::time::sleep(GLANCE) => {}
        }
    }
}

async fn pass_on_all(pool: &PgPool, mapper: &ErasureServiceClient<Peer>) -> Result<(), PassOnError> {
    let workspaces = erase::workspaces(&mut *pool.acquire().await?).await?;
    let mut outcome = Ok(());
    for workspace in workspaces {
        // What one workspace lacks keeps no other waiting.
        if let Err(error) = pass_on_of(pool, mapper, workspace).await {
            outcome = Err(error);
        }
    }
    outcome
}

async fn pass_on_of(
    pool: &PgPool,
    mapper: &ErasureServiceClient<Peer>,
    workspace: WorkspaceId,
) -> Result<(), PassOnError> {
    let mut transaction = pool.begin().await?;
    service::postgres::in_workspace(&mut transaction, workspace).await?;
    let orders = erase::pending(&mut transaction, workspace).await?;
    transaction.commit().await?;
    for Pending { id, actor, keys } in orders {
        let request = EraseSourceRecordsRequest {
            workspace_id: workspace.to_string(),
            order_id: id.to_string(),
            ids: keys,
            actor,
        };
        let answer = mapper.clone().erase_source_records(request).await;
        answer.map_err(|status| PassOnError::Mapper(status.code()))?;
        let mut transaction = pool.begin().await?;
        service::postgres::in_workspace(&mut transaction, workspace).await?;
        erase::settle(&mut transaction, workspace, id).await?;
        transaction.commit().await?;
    }
    Ok(())
}
