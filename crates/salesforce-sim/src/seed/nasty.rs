//! The worst that real orgs hold, placed over the first records of each object.

use crate::id::Id;
use crate::moment::parse_date;
use crate::value::Value;

type Cells = Vec<(&'static str, Value)>;

fn set(cells: &mut Cells, field: &'static str, value: Value) {
    match cells.iter_mut().find(|(name, _)| *name == field) {
        Some((_, known)) => *known = value,
        None => cells.push((field, value)),
    }
}

fn id(text: &str) -> Option<Id> {
    text.parse().ok()
}

/// Names that break what was not built for them.
pub(super) fn names() -> Vec<String> {
    vec![
        format!("{}a", "🦾".repeat(127)),
        "Ä".repeat(255),
        "abc\u{202e}gpj.exe".to_owned(),
        "</script><script>alert(1)</script>".to_owned(),
        "tab\tand\nnewline".to_owned(),
        ".".to_owned(),
        "Ääkkö & Söhne \"Nord\" Oy".to_owned(),
        "O'Neil \\ Sons".to_owned(),
        "שלום עולם בע״מ".to_owned(),
        "株式会社 金".to_owned(),
        "👩‍👩‍👧‍👦 Family & Co".to_owned(),
        "'; drop table customers; --".to_owned(),
        "NULL".to_owned(),
        "${jndi:ldap://x}".to_owned(),
        "=HYPERLINK(\"http://x\")".to_owned(),
        "Café".to_owned(),
        "Cafe\u{301}".to_owned(),
        "  ".to_owned() + "\u{a0}spaces\u{a0}  ",
        "ZWJ\u{200d}\u{200b}zero\u{feff}width".to_owned(),
        "İstanbul ısı".to_owned(),
    ]
}

/// Picklist values that are nearly one another, or nearly something else.
pub(super) fn picks() -> Vec<String> {
    vec![
        "Tier \"A\"".to_owned(),
        " Gold".to_owned(),
        "Gold".to_owned(),
        "gold".to_owned(),
        "זהב".to_owned(),
        "金".to_owned(),
        "\u{c4}lter".to_owned(),
        "A\u{308}lter".to_owned(),
        "a,b".to_owned(),
        "Gold;Silver".to_owned(),
        "x".repeat(255),
        "&lt;b&gt;".to_owned(),
        "It's".to_owned(),
        "Legacy".to_owned(),
    ]
}

/// The record's id where a certain one is part of the case.
pub(super) fn account(place: usize, cells: &mut Cells) -> Option<Id> {
    const WEBSITES: [&str; 6] = [
        "OMA.example",
        "http://",
        "https://oma.example/?q=a b",
        "https://bücher.example",
        "javascript:alert(1)",
        "www.oma.example:8080/x",
    ];
    const REVENUES: [f64; 9] = [
        1.0e15,
        1_000_000_000_000_000.2,
        99_213_206.0,
        -1.0,
        0.0,
        123_456_789_012_345_678.0,
        0.1,
        0.004,
        9_007_199_254_740_993.0,
    ];
    const EMPLOYEES: [Option<i64>; 4] = [Some(0), Some(99_999_999), None, Some(1)];
    if let Some(name) = names().get(place) {
        set(cells, "Name", Value::text(name));
    }
    if let Some(pick) = picks().get(place) {
        set(cells, "Customer_Tier__c", Value::text(pick));
        set(cells, "Account_Status__c", Value::text(&picks()[picks().len() - 1 - place]));
    }
    match WEBSITES.get(place) {
        Some(website) => set(cells, "Website", Value::text(website)),
        None if place == WEBSITES.len() => {
            set(cells, "Website", Value::text(format!("https://{}.example", "w".repeat(239))))
        }
        None => {}
    }
    if let Some(revenue) = REVENUES.get(place) {
        set(cells, "AnnualRevenue", Value::Double(*revenue));
        set(cells, "ARR__c", Value::Double(*revenue));
    }
    if let Some(employees) = EMPLOYEES.get(place) {
        set(cells, "NumberOfEmployees", employees.map_or(Value::Null, Value::Int));
    }
    match place {
        20 => set(cells, "Products__c", Value::text("Signals;Portal")),
        21 => set(cells, "Description", Value::text("d".repeat(32_000))),
        22 => set(cells, "Description", Value::text("line one\r\nline two\n\n\u{2028}three, \"quoted\"")),
        23 => set(cells, "Renewal_Date__c", parse_date("1700-01-01").map_or(Value::Null, Value::Date)),
        24 => set(cells, "Renewal_Date__c", parse_date("4000-12-31").map_or(Value::Null, Value::Date)),
        _ => {}
    }
    // Two ids equal but for the case of one letter, their neighbour, and another pair.
    match place {
        0 => id("001Kd00001a2B3c"),
        1 => id("001Kd00001a2B3C"),
        2 => id("001Kd00001a2B3d"),
        3 => id("001Kd00001b7N0P"),
        4 => id("001Kd00001b7N0p"),
        _ => None,
    }
}

pub(super) fn contact(place: usize, cells: &mut Cells) -> Option<Id> {
    let names = names();
    if let Some(name) = names.get(place) {
        let last: String = name.chars().take(80).collect();
        set(cells, "FirstName", Value::Null);
        set(cells, "LastName", Value::text(&last));
        set(cells, "Name", Value::text(last.trim_matches(' ')));
    }
    if let Some(pick) = picks().get(place) {
        set(cells, "Contact_Status__c", Value::text(pick));
        set(cells, "Contact_Tier__c", Value::text(&picks()[picks().len() - 1 - place]));
    }
    match place {
        20 | 21 => set(cells, "Email", Value::text("same.person@oma.example")),
        22 => set(cells, "Email", Value::Null),
        23 => set(cells, "AccountId", Value::Null),
        24 => set(cells, "Birthdate", parse_date("1899-12-31").map_or(Value::Null, Value::Date)),
        25 => set(cells, "Phone", Value::text("+358 40 123 ext. 4 (ask for Ääni)")),
        _ => {}
    }
    match place {
        0 => id("003Kd00002Xy9Zq"),
        1 => id("003Kd00002Xy9ZQ"),
        2 => id("003Kd00002Xy9Zr"),
        _ => None,
    }
}

pub(super) fn lead(place: usize, cells: &mut Cells) -> Option<Id> {
    let names = names();
    if let Some(name) = names.get(place) {
        set(cells, "Company", Value::text(name));
    }
    if let Some(pick) = picks().get(place) {
        set(cells, "Status", Value::text(pick));
        set(cells, "Contact_Tier__c", Value::text(&picks()[picks().len() - 1 - place]));
    }
    if place == 20 {
        set(cells, "Company", Value::text("[not provided]"));
    }
    match place {
        0 => id("00QKd00000LmNoP"),
        1 => id("00QKd00000LmNop"),
        2 => id("00QKd00000LmNoQ"),
        _ => None,
    }
}
