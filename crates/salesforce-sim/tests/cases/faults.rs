//! Faults on demand.

use std::io::Read as _;
use std::time::{Duration, Instant};

use salesforce_sim::{Command, Endpoint, Fault, FaultRule};
use serde_json::json;

use super::support::{DATA, answer, empty_world, seed, world};

#[tokio::test]
async fn h32_query_timeout_strikes_one_object_only() {
    let world = world(seed(5, 5, 0)).await;
    world.sim.fault(FaultRule::once(Endpoint::Query, Fault::QueryTimeout).on_object("Contact"));
    assert_eq!(world.ask("query", "SELECT Id FROM Account").await.status, 200);
    let timeout = world.ask("query", "SELECT Id FROM Contact").await;
    assert_eq!(
        timeout.refusal(),
        ("QUERY_TIMEOUT".to_owned(), "Your query request was running for too long.".to_owned())
    );
    assert_eq!(world.ask("query", "SELECT Id FROM Contact").await.status, 200);
    assert!(world.sim.pending_faults().is_empty());
}

#[tokio::test]
async fn h33_the_limit_header_says_what_it_is_told_or_nothing() {
    let world = empty_world().await;
    let limits = format!("{DATA}/limits");
    world.sim.order(Command::ApiUsage { org: None, used: Some(80_999), max: Some(100_000) }).unwrap();
    let counted = world.get(&limits).await;
    assert_eq!(counted.header("sforce-limit-info"), Some("api-usage=81000/100000"));
    assert_eq!(counted.json()["DailyApiRequests"], json!({ "Max": 100_000, "Remaining": 19_000 }));
    let value = "api-usage=25/5000; per-app-api-usage=17/250(appName=oma sync)";
    world.sim.order(Command::LimitHeader { org: None, value: Some(value.to_owned()) }).unwrap();
    assert_eq!(world.get(&limits).await.header("sforce-limit-info"), Some(value));
    world.sim.order(Command::LimitHeader { org: None, value: None }).unwrap();
    world.sim.fault(FaultRule::once(Endpoint::Limits, Fault::MissingLimitHeader));
    let bare = world.get(&limits).await;
    assert_eq!((bare.status, bare.header("sforce-limit-info")), (200, None));
    assert_eq!(world.get("/services/data/").await.header("sforce-limit-info"), None);
}

#[tokio::test]
async fn h34_the_daily_and_the_concurrent_limit_differ_by_text() {
    let world = empty_world().await;
    world.sim.fault(FaultRule::once(Endpoint::Limits, Fault::ConcurrentLimit));
    let concurrent = world.get(&format!("{DATA}/limits")).await;
    assert_eq!(concurrent.status, 403);
    assert_eq!(concurrent.refusal().1, "ConcurrentRequests (Concurrent API Requests) Limit exceeded.");
    world.sim.order(Command::ApiUsage { org: None, used: Some(5), max: Some(5) }).unwrap();
    let daily = world.get(&format!("{DATA}/limits")).await;
    assert_eq!(
        (daily.status, daily.refusal()),
        (403, ("REQUEST_LIMIT_EXCEEDED".to_owned(), "TotalRequests Limit exceeded.".to_owned()))
    );
}

#[tokio::test]
async fn h35_503_twice_then_success_and_500_always() {
    let world = empty_world().await;
    let limits = format!("{DATA}/limits");
    world.sim.fault(FaultRule::once(Endpoint::Limits, Fault::ServerUnavailable).times(2));
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(world.get(&limits).await.status);
    }
    assert_eq!(statuses, [503, 503, 200]);
    world.sim.fault(FaultRule::always(Endpoint::Limits, Fault::UnknownException));
    for _ in 0..3 {
        let failed = world.get(&limits).await;
        assert_eq!(failed.status, 500);
        assert!(failed.refusal().1.contains("ErrorId if you contact support: 1234567890-12345 (-1234567890)"));
    }
    world.sim.clear_faults();
    assert_eq!(world.get(&limits).await.status, 200);
}

#[tokio::test]
async fn h36_html_where_json_belongs() {
    let world = world(seed(450, 0, 0)).await;
    world.sim.fault(FaultRule::once(Endpoint::QueryMore, Fault::Maintenance));
    let first = answer(
        world.asking(&format!("{DATA}/query?q=SELECT+Id+FROM+Account")).header("Sforce-Query-Options", "batchSize=200"),
    )
    .await
    .json();
    let next = first["nextRecordsUrl"].as_str().unwrap().to_owned();
    let page = world.get(&next).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").unwrap().starts_with("text/html"));
    assert!(page.text.contains("We are down for maintenance.") && page.text.contains("HTML 4.01"));
    assert_eq!(world.get(&next).await.json()["records"].as_array().unwrap().len(), 200);
    for status in [420, 502] {
        world.sim.fault(FaultRule::once(Endpoint::Limits, Fault::Html { status }));
        let page = world.get(&format!("{DATA}/limits")).await;
        assert_eq!(page.status, status);
        assert!(page.text.contains("<html>"));
    }
}

#[tokio::test]
async fn h37_bodies_cut_reset_dripping_and_labelled_wrongly() {
    let world = world(seed(300, 0, 0)).await;
    let path = format!("{DATA}/query?q=SELECT+Id,Name+FROM+Account");
    // A client that shows bodies as they came.
    let plain = reqwest::Client::builder().no_gzip().build().unwrap();
    let raw = async || {
        let response = plain
            .get(world.url(&path))
            .bearer_auth(&world.token)
            .header("accept-encoding", "gzip")
            .send()
            .await
            .unwrap();
        let encoding = response.headers().get("content-encoding").map(|value| value.to_str().unwrap().to_owned());
        (encoding, response.bytes().await)
    };
    let unzip = |bytes: &[u8]| {
        let mut text = String::new();
        flate2::read::GzDecoder::new(bytes).read_to_string(&mut text).map(|_| text)
    };
    let (encoding, body) = raw().await;
    assert_eq!(encoding.as_deref(), Some("gzip"));
    assert!(unzip(&body.unwrap()).unwrap().contains("\"totalSize\":300"));

    world.sim.fault(FaultRule::once(Endpoint::Query, Fault::GzipCut));
    assert!(unzip(&raw().await.1.unwrap()).is_err(), "the stream ends in the middle");

    world.sim.fault(FaultRule::once(Endpoint::Query, Fault::PlainLabelledGzip));
    let (encoding, body) = raw().await;
    assert_eq!(encoding.as_deref(), Some("gzip"));
    assert!(body.unwrap().starts_with(b"{\"totalSize\":300"));

    world.sim.fault(FaultRule::once(Endpoint::Query, Fault::CutBody));
    assert!(raw().await.1.is_err(), "the connection ends inside the body");

    world.sim.fault(FaultRule::once(Endpoint::Query, Fault::SlowDrip { bytes: 4_096, pause_ms: 5 }));
    let begun = Instant::now();
    assert!(raw().await.1.is_ok());
    assert!(begun.elapsed() >= Duration::from_millis(5));
}

#[tokio::test]
async fn a_lost_answer_took_effect() {
    let world = empty_world().await;
    world.sim.order(Command::Rotation { on: true }).unwrap();
    let tokens = world.connect().await;
    let refresh = tokens["refresh_token"].as_str().unwrap().to_owned();
    world.sim.fault(FaultRule::once(Endpoint::Token, Fault::LostAnswer));
    let form = super::support::credentials("refresh_token", &[("refresh_token", &refresh)]);
    assert!(world.http.post(world.url("/services/oauth2/token")).form(&form).send().await.is_err());
    let again = world.token_call("refresh_token", &[("refresh_token", &refresh)]).await;
    assert_eq!(again.json()["error"], "invalid_grant", "the token was rotated although nobody heard of it");
    assert_eq!(world.sim.requests_of(Endpoint::Token).iter().filter(|request| request.status == 0).count(), 1);
}

#[tokio::test]
async fn h38_composites_have_inner_statuses_and_cost_one_call() {
    let world = world(seed(3, 0, 0)).await;
    world.sim.reset_stats();
    let parts = json!([
        { "method": "GET", "url": format!("{DATA}/query?q=SELECT+Id+FROM+Account"), "referenceId": "good" },
        { "method": "GET", "url": format!("{DATA}/query?q=SELECT+Nope+FROM+Account"), "referenceId": "bad" },
    ]);
    let outer = world.post(&format!("{DATA}/composite"), &json!({ "compositeRequest": parts })).await;
    assert_eq!(outer.status, 200);
    let body = outer.json();
    assert_eq!(body["compositeResponse"][0]["body"]["totalSize"], 3);
    assert_eq!(body["compositeResponse"][1]["httpStatusCode"], 400);
    assert_eq!(body["compositeResponse"][1]["referenceId"], "bad");
    assert_eq!(body["compositeResponse"][1]["body"][0]["errorCode"], "INVALID_FIELD");
    let batch = json!({ "batchRequests": [
        { "method": "GET", "url": "v67.0/query?q=SELECT+COUNT()+FROM+Account" },
        { "method": "GET", "url": "v67.0/query?q=SELECT+Nope+FROM+Account" },
    ] });
    let body = world.post(&format!("{DATA}/composite/batch"), &batch).await.json();
    assert_eq!(body["hasErrors"], true);
    assert_eq!(body["results"][0]["result"]["totalSize"], 3);
    assert_eq!(body["results"][1]["statusCode"], 400);
    assert_eq!(world.sim.stats().all_api_calls(), 2);
    let many = vec![json!({ "method": "GET", "url": "v67.0/limits" }); 26];
    assert_eq!(world.post(&format!("{DATA}/composite/batch"), &json!({ "batchRequests": many })).await.status, 400);
}
