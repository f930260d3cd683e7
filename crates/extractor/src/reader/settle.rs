//! What became of published chunks: asked of the writer, never of the broker. A run is complete when its manifest is.

use chrono::{DateTime, Utc};
use contract::event::v1::RunEvent;
use contract::mapper::v1::MarkFieldsReadRequest;
use contract::writer::v1::{AppliedChunk, ListAppliedChunksRequest};
use contract::{common::v1::SalesforceObject, streams, subjects};
use messaging::Publication;
use prost::Message;

use super::TurnError;
use super::turn::{Turn, our_clock_after};
use crate::metrics;
use crate::run::{Phase, Purpose, Stage, Work};
use crate::store::manifest::Applied;
use crate::store::pending::Cause;
use crate::store::run::Run;
use crate::store::{self, coverage, field_list, figures, manifest, pending};
use crate::window::Scan;

/// Chunks of one answer of the writer.
const PER_ANSWER: i32 = 1_000;

impl Turn {
    /// Marks what the writer applied since the last look; returns how many chunks that were.
    pub(crate) async fn settle_applied(&mut self) -> Result<i64, TurnError> {
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        let runs = store::run::active(&mut tx, self.workspace.id).await?;
        tx.commit().await?;
        let mut news = 0;
        for run in &runs {
            news += self.settle_run(run).await?;
        }
        self.open = (self.open - news).max(0);
        Ok(news)
    }

    async fn settle_run(&self, run: &Run) -> Result<i64, TurnError> {
        let mut news = 0;
        let mut after_position = run.applied_position;
        loop {
            let request = ListAppliedChunksRequest {
                workspace_id: self.workspace.id.to_string(),
                run_id: run.id.to_string(),
                after_position,
                page_size: PER_ANSWER,
            };
            let answer = self.reader.peers.writer.clone().list_applied_chunks(request).await;
            let chunks = answer.map_err(|status| TurnError::peer("writer", status))?.into_inner().chunks;
            let Some(last) = chunks.last() else { return Ok(news) };
            after_position = last.position;
            let applied: Vec<Applied> = chunks.iter().filter_map(applied_of).collect();
            let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
            self.check_hold(&mut tx).await?;
            news += manifest::mark_applied(&mut tx, self.workspace.id, run.id, &applied, after_position).await?;
            tx.commit().await?;
        }
    }

    /// Moves a run on to its next phase, or ends it.
    pub(crate) async fn advance_run(&mut self, run: &Run) -> Result<(), TurnError> {
        let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
        let Some(run) = store::run::load(&mut tx, self.workspace.id, run.id).await? else { return Ok(()) };
        let open = manifest::open_in_run(&mut tx, self.workspace.id, run.id).await?;
        if !run.phase.is_active() {
            return Ok(());
        }
        if !run.is_read() || open > 0 {
            let phase = if run.is_read() { Phase::Applying } else { Phase::Reading };
            if phase != run.phase {
                self.check_hold(&mut tx).await?;
                store::run::set_phase(&mut tx, self.workspace.id, run.id, phase, "").await?;
            }
            tx.commit().await?;
            if run.phase == Phase::Queued {
                self.announce(&run, "running", "").await;
            }
            return self.read_overdue_again(&run, open).await;
        }
        tx.commit().await?;
        self.complete(&run).await
    }

    /// Ends a run whose every chunk is applied or parked.
    async fn complete(&mut self, run: &Run) -> Result<(), TurnError> {
        // The mapper hears of it before the run is complete in the books: said twice is harmless, not said is a hole.
        self.mark_fields_read(run).await?;
        let mut unstamped = std::collections::HashSet::new();
        for object in run.objects.iter().filter(|object| run.purpose.is_whole() && object.reason.is_empty()) {
            if self.has_unstamped(object.object).await? {
                unstamped.insert(object.object);
            }
        }
        let workspace = self.workspace.id;
        let mut tx = store::begin(&self.reader.pool, workspace).await?;
        self.check_hold(&mut tx).await?;
        let covered = coverage::list(&mut tx, workspace, self.workspace.epoch).await?;
        let done = || run.objects.iter().filter(|object| object.reason.is_empty());
        for object in done() {
            match (run.purpose, object.cursor) {
                (Purpose::FirstLoad | Purpose::Poll, Some(cursor)) => {
                    coverage::set_synced(&mut tx, workspace, object.object, cursor).await?;
                }
                (Purpose::Span, covered_from) if object.path_was_read() => {
                    coverage::extend_back(&mut tx, workspace, object.object, covered_from).await?;
                }
                _ => {}
            }
            if run.purpose.is_whole() {
                let as_of = object.cursor.filter(|_| unstamped.contains(&object.object));
                coverage::set_unstamped_as_of(&mut tx, workspace, object.object, as_of).await?;
            }
            figures::note_applied(&mut tx, workspace, object.object).await?;
        }
        let needs_look = run.purpose.sweeps()
            && covered.iter().any(|covered| covered.needs_look && run.object(covered.object).is_some());
        let given_up = run.objects.iter().filter(|object| !object.reason.is_empty()).count();
        let reason =
            run.objects.iter().map(|object| object.reason.as_str()).find(|reason| !reason.is_empty()).unwrap_or("");
        let phase = match given_up {
            _ if needs_look => Phase::NeedsLook,
            0 => Phase::Completed,
            given_up if given_up == run.objects.len() => Phase::Failed,
            _ => Phase::Completed,
        };
        store::run::set_phase(&mut tx, workspace, run.id, phase, reason).await?;
        if phase == Phase::Completed && given_up == 0 {
            store::workspace::note_success(&mut tx, workspace).await?;
        }
        tx.commit().await?;
        self.ended(run, phase, reason).await;
        Ok(())
    }

    /// Tells metrics, logs and listeners that a run ended.
    pub(crate) async fn ended(&self, run: &Run, phase: Phase, reason: &str) {
        let outcome = match phase {
            Phase::Completed if reason.is_empty() => "succeeded",
            Phase::Completed | Phase::NeedsLook => "partial",
            Phase::Cancelled => "cancelled",
            _ => "failed",
        };
        let took = (our_clock_after(std::time::Duration::ZERO) - run.started_at).to_std().unwrap_or_default();
        metrics::run_ended(run.purpose.mode_token(), outcome, took);
        let read: i64 = run.objects.iter().map(|object| object.read).sum();
        tracing::info!(
            lanesync.run.id = %run.id,
            lanesync.run.mode = run.purpose.mode_token(),
            lanesync.outcome = outcome,
            lanesync.reason = reason,
            records = read,
            "run ended"
        );
        self.announce(run, phase.token(), reason).await;
    }

    async fn mark_fields_read(&self, run: &Run) -> Result<(), TurnError> {
        if !run.purpose.is_whole() {
            return Ok(());
        }
        for object in run.objects.iter().filter(|object| object.reason.is_empty()) {
            let (Some(since), Some(list)) = (object.first_read_seq, object.field_list_version) else { continue };
            let mut tx = store::begin(&self.reader.pool, self.workspace.id).await?;
            let fields = field_list::carried_since(&mut tx, self.workspace.id, object.object, list).await?;
            tx.commit().await?;
            let request = MarkFieldsReadRequest {
                workspace_id: self.workspace.id.to_string(),
                object: SalesforceObject::from(object.object).into(),
                fields: fields.iter().map(ToString::to_string).collect(),
                since_read_seq: since,
                field_list_version: list,
            };
            let answer = self.reader.peers.plans.clone().mark_fields_read(request).await;
            answer.map_err(|status| TurnError::peer("mapper", status))?;
        }
        Ok(())
    }

    /// Reads the records of overdue chunks again, whatever the broker's counters say.
    async fn read_overdue_again(&mut self, run: &Run, open: i64) -> Result<(), TurnError> {
        if open == 0 {
            return Ok(());
        }
        let overdue: DateTime<Utc> = our_clock_after(std::time::Duration::ZERO) - self.reader.pace.overdue;
        let workspace = self.workspace.id;
        let mut tx = store::begin(&self.reader.pool, workspace).await?;
        let stuck = manifest::stuck(&mut tx, workspace, run.id, overdue).await?;
        // While chunks wait at the broker nothing is lost, only late: reading again would make it later.
        if stuck.is_empty() || !self.queue_is_empty().await {
            return Ok(());
        }
        self.check_hold(&mut tx).await?;
        let again_before = manifest::read_again(&mut tx, workspace, run.id).await?;
        for chunk in &stuck {
            pending::add(&mut tx, workspace, run.id, chunk.object, Cause::Again, &chunk.ids).await?;
            let work = Work { stage: Stage::ById, ..Work::begin(Purpose::Refetch, Scan::default()) };
            store::run::ensure_work(&mut tx, workspace, run.id, chunk.object, &work).await?;
            manifest::replace(&mut tx, workspace, run.id, chunk).await?;
        }
        tx.commit().await?;
        let chunks = u64::try_from(stuck.len()).unwrap_or(0);
        self.open = (self.open - i64::try_from(chunks).unwrap_or(0)).max(0);
        metrics::read_again(chunks);
        if again_before > 0 {
            tracing::error!(lanesync.run.id = %run.id, chunks, "chunks never reached the writer, again");
        } else {
            tracing::warn!(lanesync.run.id = %run.id, chunks, "chunks never reached the writer; reading their records again");
        }
        Ok(())
    }

    /// Whether every raw chunk was taken from the broker. Its counters decide nothing but this wait.
    async fn queue_is_empty(&self) -> bool {
        match self.reader.bus.context().get_stream(streams::RAW.name).await {
            Ok(stream) => stream.cached_info().state.messages == 0,
            Err(_) => false,
        }
    }

    /// Tells listeners where a run stands. Losing one only delays what they show.
    async fn announce(&self, run: &Run, phase: &str, reason: &str) {
        let event = RunEvent {
            workspace_id: self.workspace.id.to_string(),
            run_id: run.id.to_string(),
            phase: phase.to_owned(),
            reason: reason.to_owned(),
        };
        let publication = Publication {
            subject: subjects::run(self.workspace.id),
            template: subjects::template::RUN,
            stream: streams::EVENTS.name,
            message_type: "lanesync.event.v1.RunEvent",
            message_id: None,
            run_id: Some(run.id.to_string()),
            workspace_id: self.workspace.id.to_string(),
            captured_at: None,
            body: event.encode_to_vec(),
            compressed: false,
        };
        if let Err(error) = self.reader.bus.publish(publication).await {
            tracing::debug!(error = %error, "a run event was not stored");
        }
    }
}

fn applied_of(chunk: &AppliedChunk) -> Option<Applied> {
    Some(Applied {
        object: contract::convert::object(chunk.object).ok()?,
        page: i32::try_from(chunk.page).ok()?,
        chunk: i32::try_from(chunk.chunk).ok()?,
        read_seq: chunk.read_seq,
        mapped: chunk.mapped,
        written: chunk.written,
        parked: chunk.parked,
    })
}

impl store::run::RunObject {
    /// Whether the object went through its own stages, and was not only read for others.
    fn path_was_read(&self) -> bool {
        self.field_list_version.is_some() || self.expected.is_some()
    }
}
