//! What strange values look like on the wire.

use salesforce_sim::{Command, Id, Seed};
use serde_json::{Value as Json, json};

use super::support::{DATA, empty_world, seed, world};

async fn nasty() -> super::support::World {
    world(Seed { nasty: true, ..seed(60, 60, 60) }).await
}

#[tokio::test]
async fn h42_picklist_values_come_back_byte_for_byte() {
    let world = empty_world().await;
    let long = "x".repeat(255);
    let values = [
        "Tier \"A\"",
        " Gold",
        "Gold",
        "זהב",
        "金",
        "\u{c4}",
        "A\u{308}",
        "a,b",
        "Gold;Silver",
        long.as_str(),
        "&lt;b&gt;",
        "It's \\ ok",
    ];
    for value in values {
        world.sim.create("Account", json!({ "Name": "A", "Customer_Tier__c": value })).unwrap();
    }
    let found = world.query("SELECT Customer_Tier__c FROM Account ORDER BY Id").await;
    let stored: Vec<&str> =
        found["records"].as_array().unwrap().iter().map(|row| row["Customer_Tier__c"].as_str().unwrap()).collect();
    assert_eq!(stored, values);
}

#[tokio::test]
async fn h43_labels_change_and_values_do_not_and_inactive_ones_are_left_out() {
    let world = empty_world().await;
    let id = world.sim.create("Account", json!({ "Name": "A", "Customer_Tier__c": "SMB" })).unwrap();
    let set = |value: &str, label: Option<&str>, active| {
        let (value, label) = (value.to_owned(), label.map(str::to_owned));
        world
            .sim
            .order(Command::PicklistValue {
                org: None,
                object: "Account".to_owned(),
                field: "Customer_Tier__c".to_owned(),
                value,
                label,
                active,
            })
            .unwrap();
    };
    set("SMB", Some("Small & Medium"), true);
    set("Strategic", None, false);
    let values = async || {
        let described = world.get(&format!("{DATA}/sobjects/Account/describe")).await.json();
        described["fields"]
            .as_array()
            .unwrap()
            .iter()
            .find(|field| field["name"] == "Customer_Tier__c")
            .unwrap()["picklistValues"]
            .clone()
    };
    let names = |values: &Json| -> Vec<String> {
        values.as_array().unwrap().iter().map(|value| value["value"].as_str().unwrap().to_owned()).collect()
    };
    let listed = values().await;
    assert_eq!(names(&listed), ["Enterprise", "Mid-Market", "SMB"], "Legacy was inactive from the start");
    assert_eq!(listed[2]["label"], "Small & Medium");
    world.sim.order(Command::DescribeInactive { org: None, shown: true }).unwrap();
    let all = values().await;
    assert_eq!(names(&all), ["Enterprise", "Strategic", "Mid-Market", "SMB", "Legacy"]);
    assert_eq!(all[4]["active"], false);
    let row = world
        .query(&format!("SELECT Customer_Tier__c, toLabel(Customer_Tier__c) shown FROM Account WHERE Id = '{id}'"))
        .await["records"][0]
        .clone();
    assert_eq!((row["Customer_Tier__c"].clone(), row["shown"].clone()), (json!("SMB"), json!("Small & Medium")));
}

#[tokio::test]
async fn h44_multi_select_values_are_joined_and_searched_by_part() {
    let world = empty_world().await;
    let id = world.sim.create("Account", json!({ "Name": "A", "Products__c": "Signals;Portal" })).unwrap();
    world.sim.create("Account", json!({ "Name": "B", "Products__c": "Insights" })).unwrap();
    world.sim.create("Account", json!({ "Name": "C" })).unwrap();
    let count = async |filter: &str| {
        world.query(&format!("SELECT COUNT() FROM Account WHERE {filter}")).await["totalSize"].clone()
    };
    assert_eq!(count("Products__c INCLUDES ('Portal;Signals', 'Insights')").await, 2);
    assert_eq!(count("Products__c INCLUDES ('Portal;Insights')").await, 0);
    assert_eq!(count("Products__c EXCLUDES ('Portal')").await, 2);
    assert_eq!(world.sim.record(id).unwrap()["Products__c"], "Signals;Portal");
}

#[tokio::test]
async fn h45_names_survive_whatever_they_are() {
    let world = nasty().await;
    let found = world.query("SELECT Id, Name FROM Account").await;
    let names: Vec<&str> =
        found["records"].as_array().unwrap().iter().map(|row| row["Name"].as_str().unwrap()).collect();
    let robots = format!("{}a", "🦾".repeat(127));
    for name in [
        robots.as_str(),
        &"Ä".repeat(255),
        "abc\u{202e}gpj.exe",
        "</script><script>alert(1)</script>",
        "tab\tand\nnewline",
        ".",
        "Café",
        "Cafe\u{301}",
    ] {
        assert!(names.contains(&name), "{name}");
    }
    assert!(names.iter().all(|name| name.chars().count() <= 255));
}

#[tokio::test]
async fn h46_h47_numbers_keep_their_size_and_null_is_not_zero() {
    let world = nasty().await;
    let answer =
        world.ask("query", "SELECT AnnualRevenue, NumberOfEmployees FROM Account ORDER BY SystemModstamp").await;
    for text in [
        "\"AnnualRevenue\":1.0E15",
        "\"AnnualRevenue\":1.0000000000000003E15",
        "\"AnnualRevenue\":9.9213206E7",
        "\"AnnualRevenue\":-1.0",
        "\"AnnualRevenue\":0.0",
        "\"AnnualRevenue\":1.2345678901234568E17",
        "\"AnnualRevenue\":null",
        "\"NumberOfEmployees\":0",
        "\"NumberOfEmployees\":99999999",
        "\"NumberOfEmployees\":null",
    ] {
        assert!(answer.text.contains(text), "{text}");
    }
    assert!(
        "1.0000000000000003E15".parse::<f64>().unwrap() == "1000000000000000.25".parse::<f64>().unwrap(),
        "the same double"
    );
}

#[tokio::test]
async fn h48_dates_far_away_are_dates() {
    let world = nasty().await;
    let birthdates = world.query("SELECT Birthdate FROM Contact WHERE Birthdate < 1900-01-01").await;
    assert_eq!(birthdates["records"][0]["Birthdate"], "1899-12-31");
    let renewals =
        world.query("SELECT Renewal_Date__c FROM Account WHERE Renewal_Date__c != null ORDER BY Renewal_Date__c").await;
    assert_eq!(renewals["records"][0]["Renewal_Date__c"], "1700-01-01");
    assert_eq!(renewals["records"][1]["Renewal_Date__c"], "4000-12-31");
    let id = world.sim.ids("Contact").unwrap()[0];
    let fields = json!({ "EmailBouncedDate": "1969-12-31T23:59:59.000+0000" }).as_object().unwrap().clone();
    world.sim.order(Command::UpdateQuietly { org: None, id, fields }).unwrap();
    let bounced =
        world.query("SELECT EmailBouncedDate FROM Contact WHERE EmailBouncedDate < 1970-01-01T00:00:00Z").await;
    assert_eq!(bounced["records"][0]["EmailBouncedDate"], "1969-12-31T23:59:59.000+0000");
}

#[tokio::test]
async fn h49_h50_websites_emails_and_missing_accounts_are_as_typed() {
    let world = nasty().await;
    let found = world.query("SELECT Website FROM Account WHERE Website != null").await;
    let sites: Vec<&str> =
        found["records"].as_array().unwrap().iter().map(|row| row["Website"].as_str().unwrap()).collect();
    for site in ["OMA.example", "http://", "https://oma.example/?q=a b", "https://bücher.example"] {
        assert!(sites.contains(&site), "{site}");
    }
    assert!(sites.iter().any(|site| site.chars().count() == 255));
    let count = async |filter: &str| {
        world.query(&format!("SELECT COUNT() FROM Contact WHERE {filter}")).await["totalSize"].as_u64().unwrap()
    };
    assert!(count("AccountId = null").await >= 1);
    assert!(count("Email = null").await >= 1);
    assert_eq!(count("Email = 'SAME.person@oma.example'").await, 2, "text compares without regard to case");
}

#[tokio::test]
async fn h51_ids_that_differ_by_case_are_two_records() {
    let world = nasty().await;
    let find =
        async |id: &str| world.query(&format!("SELECT Id FROM Account WHERE Id = '{id}'")).await["records"].clone();
    for id in ["001Kd00001a2B3cIAE", "001Kd00001a2B3CIAU", "001Kd00001b7N0PIAU", "001Kd00001b7N0pIAE"] {
        assert_eq!(find(id).await[0]["Id"], id);
        assert_eq!(find(&id[..15]).await[0]["Id"], id, "15 characters find the same one");
    }
    let between =
        world.query("SELECT Id FROM Account WHERE Id > '001Kd00001a2B3CIAU' AND Id < '001Kd00001a2B3dIAE'").await;
    let ids: Vec<Id> = super::support::ids_of(&between);
    assert_eq!(ids, ["001Kd00001a2B3cIAE".parse().unwrap()], "C < c < d in base-62 order");
}

#[tokio::test]
async fn the_same_seed_grows_the_same_org() {
    let dump = async |number: u64| {
        let world = world(Seed { seed: number, nasty: true, ..seed(80, 120, 60) }).await;
        let mut text = String::new();
        for object in ["Account", "Contact", "Lead"] {
            for id in world.sim.ids(object).unwrap() {
                text += &Json::Object(world.sim.record(id).unwrap()).to_string();
            }
        }
        text
    };
    let first = dump(7).await;
    assert_eq!(first, dump(7).await);
    assert_ne!(first, dump(8).await);
}

#[tokio::test]
async fn the_seeded_org_is_worth_looking_at() {
    let world = world(seed(500, 1_000, 300)).await;
    let groups = async |object: &str, field: &str| {
        let found = world.query(&format!("SELECT {field}, COUNT(Id) n FROM {object} GROUP BY {field}")).await;
        found["records"]
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|row| row[field].as_str().map(str::to_owned))
            .collect::<Vec<String>>()
    };
    let tiers = groups("Account", "Customer_Tier__c").await;
    assert!(
        ["Enterprise", "Strategic", "Mid-Market", "SMB", "Legacy"]
            .iter()
            .all(|tier| tiers.iter().any(|known| known == tier))
    );
    let statuses = groups("Account", "Account_Status__c").await;
    assert!(statuses.iter().any(|status| status == "Paused (old CRM)"), "one that no picklist knows");
    assert_eq!(groups("Lead", "Status").await.len(), 4);
    let older = world.query("SELECT COUNT() FROM Contact WHERE SystemModstamp >= 2025-01-01T00:00:00Z AND Account.SystemModstamp < 2025-01-01T00:00:00Z").await;
    assert!(older["totalSize"].as_u64().unwrap() > 100, "contacts of accounts from before a start date");
}
