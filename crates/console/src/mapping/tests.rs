//! The view of the mapping page: answers in, finished words out.

use contract::common::v1::FieldType;
use contract::error::Violation;
use contract::mapper::v1::{CandidateField, FieldMapping, FieldMappingEntry, FieldSuggestion, LaneField};
use jiff::Timestamp;

use super::draft::Draft;
use super::need::Need;
use super::side::Side;
use super::view::{Known, MappingPage, Row, view};

fn lane(id: &str, name: &str, kind: FieldType) -> LaneField {
    LaneField {
        id: id.into(),
        display_name: name.into(),
        r#type: kind.into(),
        required: id == "name",
        ..Default::default()
    }
}

fn candidate(path: &str, label: &str, kind: &str, lead: &str) -> CandidateField {
    CandidateField {
        salesforce_field: path.into(),
        label: label.into(),
        r#type: kind.into(),
        lead_field: lead.into(),
        ..Default::default()
    }
}

fn entry(lane: &str, path: &str) -> FieldMappingEntry {
    FieldMappingEntry { lane_field: lane.into(), salesforce_field: path.into(), ..Default::default() }
}

fn people() -> Known {
    Known {
        side: Side::People,
        fields: vec![
            lane("name", "Name", FieldType::Text),
            lane("email", "E-mail", FieldType::Text),
            lane("company", "Company", FieldType::Text),
            lane("tier", "Tier", FieldType::Option),
        ],
        saved: FieldMapping {
            entries: vec![entry("name", "Name"), entry("company", "Account.Name"), entry("tier", "Gone__c")],
            etag: "v3".into(),
            ..Default::default()
        },
        suggestions: vec![FieldSuggestion {
            lane_field: "email".into(),
            salesforce_field: "Email".into(),
            reason: "the standard field \"Email\"".into(),
        }],
        candidates: Ok(vec![
            candidate("Name", "Full Name", "string", "Name"),
            candidate("Email", "Email", "email", "Email"),
            candidate("Account.Name", "Account Name", "string", "Company"),
            candidate("Birthdate", "Birthdate", "date", ""),
        ]),
    }
}

fn page(known: &Known, draft: &Draft, violations: &[Violation]) -> MappingPage {
    view(known, draft, violations, Timestamp::UNIX_EPOCH)
}

fn row<'p>(page: &'p MappingPage, id: &str) -> &'p Row {
    page.rows.iter().find(|row| row.id == id).unwrap()
}

#[test]
fn a_row_says_what_feeds_it_what_leads_do_and_whether_it_is_locked() {
    let page = page(&people(), &Draft::default(), &[]);
    assert_eq!(page.summary, "Salesforce feeds 3 of 4 Lane fields.");
    assert!(!page.is_changed);
    let name = row(&page, "name");
    assert!(name.required.starts_with("Always mapped"));
    assert!(name.choices.iter().all(|choice| !choice.path.is_empty()), "it can't be unmapped");
    let company = row(&page, "company");
    assert_eq!(company.leads, "Leads: Company instead.");
    assert_eq!((company.state.icon, company.state.word), ("lock", "Locked"));
    let chosen = company.choices.iter().find(|choice| choice.is_chosen).unwrap();
    assert_eq!(chosen.text, "Account Name · Account.Name · Text");
    let email = row(&page, "email");
    assert_eq!(email.state.word, "Not mapped");
    assert_eq!(email.suggestion.as_ref().unwrap().reason, "The standard field \"Email\".");
    assert_eq!(page.suggested, 1);
    assert!(row(&page, "tier").note.contains("can’t see Gone__c"));
}

#[test]
fn a_draft_says_what_saving_will_do_and_a_refusal_stands_at_its_field() {
    let known = people();
    let draft = Draft::default().with("email", "Birthdate", &known.saved).with("company", "", &known.saved);
    let violation = Violation {
        field: "email".into(),
        description: "mapping_field_invalid: the field of Contact is not a number".into(),
    };
    let page = page(&known, &draft, &[violation]);
    assert!(page.is_changed);
    let email = row(&page, "email");
    assert_eq!((email.state.word, email.base.as_str()), ("Will lock", ""));
    assert_eq!(email.leads, "Not fed by leads: they have no such field.");
    assert!(email.suggestion.is_none(), "a choice is never overruled");
    let fault = email.fault.as_ref().unwrap();
    assert_eq!(fault.sentence, "The field of Contact is not a number.");
    assert!(!fault.remedy.is_empty());
    let company = row(&page, "company");
    assert_eq!((company.state.word, company.base.as_str()), ("Will unlock", "Account.Name"));
}

#[test]
fn without_the_orgs_fields_what_is_mapped_is_still_shown_and_can_only_go() {
    let need = Need { title: "Not now".into(), text: String::new(), label: "Try again", href: String::new() };
    let known = Known { candidates: Err(need.clone()), ..people() };
    let page = page(&known, &Draft::default(), &[]);
    assert_eq!(page.need, Some(need));
    let company = row(&page, "company");
    let paths: Vec<&str> = company.choices.iter().map(|choice| choice.path.as_str()).collect();
    assert_eq!(paths, ["", "Account.Name"]);
    assert!(company.fields_href.is_empty() && row(&page, "email").suggestion.is_none());
}
