//! Value mappings: what becomes of each picklist value, and which are still open.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use contract::common::v1 as common;
use contract::convert;
use contract::mapper::v1 as wire;
use domain::{FieldType, Kind, Object};
use mapping::{Decision, FieldOption, KindMapping, suggest_option};
use tonic::Status;
use xxhash_rust::xxh3::xxh3_64;

use crate::arr::{Customers, Sums};
use crate::registry::{self, ListedValue};
use crate::rules::{self, KindRules};
use crate::saving::{Change, Rows};
use crate::store::{self, Workspace};
use crate::times::to_wire_time;
use crate::{Mapper, refusal};

/// Decisions taken in one call.
const MAX_DECISIONS: usize = 1_000;
/// Salesforce's longest picklist value.
const MAX_VALUE_CHARS: usize = 255;

type OfField = HashMap<String, Decision>;

impl Mapper {
    pub(crate) async fn list_value_mappings(
        &self,
        request: wire::ListValueMappingsRequest,
    ) -> Result<wire::ListValueMappingsResponse, Status> {
        let (workspace, kind) = (convert::workspace_id(&request.workspace_id)?, convert::kind(request.kind)?);
        let mut tx = self.snapshot(workspace).await?;
        let known = store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let rules = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let options = option_field(rules.kind(kind), &request.field)?.options.clone();
        let decisions =
            rules::load_decisions(&mut tx, workspace, kind).await?.remove(&request.field).unwrap_or_default();
        let behind = self.behind(&mut tx, &known, kind, &rules).await?;
        let values = registry::values(&mut tx, workspace, kind).await?;
        let is_of_interest =
            |value: &ListedValue| value.active || value.total() > 0 || decisions.contains_key(&value.value);
        let mut values: Vec<wire::ValueMapping> = values
            .into_iter()
            .filter(|value| value.field == request.field && is_of_interest(value))
            .map(|value| to_wire(kind, value, &decisions, &behind, &options))
            .collect();
        values.sort_by_key(|value| (value.decision() != wire::ValueDecision::Open, -value.record_count));
        Ok(wire::ListValueMappingsResponse { values, etag: etag(&decisions) })
    }

    pub(crate) async fn list_unmapped_values(
        &self,
        request: wire::ListUnmappedValuesRequest,
    ) -> Result<wire::ListUnmappedValuesResponse, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let mut tx = self.snapshot(workspace).await?;
        let known = store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let rules = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let mut entries = Vec::new();
        for kind in Kind::ALL {
            let open: Vec<ListedValue> = registry::values(&mut tx, workspace, kind)
                .await?
                .into_iter()
                .filter(|value| value.is_open(rules.kind(kind)))
                .collect();
            if open.is_empty() {
                continue;
            }
            let behind = self.behind(&mut tx, &known, kind, &rules).await?;
            entries.extend(open.into_iter().map(|value| {
                let options = rules.kind(kind).field(&value.field).map(|field| field.options.as_slice());
                wire::UnmappedValueEntry {
                    kind: common::RecordKind::from(kind).into(),
                    field: value.field.clone(),
                    value: Some(to_wire(kind, value, &OfField::new(), &behind, options.unwrap_or_default())),
                }
            }));
        }
        entries.sort_by_key(|entry| -entry.value.as_ref().map_or(0, |value| value.record_count));
        Ok(wire::ListUnmappedValuesResponse { values: entries })
    }

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

    /// Returns what stands behind the values of a kind.
    async fn behind(
        &self,
        conn: &mut sqlx::PgConnection,
        workspace: &Workspace,
        kind: Kind,
        rules: &rules::Rules,
    ) -> Result<Behind, Status> {
        Ok(match kind {
            Kind::Account => Behind::Accounts(self.arr_by_value(conn, workspace.id, workspace.epoch, rules).await?),
            Kind::Contact => Behind::People(self.customers_by_value(conn, workspace.id, workspace.epoch, rules).await?),
        })
    }
}

fn option_field<'r>(rules: &'r KindRules, field: &str) -> Result<&'r mapping::LaneField, Status> {
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
fn etag(of_field: &OfField) -> String {
    let sorted: BTreeMap<&str, Option<&str>> = of_field
        .iter()
        .map(|(value, decision)| match decision {
            Decision::Map(option) => (value.as_str(), Some(option.as_str())),
            Decision::Ignore => (value.as_str(), None),
        })
        .collect();
    format!("{:016x}", xxh3_64(format!("{sorted:?}").as_bytes()))
}

/// What stands behind the values of a kind, besides the records that carry them.
enum Behind {
    /// The revenue of accounts: an account is a customer itself.
    Accounts(Arc<Sums>),
    /// The customers of people.
    People(Arc<Customers>),
}

fn to_wire(
    kind: Kind,
    value: ListedValue,
    decisions: &OfField,
    behind: &Behind,
    options: &[FieldOption],
) -> wire::ValueMapping {
    let (decision, option) = match decisions.get(&value.value) {
        Some(Decision::Map(option)) => (wire::ValueDecision::Map, option.clone()),
        Some(Decision::Ignore) => (wire::ValueDecision::Ignore, String::new()),
        None => (wire::ValueDecision::Open, String::new()),
    };
    let is_origin = |object: &Object| {
        let carried = match object {
            Object::Lead => value.lead_records,
            Object::Account | Object::Contact => value.records,
        };
        value.listed_on.iter().any(|token| token == object.token()) || carried > 0
    };
    let key = (value.field.clone(), value.value.clone());
    let (arr, customer_count) = match behind {
        Behind::Accounts(sums) => (sums.get(&key), value.total()),
        Behind::People(customers) => (None, customers.get(&key).copied().unwrap_or_default()),
    };
    let suggested = suggest_option(&value.value, &value.label, options);
    wire::ValueMapping {
        id: value.id.to_string(),
        decision: decision.into(),
        option,
        origins: kind
            .objects()
            .iter()
            .filter(|object| is_origin(object))
            .map(|object| common::SalesforceObject::from(*object).into())
            .collect(),
        active: value.active,
        record_count: value.total(),
        first_seen_time: value.first_seen.map(to_wire_time),
        last_seen_time: value.last_seen.map(to_wire_time),
        arr: arr
            .into_iter()
            .flatten()
            .map(|(currency, amount)| common::Money { amount: amount.to_string(), currency_code: currency.clone() })
            .collect(),
        lead_record_count: value.lead_records,
        never_used: value.total() == 0 && value.last_seen.is_none(),
        suggested_option: suggested.map(|option| option.key.clone()).unwrap_or_default(),
        customer_count,
        label: value.label,
        value: value.value,
    }
}
