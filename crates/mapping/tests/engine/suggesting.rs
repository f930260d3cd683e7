use domain::{Kind, Object};
use mapping::{FieldOption, ObjectSchema, SourceField, SourceType, lane_fields, suggest_fields, suggest_option};

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
    let found = |value: &str, label: &str| suggest_option(value, label, &options).map(|option| option.key.as_str());
    assert_eq!(found("MID MARKET", ""), Some("mid_market"));
    assert_eq!(found("T3", "smb"), Some("smb"));
    assert_eq!(found("Gold", "Gold"), None);
    assert_eq!(found(" ", " "), None);
}
