use contract::common::v1::{FieldType, Money, SalesforceObject};
use contract::mapper::v1::{
    CountUnmappedValuesResponse, FieldMapping, FieldMappingEntry, LaneField, ListValueMappingsResponse, Replay,
    UnmappedFieldCount, ValueCounts, ValueDecision, ValueMapping,
};

use super::*;
use crate::peers::Party;
use crate::values::list::Listed;

fn value(text: &str, decision: ValueDecision) -> ValueMapping {
    ValueMapping {
        id: format!("id-{text}"),
        value: text.into(),
        label: text.into(),
        decision: decision.into(),
        option: if decision == ValueDecision::Map { "smb".into() } else { String::new() },
        origins: vec![SalesforceObject::Account.into()],
        active: true,
        record_count: 1,
        customer_count: 1,
        ..Default::default()
    }
}

fn tier(options: usize) -> LaneField {
    let option = |at: usize| match at {
        0 => FieldOption { key: "smb".into(), display_name: "SMB".into() },
        at => FieldOption { key: format!("o{at}"), display_name: format!("Option {at}") },
    };
    LaneField {
        id: "tier".into(),
        display_name: "Tier".into(),
        r#type: FieldType::Option.into(),
        options: (0..options).map(option).collect(),
        ..Default::default()
    }
}

fn answers(values: Vec<ValueMapping>, options: usize) -> Answers {
    let count = |decision: ValueDecision| as_number(values.iter().filter(|value| value.decision() == decision).count());
    let counts = ValueCounts {
        open: count(ValueDecision::Open),
        mapped: count(ValueDecision::Map),
        ignored: count(ValueDecision::Ignore),
        namesakes: as_number(values.iter().filter(|value| !value.suggested_option.is_empty()).count()),
    };
    let answer = ListValueMappingsResponse {
        etag: "e1".into(),
        total_size: as_number(values.len()),
        all: Some(counts),
        found: Some(counts),
        values,
        ..Default::default()
    };
    with(Listed::of(answer, 1), options)
}

fn with(listed: Listed, options: usize) -> Answers {
    let entry =
        FieldMappingEntry { lane_field: "tier".into(), salesforce_field: "Tier__c".into(), ..Default::default() };
    let custom = LaneField { id: "custom_region".into(), display_name: "Region".into(), ..tier(1) };
    let status = LaneField { id: "status".into(), display_name: "Status".into(), ..tier(1) };
    let accounts = GroupAnswers {
        group: Group::Accounts,
        fields: vec![custom, tier(options), status],
        values: Some(Ok(listed)),
        mapping: Ok(FieldMapping { entries: vec![entry], ..Default::default() }),
    };
    let people = GroupAnswers {
        group: Group::People,
        fields: vec![tier(options)],
        values: Some(Ok(Listed::of(ListValueMappingsResponse::default(), 1))),
        mapping: Ok(FieldMapping::default()),
    };
    let open = UnmappedFieldCount { field: "status".into(), count: 1, ..Default::default() };
    Answers {
        groups: [accounts, people],
        open: Ok(CountUnmappedValuesResponse { fields: vec![open], ..Default::default() }),
        replay: Ok(Replay::default()),
    }
}

fn page(answers: &Answers, look: &Look) -> ValuesPage {
    view(answers, "tier", look, None, Timestamp::UNIX_EPOCH).unwrap()
}

#[test]
fn rows_stand_as_the_mapper_orders_them_with_what_is_behind_each() {
    let arr = vec![Money { amount: "1000".into(), currency_code: "EUR".into() }];
    let worth = ValueMapping { arr, ..value("thousand", ValueDecision::Open) };
    let values = vec![worth, value("few", ValueDecision::Open), value("decided", ValueDecision::Map)];
    let page = page(&answers(values, 2), &Look::default());
    let order: Vec<_> = page.sections[0].rows.iter().map(|row| row.value.as_str()).collect();
    assert_eq!(order, ["thousand", "few", "decided"]);
    assert_eq!(page.sections[0].rows[0].arr, "1,000 EUR");
    assert_eq!(page.decided, "1 of 3 values decided");
}

#[test]
fn tabs_are_status_tier_and_what_the_workspace_defined_each_once() {
    let page = page(&answers(Vec::new(), 2), &Look::default());
    let tabs: Vec<_> = page.tabs.iter().map(|tab| (tab.title.as_str(), tab.open, tab.is_here)).collect();
    assert_eq!(tabs, [("Status", 1, false), ("Tier", 0, true), ("Region", 0, false)]);
    assert!(view(&answers(Vec::new(), 2), "arr", &Look::default(), None, Timestamp::UNIX_EPOCH).is_none());
}

#[test]
fn a_group_that_nothing_feeds_says_so_and_leads_to_its_row() {
    let page = page(&answers(vec![value("a", ValueDecision::Open)], 2), &Look::default());
    assert_eq!(page.sections[0].fed_by, "Account.Tier__c");
    assert_eq!(page.sections[1].fed_by, "");
    assert_eq!(page.sections[1].mapping, "/integrations/salesforce/mapping/people#row-tier");
}

#[test]
fn a_page_of_ten_thousand_values_says_where_it_is_and_leads_on() {
    let rows = || (0..50).map(|at| value(&format!("v{at:05}"), ValueDecision::Open)).collect();
    let counts = ValueCounts { open: 9_990, ignored: 10, ..Default::default() };
    let answer = |total_size| ListValueMappingsResponse {
        values: rows(),
        total_size,
        all: Some(counts),
        found: Some(counts),
        ..Default::default()
    };
    let shown = page(&with(Listed::of(answer(10_000), 1), 200), &Look::default());
    let section = &shown.sections[0];
    assert_eq!((section.rows.len(), section.place.as_str()), (50, "1–50 of 10,000"));
    assert!(section.previous.is_empty() && section.next.ends_with("accounts=2#accounts"), "{}", section.next);
    assert!(section.all_label.is_empty(), "more than one save takes");
    assert!(section.rows[0].choices.len() < 10, "200 options do not stand in every row");
    let counts: Vec<_> = shown.filters.iter().map(|filter| filter.count.as_str()).collect();
    assert_eq!(counts, ["10,000", "9,990", "0", "10"]);

    let last = page(&with(Listed::of(answer(10_000), 200), 2), &Look::default());
    assert_eq!(last.sections[0].place, "9,951–10,000 of 10,000");
    assert!(last.sections[0].next.is_empty() && last.sections[0].previous.ends_with("accounts=199#accounts"));
    let found = page(&with(Listed::of(answer(100), 1), 2), &Look { q: "v001".into(), ..Look::default() });
    assert_eq!(found.sections[0].all_label, "All 100 found, also those on other pages");
}

#[test]
fn a_refused_form_keeps_what_was_chosen_and_says_what_is_saved() {
    let answers = answers(vec![value("Gold", ValueDecision::Map), value("Silver", ValueDecision::Open)], 3);
    let form = [("to-id-Gold", "-"), ("was-id-Gold", ""), ("pick", "id-Silver"), ("bulk", "o1"), ("etag", "old")];
    let form: Vec<_> = form.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
    let trouble = Trouble::silent(Party::Mapper);
    let typed = Typed { group: Group::Accounts, choice: Choice::read(&form), trouble: Some(trouble), checked: None };
    let page = view(&answers, "tier", &Look::default(), Some(&typed), Timestamp::UNIX_EPOCH).unwrap();
    let section = &page.sections[0];
    assert_eq!((section.etag.as_str(), section.bulk.as_str()), ("e1", "o1"), "the next save is of what is shown now");
    let gold = section.rows.iter().find(|row| row.value == "Gold").unwrap();
    assert_eq!((gold.saved.as_str(), gold.was.as_str()), ("SMB", "smb"));
    assert!(gold.choices.iter().any(|offer| offer.token == "-" && offer.is_chosen));
    assert!(section.rows.iter().any(|row| row.value == "Silver" && row.is_ticked));
    assert!(page.sections[1].fault.is_none(), "the other group has no fault");
}

#[test]
fn the_numbers_of_a_save_are_told_and_nothing_else_is() {
    let look = Look { decided: "3".into(), changed: "1200".into(), of: "accounts".into(), ..Look::default() };
    assert_eq!(
        said(&look),
        "3 values saved. 1,200 customers change, from what Lane has stored: no Salesforce call was made."
    );
    let look = Look { decided: "1".into(), changed: "1".into(), of: "people".into(), ..Look::default() };
    assert!(said(&look).starts_with("1 value saved. 1 person changes,"));
    assert_eq!(said(&Look { decided: "<b>".into(), ..Look::default() }), "");
}

#[test]
fn marks_say_inactive_and_never_used_and_namesakes_are_named() {
    let odd = ValueMapping {
        active: false,
        never_used: true,
        suggested_option: "smb".into(),
        label: "Small".into(),
        ..value("smb", ValueDecision::Open)
    };
    let page = page(&answers(vec![odd], 2), &Look::default());
    let row = &page.sections[0].rows[0];
    assert!(row.is_inactive && row.is_never_used && row.is_open);
    assert_eq!((row.namesake.as_str(), row.label.as_str(), page.sections[0].namesakes), ("SMB", "Small", 1));
}
