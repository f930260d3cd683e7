//! What is to be read: the fields that the mappings need, and which of them were not read throughout.

use std::collections::BTreeSet;

use domain::{FieldType, Object, WorkspaceId};
use sqlx::PgConnection;

use crate::rules::Rules;
use crate::store::StoreError;

const CURRENCY: &str = "CurrencyIsoCode";

/// Returns the Salesforce fields of an object that the mappings need, sorted.
pub(crate) fn needed(rules: &Rules, object: Object) -> BTreeSet<String> {
    let kind = rules.kind(object.kind());
    let mut needed = BTreeSet::new();
    for (entry, source) in kind.mapping.entries.iter().zip(&kind.sources) {
        let Some(path) = entry.source(object) else { continue };
        needed.insert(path.as_str().to_owned());
        let names_currency = match object {
            Object::Account | Object::Contact => source.reads_currency,
            Object::Lead => source.leads_have_currency,
        };
        // In an org with one currency the field does not exist, and asking for it would fail the query.
        if entry.field_type == FieldType::Money && names_currency {
            needed.insert(CURRENCY.to_owned());
        }
    }
    needed
}

/// Returns those of `needed` that some SELECT since their last whole read did not carry, or that were never read.
pub(crate) async fn unread(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    needed: &BTreeSet<String>,
) -> Result<Vec<String>, StoreError> {
    let read_throughout = sqlx::query_scalar!(
        r#"
        select path
          from mapper.field_read r
         where workspace_id = $1 and object = $2
           and not exists (select 1
                             from mapper.field_list l
                            where l.workspace_id = r.workspace_id and l.object = r.object
                              and l.version >= r.field_list_version and not r.path = any(l.fields))
        "#,
        workspace.0,
        object.token(),
    )
    .fetch_all(conn)
    .await?;
    Ok(needed.iter().filter(|path| !read_throughout.contains(path)).cloned().collect())
}

/// Notes that every record of an object was read whole with `fields`; an older note never replaces a newer one.
pub(crate) async fn mark_read(
    conn: &mut PgConnection,
    workspace: WorkspaceId,
    object: Object,
    fields: &[String],
    since_read_seq: i64,
    field_list_version: i64,
) -> Result<(), StoreError> {
    sqlx::query!(
        r#"
        insert into mapper.field_read as known (workspace_id, object, path, since_read_seq, field_list_version)
        select distinct on (path) $1::uuid, $2, path, $4::bigint, $5::bigint
          from unnest($3::text[]) n (path)
            on conflict (workspace_id, object, path) do update
           set since_read_seq = excluded.since_read_seq, field_list_version = excluded.field_list_version
         where known.since_read_seq < excluded.since_read_seq
        "#,
        workspace.0,
        object.token(),
        fields,
        since_read_seq,
        field_list_version,
    )
    .execute(conn)
    .await?;
    Ok(())
}
