//! Decides which runs a workspace needs now: first loads, compares, added spans, re-reads, polls. One pass at a time, polls
//! beside it.

use std::time::Duration;

use chrono::{DateTime, Utc};
use domain::Object;

use super::TurnError;
use super::fields::{Prepared, needs_of};
use super::memory::lock;
use super::turn::{Turn, our_clock_after};
use crate::describe::Freshness;
use crate::run::{Purpose, Work};
use crate::stamp::Stamp;
use crate::store::coverage::Coverage;
use crate::store::run::{Creation, Run};
use crate::store::workspace::Workspace;
use crate::store::{self, field_list};
use crate::window::{Scan, added_span, poll_start};

/// Returns what is to be done for an object in a run of this purpose.
#[must_use]
pub(crate) fn work_for(
    purpose: Purpose,
    workspace: &Workspace,
    coverage: Option<&Coverage>,
    overlap: Duration,
) -> Option<Work> {
    let loaded = coverage.filter(|coverage| coverage.loaded);
    let covered_from = loaded.map(|coverage| coverage.covered_from);
    let scan = match purpose {
        Purpose::FirstLoad => Scan { since: earlier_start(workspace.start, covered_from), ..Scan::default() },
        Purpose::Span => added_span(workspace.start, covered_from?)?,
        Purpose::Poll => {
            let coverage = loaded?;
            let since = poll_start(coverage.poll_cursor?, overlap, coverage.covered_from);
            Scan { since: Some(since), ..Scan::default() }
        }
        Purpose::Resync | Purpose::Reread | Purpose::Daily => Scan { since: covered_from?, ..Scan::default() },
        Purpose::Refetch => Scan::default(),
    };
    Some(Work::begin(purpose, scan))
}

/// What is covered stays covered, even if the wished start has moved later since.
fn earlier_start(wished: Option<Stamp>, covered: Option<Option<Stamp>>) -> Option<Stamp> {
    match (wished, covered) {
        (Some(wished), Some(Some(covered))) => Some(wished.min(covered)),
        (_, Some(None)) | (None, _) => None,
        (Some(wished), None) => Some(wished),
    }
}

/// What is known when it is decided which pass is needed.
#[derive(Clone, Debug)]
struct Known<'a> {
    workspace: &'a Workspace,
    coverage: &'a [Coverage],
    /// Objects that a mapping reads.
    wanted: &'a [Object],
    /// Loaded objects with readable fields that were never read.
    unread: &'a [Object],
    /// Loaded objects with fields that change without a stamp.
    unstamped: &'a [Object],
    now: DateTime<Utc>,
    unstamped_every: Duration,
}

/// Decides which pass over which objects is needed; `None` when none is. The first that applies.
fn needed_pass(known: &Known<'_>) -> Option<(Purpose, Vec<Object>)> {
    let of = |object: Object| known.coverage.iter().find(|coverage| coverage.object == object);
    let pick = |purpose: Purpose, applies: &dyn Fn(Object) -> bool| {
        let objects: Vec<Object> = known.wanted.iter().copied().filter(|object| applies(*object)).collect();
        (!objects.is_empty()).then_some((purpose, objects))
    };
    let is_loaded = |object: Object| of(object).is_some_and(|coverage| coverage.loaded);
    let may_try = |object: Object| of(object).is_none_or(|coverage| coverage.retry_at.is_none_or(|at| at <= known.now));
    let is_stale = |object: Object| {
        let as_of = of(object).and_then(|coverage| coverage.unstamped_as_of);
        let oldest = Stamp::from_millis(known.now.timestamp_millis()).earlier(known.unstamped_every);
        as_of.is_none_or(|as_of| as_of < oldest)
    };
    let asked_for = |object: Object| of(object).is_some();
    pick(Purpose::FirstLoad, &|object| asked_for(object) && !is_loaded(object) && may_try(object))
        .or_else(|| pick(Purpose::Resync, &|object| known.workspace.compare_due && is_loaded(object)))
        .or_else(|| {
            pick(Purpose::Span, &|object| {
                of(object)
                    .filter(|coverage| coverage.loaded)
                    .is_some_and(|coverage| added_span(known.workspace.start, coverage.covered_from).is_some())
            })
        })
        .or_else(|| pick(Purpose::Reread, &|object| known.unread.contains(&object) && may_try(object)))
        .or_else(|| {
            pick(Purpose::Daily, &|object| known.unstamped.contains(&object) && is_stale(object) && may_try(object))
        })
}

fn has_unstamped(prepared: &Prepared) -> bool {
    prepared.layout.fields().iter().any(|path| prepared.schema.is_unstamped(path))
}

impl Turn {
    /// Creates the runs that are due.
    pub(crate) async fn plan_runs(&mut self, active: &[Run]) -> Result<(), TurnError> {
        // Looked at after the runs: who cancelled one of them has said before that it is not to begin again.
        self.reload().await?;
        if !self.workspace.first_sync_started {
            return Ok(());
        }
        let wanted: Vec<Object> =
            Object::ALL.into_iter().filter(|object| !needs_of(&self.plan, *object).fields.is_empty()).collect();
        if !active.iter().any(|run| run.purpose.is_pass()) {
            self.plan_pass(&wanted).await?;
        }
        let poll_due = self.workspace.next_poll_at.is_none_or(|at| at <= our_clock_after(Duration::ZERO));
        if poll_due && !active.iter().any(|run| run.purpose == Purpose::Poll) {
            self.plan_poll(&wanted).await?;
        }
        Ok(())
    }

    async fn plan_pass(&mut self, wanted: &[Object]) -> Result<(), TurnError> {
        let (mut unread, mut unstamped) = (Vec::new(), Vec::new());
        for object in wanted.iter().copied() {
            if !self.coverage_of(object).is_some_and(|coverage| coverage.loaded) {
                continue;
            }
            let prepared = match self.prepare(object, Freshness::Minutes).await {
                Ok(prepared) => prepared,
                // An object that can't be described needs no pass now; its poll will say why.
                Err(TurnError::Call(error)) if !error.verdict.is_transient() => continue,
                Err(error) => return Err(error),
            };
            let needs = needs_of(&self.plan, object);
            let readable = |path| prepared.layout.fields().contains(path);
            if needs.unread.iter().any(readable) && self.may_reread(object) {
                unread.push(object);
            }
            if has_unstamped(&prepared) {
                unstamped.push(object);
            }
        }
        let known = Known {
            workspace: &self.workspace,
            coverage: &self.coverage,
            wanted,
            unread: &unread,
            unstamped: &unstamped,
            now: our_clock_after(Duration::ZERO),
            unstamped_every: self.reader.pace.unstamped_every,
        };
        let Some((purpose, objects)) = needed_pass(&known) else { return Ok(()) };
        if purpose == Purpose::Reread {
            let mut memory = lock(&self.memory);
            memory.reread_at.extend(objects.iter().map(|object| (*object, std::time::Instant::now())));
        }
        self.create_run(purpose, &objects).await
    }

    /// Whether fields of the object are read that change without a stamp.
    pub(crate) async fn has_unstamped(&mut self, object: Object) -> Result<bool, TurnError> {
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        let list = field_list::current(&mut tx, self.workspace.id, object).await?;
        tx.commit().await?;
        let Some(list) = list else { return Ok(false) };
        match self.reader.describes.schema(&self.session, object, Freshness::Minutes).await {
            Ok(schema) => Ok(list.fields.iter().any(|path| schema.is_unstamped(path))),
            // Without a describe nobody can tell: then the daily pass is the safe guess.
            Err(_) => Ok(true),
        }
    }

    /// A re-read that changed nothing is not repeated at once: the mapper may need its time.
    fn may_reread(&self, object: Object) -> bool {
        lock(&self.memory).reread_at.get(&object).is_none_or(|at| at.elapsed() >= self.reader.pace.outage * 6)
    }

    async fn plan_poll(&mut self, wanted: &[Object]) -> Result<(), TurnError> {
        let loaded: Vec<Object> = wanted
            .iter()
            .copied()
            .filter(|object| self.coverage_of(*object).is_some_and(|coverage| coverage.loaded))
            .collect();
        if !loaded.is_empty() {
            self.create_run(Purpose::Poll, &loaded).await?;
        }
        Ok(())
    }

    async fn create_run(&mut self, purpose: Purpose, objects: &[Object]) -> Result<(), TurnError> {
        let overlap = self.reader.pace.overlap;
        let works: Vec<(Object, Work)> = objects
            .iter()
            .filter_map(|object| {
                Some((*object, work_for(purpose, &self.workspace, self.coverage_of(*object), overlap)?))
            })
            .collect();
        let workspace = self.workspace.id;
        let mut tx = store::begin(&self.reader.pool, workspace).await?;
        self.check_hold(&mut tx).await?;
        let created = store::run::create(&mut tx, workspace, self.workspace.epoch, purpose, &works, None).await?;
        if purpose == Purpose::Poll {
            store::workspace::set_next_poll(&mut tx, workspace, self.workspace.poll_interval).await?;
            store::run::forget_old(&mut tx, workspace).await?;
        }
        if purpose == Purpose::Resync {
            store::workspace::set_compare_due(&mut tx, workspace, false).await?;
            self.workspace.compare_due = false;
        }
        tx.commit().await?;
        if let Creation::Created(run) = created {
            tracing::info!(lanesync.run.id = %run, lanesync.run.mode = purpose.mode_token(), purpose = purpose.token(), "run created");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use domain::{Plan, WorkspaceId};

    use super::*;

    fn workspace(start: Option<i64>) -> Workspace {
        Workspace {
            id: WorkspaceId::generate(),
            revision: 1,
            epoch: 1,
            plan: Plan::Business,
            connected: true,
            org_id: String::new(),
            start: start.map(Stamp::from_millis),
            first_sync_started: true,
            compare_due: false,
            poll_interval: Duration::from_secs(300),
            next_poll_at: None,
            wait_reason: String::new(),
            wait_until: None,
            wait_since: None,
            plan_since: None,
            org_calls_used: None,
            org_calls_limit: None,
            api_budget_percent: None,
            last_success_at: None,
        }
    }

    fn loaded(object: Object, covered_from: Option<i64>) -> Coverage {
        Coverage {
            loaded: true,
            poll_cursor: Some(Stamp::from_millis(5_000_000)),
            covered_from: covered_from.map(Stamp::from_millis),
            ..Coverage::none(object)
        }
    }

    fn pass(
        workspace: &Workspace,
        coverage: &[Coverage],
        unread: &[Object],
        unstamped: &[Object],
    ) -> Option<(Purpose, Vec<Object>)> {
        needed_pass(&Known {
            workspace,
            coverage,
            wanted: &[Object::Account, Object::Contact],
            unread,
            unstamped,
            now: DateTime::from_timestamp_millis(10_000_000).unwrap(),
            unstamped_every: Duration::from_secs(3_600),
        })
    }

    #[test]
    fn what_is_not_loaded_comes_first_and_a_paused_object_waits() {
        let workspace = workspace(None);
        let account = loaded(Object::Account, None);
        let asked_for = [account.clone(), Coverage::none(Object::Contact)];
        assert_eq!(pass(&workspace, &asked_for, &[], &[]), Some((Purpose::FirstLoad, vec![Object::Contact])));
        assert_eq!(pass(&workspace, std::slice::from_ref(&account), &[], &[]), None, "nobody asked for contacts");
        let paused = Coverage {
            loaded: false,
            retry_at: DateTime::from_timestamp_millis(10_000_001),
            ..loaded(Object::Contact, None)
        };
        assert_eq!(pass(&workspace, &[account, paused], &[], &[]), None);
    }

    #[test]
    fn rule_11_unstamped_fields_ask_for_a_pass_a_day_and_rule_03_unread_ones_at_once() {
        let workspace = workspace(None);
        let fresh = Coverage { unstamped_as_of: Some(Stamp::from_millis(9_000_000)), ..loaded(Object::Account, None) };
        let both = [fresh, loaded(Object::Contact, None)];
        let unstamped = [Object::Account, Object::Contact];
        assert_eq!(pass(&workspace, &both, &[], &unstamped), Some((Purpose::Daily, vec![Object::Contact])));
        assert_eq!(
            pass(&workspace, &both, &[Object::Account], &unstamped),
            Some((Purpose::Reread, vec![Object::Account]))
        );
    }

    #[test]
    fn rule_17_an_upgrade_compares_everything_and_rule_15_an_earlier_start_reads_its_span() {
        let both = [loaded(Object::Account, Some(2_000)), loaded(Object::Contact, Some(500))];
        let earlier = workspace(Some(1_000));
        assert_eq!(pass(&earlier, &both, &[], &[]), Some((Purpose::Span, vec![Object::Account])));
        let upgraded = Workspace { compare_due: true, ..earlier };
        assert_eq!(pass(&upgraded, &both, &[], &[]), Some((Purpose::Resync, vec![Object::Account, Object::Contact])));
    }

    #[test]
    fn a_first_load_never_gives_up_what_was_covered() {
        let at = |millis| Some(Stamp::from_millis(millis));
        assert_eq!(earlier_start(at(5), None), at(5));
        assert_eq!(earlier_start(at(5), Some(at(3))), at(3));
        assert_eq!(earlier_start(at(5), Some(None)), None);
        assert_eq!(earlier_start(None, Some(at(3))), None);
    }
}
