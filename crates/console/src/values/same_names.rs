//! Maps values to the options that are called the same, after showing which those are.

use std::collections::BTreeSet;

use askama::Template;
use axum::Form;
use axum::extract::Path;
use axum::http::StatusCode;
use contract::error::Reason;
use contract::mapper::v1::{ListValueMappingsResponse, ValueMapping};

use super::checked::{Checked, checked};
use super::choice::{Choice, Target, decision};
use super::look::Look;
use super::options::option_field;
use super::row::is_namesake;
use super::{Group, list, save};
use crate::peers::Answer;
use crate::trouble::Trouble;
use crate::web::{Frame, Ground, Notice, Outcome, ROOT, Tab, Visit, page, see};
use crate::words::{count, number};

/// Pairs on one page, and in one save.
const AT_ONCE: usize = 500;

/// A value and its namesake among the options.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Pair {
    id: String,
    value: String,
    label: String,
    option: String,
    records: String,
    is_ticked: bool,
}

/// What the page says.
#[derive(Clone, Debug)]
struct SameNamesPage {
    title: String,
    group: &'static str,
    back: String,
    action: String,
    pairs: Vec<Pair>,
    /// How many more there are than fit on the page; empty when none.
    more: String,
    etag: String,
    checked: Option<Checked>,
    trouble: Option<Trouble>,
}

#[derive(Template)]
#[template(path = "values_same_names.html")]
struct SameNamesTemplate<'a> {
    frame: &'a Frame,
    page: &'a SameNamesPage,
}

pub(super) async fn show(visit: Visit, Path((field, group)): Path<(String, String)>) -> Outcome {
    let group = Group::of_token(&group).ok_or_else(|| visit.refuse_missing())?;
    render(&visit, group, &field, None).await
}

pub(super) async fn save(
    visit: Visit,
    Path((field, group)): Path<(String, String)>,
    Form(pairs): Form<Vec<(String, String)>>,
) -> Outcome {
    let group = Group::of_token(&group).ok_or_else(|| visit.refuse_missing())?;
    match apply(&visit, group, &field, &pairs).await {
        Ok(applied) => Ok(see(&applied.look(group, Look::default()).href(&field), Some(Notice::ValuesSaved))),
        Err(trouble) => render(&visit, group, &field, Some((trouble, ticked(&pairs)))).await,
    }
}

fn ticked(pairs: &[(String, String)]) -> BTreeSet<String> {
    pairs.iter().filter(|(name, _)| name == "pick").map(|(_, id)| id.clone()).collect()
}

async fn apply(visit: &Visit, group: Group, field: &str, pairs: &[(String, String)]) -> Answer<save::Applied> {
    let ticked = ticked(pairs);
    let decisions = match ticked.is_empty() {
        true => Vec::new(),
        false => decisions(list::namesakes(visit, group, field, ticked, AT_ONCE).await?.values.iter()),
    };
    if decisions.is_empty() {
        let title = "No value is ticked that has a namesake";
        return Err(Trouble::new(Reason::ArgumentInvalid, title, "Nothing was saved.").advise("Tick at least one."));
    }
    save::decide(visit, group, field, decisions, &Choice::read(pairs).etag, false).await
}

/// Returns the decisions that make values the options they are called like.
fn decisions<'v>(values: impl Iterator<Item = &'v ValueMapping>) -> Vec<ValueMapping> {
    values
        .filter(|value| is_namesake(value))
        .map(|value| decision(value, &Target::Option(value.suggested_option.clone())))
        .collect()
}

async fn render(visit: &Visit, group: Group, field: &str, refused: Option<(Trouble, BTreeSet<String>)>) -> Outcome {
    let namesakes = Box::pin(list::namesakes(visit, group, field, BTreeSet::new(), AT_ONCE));
    let (ground, options, known) = tokio::join!(Ground::of(visit), option_field(visit, group, field), namesakes);
    let options = options.map_err(|trouble| visit.refuse(&trouble))?.ok_or_else(|| visit.refuse_missing())?;
    let known = known.map_err(|trouble| visit.refuse(&trouble))?;
    let proposed = decisions(known.values.iter());
    let would = match proposed.is_empty() {
        true => None,
        // Only a help: without the numbers the page still shows what it would do.
        false => save::decide(visit, group, field, proposed, &known.etag, true).await.ok(),
    };
    let checked = would.map(|would| checked(group, would.decided, &would.preview, &options.options));
    let status = refused.as_ref().map_or(StatusCode::OK, |(trouble, _)| trouble.status());
    let view = SameNamesPage { checked, ..view(group, &options, &known, refused) };
    let frame = Frame::new(visit, &ground, Some(Tab::Values), "Match same names");
    Ok(page(status, &SameNamesTemplate { frame: &frame, page: &view }))
}

fn view(
    group: Group,
    field: &contract::mapper::v1::LaneField,
    known: &ListValueMappingsResponse,
    refused: Option<(Trouble, BTreeSet<String>)>,
) -> SameNamesPage {
    let namesakes: Vec<_> = known.values.iter().filter(|value| is_namesake(value)).collect();
    let shown = i64::try_from(namesakes.len()).unwrap_or(i64::MAX);
    let option_name = |key: &str| {
        let option = field.options.iter().find(|option| option.key == key);
        option.map_or_else(|| key.to_owned(), |option| option.display_name.clone())
    };
    let pair = |value: &&ValueMapping| Pair {
        id: value.id.clone(),
        value: value.value.clone(),
        label: if value.label == value.value { String::new() } else { value.label.clone() },
        option: option_name(&value.suggested_option),
        records: number(value.record_count),
        is_ticked: refused.as_ref().is_none_or(|(_, ticked)| ticked.contains(&value.id)),
    };
    SameNamesPage {
        title: field.display_name.clone(),
        group: group.title(),
        back: Look::default().href(&field.id),
        action: format!("{ROOT}/values/{}/{}/same-names", field.id, group.token()),
        pairs: namesakes.iter().map(pair).collect(),
        more: match known.total_size - shown {
            ..=0 => String::new(),
            more => format!("{} more follow when these are saved.", count(more, "value", "values")),
        },
        etag: known.etag.clone(),
        checked: None,
        trouble: refused.map(|(trouble, _)| trouble),
    }
}

#[cfg(test)]
mod tests {
    use contract::mapper::v1::{FieldOption, LaneField, ValueDecision};

    use super::*;

    #[test]
    fn open_values_meet_their_namesakes_and_decided_ones_are_left_alone() {
        let option = |key: &str, name: &str| FieldOption { key: key.into(), display_name: name.into() };
        let field = LaneField {
            id: "tier".into(),
            display_name: "Tier".into(),
            options: vec![option("mid_market", "Mid-Market")],
            ..Default::default()
        };
        let value = |id: &str, decision: ValueDecision, suggested: &str| ValueMapping {
            id: id.into(),
            value: "MID MARKET".into(),
            decision: decision.into(),
            suggested_option: suggested.into(),
            record_count: 1_200,
            ..Default::default()
        };
        let values = vec![
            value("1", ValueDecision::Open, "mid_market"),
            value("2", ValueDecision::Ignore, "mid_market"),
            value("3", ValueDecision::Open, ""),
        ];
        let known = ListValueMappingsResponse { values, etag: "e".into(), total_size: 3, ..Default::default() };
        let page = view(Group::Accounts, &field, &known, None);
        assert_eq!(page.pairs.len(), 1);
        assert_eq!((page.pairs[0].option.as_str(), page.pairs[0].records.as_str()), ("Mid-Market", "1,200"));
        assert!(page.pairs[0].is_ticked);
        assert_eq!(page.more, "2 values more follow when these are saved.", "as many as the mapper holds besides");
        let decided = decisions(known.values.iter());
        assert_eq!(decided.len(), 1);
        assert_eq!((decided[0].decision(), decided[0].option.as_str()), (ValueDecision::Map, "mid_market"));
    }
}
