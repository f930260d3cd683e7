//! One record: how it would look under a mapping that is not saved, and why a field of it is what it is.

use contract::common::v1 as common;
use contract::convert::{self, InvalidField};
use contract::event::v1::IdentityState;
use contract::mapper::v1 as wire;
use contract::writer::v1::{FieldValue, ListStandingValuesRequest, StandingRecord};
use domain::{CurrencyCode, Object, SalesforceId, Value, WorkspaceId};
use mapping::{Cell, Compiled, Entry, LastKnown, Mapped, raw};
use sqlx::PgConnection;
use tonic::Status;

use crate::lists::Lists;
use crate::reads;
use crate::rules::Rules;
use crate::source::{self, Stored};
use crate::store::{self, StoreError, Workspace};
use crate::times::to_wire_time;
use crate::{Mapper, refusal};

/// A record as the store holds it, with the fields that its read asked for.
pub(crate) struct Held {
    pub(crate) stored: Stored,
    pub(crate) fields: std::sync::Arc<[String]>,
}

impl Held {
    fn was_read(&self, path: &str) -> bool {
        self.fields.iter().any(|field| field == path)
    }

    /// Maps the image as intake and replay do.
    pub(crate) fn map(&self, compiled: &Compiled) -> Mapped<'_> {
        let image = &self.stored.image;
        let currency: Option<CurrencyCode> = image.currency.as_deref().and_then(|code| code.parse().ok());
        let mut mapped = compiled.reader(self.fields.iter().map(String::as_str), currency).map(&image.text);
        self.stored.carry.complete(compiled, &mut mapped);
        mapped
    }
}

/// Reads the id of a record and what it is a record of.
fn named(text: &str) -> Result<(SalesforceId, Object), InvalidField> {
    let id = convert::salesforce_id("salesforce_id", text)?;
    let object = Object::ALL.into_iter().find(|object| object.id_prefix() == id.prefix());
    let not_ours = InvalidField { field: "salesforce_id", problem: "is not of an account, contact or lead" };
    Ok((id, object.ok_or(not_ours)?))
}

impl Mapper {
    /// Returns records of an object that the store holds, by id.
    pub(crate) async fn held(
        &self,
        conn: &mut PgConnection,
        known: &Workspace,
        object: Object,
        ids: &[&str],
    ) -> Result<Vec<Held>, StoreError> {
        let rows = source::find(conn, known.id, object, known.epoch, ids).await?;
        let mut lists = Lists::new();
        let versions = rows.iter().map(|row| row.image.field_list_version);
        self.lists.complete(conn, (known.id, known.epoch, object), &mut lists, versions).await?;
        let held = rows.into_iter().map(|stored| {
            let fields = lists.get(&stored.image.field_list_version).cloned().unwrap_or_default();
            Held { stored, fields }
        });
        Ok(held.collect())
    }

    pub(crate) async fn preview_record(
        &self,
        request: wire::PreviewRecordRequest,
    ) -> Result<wire::RecordPreview, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let (id, object) = named(&request.salesforce_id)?;
        let proposal = self.proposal(workspace, object.kind(), request.entries).await?;
        let mut tx = self.snapshot(workspace).await?;
        let held = self.held(&mut tx, &proposal.known, object, &[id.as_str()]).await?;
        drop(tx);
        let held = held.into_iter().next().ok_or_else(|| refusal::no_such("record"))?;
        let (old, new) = (&proposal.old, proposal.rules());
        let fields = both(old, &new, object);
        let standing = self.standing(workspace, object, &fields, &id).await?;
        let (state, target) = held.stored.image.identity();
        let (before, after) = (old.compiled(object), new.compiled(object));
        let mapped = held.map(after);
        let fields = fields.iter().map(|field| {
            let now = standing.as_ref().and_then(|row| row.fields.iter().find(|one| one.field == *field));
            field_preview(&held, field, (before, after), &mapped, now, state == IdentityState::Live)
        });
        Ok(wire::RecordPreview {
            object: common::SalesforceObject::from(object).into(),
            id: id.as_str().to_owned(),
            state: wire_state(state).into(),
            target_id: target.to_owned(),
            fields: fields.collect(),
            lane_id: standing.map(|row| row.lane_id).unwrap_or_default(),
        })
    }

    /// Asks the writer what stands in the row of one record; `None` when it has none.
    async fn standing(
        &self,
        workspace: WorkspaceId,
        object: Object,
        fields: &[String],
        id: &SalesforceId,
    ) -> Result<Option<StandingRecord>, Status> {
        if fields.is_empty() {
            return Ok(None);
        }
        let request = ListStandingValuesRequest {
            workspace_id: workspace.to_string(),
            object: common::SalesforceObject::from(object).into(),
            fields: fields.to_vec(),
            ids: vec![id.as_str().to_owned()],
            ..ListStandingValuesRequest::default()
        };
        let answer = self.standing.clone().list_standing_values(request).await.map_err(refusal::of_peer)?;
        Ok(answer.into_inner().records.into_iter().next())
    }

    pub(crate) async fn field_story(&self, request: wire::GetFieldStoryRequest) -> Result<wire::FieldStory, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let (id, object) = named(&request.salesforce_id)?;
        let mut tx = self.snapshot(workspace).await?;
        let known = store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let rules = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        if rules.kind(object.kind()).field(&request.lane_field).is_none() {
            return Err(InvalidField { field: "lane_field", problem: "is no field of this kind" }.into());
        }
        let held = self.held(&mut tx, &known, object, &[id.as_str()]).await?;
        let held = held.into_iter().next().ok_or_else(|| refusal::no_such("record"))?;
        let read = reads::find(&mut tx, workspace, held.stored.image.read_seq).await?;
        let (state, target) = held.stored.image.identity();
        let told = tell(&rules, object, &held, &request.lane_field);
        let modified = held.stored.image.modified_ms;
        Ok(wire::FieldStory {
            object: common::SalesforceObject::from(object).into(),
            id: id.as_str().to_owned(),
            state: wire_state(state).into(),
            target_id: target.to_owned(),
            lane_field: request.lane_field,
            salesforce_field: told.path,
            raw: told.raw,
            end: told.end.into(),
            value: told.value.as_ref().map(common::Value::from),
            converted: told.converted,
            mapped_value: told.mapped_value,
            fault: told.fault,
            read_time: read.map(|read| to_wire_time(read.at)),
            run_id: read.map(|read| read.run.to_string()).unwrap_or_default(),
            read_seq: held.stored.image.read_seq,
            modify_time: chrono::DateTime::from_timestamp_millis(modified).filter(|_| modified > 0).map(to_wire_time),
            mapping_version: held.stored.stamp,
            mapping_version_in_force: known.mapping_version,
        })
    }
}

fn wire_state(state: IdentityState) -> wire::RecordState {
    match state {
        IdentityState::Live | IdentityState::Unspecified => wire::RecordState::Live,
        IdentityState::Deleted => wire::RecordState::Deleted,
        IdentityState::Merged => wire::RecordState::Merged,
        IdentityState::Converted => wire::RecordState::Converted,
        IdentityState::NotVisible => wire::RecordState::NotVisible,
    }
}

/// Returns the Lane fields that either mapping feeds, in the order of the catalogue.
fn both(old: &Rules, new: &Rules, object: Object) -> Vec<String> {
    let (old, new) = (old.kind(object.kind()), new.kind(object.kind()));
    let is_fed = |id: &str| old.entry(id).is_some() || new.entry(id).is_some();
    new.fields.iter().map(|field| field.id.as_str()).filter(|id| is_fed(id)).map(str::to_owned).collect()
}

fn entry_of<'c>(compiled: &'c Compiled, field: &str) -> Option<(usize, &'c Entry)> {
    compiled.entries().iter().enumerate().find(|(_, entry)| entry.field.as_str() == field)
}

fn raw_of(held: &Held, path: &str) -> Option<String> {
    raw(&held.stored.image.text, path).filter(|raw| *raw != "null").map(str::to_owned)
}

fn field_preview(
    held: &Held,
    field: &str,
    (before, after): (&Compiled, &Compiled),
    mapped: &Mapped<'_>,
    now: Option<&FieldValue>,
    is_live: bool,
) -> wire::FieldPreview {
    let path = |compiled: &Compiled| {
        let entry = entry_of(compiled, field).and_then(|(_, entry)| entry.source(compiled.object()));
        entry.map(|path| path.as_str().to_owned()).unwrap_or_default()
    };
    let (path_now, path_after) = (path(before), path(after));
    let shown = if path_after.is_empty() { &path_now } else { &path_after };
    let standing = now.and_then(|now| now.value.clone());
    let cell = entry_of(after, field).and_then(|(place, _)| mapped.cells.get(place));
    let writes = is_live && mapped.faults.is_empty();
    let value = match cell.filter(|_| writes).and_then(outcome) {
        Some(outcome) => outcome.as_ref().map(common::Value::from),
        None => standing.clone(),
    };
    // A fault of the whole record is everybody's.
    let fault =
        mapped.faults.iter().find(|fault| fault.field == path_after || fault.field == field || fault.field.is_empty());
    wire::FieldPreview {
        lane_field: field.to_owned(),
        raw: raw_of(held, shown),
        was_read: held.was_read(shown),
        now: standing,
        after: value,
        locked_now: entry_of(before, field).is_some(),
        locked_after: entry_of(after, field).is_some(),
        unmapped_after: writes && matches!(cell, Some(Cell::Unmapped(_))),
        fault: fault.map(|fault| fault.code.as_str().to_owned()).unwrap_or_default(),
        salesforce_field_now: path_now,
        salesforce_field_after: path_after,
    }
}

/// Returns what a cell leaves in the Lane field: a value, or nothing; `None` when what is there stays.
pub(crate) fn outcome(cell: &Cell) -> Option<Option<Value>> {
    match cell {
        Cell::Set(value) => Some(Some(value.clone())),
        Cell::Unmapped(LastKnown::Option(option)) => Some(Some(Value::Option(option.clone()))),
        Cell::Clear | Cell::Unmapped(LastKnown::Empty) => Some(None),
        Cell::Unmapped(LastKnown::Unknown) | Cell::Absent => None,
    }
}

/// The part of a story that the mapping decides.
struct Told {
    path: String,
    raw: Option<String>,
    end: wire::StoryEnd,
    value: Option<Value>,
    converted: bool,
    mapped_value: String,
    fault: String,
}

fn tell(rules: &Rules, object: Object, held: &Held, field: &str) -> Told {
    use wire::StoryEnd as End;
    let compiled = rules.compiled(object);
    let mut told = Told {
        path: String::new(),
        raw: None,
        end: End::NotFed,
        value: None,
        converted: false,
        mapped_value: String::new(),
        fault: String::new(),
    };
    let fed = entry_of(compiled, field);
    let source = fed.and_then(|(place, entry)| Some((place, entry, entry.source(object)?)));
    if let Some((_, _, path)) = source {
        path.as_str().clone_into(&mut told.path);
        told.raw = raw_of(held, path.as_str());
    }
    if !held.stored.image.is_live() {
        told.end = End::NotLive;
        return told;
    }
    let Some((place, _, path)) = source else { return told };
    told.converted = rules.kind(object.kind()).sources.get(place).is_some_and(|source| source.converts);
    if !held.was_read(path.as_str()) {
        told.end = End::NotRead;
        return told;
    }
    let mapped = held.map(compiled);
    if let Some(fault) = mapped.faults.first() {
        told.end = End::Faulty;
        fault.code.as_str().clone_into(&mut told.fault);
        return told;
    }
    let cell = mapped.cells.get(place);
    told.value = cell.and_then(outcome).flatten();
    let seen = mapped.options.iter().find(|seen| seen.cell == place);
    told.end = match (seen, cell) {
        (Some(seen), _) if seen.values.is_empty() => End::Empty,
        (Some(seen), _) => {
            let decisive = seen.mapped.or_else(|| {
                let is_open = |value: &&str| rules.kind(object.kind()).is_undecided(field, value);
                let values: Vec<&str> = seen.values.iter().map(AsRef::as_ref).collect();
                values.iter().position(is_open).or(Some(0))
            });
            told.mapped_value =
                decisive.and_then(|place| seen.values.get(place)).map(|value| value.to_string()).unwrap_or_default();
            match (seen.mapped, seen.has_open) {
                (Some(_), _) => End::Mapped,
                (None, true) => End::Unmapped,
                (None, false) => End::Ignored,
            }
        }
        (None, Some(Cell::Clear)) => End::Empty,
        (None, _) => End::Taken,
    };
    told
}
