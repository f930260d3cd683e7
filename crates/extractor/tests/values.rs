//! Values survive the way byte for byte, or are a fault of their own record (cases 42, 44 to 49).

use domain::Object;
use serde_json::{Value, json};

use crate::world::Choice;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_42_picklist_values_and_case_45_names_are_byte_identical() {
    let texts = [
        "Tier \"A\"",
        " Gold",
        "Gold",
        "זהב",
        "金",
        "\u{c4}",
        "A\u{308}",
        "a,b",
        "Gold;Silver",
        "&lt;b&gt;",
        "x\u{202e}y",
        "</script>",
        "tab\there",
        "line\nbreak",
        ".",
        "\\backslash\\",
        "O'Neil \\ Sons",
    ];
    for bulk_threshold in [20_000, 0] {
        let world = Choice::default().paced(|pace| pace.bulk_threshold = bulk_threshold).start().await;
        let ids: Vec<_> = texts
            .iter()
            .map(|text| world.sim.create("Account", json!({ "Name": format!("n{text}n"), "Industry": text })).unwrap())
            .collect();
        world.first_load(&[Object::Account]).await;
        for (text, id) in texts.iter().zip(ids) {
            let stored = world.sim.record(id).unwrap();
            let field = |name: &str| world.lane.field(Object::Account, &id.to_string(), name).unwrap();
            assert_eq!(field("Name"), stored["Name"], "{text:?}");
            assert_eq!(field("Industry"), stored["Industry"], "{text:?}");
        }
        assert!(world.lane.faults().is_empty());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_46_and_47_numbers_keep_their_digits_and_null_is_not_zero() {
    for bulk_threshold in [20_000, 0] {
        let world = Choice::default().paced(|pace| pace.bulk_threshold = bulk_threshold).start().await;
        let cases = [
            (json!({ "AnnualRevenue": 1.0e15, "NumberOfEmployees": 0 }), "1000000000000000", "0"),
            (json!({ "AnnualRevenue": 9.9213206e7, "NumberOfEmployees": 99_999_999 }), "99213206", "99999999"),
            (json!({ "AnnualRevenue": -1.0 }), "-1", "null"),
            (json!({ "AnnualRevenue": 0.0 }), "0", "null"),
            (json!({}), "null", "null"),
        ];
        let ids: Vec<_> = cases
            .iter()
            .map(|(fields, ..)| {
                let mut fields = fields.as_object().unwrap().clone();
                fields.insert("Name".into(), json!("numbers"));
                world.sim.create("Account", Value::Object(fields)).unwrap()
            })
            .collect();
        world.first_load(&[Object::Account]).await;
        for ((_, revenue, employees), id) in cases.iter().zip(ids) {
            let image = world.lane.record(Object::Account, &id.to_string()).unwrap().record.image;
            assert!(image.contains(&format!("\"AnnualRevenue\":{revenue},")), "{image}");
            assert!(image.contains(&format!("\"NumberOfEmployees\":{employees},")), "{image}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn case_48_dates_before_1970_are_read() {
    let world = Choice::default().start().await;
    world.peered.map(Object::Contact, &["Name", "Birthdate"]);
    let id = world.sim.create("Contact", json!({ "LastName": "Old", "Birthdate": "1899-12-31" })).unwrap();
    world.first_load(&[Object::Contact]).await;
    assert_eq!(world.lane.field(Object::Contact, &id.to_string(), "Birthdate"), Some(json!("1899-12-31")));
}
