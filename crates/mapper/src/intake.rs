//! One chunk's way into the source store, in one transaction: epoch and mapping held, images guarded, counts kept.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use domain::{Epoch, Object, WorkspaceId};

use crate::lists::{self, Lists};
use crate::merge::{Merged, RowChange, merge};
use crate::reads::{self, Read};
use crate::registry::{self, Deltas};
use crate::rules::Rules;
use crate::source::{self, Image, Stored};
use crate::store::{self, StoreError};
use crate::{Mapper, erasure};

/// What came of an intake.
#[derive(Debug)]
pub(crate) enum Intake {
    /// The store now says this of the keys.
    Taken(Taken),
    /// The epoch is over: the work ends without effect.
    Closed,
    /// auth has not told the epoch or the workspace yet: try again.
    NotYet,
}

/// What the store says after an intake.
#[derive(Debug)]
pub(crate) struct Taken {
    pub(crate) rules: Arc<Rules>,
    pub(crate) rows: HashMap<String, Stored>,
    pub(crate) lists: Lists,
}

/// What is taken in: images of one object of one workspace, read in one epoch.
#[derive(Clone, Debug)]
pub(crate) struct Arrival {
    pub(crate) workspace: WorkspaceId,
    pub(crate) object: Object,
    pub(crate) epoch: Epoch,
    pub(crate) images: Vec<Image>,
    pub(crate) lists: Lists,
    /// The read, of the first chunk of its page: the others have the same.
    pub(crate) read: Option<Read>,
    /// Whether a first load brings them: then hardly any is there.
    pub(crate) is_first_load: bool,
}

impl Mapper {
    /// Takes images into the store.
    pub(crate) async fn take(&self, arrival: &Arrival) -> Result<Intake, StoreError> {
        let Arrival { workspace, object, epoch, .. } = *arrival;
        let mut tx = self.pool.begin().await?;
        service::postgres::in_workspace(&mut tx, workspace).await?;
        let Some(known) = store::workspace_for_share(&mut tx, workspace).await? else {
            return Ok(Intake::NotYet);
        };
        if epoch > known.epoch {
            return Ok(Intake::NotYet);
        }
        if epoch < known.epoch || !known.connected {
            return Ok(Intake::Closed);
        }
        let rules = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let compiled = rules.compiled(object);

        for (version, fields) in &arrival.lists {
            if !self.lists.knows(workspace, epoch, object, *version) {
                lists::store(&mut tx, workspace, object, *version, fields).await?;
            }
        }

        if let Some(read) = &arrival.read {
            reads::note(&mut tx, workspace, read).await?;
        }

        // What was erased is not stored again, so nothing is told of it either.
        let keys = || arrival.images.iter().map(|image| image.id.as_str());
        let erased = match known.has_erased {
            true => erasure::among(&mut tx, workspace, keys().collect()).await?,
            false => HashSet::new(),
        };
        let mut by_id: BTreeMap<&str, Vec<&Image>> = BTreeMap::new();
        for image in arrival.images.iter().filter(|image| !erased.contains(&image.id)) {
            by_id.entry(&image.id).or_default().push(image);
        }
        let ids: Vec<&str> = by_id.keys().copied().collect();
        let mut deltas = Deltas::default();
        let mut merged = HashMap::with_capacity(ids.len());
        // What is not there is not looked for first: the insert finds out who is.
        let mut olds = match arrival.is_first_load {
            true => HashMap::new(),
            false => source::lock(&mut tx, workspace, object, epoch, &ids).await?,
        };

        // A key that is not there is inserted; one that somebody else inserts meanwhile is merged with theirs.
        let mut fresh: Vec<&str> = ids.iter().copied().filter(|id| !olds.contains_key(*id)).collect();
        while !fresh.is_empty() {
            let mut fresh_deltas = Deltas::default();
            let rows: Vec<Merged> = fresh
                .iter()
                .filter_map(|id| merge(compiled, rules.version, None, &by_id[id], &mut fresh_deltas))
                .collect();
            let stored: Vec<&Stored> = rows.iter().map(|merged| &merged.row).collect();
            let inserted = source::insert(&mut tx, workspace, object, epoch, &stored).await?;
            if inserted.len() == fresh.len() {
                deltas.merge(fresh_deltas);
                merged.extend(rows.into_iter().map(|merged| (merged.row.image.id.clone(), merged)));
                break;
            }
            for id in &inserted {
                if let Some(row) = merge(compiled, rules.version, None, &by_id[id.as_str()], &mut deltas) {
                    merged.insert(id.clone(), row);
                }
            }
            fresh.retain(|id| !merged.contains_key(*id));
            // What stands in the way is another's row of this epoch, or one of an epoch that is over.
            let forgotten = source::forget_older(&mut tx, workspace, object, epoch, &fresh).await?;
            olds.extend(source::lock(&mut tx, workspace, object, epoch, &fresh).await?);
            fresh.retain(|id| !olds.contains_key(*id));
            if inserted.is_empty() && forgotten == 0 && !fresh.is_empty() {
                // A row of a later epoch than the workspace's own: nothing of ours writes one.
                return Err(StoreError::Impossible { table: "source_record", key: fresh.join(" ") });
            }
        }

        for (id, old) in &olds {
            if let Some(row) = merge(compiled, rules.version, Some(old), &by_id[id.as_str()], &mut deltas) {
                merged.insert(id.clone(), row);
            }
        }
        let replaced: Vec<&Merged> = ids
            .iter()
            .filter_map(|id| merged.get(*id))
            .filter(|merged| matches!(merged.change, RowChange::Replace { .. }))
            .collect();
        if !replaced.is_empty() {
            let has_new_text = |row: &Stored| {
                merged.get(&row.image.id).is_some_and(|merged| merged.change == RowChange::Replace { text: true })
            };
            let rows: Vec<&Stored> = replaced.iter().map(|merged| &merged.row).collect();
            source::replace(&mut tx, workspace, object, &rows, has_new_text).await?;
        }

        let mut lists = arrival.lists.clone();
        let versions = merged.values().map(|merged| merged.row.image.field_list_version);
        self.lists.complete(&mut tx, (workspace, epoch, object), &mut lists, versions).await?;
        // The rows of values are what chunks of a workspace share, so they are taken last and held briefly.
        if deltas.changes_counts() || self.sights.is_due(workspace, object) {
            registry::apply(&mut tx, workspace, rules.kind(object.kind()), deltas).await?;
        }
        tx.commit().await?;

        self.lists.learn(workspace, epoch, object, &lists);
        let rows = merged.into_iter().map(|(id, merged)| (id, merged.row)).collect();
        Ok(Intake::Taken(Taken { rules, rows, lists }))
    }
}
