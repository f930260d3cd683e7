//! Value mappings: what becomes of each picklist value.

use std::collections::{BTreeMap, HashMap, HashSet};

use contract::convert;
use contract::mapper::v1 as wire;
use domain::FieldType;
use mapping::{Decision, KindMapping};
use tonic::Status;
use xxhash_rust::xxh3::xxh3_64;

use crate::rules::{self, KindRules};
use crate::saving::{Change, Rows};
use crate::{Mapper, refusal, store};

/// Decisions taken in one call.
const MAX_DECISIONS: usize = 1_000;
/// Salesforce's longest picklist value.
const MAX_VALUE_CHARS: usize = 255;

/// Decisions of a field by raw value.
pub(crate) type OfField = HashMap<String, Decision>;

impl Mapper {
    pub(crate) async fn batch_update_value_mappings(
        &self,
        request: wire::BatchUpdateValueMappingsRequest,
        actor: &str,
    ) -> Result<wire::BatchUpdateValueMappingsResponse, Status> {
        let (workspace, kind) = (convert::workspace_id(&request.workspace_id)?, convert::kind(request.kind)?);
        let mut tx = match request.validate_only {
            true => self.snapshot(workspace).await?,
            false => self.transaction(workspace).await?,
        };
        let known = match request.validate_only {
            true => store::workspace(&mut tx, workspace).await?,
            false => store::workspace_for_update(&mut tx, workspace).await?,
        };
        let known = known.ok_or_else(refusal::not_found)?;
        let rules = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let decisions = decisions(rules.kind(kind), &request.field, &request.values)?;
        // Reopening is unmapping: allowed on every plan.
        let only_reopens = decisions.iter().all(|(_, decision)| decision.is_none());
        if !known.plan.includes_salesforce() && !only_reopens {
            return Err(refusal::plan_required());
        }
        let mut of_field =
            rules::load_decisions(&mut tx, workspace, kind).await?.remove(&request.field).unwrap_or_default();
        if !request.etag.is_empty() && request.etag != etag(&of_field) {
            return Err(refusal::etag_mismatch());
        }
        let before = etag(&of_field);
        for (value, decision) in &decisions {
            match decision {
                Some(decision) => of_field.insert(value.clone(), decision.clone()),
                None => of_field.remove(value),
            };
        }
        let after = etag(&of_field);
        let change = Change {
            workspace: &known,
            kind,
            old: &rules,
            changed: with_decisions(rules.kind(kind), &request.field, &of_field),
            schemas: None,
            rows: Rows::Values { field: &request.field, decisions: &decisions },
            actor,
        };
        if request.validate_only || before == after {
            let (_, _, preview) = self.preview(&mut tx, &change).await?;
            return Ok(wire::BatchUpdateValueMappingsResponse {
                preview: Some(preview),
                etag: before,
                mapping_version: known.mapping_version,
            });
        }
        let (new, preview) = self.save(tx, change).await?;
        self.tell_writer(workspace).await;
        Ok(wire::BatchUpdateValueMappingsResponse { preview: Some(preview), etag: after, mapping_version: new.version })
    }
}

pub(crate) fn option_field<'r>(rules: &'r KindRules, field: &str) -> Result<&'r mapping::LaneField, Status> {
    rules.field(field).filter(|field| field.field_type == FieldType::Option).ok_or_else(|| {
        let violation = refusal::violation(field, "mapping_target_unknown", "Lane has no such option field");
        refusal::value_mapping_invalid(vec![violation])
    })
}

/// Reads the decisions of a request; every fault is named at once.
fn decisions(
    rules: &KindRules,
    field: &str,
    values: &[wire::ValueMapping],
) -> Result<Vec<(String, Option<Decision>)>, Status> {
    let target = option_field(rules, field)?;
    if values.len() > MAX_DECISIONS {
        let violation = refusal::violation(field, "mapping_too_large", "at most 1000 values are decided at once");
        return Err(refusal::value_mapping_invalid(vec![violation]));
    }
    let (mut checked, mut violations, mut seen) = (Vec::new(), Vec::new(), HashSet::new());
    for (place, mapping) in values.iter().enumerate() {
        // The place in the request is named, not the value: values of records stand in no error.
        let mut refuse = |code, sentence| {
            violations.push(refusal::violation(&format!("values[{place}]"), code, sentence));
        };
        let fits = !mapping.value.is_empty()
            && mapping.value.chars().count() <= MAX_VALUE_CHARS
            && !mapping.value.contains('\0');
        if !fits {
            refuse("value_invalid", "a value has 1 to 255 characters");
        } else if !seen.insert(mapping.value.as_str()) {
            refuse("mapping_conflict", "the value is decided twice");
        } else {
            match mapping.decision() {
                wire::ValueDecision::Open => checked.push((mapping.value.clone(), None)),
                wire::ValueDecision::Ignore => checked.push((mapping.value.clone(), Some(Decision::Ignore))),
                wire::ValueDecision::Map if target.options.iter().any(|option| option.key == mapping.option) => {
                    checked.push((mapping.value.clone(), Some(Decision::Map(mapping.option.clone()))));
                }
                wire::ValueDecision::Map => refuse("value_option_unknown", "the field has no such option"),
                wire::ValueDecision::Unspecified => refuse("value_decision_missing", "say map, ignore or open"),
            }
        }
    }
    if violations.is_empty() { Ok(checked) } else { Err(refusal::value_mapping_invalid(violations)) }
}

fn with_decisions(rules: &KindRules, field: &str, of_field: &OfField) -> KindRules {
    let mut changed = rules.clone();
    let entries = changed
        .mapping
        .entries
        .into_iter()
        .map(|mut entry| {
            if entry.field.as_str() == field {
                entry.values.clone_from(of_field);
            }
            entry
        })
        .collect();
    changed.mapping = KindMapping { entries, ..rules.mapping.clone() };
    changed
}

/// Changes with every decision of a field, and only with them.
pub(crate) fn etag(of_field: &OfField) -> String {
    let sorted: BTreeMap<&str, Option<&str>> = of_field
        .iter()
        .map(|(value, decision)| match decision {
            Decision::Map(option) => (value.as_str(), Some(option.as_str())),
            Decision::Ignore => (value.as_str(), None),
        })
        .collect();
    format!("{:016x}", xxh3_64(format!("{sorted:?}").as_bytes()))
}
