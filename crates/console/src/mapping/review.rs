//! The dry run: what saving would do, counted exactly, before it is done.

use contract::common::v1::SalesforceObject;
use contract::mapper::v1::{FieldMapping, LaneField, MappingPreview, UnreadField};

use super::conflict::path_text;
use super::draft::{Draft, path_of};
use super::shown;
use super::side::Side;
use crate::words::{count, number, object};

/// What the page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ReviewPage {
    pub(super) side: Side,
    /// Counts of the whole change: what is counted, and how many.
    pub(super) totals: Vec<(&'static str, String)>,
    pub(super) rows: Vec<Effect>,
    pub(super) unread: Vec<String>,
    /// Objects that would be read whole, as the estimate's address names them; empty when none is.
    pub(super) reread: String,
    pub(super) samples: Vec<Sample>,
    pub(super) overwritten: Vec<Overwritten>,
    /// How many values would be overwritten; 0 for none.
    pub(super) overwrites: String,
    pub(super) csv_href: String,
    pub(super) back_href: String,
    pub(super) hidden: Vec<(String, String)>,
}

/// What becomes of one Lane field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Effect {
    pub(super) name: String,
    pub(super) before: String,
    pub(super) after: String,
    pub(super) lock: &'static str,
    pub(super) touched: String,
    pub(super) changed: String,
    pub(super) overwritten: String,
    pub(super) opened: String,
}

/// One record before and after.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) id: String,
    pub(super) href: String,
    pub(super) field: String,
    pub(super) before: String,
    pub(super) after: String,
}

/// A value that people typed, or an earlier mapping left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Overwritten {
    pub(super) who: String,
    pub(super) field: String,
    pub(super) standing: String,
    pub(super) after: String,
}

/// Builds the page.
pub(super) fn review(
    side: Side,
    fields: &[LaneField],
    saved: &FieldMapping,
    draft: &Draft,
    preview: &MappingPreview,
) -> ReviewPage {
    let overwrites = preview.would_overwrite.unwrap_or_default();
    let totals = vec![
        ("Records concerned", number(preview.touched)),
        ("Records whose values change", number(preview.changed)),
        ("Values in Lane overwritten", number(overwrites)),
        ("Picklist values left to map", number(preview.would_open)),
    ];
    let record = format!("{}/record", side.href());
    let value = |field: &str, value| shown::value(value, shown::field(fields, field));
    let samples = preview.samples.iter().map(|sample| Sample {
        id: sample.id.clone(),
        href: draft.address(&record, &[("id", &sample.id)]),
        field: shown::name(fields, &sample.field).to_owned(),
        before: value(&sample.field, sample.before.as_ref()),
        after: value(&sample.field, sample.after.as_ref()),
    });
    let overwritten = preview.overwritten_samples.iter().map(|one| Overwritten {
        who: if one.name.is_empty() { one.id.clone() } else { one.name.clone() },
        field: shown::name(fields, &one.field).to_owned(),
        standing: value(&one.field, one.standing.as_ref()),
        after: if one.unread { "known after the re-read".to_owned() } else { value(&one.field, one.after.as_ref()) },
    });
    ReviewPage {
        side,
        totals,
        rows: effects(fields, saved, draft, preview),
        unread: preview.unread_fields.iter().map(unread).collect(),
        reread: reread(&preview.unread_fields),
        samples: samples.collect(),
        overwritten: overwritten.collect(),
        overwrites: if overwrites > 0 { number(overwrites) } else { String::new() },
        csv_href: draft.address(&format!("{}/overwritten.csv", side.href()), &[]),
        back_href: draft.address(&side.href(), &[]),
        hidden: draft.hidden(),
    }
}

fn effects(fields: &[LaneField], saved: &FieldMapping, draft: &Draft, preview: &MappingPreview) -> Vec<Effect> {
    let effect = |field: &LaneField| {
        let before = path_of(saved, &field.id);
        let after = draft.wish(&field.id).filter(|after| *after != before)?;
        let counted = preview.fields.iter().find(|effect| effect.lane_field == field.id).cloned().unwrap_or_default();
        Some(Effect {
            name: field.display_name.clone(),
            before: path_text(before),
            after: path_text(after),
            lock: match (before.is_empty(), after.is_empty()) {
                (true, _) => "Locks: nobody can edit it in Lane",
                (_, true) => "Unlocks: the last value stays",
                (false, false) => "Stays locked",
            },
            touched: number(counted.touched),
            changed: number(counted.changed),
            overwritten: number(counted.would_overwrite.unwrap_or_default()),
            opened: number(counted.would_open),
        })
    };
    fields.iter().filter_map(effect).collect()
}

fn unread(field: &UnreadField) -> String {
    format!(
        "{} of {} was never read. After saving, {} read once more: about {}.",
        field.path,
        object(field.object()),
        count(field.records, "record is", "records are"),
        count(field.api_calls, "Salesforce call", "Salesforce calls")
    )
}

fn reread(fields: &[UnreadField]) -> String {
    let of = |object: SalesforceObject, word: &'static str| {
        fields.iter().any(|field| field.object() == object).then_some(word)
    };
    let words = [
        of(SalesforceObject::Account, "account"),
        of(SalesforceObject::Contact, "contact"),
        of(SalesforceObject::Lead, "lead"),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join("-")
}

#[cfg(test)]
mod tests {
    use contract::mapper::v1::{FieldEffect, FieldMappingEntry};

    use super::*;

    #[test]
    fn every_changed_field_is_told_with_its_own_counts() {
        let field = |id: &str| LaneField { id: id.into(), display_name: id.to_uppercase(), ..Default::default() };
        let fields = [field("name"), field("arr"), field("phone")];
        let entry =
            FieldMappingEntry { lane_field: "phone".into(), salesforce_field: "Phone".into(), ..Default::default() };
        let saved = FieldMapping { entries: vec![entry], etag: "v1".into(), ..Default::default() };
        let draft = Draft::default().with("arr", "ARR__c", &saved).with("phone", "", &saved);
        let effect = FieldEffect {
            lane_field: "arr".into(),
            touched: 1200,
            changed: 900,
            would_open: 0,
            would_overwrite: Some(7),
        };
        let unread =
            UnreadField { object: SalesforceObject::Account.into(), path: "ARR__c".into(), records: 40, api_calls: 1 };
        let preview = MappingPreview {
            touched: 1200,
            would_overwrite: Some(7),
            fields: vec![effect],
            unread_fields: vec![unread],
            ..Default::default()
        };
        let page = review(Side::Accounts, &fields, &saved, &draft, &preview);
        let arr = &page.rows[0];
        assert_eq!((arr.name.as_str(), arr.before.as_str(), arr.after.as_str()), ("ARR", "not mapped", "ARR__c"));
        assert_eq!((arr.touched.as_str(), arr.changed.as_str(), arr.overwritten.as_str()), ("1,200", "900", "7"));
        assert!(arr.lock.starts_with("Locks") && page.rows[1].lock.starts_with("Unlocks"));
        assert_eq!(
            page.unread,
            [
                "ARR__c of Accounts was never read. After saving, 40 records are read once more: about 1 Salesforce call."
            ]
        );
        assert_eq!(page.reread, "account");
        assert!(page.csv_href.contains("f.arr=ARR__c") && page.hidden.contains(&("b.phone".into(), "Phone".into())));
    }
}
