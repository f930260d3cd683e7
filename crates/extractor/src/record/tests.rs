//! One table of what Salesforce may send, and what becomes of it.

use domain::Object;
use proptest::prelude::*;

use super::layout::{CellKind, Layout};
use super::{AnswerInvalid, Records, State, csv, page};
use crate::soql::FieldPath;
use crate::stamp::Stamp;

const ID: &str = "001Kd00001a2B3cIAE";

fn layout() -> Layout {
    let mapped: Vec<FieldPath> = ["Name", "AnnualRevenue", "Active__c", "Opened__c", "Owner.Name"]
        .iter()
        .map(|name| name.parse().unwrap())
        .collect();
    Layout::new(Object::Account, &mapped, |path| {
        Some(match path.as_str() {
            "AnnualRevenue" => CellKind::Number,
            "Active__c" | "IsDeleted" => CellKind::Boolean,
            "Opened__c" | "SystemModstamp" => CellKind::Moment,
            _ => CellKind::Text,
        })
    })
}

fn now() -> Stamp {
    Stamp::parse("2026-11-22T12:00:00Z").unwrap()
}

/// A page of one record whose fields are changed by `edit`.
fn page_with(edit: impl FnOnce(&mut serde_json::Map<String, serde_json::Value>)) -> Vec<u8> {
    let mut record = serde_json::json!({
        "attributes": { "type": "Account", "url": "/x" },
        "Id": ID, "SystemModstamp": "2026-08-02T10:11:12.000+0000", "IsDeleted": false, "MasterRecordId": null,
        "Active__c": true, "AnnualRevenue": 1_250_000.5, "Name": "Oma", "Opened__c": "2026-08-02T10:11:12.000+0000",
        "Owner": { "attributes": { "type": "User" }, "Name": "Ann" },
    });
    edit(record.as_object_mut().unwrap());
    serde_json::json!({ "totalSize": 1, "done": true, "records": [record] }).to_string().into_bytes()
}

fn read(body: &[u8]) -> Records {
    page::parse(body, &layout(), now()).unwrap().records
}

fn fault_of(body: &[u8]) -> (&'static str, String) {
    let records = read(body);
    assert!(records.records.is_empty());
    (records.faults[0].code, records.faults[0].field.clone())
}

#[test]
fn an_image_is_canonical_whatever_the_order_and_the_form() {
    let image = &read(&page_with(|_| {})).records[0].image;
    assert_eq!(
        image,
        r#"{"Active__c":true,"AnnualRevenue":1250000.5,"Name":"Oma","Opened__c":"2026-08-02T10:11:12Z","Owner.Name":"Ann"}"#
    );
    let turned = format!(
        r#"{{"totalSize":1,"done":true,"records":[{{"Owner":{{"name":"Ann"}},"opened__c":"2026-08-02T13:11:12+0300",
        "name":"O\u006da","ANNUALREVENUE":1.2500005E6,"active__c":true,"isdeleted":false,"masterrecordid":null,
        "systemmodstamp":"2026-08-02T10:11:12Z","id":"{ID}"}}]}}"#
    );
    assert_eq!(&read(turned.as_bytes()).records[0].image, image);
    let cells = format!(
        "\"Id\",\"SystemModstamp\",\"IsDeleted\",\"MasterRecordId\",\"Active__c\",\"AnnualRevenue\",\"Name\",\"Opened__c\",\"Owner.Name\"\n\
         \"{ID}\",\"2026-08-02T10:11:12.000Z\",\"false\",\"\",\"true\",\"1250000.50\",\"Oma\",\"2026-08-02T10:11:12.000+0000\",\"Ann\"\n"
    );
    assert_eq!(&csv::parse(cells.as_bytes(), &layout(), now()).unwrap().records[0].image, image);
}

#[test]
fn null_empty_and_absent_are_told_apart_as_far_as_both_ways_can() {
    let image =
        |edit: fn(&mut serde_json::Map<String, serde_json::Value>)| read(&page_with(edit)).records[0].image.clone();
    assert!(image(|record| drop(record.insert("Name".into(), serde_json::Value::Null))).contains(r#""Name":null"#));
    assert!(image(|record| drop(record.insert("Name".into(), "".into()))).contains(r#""Name":null"#));
    assert!(image(|record| drop(record.insert("Name".into(), "  ".into()))).contains(r#""Name":"  ""#));
    assert!(!image(|record| drop(record.remove("Name"))).contains("Name\":\"Oma"));
    assert!(
        image(|record| drop(record.insert("Owner".into(), serde_json::Value::Null))).contains(r#""Owner.Name":null"#)
    );
    assert!(image(|record| drop(record.insert("Extra__c".into(), serde_json::json!({ "a": [1, 2] })))).contains("Oma"));
}

#[test]
fn a_record_that_can_not_be_taken_is_a_fault_of_its_own() {
    let with = |field: &'static str, value: serde_json::Value| {
        fault_of(&page_with(|record| drop(record.insert(field.to_owned(), value))))
    };
    for id in ["", "001", "001Kd00001a2B3cIAU", "003Kd00002Xy9ZqIAJ", "nonsense-nonsense"] {
        assert_eq!(with("Id", id.into()), ("id_invalid", "Id".into()), "{id}");
    }
    assert_eq!(fault_of(&page_with(|record| drop(record.remove("Id")))).0, "id_invalid");
    for stamp in ["", "soon", "9999-01-01T00:00:00.000+0000", "2026-11-24T12:00:00.000+0000"] {
        assert_eq!(with("SystemModstamp", stamp.into()), ("modstamp_invalid", "SystemModstamp".into()), "{stamp}");
    }
    assert_eq!(with("Name", serde_json::json!({ "deep": 1 })), ("type_mismatch", "Name".into()));
    assert_eq!(with("Name", serde_json::json!(["a"])), ("type_mismatch", "Name".into()));
    assert_eq!(with("Name", "a\0b".into()), ("text_invalid", "Name".into()));
    let broken = String::from_utf8(page_with(|_| {})).unwrap().replace("\"Oma\"", r#""x\ud800y""#);
    assert_eq!(fault_of(broken.as_bytes()), ("text_invalid", "Name".into()));
    let deep = format!("{}1{}", "[".repeat(100), "]".repeat(100));
    let too_deep = String::from_utf8(page_with(|_| {})).unwrap().replace("\"Oma\"", &deep);
    assert_eq!(fault_of(too_deep.as_bytes()).0, "too_deep");
}

#[test]
fn a_page_that_can_not_be_believed_is_refused_as_a_whole() {
    let refused = |body: &str| page::parse(body.as_bytes(), &layout(), now()).unwrap_err();
    let whole = String::from_utf8(page_with(|_| {})).unwrap();
    for body in [
        "",
        "<html>We are down for maintenance.</html>",
        "[]",
        r#"{"totalSize":0,"done":true}"#,
        r#"{"totalSize":0,"records":[]}"#,
        r#"{"totalSize":0,"totalSize":0,"done":true,"records":[]}"#,
        r#"{"totalSize":5,"done":false,"records":[]}"#,
        r#"{"totalSize":5,"done":true,"nextRecordsUrl":"/services/data/v67.0/query/x","records":[]}"#,
        &whole[..whole.len() - 2],
        &whole.replace("\"totalSize\":1", "\"totalSize\":0"),
        &whole.replace("\"Name\":\"Oma\"", "\"Name\":\"Oma\",\"Name\":\"Other\""),
    ] {
        assert_eq!(refused(body), AnswerInvalid::Page, "{body}");
    }
    for next in ["https://evil.example/services/data/v67.0/query/x", "//evil.example/x", "/other"] {
        let body = format!(r#"{{"totalSize":9,"done":false,"nextRecordsUrl":"{next}","records":[]}}"#);
        assert_eq!(refused(&body), AnswerInvalid::NextUrl, "{next}");
    }
    let many = format!(r#"{{"totalSize":9999,"done":true,"records":[{}]}}"#, vec!["{}"; 2_001].join(","));
    assert_eq!(refused(&many), AnswerInvalid::TooLarge);
}

#[test]
fn case_67_a_result_is_read_by_rfc_4180_and_columns_never_shift() {
    let header = "\"Id\",\"SystemModstamp\",\"IsDeleted\",\"MasterRecordId\",\"Active__c\",\"AnnualRevenue\",\"Name\",\"Opened__c\",\"Owner.Name\"";
    let row = |name: &str| {
        format!("\"{ID}\",\"2026-08-02T10:11:12.000+0000\",\"false\",\"\",\"\",\"9.0E7\",\"{name}\",\"\",\"\"")
    };
    let parse = |body: String| csv::parse(body.as_bytes(), &layout(), now());
    for (cell, json) in [
        ("a \"\"q\"\" b", r#"a \"q\" b"#),
        ("one\ntwo", r"one\ntwo"),
        ("one\r\ntwo", r"one\r\ntwo"),
        ("a,b", "a,b"),
        ("😀", "😀"),
        ("N\0UL", "NUL"),
    ] {
        let records = parse(format!("\u{feff}{header}\r\n{}\r\n", row(cell))).unwrap();
        let image = &records.records[0].image;
        assert!(
            image.contains(&format!("\"Name\":\"{json}\"")) && image.contains("\"AnnualRevenue\":90000000,"),
            "{image}"
        );
    }
    for empty in [String::new(), "\n".into(), format!("{header}\n")] {
        assert!(parse(empty).unwrap().is_empty());
    }
    let short = header.replace(",\"Owner.Name\"", "");
    assert_eq!(parse(format!("{short}\n")), Err(AnswerInvalid::Csv));
    assert_eq!(parse(format!("{header}\n{},\"one too many\"\n", row("x"))), Err(AnswerInvalid::Csv));
}

#[test]
fn only_a_deleted_record_lost_a_merge_and_only_a_converted_lead_became_a_contact() {
    let winner = "001Kd00001b7N0PIAU";
    let with_master = |deleted: bool| {
        let body = page_with(|record| {
            record.insert("IsDeleted".into(), deleted.into());
            record.insert("MasterRecordId".into(), winner.into());
        });
        read(&body).records.remove(0)
    };
    let lost = with_master(true);
    assert_eq!((lost.state, lost.master.as_ref().map(ToString::to_string).as_deref()), (State::Deleted, Some(winner)));
    assert_eq!(with_master(false).master, None);
}

proptest! {
    #[test]
    fn text_comes_through_rest_and_csv_alike(text in "[^\u{0}]{1,60}") {
        let by_rest = read(&page_with(|record| drop(record.insert("Name".into(), text.clone().into()))));
        let quoted = text.replace('"', "\"\"");
        let body = format!(
            "\"Id\",\"SystemModstamp\",\"IsDeleted\",\"MasterRecordId\",\"Active__c\",\"AnnualRevenue\",\"Name\",\"Opened__c\",\"Owner.Name\"\n\
             \"{ID}\",\"2026-08-02T10:11:12.000+0000\",\"false\",\"\",\"true\",\"1250000.5\",\"{quoted}\",\"2026-08-02T10:11:12.000+0000\",\"Ann\"\n"
        );
        let by_csv = csv::parse(body.as_bytes(), &layout(), now()).unwrap();
        prop_assert_eq!(&by_rest.records[0], &by_csv.records[0]);
        let image: serde_json::Value = serde_json::from_str(&by_rest.records[0].image).unwrap();
        prop_assert_eq!(image["Name"].as_str().unwrap(), text);
    }
}
