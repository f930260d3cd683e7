//! Problems: parked records retried from the page, and what stands in the way of the sync itself.

use contract::common::v1::Plan;
use contract::common::v1::value::Value as Kind;
use contract::mapper::v1::{ValueDecision, ValueMapping};
use contract::writer::v1::{GetCustomerRequest, ListParkedRecordsRequest, ParkedRecord};
use reqwest::StatusCode;
use serde_json::json;
use stack::lane::OPTION_FIELDS;

use crate::world::{PATIENCE, World};

const ROOT: &str = "/integrations/salesforce/problems";

async fn parked(world: &World, workspace: &str) -> Vec<ParkedRecord> {
    let request = ListParkedRecordsRequest { workspace_id: workspace.to_owned(), ..Default::default() };
    world.lane.parked().list_parked_records(request).await.unwrap().into_inner().records
}

async fn arr(world: &World, workspace: &str, id: &str) -> String {
    let request =
        GetCustomerRequest { workspace_id: workspace.to_owned(), salesforce_id: id.to_owned(), ..Default::default() };
    let customer = world.lane.customers().get_customer(request).await.unwrap().into_inner();
    let field = customer.fields.into_iter().find(|field| field.field == "arr").unwrap();
    match field.value.and_then(|value| value.value) {
        Some(Kind::Money(money)) => money.amount,
        other => panic!("no money: {other:?}"),
    }
}

/// Decides every open value, so that nothing but what a test breaks is a problem.
async fn decide_all(world: &World, workspace: &str) {
    world.lane.match_same_names(workspace).await.unwrap();
    for (kind, field) in OPTION_FIELDS {
        let open = world.lane.values(workspace, kind, field).await.unwrap().into_iter();
        let open = open.filter(|value| value.decision() == ValueDecision::Open);
        let ignored = open.map(|value| ValueMapping {
            value: value.value,
            decision: ValueDecision::Ignore.into(),
            ..Default::default()
        });
        let ignored: Vec<_> = ignored.collect();
        if !ignored.is_empty() {
            world.lane.decide(workspace, kind, field, ignored).await.unwrap();
        }
    }
}

#[tokio::test]
async fn parked_records_are_explained_listed_downloaded_and_retried() {
    let world = World::new().await;
    let workspace = world.synced("Acme").await;
    decide_all(&world, &workspace).await;
    let admin = world.admin(&workspace).await;
    testkit::eventually_true(PATIENCE, "the page says that all is well", || async {
        let page = admin.open(ROOT).await;
        page.heading() == "No problems" && page.body.contains("What was checked") && page.body.contains("Checked ")
    })
    .await;

    let ids: Vec<String> =
        serde_json::from_value(world.order("ids", json!({ "object": "Account", "state": "live", "limit": 3 })).await)
            .unwrap();
    for id in &ids {
        world.order("update", json!({ "id": id, "fields": { "ARR__c": 1e19 } })).await;
    }
    testkit::eventually_true(PATIENCE, "three records are parked", || async {
        world.read_changes(&workspace).await;
        parked(&world, &workspace).await.len() == 3
    })
    .await;

    let page = admin.open(ROOT).await;
    assert_eq!(page.heading(), "Problems");
    for part in [
        "A number is too large",
        "Whoever edits the record in Salesforce",
        "Correct the number in Salesforce",
        "In Salesforce",
        "Retry these",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    assert!(ids.iter().all(|id| page.body.contains(&format!("{id}\" rel=\"noreferrer\""))), "{}", page.body);
    let list = page.body.split("/problems/records?").nth(1).unwrap().split('"').next().unwrap().replace("&#38;", "&");
    let list = format!("{ROOT}/records?{list}");
    let listed = admin.open(&list).await;
    assert!(ids.iter().all(|id| listed.body.contains(&format!("name=\"pick\" value=\"{id}\""))), "{}", listed.body);

    let sheet = admin.get(&list.replace("/records?", "/records.csv?")).await;
    assert_eq!(sheet.header("content-type"), "text/csv; charset=utf-8");
    assert!(sheet.header("content-disposition").starts_with("attachment"));
    let lines: Vec<_> = sheet.body.lines().collect();
    assert_eq!(lines.len(), 4, "{}", sheet.body);
    assert!(
        lines[0].starts_with("Object,Salesforce ID,Reason") && lines[1].contains("number_out_of_range"),
        "{}",
        sheet.body
    );

    // One is mended quietly, so nothing but the retry brings it.
    world.order("update_quietly", json!({ "id": ids[0], "fields": { "ARR__c": 12.5 } })).await;
    let group = [("code", "number_out_of_range"), ("object", "account"), ("field", "")];
    let field = parked(&world, &workspace).await.remove(0).field;
    let group = [group[0], group[1], ("field", field.as_str())];
    let ticked = [&group[..], &[("pick", ids[0].as_str()), ("from", "list"), ("do", "ticked")]].concat();
    let done = admin.submit(&listed, &format!("{ROOT}/retry"), &ticked).await;
    assert_eq!(done.status, StatusCode::SEE_OTHER, "{}", done.body);
    let told = admin.open(&done.location().unwrap()).await;
    assert!(told.body.contains("1 record is asked for again."), "{}", told.body);
    testkit::eventually_true(PATIENCE, "the mended record is read once more", || async {
        parked(&world, &workspace).await.len() == 2
    })
    .await;
    assert_eq!(arr(&world, &workspace, &ids[0]).await, "12.5");
    assert!(
        parked(&world, &workspace).await.iter().all(|record| record.requeue_time.is_none()),
        "the others were not asked for"
    );

    // All of the group, from the page of all problems.
    for id in &ids[1..] {
        world.order("update_quietly", json!({ "id": id, "fields": { "ARR__c": 7 } })).await;
    }
    let page = admin.open(ROOT).await;
    let done = admin.submit(&page, &format!("{ROOT}/retry"), &[&group[..], &[("do", "all")]].concat()).await;
    assert!(done.location().unwrap().contains("asked=2"), "{}", done.body);
    testkit::eventually_true(PATIENCE, "all are applied and the page is empty", || async {
        parked(&world, &workspace).await.is_empty() && admin.open(ROOT).await.heading() == "No problems"
    })
    .await;
    assert_eq!(arr(&world, &workspace, &ids[2]).await, "7");
    let gone = admin.open(&list).await;
    assert!(gone.body.contains("No record is set aside for this any more"), "{}", gone.body);
    let nothing = admin.submit(&listed, &format!("{ROOT}/retry"), &[&group[..], &[("do", "ticked")]].concat()).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test]
async fn a_hidden_field_is_a_problem_with_its_row_and_a_member_only_looks() {
    let world = World::new().await;
    let workspace = world.synced("Acme").await;
    let id = world.order("ids", json!({ "object": "Account", "state": "live", "limit": 1 })).await;
    world.order("update", json!({ "id": id[0], "fields": { "ARR__c": 1e19 } })).await;
    world.order("hide_field", json!({ "object": "Account", "field": "Customer_Tier__c", "hidden": true })).await;
    let member = world.browser();
    member.sign_in(&workspace, "Max", "member").await;
    let page = testkit::eventually(PATIENCE, "the broken field and the parked record are shown", || async {
        world.read_changes(&workspace).await;
        let page = member.open(ROOT).await;
        let shows = ["Account.Customer_Tier__c can’t be read any more", "A number is too large"];
        shows.iter().all(|part| page.body.contains(part)).then_some(page)
    })
    .await;
    assert!(
        page.body.contains("/mapping/accounts#row-tier") && page.body.contains("It feeds tier in Lane"),
        "{}",
        page.body
    );
    assert!(page.body.contains("need mapping") || page.body.contains("needs mapping"), "{}", page.body);
    assert!(
        page.body.contains("disabled>Retry these") && page.body.contains("Only admins can do this"),
        "{}",
        page.body
    );
    let group = [("code", "number_out_of_range"), ("object", "account"), ("do", "all")];
    assert_eq!(member.submit(&page, &format!("{ROOT}/retry"), &group).await.status, StatusCode::FORBIDDEN);
    assert!(parked(&world, &workspace).await.iter().all(|record| record.requeue_time.is_none()));

    // Nobody else's: another workspace sees none of it.
    let other = world.workspace("Other", Plan::Business).await;
    let page = world.admin(&other).await.open(ROOT).await;
    assert_eq!(page.heading(), "Salesforce is not connected");
}
