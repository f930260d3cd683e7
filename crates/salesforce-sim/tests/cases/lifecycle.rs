//! Deleting, merging, converting, and what moves a stamp.

use salesforce_sim::{Command, Conversion, Id};
use serde_json::{Value as Json, json};

use super::support::{DATA, World, answer, empty_world, ids_of, seed, world};

async fn row(world: &World, object: &str, id: Id, fields: &str) -> Json {
    let found = world
        .query_all(&format!("SELECT Id, IsDeleted, SystemModstamp, {fields} FROM {object} WHERE Id = '{id}'"))
        .await;
    assert_eq!(found["totalSize"], 1);
    found["records"][0].clone()
}

#[tokio::test]
async fn h55_soft_delete_and_undelete_keep_the_id_and_move_the_stamp() {
    let world = empty_world().await;
    let id = world.sim.create("Account", json!({ "Name": "A" })).unwrap();
    world.sim.order(Command::SetStamp { org: None, id, stamp: "2026-01-01T00:00:00Z".to_owned() }).unwrap();
    world.sim.delete(id).unwrap();
    let deleted = row(&world, "Account", id, "Name").await;
    assert_eq!(deleted["IsDeleted"], true);
    assert_ne!(deleted["SystemModstamp"], "2026-01-01T00:00:00.000+0000");
    world.sim.undelete(id).unwrap();
    let back = row(&world, "Account", id, "Name").await;
    assert_eq!((back["IsDeleted"].clone(), back["Name"].clone()), (json!(false), json!("A")));
    assert_eq!(ids_of(&world.query("SELECT Id FROM Account").await), [id]);
}

#[tokio::test]
async fn h57_a_merge_bins_the_loser_and_moves_its_contacts() {
    let world = empty_world().await;
    let winner = world.sim.create("Account", json!({ "Name": "Winner" })).unwrap();
    let loser = world.sim.create("Account", json!({ "Name": "Loser" })).unwrap();
    let contact = world.sim.create("Contact", json!({ "LastName": "L", "AccountId": loser })).unwrap();
    world.sim.merge(winner, &[loser]).unwrap();
    let lost = row(&world, "Account", loser, "MasterRecordId").await;
    assert_eq!((lost["IsDeleted"].clone(), lost["MasterRecordId"].clone()), (json!(true), json!(winner)));
    assert_eq!(row(&world, "Contact", contact, "AccountId").await["AccountId"], json!(winner));
    assert!(world.sim.merge(winner, &[winner]).is_err());
    assert!(world.sim.merge(winner, &[contact]).is_err(), "one object only");
}

#[tokio::test]
async fn h58_an_account_takes_its_contacts_along_and_brings_them_back() {
    let world = empty_world().await;
    let account = world.sim.create("Account", json!({ "Name": "A" })).unwrap();
    let other = world.sim.create("Contact", json!({ "LastName": "Other" })).unwrap();
    let contacts: Vec<Id> = (0..300)
        .map(|n| world.sim.create("Contact", json!({ "LastName": format!("C{n}"), "AccountId": account })).unwrap())
        .collect();
    world.sim.delete(contacts[0]).unwrap();
    world.sim.order(Command::ClockAdvance { seconds: 5 }).unwrap();
    world.sim.delete(account).unwrap();
    assert_eq!(world.query("SELECT COUNT() FROM Contact").await["totalSize"], 1);
    assert_eq!(world.query_all("SELECT COUNT() FROM Contact WHERE IsDeleted = true").await["totalSize"], 300);
    world.sim.undelete(account).unwrap();
    let live = ids_of(&world.query("SELECT Id FROM Contact").await);
    assert_eq!(live.len(), 300, "299 of the account and the other");
    assert!(live.contains(&other) && !live.contains(&contacts[0]), "what was deleted before stays deleted");
}

#[tokio::test]
async fn h59_leads_convert_into_new_or_existing_records() {
    let world = empty_world().await;
    let account = world.sim.create("Account", json!({ "Name": "Known Oy" })).unwrap();
    let contact =
        world.sim.create("Contact", json!({ "LastName": "Known", "AccountId": account, "Title": "CTO" })).unwrap();
    let lead = |name: &str| {
        world
            .sim
            .create("Lead", json!({ "LastName": name, "Company": "Lead Oy", "Title": "CEO", "Phone": "+358 1" }))
            .unwrap()
    };
    let (first, second) = (lead("One"), lead("Two"));
    let reused = world
        .sim
        .convert_lead(first, Conversion { account: Some(account), contact: Some(contact), opportunity: false })
        .unwrap();
    assert_eq!((reused.account, reused.contact, reused.opportunity), (account, contact, None));
    let converted = row(
        &world,
        "Lead",
        first,
        "IsConverted, ConvertedContactId, ConvertedAccountId, ConvertedOpportunityId, ConvertedDate, Status",
    )
    .await;
    assert_eq!(converted["IsConverted"], true);
    assert_eq!(converted["ConvertedContactId"], json!(contact));
    assert_eq!(converted["ConvertedOpportunityId"], Json::Null);
    assert_eq!(converted["ConvertedDate"].as_str().unwrap().len(), 10, "a date, no time");
    let kept = row(&world, "Contact", contact, "Title, Phone, LastName").await;
    assert_eq!(
        (kept["Title"].clone(), kept["Phone"].clone(), kept["LastName"].clone()),
        (json!("CTO"), json!("+358 1"), json!("Known")),
        "only empty fields are filled"
    );

    let made = world.sim.convert_lead(second, Conversion { opportunity: true, ..Conversion::default() }).unwrap();
    assert_eq!(row(&world, "Account", made.account, "Name").await["Name"], "Lead Oy");
    assert_eq!(row(&world, "Contact", made.contact, "AccountId, Name").await["AccountId"], json!(made.account));
    assert!(made.opportunity.is_some());
    let patched = answer(
        world
            .http
            .patch(world.url(&format!("{DATA}/sobjects/Lead/{second}")))
            .bearer_auth(&world.token)
            .json(&json!({ "Title": "x" })),
    )
    .await;
    assert_eq!(patched.refusal().0, "CANNOT_UPDATE_CONVERTED_LEAD");
}

#[tokio::test]
async fn h62_formulas_and_parents_change_without_a_stamp() {
    let world = world(seed(10, 10, 0)).await;
    let contact = world
        .sim
        .ids("Contact")
        .unwrap()
        .into_iter()
        .find(|id| world.sim.record(*id).unwrap().contains_key("AccountId"))
        .unwrap();
    let account: Id = world.sim.record(contact).unwrap()["AccountId"].as_str().unwrap().parse().unwrap();
    let before = row(&world, "Contact", contact, "Account.Name").await;
    let quietly = |id, fields: Json| {
        world.sim.order(Command::UpdateQuietly { org: None, id, fields: fields.as_object().unwrap().clone() }).unwrap()
    };
    quietly(account, json!({ "Name": "Renamed quietly", "Health_Score__c": 12.5 }));
    quietly(contact, json!({ "LastViewedDate": "2026-08-14T09:00:00Z" }));
    let after = row(&world, "Contact", contact, "Account.Name").await;
    assert_eq!(after["Account"]["Name"], "Renamed quietly");
    assert_eq!(after["SystemModstamp"], before["SystemModstamp"]);
    assert_eq!(row(&world, "Account", account, "Health_Score__c").await["Health_Score__c"], 12.5);
}

#[tokio::test]
async fn h63_lost_sharing_makes_rows_not_exist() {
    let world = world(seed(5, 0, 0)).await;
    let id = world.sim.ids("Account").unwrap()[0];
    world.sim.order(Command::HideRecord { org: None, id, hidden: true }).unwrap();
    assert_eq!(world.query_all("SELECT COUNT() FROM Account").await["totalSize"], 4);
    assert_eq!(world.get(&format!("{DATA}/sobjects/Account/{id}")).await.refusal().0, "NOT_FOUND");
    world.sim.order(Command::HideRecord { org: None, id, hidden: false }).unwrap();
    assert_eq!(world.query("SELECT COUNT() FROM Account").await["totalSize"], 5);
}

#[tokio::test]
async fn h64_a_back_dated_insert_has_an_old_created_date_and_a_new_stamp() {
    let world = empty_world().await;
    let id = world.sim.create("Account", json!({ "Name": "Imported", "CreatedDate": "2019-05-01T00:00:00Z" })).unwrap();
    let found = row(&world, "Account", id, "CreatedDate").await;
    assert_eq!(found["CreatedDate"], "2019-05-01T00:00:00.000+0000");
    assert_eq!(ids_of(&world.query("SELECT Id FROM Account WHERE SystemModstamp = TODAY").await), [id]);
}

#[tokio::test]
async fn clients_create_change_and_delete_by_rest() {
    let world = empty_world().await;
    let path = format!("{DATA}/sobjects/Account");
    let made = world
        .post(
            &path,
            &json!({ "Name": "  Trimmed Oy  ", "Website": "oma.example", "Customer_Tier__c": "Anything goes" }),
        )
        .await;
    assert_eq!(made.status, 201);
    assert_eq!(made.json()["success"], true);
    let id: Id = made.json()["id"].as_str().unwrap().parse().unwrap();
    assert_eq!(world.sim.record(id).unwrap()["Name"], "Trimmed Oy");
    let at = format!("{path}/{id}");
    let patch = async |body: Json| answer(world.http.patch(world.url(&at)).bearer_auth(&world.token).json(&body)).await;
    assert_eq!(patch(json!({ "Website": "", "NumberOfEmployees": 12 })).await.status, 204);
    let stored = world.sim.record(id).unwrap();
    assert!(!stored.contains_key("Website"), "the empty string is null");
    assert_eq!(stored["NumberOfEmployees"], 12);
    for (body, code) in [
        (json!({ "Nope__c": 1 }), "INVALID_FIELD"),
        (json!({ "SystemModstamp": "2026-01-01T00:00:00Z" }), "INVALID_FIELD_FOR_INSERT_UPDATE"),
        (json!({ "Name": "x".repeat(256) }), "STRING_TOO_LONG"),
        (json!({ "Name": "" }), "REQUIRED_FIELD_MISSING"),
        (json!({ "CleanStatus": "Unheard of" }), "INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST"),
        (json!({ "NumberOfEmployees": "many" }), "JSON_PARSER_ERROR"),
    ] {
        let refused = patch(body.clone()).await;
        assert_eq!((refused.status, refused.refusal().0.as_str()), (400, code), "{body}");
    }
    assert_eq!(world.post(&path, &json!({ "Website": "x" })).await.refusal().0, "REQUIRED_FIELD_MISSING");
    let gone = answer(world.http.delete(world.url(&at)).bearer_auth(&world.token)).await;
    assert_eq!(gone.status, 204);
    assert_eq!(
        answer(world.http.delete(world.url(&at)).bearer_auth(&world.token)).await.refusal().0,
        "ENTITY_IS_DELETED"
    );
}
