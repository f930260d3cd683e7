//! Lane's fields of a workspace: the catalogue, custom fields, options.

use std::collections::{BTreeSet, HashSet};

use contract::common::v1 as common;
use contract::convert;
use contract::mapper::v1 as wire;
use domain::{FieldId, FieldType, Kind, WorkspaceId};
use mapping::{Decision, FieldOption, LaneField};
use sqlx::PgConnection;
use tonic::Status;

use crate::rules::{self, KindRules};
use crate::saving::{Change, Rows};
use crate::store::{self, StoreError};
use crate::{Mapper, refusal};

/// A workspace defines at most this many fields of a kind.
const MAX_CUSTOM_FIELDS: usize = 200;
/// An option field has at most this many options.
const MAX_OPTIONS: usize = 200;
/// Names for people are at most this long.
const MAX_NAME_CHARS: usize = 80;

impl Mapper {
    pub(crate) async fn list_lane_fields(
        &self,
        request: wire::ListLaneFieldsRequest,
    ) -> Result<wire::ListLaneFieldsResponse, Status> {
        let (workspace, kind) = (convert::workspace_id(&request.workspace_id)?, convert::kind(request.kind)?);
        let mut tx = self.snapshot(workspace).await?;
        store::workspace(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let fields = rules::load_fields(&mut tx, workspace, kind).await?;
        Ok(wire::ListLaneFieldsResponse { fields: fields.iter().map(to_wire).collect() })
    }

    pub(crate) async fn create_custom_field(
        &self,
        request: wire::CreateCustomFieldRequest,
        actor: &str,
    ) -> Result<wire::LaneField, Status> {
        let workspace = convert::workspace_id(&request.workspace_id)?;
        let field = new_field(request.field.unwrap_or_default())?;

        let mut tx = self.transaction(workspace).await?;
        let known = store::workspace_for_update(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let old = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let kind = old.kind(field.kind);
        if let Some(existing) = kind.field(field.id.as_str()) {
            let is_same = existing.field_type == field.field_type;
            return if is_same { Ok(to_wire(existing)) } else { Err(taken(&field.id)) };
        }
        if kind.fields.iter().filter(|field| field.id.is_custom()).count() >= MAX_CUSTOM_FIELDS {
            return Err(invalid(field.id.as_str(), "too_many_fields", "the kind has 200 custom fields already"));
        }
        let mut changed = kind.clone();
        changed.fields.push(field.clone());
        sqlx::query!(
            r#"
            insert into mapper.custom_field (workspace_id, kind, field, display_name, field_type)
            values ($1, $2, $3, $4, $5)
            "#,
            workspace.0,
            field.kind.token(),
            field.id.as_str(),
            field.display_name,
            field.field_type.token(),
        )
        .execute(&mut *tx)
        .await
        .map_err(refusal::postgres)?;
        write_options(&mut tx, workspace, field.kind, field.id.as_str(), &field.options).await?;
        self.save_fields(tx, &known, &old, changed, actor).await?;
        Ok(to_wire(&field))
    }

    pub(crate) async fn update_options(
        &self,
        request: wire::UpdateOptionsRequest,
        actor: &str,
    ) -> Result<wire::LaneField, Status> {
        let (workspace, kind) = (convert::workspace_id(&request.workspace_id)?, convert::kind(request.kind)?);
        let options = options(&request.field, request.options)?;

        let mut tx = self.transaction(workspace).await?;
        let known = store::workspace_for_update(&mut tx, workspace).await?.ok_or_else(refusal::not_found)?;
        let old = self.rules.at(&mut tx, workspace, known.mapping_version).await?;
        let mut changed = old.kind(kind).clone();
        let field = changed
            .fields
            .iter_mut()
            .find(|field| field.id.as_str() == request.field && field.field_type == FieldType::Option)
            .ok_or_else(|| invalid(&request.field, "mapping_target_unknown", "Lane has no such option field"))?;
        if field.options == options {
            return Ok(to_wire(field));
        }
        field.options.clone_from(&options);
        let answer = to_wire(field);

        let kept: HashSet<&str> = options.iter().map(|option| option.key.as_str()).collect();
        let decisions = rules::load_decisions(&mut tx, workspace, kind).await?;
        let in_use: BTreeSet<&str> = decisions
            .get(&request.field)
            .into_iter()
            .flat_map(|of_field| of_field.values())
            .filter_map(|decision| match decision {
                Decision::Map(option) => Some(option.as_str()),
                Decision::Ignore => None,
            })
            .filter(|option| !kept.contains(option))
            .collect();
        if !in_use.is_empty() {
            let violations = in_use
                .into_iter()
                .map(|option| refusal::violation(option, "value_option_in_use", "values are mapped to the option"));
            return Err(refusal::value_mapping_invalid(violations.collect()));
        }
        write_options(&mut tx, workspace, kind, &request.field, &options).await?;
        self.save_fields(tx, &known, &old, changed, actor).await?;
        Ok(answer)
    }

    /// Saves changed fields under a new version: the writer learns what edits by hand must satisfy with the version.
    async fn save_fields(
        &self,
        tx: sqlx::Transaction<'static, sqlx::Postgres>,
        workspace: &store::Workspace,
        old: &rules::Rules,
        changed: KindRules,
        actor: &str,
    ) -> Result<(), Status> {
        let kind = changed.mapping.kind;
        let change = Change { workspace, kind, old, changed, schemas: None, rows: Rows::Written, actor };
        self.save(tx, change).await?;
        self.tell_writer(workspace.id).await;
        Ok(())
    }
}

async fn write_options(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    kind: Kind,
    field: &str,
    options: &[FieldOption],
) -> Result<(), StoreError> {
    sqlx::query!(
        "delete from mapper.field_option where workspace_id = $1 and kind = $2 and field = $3",
        workspace.0,
        kind.token(),
        field,
    )
    .execute(&mut *conn)
    .await?;
    let keys: Vec<&str> = options.iter().map(|option| option.key.as_str()).collect();
    let names: Vec<&str> = options.iter().map(|option| option.display_name.as_str()).collect();
    sqlx::query!(
        r#"
        insert into mapper.field_option (workspace_id, kind, field, key, display_name, position)
        select $1, $2, $3, n.key, n.display_name, n.position
          from unnest($4::text[], $5::text[]) with ordinality n (key, display_name, position)
        "#,
        workspace.0,
        kind.token(),
        field,
        &keys as &[&str],
        &names as &[&str],
    )
    .execute(conn)
    .await?;
    Ok(())
}

fn new_field(field: wire::LaneField) -> Result<LaneField, Status> {
    let (kind, field_type) = (convert::kind(field.kind)?, convert::field_type(field.r#type)?);
    let id = if field.id.is_empty() { id_of(&field.display_name) } else { field.id };
    let parsed = id.parse::<FieldId>().ok().filter(FieldId::is_custom).filter(|id| id.as_str() != "custom_");
    let Some(parsed) = parsed else {
        return Err(invalid(
            &id,
            "field_id_invalid",
            "a custom field's id is custom_ and lower-case letters and digits",
        ));
    };
    name(parsed.as_str(), &field.display_name)?;
    if field_type != FieldType::Option && !field.options.is_empty() {
        return Err(invalid(parsed.as_str(), "options_unexpected", "only option fields have options"));
    }
    let options = options(parsed.as_str(), field.options)?;
    Ok(LaneField { id: parsed, kind, display_name: field.display_name, field_type, required: false, options })
}

/// Makes an id of a name for people: "Renewal Date" becomes "custom_renewal_date".
fn id_of(display_name: &str) -> String {
    let mut slug = String::new();
    for letter in display_name.chars().flat_map(char::to_lowercase) {
        if letter.is_ascii_alphanumeric() {
            slug.push(letter);
        } else if !slug.is_empty() && !slug.ends_with('_') {
            slug.push('_');
        }
    }
    slug.truncate(63 - FieldId::CUSTOM_PREFIX.len());
    format!("{}{}", FieldId::CUSTOM_PREFIX, slug.trim_end_matches('_'))
}

fn options(field: &str, options: Vec<wire::FieldOption>) -> Result<Vec<FieldOption>, Status> {
    if options.len() > MAX_OPTIONS {
        return Err(invalid(field, "too_many_options", "a field has at most 200 options"));
    }
    let mut seen = HashSet::new();
    let mut checked = Vec::with_capacity(options.len());
    for option in options {
        if option.key.parse::<FieldId>().is_err() {
            return Err(invalid(field, "option_key_invalid", "a key has lower-case letters, digits and underscores"));
        }
        name(field, &option.display_name)?;
        if !seen.insert(option.key.clone()) {
            return Err(invalid(field, "option_key_taken", "two options have the same key"));
        }
        checked.push(FieldOption { key: option.key, display_name: option.display_name });
    }
    Ok(checked)
}

fn name(field: &str, name: &str) -> Result<(), Status> {
    let holds = !name.trim().is_empty() && name.chars().count() <= MAX_NAME_CHARS && !name.contains('\0');
    if holds { Ok(()) } else { Err(invalid(field, "name_invalid", "a name has 1 to 80 characters")) }
}

fn invalid(field: &str, code: &str, sentence: &str) -> Status {
    refusal::field_mapping_invalid(vec![refusal::violation(field, code, sentence)])
}

fn taken(id: &FieldId) -> Status {
    invalid(id.as_str(), "field_id_taken", "the field exists with another type")
}

fn to_wire(field: &LaneField) -> wire::LaneField {
    let option =
        |option: &FieldOption| wire::FieldOption { key: option.key.clone(), display_name: option.display_name.clone() };
    wire::LaneField {
        id: field.id.as_str().to_owned(),
        kind: common::RecordKind::from(field.kind).into(),
        display_name: field.display_name.clone(),
        r#type: common::FieldType::from(field.field_type).into(),
        required: field.required,
        options: field.options.iter().map(option).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_made_of_the_name_for_people() {
        assert_eq!(id_of("Renewal  Date!"), "custom_renewal_date");
        assert_eq!(id_of("Ähm 2"), "custom_hm_2");
        assert_eq!(id_of("名"), "custom_");
        assert!(id_of(&"long ".repeat(50)).len() <= 63);
    }
}
