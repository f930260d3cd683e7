//! Saves a change of mappings: preview, version, registry, replay and reads in one transaction.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use contract::common::v1 as common;
use contract::event::v1 as event;
use contract::mapper::v1::MappingPreview;
use contract::subjects;
use domain::{FieldType, Kind, WorkspaceId};
use jiff::Timestamp;
use mapping::{Decision, ObjectSchema};
use prost::Message;
use sqlx::{PgConnection, Postgres, Transaction};

use crate::preview::{self, Pass};
use crate::rules::{KindRules, Rules};
use crate::store::{self, StoreError, Workspace};
use crate::{Mapper, audit, outbox, plan, registry, replay};

/// A change of the mapping of one kind, under a lock or in a snapshot.
pub(crate) struct Change<'c> {
    pub(crate) workspace: &'c Workspace,
    pub(crate) kind: Kind,
    pub(crate) old: &'c Rules,
    pub(crate) changed: KindRules,
    /// Describes of the kind's objects, if they were asked for.
    pub(crate) schemas: Option<&'c [ObjectSchema]>,
    pub(crate) rows: Rows<'c>,
    /// Who wants it, for the audit log.
    pub(crate) actor: &'c str,
}

/// Which rows the change writes.
pub(crate) enum Rows<'c> {
    /// The kind's field mapping.
    Fields,
    /// Decisions on values of a field; `None` reopens.
    Values { field: &'c str, decisions: &'c [(String, Option<Decision>)] },
    /// None of these: the caller wrote what changed.
    Written,
}

impl Rows<'_> {
    /// Says what is written: fields by name, values only by number.
    fn told(&self, rules: &KindRules) -> String {
        match self {
            Rows::Fields => {
                let pairs = rules.mapping.entries.iter().map(|entry| format!("{}={}", entry.field, entry.path));
                format!("fields {}", pairs.collect::<Vec<_>>().join(" "))
            }
            Rows::Values { field, decisions } => {
                let opened = decisions.iter().filter(|(_, decision)| decision.is_none()).count();
                let ignored = decisions.iter().filter(|(_, decision)| *decision == Some(Decision::Ignore)).count();
                let mapped = decisions.len() - opened - ignored;
                format!("values of {field}: {mapped} mapped, {ignored} ignored, {opened} opened")
            }
            Rows::Written => "definitions".to_owned(),
        }
    }
}

impl Mapper {
    /// Begins a transaction in a workspace for looking only: all its statements see one moment.
    pub(crate) async fn snapshot(&self, workspace: WorkspaceId) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut tx = self.pool.begin_with("begin isolation level repeatable read, read only").await?;
        service::postgres::in_workspace(&mut tx, workspace).await?;
        Ok(tx)
    }

    /// Begins a transaction in a workspace.
    pub(crate) async fn transaction(
        &self,
        workspace: WorkspaceId,
    ) -> Result<Transaction<'static, Postgres>, StoreError> {
        let mut tx = self.pool.begin().await?;
        service::postgres::in_workspace(&mut tx, workspace).await?;
        Ok(tx)
    }

    /// Returns what a change would do, by the same arithmetic that saving it uses.
    pub(crate) async fn preview(
        &self,
        conn: &mut PgConnection,
        change: &Change<'_>,
    ) -> Result<(Rules, Pass, MappingPreview), StoreError> {
        let Change { workspace, kind, old, .. } = *change;
        let new = old.with(workspace.mapping_version + 1, change.changed.clone());
        let pass = preview::pass(conn, &self.lists, (workspace.id, workspace.epoch), kind, old, &new).await?;
        let would_open = would_open(conn, change, &new, &pass).await?;
        let unread = preview::unread_fields(conn, workspace.id, workspace.epoch, kind, &new).await?;
        let preview = preview::preview(&pass, kind, old, &new, &would_open, unread);
        Ok((new, pass, preview))
    }

    /// Saves a change in the caller's transaction, which holds the workspace's row for update, and commits.
    pub(crate) async fn save(
        &self,
        mut tx: Transaction<'static, Postgres>,
        change: Change<'_>,
    ) -> Result<(Arc<Rules>, MappingPreview), StoreError> {
        let (new, pass, preview) = self.preview(&mut tx, &change).await?;
        let Change { workspace, kind, actor, .. } = change;
        let rules = new.kind(kind);
        let detail = format!("{kind}, version {}: {}", new.version, change.rows.told(rules));
        let entry = audit::Entry { actor, action: "save mapping", outcome: "done", detail: &detail };
        match &change.rows {
            Rows::Fields => write_fields(&mut tx, workspace.id, rules).await?,
            Rows::Values { field, decisions } => write_values(&mut tx, workspace.id, kind, field, decisions).await?,
            Rows::Written => {}
        }
        store::set_mapping_version(&mut tx, workspace.id, new.version).await?;
        for (field, counts) in &pass.recounted {
            registry::recount(&mut tx, workspace.id, kind, field, counts).await?;
        }
        if let Some(schemas) = change.schemas {
            registry::list_from_describes(&mut tx, workspace.id, rules, schemas).await?;
        }
        registry::announce_all(&mut tx, workspace.id, rules).await?;
        replay::start(&mut tx, workspace, new.version).await?;
        if workspace.connected {
            wish_for_reads(&mut tx, workspace.id, kind, &new).await?;
        }
        audit::append(&mut tx, workspace.id, &entry, Timestamp::now()).await?;
        tx.commit().await?;
        self.wake.notify_waiters();
        Ok((Arc::new(new), preview))
    }
}

/// Asks the extractor for fields that were never read. It finds the same by polling the read plan.
async fn wish_for_reads(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    kind: Kind,
    rules: &Rules,
) -> Result<(), StoreError> {
    for object in kind.objects() {
        if plan::unread(conn, workspace, *object, &plan::needed(rules, *object)).await?.is_empty() {
            continue;
        }
        let read = event::ReadFieldsCommand { object: common::SalesforceObject::from(*object).into() };
        let command = event::Command {
            workspace_id: workspace.to_string(),
            command: Some(event::command::Command::ReadFields(read)),
        };
        outbox::put(conn, workspace, &subjects::command(workspace), &command.encode_to_vec()).await?;
    }
    Ok(())
}

/// Returns per field how many values are open under the new mapping that were not before.
async fn would_open(
    conn: &mut PgConnection,
    change: &Change<'_>,
    new: &Rules,
    pass: &Pass,
) -> Result<BTreeMap<String, i64>, StoreError> {
    let (old, new) = (change.old.kind(change.kind), new.kind(change.kind));
    let known = registry::values(conn, change.workspace.id, change.kind, None).await?;
    let mut carried: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let (mut before, mut after) = (BTreeSet::new(), BTreeSet::new());
    for value in &known {
        let (field, text) = (value.field.as_str(), value.value.as_str());
        if old.is_undecided(field, text) && (value.active || value.total() > 0) {
            before.insert((field, text));
        }
        let is_refed = pass.recounted.contains_key(field);
        let is_listed = value.active && change.schemas.is_none() && !is_refed;
        if is_listed || (value.total() > 0 && !is_refed) {
            carried.entry(field).or_default().insert(text);
        }
    }
    for (field, counts) in &pass.recounted {
        carried.entry(field).or_default().extend(counts.keys().map(String::as_str));
    }
    let option_entries = new.mapping.entries.iter().filter(|entry| entry.field_type == FieldType::Option);
    for entry in option_entries {
        for schema in change.schemas.unwrap_or_default() {
            let source = entry.source(schema.object).and_then(|path| schema.field(path.as_str()));
            let active = source.into_iter().flat_map(|source| &source.values).filter(|value| value.active);
            carried.entry(entry.field.as_str()).or_default().extend(active.map(|value| value.value.as_str()));
        }
    }
    for (field, values) in &carried {
        after.extend(values.iter().filter(|value| new.is_undecided(field, value)).map(|value| (*field, *value)));
    }
    let mut opened = BTreeMap::new();
    for (field, _) in after.difference(&before) {
        *opened.entry((*field).to_owned()).or_default() += 1;
    }
    Ok(opened)
}

async fn write_fields(conn: &mut PgConnection, workspace: WorkspaceId, rules: &KindRules) -> Result<(), StoreError> {
    let kind = rules.mapping.kind;
    sqlx::query!("delete from mapper.field_mapping where workspace_id = $1 and kind = $2", workspace.0, kind.token())
        .execute(&mut *conn)
        .await?;
    for (entry, source) in rules.mapping.entries.iter().zip(&rules.sources) {
        sqlx::query!(
            r#"
            insert into mapper.field_mapping
                   (workspace_id, kind, field, path, lead_path, multi_select, converts, reads_currency,
                    leads_have_currency, since)
            values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
            "#,
            workspace.0,
            kind.token(),
            entry.field.as_str(),
            entry.path.as_str(),
            entry.lead_path.as_ref().map(|path| path.as_str()),
            entry.multi_select,
            source.converts,
            source.reads_currency,
            source.leads_have_currency,
            entry.since,
        )
        .execute(&mut *conn)
        .await?;
    }
    sqlx::query!(
        r#"
        insert into mapper.kind_mapping (workspace_id, kind, saved_version)
        values ($1, $2, $3)
            on conflict (workspace_id, kind) do update
           set saved_version = excluded.saved_version, saved_at = now()
        "#,
        workspace.0,
        kind.token(),
        rules.mapping.version,
    )
    .execute(conn)
    .await?;
    Ok(())
}

async fn write_values(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    kind: Kind,
    field: &str,
    decisions: &[(String, Option<Decision>)],
) -> Result<(), StoreError> {
    let values: Vec<&str> = decisions.iter().map(|(value, _)| value.as_str()).collect();
    sqlx::query!(
        r#"
        delete from mapper.value_mapping
         where workspace_id = $1 and kind = $2 and field = $3 and value = any($4::text[])
        "#,
        workspace.0,
        kind.token(),
        field,
        &values as &[&str],
    )
    .execute(&mut *conn)
    .await?;
    let decided = decisions.iter().filter_map(|(value, decision)| Some((value.as_str(), decision.as_ref()?)));
    let (values, options): (Vec<&str>, Vec<Option<&str>>) = decided
        .map(|(value, decision)| match decision {
            Decision::Map(option) => (value, Some(option.as_str())),
            Decision::Ignore => (value, None),
        })
        .unzip();
    sqlx::query!(
        r#"
        insert into mapper.value_mapping (workspace_id, kind, field, value, option_key)
        select $1, $2, $3, n.value, n.option_key
          from unnest($4::text[], $5::text[]) n (value, option_key)
        "#,
        workspace.0,
        kind.token(),
        field,
        &values as &[&str],
        &options as &[Option<&str>],
    )
    .execute(&mut *conn)
    .await?;
    // A value that was decided before any record or describe brought it is known from now on.
    sqlx::query!(
        r#"
        insert into mapper.picklist_value (workspace_id, kind, field, value)
        select $1, $2, $3, n.value
          from unnest($4::text[]) n (value)
            on conflict (workspace_id, kind, field, value) do nothing
        "#,
        workspace.0,
        kind.token(),
        field,
        &values as &[&str],
    )
    .execute(conn)
    .await?;
    Ok(())
}
