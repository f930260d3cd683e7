use domain::{Kind, Object};
use mapping::{
    CheckedEntry, ObjectSchema, Problem, RequestedEntry, SourceField, SourceType, Violation, check_entries, lane_fields,
};

pub(crate) fn field(path: &str, source_type: SourceType) -> SourceField {
    SourceField {
        path: path.to_owned(),
        label: path.trim_end_matches("__c").replace('_', " "),
        source_type,
        calculated: false,
        custom: path.ends_with("__c"),
        values: Vec::new(),
    }
}

fn check(kind: Kind, requested: &[(&str, &str)]) -> Result<Vec<CheckedEntry>, Vec<Violation>> {
    let account = ObjectSchema {
        object: Object::Account,
        fields: vec![
            field("Name", SourceType::String),
            field("BillingAddress", SourceType::Address),
            field("Tier__c", SourceType::Picklist),
            field("Tags__c", SourceType::MultiPicklist),
            field("Website", SourceType::Url),
        ],
    };
    let contact = ObjectSchema {
        object: Object::Contact,
        fields: vec![
            field("Name", SourceType::String),
            field("Email", SourceType::Email),
            field("Account.Name", SourceType::String),
            field("Birthdate", SourceType::Date),
            field("Odd__c", SourceType::String),
        ],
    };
    let lead = ObjectSchema {
        object: Object::Lead,
        fields: vec![
            field("Name", SourceType::String),
            field("Email", SourceType::Email),
            field("Company", SourceType::String),
            field("Odd__c", SourceType::Base64),
        ],
    };
    let requested: Vec<_> = requested
        .iter()
        .map(|(lane, path)| RequestedEntry { lane_field: (*lane).into(), salesforce_field: (*path).into() })
        .collect();
    check_entries(kind, &lane_fields(kind), &[account, contact, lead], &requested)
}

fn codes(result: Result<Vec<CheckedEntry>, Vec<Violation>>) -> Vec<(String, &'static str)> {
    result.unwrap_err().into_iter().map(|violation| (violation.lane_field, violation.problem.code())).collect()
}

#[test]
fn every_faulty_entry_is_named_at_once() {
    let found = codes(check(
        Kind::Account,
        &[
            ("name", "Name"),
            ("name", "Website"),
            ("glory", "Name"),
            ("arr", "Name"),
            ("country", "BillingAddress"),
            ("phone", "Fone"),
            ("industry", "Name, Id"),
            ("status", "A.B.C"),
        ],
    ));
    let expected = [
        ("name", "mapping_conflict"),
        ("glory", "mapping_target_unknown"),
        ("arr", "mapping_field_invalid"),
        ("country", "mapping_field_invalid"),
        ("phone", "mapping_field_invalid"),
        ("industry", "mapping_field_name_invalid"),
        ("status", "mapping_field_name_invalid"),
    ];
    assert_eq!(found, expected.map(|(field, code)| (field.to_owned(), code)));
}

#[test]
fn an_empty_a_huge_and_a_nameless_mapping_are_refused() {
    assert_eq!(codes(check(Kind::Account, &[])), [(String::new(), "mapping_empty")]);
    assert_eq!(codes(check(Kind::Account, &[("name", "Name"); 201])), [(String::new(), "mapping_too_large")]);
    let nameless = check(Kind::Account, &[("website", "Website")]).unwrap_err();
    assert_eq!(nameless, [Violation { lane_field: "name".into(), problem: Problem::RequiredMissing }]);
}

#[test]
fn a_person_is_called_name_by_default() {
    let checked = check(Kind::Contact, &[("email", "Email")]).unwrap();
    let pairs: Vec<_> = checked.iter().map(|entry| (entry.field.as_str(), entry.path.as_str())).collect();
    assert_eq!(pairs, [("name", "Name"), ("email", "Email")]);
}

#[test]
fn leads_feed_by_name_by_equivalent_or_not_at_all() {
    let checked = check(Kind::Contact, &[("email", "Email"), ("company", "Account.Name"), ("title", "Birthdate")]);
    let lead: Vec<_> = checked
        .unwrap()
        .into_iter()
        .map(|entry| (entry.field.as_str().to_owned(), entry.lead_path.map(|path| path.as_str().to_owned())))
        .collect();
    let expected = [("name", Some("Name")), ("email", Some("Email")), ("title", None), ("company", Some("Company"))];
    assert_eq!(lead, expected.map(|(field, path)| (field.to_owned(), path.map(str::to_owned))));
}

#[test]
fn a_field_that_fits_on_contact_must_fit_on_lead_too() {
    let found = check(Kind::Contact, &[("title", "Odd__c")]).unwrap_err();
    assert!(matches!(found[0].problem, Problem::TypeRefused { object: Object::Lead, .. }));
}

#[test]
fn a_multi_select_field_is_known_as_one() {
    let checked = check(Kind::Account, &[("name", "Name"), ("tier", "Tags__c"), ("status", "Tier__c")]).unwrap();
    let multi: Vec<_> = checked.iter().map(|entry| entry.multi_select).collect();
    assert_eq!(multi, [false, true, false]);
}
