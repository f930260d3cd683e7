//! A mapping that somebody is working on: what they changed, and what each changed field was when they began.
//!
//! It travels in forms and addresses, so nothing of it is kept on the server: a page can be reloaded, shared and left alone, and
//! what two people change at once can be told apart field by field.

use std::collections::BTreeMap;

use contract::mapper::v1::{FieldMapping, FieldMappingEntry};
use url::form_urlencoded::Serializer;

/// What a form or an address says of a mapping.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Draft {
    /// Etag of the mapping that the work began with; empty when it has not begun.
    pub(super) etag: String,
    /// Path that is wanted per Lane field; empty: none.
    wanted: BTreeMap<String, String>,
    /// Path that fed the field when the work began; empty or absent: none.
    base: BTreeMap<String, String>,
}

/// One Lane field that is to be fed otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wish<'d> {
    pub(super) field: &'d str,
    pub(super) before: &'d str,
    pub(super) after: &'d str,
}

impl Draft {
    /// Reads `etag`, `f.<field>` (wanted) and `b.<field>` (before) of a form or an address.
    pub(super) fn read(pairs: &[(String, String)]) -> Self {
        let mut draft = Self::default();
        for (name, value) in pairs {
            if name == "etag" {
                draft.etag.clone_from(value);
            } else if let Some(field) = name.strip_prefix("f.") {
                draft.wanted.insert(field.to_owned(), value.clone());
            } else if let Some(field) = name.strip_prefix("b.") {
                draft.base.insert(field.to_owned(), value.clone());
            }
        }
        draft
    }

    /// Returns what differs from where the work began.
    pub(super) fn wishes(&self) -> impl Iterator<Item = Wish<'_>> {
        self.wanted.iter().filter_map(|(field, after)| {
            let before = self.before(field);
            (before != after).then_some(Wish { field, before, after })
        })
    }

    /// Returns what fed a field when the work began; empty for nothing.
    pub(super) fn before(&self, field: &str) -> &str {
        self.base.get(field).map(String::as_str).unwrap_or_default()
    }

    /// Whether the form told what fed a field when the work began.
    pub(super) fn knows(&self, field: &str) -> bool {
        self.base.contains_key(field)
    }

    /// Returns the path that is wanted for a field; `None` when it is to stay as it is.
    pub(super) fn wish(&self, field: &str) -> Option<&str> {
        self.wishes().find(|wish| wish.field == field).map(|wish| wish.after)
    }

    /// Whether anything differs from what is saved.
    pub(super) fn differs(&self, saved: &FieldMapping) -> bool {
        self.wishes().any(|wish| path_of(saved, wish.field) != wish.after)
    }

    /// Returns the same with another wish, begun with what is saved unless it began before.
    #[must_use]
    pub(super) fn with(mut self, field: &str, path: &str, saved: &FieldMapping) -> Self {
        if self.etag.is_empty() {
            self.etag.clone_from(&saved.etag);
        }
        self.base.entry(field.to_owned()).or_insert_with(|| path_of(saved, field).to_owned());
        self.wanted.insert(field.to_owned(), path.to_owned());
        self
    }

    /// Returns the whole mapping: what is saved, with the wishes on top.
    pub(super) fn entries(&self, saved: &FieldMapping) -> Vec<FieldMappingEntry> {
        let mut entries: Vec<_> =
            saved.entries.iter().map(|entry| (entry.lane_field.clone(), entry.salesforce_field.clone())).collect();
        for wish in self.wishes() {
            entries.retain(|(field, _)| field != wish.field);
            if !wish.after.is_empty() {
                entries.push((wish.field.to_owned(), wish.after.to_owned()));
            }
        }
        let entry =
            |(lane_field, salesforce_field)| FieldMappingEntry { lane_field, salesforce_field, ..Default::default() };
        entries.into_iter().map(entry).collect()
    }

    /// Returns the names and values that say the same in a form.
    pub(super) fn hidden(&self) -> Vec<(String, String)> {
        let mut pairs = vec![("etag".to_owned(), self.etag.clone())];
        for wish in self.wishes() {
            pairs.push((format!("b.{}", wish.field), wish.before.to_owned()));
            pairs.push((format!("f.{}", wish.field), wish.after.to_owned()));
        }
        pairs
    }

    /// Returns what says the same in an address; empty when nothing differs.
    pub(super) fn query(&self) -> String {
        if self.wishes().next().is_none() {
            return String::new();
        }
        Serializer::new(String::new()).extend_pairs(self.hidden()).finish()
    }

    /// Returns an address that carries the draft, and what else it says.
    pub(super) fn address(&self, path: &str, more: &[(&str, &str)]) -> String {
        let mut query = Serializer::new(self.query());
        query.extend_pairs(more);
        match query.finish() {
            query if query.is_empty() => path.to_owned(),
            query => format!("{path}?{query}"),
        }
    }
}

/// Returns the path that feeds a field in a saved mapping; empty for none.
pub(super) fn path_of<'m>(saved: &'m FieldMapping, field: &str) -> &'m str {
    let entry = saved.entries.iter().find(|entry| entry.lane_field == field);
    entry.map(|entry| entry.salesforce_field.as_str()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    fn saved(entries: &[(&str, &str)]) -> FieldMapping {
        let entry = |(lane, path): &(&str, &str)| FieldMappingEntry {
            lane_field: (*lane).to_owned(),
            salesforce_field: (*path).to_owned(),
            ..Default::default()
        };
        FieldMapping { entries: entries.iter().map(entry).collect(), etag: "v7".into(), ..Default::default() }
    }

    #[test]
    fn only_what_was_changed_is_put_on_top_of_what_is_saved() {
        let form = [
            ("etag", "v6"),
            ("f.name", "Name"),
            ("b.name", "Name"),
            ("f.arr", "ARR__c"),
            ("b.arr", ""),
            ("f.phone", ""),
            ("b.phone", "Phone"),
        ];
        let draft = Draft::read(&pairs(&form));
        // Meanwhile somebody else mapped the website: it stays.
        let saved = saved(&[("name", "Other__c"), ("phone", "Phone"), ("website", "Website")]);
        let entries = draft.entries(&saved);
        let told: Vec<_> =
            entries.iter().map(|entry| (entry.lane_field.as_str(), entry.salesforce_field.as_str())).collect();
        assert_eq!(told, [("name", "Other__c"), ("website", "Website"), ("arr", "ARR__c")]);
        assert_eq!(draft.wish("arr"), Some("ARR__c"));
        assert_eq!(draft.wish("name"), None);
        assert!(draft.differs(&saved));
    }

    #[test]
    fn an_address_says_what_the_form_said() {
        let draft = Draft::default().with("arr", "A&B=\"<", &saved(&[("arr", "AnnualRevenue")]));
        let address = draft.address("/mapping", &[("id", "001")]);
        let query = address.strip_prefix("/mapping?").unwrap();
        let read: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).map(|(name, value)| (name.into(), value.into())).collect();
        assert_eq!(Draft::read(&read), draft);
        assert_eq!(Draft::default().address("/mapping", &[]), "/mapping");
    }
}
