//! Asks the mapper for values. It searches, filters, orders and pages; here only what is shown or saved is asked for.

use std::collections::{BTreeSet, HashMap};

use contract::mapper::v1::{ListValueMappingsRequest, ListValueMappingsResponse, ValueMapping};

use super::Group;
use super::choice::{AT_ONCE, Choice, Fault};
use super::look::Look;
use crate::peers::{ACTION, Answer, PAGE, Party, ask};
use crate::web::Visit;

/// Values of a group on one page.
pub(super) const PAGE_SIZE: usize = 50;

/// A page of a group's values.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Listed {
    pub(super) answer: ListValueMappingsResponse,
    /// Which page it is, counted from 1.
    pub(super) at: usize,
    pub(super) pages: usize,
}

impl Listed {
    pub(super) fn of(answer: ListValueMappingsResponse, at: usize) -> Self {
        let pages = usize::try_from(answer.total_size).unwrap_or_default().div_ceil(PAGE_SIZE).max(1);
        Self { answer, at, pages }
    }
}

/// Asks for the page that is looked at; one beyond the end is the last one.
pub(super) async fn page(visit: &Visit, group: Group, field: &str, look: &Look) -> Answer<Listed> {
    let request = |at: usize| ListValueMappingsRequest {
        page_size: amount(PAGE_SIZE),
        skip: amount((at - 1).saturating_mul(PAGE_SIZE)),
        ..found(visit, group, field, look)
    };
    let mappings = || visit.peers().mappings();
    let at = look.page(group);
    let listed = Listed::of(ask(Party::Mapper, PAGE, mappings().list_value_mappings(request(at))).await?, at);
    if listed.at <= listed.pages {
        return Ok(listed);
    }
    let last = listed.pages;
    Ok(Listed::of(ask(Party::Mapper, PAGE, mappings().list_value_mappings(request(last))).await?, last))
}

/// Values that a form is about.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Chosen {
    /// Rows that were ticked or changed.
    pub(super) named: Vec<ValueMapping>,
    /// Every value that the form's search finds, if all of them were taken.
    pub(super) found: Vec<ValueMapping>,
}

/// Asks for the values that a form is about.
pub(super) async fn chosen(visit: &Visit, group: Group, field: &str, choice: &Choice) -> Answer<Chosen> {
    let ids = choice.named();
    if ids.len() > AT_ONCE {
        return Err(Fault::TooMany.into());
    }
    let named = match ids.is_empty() {
        true => Vec::new(),
        false => every(visit, ListValueMappingsRequest { ids, ..of(visit, group, field) }).await?,
    };
    let found = match choice.takes_all {
        true => every(visit, found(visit, group, field, &choice.look)).await?,
        false => Vec::new(),
    };
    Ok(Chosen { named, found })
}

/// Asks for open values that are called like an option, or for those among them that were ticked.
pub(super) async fn namesakes(
    visit: &Visit,
    group: Group,
    field: &str,
    ticked: BTreeSet<String>,
    at_once: usize,
) -> Answer<ListValueMappingsResponse> {
    let request = ListValueMappingsRequest {
        has_namesake: true,
        page_size: amount(at_once),
        ids: ticked.into_iter().collect(),
        ..of(visit, group, field)
    };
    ask(Party::Mapper, ACTION, visit.peers().mappings().list_value_mappings(request)).await
}

/// Asks how many values are mapped to each option.
pub(super) async fn by_option(visit: &Visit, group: Group, field: &str) -> Answer<HashMap<String, i64>> {
    let request = ListValueMappingsRequest { page_size: 1, ..of(visit, group, field) };
    let answer = ask(Party::Mapper, PAGE, visit.peers().mappings().list_value_mappings(request)).await?;
    Ok(answer.values_by_option)
}

/// Follows the pages of a list that is no longer than one save.
async fn every(visit: &Visit, request: ListValueMappingsRequest) -> Answer<Vec<ValueMapping>> {
    let mut request = ListValueMappingsRequest { page_size: amount(AT_ONCE), ..request };
    let mut values = Vec::new();
    loop {
        let page = ask(Party::Mapper, ACTION, visit.peers().mappings().list_value_mappings(request.clone())).await?;
        if page.total_size > i64::from(amount(AT_ONCE)) {
            return Err(Fault::TooMany.into());
        }
        values.extend(page.values);
        request.page_token = page.next_page_token;
        if request.page_token.is_empty() {
            return Ok(values);
        }
    }
}

fn found(visit: &Visit, group: Group, field: &str, look: &Look) -> ListValueMappingsRequest {
    let decision = look.show().decision().into();
    ListValueMappingsRequest { search: look.q.clone(), decision, ..of(visit, group, field) }
}

fn of(visit: &Visit, group: Group, field: &str) -> ListValueMappingsRequest {
    ListValueMappingsRequest {
        workspace_id: visit.workspace(),
        kind: group.kind().into(),
        field: field.to_owned(),
        ..Default::default()
    }
}

fn amount(count: usize) -> i32 {
    i32::try_from(count).unwrap_or(i32::MAX)
}
