//! What a change of mappings does to the stored records: the same engine under both mappings, over all of them.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use contract::common::v1 as common;
use contract::mapper::v1::{FieldEffect, MappingPreview, PreviewSample, UnreadField};
use domain::{CurrencyCode, Epoch, Kind, Object, WorkspaceId};
use mapping::{Compiled, KindMapping, Mapped, Reader, changes, is_touched, touched_fields};
use sqlx::PgConnection;

use crate::lists::{ListCache, Lists};
use crate::plan;
use crate::rules::Rules;
use crate::source::{self, Stored};
use crate::store::StoreError;

/// Rows looked at together.
const PAGE: i64 = 4_000;
/// Examples shown.
const SAMPLES: usize = 20;
/// Records that one call brings.
const RECORDS_PER_CALL: i64 = 2_000;

/// Live records per raw value: of Account or Contact, and of Lead.
pub(crate) type ValueCounts = BTreeMap<String, (i64, i64)>;

/// Everything that a pass over the store tells.
#[derive(Debug, Default)]
pub(crate) struct Pass {
    pub(crate) touched: i64,
    pub(crate) changed: i64,
    pub(crate) samples: Vec<PreviewSample>,
    /// Per Lane field: records touched and changed.
    pub(crate) fields: BTreeMap<String, (i64, i64)>,
    /// Counts under the new mapping, for option fields whose source changed.
    pub(crate) recounted: BTreeMap<String, ValueCounts>,
}

impl Pass {
    fn of_field(&mut self, field: &str) -> &mut (i64, i64) {
        self.fields.entry(field.to_owned()).or_default()
    }
}

/// Returns the option fields of the new mapping that another source feeds than before, or none.
pub(crate) fn refed_option_fields(old: &Rules, new: &Rules, kind: Kind) -> BTreeSet<String> {
    let (old, new) = (old.kind(kind), new.kind(kind));
    let option_fields = |entry: &&mapping::Entry| entry.field_type == domain::FieldType::Option;
    let all = old.mapping.entries.iter().chain(&new.mapping.entries).filter(option_fields);
    all.filter(|entry| {
        let source = |entry: Option<&mapping::Entry>| {
            entry.map(|entry| (entry.path.clone(), entry.lead_path.clone(), entry.multi_select))
        };
        source(old.entry(entry.field.as_str())) != source(new.entry(entry.field.as_str()))
    })
    .map(|entry| entry.field.as_str().to_owned())
    .collect()
}

/// Goes over the stored records of a kind under both mappings.
pub(crate) async fn pass(
    conn: &mut PgConnection,
    lists: &ListCache,
    (workspace, epoch): (WorkspaceId, Epoch),
    kind: Kind,
    old: &Rules,
    new: &Rules,
) -> Result<Pass, StoreError> {
    let refed = refed_option_fields(old, new, kind);
    let mut pass = Pass::default();
    for field in &refed {
        pass.recounted.insert(field.clone(), ValueCounts::new());
    }
    let (before, after) = (differing(old, new, kind), differing(new, old, kind));
    if before.entries.is_empty() && after.entries.is_empty() {
        return Ok(pass);
    }
    for object in kind.objects() {
        let sides = Sides {
            object: *object,
            before: before.compile(*object),
            after: after.compile(*object),
            whole: new.compiled(*object),
        };
        let mut after = String::new();
        loop {
            let rows = source::page(conn, workspace, *object, epoch, &after, PAGE).await?;
            let Some(last) = rows.last() else { break };
            after.clone_from(&last.image.id);
            let mut needed = Lists::new();
            let versions = rows.iter().map(|row| row.image.field_list_version);
            lists.complete(conn, (workspace, epoch, *object), &mut needed, versions).await?;
            sides.look_at(&rows, &needed, &mut pass);
        }
    }
    Ok(pass)
}

/// Returns the entries of `these` that `those` lacks or has otherwise: only they can treat a record differently.
fn differing(these: &Rules, those: &Rules, kind: Kind) -> KindMapping {
    let (these, those) = (these.kind(kind), those.kind(kind));
    let differs = |entry: &&mapping::Entry| those.entry(entry.field.as_str()) != Some(*entry);
    KindMapping { entries: these.mapping.entries.iter().filter(differs).cloned().collect(), ..these.mapping.clone() }
}

struct Sides<'r> {
    object: Object,
    /// What differs, as it is.
    before: Compiled,
    /// What differs, as it will be.
    after: Compiled,
    /// The whole new mapping: a record with a fault anywhere is parked, so nothing of it changes.
    whole: &'r Compiled,
}

impl Sides<'_> {
    fn look_at(&self, rows: &[Stored], lists: &Lists, pass: &mut Pass) {
        let mut readers: HashMap<(i64, Option<&str>), [Reader<'_>; 3]> = HashMap::new();
        for row in rows.iter().filter(|row| row.image.is_live()) {
            self.recount(row, pass);
            let key = (row.image.field_list_version, row.image.currency.as_deref());
            let [before, after, whole] = readers.entry(key).or_insert_with(|| {
                let fields = lists.get(&key.0).map(AsRef::as_ref).unwrap_or_default();
                let currency: Option<CurrencyCode> = key.1.and_then(|code| code.parse().ok());
                [&self.before, &self.after, self.whole]
                    .map(|compiled| compiled.reader(fields.iter().map(String::as_str), currency.clone()))
            });
            let before = mapped(&self.before, before, row);
            let after = mapped(&self.after, after, row);
            let (before, after) = ((&self.before, &before), (&self.after, &after));
            if !is_touched(before, after) {
                continue;
            }
            pass.touched += 1;
            for field in touched_fields(before, after) {
                pass.of_field(field.as_str()).0 += 1;
            }
            let is_parked = !whole.map(&row.image.text).faults.is_empty();
            let changed = if is_parked { Vec::new() } else { changes(before, after) };
            pass.changed += i64::from(!changed.is_empty());
            for change in changed {
                pass.of_field(change.field.as_str()).1 += 1;
                if pass.samples.len() < SAMPLES {
                    pass.samples.push(PreviewSample {
                        object: common::SalesforceObject::from(self.object).into(),
                        id: row.image.id.clone(),
                        field: change.field.as_str().to_owned(),
                        before: change.before.as_ref().map(Into::into),
                        after: change.after.as_ref().map(Into::into),
                    });
                }
            }
        }
    }

    fn recount(&self, row: &Stored, pass: &mut Pass) {
        if pass.recounted.is_empty() {
            return;
        }
        for seen in self.after.options_of(&row.image.text) {
            let field = self.after.entries()[seen.cell].field.as_str();
            let Some(counts) = pass.recounted.get_mut(field) else { continue };
            let distinct: BTreeSet<&str> = seen.values.iter().map(AsRef::as_ref).collect();
            for value in distinct {
                let (records, lead_records) = counts.entry(value.to_owned()).or_default();
                match self.object {
                    Object::Lead => *lead_records += 1,
                    Object::Account | Object::Contact => *records += 1,
                }
            }
        }
    }
}

fn mapped<'a>(compiled: &Compiled, reader: &Reader<'_>, row: &'a Stored) -> Mapped<'a> {
    let mut mapped = reader.map(&row.image.text);
    row.carry.complete(compiled, &mut mapped);
    mapped
}

/// Returns the fields that the new mapping needs and that were not read throughout, with what reading them costs.
pub(crate) async fn unread_fields(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    epoch: Epoch,
    kind: Kind,
    new: &Rules,
) -> Result<Vec<UnreadField>, StoreError> {
    let mut fields = Vec::new();
    for object in kind.objects() {
        let unread = plan::unread(conn, workspace, *object, &plan::needed(new, *object)).await?;
        if unread.is_empty() {
            continue;
        }
        let (records, _) = source::count(conn, workspace, *object, epoch, 0).await?;
        fields.extend(unread.into_iter().map(|path| UnreadField {
            object: common::SalesforceObject::from(*object).into(),
            path,
            records,
            api_calls: records.div_euclid(RECORDS_PER_CALL) + 1,
        }));
    }
    Ok(fields)
}

/// Puts together what is shown.
pub(crate) fn preview(
    pass: &Pass,
    kind: Kind,
    old: &Rules,
    new: &Rules,
    would_open: &BTreeMap<String, i64>,
    unread_fields: Vec<UnreadField>,
) -> MappingPreview {
    let fields = |rules: &Rules| -> BTreeSet<String> {
        rules.kind(kind).mapping.entries.iter().map(|entry| entry.field.as_str().to_owned()).collect()
    };
    let (locked, would_be_locked) = (fields(old), fields(new));
    let differs = |id: &str| old.kind(kind).entry(id) != new.kind(kind).entry(id);
    let concerned = |id: &&str| differs(id) || pass.fields.contains_key(*id) || would_open.contains_key(*id);
    let effects = new.kind(kind).fields.iter().map(|field| field.id.as_str()).filter(concerned).map(|id| {
        let (touched, changed) = pass.fields.get(id).copied().unwrap_or_default();
        let would_open = would_open.get(id).copied().unwrap_or_default();
        FieldEffect { lane_field: id.to_owned(), touched, changed, would_open, would_overwrite: None }
    });
    MappingPreview {
        touched: pass.touched,
        changed: pass.changed,
        would_open: would_open.values().sum(),
        fields: effects.collect(),
        would_lock: would_be_locked.difference(&locked).cloned().collect(),
        would_unlock: locked.difference(&would_be_locked).cloned().collect(),
        unread_fields,
        samples: pass.samples.clone(),
        would_overwrite: None,
        overwritten_samples: Vec::new(),
    }
}
