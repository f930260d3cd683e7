use domain::{FieldType, Kind, Money, Object, Value};
use mapping::{Cell, KindMapping};

use crate::{UNMAPPED, accounts, entry, map, option, text, tier};

#[test]
fn a_field_that_was_not_read_is_left_alone_and_one_that_vanished_is_a_fault() {
    let compiled = accounts(vec![entry("phone", FieldType::Text, "Phone")]).compile(Object::Account);

    let not_read = compiled.reader(["Name"], None);
    assert_eq!(map(&not_read, r#"{"Name":"A","Phone":"1"}"#), (vec![Cell::Absent], vec![]));

    let read = compiled.reader(["Phone"], None);
    assert_eq!(map(&read, r#"{"Name":"A"}"#), (vec![Cell::Absent], vec!["field_missing"]));
    assert_eq!(map(&read, r#"{"Phone":null}"#), (vec![Cell::Clear], vec![]));
    assert_eq!(map(&read, r#"{"Phone":""}"#), (vec![Cell::Clear], vec![]));
    assert_eq!(map(&read, r#"{"Phone":"  "}"#), (vec![text("  ")], vec![]));
}

#[test]
fn a_fault_names_the_salesforce_field_and_never_the_value() {
    let compiled =
        accounts(vec![entry("employee_count", FieldType::Number, "NumberOfEmployees")]).compile(Object::Account);
    let mapped = compiled.reader(["NumberOfEmployees"], None).map(r#"{"NumberOfEmployees":"secret"}"#).faults;
    assert_eq!(mapped[0].field, "NumberOfEmployees");
    assert!(!format!("{mapped:?}").contains("secret"));
}

#[test]
fn an_account_without_a_name_is_a_fault_whatever_emptiness_looks_like() {
    let compiled = accounts(vec![entry("name", FieldType::Text, "Name")]).compile(Object::Account);
    let reader = compiled.reader(["Name"], None);
    for image in [r#"{"Name":null}"#, r#"{"Name":""}"#, r#"{"Name":" \t "}"#] {
        assert_eq!(map(&reader, image).1, ["name_missing"], "{image}");
    }
    assert_eq!(map(&reader, r#"{"Name":"."}"#), (vec![text(".")], vec![]));
}

#[test]
fn a_person_without_a_joined_name_is_called_by_first_and_last_name() {
    let name = entry("name", FieldType::Text, "Name");
    let contacts = KindMapping { kind: Kind::Contact, version: 1, entries: vec![name] };
    let compiled = contacts.compile(Object::Contact);
    let reader = compiled.reader(["Name"], None);
    let person = r#"{"Name":null,"FirstName":"Ada","LastName":"Byron"}"#;
    assert_eq!(map(&reader, person), (vec![text("Ada Byron")], vec![]));
    assert_eq!(map(&reader, r#"{"Name":null,"LastName":"Byron"}"#), (vec![text("Byron")], vec![]));
    assert_eq!(map(&reader, r#"{"Name":null}"#).1, ["name_missing"]);
}

#[test]
fn picklist_values_match_byte_for_byte() {
    let compiled = accounts(vec![tier()]).compile(Object::Account);
    let reader = compiled.reader(["Tier__c"], None);
    assert_eq!(map(&reader, r#"{"Tier__c":"Gold"}"#).0, [option("enterprise")]);
    for other in [" Gold", "gold", "Gold ", "Gold;Silver", "&lt;b&gt;", "זהב"] {
        let image = serde_json::json!({ "Tier__c": other }).to_string();
        let mapped = reader.map(&image);
        assert_eq!(mapped.cells, [UNMAPPED], "{other}");
        assert_eq!(mapped.options[0].values, [other]);
        assert!(mapped.options[0].has_open);
    }
}

#[test]
fn composed_and_decomposed_letters_are_two_values() {
    let mut entry = tier();
    entry.values.insert("\u{c4}".to_owned(), mapping::Decision::Map("smb".to_owned()));
    let compiled = accounts(vec![entry]).compile(Object::Account);
    let reader = compiled.reader(["Tier__c"], None);
    assert_eq!(map(&reader, "{\"Tier__c\":\"\u{c4}\"}").0, [option("smb")]);
    assert_eq!(map(&reader, "{\"Tier__c\":\"A\u{308}\"}").0, [UNMAPPED]);
}

#[test]
fn an_ignored_value_leaves_the_field_and_null_clears_it() {
    let compiled = accounts(vec![tier()]).compile(Object::Account);
    let reader = compiled.reader(["Tier__c"], None);
    assert_eq!(map(&reader, r#"{"Tier__c":"Internal"}"#).0, [Cell::Absent]);
    assert_eq!(map(&reader, r#"{"Tier__c":null}"#).0, [Cell::Clear]);
    assert_eq!(map(&reader, r#"{"Tier__c":""}"#).0, [Cell::Clear]);
}

#[test]
fn of_several_selected_values_the_first_mapped_one_wins_and_each_is_counted() {
    let mut entry = tier();
    entry.multi_select = true;
    let compiled = accounts(vec![entry]).compile(Object::Account);
    let reader = compiled.reader(["Tier__c"], None);
    let mapped = reader.map(r#"{"Tier__c":"Weird;Silver;Gold"}"#);
    assert_eq!(mapped.cells, [option("smb")]);
    assert_eq!(mapped.options[0].values, ["Weird", "Silver", "Gold"]);
    assert!(mapped.options[0].has_open);
}

#[test]
fn a_value_longer_than_any_picklist_allows_is_a_fault() {
    let compiled = accounts(vec![tier()]).compile(Object::Account);
    let reader = compiled.reader(["Tier__c"], None);
    let image = |length: usize| serde_json::json!({ "Tier__c": "ä".repeat(length) }).to_string();
    assert_eq!(map(&reader, &image(255)), (vec![UNMAPPED], vec![]));
    assert_eq!(map(&reader, &image(256)).1, ["text_too_long"]);
}

#[test]
fn money_has_the_currency_of_the_record_or_else_of_the_org() {
    let compiled = accounts(vec![entry("arr", FieldType::Money, "ARR__c")]).compile(Object::Account);
    let euro = compiled.reader(["ARR__c"], Some("EUR".parse().unwrap()));
    let unknown = compiled.reader(["ARR__c"], None);
    let money = |amount: &str, currency: &str| {
        Cell::Set(Value::Money(Money { amount: amount.parse().unwrap(), currency: currency.parse().unwrap() }))
    };
    assert_eq!(map(&euro, r#"{"ARR__c":1.0E15}"#).0, [money("1000000000000000", "EUR")]);
    assert_eq!(map(&euro, r#"{"ARR__c":-2.50,"CurrencyIsoCode":"USD"}"#).0, [money("-2.5", "USD")]);
    assert_eq!(map(&unknown, r#"{"ARR__c":1,"CurrencyIsoCode":"USD"}"#).0, [money("1", "USD")]);
    for image in
        [r#"{"ARR__c":1}"#, r#"{"ARR__c":1,"CurrencyIsoCode":"Dollar"}"#, r#"{"ARR__c":1,"CurrencyIsoCode":7}"#]
    {
        assert_eq!(map(&unknown, image).1, ["currency_unknown"], "{image}");
    }
    assert_eq!(map(&unknown, r#"{"ARR__c":null}"#), (vec![Cell::Clear], vec![]), "null needs no currency");
    assert_eq!(map(&euro, r#"{"ARR__c":1e18}"#).1, ["number_out_of_range"]);
    assert_eq!(map(&euro, r#"{"ARR__c":"1"}"#).1, ["type_mismatch"]);
}

#[test]
fn one_faulty_field_leaves_the_other_cells_as_they_are() {
    let entries = vec![entry("phone", FieldType::Text, "Phone"), entry("employee_count", FieldType::Number, "N")];
    let compiled = accounts(entries).compile(Object::Account);
    let reader = compiled.reader(["Phone", "N"], None);
    assert_eq!(map(&reader, r#"{"N":[],"Phone":"1"}"#), (vec![text("1"), Cell::Absent], vec!["type_mismatch"]));
}

#[test]
fn a_lead_feeds_by_its_own_path_or_not_at_all() {
    let mut company = entry("company", FieldType::Text, "Account.Name");
    company.lead_path = Some("Company".parse().unwrap());
    let only_contacts = entry("title", FieldType::Text, "Other__c");
    let contacts = KindMapping { kind: Kind::Contact, version: 1, entries: vec![company, only_contacts] };
    let compiled = contacts.compile(Object::Lead);
    let reader = compiled.reader(["Company", "Other__c"], None);
    assert_eq!(map(&reader, r#"{"Company":"Oma","Other__c":"x"}"#), (vec![text("Oma"), Cell::Absent], vec![]));
}
