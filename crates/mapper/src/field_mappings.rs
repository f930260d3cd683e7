//! Field mappings: read, suggest, check, preview, save.

use std::sync::Arc;

use contract::common::v1 as common;
use contract::convert;
use contract::mapper::v1 as wire;
use domain::{FieldType, Kind, Object, WorkspaceId};
use mapping::{
    CheckedEntry, Entry, Fit, KindMapping, ObjectSchema, Problem, RequestedEntry, Violation, check_entries,
    suggest_fields,
};
use sqlx::PgConnection;
use tonic::Status;

use crate::rules::{self, Decisions, EntrySource, KindRules, Rules};
use crate::saving::{Change, Rows};
use crate::store::{self, StoreError, Workspace};
use crate::times::to_wire_time;
use crate::{Mapper, refusal};

/// When and under which version a kind's mapping was saved.
#[derive(Clone, Debug, Default)]
struct Saved {
    version: i64,
    at: Option<chrono::DateTime<chrono::Utc>>,
}

impl Saved {
    fn etag(&self) -> String {
        format!("v{}", self.version)
    }
}

/// A mapping of a kind that somebody thinks of saving.
pub(crate) struct Proposal {
    pub(crate) known: Workspace,
    pub(crate) kind: Kind,
    pub(crate) old: Arc<Rules>,
    changed: KindRules,
}

impl Proposal {
    /// Returns the rules as saving would make them.
    pub(crate) fn rules(&self) -> Rules {
        self.old.with(self.known.mapping_version + 1, self.changed.clone())
    }
}

impl Mapper {
    /// Checks a mapping as a save does, and saves nothing; no entries mean the mapping in force.
    pub(crate) async fn proposal(
        &self,
        workspace: WorkspaceId,
        kind: Kind,
        entries: Vec<wire::FieldMappingEntry>,
    ) -> Result<Proposal, Status> {
        let requested = requested(entries);
        let mut tx = self.snapshot(workspace).await?;
        let known = store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let old = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let decisions = rules::load_decisions(&mut tx, workspace, kind).await?;
        drop(tx);
        let changed = if requested.is_empty() {
            old.kind(kind).clone()
        } else if only_unmaps(old.kind(kind), &requested) {
            reduced(old.kind(kind), &requested)?
        } else {
            let schemas = self.schemas_for_saving(&known, kind).await?;
            checked(&known, old.kind(kind), &schemas, &requested, decisions)?
        };
        Ok(Proposal { known, kind, old, changed })
    }

    /// Returns the describes that a save needs, if the workspace may save.
    pub(crate) async fn schemas_for_saving(&self, known: &Workspace, kind: Kind) -> Result<Vec<ObjectSchema>, Status> {
        if !known.plan.includes_salesforce() {
            return Err(refusal::plan_required());
        }
        if !known.connected {
            return Err(refusal::not_connected());
        }
        self.describe_kind(known.id, kind).await
    }

    pub(crate) async fn get_field_mapping(
        &self,
        request: wire::GetFieldMappingRequest,
    ) -> Result<wire::FieldMapping, Status> {
        let (workspace, kind) = (convert::workspace_id(&request.workspace_id)?, convert::kind(request.kind)?);
        let mut tx = self.snapshot(workspace).await?;
        let known = store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let rules = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let saved = saved(&mut tx, workspace, kind).await?;
        Ok(to_wire(workspace, rules.kind(kind), &saved))
    }

    pub(crate) async fn suggest_field_mappings(
        &self,
        request: wire::SuggestFieldMappingsRequest,
    ) -> Result<wire::SuggestFieldMappingsResponse, Status> {
        let (workspace, kind) = (convert::workspace_id(&request.workspace_id)?, convert::kind(request.kind)?);
        let mut tx = self.snapshot(workspace).await?;
        let known = store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        if !known.plan.includes_salesforce() {
            return Err(refusal::plan_required());
        }
        if !known.connected {
            return Err(refusal::not_connected());
        }
        let fields = rules::load_fields(&mut tx, workspace, kind).await?;
        // Salesforce may take its time; no connection to Postgres waits for it.
        drop(tx);
        let schema = self.describe(workspace, kind.objects()[0]).await?;
        let suggestions = suggest_fields(kind, &fields, &schema).into_iter().map(|suggestion| wire::FieldSuggestion {
            lane_field: suggestion.field.as_str().to_owned(),
            salesforce_field: suggestion.path,
            reason: suggestion.reason,
        });
        Ok(wire::SuggestFieldMappingsResponse { suggestions: suggestions.collect() })
    }

    pub(crate) async fn update_field_mapping(
        &self,
        request: wire::UpdateFieldMappingRequest,
        actor: &str,
    ) -> Result<wire::UpdateFieldMappingResponse, Status> {
        let (workspace, kind) = (convert::workspace_id(&request.workspace_id)?, convert::kind(request.kind)?);
        let requested = requested(request.entries);

        // What the describes are needed for is decided before the lock: nothing waits for Salesforce under it.
        let mut tx = self.snapshot(workspace).await?;
        let known = store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let rules = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        drop(tx);
        let schemas = if only_unmaps(rules.kind(kind), &requested) {
            None
        } else {
            Some(self.schemas_for_saving(&known, kind).await?)
        };

        let mut tx = match request.validate_only {
            true => self.snapshot(workspace).await?,
            false => self.transaction(workspace).await?,
        };
        let known = match request.validate_only {
            true => store::workspace(&mut tx, workspace).await?,
            false => store::workspace_for_update(&mut tx, workspace).await?,
        };
        let known = known.ok_or_else(refusal::not_found)?;
        let old = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let before = saved(&mut tx, workspace, kind).await?;
        if !request.etag.is_empty() && request.etag != before.etag() {
            return Err(refusal::etag_mismatch());
        }
        let decisions = rules::load_decisions(&mut tx, workspace, kind).await?;
        let changed = match &schemas {
            Some(schemas) => checked(&known, old.kind(kind), schemas, &requested, decisions)?,
            // Between the two looks somebody may have saved: what only unmapped then may do more now.
            None if !only_unmaps(old.kind(kind), &requested) => return Err(refusal::etag_mismatch()),
            None => reduced(old.kind(kind), &requested)?,
        };
        let (schemas, rows) = (schemas.as_deref(), Rows::Fields);
        let change = Change { workspace: &known, kind, old: &old, changed, schemas, rows, actor };
        if request.validate_only || is_same(old.kind(kind), &change.changed) {
            let (_, _, mut preview) = self.preview(&mut tx, &change).await?;
            let mapping = to_wire(workspace, &change.changed, &before);
            let changed = change.changed.clone();
            // The writer may take its time; no connection to Postgres waits for it.
            drop(tx);
            if request.validate_only {
                let overwritten = self.overwritten(&Proposal { known, kind, old, changed }).await?;
                preview.would_overwrite = Some(overwritten.count);
                for effect in &mut preview.fields {
                    let count = overwritten.fields.get(&effect.lane_field).copied();
                    effect.would_overwrite = Some(count.unwrap_or_default());
                }
                preview.overwritten_samples = overwritten.samples;
            }
            return Ok(wire::UpdateFieldMappingResponse { mapping: Some(mapping), preview: Some(preview) });
        }
        let (new, preview) = self.save(tx, change).await?;
        self.tell_writer(workspace).await;
        let mut tx = self.snapshot(workspace).await?;
        let mut after = saved(&mut tx, workspace, kind).await?;
        after.version = new.version;
        let mapping = to_wire(workspace, new.kind(kind), &after);
        Ok(wire::UpdateFieldMappingResponse { mapping: Some(mapping), preview: Some(preview) })
    }
}

fn requested(entries: Vec<wire::FieldMappingEntry>) -> Vec<RequestedEntry> {
    let requested = |entry: wire::FieldMappingEntry| RequestedEntry {
        lane_field: entry.lane_field,
        salesforce_field: entry.salesforce_field,
    };
    entries.into_iter().map(requested).collect()
}

/// Whether every requested entry is in force already, so that at most some go.
fn only_unmaps(rules: &KindRules, requested: &[RequestedEntry]) -> bool {
    let is_in_force = |requested: &RequestedEntry| {
        rules.entry(&requested.lane_field).is_some_and(|entry| entry.path.as_str() == requested.salesforce_field)
    };
    requested.len() < rules.mapping.entries.len() && requested.iter().all(is_in_force)
}

/// Returns the rules without the entries that are not requested; a required field goes only with all others.
fn reduced(rules: &KindRules, requested: &[RequestedEntry]) -> Result<KindRules, Status> {
    let is_requested = |field: &str| requested.iter().any(|entry| entry.lane_field == field);
    let is_default_name = |entry: &Entry| rules.mapping.kind == Kind::Contact && entry.field.as_str() == "name";
    let stays = |entry: &Entry| is_requested(entry.field.as_str()) || (!requested.is_empty() && is_default_name(entry));
    let missing: Vec<_> = rules
        .mapping
        .entries
        .iter()
        .filter(|entry| entry.required && !requested.is_empty() && !stays(entry))
        .map(|entry| {
            to_violation(&Violation { lane_field: entry.field.as_str().to_owned(), problem: Problem::RequiredMissing })
        })
        .collect();
    if !missing.is_empty() {
        return Err(refusal::field_mapping_invalid(missing));
    }
    let kept = rules.mapping.entries.iter().zip(&rules.sources).filter(|(entry, _)| stays(entry));
    let (entries, sources) = kept.map(|(entry, source)| (entry.clone(), *source)).unzip();
    Ok(KindRules { fields: rules.fields.clone(), mapping: KindMapping { entries, ..rules.mapping.clone() }, sources })
}

/// Checks what is requested and makes rules of it.
fn checked(
    workspace: &Workspace,
    rules: &KindRules,
    schemas: &[ObjectSchema],
    requested: &[RequestedEntry],
    mut decisions: Decisions,
) -> Result<KindRules, Status> {
    let kind = rules.mapping.kind;
    let entries = check_entries(kind, &rules.fields, schemas, requested)
        .map_err(|violations| refusal::field_mapping_invalid(violations.iter().map(to_violation).collect()))?;
    let lists_currency = |object: Object| {
        schemas.iter().any(|schema| schema.object == object && schema.field("CurrencyIsoCode").is_some())
    };
    let version = workspace.mapping_version + 1;
    let made = entries.into_iter().map(|checked| {
        let source = EntrySource {
            converts: matches!(checked.fit, Fit::Converts(_)),
            reads_currency: checked.field_type == FieldType::Money && lists_currency(kind.objects()[0]),
            leads_have_currency: checked.field_type == FieldType::Money && lists_currency(Object::Lead),
        };
        let values = decisions.remove(checked.field.as_str()).unwrap_or_default();
        (entry(rules, checked, version, values), source)
    });
    let (entries, sources) = made.unzip();
    Ok(KindRules { fields: rules.fields.clone(), mapping: KindMapping { kind, version, entries }, sources })
}

fn entry(
    rules: &KindRules,
    checked: CheckedEntry,
    version: i64,
    values: std::collections::HashMap<String, mapping::Decision>,
) -> Entry {
    let known = rules.entry(checked.field.as_str()).filter(|known| {
        known.path == checked.path && known.lead_path == checked.lead_path && known.multi_select == checked.multi_select
    });
    let required = rules.field(checked.field.as_str()).is_some_and(|field| field.required);
    Entry {
        since: known.map_or(version, |known| known.since),
        required,
        field: checked.field,
        field_type: checked.field_type,
        path: checked.path,
        lead_path: checked.lead_path,
        multi_select: checked.multi_select,
        values,
    }
}

fn is_same(old: &KindRules, new: &KindRules) -> bool {
    old.mapping.entries == new.mapping.entries && old.sources == new.sources
}

fn to_violation(violation: &Violation) -> contract::error::Violation {
    refusal::violation(&violation.lane_field, violation.problem.code(), &violation.problem.sentence())
}

async fn saved(conn: &mut PgConnection, workspace: WorkspaceId, kind: Kind) -> Result<Saved, StoreError> {
    let row = sqlx::query!(
        "select saved_version, saved_at from mapper.kind_mapping where workspace_id = $1 and kind = $2",
        workspace.0,
        kind.token(),
    )
    .fetch_optional(conn)
    .await?;
    Ok(row.map_or_else(Saved::default, |row| Saved { version: row.saved_version, at: Some(row.saved_at) }))
}

fn to_wire(workspace: WorkspaceId, rules: &KindRules, saved: &Saved) -> wire::FieldMapping {
    let entries = rules.mapping.entries.iter().zip(&rules.sources).map(|(entry, source)| wire::FieldMappingEntry {
        lane_field: entry.field.as_str().to_owned(),
        salesforce_field: entry.path.as_str().to_owned(),
        lead_field: entry.lead_path.as_ref().map(|path| path.as_str().to_owned()).unwrap_or_default(),
        fit: if source.converts { "converts" } else { "compatible" }.to_owned(),
    });
    wire::FieldMapping {
        workspace_id: workspace.to_string(),
        kind: common::RecordKind::from(rules.mapping.kind).into(),
        entries: entries.collect(),
        etag: saved.etag(),
        mapping_version: rules.mapping.version,
        update_time: saved.at.map(to_wire_time),
    }
}
