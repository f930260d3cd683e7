//! getUpdated, getDeleted, describe caching, transactions.

use salesforce_sim::{Command, Id};
use serde_json::{Value as Json, json};

use super::support::{DATA, World, answer, empty_world, ids_of};

const NOW: &str = "2026-08-14T09:00:30Z";

fn freeze(world: &World, at: &str) {
    world.sim.order(Command::ClockFreeze { at: at.to_owned() }).unwrap();
}

/// A world whose clock stands still, with a session made after it was stopped.
async fn frozen() -> World {
    let mut world = empty_world().await;
    freeze(&world, NOW);
    world.token = world.token_call("client_credentials", &[]).await.json()["access_token"].as_str().unwrap().to_owned();
    world
}

async fn span(world: &World, what: &str, start: &str, end: &str) -> super::support::Answer {
    answer(world.asking(&format!("{DATA}/sobjects/Account/{what}/")).query(&[("start", start), ("end", end)])).await
}

fn ids(answer: &Json) -> Vec<Id> {
    serde_json::from_value(answer["ids"].clone()).unwrap()
}

#[tokio::test]
async fn updated_lists_changes_of_the_window_with_seconds_dropped() {
    let world = frozen().await;
    let id = world.sim.create("Account", json!({ "Name": "A" })).unwrap();
    world.sim.order(Command::SetStamp { org: None, id, stamp: "2026-08-14T08:30:20Z".to_owned() }).unwrap();
    let found = span(&world, "updated", "2026-08-14T08:30:59+00:00", "2026-08-14T08:31:00+00:00").await.json();
    assert_eq!(ids(&found), [id], "08:30:59 reads as 08:30:00");
    assert_eq!(found["latestDateCovered"], "2026-08-14T08:31:00.000+0000");
    let after = span(&world, "updated", "2026-08-14T08:31:00+00:00", "2026-08-14T10:00:00+00:00").await.json();
    assert!(ids(&after).is_empty());
    assert_eq!(after["latestDateCovered"], "2026-08-14T09:00:00.000+0000", "never past now");
}

#[tokio::test]
async fn h56_a_purged_record_is_known_to_get_deleted_alone() {
    let world = frozen().await;
    let id = world.sim.create("Account", json!({ "Name": "A" })).unwrap();
    world.sim.delete(id).unwrap();
    world.sim.purge(id).unwrap();
    assert_eq!(world.query_all("SELECT Id FROM Account").await["totalSize"], 0);
    let found = span(&world, "deleted", "2026-08-14T08:00:00Z", "2026-08-14T09:30:00Z").await.json();
    assert_eq!(found["deletedRecords"], json!([{ "id": id, "deletedDate": "2026-08-14T09:00:30.000+0000" }]));
    assert_eq!(found["earliestDateAvailable"], "2026-07-30T09:00:30.000+0000");

    world.sim.order(Command::DeletionsFrom { org: None, at: Some("2026-08-14T09:00:31Z".to_owned()) }).unwrap();
    let trimmed = span(&world, "deleted", "2026-08-14T08:00:00Z", "2026-08-14T09:30:00Z").await.json();
    assert_eq!(trimmed["deletedRecords"], json!([]));
    assert_eq!(trimmed["earliestDateAvailable"], "2026-08-14T09:00:31.000+0000");
}

#[tokio::test]
async fn h60_windows_that_are_refused() {
    let world = frozen().await;
    for (what, start, end) in [
        ("updated", "2026-07-14T00:00:00Z", "2026-08-14T00:00:00Z"),
        ("updated", "2026-08-14T08:00:00Z", "2026-08-14T08:00:00Z"),
        ("updated", "2026-08-14T08:00:00Z", "2026-08-14T08:00:59Z"),
        ("updated", "2026-08-14T08:00:00Z", "2026-08-14T07:00:00Z"),
        ("deleted", "2026-07-28T00:00:00Z", "2026-08-14T00:00:00Z"),
        ("deleted", "2026-08-14T08:00:00Z", "2026-08-14T08:01:00Z"),
        ("deleted", "not a date", "2026-08-14T08:01:00Z"),
    ] {
        let refused = span(&world, what, start, end).await;
        assert_eq!(
            (refused.status, refused.refusal().0.as_str()),
            (400, "INVALID_REPLICATION_DATE"),
            "{what} {start} {end}"
        );
    }
}

#[tokio::test]
async fn h22_h61_a_long_transaction_appears_in_the_past_and_holds_the_cover_back() {
    let world = frozen().await;
    freeze(&world, "2026-08-14T09:10:00Z");
    let open = world.sim.order(Command::Begin { org: None, stamp: None }).unwrap()["transaction"].as_u64().unwrap();
    let fields = json!({ "Name": "Late Oy" }).as_object().unwrap().clone();
    let create = Command::Create { org: None, object: "Account".to_owned(), fields, stamp: None };
    world.sim.order(Command::InTransaction { org: None, transaction: open, command: Box::new(create) }).unwrap();
    freeze(&world, "2026-08-14T09:40:00Z");
    assert_eq!(world.query("SELECT COUNT() FROM Account").await["totalSize"], 0, "nobody sees it yet");
    let held = span(&world, "updated", "2026-08-14T09:00:00Z", "2026-08-14T09:35:00Z").await.json();
    assert_eq!(held["latestDateCovered"], "2026-08-14T09:10:00.000+0000");
    world.sim.order(Command::Commit { org: None, transaction: open }).unwrap();
    let row = world.query("SELECT Id, SystemModstamp FROM Account").await["records"][0].clone();
    assert_eq!(row["SystemModstamp"], "2026-08-14T09:10:00.000+0000");
    let free = span(&world, "updated", "2026-08-14T09:00:00Z", "2026-08-14T09:35:00Z").await.json();
    assert_eq!(free["latestDateCovered"], "2026-08-14T09:35:00.000+0000");
}

#[tokio::test]
async fn h41_describe_answers_304_until_a_field_is_added() {
    let world = frozen().await;
    let path = format!("{DATA}/sobjects/Account/describe");
    let since = async |date: &str| answer(world.asking(&path).header("If-Modified-Since", date)).await;
    let unchanged = since("Tue, 11 Aug 2026 08:00:00 GMT").await;
    assert_eq!((unchanged.status, unchanged.text.as_str()), (304, ""));
    let add = Command::AddField {
        org: None,
        object: "Account".to_owned(),
        name: "Plan__c".to_owned(),
        label: "Plan".to_owned(),
        kind: "picklist".to_owned(),
        values: vec!["Gold ★ \"VIP\"".to_owned()],
    };
    world.sim.order(add).unwrap();
    let changed = since("Tue, 11 Aug 2026 08:00:00 GMT").await;
    assert_eq!(changed.status, 200);
    let field =
        changed.json()["fields"].as_array().unwrap().iter().find(|field| field["name"] == "Plan__c").cloned().unwrap();
    assert_eq!(field["type"], "picklist");
    assert_eq!(field["picklistValues"][0]["value"], "Gold ★ \"VIP\"");
    assert_eq!(since(changed.header("last-modified").unwrap()).await.status, 304);
    let id = world.sim.create("Account", json!({ "Name": "A", "Plan__c": "x" })).unwrap();
    assert_eq!(ids_of(&world.query("SELECT Id, Plan__c FROM Account WHERE Plan__c = 'X'").await), [id]);
}

#[tokio::test]
async fn describe_has_every_key_of_a_real_one() {
    let world = empty_world().await;
    let described = world.get(&format!("{DATA}/sobjects/Account/describe")).await.json();
    for key in [
        "actionOverrides",
        "activateable",
        "associateEntityType",
        "associateParentEntity",
        "childRelationships",
        "compactLayoutable",
        "createable",
        "custom",
        "customSetting",
        "deepCloneable",
        "defaultImplementation",
        "deletable",
        "deprecatedAndHidden",
        "extendedBy",
        "extendsInterfaces",
        "feedEnabled",
        "fields",
        "hasSubtypes",
        "implementedBy",
        "implementsInterfaces",
        "isInterface",
        "isSubtype",
        "keyPrefix",
        "label",
        "labelPlural",
        "layoutable",
        "listviewable",
        "lookupLayoutable",
        "mergeable",
        "mruEnabled",
        "name",
        "namedLayoutInfos",
        "networkScopeFieldName",
        "queryable",
        "recordTypeInfos",
        "replicateable",
        "retrieveable",
        "searchLayoutable",
        "searchable",
        "sobjectDescribeOption",
        "supportedScopes",
        "triggerable",
        "undeletable",
        "updateable",
        "urls",
    ] {
        assert!(described.get(key).is_some(), "{key}");
    }
    let keys = "aggregatable,aiPredictionField,autoNumber,byteLength,calculated,calculatedFormula,cascadeDelete,caseSensitive,compoundFieldName,\
                controllerName,createable,custom,defaultValue,defaultValueFormula,defaultedOnCreate,dependentPicklist,deprecatedAndHidden,digits,\
                displayLocationInDecimal,encrypted,externalId,extraTypeInfo,filterable,filteredLookupInfo,formulaTreatNullNumberAsZero,groupable,\
                highScaleNumber,htmlFormatted,idLookup,inlineHelpText,label,length,mask,maskType,name,nameField,namePointing,nillable,permissionable,\
                picklistValues,polymorphicForeignKey,precision,queryByDistance,referenceTargetField,referenceTo,relationshipName,relationshipOrder,\
                restrictedDelete,restrictedPicklist,scale,searchPrefilterable,soapType,sortable,type,unique,updateable,writeRequiresMasterRead";
    for field in described["fields"].as_array().unwrap() {
        let found: Vec<&str> = field.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(found.join(","), keys.replace(' ', ""), "{}", field["name"]);
    }
    let industry = described["fields"].as_array().unwrap().iter().find(|field| field["name"] == "Industry").unwrap();
    assert_eq!(industry["restrictedPicklist"], false);
    assert_eq!(industry["picklistValues"].as_array().unwrap().len(), 32);
}
