//! The registry of picklist values: which values option fields carry, on how many live records, and what to tell about it.

use std::collections::{BTreeMap, HashMap};

use contract::common::v1::RecordKind;
use contract::event::v1::{UnmappedChange, UnmappedValue};
use contract::subjects;
use domain::{Kind, Object, WorkspaceId};
use mapping::{Compiled, ObjectSchema, OptionSeen};
use prost::Message;
use sqlx::PgConnection;
use uuid::Uuid;

use crate::rules::KindRules;
use crate::store::StoreError;
use crate::{metrics, outbox};

/// Changes of counts, by cell and raw value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deltas(HashMap<usize, HashMap<String, Delta>>);

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Delta {
    records: i64,
    lead_records: i64,
    /// Whether a record that arrived carries the value.
    is_seen: bool,
}

impl Deltas {
    /// Counts a live record that carries the values.
    pub(crate) fn add(&mut self, compiled: &Compiled, options: &[OptionSeen<'_>]) {
        self.count(compiled, options, 1, true);
    }

    /// Takes back a record that was counted before.
    pub(crate) fn subtract(&mut self, compiled: &Compiled, options: &[OptionSeen<'_>]) {
        self.count(compiled, options, -1, false);
    }

    /// Notes values that a record carries on.
    pub(crate) fn see(&mut self, compiled: &Compiled, options: &[OptionSeen<'_>]) {
        self.count(compiled, options, 0, true);
    }

    fn count(&mut self, compiled: &Compiled, options: &[OptionSeen<'_>], change: i64, is_seen: bool) {
        for seen in options {
            let of_field = self.0.entry(seen.cell).or_default();
            for (place, value) in seen.values.iter().enumerate() {
                // A value that is selected twice is carried once.
                if seen.values[..place].contains(value) {
                    continue;
                }
                if !of_field.contains_key(value.as_ref()) {
                    of_field.insert(value.clone().into_owned(), Delta::default());
                }
                if let Some(delta) = of_field.get_mut(value.as_ref()) {
                    match compiled.object() {
                        Object::Lead => delta.lead_records += change,
                        Object::Account | Object::Contact => delta.records += change,
                    }
                    delta.is_seen |= is_seen;
                }
            }
        }
    }

    /// Adds the changes of `other`.
    pub(crate) fn merge(&mut self, other: Self) {
        for (cell, of_field) in other.0 {
            let known = self.0.entry(cell).or_default();
            for (value, delta) in of_field {
                let sum = known.entry(value).or_default();
                sum.records += delta.records;
                sum.lead_records += delta.lead_records;
                sum.is_seen |= delta.is_seen;
            }
        }
    }

    /// Whether some count changes; if not, only the last sight of values does.
    pub(crate) fn changes_counts(&self) -> bool {
        let changes = |delta: &Delta| delta.records != 0 || delta.lead_records != 0;
        self.0.values().any(|of_field| of_field.values().any(changes))
    }
}

/// One value as the registry knows it.
#[derive(Clone, Debug)]
struct Known {
    field: String,
    value: String,
    id: Uuid,
    active: bool,
    records: i64,
    announced: Option<i64>,
}

/// Applies changes of counts and puts what there is to tell into the outbox.
///
/// Values are taken in one order by everybody, so transactions wait for each other and never in a circle.
pub(crate) async fn apply(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    rules: &KindRules,
    deltas: Deltas,
) -> Result<(), StoreError> {
    let kind = rules.mapping.kind;
    let field_of = |cell: usize| rules.mapping.entries.get(cell).map(|entry| entry.field.as_str().to_owned());
    let sorted: BTreeMap<(String, String), Delta> = deltas
        .0
        .into_iter()
        .filter_map(|(cell, of_field)| Some((field_of(cell)?, of_field)))
        .flat_map(|(field, of_field)| of_field.into_iter().map(move |(value, delta)| ((field.clone(), value), delta)))
        .collect();
    if sorted.is_empty() {
        return Ok(());
    }
    let fields: Vec<&str> = sorted.keys().map(|(field, _)| field.as_str()).collect();
    let values: Vec<&str> = sorted.keys().map(|(_, value)| value.as_str()).collect();
    let records: Vec<i64> = sorted.values().map(|delta| delta.records).collect();
    let lead_records: Vec<i64> = sorted.values().map(|delta| delta.lead_records).collect();
    let is_seen: Vec<bool> = sorted.values().map(|delta| delta.is_seen).collect();
    let rows = sqlx::query!(
        r#"
        insert into mapper.picklist_value as known
               (workspace_id, kind, field, value, records, lead_records, first_seen, last_seen)
        select $1, $2, n.field, n.value, n.records, n.lead_records,
               case when n.is_seen then now() end, case when n.is_seen then now() end
          from unnest($3::text[], $4::text[], $5::bigint[], $6::bigint[], $7::bool[])
               n (field, value, records, lead_records, is_seen)
            on conflict (workspace_id, kind, field, value) do update
           set records      = known.records + excluded.records,
               lead_records = known.lead_records + excluded.lead_records,
               first_seen   = coalesce(known.first_seen, excluded.first_seen),
               last_seen    = coalesce(excluded.last_seen, known.last_seen)
        returning field, value, id, active, records + lead_records as "records!", announced
        "#,
        workspace.0,
        kind.token(),
        &fields as &[&str],
        &values as &[&str],
        &records,
        &lead_records,
        &is_seen,
    )
    .fetch_all(&mut *conn)
    .await?;
    let known = rows.into_iter().map(|row| Known {
        field: row.field,
        value: row.value,
        id: row.id,
        active: row.active,
        records: row.records,
        announced: row.announced,
    });
    announce(conn, workspace, rules, known.collect()).await
}

/// Looks at every value of a kind and tells what opened, grew or closed; for after a change of mappings or of describes.
pub(crate) async fn announce_all(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    rules: &KindRules,
) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"
        select field, value, id, active, records + lead_records as "records!", announced
          from mapper.picklist_value
         where workspace_id = $1 and kind = $2
         order by field collate "C", value
           for update
        "#,
        workspace.0,
        rules.mapping.kind.token(),
    )
    .fetch_all(&mut *conn)
    .await?;
    let known = rows.into_iter().map(|row| Known {
        field: row.field,
        value: row.value,
        id: row.id,
        active: row.active,
        records: row.records,
        announced: row.announced,
    });
    announce(conn, workspace, rules, known.collect()).await
}

async fn announce(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    rules: &KindRules,
    known: Vec<Known>,
) -> Result<(), StoreError> {
    let kind = rules.mapping.kind;
    let mut told: Vec<(Known, Option<i64>, UnmappedChange)> = Vec::new();
    for value in known {
        let is_open = rules.is_undecided(&value.field, &value.value) && (value.active || value.records > 0);
        if let Some((announced, change)) = announcement(value.announced, is_open, value.records) {
            told.push((value, announced, change));
        }
    }
    if told.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = told.iter().map(|(value, ..)| value.id).collect();
    let announced: Vec<Option<i64>> = told.iter().map(|(_, announced, _)| *announced).collect();
    sqlx::query!(
        r#"
        update mapper.picklist_value v
           set announced = n.announced
          from unnest($3::uuid[], $4::bigint[]) n (id, announced)
         where v.workspace_id = $1 and v.kind = $2 and v.id = n.id
        "#,
        workspace.0,
        kind.token(),
        &ids,
        &announced as &[Option<i64>],
    )
    .execute(&mut *conn)
    .await?;
    let events = told.into_iter().map(|(value, _, change)| {
        metrics::unmapped_event(kind, &value.field);
        let event = UnmappedValue {
            workspace_id: workspace.to_string(),
            kind: RecordKind::from(kind).into(),
            field: value.field,
            change: change.into(),
            unmapped_value_id: value.id.to_string(),
            record_count: value.records,
        };
        event.encode_to_vec()
    });
    let events: Vec<_> = events.collect();
    outbox::put_all(conn, workspace, &subjects::unmapped(workspace, kind.objects()[0]), &events).await
}

/// Decides what to tell of a value, and the count that counts as told from then on.
fn announcement(announced: Option<i64>, is_open: bool, records: i64) -> Option<(Option<i64>, UnmappedChange)> {
    match (announced, is_open) {
        (None, true) => Some((Some(records), UnmappedChange::Opened)),
        (Some(_), false) => Some((None, UnmappedChange::Closed)),
        (Some(told), true) if records >= 2 * told.max(1) || 2 * records.max(1) <= told => {
            Some((Some(records), UnmappedChange::Resized))
        }
        (Some(_), true) | (None, false) => None,
    }
}

/// Sets the counts of a field anew, from a pass over the whole store.
pub(crate) async fn recount(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    kind: Kind,
    field: &str,
    counts: &BTreeMap<String, (i64, i64)>,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        update mapper.picklist_value
           set records = 0, lead_records = 0, active = false, listed_on = '{}'
         where workspace_id = $1 and kind = $2 and field = $3
        "#,
        workspace.0,
        kind.token(),
        field,
    )
    .execute(&mut *conn)
    .await?;
    let values: Vec<&str> = counts.keys().map(String::as_str).collect();
    let records: Vec<i64> = counts.values().map(|(records, _)| *records).collect();
    let lead_records: Vec<i64> = counts.values().map(|(_, lead_records)| *lead_records).collect();
    sqlx::query!(
        r#"
        insert into mapper.picklist_value as known
               (workspace_id, kind, field, value, records, lead_records, first_seen, last_seen)
        select $1, $2, $3, n.value, n.records, n.lead_records, now(), now()
          from unnest($4::text[], $5::bigint[], $6::bigint[]) n (value, records, lead_records)
            on conflict (workspace_id, kind, field, value) do update
           set records      = excluded.records,
               lead_records = excluded.lead_records,
               first_seen   = coalesce(known.first_seen, excluded.first_seen),
               last_seen    = coalesce(known.last_seen, excluded.last_seen)
        "#,
        workspace.0,
        kind.token(),
        field,
        &values as &[&str],
        &records,
        &lead_records,
    )
    .execute(conn)
    .await?;
    Ok(())
}

/// Notes which values the describes list for an option field; values that are not listed any more become inactive.
pub(crate) async fn list_from_describes(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    rules: &KindRules,
    schemas: &[ObjectSchema],
) -> Result<(), StoreError> {
    let kind = rules.mapping.kind;
    for entry in rules.mapping.entries.iter().filter(|entry| entry.field_type == domain::FieldType::Option) {
        let mut listed: BTreeMap<&str, (&str, Vec<&'static str>, bool)> = BTreeMap::new();
        for schema in schemas {
            let source = entry.source(schema.object).and_then(|path| schema.field(path.as_str()));
            for value in source.into_iter().flat_map(|source| &source.values) {
                let known = listed.entry(&value.value).or_insert((&value.label, Vec::new(), false));
                known.1.push(schema.object.token());
                known.2 |= value.active;
            }
        }
        let values: Vec<&str> = listed.keys().copied().collect();
        let labels: Vec<&str> = listed.values().map(|(label, ..)| *label).collect();
        let listed_on: Vec<String> = listed.values().map(|(_, objects, _)| objects.join(",")).collect();
        let active: Vec<bool> = listed.values().map(|(.., active)| *active).collect();
        sqlx::query!(
            r#"
            update mapper.picklist_value
               set active = false, listed_on = '{}'
             where workspace_id = $1 and kind = $2 and field = $3 and not value = any($4::text[])
               and (active or listed_on <> '{}')
            "#,
            workspace.0,
            kind.token(),
            entry.field.as_str(),
            &values as &[&str],
        )
        .execute(&mut *conn)
        .await?;
        sqlx::query!(
            r#"
            insert into mapper.picklist_value as known
                   (workspace_id, kind, field, value, label, listed_on, active, first_seen)
            select $1, $2, $3, n.value, n.label, string_to_array(n.listed_on, ','), n.active, now()
              from unnest($4::text[], $5::text[], $6::text[], $7::bool[]) n (value, label, listed_on, active)
                on conflict (workspace_id, kind, field, value) do update
               set label = excluded.label, listed_on = excluded.listed_on, active = excluded.active
            "#,
            workspace.0,
            kind.token(),
            entry.field.as_str(),
            &values as &[&str],
            &labels as &[&str],
            &listed_on,
            &active,
        )
        .execute(&mut *conn)
        .await?;
    }
    Ok(())
}

/// A value with everything that is shown of it.
#[derive(Clone, Debug)]
pub(crate) struct ListedValue {
    pub(crate) field: String,
    pub(crate) value: String,
    pub(crate) id: Uuid,
    pub(crate) label: String,
    pub(crate) listed_on: Vec<String>,
    pub(crate) active: bool,
    pub(crate) records: i64,
    pub(crate) lead_records: i64,
    pub(crate) first_seen: Option<chrono::DateTime<chrono::Utc>>,
    pub(crate) last_seen: Option<chrono::DateTime<chrono::Utc>>,
}

impl ListedValue {
    /// Returns how many live records carry it.
    pub(crate) fn total(&self) -> i64 {
        self.records + self.lead_records
    }

    /// Whether it is open: nobody decided, and it is active or carried.
    pub(crate) fn is_open(&self, rules: &KindRules) -> bool {
        rules.is_undecided(&self.field, &self.value) && (self.active || self.total() > 0)
    }
}

/// Returns the known values of a kind, or of one field of it.
pub(crate) async fn values(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    kind: Kind,
    field: Option<&str>,
) -> Result<Vec<ListedValue>, StoreError> {
    let rows = sqlx::query_as!(
        ListedValue,
        r#"
        select field, value, id, label, listed_on, active, records, lead_records, first_seen, last_seen
          from mapper.picklist_value
         where workspace_id = $1 and kind = $2 and ($3::text is null or field = $3)
         order by field, value
        "#,
        workspace.0,
        kind.token(),
        field,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Open values of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct OpenCount {
    pub(crate) kind: String,
    pub(crate) field: String,
    pub(crate) count: i64,
    /// When the first of them was seen.
    pub(crate) oldest: Option<chrono::DateTime<chrono::Utc>>,
}

/// Counts open values per field that has some: the same as [`ListedValue::is_open`], without reading them.
pub(crate) async fn open_counts(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<Vec<OpenCount>, StoreError> {
    let rows = sqlx::query_as!(
        OpenCount,
        r#"
        select known.kind, known.field, count(*) as "count!", min(known.first_seen) as oldest
          from mapper.picklist_value known
          join mapper.field_mapping mapped using (workspace_id, kind, field)
         where workspace_id = $1
           and (known.active or known.records + known.lead_records > 0)
           and not exists (
               select from mapper.value_mapping decided
                where decided.workspace_id = known.workspace_id and decided.kind = known.kind
                  and decided.field = known.field and decided.value = known.value
           )
         group by known.kind, known.field
         order by known.kind, known.field
        "#,
        workspace.0,
    )
    .fetch_all(conn)
    .await?;
    Ok(rows)
}

/// Deletes what is known of a workspace.
pub(crate) async fn clear(conn: &mut PgConnection, workspace: WorkspaceId) -> Result<(), StoreError> {
    sqlx::query!("delete from mapper.picklist_value where workspace_id = $1", workspace.0).execute(conn).await?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_told_when_it_opens_doubles_halves_and_closes() {
        assert_eq!(announcement(None, false, 5), None);
        assert_eq!(announcement(None, true, 0), Some((Some(0), UnmappedChange::Opened)));
        assert_eq!(announcement(Some(0), true, 0), None);
        assert_eq!(announcement(Some(0), true, 1), None);
        assert_eq!(announcement(Some(0), true, 2), Some((Some(2), UnmappedChange::Resized)));
        assert_eq!(announcement(Some(10), true, 19), None);
        assert_eq!(announcement(Some(10), true, 20), Some((Some(20), UnmappedChange::Resized)));
        assert_eq!(announcement(Some(10), true, 6), None);
        assert_eq!(announcement(Some(10), true, 5), Some((Some(5), UnmappedChange::Resized)));
        assert_eq!(announcement(Some(10), false, 10), Some((None, UnmappedChange::Closed)));
    }
}
