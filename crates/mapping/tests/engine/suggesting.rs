use domain::{Kind, Object};
use mapping::{FieldOption, Namesakes, ObjectSchema, SourceField, SourceType, lane_fields, suggest_fields};

use crate::checking::field;

fn suggested(kind: Kind, object: Object, fields: Vec<SourceField>) -> Vec<(String, String)> {
    suggest_fields(kind, &lane_fields(kind), &ObjectSchema { object, fields })
        .into_iter()
        .inspect(|suggestion| assert!(!suggestion.reason.is_empty()))
        .map(|suggestion| (suggestion.field.as_str().to_owned(), suggestion.path))
        .collect()
}

fn pairs<const N: usize>(pairs: [(&str, &str); N]) -> Vec<(String, String)> {
    pairs.into_iter().map(|(field, path)| (field.to_owned(), path.to_owned())).collect()
}

#[test]
fn a_plain_org_gets_the_standard_fields() {
    let found = suggested(
        Kind::Account,
        Object::Account,
        vec![
            field("Name", SourceType::String),
            field("AnnualRevenue", SourceType::Currency),
            field("Type", SourceType::Picklist),
            field("NumberOfEmployees", SourceType::Int),
            field("Owner.Name", SourceType::String),
            field("Website", SourceType::Url),
        ],
    );
    let expected = [
        ("name", "Name"),
        ("website", "Website"),
        ("arr", "AnnualRevenue"),
        ("status", "Type"),
        ("employee_count", "NumberOfEmployees"),
        ("owner_name", "Owner.Name"),
    ];
    assert_eq!(found, pairs(expected));
}

#[test]
fn an_orgs_own_fields_are_better_than_standard_ones() {
    let found = suggested(
        Kind::Account,
        Object::Account,
        vec![
            field("AnnualRevenue", SourceType::Currency),
            field("Array_Cost__c", SourceType::Currency),
            field("ARR__c", SourceType::Currency),
            field("Type", SourceType::Picklist),
            field("Customer_Status__c", SourceType::Picklist),
            field("CustomerPriority__c", SourceType::Picklist),
            field("CustomerTier__c", SourceType::Picklist),
        ],
    );
    assert_eq!(found, pairs([("arr", "ARR__c"), ("tier", "CustomerTier__c"), ("status", "Customer_Status__c")]));
}

/// What is suggested for one Lane field, with the reason that people read.
fn shown(kind: Kind, object: Object, lane_field: &str, fields: &[SourceField]) -> Option<(String, String)> {
    suggest_fields(kind, &lane_fields(kind), &ObjectSchema { object, fields: fields.to_vec() })
        .into_iter()
        .find(|suggestion| suggestion.field.as_str() == lane_field)
        .map(|suggestion| (suggestion.path, suggestion.reason))
}

#[test]
fn the_status_of_a_customer_is_the_orgs_own_and_never_how_data_com_cleaned_it() {
    let picklist = |path: &str| field(path, SourceType::Picklist);
    let of = |object: Object, paths: &[&str]| {
        let fields: Vec<_> = paths.iter().map(|path| picklist(path)).collect();
        let kind = if object == Object::Account { Kind::Account } else { Kind::Contact };
        shown(kind, object, "status", &fields)
    };
    let because = |path: &str, reason: &str| Some((path.to_owned(), reason.to_owned()));

    let account = ["CleanStatus", "Type", "Payment_Status__c", "Status_Reason__c", "Account_Status__c"];
    assert_eq!(
        of(Object::Account, &account),
        because("Account_Status__c", "the org's own picklist field \"Account Status\" ends with \"status\"")
    );
    let contact = ["CleanStatus", "EmailStatus", "Contact_Status__c"];
    assert_eq!(
        of(Object::Contact, &contact),
        because("Contact_Status__c", "the org's own picklist field \"Contact Status\" ends with \"status\"")
    );
    assert_eq!(
        of(Object::Account, &["Account_Status__c", "Status__c"]),
        because("Status__c", "the org's own picklist field \"Status\" has the name \"status\"")
    );
    assert_eq!(
        of(Object::Account, &["CleanStatus", "Status_Reason__c"]),
        because("Status_Reason__c", "the org's own picklist field \"Status Reason\" has \"status\" in its name")
    );
    // A field that only mentions the word is worse than a standard field that is called so.
    assert_eq!(
        of(Object::Contact, &["Status_Reason__c", "Status"]),
        because("Status", "the standard picklist field \"Status\" has the name \"status\"")
    );
    assert_eq!(of(Object::Account, &["CleanStatus", "Type"]), because("Type", "the standard field \"Type\""));
    assert_eq!(of(Object::Contact, &["CleanStatus"]), None);
}

#[test]
fn a_field_of_the_wrong_type_is_never_suggested() {
    let fields = vec![field("Tier__c", SourceType::String), field("AnnualRevenue", SourceType::String)];
    assert_eq!(suggested(Kind::Account, Object::Account, fields), []);
}

#[test]
fn people_get_their_own_suggestions() {
    let fields = ["Email", "Title", "Phone", "MailingCountry", "Account.Name"];
    let fields = fields.map(|path| field(path, SourceType::String)).to_vec();
    let expected = [
        ("email", "Email"),
        ("phone", "Phone"),
        ("title", "Title"),
        ("country", "MailingCountry"),
        ("company", "Account.Name"),
    ];
    assert_eq!(suggested(Kind::Contact, Object::Contact, fields), pairs(expected));
}

#[test]
fn a_value_finds_the_option_of_the_same_name() {
    let options = [("mid_market", "Mid-Market"), ("smb", "SMB")];
    let options = options.map(|(key, name)| FieldOption { key: key.into(), display_name: name.into() });
    let namesakes = Namesakes::of(&options);
    let found = |value: &str, label: &str| namesakes.find(value, label).map(|option| option.key.as_str());
    assert_eq!(found("MID MARKET", ""), Some("mid_market"));
    assert_eq!(found("T3", "smb"), Some("smb"));
    assert_eq!(found("Gold", "Gold"), None);
    assert_eq!(found(" ", " "), None);
}

#[test]
fn of_two_options_with_the_same_name_the_first_is_meant_and_the_value_comes_before_the_label() {
    let options = [("gold", "Gold"), ("gold_2", "GOLD"), ("smb", "SMB")];
    let options = options.map(|(key, name)| FieldOption { key: key.into(), display_name: name.into() });
    let namesakes = Namesakes::of(&options);
    assert_eq!(namesakes.find("g-o-l-d", "SMB").map(|option| option.key.as_str()), Some("gold"));
    assert_eq!(namesakes.find("Gold 2", "").map(|option| option.key.as_str()), Some("gold_2"));
}
