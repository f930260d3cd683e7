//! Bulk API 2.0 query jobs.

use salesforce_sim::{Command, Config, Endpoint, Fault, FaultRule, Seed};
use serde_json::{Value as Json, json};

use super::support::{Answer, DATA, World, answer, empty_world, seed, world, world_of};

async fn create(world: &World, soql: &str) -> Answer {
    world.post(&format!("{DATA}/jobs/query"), &json!({ "operation": "queryAll", "query": soql, "contentType": "CSV", "columnDelimiter": "COMMA", "lineEnding": "LF" })).await
}

/// Polls until the job is over; the states seen.
async fn finish(world: &World, id: &str) -> (Vec<String>, Json) {
    let mut states = Vec::new();
    loop {
        let job = world.get(&format!("{DATA}/jobs/query/{id}")).await.json();
        let state = job["state"].as_str().unwrap().to_owned();
        states.push(state.clone());
        if matches!(state.as_str(), "JobComplete" | "Failed" | "Aborted") {
            return (states, job);
        }
        assert!(states.len() < 20, "{states:?}");
    }
}

async fn job(world: &World, soql: &str) -> String {
    let made = create(world, soql).await;
    assert_eq!(made.status, 200, "{}", made.text);
    let id = made.json()["id"].as_str().unwrap().to_owned();
    finish(world, &id).await;
    id
}

fn rows(text: &str) -> Vec<Vec<String>> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[tokio::test]
async fn h65_a_job_runs_through_its_states_and_its_pages() {
    let world = world(seed(0, 2_500, 0)).await;
    let made = create(&world, "SELECT Id, Account.Name, Email FROM Contact").await.json();
    assert_eq!(made["state"], "UploadComplete");
    assert_eq!(made["apiVersion"], json!(67.0));
    assert!(made.get("jobType").is_none() && made.get("numberRecordsProcessed").is_none());
    let id = made["id"].as_str().unwrap();
    assert!(id.starts_with("750") && id.len() == 18);
    let (states, complete) = finish(&world, id).await;
    assert_eq!(states, ["InProgress", "JobComplete"]);
    assert_eq!(complete["numberRecordsProcessed"], 2_500);
    assert_eq!(complete["jobType"], "V2Query");

    let (mut seen, mut locator, mut locators) = (0, None::<String>, Vec::new());
    loop {
        let page = world.asking(&format!("{DATA}/jobs/query/{id}/results")).query(&[("maxRecords", "1000")]);
        let page = answer(match &locator {
            Some(locator) => page.query(&[("locator", locator)]),
            None => page,
        })
        .await;
        assert!(page.header("content-type").unwrap().starts_with("text/csv"));
        let lines = rows(&page.text);
        assert_eq!(lines[0], ["Id", "Account.Name", "Email"], "the header on each page, in the order of the query");
        assert_eq!(page.header("sforce-numberofrecords").unwrap(), (lines.len() - 1).to_string());
        seen += lines.len() - 1;
        let next = page.header("sforce-locator").unwrap().to_owned();
        locators.push(next.clone());
        if next == "null" {
            break;
        }
        locator = Some(next);
    }
    assert_eq!(seen, 2_500);
    assert_eq!(locators, ["MTAwMA", "MjAwMA", "null"]);
    let pages = world.get(&format!("{DATA}/jobs/query/{id}/resultPages")).await.json();
    assert_eq!(pages["done"], true);
    assert_eq!(pages["resultPages"].as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn h66_a_page_may_announce_more_rows_than_it_holds() {
    let world = world(seed(50, 0, 0)).await;
    let id = job(&world, "SELECT Id FROM Account").await;
    world.sim.fault(FaultRule::once(Endpoint::BulkResults, Fault::RowMissing));
    let results = format!("{DATA}/jobs/query/{id}/results");
    let short = world.get(&results).await;
    assert_eq!((short.header("sforce-numberofrecords"), rows(&short.text).len()), (Some("50"), 50));
    let whole = world.get(&results).await;
    assert_eq!(rows(&whole.text).len(), 51);
}

#[tokio::test]
async fn h67_cells_are_quoted_and_keep_what_is_inside() {
    let world = empty_world().await;
    for (name, description, revenue) in [
        ("a \"q\" b", Json::Null, json!(90_000_000.0)),
        ("Line one\nline two", json!("x,y;z"), json!(1_250_000.0)),
        ("🦾", json!("nul\u{0}byte"), Json::Null),
    ] {
        world
            .sim
            .create("Account", json!({ "Name": name, "Description": description, "AnnualRevenue": revenue }))
            .unwrap();
    }
    let id = job(&world, "SELECT Name, Description, AnnualRevenue, IsDeleted, SystemModstamp FROM Account").await;
    let page = world.get(&format!("{DATA}/jobs/query/{id}/results")).await;
    assert!(page.text.contains("\"a \"\"q\"\" b\",\"\",\"9.0E7\",\"false\",\""), "{}", page.text);
    assert!(page.text.contains("\"Line one\nline two\",\"x,y;z\",\"1250000.0\""));
    assert!(page.text.contains("nul\u{0}byte"));
    let lines = rows(&page.text);
    assert_eq!(lines.len(), 4);
    assert!(lines[1][4].ends_with(".000+0000"));
}

#[tokio::test]
async fn h68_what_bulk_refuses() {
    let world = empty_world().await;
    for (soql, code, text) in [
        ("SELECT Id, BillingAddress FROM Account", "API_ERROR", "Selecting compound data not supported in Bulk Query"),
        ("SELECT COUNT() FROM Account", "API_ERROR", "Implementation restriction"),
        ("SELECT COUNT(Id) FROM Account", "API_ERROR", "Implementation restriction"),
        ("SELECT Name FROM Account GROUP BY Name", "API_ERROR", "Implementation restriction"),
        ("SELECT Id FROM Account OFFSET 10", "API_ERROR", "OFFSET"),
        ("SELECT FIELDS(ALL) FROM Account LIMIT 10", "API_ERROR", "FIELDS()"),
        ("SELECT Id FROM Organization", "INVALIDENTITY", "not supported by the Bulk API"),
        ("SELECT Id FROM Leed", "INVALID_TYPE", "Leed"),
        ("SELECT Nope FROM Account", "INVALID_FIELD", "No such column 'Nope'"),
        ("SELECT FROM", "MALFORMED_QUERY", "unexpected token"),
    ] {
        let refused = create(&world, soql).await;
        let (got, message) = refused.refusal();
        assert_eq!((refused.status, got.as_str()), (400, code), "{soql}: {message}");
        assert!(message.contains(text), "{soql}: {message}");
    }
    assert_eq!(create(&world, "SELECT Id FROM Account ORDER BY Id LIMIT 5").await.status, 200, "accepted, only slow");
    world.sim.fault(FaultRule::once(Endpoint::BulkCreate, Fault::LimitExceeded));
    assert_eq!(create(&world, "SELECT Id FROM Account").await.refusal().0, "LIMIT_EXCEEDED");
}

#[tokio::test]
async fn h69_jobs_fail_or_are_aborted() {
    let world = empty_world().await;
    for message in [Some("QUERY_TIMEOUT: Your query request was running for too long."), None] {
        let id = create(&world, "SELECT Id FROM Account").await.json()["id"].as_str().unwrap().to_owned();
        world.sim.fault(
            FaultRule::once(Endpoint::BulkPoll, Fault::BulkFailed { message: message.map(str::to_owned) })
                .on_object("Account"),
        );
        let (_, failed) = finish(&world, &id).await;
        assert_eq!(failed["state"], "Failed");
        assert_eq!(failed["errorMessage"].as_str(), message);
        assert_eq!(world.get(&format!("{DATA}/jobs/query/{id}/results")).await.status, 400);
    }
    let id = create(&world, "SELECT Id FROM Account").await.json()["id"].as_str().unwrap().to_owned();
    world.sim.fault(FaultRule::once(Endpoint::BulkPoll, Fault::BulkAborted));
    assert_eq!(finish(&world, &id).await.1["state"], "Aborted");

    let id = create(&world, "SELECT Id FROM Account").await.json()["id"].as_str().unwrap().to_owned();
    let abort = async || {
        answer(
            world
                .http
                .patch(world.url(&format!("{DATA}/jobs/query/{id}")))
                .bearer_auth(&world.token)
                .json(&json!({ "state": "Aborted" })),
        )
        .await
    };
    assert_eq!(abort().await.json()["state"], "Aborted");
    assert_eq!(abort().await.status, 400, "it is over already");
}

#[tokio::test]
async fn h70_wrong_versions_deleted_and_old_jobs_and_no_rows() {
    let world = world(seed(3, 0, 0)).await;
    let id = job(&world, "SELECT Id FROM Account").await;
    assert_eq!(world.get(&format!("/services/data/v66.0/jobs/query/{id}/results")).await.status, 409);
    let gone = answer(world.http.delete(world.url(&format!("{DATA}/jobs/query/{id}"))).bearer_auth(&world.token)).await;
    assert_eq!(gone.status, 204);
    let after = world.get(&format!("{DATA}/jobs/query/{id}")).await;
    assert_eq!((after.status, after.refusal().0.as_str()), (404, "NOT_FOUND"));

    let none = job(&world, "SELECT Id, Name FROM Account WHERE Name = 'nobody'").await;
    let results = format!("{DATA}/jobs/query/{none}/results");
    let header_only = world.get(&results).await;
    assert_eq!((header_only.text.as_str(), header_only.header("sforce-locator")), ("\"Id\",\"Name\"\n", Some("null")));
    for (newline, text) in [(true, "\n"), (false, "")] {
        world.sim.fault(FaultRule::once(Endpoint::BulkResults, Fault::EmptyResult { newline }));
        assert_eq!(world.get(&results).await.text, text);
    }

    world.sim.order(Command::ClockAdvance { seconds: 8 * 86_400 }).unwrap();
    let token = world.token_call("client_credentials", &[]).await.json()["access_token"].as_str().unwrap().to_owned();
    let old = answer(world.http.get(world.url(&results)).bearer_auth(token)).await;
    assert_eq!(old.status, 404, "results are kept for seven days");
}

#[tokio::test]
async fn delimiters_line_endings_and_pages_are_as_asked() {
    let world = world_of(Config {
        seed: Some(Seed { accounts: 700, ..Seed::default() }),
        bulk_page_rows: 100,
        ..Config::default()
    })
    .await;
    let body = json!({ "operation": "query", "query": "SELECT Id, Name FROM Account", "columnDelimiter": "TAB", "lineEnding": "CRLF" });
    let id = world.post(&format!("{DATA}/jobs/query"), &body).await.json()["id"].as_str().unwrap().to_owned();
    finish(&world, &id).await;
    let page = world.get(&format!("{DATA}/jobs/query/{id}/results")).await;
    assert!(page.text.starts_with("\"Id\"\t\"Name\"\r\n"));
    assert_eq!(page.text.lines().count(), 101);
    let pages = world.get(&format!("{DATA}/jobs/query/{id}/resultPages")).await.json();
    assert_eq!((pages["resultPages"].as_array().unwrap().len(), pages["done"].clone()), (5, json!(false)));
    let rest = world.get(pages["nextRecordsUrl"].as_str().unwrap()).await.json();
    assert_eq!((rest["resultPages"].as_array().unwrap().len(), rest["done"].clone()), (2, json!(true)));
    let list = world.get(&format!("{DATA}/jobs/query?jobType=V2Query")).await.json();
    assert_eq!(list["records"][0]["id"], id.as_str());
}
