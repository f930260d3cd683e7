//! From the mapper's answers to what the page of a field says.

use std::collections::BTreeMap;

use contract::mapper::v1::{FieldOption, MappingPreview};
use jiff::Timestamp;

use super::checked::{Checked, checked};
use super::choice::{AT_ONCE, Choice};
use super::list::PAGE_SIZE;
use super::look::{Look, Show};
use super::replay::Progress;
use super::row::{Row, row};
use super::{Answers, Group, GroupAnswers, mapping_row};
use crate::trouble::Trouble;
use crate::web::ROOT;
use crate::words::{count, number};

/// A form that could not be saved, or that is only checked.
#[derive(Clone, Debug)]
pub(super) struct Typed {
    pub(super) group: Group,
    pub(super) choice: Choice,
    pub(super) trouble: Option<Trouble>,
    /// How many values would be decided, and what that would do.
    pub(super) checked: Option<(usize, MappingPreview)>,
}

/// The page.
#[derive(Clone, Debug)]
pub(super) struct ValuesPage {
    pub(super) title: String,
    pub(super) action: String,
    pub(super) tabs: Vec<FieldTab>,
    pub(super) filters: Vec<Filter>,
    pub(super) show: &'static str,
    pub(super) q: String,
    pub(super) clear: String,
    pub(super) sections: Vec<Section>,
    /// How many are decided, of all.
    pub(super) decided: String,
    /// What the last save did, with its numbers; empty when nothing was saved just now.
    pub(super) said: String,
    pub(super) replay: Option<Progress>,
}

/// A field that has values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FieldTab {
    pub(super) title: String,
    pub(super) href: String,
    pub(super) open: i64,
    pub(super) is_here: bool,
}

/// A filter with the number of values that it leaves.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filter {
    pub(super) label: &'static str,
    pub(super) href: String,
    pub(super) count: String,
    pub(super) is_here: bool,
}

/// The values of one group.
#[derive(Clone, Debug)]
pub(super) struct Section {
    pub(super) token: &'static str,
    pub(super) title: &'static str,
    /// Where the form goes; also what the other forms' addresses begin with.
    pub(super) action: String,
    /// The Salesforce fields that feed it; empty when none does.
    pub(super) fed_by: String,
    pub(super) mapping: String,
    /// Whether the mapper did not say what it holds.
    pub(super) trouble: Option<Trouble>,
    pub(super) etag: String,
    pub(super) options: Vec<FieldOption>,
    pub(super) rows: Vec<Row>,
    pub(super) found: String,
    /// Offers to take every value found, when there are more than on this page and few enough for one save.
    pub(super) all_label: String,
    pub(super) place: String,
    pub(super) previous: String,
    pub(super) next: String,
    /// Open values that are called like an option.
    pub(super) namesakes: i64,
    /// What was wrong with the form.
    pub(super) fault: Option<Trouble>,
    pub(super) checked: Option<Checked>,
    /// What is chosen for ticked rows.
    pub(super) bulk: String,
    pub(super) takes_all: bool,
}

/// Builds the page of a field; `None` when Lane has no such option field.
pub(super) fn view(
    answers: &Answers,
    field: &str,
    look: &Look,
    typed: Option<&Typed>,
    now: Timestamp,
) -> Option<ValuesPage> {
    let known = answers.groups.iter().find_map(|group| group.field(field))?;
    let held = || answers.groups.iter().filter_map(|group| group.values.as_ref()?.as_ref().ok());
    let found = |show: Show| -> i64 {
        held().filter_map(|listed| listed.answer.found.as_ref()).map(|counts| show.count(counts)).sum()
    };
    let filters = Show::ALL.map(|show| Filter {
        label: show.label(),
        href: look.showing(show).href(field),
        count: number(found(show)),
        is_here: look.show() == show,
    });
    let all = |show: Show| -> i64 {
        held().filter_map(|listed| listed.answer.all.as_ref()).map(|counts| show.count(counts)).sum()
    };
    let (total, open) = (all(Show::All), all(Show::Open));
    let said = said(look);
    let replay = answers.replay.as_ref().ok().and_then(Progress::of);
    Some(ValuesPage {
        title: known.display_name.clone(),
        action: format!("{ROOT}/values/{field}"),
        tabs: tabs(answers, field),
        filters: filters.into(),
        show: look.show().token(),
        q: look.q.clone(),
        clear: Look { show: look.show.clone(), ..Look::default() }.href(field),
        sections: answers.groups.iter().filter_map(|group| section(group, field, look, typed, now)).collect(),
        decided: format!("{} of {} decided", number(total - open), count(total, "value", "values")),
        replay: replay.filter(|replay| replay.is_live || !said.is_empty()),
        said,
    })
}

fn as_number(count: usize) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Tells what the last save did, from the numbers in the address.
fn said(look: &Look) -> String {
    let (Ok(decided), Ok(changed)) = (look.decided.parse::<u32>(), look.changed.parse::<u32>()) else {
        return String::new();
    };
    let group = Group::of_token(&look.of).unwrap_or(Group::Accounts);
    let (decided, changed) = (i64::from(decided), i64::from(changed));
    let verb = if changed == 1 { "changes" } else { "change" };
    format!(
        "{} saved. {} {verb}, from what Lane has stored: no Salesforce call was made.",
        count(decided, "value", "values"),
        group.in_lane(changed)
    )
}

fn tabs(answers: &Answers, here: &str) -> Vec<FieldTab> {
    let mut titles: BTreeMap<(usize, &str), &str> = BTreeMap::new();
    // Status and Tier first, as everywhere; then what the workspace defined.
    let place = |id: &str| ["status", "tier"].iter().position(|known| *known == id).unwrap_or(2);
    for field in answers.groups.iter().flat_map(|group| &group.fields) {
        titles.entry((place(&field.id), &field.id)).or_insert(&field.display_name);
    }
    let open = answers.open.as_ref().map(|open| open.fields.as_slice()).unwrap_or_default();
    let tab = |((_, id), title): (&(usize, &str), &&str)| FieldTab {
        title: (*title).to_owned(),
        href: Look::default().href(id),
        open: open.iter().filter(|open| open.field == *id).map(|open| open.count).sum(),
        is_here: *id == here,
    };
    titles.iter().map(tab).collect()
}

fn section(answers: &GroupAnswers, field: &str, look: &Look, typed: Option<&Typed>, now: Timestamp) -> Option<Section> {
    let (group, known) = (answers.group, answers.field(field)?);
    let listed = answers.values.as_ref()?;
    let trouble = listed.as_ref().err().cloned();
    let listed = listed.as_ref().ok().cloned().unwrap_or_default();
    let (at, pages, total, shown) = (listed.at, listed.pages, listed.answer.total_size, &listed.answer.values);
    let (first, some) = (as_number(at.saturating_sub(1) * PAGE_SIZE), as_number(shown.len()));
    let typed = typed.filter(|typed| typed.group == group);
    let turn = |page: usize| format!("{}#{}", look.turned(group, page).href(field), group.token());
    Some(Section {
        token: group.token(),
        title: group.title(),
        action: format!("{ROOT}/values/{field}/{}", group.token()),
        fed_by: fed_by(answers, field),
        mapping: mapping_row(group, field),
        trouble,
        etag: listed.answer.etag.clone(),
        rows: shown.iter().map(|value| row(value, &known.options, typed.map(|typed| &typed.choice), now)).collect(),
        options: known.options.clone(),
        found: count(total, "value", "values"),
        all_label: if some < total && total <= as_number(AT_ONCE) {
            format!("All {} found, also those on other pages", number(total))
        } else {
            String::new()
        },
        place: if pages > 1 {
            format!("{}–{} of {}", number(first + 1), number(first + some), number(total))
        } else {
            String::new()
        },
        previous: if at > 1 { turn(at - 1) } else { String::new() },
        next: if at < pages { turn(at + 1) } else { String::new() },
        namesakes: listed.answer.all.as_ref().map_or(0, |counts| counts.namesakes),
        fault: typed.and_then(|typed| typed.trouble.clone()),
        checked: typed
            .and_then(|typed| typed.checked.as_ref())
            .map(|(decided, preview)| checked(group, *decided, preview, &known.options)),
        bulk: typed.and_then(|typed| typed.choice.bulk.clone()).unwrap_or_else(|| "none".to_owned()),
        takes_all: typed.is_some_and(|typed| typed.choice.takes_all),
    })
}

fn fed_by(answers: &GroupAnswers, field: &str) -> String {
    let Ok(mapping) = &answers.mapping else { return "not known now".to_owned() };
    let Some(entry) = mapping.entries.iter().find(|entry| entry.lane_field == field) else { return String::new() };
    match (answers.group, entry.lead_field.is_empty()) {
        (Group::Accounts, _) => format!("Account.{}", entry.salesforce_field),
        (Group::People, true) => format!("Contact.{}", entry.salesforce_field),
        (Group::People, false) => format!("Contact.{} and Lead.{}", entry.salesforce_field, entry.lead_field),
    }
}

#[cfg(test)]
mod tests;
