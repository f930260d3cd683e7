//! Two people at once: what the other saved, what you wanted, field by field.

use contract::mapper::v1::{FieldMapping, LaneField};
use jiff::Timestamp;

use super::draft::{Draft, path_of};
use super::shown;
use super::side::Side;
use crate::moment::Moment;

/// What the page says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct ConflictPage {
    pub(super) side: Side,
    pub(super) saved_at: Option<Moment>,
    /// Etag of what is saved now.
    pub(super) etag: String,
    pub(super) rows: Vec<Clash>,
    /// Whether anything of yours is left to put on top.
    pub(super) has_mine: bool,
}

/// A Lane field that one of the two changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Clash {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) began: String,
    pub(super) theirs: String,
    pub(super) mine: String,
    /// Paths as forms write them; empty for none.
    pub(super) theirs_path: String,
    pub(super) mine_path: String,
    /// Whether there is something to choose between.
    pub(super) is_open: bool,
    /// What happened, in words.
    pub(super) text: &'static str,
}

/// Compares.
pub(super) fn conflict(
    side: Side,
    fields: &[LaneField],
    saved: &FieldMapping,
    draft: &Draft,
    now: Timestamp,
) -> ConflictPage {
    let clash = |field: &LaneField| {
        let theirs = path_of(saved, &field.id);
        let wish = draft.wish(&field.id);
        let began = if draft.knows(&field.id) { draft.before(&field.id) } else { theirs };
        let (is_theirs, mine) = (began != theirs, wish.unwrap_or(began));
        let text = match (wish, is_theirs) {
            (None, false) => return None,
            (None, true) => "They changed it. You did not: theirs stays.",
            (Some(mine), _) if mine == theirs => "You both want the same.",
            (Some(_), true) => "You both changed it.",
            (Some(_), false) => "Only you changed it.",
        };
        let is_open = wish.is_some_and(|mine| mine != theirs);
        Some(Clash {
            id: field.id.clone(),
            name: shown::name(fields, &field.id).to_owned(),
            began: path_text(began),
            theirs: path_text(theirs),
            mine: if wish.is_some() { path_text(mine) } else { "not changed".to_owned() },
            theirs_path: theirs.to_owned(),
            mine_path: mine.to_owned(),
            is_open,
            text,
        })
    };
    let rows: Vec<Clash> = fields.iter().filter_map(clash).collect();
    ConflictPage {
        side,
        saved_at: Moment::of(saved.update_time.as_ref(), now),
        etag: saved.etag.clone(),
        has_mine: rows.iter().any(|row| row.is_open),
        rows,
    }
}

/// Returns a path as people read it.
pub(super) fn path_text(path: &str) -> String {
    if path.is_empty() { "not mapped".to_owned() } else { path.to_owned() }
}

#[cfg(test)]
mod tests {
    use contract::mapper::v1::FieldMappingEntry;

    use super::*;

    #[test]
    fn both_sides_of_every_field_are_told_and_only_what_differs_is_asked() {
        let field = |id: &str| LaneField { id: id.into(), display_name: id.to_uppercase(), ..Default::default() };
        let fields: Vec<_> = ["name", "arr", "phone", "website", "tier"].iter().map(|id| field(id)).collect();
        let entry = |(lane, path): (&str, &str)| FieldMappingEntry {
            lane_field: lane.into(),
            salesforce_field: path.into(),
            ..Default::default()
        };
        let saved = [("name", "Name"), ("arr", "Theirs__c"), ("website", "Website"), ("tier", "Same__c")];
        let saved = FieldMapping { entries: saved.map(entry).into(), etag: "v9".into(), ..Default::default() };
        let form = [
            ("etag", "v8"),
            ("f.name", "Name"),
            ("b.name", "Name"),
            ("f.arr", "Mine__c"),
            ("b.arr", "Old__c"),
            ("f.phone", "Phone"),
            ("b.phone", ""),
            ("f.website", ""),
            ("b.website", ""),
            ("f.tier", "Same__c"),
            ("b.tier", ""),
        ];
        let draft = Draft::read(&form.map(|(name, value)| (name.to_owned(), value.to_owned())));
        let page = conflict(Side::Accounts, &fields, &saved, &draft, Timestamp::UNIX_EPOCH);
        let told: Vec<_> = page
            .rows
            .iter()
            .map(|row| (row.id.as_str(), row.began.as_str(), row.theirs.as_str(), row.mine.as_str(), row.is_open))
            .collect();
        assert_eq!(
            told,
            [
                ("arr", "Old__c", "Theirs__c", "Mine__c", true),
                ("phone", "not mapped", "not mapped", "Phone", true),
                ("website", "not mapped", "Website", "not changed", false),
                ("tier", "not mapped", "Same__c", "Same__c", false),
            ]
        );
        assert!(page.has_mine);
        assert_eq!(page.etag, "v9");
    }
}
