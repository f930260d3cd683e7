//! The mapping of a workspace at one version, read once and kept: content never changes under a version.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use contract::common::v1 as common;
use contract::event::v1::LockedField;
use contract::writer::v1::FieldRule;
use domain::{FieldType, Kind, MappingVersion, Object, WorkspaceId};
use mapping::{Compiled, Decision, Entry, FieldOption, KindMapping, LaneField, lane_fields};
use sqlx::PgConnection;

use crate::store::StoreError;

/// All mappings of a workspace at one version.
#[derive(Debug)]
pub(crate) struct Rules {
    pub(crate) version: MappingVersion,
    accounts: KindRules,
    contacts: KindRules,
    compiled: [Compiled; 3],
    pub(crate) locks: Vec<LockedField>,
}

/// What a workspace saved for one kind.
#[derive(Clone, Debug)]
pub(crate) struct KindRules {
    pub(crate) fields: Vec<LaneField>,
    pub(crate) mapping: KindMapping,
    /// In the order of the mapping's entries.
    pub(crate) sources: Vec<EntrySource>,
}

/// What is kept of an entry besides what the engine needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EntrySource {
    pub(crate) converts: bool,
    /// Whether records of Account or Contact name their currency.
    pub(crate) reads_currency: bool,
    /// Whether leads do.
    pub(crate) leads_have_currency: bool,
}

impl KindRules {
    pub(crate) fn field(&self, id: &str) -> Option<&LaneField> {
        self.fields.iter().find(|field| field.id.as_str() == id)
    }

    /// Whether the field is mapped and nobody decided what becomes of the value.
    pub(crate) fn is_undecided(&self, field: &str, value: &str) -> bool {
        self.entry(field).is_some_and(|entry| !entry.values.contains_key(value))
    }

    /// Whether an option field is mapped.
    pub(crate) fn has_option_entries(&self) -> bool {
        self.mapping.entries.iter().any(|entry| entry.field_type == FieldType::Option)
    }

    pub(crate) fn entry(&self, field: &str) -> Option<&Entry> {
        self.mapping.entries.iter().find(|entry| entry.field.as_str() == field)
    }
}

impl Rules {
    pub(crate) fn new(version: MappingVersion, accounts: KindRules, contacts: KindRules) -> Self {
        let compiled = Object::ALL.map(|object| match object.kind() {
            Kind::Account => accounts.mapping.compile(object),
            Kind::Contact => contacts.mapping.compile(object),
        });
        let locks = [&accounts, &contacts].into_iter().flat_map(locks_of).collect();
        Self { version, accounts, contacts, compiled, locks }
    }

    pub(crate) fn kind(&self, kind: Kind) -> &KindRules {
        match kind {
            Kind::Account => &self.accounts,
            Kind::Contact => &self.contacts,
        }
    }

    pub(crate) fn compiled(&self, object: Object) -> &Compiled {
        match object {
            Object::Account => &self.compiled[0],
            Object::Contact => &self.compiled[1],
            Object::Lead => &self.compiled[2],
        }
    }

    /// Returns the same rules with another version of one kind.
    pub(crate) fn with(&self, version: MappingVersion, changed: KindRules) -> Self {
        let at_version = |kind: &KindRules| {
            let mut kind = kind.clone();
            kind.mapping.version = version;
            kind
        };
        match changed.mapping.kind {
            Kind::Account => Self::new(version, at_version(&changed), at_version(&self.contacts)),
            Kind::Contact => Self::new(version, at_version(&self.accounts), at_version(&changed)),
        }
    }

    /// Returns what edits by hand must satisfy: option fields and custom fields.
    pub(crate) fn field_rules(&self) -> Vec<FieldRule> {
        let needs_rule = |field: &&LaneField| field.field_type == FieldType::Option || field.id.is_custom();
        [&self.accounts, &self.contacts]
            .into_iter()
            .flat_map(|kind| kind.fields.iter().filter(needs_rule))
            .map(|field| FieldRule {
                kind: common::RecordKind::from(field.kind).into(),
                field: field.id.as_str().to_owned(),
                r#type: common::FieldType::from(field.field_type).into(),
                options: field.options.iter().map(|option| option.key.clone()).collect(),
            })
            .collect()
    }
}

fn locks_of(kind: &KindRules) -> impl Iterator<Item = LockedField> {
    let object = kind.mapping.kind.objects()[0];
    kind.mapping.entries.iter().map(move |entry| LockedField {
        kind: common::RecordKind::from(kind.mapping.kind).into(),
        field: entry.field.as_str().to_owned(),
        source: format!("{}.{}", object.api_name(), entry.path),
    })
}

/// Rules by workspace; only the newest version of each is kept.
#[derive(Debug, Default)]
pub(crate) struct RulesCache(Mutex<HashMap<WorkspaceId, Arc<Rules>>>);

impl RulesCache {
    /// Returns the rules of a version that the transaction holds for share or for update.
    pub(crate) async fn at(
        &self,
        conn: &mut PgConnection,
        workspace: WorkspaceId,
        version: MappingVersion,
    ) -> Result<Arc<Rules>, StoreError> {
        if let Some(known) = self.lock().get(&workspace).filter(|known| known.version == version) {
            return Ok(Arc::clone(known));
        }
        let rules = Arc::new(load(conn, workspace, version).await?);
        let mut known = self.lock();
        if known.get(&workspace).is_none_or(|known| known.version < version) {
            known.insert(workspace, Arc::clone(&rules));
        }
        Ok(rules)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<WorkspaceId, Arc<Rules>>> {
        // Every change is one insertion, so a panic elsewhere leaves the map whole.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Reads the rules. The caller's lock on the workspace's row keeps version and content together.
async fn load(conn: &mut PgConnection, workspace: WorkspaceId, version: MappingVersion) -> Result<Rules, StoreError> {
    let accounts = load_kind(conn, workspace, Kind::Account, version).await?;
    let contacts = load_kind(conn, workspace, Kind::Contact, version).await?;
    Ok(Rules::new(version, accounts, contacts))
}

async fn load_kind(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    kind: Kind,
    version: MappingVersion,
) -> Result<KindRules, StoreError> {
    let fields = load_fields(conn, workspace, kind).await?;
    let mut decisions = load_decisions(conn, workspace, kind).await?;
    let rows = sqlx::query!(
        r#"
        select field, path, lead_path, multi_select, converts, reads_currency, leads_have_currency, since
          from mapper.field_mapping
         where workspace_id = $1 and kind = $2
        "#,
        workspace.0,
        kind.token(),
    )
    .fetch_all(conn)
    .await?;
    let mut entries = Vec::with_capacity(rows.len());
    for row in rows {
        let impossible = || StoreError::Impossible { table: "field_mapping", key: row.field.clone() };
        let place = fields.iter().position(|field| field.id.as_str() == row.field).ok_or_else(impossible)?;
        let target = &fields[place];
        let lead_path = row.lead_path.as_deref().map(str::parse).transpose().map_err(|_| impossible())?;
        let entry = Entry {
            field: target.id.clone(),
            field_type: target.field_type,
            required: target.required,
            path: row.path.parse().map_err(|_| impossible())?,
            lead_path,
            multi_select: row.multi_select,
            since: row.since,
            values: decisions.remove(&row.field).unwrap_or_default(),
        };
        let source = EntrySource {
            converts: row.converts,
            reads_currency: row.reads_currency,
            leads_have_currency: row.leads_have_currency,
        };
        entries.push((place, entry, source));
    }
    entries.sort_by_key(|(place, ..)| *place);
    let (entries, sources) = entries.into_iter().map(|(_, entry, source)| (entry, source)).unzip();
    Ok(KindRules { fields, mapping: KindMapping { kind, version, entries }, sources })
}

/// Reads Lane's fields of a kind: the catalogue with the workspace's options, then custom fields in the order of their making.
pub(crate) async fn load_fields(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    kind: Kind,
) -> Result<Vec<LaneField>, StoreError> {
    let mut fields = lane_fields(kind);
    let custom = sqlx::query!(
        r#"
        select field, display_name, field_type
          from mapper.custom_field
         where workspace_id = $1 and kind = $2
         order by created_at, field
        "#,
        workspace.0,
        kind.token(),
    )
    .fetch_all(&mut *conn)
    .await?;
    for row in custom {
        let impossible = || StoreError::Impossible { table: "custom_field", key: row.field.clone() };
        fields.push(LaneField {
            id: row.field.parse().map_err(|_| impossible())?,
            kind,
            display_name: row.display_name.clone(),
            field_type: FieldType::from_token(&row.field_type).ok_or_else(impossible)?,
            required: false,
            options: Vec::new(),
        });
    }
    let options = sqlx::query!(
        r#"
        select field, key, display_name
          from mapper.field_option
         where workspace_id = $1 and kind = $2
         order by field, position
        "#,
        workspace.0,
        kind.token(),
    )
    .fetch_all(conn)
    .await?;
    let mut by_field: HashMap<String, Vec<FieldOption>> = HashMap::new();
    for row in options {
        by_field.entry(row.field).or_default().push(FieldOption { key: row.key, display_name: row.display_name });
    }
    for field in &mut fields {
        // Options that were never changed are not stored: the field keeps those of the catalogue.
        if let Some(options) = by_field.remove(field.id.as_str()) {
            field.options = options;
        }
    }
    Ok(fields)
}

/// Decisions by field and raw value.
pub(crate) type Decisions = HashMap<String, HashMap<String, Decision>>;

/// Reads the decisions of a kind, also of fields that are not mapped now.
pub(crate) async fn load_decisions(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    kind: Kind,
) -> Result<Decisions, StoreError> {
    let rows = sqlx::query!(
        r#"select field, value, option_key from mapper.value_mapping where workspace_id = $1 and kind = $2"#,
        workspace.0,
        kind.token(),
    )
    .fetch_all(conn)
    .await?;
    let mut decisions = Decisions::new();
    for row in rows {
        let decision = row.option_key.map_or(Decision::Ignore, Decision::Map);
        decisions.entry(row.field).or_default().insert(row.value, decision);
    }
    Ok(decisions)
}
