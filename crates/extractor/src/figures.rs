//! The figures of the fleet: how many workspaces stand where, how far each is, what is left of each org's calls.
//!
//! They stand in the books, so every replica shows the same and a query takes the `max` over replicas, never the `sum`. Where a
//! workspace stands is decided as for a caller, which asks three services; so the replicas share that work, in small portions,
//! and a fleet of any size costs the same: it is only seen later. 10,000 workspaces take one replica seven minutes.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use domain::WorkspaceId;
use futures::StreamExt as _;
use tokio_util::sync::CancellationToken;

use crate::metrics;
use crate::reader::Reader;
use crate::standing::Standing;
use crate::store::figures::{Applied, OfWorkspace, OrgCalls};
use crate::store::{self, StoreError};

/// Time between two portions.
const TICK: Duration = Duration::from_secs(2);
/// Workspaces of a portion.
const PORTION: i64 = 50;
/// Workspaces whose standing is decided at the same time.
const AT_ONCE: usize = 8;
/// A small fleet is decided as often as this.
const AGAIN: Duration = Duration::from_secs(15);
/// Most workspaces that have figures of their own.
const NAMED: i64 = 500;

/// What a scrape shows; what it shows of a workspace that is no longer read is nothing.
#[derive(Debug, Default)]
pub struct Figures {
    /// Workspaces by the name of their state.
    pub states: Vec<(String, i64)>,
    /// How far objects are.
    pub applied: Vec<OfWorkspace<Applied>>,
    /// Calls of orgs.
    pub org_calls: Vec<OfWorkspace<OrgCalls>>,
}

impl Figures {
    /// Reads the figures as the books hold them.
    ///
    /// # Errors
    /// When Postgres fails.
    pub async fn read(reader: &Reader) -> Result<Self, StoreError> {
        let mut conn = reader.pool.acquire().await?;
        Ok(Self {
            states: store::figures::count_states(&mut conn).await?,
            applied: store::figures::applied(&mut conn, NAMED).await?,
            org_calls: store::figures::org_calls(&mut conn, NAMED).await?,
        })
    }
}

/// The figures as last read, shared with the metrics; cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Shown(Arc<RwLock<Figures>>);

impl Shown {
    /// Looks at the figures.
    pub(crate) fn look<T>(&self, look: impl FnOnce(&Figures) -> T) -> T {
        look(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    fn replace(&self, figures: Figures) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = figures;
    }
}

/// Keeps the figures until `stopping`. While the books can't be read the last ones stay: a sync that stands still has to be seen.
///
/// # Errors
/// Never; the signature is that of a task.
pub(crate) async fn keep(reader: Reader, stopping: CancellationToken) -> anyhow::Result<()> {
    let shown = Shown::default();
    metrics::show(&shown);
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            _ = tick.tick() => {}
        }
        let kept = async {
            decide_due(&reader).await?;
            Figures::read(&reader).await
        };
        match kept.await {
            Ok(figures) => shown.replace(figures),
            Err(error) => {
                let error = format!("{:#}", anyhow::Error::new(error));
                tracing::warn!(error, "the figures can't be kept; the last ones stay");
            }
        }
    }
}

/// Decides where the workspaces of one portion stand. One that fails is due again like the others.
///
/// # Errors
/// When Postgres fails.
pub async fn decide_due(reader: &Reader) -> Result<(), StoreError> {
    let mut conn = reader.pool.acquire().await?;
    let due = store::figures::take_due(&mut conn, PORTION, AGAIN).await?;
    drop(conn);
    let decided = futures::stream::iter(due).map(|workspace| decide(reader, workspace)).buffer_unordered(AT_ONCE);
    decided.fold(Ok(()), |all, one| std::future::ready(all.and(one))).await
}

async fn decide(reader: &Reader, workspace: WorkspaceId) -> Result<(), StoreError> {
    let mut conn = reader.pool.acquire().await?;
    let Some(known) = store::workspace::load(&mut conn, workspace).await? else { return Ok(()) };
    // It is not held while peers are asked.
    drop(conn);
    let state = Standing::of(reader, known).await?.state;
    let mut conn = reader.pool.acquire().await?;
    store::figures::note_state(&mut conn, workspace, state.token()).await
}
