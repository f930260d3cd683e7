//! Publishes the change feed to NATS, as a nudge: whoever needs every change reads the feed over gRPC by its sequence.

use std::sync::Arc;
use std::time::Duration;

use contract::streams::EVENTS;
use contract::subjects;
use domain::WorkspaceId;
use messaging::{Bus, Publication, PublishError};
use prost::Message as _;
use sqlx::PgPool;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::metrics;
use crate::store::feed::{self, Unpublished};
use crate::store::{audit, history, parked, read};

/// More changes than this at once are told by the last alone: its sequence shows the gap.
const NUDGES: i64 = 200;
/// How often to look without being told; also how often parked records are counted.
const GLANCE: Duration = Duration::from_secs(15);
/// Every so many glances, what is too old is forgotten: once an hour.
const GLANCES_PER_CLEANING: u64 = 240;
/// How long to let changes gather after being told.
const GATHER: Duration = Duration::from_millis(200);

#[derive(Debug, thiserror::Error)]
enum OutboxError {
    #[error("reading the change feed")]
    Store(#[from] sqlx::Error),
    #[error("publishing the change feed")]
    Publish(#[from] PublishError),
}

/// Publishes what the feed gained, until `stopping`. A failure only delays: nothing is marked published before it is.
///
/// # Errors
/// Never; the signature is that of a task.
pub(crate) async fn publish_changes(
    pool: PgPool,
    bus: Bus,
    told: Arc<Notify>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = told.notified() => tokio::time::sleep(GATHER).await,
            () = tokio::time::sleep(GLANCE) => {}
        }
        if let Err(error) = publish_all(&pool, &bus).await {
            tracing::warn!(error = format!("{:#}", anyhow::Error::from(error)), "publishing changes");
        }
    }
}

async fn publish_all(pool: &PgPool, bus: &Bus) -> Result<(), OutboxError> {
    let unpublished = feed::unpublished(&mut *pool.acquire().await?).await?;
    for one in unpublished {
        publish(pool, bus, one).await?;
    }
    Ok(())
}

async fn publish(pool: &PgPool, bus: &Bus, unpublished: Unpublished) -> Result<(), OutboxError> {
    let Unpublished { workspace, sequence, published_sequence } = unpublished;
    let after = if sequence - published_sequence > NUDGES { sequence - 1 } else { published_sequence };
    let mut transaction = pool.begin().await?;
    service::postgres::in_workspace(&mut transaction, workspace).await?;
    let entries = read::changes(&mut transaction, workspace, after, sequence - after).await?;
    transaction.commit().await?;
    let publications: Vec<_> = entries.into_iter().map(|entry| publication(workspace, entry)).collect();
    bus.publish_all(publications).await?;
    feed::published(&mut *pool.acquire().await?, workspace, sequence).await?;
    Ok(())
}

fn publication(workspace: WorkspaceId, entry: read::FeedEntry) -> Publication {
    Publication {
        subject: subjects::customer(workspace),
        template: subjects::template::CUSTOMER,
        stream: EVENTS.name,
        message_type: "lanesync.event.v1.CustomerChanged",
        message_id: None,
        run_id: None,
        workspace_id: workspace.to_string(),
        captured_at: None,
        body: api::change(workspace, entry).encode_to_vec(),
        compressed: false,
    }
}

/// Counts parked records for the dashboard and forgets what is too old, until `stopping`.
///
/// # Errors
/// Never; the signature is that of a task.
pub(crate) async fn keep_house(pool: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
    for glance in 1_u64.. {
        if let Err(error) = look_around(&pool, glance % GLANCES_PER_CLEANING == 0).await {
            tracing::warn!(error = %error, "counting parked records");
        }
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            () = tokio::time::sleep(GLANCE) => {}
        }
    }
    Ok(())
}

async fn look_around(pool: &PgPool, cleans: bool) -> Result<(), sqlx::Error> {
    let workspaces = feed::workspaces(&mut *pool.acquire().await?).await?;
    let mut count = 0;
    for workspace in workspaces {
        let mut transaction = pool.begin().await?;
        service::postgres::in_workspace(&mut transaction, workspace).await?;
        count += parked::count(&mut transaction, workspace).await?.0;
        if cleans {
            feed::forget_old(&mut transaction, workspace).await?;
            history::forget_old(&mut transaction, workspace).await?;
            audit::forget_old(&mut transaction, workspace).await?;
            if let Err(broken) = audit::verify(&mut transaction, workspace).await? {
                tracing::error!(%workspace, entry = broken.number, "the audit log was changed");
            }
        }
        transaction.commit().await?;
    }
    metrics::parked(count);
    Ok(())
}
