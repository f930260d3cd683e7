//! Which fields a turn reads of an object: what the mapper needs, as far as the integration user may read it.

use std::collections::HashSet;

use contract::mapper::v1::{GetReadPlanRequest, ReadPlan};
use domain::{Object, WorkspaceId};

use super::memory::lock;
use super::turn::{Turn, our_clock_after};
use super::{Reader, TurnError};
use crate::describe::{Freshness, Schema};
use crate::record::layout::Layout;
use crate::soql::FieldPath;
use crate::store::{self, coverage, field_list};

/// The currency of each record, in orgs that have several.
const CURRENCY: &str = "CurrencyIsoCode";

/// What is read of an object in this turn.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) layout: Layout,
    pub(crate) list_version: i64,
    pub(crate) schema: Schema,
}

/// What the mapper needs of one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    /// Mapped fields.
    pub(crate) fields: Vec<FieldPath>,
    /// Those that were not read throughout.
    pub(crate) unread: Vec<FieldPath>,
}

impl Reader {
    /// Asks the mapper what it needs.
    pub(crate) async fn read_plan(&self, workspace: WorkspaceId) -> Result<ReadPlan, TurnError> {
        let request = GetReadPlanRequest { workspace_id: workspace.to_string() };
        let answer = self.peers.plans.clone().get_read_plan(request).await;
        answer.map(tonic::Response::into_inner).map_err(|status| TurnError::peer("mapper", status))
    }
}

/// Returns what a plan needs of an object. A name that is none can't be in a saved mapping; it would be left out.
pub(crate) fn needs_of(plan: &ReadPlan, object: Object) -> Needs {
    let paths = |names: &[String]| names.iter().filter_map(|name| name.parse().ok()).collect::<Vec<FieldPath>>();
    plan.objects
        .iter()
        .filter(|planned| contract::convert::object(planned.object) == Ok(object))
        .map(|planned| Needs { fields: paths(&planned.fields), unread: paths(&planned.unread_fields) })
        .next()
        .unwrap_or_default()
}

impl Turn {
    /// Returns what is read of an object: describes it, leaves out what can't be read, and commits to the list before any
    /// read number of it is taken.
    pub(crate) async fn prepare(&mut self, object: Object, freshness: Freshness) -> Result<Prepared, TurnError> {
        if freshness == Freshness::Minutes
            && let Some(prepared) = self.prepared.get(&object)
        {
            return Ok(prepared.clone());
        }
        let needs = needs_of(&self.plan, object);
        let misses_fields = self.coverage_of(object).is_some_and(|coverage| !coverage.broken_fields.is_empty());
        let freshness = match freshness {
            Freshness::Minutes if misses_fields => Freshness::MinutesThenWhole,
            Freshness::Asked if misses_fields => Freshness::Whole,
            freshness => freshness,
        };
        let schema = self.reader.describes.schema(&self.session, object, freshness).await?;
        let refused = lock(&self.memory).refused.get(&object).cloned().unwrap_or_default();
        let kind_of = |path: &FieldPath| if refused.contains(path) { None } else { schema.kind_of(path) };
        let mut wanted = needs.fields.clone();
        if let Ok(currency) = CURRENCY.parse::<FieldPath>()
            && schema.kind_of(&currency).is_some()
        {
            wanted.push(currency);
        }
        let layout = Layout::new(object, &wanted, kind_of);
        let readable: HashSet<&FieldPath> = layout.fields().iter().collect();
        let broken: Vec<String> =
            needs.fields.iter().filter(|field| !readable.contains(field)).map(ToString::to_string).collect();
        if !broken.is_empty() {
            tracing::warn!(lanesync.object = object.token(), fields = broken.join(","), "mapped fields can't be read");
        }

        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        self.check_hold(&mut tx).await?;
        coverage::ensure(&mut tx, self.workspace.id, object, self.workspace.epoch).await?;
        coverage::set_broken(&mut tx, self.workspace.id, object, &broken).await?;
        let list = field_list::commit_to(&mut tx, self.workspace.id, object, layout.fields()).await?;
        tx.commit().await?;
        let prepared = Prepared { layout, list_version: list.version, schema };
        self.prepared.insert(object, prepared.clone());
        Ok(prepared)
    }

    /// Leaves a column out that Salesforce refused, and describes the object anew. False when that changes nothing.
    pub(crate) async fn drop_field(&mut self, object: Object, name: Option<&str>) -> Result<bool, TurnError> {
        let before = self.prepared.remove(&object).map(|prepared| prepared.layout.select());
        let after = self.prepare(object, Freshness::Whole).await?.layout.select();
        if before.as_ref() != Some(&after) {
            return Ok(true);
        }
        // Describe still lists it: believe the refusal, or it would be refused for ever.
        let Some(name) = name else { return Ok(false) };
        let matching: Vec<FieldPath> = after
            .into_iter()
            .filter(|path| {
                let leaf = path.relation().map_or(path.as_str(), |(_, field)| field);
                let relation = path.relation().map_or("", |(relation, _)| relation);
                [path.as_str(), leaf, relation].iter().any(|part| part.eq_ignore_ascii_case(name))
            })
            .collect();
        if matching.is_empty() {
            return Ok(false);
        }
        lock(&self.memory).refused.entry(object).or_default().extend(matching);
        self.prepared.remove(&object);
        let now = self.prepare(object, Freshness::Minutes).await?.layout.select();
        Ok(before != Some(now))
    }

    /// Leaves an object alone until it is worth another try; the others go on.
    pub(crate) async fn pause_object(
        &mut self,
        run: domain::RunId,
        object: Object,
        reason: &str,
    ) -> Result<(), TurnError> {
        tracing::warn!(lanesync.object = object.token(), lanesync.reason = reason, "object paused");
        let retry_at = our_clock_after(self.reader.pace.pause);
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        self.check_hold(&mut tx).await?;
        coverage::ensure(&mut tx, self.workspace.id, object, self.workspace.epoch).await?;
        coverage::set_paused(&mut tx, self.workspace.id, object, reason, Some(retry_at)).await?;
        store::run::give_up(&mut tx, self.workspace.id, run, object, reason).await?;
        tx.commit().await?;
        Ok(())
    }
}
