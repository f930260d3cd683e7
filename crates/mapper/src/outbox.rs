//! Messages that leave only if the transaction that decided them does.

use std::time::Duration;

use contract::{streams, subjects};
use domain::WorkspaceId;
use messaging::{Bus, Publication};
use sqlx::{PgConnection, PgPool};
use tokio_util::sync::CancellationToken;

use crate::store::StoreError;

/// Messages taken at once.
const BATCH: i64 = 100;

/// Adds a message; it leaves after the commit.
pub(crate) async fn put(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    subject: &str,
    body: &[u8],
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into mapper.outbox (workspace_id, subject, body) values ($1, $2, $3)",
        workspace.0,
        subject,
        body,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Adds messages in their order, all in one statement: a field may have ten thousand values to tell of.
pub(crate) async fn put_all(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    subject: &str,
    bodies: &[Vec<u8>],
) -> Result<(), StoreError> {
    sqlx::query!(
        "insert into mapper.outbox (workspace_id, subject, body)
         select $1, $2, n.body from unnest($3::bytea[]) with ordinality as n (body, place) order by n.place",
        workspace.0,
        subject,
        bodies,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Publishes what waits, in order, until `stopping`. A crash between publish and delete publishes again.
pub(crate) async fn publish(pool: PgPool, bus: Bus, stopping: CancellationToken) -> anyhow::Result<()> {
    let mut tick = tokio::time::interval(Duration::from_millis(500));
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        loop {
            match publish_some(&pool, &bus).await {
                Ok(0) => break,
                Ok(_) => {}
                Err(error) => {
                    tracing::warn!(error = format!("{error:#}"), "publishing from the outbox; it is tried again");
                    break;
                }
            }
        }
    }
}

async fn publish_some(pool: &PgPool, bus: &Bus) -> anyhow::Result<usize> {
    let mut tx = pool.begin().await?;
    let rows = sqlx::query!(
        r#"
        select id, workspace_id, subject, body
          from mapper.outbox
         order by id
         limit $1
           for update skip locked
        "#,
        BATCH,
    )
    .fetch_all(&mut *tx)
    .await?;
    if rows.is_empty() {
        return Ok(0);
    }
    let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
    let workspace_id = |id: uuid::Uuid| WorkspaceId(id);
    let publications = rows.into_iter().map(|row| publication(workspace_id(row.workspace_id), row.subject, row.body));
    bus.publish_all(publications.collect::<Vec<_>>()).await?;
    sqlx::query!("delete from mapper.outbox where id = any($1)", &ids).execute(&mut *tx).await?;
    tx.commit().await?;
    Ok(ids.len())
}

fn publication(workspace: WorkspaceId, subject: String, body: Vec<u8>) -> Publication {
    let (template, stream, message_type) = if subject == subjects::command(workspace) {
        (subjects::template::COMMAND, streams::CMD.name, "lanesync.event.v1.Command")
    } else {
        (subjects::template::UNMAPPED, streams::EVENTS.name, "lanesync.event.v1.UnmappedValue")
    };
    Publication {
        subject,
        template,
        stream,
        message_type,
        message_id: None,
        run_id: None,
        workspace_id: workspace.to_string(),
        captured_at: None,
        body,
        compressed: false,
    }
}
