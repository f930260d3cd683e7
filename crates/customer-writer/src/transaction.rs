//! One transaction that applies chunks of one workspace: all of their effects and their place in the books, or nothing.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Instant;

use contract::event::v1::RunMode;
use domain::{Kind, Object, SalesforceId, SourceVersion, WorkspaceId};
use jiff::Timestamp;
use sqlx::{PgConnection, PgPool};
use tracing::Instrument as _;
use tracing::field::Empty;

use crate::chunk::Chunk;
use crate::metrics::{self, Outcomes};
use crate::record::{Content, Existence, Fault, Record};
use crate::refused::Refused;
use crate::store::applied::{self, Change, Tally};
use crate::store::gone::{self, GoneRecord, Marked};
use crate::store::group;
use crate::store::history::Hour;
use crate::store::late;
use crate::store::live::{self, LiveRecord, Upserted};
use crate::store::parked::{self, Parking};
use crate::store::workspace::{self, Workspace};

/// A chunk with those of its records that are to be written, and those that are to be parked.
#[derive(Clone, Debug)]
pub(crate) struct Job<'a> {
    pub(crate) chunk: &'a Chunk,
    pub(crate) records: Vec<&'a Record>,
    pub(crate) faults: Vec<Fault>,
}

impl<'a> Job<'a> {
    /// All of a chunk.
    pub(crate) fn whole(chunk: &'a Chunk) -> Self {
        Self { chunk, records: chunk.records.iter().collect(), faults: chunk.faults.clone() }
    }
}

/// What the epoch and the mapping in force make of a chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    /// Its records are written.
    Apply,
    /// A newer mapping is in force: the replay brings its records again.
    Superseded,
    /// Its connection has ended.
    Closed,
    /// Its connection is newer than what we were told: it comes again later.
    Early,
}

/// Decides what becomes of a chunk.
fn fate(chunk: &Chunk, known: &Workspace) -> Fate {
    if chunk.epoch > known.epoch {
        Fate::Early
    } else if chunk.epoch < known.epoch || !known.connected {
        Fate::Closed
    } else if chunk.mapping_version < known.mapping_version {
        Fate::Superseded
    } else {
        Fate::Apply
    }
}

/// How the attempt ended.
#[derive(Debug)]
pub(crate) enum Step {
    /// Committed, or rolled back if that was wished.
    Done(Report),
    /// Nobody told us of the workspace yet.
    UnknownWorkspace,
    /// A chunk carries a newer mapping: it must be put in force first.
    NewerMapping(usize),
    /// Aliases are concerned: the workspace must be held alone.
    Alone,
}

/// What was done.
#[derive(Debug, Default)]
pub(crate) struct Report {
    /// One for each job.
    pub(crate) fates: Vec<Fate>,
    /// By object.
    pub(crate) outcomes: BTreeMap<Object, Outcomes>,
    /// Records parked, by code.
    pub(crate) parked: BTreeMap<String, u64>,
    /// Whether the change feed grew.
    pub(crate) has_changes: bool,
}

/// How to go about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Manner {
    /// Hold the workspace alone.
    pub(crate) alone: bool,
    /// Commit; otherwise only find out whether it would work.
    pub(crate) commit: bool,
}

/// Applies jobs of one workspace in one transaction.
pub(crate) async fn transact(
    pool: &PgPool,
    workspace: WorkspaceId,
    jobs: &[Job<'_>],
    manner: Manner,
) -> Result<Step, sqlx::Error> {
    let mut transaction = pool.begin().await?;
    let conn = &mut *transaction;
    workspace::enter(conn, workspace).await?;
    let known = match manner.alone {
        true => workspace::hold_alone(conn, workspace).await?,
        false => workspace::hold(conn, workspace).await?,
    };
    let Some(known) = known else { return Ok(Step::UnknownWorkspace) };
    let fates: Vec<_> = jobs.iter().map(|job| fate(job.chunk, &known)).collect();
    let newer = jobs
        .iter()
        .zip(&fates)
        .enumerate()
        .filter(|(_, (job, fate))| **fate == Fate::Apply && job.chunk.mapping_version > known.mapping_version)
        .max_by_key(|(_, (job, _))| job.chunk.mapping_version);
    if let Some((place, _)) = newer {
        return Ok(Step::NewerMapping(place));
    }

    let refused = Refused::among(conn, workspace, &known, jobs).await?;
    if refused.needs_the_workspace_alone() && !manner.alone {
        return Ok(Step::Alone);
    }
    let allowed: Vec<_>;
    let jobs = match refused.is_empty() {
        true => jobs,
        false => {
            allowed = jobs.iter().map(|job| refused.spare(job)).collect();
            &allowed
        }
    };

    let active: Vec<_> =
        jobs.iter().zip(&fates).filter(|(_, fate)| **fate == Fate::Apply).map(|(job, _)| job).collect();
    let batch = Batch::of(&active);
    if !manner.alone && batch.concerns_aliases(conn, workspace).await? {
        return Ok(Step::Alone);
    }
    // Who leaves a group looks as if it had never been in one once it is written, so this is asked before.
    let aliased = match manner.alone {
        true => batch.aliased(conn, workspace).await?,
        false => HashMap::new(),
    };
    let mut report = Report::default();
    let options = pool.connect_options();
    let namespace = format!("{}|customers", options.get_database().unwrap_or_default());
    let mut changes = batch.write(conn, workspace, &namespace, &mut report).await?;
    changes.extend(refused.erase_followers(conn, workspace).await?);
    if manner.alone {
        batch.regroup(conn, workspace, &known, aliased, &mut changes).await?;
    }
    settle_parked(conn, workspace, &known, jobs, &fates, &mut report).await?;

    let booked: Vec<_> = jobs
        .iter()
        .zip(&fates)
        .filter(|(_, fate)| **fate != Fate::Early)
        .map(|(job, fate)| (job.chunk, tally(job, *fate)))
        .collect();
    if known.has_failures {
        for (chunk, _) in &booked {
            parked::forget_failures(conn, workspace, &chunk.name()).await?;
        }
    }
    if !booked.is_empty() {
        applied::book(conn, workspace, &booked, &changes, &hour(jobs, &fates, &report)).await?;
    }
    if manner.commit {
        transaction.commit().await?;
    } else {
        transaction.rollback().await?;
    }
    report.fates = fates;
    report.has_changes = !changes.is_empty();
    Ok(Step::Done(report))
}

fn tally(job: &Job<'_>, fate: Fate) -> Tally {
    let count = |length: usize| i64::try_from(length).unwrap_or(i64::MAX);
    let mapped = count(job.chunk.records.len());
    match fate {
        Fate::Apply => Tally { mapped, written: count(job.records.len()), parked: count(job.faults.len()) },
        Fate::Superseded => Tally { mapped, written: 0, parked: count(parked_when_superseded(job).count()) },
        Fate::Closed | Fate::Early => Tally { mapped, written: 0, parked: 0 },
    }
}

/// Returns what the hour's counts gain: what became of records, and how old the changes were that a poll brought.
fn hour(jobs: &[Job<'_>], fates: &[Fate], report: &Report) -> Hour {
    let mut hour = Hour::default();
    report.outcomes.values().for_each(|outcomes| hour.add(outcomes));
    let now_ms = Timestamp::now().as_millisecond();
    let polled = |(job, fate): &(&Job<'_>, &Fate)| **fate == Fate::Apply && job.chunk.mode == RunMode::Incremental;
    for (job, _) in jobs.iter().zip(fates).filter(polled) {
        for record in job.records.iter().filter(|record| record.modified_ms > 0) {
            if matches!(record.content, Content::Live(_)) {
                hour.note_age(now_ms.saturating_sub(record.modified_ms));
            }
        }
    }
    hour
}

/// A replay brings records again that failed under an older mapping, but not a chunk that could not be read at all.
fn parked_when_superseded<'j>(job: &'j Job<'_>) -> impl Iterator<Item = &'j Fault> {
    job.faults.iter().filter(|fault| fault.key.is_none())
}

/// The newest live image and the newest other news of each key, by object.
#[derive(Default)]
struct Batch<'a> {
    live: BTreeMap<Object, BTreeMap<&'a str, LiveRecord<'a>>>,
    gone: BTreeMap<Object, BTreeMap<&'a str, GoneRecord<'a>>>,
    records: BTreeMap<Object, u64>,
}

impl<'a> Batch<'a> {
    /// Reduces each key to its newest: Postgres refuses to write a row twice in one statement.
    fn of(jobs: &[&Job<'a>]) -> Self {
        let mut batch = Self::default();
        for job in jobs {
            let (run, trace) = (job.chunk.run.0, job.chunk.trace_id.as_deref());
            for record in job.records.iter().copied() {
                let key = record.key.as_str();
                *batch.records.entry(record.object).or_default() += 1;
                match &record.content {
                    Content::Live(image) => {
                        let new = LiveRecord { record, image, run, trace };
                        let newest = batch.live.entry(record.object).or_default().entry(key).or_insert(new);
                        if newest.record.version < record.version {
                            *newest = new;
                        }
                    }
                    Content::Gone { existence, target } => {
                        let target = target.as_ref().map(SalesforceId::as_str);
                        let new = GoneRecord { record, existence: *existence, target, run, trace };
                        let newest = batch.gone.entry(record.object).or_default().entry(key).or_insert(new);
                        if newest.record.version < record.version {
                            *newest = new;
                        }
                    }
                }
            }
        }
        batch
    }

    fn keys(&self, kind: Kind) -> Vec<&'a str> {
        let objects = kind.objects().iter();
        objects
            .flat_map(|object| {
                let live = self.live.get(object).into_iter().flat_map(BTreeMap::keys);
                live.chain(self.gone.get(object).into_iter().flat_map(BTreeMap::keys))
            })
            .copied()
            .collect()
    }

    async fn concerns_aliases(&self, conn: &mut PgConnection, workspace: WorkspaceId) -> Result<bool, sqlx::Error> {
        let makes_aliases = self
            .gone
            .values()
            .flat_map(BTreeMap::values)
            .any(|one| matches!(one.existence, Existence::Merged | Existence::Converted));
        if makes_aliases {
            return Ok(true);
        }
        Ok(!self.aliased(conn, workspace).await?.is_empty())
    }

    /// Returns those of the keys that take part in an alias, by kind; no kind without any.
    async fn aliased(
        &self,
        conn: &mut PgConnection,
        workspace: WorkspaceId,
    ) -> Result<HashMap<Kind, Vec<String>>, sqlx::Error> {
        let mut aliased = HashMap::new();
        for kind in Kind::ALL {
            let keys = self.keys(kind);
            if keys.is_empty() {
                continue;
            }
            let grouped = group::grouped(conn, kind, workspace, &keys).await?;
            if !grouped.is_empty() {
                aliased.insert(kind, grouped);
            }
        }
        Ok(aliased)
    }

    /// Writes rows; returns what the change feed must tell.
    async fn write(
        &self,
        conn: &mut PgConnection,
        workspace: WorkspaceId,
        namespace: &str,
        report: &mut Report,
    ) -> Result<Vec<Change>, sqlx::Error> {
        let mut changes = Vec::new();
        for object in Object::ALL {
            let (mut upserted, mut marked) = (Upserted::default(), Marked::default());
            if let Some(records) = self.live.get(&object) {
                let records: Vec<_> = records.values().copied().collect();
                upserted = write_live(conn, workspace, namespace, object, &records).await?;
            }
            if let Some(records) = self.gone.get(&object) {
                let records: Vec<_> = records.values().copied().collect();
                marked = match object.kind() {
                    Kind::Account => gone::mark_customers(conn, workspace, &records).await?,
                    Kind::Contact => gone::mark_contacts(conn, workspace, &records).await?,
                };
            }
            let Some(records) = self.records.get(&object) else { continue };
            let outcomes = report.outcomes.entry(object).or_default();
            outcomes.created += upserted.created;
            outcomes.updated += upserted.updated + marked.updated;
            outcomes.unchanged += upserted.unchanged + marked.unchanged;
            outcomes.deleted += marked.deleted;
            outcomes.stale += records.saturating_sub(upserted.total() + marked.total());
            if object == Object::Account {
                let news = upserted.changes.into_iter().chain(marked.changes);
                changes.extend(news.map(|(customer, bits)| Change { customer, bits, continued_by: None }));
            }
        }
        Ok(changes)
    }

    async fn regroup(
        &self,
        conn: &mut PgConnection,
        workspace: WorkspaceId,
        known: &Workspace,
        mut aliased: HashMap<Kind, Vec<String>>,
        changes: &mut Vec<Change>,
    ) -> Result<(), sqlx::Error> {
        for kind in Kind::ALL {
            let keys = self.keys(kind);
            if keys.is_empty() {
                continue;
            }
            let mut seeds: BTreeSet<String> = group::grouped(conn, kind, workspace, &keys).await?.into_iter().collect();
            let targets = kind.objects().iter().filter_map(|object| self.gone.get(object)).flat_map(BTreeMap::values);
            seeds.extend(targets.filter_map(|one| one.target).map(str::to_owned));
            seeds.extend(aliased.remove(&kind).unwrap_or_default());
            if !seeds.is_empty() {
                let regrouped = group::regroup(conn, kind, workspace, seeds, known.locks()).await?;
                changes.retain(|change| !regrouped.never_seen.contains(&change.customer));
                changes.extend(regrouped.changes);
            }
        }
        Ok(())
    }
}

async fn write_live(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    namespace: &str,
    object: Object,
    records: &[LiveRecord<'_>],
) -> Result<Upserted, sqlx::Error> {
    let table = match object.kind() {
        Kind::Account => "customer",
        Kind::Contact => "contact",
    };
    let span = tracing::info_span!(
        "upsert",
        otel.name = format!("BATCH UPSERT {table}"),
        otel.kind = "client",
        otel.status_code = Empty,
        error.type = Empty,
        db.system.name = "postgresql",
        db.namespace = namespace,
        db.collection.name = table,
        db.operation.name = "BATCH UPSERT",
        db.operation.batch.size = records.len() as u64,
        db.query.summary = format!("BATCH UPSERT {table}"),
        db.response.status_code = Empty,
    );
    let begun = Instant::now();
    let upsert = async {
        match object.kind() {
            Kind::Account => live::upsert_customers(conn, workspace, records).await,
            Kind::Contact => live::upsert_contacts(conn, workspace, records).await,
        }
    };
    let upserted = upsert.instrument(span.clone()).await.inspect_err(|error| {
        let state = error.as_database_error().and_then(|error| error.code());
        span.record("otel.status_code", "ERROR");
        span.record("error.type", state.as_deref().unwrap_or("connection"));
        span.record("db.response.status_code", state.as_deref());
    })?;
    metrics::upserted(table, begun.elapsed());
    if upserted.total() < records.len() as u64 {
        match object.kind() {
            Kind::Account => late::complete_customers(conn, workspace, records).await?,
            Kind::Contact => late::complete_contacts(conn, workspace, records).await?,
        }
    }
    Ok(upserted)
}

/// Clears parked rows that are older than what was applied, then parks what could not be.
async fn settle_parked(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    known: &Workspace,
    jobs: &[Job<'_>],
    fates: &[Fate],
    report: &mut Report,
) -> Result<(), sqlx::Error> {
    if known.has_parked {
        let applied = || jobs.iter().zip(fates).filter(|(_, fate)| **fate == Fate::Apply).map(|(job, _)| job);
        let records: Vec<_> = applied().flat_map(|job| job.records.iter().copied()).collect();
        parked::clear_records(conn, workspace, &records).await?;
        for job in applied() {
            let chunk = job.chunk;
            parked::clear_chunk(conn, workspace, chunk.object, &chunk.place(), chunk.read_seq).await?;
        }
    }
    let mut parking = Vec::new();
    for (job, fate) in jobs.iter().zip(fates) {
        match fate {
            Fate::Apply => parking.extend(job.faults.iter().map(|fault| parking_of(job.chunk, fault))),
            Fate::Superseded => {
                parking.extend(parked_when_superseded(job).map(|fault| parking_of(job.chunk, fault)));
            }
            Fate::Closed | Fate::Early => {}
        }
    }
    if parking.is_empty() {
        return Ok(());
    }
    for one in &parking {
        *report.parked.entry(one.code.clone()).or_default() += 1;
        report.outcomes.entry(one.object).or_default().rejected += 1;
    }
    parked::park(conn, workspace, &parking).await
}

fn parking_of(chunk: &Chunk, fault: &Fault) -> Parking {
    let salesforce_id = fault.key.as_ref().map(|key| key.as_str().to_owned());
    Parking {
        object: chunk.object,
        key: salesforce_id.clone().unwrap_or_else(|| chunk.place()),
        salesforce_id,
        code: fault.code.clone(),
        field: fault.field.clone(),
        run: chunk.run.0,
        version: SourceVersion {
            epoch: chunk.epoch,
            read_seq: fault.read_seq.unwrap_or(chunk.read_seq),
            mapping_version: chunk.mapping_version,
            revision: 0,
        },
        takes_read_of_row: fault.read_seq.is_none() && fault.key.is_some() && chunk.mode == RunMode::Replay,
    }
}
