use domain::{FieldType, Object};
use mapping::{Cell, Compiled, Entry, changes, is_touched};
use proptest::prelude::*;
use serde_json::Value as Json;

use crate::{accounts, entry, tier};

const PATHS: [&str; 8] = ["Name", "Tier__c", "ARR__c", "N", "D", "B", "T", "CurrencyIsoCode"];

fn entries() -> Vec<Entry> {
    vec![
        entry("name", FieldType::Text, "Name"),
        entry("website", FieldType::Url, "T"),
        entry("arr", FieldType::Money, "ARR__c"),
        tier(),
        entry("employee_count", FieldType::Number, "N"),
        entry("custom_day", FieldType::Date, "D"),
        entry("custom_flag", FieldType::Boolean, "B"),
    ]
}

fn compiled() -> Compiled {
    accounts(entries()).compile(Object::Account)
}

fn json() -> impl Strategy<Value = Json> {
    let text = prop_oneof![
        Just("Gold".to_owned()),
        Just("2026-08-02T10:11:12.000+0000".to_owned()),
        Just("EUR".to_owned()),
        ".{0,12}",
        "\\PC{0,300}",
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::from),
        any::<i64>().prop_map(Json::from),
        any::<f64>().prop_map(Json::from),
        text.prop_map(Json::from),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::from),
            prop::collection::hash_map(".{0,4}", inner, 0..4)
                .prop_map(|members| Json::Object(members.into_iter().collect())),
        ]
    })
}

fn image() -> impl Strategy<Value = String> {
    let member = (prop_oneof![prop::sample::select(&PATHS[..]).prop_map(str::to_owned), ".{0,6}"], json());
    prop::collection::vec(member, 0..12).prop_map(|members| Json::Object(members.into_iter().collect()).to_string())
}

proptest! {
    #[test]
    fn no_text_whatever_makes_the_engine_panic(text in ".{0,200}") {
        let compiled = compiled();
        let _ = compiled.reader(PATHS, None).map(&text);
        let _ = compiled.options_of(&text);
    }

    #[test]
    fn no_number_whatever_makes_the_engine_panic(number in "-?(0|[1-9][0-9]{0,40})(\\.[0-9]{1,40})?([eE][+-]?[0-9]{1,25})?") {
        let compiled = compiled();
        let image = format!(r#"{{"N":{number},"ARR__c":{number},"Name":{number},"Tier__c":{number}}}"#);
        let _ = compiled.reader(PATHS, None).map(&image);
    }

    #[test]
    fn the_same_image_gives_the_same_record_and_one_cell_per_field(image in image()) {
        let compiled = compiled();
        let reader = compiled.reader(PATHS, Some("EUR".parse().unwrap()));
        let mapped = reader.map(&image);
        prop_assert_eq!(mapped.cells.len(), compiled.fields().len());
        prop_assert_eq!(&mapped, &reader.map(&image));
    }

    #[test]
    fn only_what_was_read_is_touched(image in image(), read in prop::sample::subsequence(&PATHS[..], 0..PATHS.len())) {
        let compiled = compiled();
        let mapped = compiled.reader(read.iter().copied(), Some("EUR".parse().unwrap())).map(&image);
        for (cell, entry) in mapped.cells.iter().zip(compiled.entries()) {
            if !read.contains(&entry.path.as_str()) {
                prop_assert_eq!(cell, &Cell::Absent);
            }
        }
    }

    #[test]
    fn a_field_gets_a_value_of_its_own_type_or_none(image in image()) {
        use domain::Value;
        let compiled = compiled();
        let mapped = compiled.reader(PATHS, Some("EUR".parse().unwrap())).map(&image);
        for (cell, entry) in mapped.cells.iter().zip(compiled.entries()) {
            let Cell::Set(value) = cell else { continue };
            let fits = matches!(
                (value, entry.field_type),
                (Value::Text(_), FieldType::Text | FieldType::Url)
                    | (Value::Number(_), FieldType::Number)
                    | (Value::Money(_), FieldType::Money)
                    | (Value::Option(_), FieldType::Option)
                    | (Value::Date(_), FieldType::Date)
                    | (Value::Boolean(_), FieldType::Boolean)
            );
            prop_assert!(fits, "{:?} {:?}", value, entry.field_type);
        }
    }

    #[test]
    fn an_option_field_never_gets_raw_text(raw in ".{0,20}") {
        let compiled = compiled();
        let image = serde_json::json!({ "Tier__c": raw }).to_string();
        let mapped = compiled.reader(["Tier__c"], None).map(&image);
        if let Cell::Set(value) = &mapped.cells[3] {
            let is_an_option = matches!(value, domain::Value::Option(key) if key == "enterprise" || key == "smb");
            prop_assert!(is_an_option);
        }
    }

    #[test]
    fn the_same_mapping_changes_nothing_and_a_change_touches(image in image()) {
        let old = compiled();
        let reader = old.reader(PATHS, Some("EUR".parse().unwrap()));
        let mapped = reader.map(&image);
        prop_assert!(!is_touched((&old, &mapped), (&old, &mapped)));
        prop_assert!(changes((&old, &mapped), (&old, &mapped)).is_empty());

        let mut fewer = entries();
        fewer.truncate(4);
        let new = accounts(fewer).compile(Object::Account);
        let again = new.reader(PATHS, Some("EUR".parse().unwrap())).map(&image);
        if !changes((&old, &mapped), (&new, &again)).is_empty() {
            prop_assert!(is_touched((&old, &mapped), (&new, &again)));
        }
    }
}
