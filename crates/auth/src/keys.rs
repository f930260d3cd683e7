//! Rotation of the keys that wrap data keys. Reads go on meanwhile: a wrapped key changes in one statement.

use std::collections::BTreeMap;
use std::sync::Arc;

use domain::WorkspaceId;
use jiff::Timestamp;
use uuid::Uuid;

use crate::store::{Store, StoreError, audit, flow, token, workspace};
use crate::vault::{DataKey, KeyRing, OpenError};

const BATCH: i64 = 100;

/// Whether anything is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Count only.
    DryRun,
    /// Wrap anew.
    Rewrap,
}

/// What a pass saw and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// How many data keys each wrapping key holds after the pass; one that holds none may be dropped from the file.
    pub by_key: BTreeMap<String, u64>,
    /// How many data keys were wrapped anew.
    pub rewrapped: u64,
}

/// Why a pass ended early. What was wrapped anew stays so; the next pass goes on with the rest.
#[derive(Debug, thiserror::Error)]
pub enum RotateError {
    /// A wrapped key does not open.
    #[error("opening the data key of workspace {workspace}")]
    Sealed {
        /// The workspace.
        workspace: WorkspaceId,
        /// Why not.
        #[source]
        source: OpenError,
    },
    /// Postgres failed.
    #[error("storing wrapped keys")]
    Store(#[from] StoreError),
}

impl From<sqlx::Error> for RotateError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Wraps every data key with the newest key of the ring.
///
/// Flows that are under way keep their key for the minutes that they last, and count for it.
///
/// # Errors
/// [`RotateError`].
pub async fn rotate(store: &Store, ring: &Arc<KeyRing>, mode: Mode, now: Timestamp) -> Result<Tally, RotateError> {
    let mut tally = Tally { by_key: BTreeMap::from([(ring.newest_id().to_owned(), 0)]), rewrapped: 0 };
    let mut after = WorkspaceId(Uuid::nil());
    loop {
        let mut conn = store.pool().acquire().await?;
        let ids = workspace::ids(&mut conn, after, BATCH).await?;
        drop(conn);
        let Some(last) = ids.last() else { break };
        after = *last;
        for id in ids {
            rotate_workspace(store, ring, mode, id, &mut tally, now).await?;
        }
    }
    if mode == Mode::Rewrap {
        let mut conn = store.begin(audit::OPERATOR).await?;
        let detail = format!("{} data keys wrapped by {}", tally.rewrapped, ring.newest_id());
        let entry = audit::Entry { actor: "operator", action: "rotate keys", outcome: "done", detail: &detail };
        audit::append(&mut conn, audit::OPERATOR, &entry, now).await?;
        conn.commit().await?;
    }
    Ok(tally)
}

async fn rotate_workspace(
    store: &Store,
    ring: &KeyRing,
    mode: Mode,
    workspace: WorkspaceId,
    tally: &mut Tally,
    now: Timestamp,
) -> Result<(), RotateError> {
    let mut conn = store.begin(workspace).await?;
    for (place, wrapped) in token::keys(&mut conn, workspace).await? {
        let mut holder = wrapped.kek_id.clone();
        if mode == Mode::Rewrap && holder != ring.newest_id() {
            let key =
                DataKey::unwrap(&wrapped, ring, &place).map_err(|source| RotateError::Sealed { workspace, source })?;
            let anew = key.wrap(ring, &place);
            // A connection that ended or was made anew meanwhile has nothing to rewrap.
            if token::rewrap(&mut conn, &place, &wrapped, &anew).await? {
                holder.clone_from(&anew.kek_id);
                tally.rewrapped += 1;
            }
        }
        *tally.by_key.entry(holder).or_default() += 1;
    }
    for wrapped in flow::open_keys(&mut conn, workspace, now).await? {
        *tally.by_key.entry(wrapped.kek_id).or_default() += 1;
    }
    conn.commit().await?;
    Ok(())
}
