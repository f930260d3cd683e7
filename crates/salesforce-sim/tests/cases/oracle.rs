//! The oracle, judged by hand on a world small enough to read.

use std::collections::BTreeMap;

use salesforce_sim::{Because, Command, Conversion, Id, LaneValue, Question, Seed, State, Verdict};
use serde_json::json;

use super::support::{World, empty_world};

fn question() -> Question {
    serde_json::from_value(json!({
        "start": "2026-01-01T00:00:00Z",
        "accounts": { "name": "Name", "arr": "ARR__c", "tier": "Customer_Tier__c", "owner_name": "Owner.Name", "employee_count": "NumberOfEmployees" },
        "contacts": { "name": "Name", "status": "Contact_Status__c", "company": "Account.Name", "title": "Title" },
        "leads_equivalents": { "Contact_Status__c": "Status", "Account.Name": "Company", "Title": null },
        "values": { "account": { "tier": { "SMB": "small", "Enterprise": "big", "Legacy": null } },
                    "contact": { "status": { "Active": "active", "Open - Not Contacted": "new" } } },
    }))
    .unwrap()
}

fn made(world: &World, object: &str, fields: serde_json::Value, stamp: &str) -> Id {
    let id = world.sim.create(object, fields).unwrap();
    world.sim.order(Command::SetStamp { org: None, id, stamp: stamp.to_owned() }).unwrap();
    id
}

const OLD: &str = "2025-06-01T00:00:00Z";
const NEW: &str = "2026-06-01T00:00:00Z";

#[tokio::test]
async fn the_oracle_takes_what_is_new_and_the_parents_of_what_it_takes() {
    let world = empty_world().await;
    let old_parent = made(&world, "Account", json!({ "Name": "Old parent" }), OLD);
    let old_alone = made(&world, "Account", json!({ "Name": "Old alone" }), OLD);
    let contact = made(&world, "Contact", json!({ "LastName": "New", "AccountId": old_parent }), NEW);
    made(&world, "Contact", json!({ "LastName": "Old", "AccountId": old_alone }), OLD);
    let verdict = world.sim.oracle(question()).unwrap();
    let taken: Vec<(Id, Because)> = verdict.records.iter().map(|record| (record.id, record.because)).collect();
    assert_eq!(taken, [(old_parent, Because::ParentOfContact), (contact, Because::Stamp)]);
    assert_eq!(verdict.records[1].account_id, Some(old_parent));
}

#[tokio::test]
async fn the_oracle_maps_money_numbers_options_and_lead_equivalents() {
    let world = empty_world().await;
    let account = made(
        &world,
        "Account",
        json!({ "Name": "A", "ARR__c": 90_000_000.5, "Customer_Tier__c": "SMB", "NumberOfEmployees": 0 }),
        NEW,
    );
    let odd = made(&world, "Account", json!({ "Name": "B", "Customer_Tier__c": " SMB" }), NEW);
    let ignored = made(&world, "Account", json!({ "Name": "C", "Customer_Tier__c": "Legacy" }), NEW);
    let lead = made(&world, "Lead", json!({ "LastName": "L", "Company": "Lead Oy", "Title": "CEO" }), NEW);
    let verdict = world.sim.oracle(question()).unwrap();
    let field =
        |id: Id, lane: &str| verdict.records.iter().find(|record| record.id == id).unwrap().fields[lane].clone();
    assert_eq!(field(account, "arr"), LaneValue::Money { amount: "90000000.5".to_owned(), currency: "EUR".to_owned() });
    assert_eq!(field(account, "tier"), LaneValue::Option("small".to_owned()));
    assert_eq!(field(account, "employee_count"), LaneValue::Number("0".to_owned()));
    assert_eq!(field(account, "owner_name"), LaneValue::Text("Sync User".to_owned()));
    assert_eq!(field(odd, "tier"), LaneValue::Unmapped(" SMB".to_owned()), "a leading space is another value");
    assert_eq!(field(odd, "arr"), LaneValue::Empty);
    assert_eq!(field(ignored, "tier"), LaneValue::Ignored("Legacy".to_owned()));
    assert_eq!(field(lead, "status"), LaneValue::Option("new".to_owned()));
    assert_eq!(field(lead, "company"), LaneValue::Text("Lead Oy".to_owned()));
    assert_eq!(field(lead, "title"), LaneValue::Empty, "leads do not feed it");

    let open: BTreeMap<(&str, &str), (usize, bool)> = verdict
        .unmapped
        .iter()
        .map(|value| ((value.field.as_str(), value.value.as_str()), (value.records, value.active)))
        .collect();
    assert_eq!(open[&("tier", " SMB")], (1, false));
    assert_eq!(open[&("tier", "Strategic")], (0, true), "active in describe, carried by nobody");
    assert!(!open.contains_key(&("tier", "Legacy")) && !open.contains_key(&("status", "Active")));
    assert_eq!(open[&("status", "Champion")], (0, true));
    assert_eq!(open[&("status", "Working - Contacted")], (0, true), "the lead's list belongs to it too");
}

#[tokio::test]
async fn the_oracle_tells_deleted_merged_converted_and_purged_apart() {
    let world = empty_world().await;
    let account = |name: &str| world.sim.create("Account", json!({ "Name": name })).unwrap();
    let (winner, loser, deleted, purged) = (account("Winner"), account("Loser"), account("Deleted"), account("Purged"));
    let contact = world.sim.create("Contact", json!({ "LastName": "C", "AccountId": loser })).unwrap();
    let lead = world.sim.create("Lead", json!({ "LastName": "L", "Company": "X" })).unwrap();
    world.sim.merge(winner, &[loser]).unwrap();
    world.sim.delete(deleted).unwrap();
    world.sim.purge(purged).unwrap();
    let made = world.sim.convert_lead(lead, Conversion { account: Some(winner), ..Conversion::default() }).unwrap();
    let verdict: Verdict = world.sim.oracle(question()).unwrap();
    let record = |id: Id| verdict.records.iter().find(|record| record.id == id).unwrap();
    assert_eq!((record(loser).state, record(loser).target_id), (State::Merged, Some(winner)));
    assert_eq!(record(deleted).state, State::Deleted);
    assert_eq!(
        (record(lead).state, record(lead).target_id, record(lead).account_id),
        (State::Converted, Some(made.contact), Some(winner))
    );
    assert_eq!(record(contact).account_id, Some(winner));
    assert_eq!(record(made.contact).state, State::Live);
    assert!(verdict.records.iter().all(|record| record.id != purged));
    assert_eq!(verdict.purged.iter().map(|purged| purged.id).collect::<Vec<_>>(), [purged]);
    let counts = verdict.counts["Account"];
    assert_eq!((counts.total, counts.live, counts.deleted, counts.merged), (3, 1, 1, 1));
    assert_eq!(verdict.counts["Lead"].converted, 1);
}

#[tokio::test]
async fn a_seeded_life_has_every_state() {
    let world = super::support::world(Seed { life: true, ..super::support::seed(200, 600, 200) }).await;
    let verdict = world.sim.oracle(Question::default()).unwrap();
    for (object, counts) in &verdict.counts {
        assert!(counts.deleted >= 10 && counts.merged >= 10 && counts.live > 100, "{object} {counts:?}");
        assert_eq!(counts.total, counts.live + counts.deleted + counts.merged + counts.converted);
        let soql = format!("SELECT COUNT() FROM {object}");
        assert_eq!(world.query_all(&soql).await["totalSize"], counts.total);
        assert_eq!(world.query(&soql).await["totalSize"], counts.live + counts.converted);
    }
    assert!(verdict.counts["Lead"].converted >= 10);
}
