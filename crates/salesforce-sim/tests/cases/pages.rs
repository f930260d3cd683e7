//! Queries, pages, cursors.

use salesforce_sim::{Command, Endpoint, Fault, FaultRule, Id};
use serde_json::{Value as Json, json};

use super::support::{DATA, empty_world, ids_of, seed, world};

fn lengths(pages: &[Json]) -> Vec<usize> {
    pages.iter().map(|page| ids_of(page).len()).collect()
}

#[tokio::test]
async fn h17_pages_of_2000_2000_321() {
    let world = world(seed(4_321, 0, 0)).await;
    let pages = world.pages("SELECT Id FROM Account", None).await;
    assert_eq!(lengths(&pages), [2_000, 2_000, 321]);
    assert!(pages.iter().all(|page| page["totalSize"] == 4_321));
    assert_eq!(pages[2]["done"], true);
    assert!(pages[2].get("nextRecordsUrl").is_none(), "absent, not null");
    assert!(pages[0]["nextRecordsUrl"].as_str().unwrap().ends_with("-2000"));

    let pages = world.pages("SELECT Id FROM Account", Some(200)).await;
    assert_eq!(pages.len(), 22);
    let mut ids: Vec<Id> = pages.iter().flat_map(ids_of).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 4_321, "each row once");
    assert_eq!(world.pages("SELECT Id FROM Account", Some(50)).await.len(), 22, "below the minimum is the minimum");
}

#[tokio::test]
async fn h18_the_server_may_shrink_pages() {
    let world = world(seed(500, 0, 0)).await;
    world.sim.fault(FaultRule {
        endpoints: vec![Endpoint::Query, Endpoint::QueryMore],
        ..FaultRule::always(Endpoint::Query, Fault::ShrinkPages { rows: 137 })
    });
    let pages = world.pages("SELECT Id FROM Account", None).await;
    assert_eq!(lengths(&pages), [137, 137, 137, 89]);
}

#[tokio::test]
async fn h19_a_lost_cursor_is_an_invalid_query_locator() {
    let world = world(seed(450, 0, 0)).await;
    let first = world.pages("SELECT Id FROM Account", Some(200)).await.remove(0);
    let next = first["nextRecordsUrl"].as_str().unwrap();
    world.sim.fault(FaultRule::once(Endpoint::QueryMore, Fault::LocatorExpired { status: 404 }));
    let variant = world.get(next).await;
    assert_eq!((variant.status, variant.refusal().0.as_str()), (404, "INVALID_QUERY_LOCATOR"));
    world.sim.order(Command::ExpireCursors { org: None }).unwrap();
    let lost = world.get(next).await;
    assert_eq!((lost.status, lost.refusal().0.as_str()), (400, "INVALID_QUERY_LOCATOR"));
    let strange = world.get(&format!("{DATA}/query/0r8Kd0000ZzYyXxIQK-2000")).await;
    assert_eq!(strange.refusal().0, "INVALID_QUERY_LOCATOR");
}

#[tokio::test]
async fn h20_keyset_pages_walk_a_mass_of_one_stamp_once() {
    let world = world(seed(0, 3_000, 0)).await;
    let stamp = "2026-08-02T10:11:12Z".to_owned();
    let fields = json!({ "Title": "moved" }).as_object().unwrap().clone();
    let order = Command::MassUpdate {
        org: None,
        object: "Contact".to_owned(),
        fields,
        limit: None,
        stamp: Some(stamp.clone()),
    };
    assert_eq!(world.sim.order(order).unwrap()["updated"], 3_000);
    let mut seen: Vec<Id> = Vec::new();
    loop {
        let after = seen.last().map_or("000000000000000".to_owned(), Id::to_string);
        let page = world
            .query(&format!(
                "SELECT Id FROM Contact WHERE (SystemModstamp > {stamp} OR (SystemModstamp = {stamp} AND Id > '{after}')) \
                 AND SystemModstamp < 2026-08-03T00:00:00Z ORDER BY SystemModstamp ASC, Id ASC LIMIT 700"
            ))
            .await;
        let ids = ids_of(&page);
        if ids.is_empty() {
            break;
        }
        assert!(ids.is_sorted());
        seen.extend(ids);
    }
    assert_eq!(seen.len(), 3_000);
    assert!(seen.windows(2).all(|pair| pair[0] < pair[1]));
}

#[tokio::test]
async fn h21_rows_change_and_vanish_between_pages() {
    let world = world(seed(450, 0, 0)).await;
    let soql = "SELECT Id, Name FROM Account ORDER BY Id";
    let first = world.pages(soql, Some(200)).await.remove(0);
    let next = first["nextRecordsUrl"].as_str().unwrap();
    let ids = world.sim.ids("Account").unwrap();
    world.sim.update(ids[200], json!({ "Name": "Edited meanwhile" })).unwrap();
    world.sim.purge(ids[201]).unwrap();
    let second = world.get(next).await.json();
    assert_eq!(second["records"][0]["Name"], "Edited meanwhile", "values are read when the page is built");
    assert_eq!(ids_of(&second)[1], ids[202]);
    assert_eq!(second["totalSize"], 450);
    let fresh = world.query("SELECT Id FROM Account WHERE SystemModstamp = TODAY").await;
    assert_eq!(ids_of(&fresh), [ids[200]], "the edit moved the row to the end of the order");
}

#[tokio::test]
async fn h24_the_bin_is_seen_by_query_all_only() {
    let world = world(seed(20, 0, 0)).await;
    let id = world.sim.ids("Account").unwrap()[3];
    world.sim.delete(id).unwrap();
    let soql = "SELECT Id, IsDeleted FROM Account WHERE IsDeleted = true";
    assert_eq!(world.query(soql).await["totalSize"], 0);
    let all = world.query_all(soql).await;
    assert_eq!(ids_of(&all), [id]);
    assert_eq!(all["records"][0]["IsDeleted"], true);
}

#[tokio::test]
async fn h25_counts_have_no_records_and_nothing_is_nothing() {
    let world = world(seed(0, 0, 31)).await;
    assert_eq!(world.query("SELECT COUNT() FROM Lead").await, json!({ "totalSize": 31, "done": true, "records": [] }));
    assert_eq!(
        world.query("SELECT Id FROM Lead WHERE Id = null").await,
        json!({ "totalSize": 0, "done": true, "records": [] })
    );
    let counted = world.query("SELECT COUNT(Id), MAX(SystemModstamp) newest FROM Lead").await;
    assert_eq!(counted["records"][0]["attributes"], json!({ "type": "AggregateResult" }));
    assert_eq!(counted["records"][0]["expr0"], 31);
    assert!(counted["records"][0]["newest"].as_str().unwrap().ends_with("+0000"));
}

#[tokio::test]
async fn h40_parents_nest_and_are_null_when_empty_or_hidden() {
    let world = empty_world().await;
    let account = world.sim.create("Account", json!({ "Name": "Parent Oy" })).unwrap();
    let child = world.sim.create("Account", json!({ "Name": "Child Oy", "ParentId": account })).unwrap();
    let contact = world.sim.create("Contact", json!({ "LastName": "Virtanen", "AccountId": child })).unwrap();
    let soql = format!(
        "SELECT Id, Account.Name, Account.Parent.Name, Account.Parent.Owner.Name FROM Contact WHERE Id = '{contact}'"
    );
    let row = world.query(&soql).await["records"][0].clone();
    assert_eq!(row["Account"]["Name"], "Child Oy");
    assert_eq!(row["Account"]["attributes"]["type"], "Account");
    assert_eq!(row["Account"]["Parent"]["Name"], "Parent Oy");
    assert_eq!(row["Account"]["Parent"]["Owner"]["Name"], "Sync User");
    world.sim.order(Command::HideRecord { org: None, id: account, hidden: true }).unwrap();
    let row = world.query(&soql).await["records"][0].clone();
    assert_eq!(row["Account"]["Parent"], Json::Null);
    let top = world.query("SELECT Id, Parent.Name FROM Account WHERE Name = 'child oy'").await;
    assert_eq!(top["records"][0]["Parent"], Json::Null);
}

#[tokio::test]
async fn h53_a_lead_of_a_queue_has_its_name_through_owner() {
    let world = world(seed(0, 0, 60)).await;
    let rows = world.query("SELECT Id, OwnerId, Owner.Name, Owner.Type FROM Lead").await;
    let queued = rows["records"]
        .as_array()
        .unwrap()
        .iter()
        .find(|row| row["OwnerId"].as_str().unwrap().starts_with("00G"))
        .expect("a lead of the queue");
    assert_eq!(queued["Owner"]["Name"], "Inbound Leads");
    assert_eq!(queued["Owner"]["Type"], "Group");
    assert_eq!(queued["Owner"]["attributes"]["type"], "Name");
}

#[tokio::test]
async fn the_store_and_every_filter_agree() {
    let world = world(seed(300, 0, 0)).await;
    let whole =
        world.query("SELECT Id, Name, AnnualRevenue, SystemModstamp, Customer_Tier__c, Industry FROM Account").await;
    let rows = whole["records"].as_array().unwrap().clone();
    let count = |test: &dyn Fn(&Json) -> bool| rows.iter().filter(|row| test(row)).count();
    let text = |row: &Json, field: &str| row[field].as_str().unwrap_or("").to_owned();
    let number = |row: &Json| row["AnnualRevenue"].as_f64();
    let cases: Vec<(&str, usize)> = vec![
        ("AnnualRevenue > 1000000", count(&|row| number(row).is_some_and(|n| n > 1e6))),
        ("AnnualRevenue = null", count(&|row| number(row).is_none())),
        ("AnnualRevenue != null AND AnnualRevenue <= 1000000.0", count(&|row| number(row).is_some_and(|n| n <= 1e6))),
        (
            "Customer_Tier__c IN ('SMB', 'enterprise')",
            count(&|row| matches!(text(row, "Customer_Tier__c").as_str(), "SMB" | "Enterprise")),
        ),
        ("Customer_Tier__c NOT IN ('SMB')", count(&|row| text(row, "Customer_Tier__c") != "SMB")),
        ("Name LIKE '%ener%'", count(&|row| text(row, "Name").to_lowercase().contains("ener"))),
        (
            "NOT (Industry = 'Retail' OR Industry = 'Media')",
            count(&|row| !matches!(text(row, "Industry").as_str(), "Retail" | "Media")),
        ),
        (
            "SystemModstamp >= 2025-01-01T00:00:00Z",
            count(&|row| text(row, "SystemModstamp").as_str() >= "2025-01-01T00:00:00.000+0000"),
        ),
        (
            "SystemModstamp >= 2024-01-01T02:00:00+02:00 AND SystemModstamp < 2025-01-01T00:00:00.000Z AND Industry = 'Energy'",
            count(&|row| {
                let stamp = text(row, "SystemModstamp");
                ("2024-01-01T00:00:00.000+0000".."2025-01-01T00:00:00.000+0000").contains(&stamp.as_str())
                    && text(row, "Industry") == "Energy"
            }),
        ),
    ];
    for (filter, expected) in cases {
        let found = world.query(&format!("SELECT COUNT() FROM Account WHERE {filter}")).await["totalSize"].clone();
        assert_eq!(found, expected, "{filter}");
        assert!(expected > 0, "{filter} is worth asking");
    }
    let ordered = world
        .query("SELECT Name, AnnualRevenue FROM Account ORDER BY AnnualRevenue DESC NULLS LAST, Name LIMIT 40 OFFSET 5")
        .await;
    let numbers: Vec<f64> =
        ordered["records"].as_array().unwrap().iter().map(|row| row["AnnualRevenue"].as_f64().unwrap()).collect();
    assert!(numbers.len() == 40 && numbers.windows(2).all(|pair| pair[0] >= pair[1]));
    let nulls_first = world.query("SELECT AnnualRevenue FROM Account ORDER BY AnnualRevenue").await;
    assert_eq!(nulls_first["records"][0]["AnnualRevenue"], Json::Null);
}
