//! What a change of mappings does to the stored records.

use contract::mapper::v1 as wire;
use serde::Serialize;

use crate::mapping::record::{Overwrite, overwrite_table};
use crate::table::{Table, or_dash};
use crate::value::{Shown, shown};
use crate::wire::object_word;

/// Exact counts over the stored records.
#[derive(Debug, Serialize)]
pub(crate) struct Preview {
    touched: i64,
    changed: i64,
    would_open: i64,
    would_lock: Vec<String>,
    would_unlock: Vec<String>,
    unread_fields: Vec<UnreadField>,
    samples: Vec<Sample>,
    /// Nothing when it was not counted: saves and value mappings do not ask.
    would_overwrite: Option<i64>,
    overwritten_samples: Vec<Overwrite>,
}

#[derive(Debug, Serialize)]
struct UnreadField {
    object: &'static str,
    path: String,
    records: i64,
    api_calls: i64,
}

#[derive(Debug, Serialize)]
struct Sample {
    object: &'static str,
    id: String,
    field: String,
    before: Option<Shown>,
    after: Option<Shown>,
}

impl From<wire::MappingPreview> for Preview {
    fn from(preview: wire::MappingPreview) -> Self {
        let unread_fields = preview.unread_fields.into_iter().map(|field| UnreadField {
            object: object_word(field.object),
            path: field.path,
            records: field.records,
            api_calls: field.api_calls,
        });
        let samples = preview.samples.into_iter().map(|sample| Sample {
            object: object_word(sample.object),
            id: sample.id,
            field: sample.field,
            before: shown(sample.before).map(|(_, value)| value),
            after: shown(sample.after).map(|(_, value)| value),
        });
        Self {
            touched: preview.touched,
            changed: preview.changed,
            would_open: preview.would_open,
            would_lock: preview.would_lock,
            would_unlock: preview.would_unlock,
            unread_fields: unread_fields.collect(),
            samples: samples.collect(),
            would_overwrite: preview.would_overwrite,
            overwritten_samples: preview.overwritten_samples.into_iter().map(Overwrite::from).collect(),
        }
    }
}

impl Preview {
    /// Returns the text for people.
    pub(crate) fn text(&self) -> String {
        let mut facts = Table::facts();
        facts.fact("records touched", self.touched);
        facts.fact("records changed", self.changed);
        facts.fact("values left unmapped", self.would_open);
        facts.fact("values overwritten", self.would_overwrite.map(|count| count.to_string()).unwrap_or_default());
        facts.fact("locks", self.would_lock.join(", "));
        facts.fact("unlocks", self.would_unlock.join(", "));
        let mut parts = vec![facts.text()];
        if !self.unread_fields.is_empty() {
            let mut table = Table::new(["never read", "object", "records to read", "calls"]);
            for field in &self.unread_fields {
                let (records, calls) = (field.records.to_string(), field.api_calls.to_string());
                table.row([field.path.clone(), field.object.to_owned(), records, calls]);
            }
            parts.push(table.text());
        }
        if !self.samples.is_empty() {
            let mut table = Table::new(["record", "field", "before", "after"]);
            for sample in &self.samples {
                let (before, after) = (or_dash(sample.before.as_ref()), or_dash(sample.after.as_ref()));
                table.row([sample.id.clone(), sample.field.clone(), before, after]);
            }
            parts.push(table.text());
        }
        if !self.overwritten_samples.is_empty() {
            parts.push(overwrite_table(&self.overwritten_samples));
        }
        parts.join("\n\n")
    }
}
