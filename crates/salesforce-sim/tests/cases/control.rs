//! The control calls over HTTP, and the binary that serves them.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command as Process, Stdio};
use std::time::{Duration, Instant};

use salesforce_sim::{Command, Config, OrgSpec, Simulator};
use serde_json::{Value as Json, json};

use super::support::{DATA, World, answer, empty_world, http, seed, world};

#[tokio::test]
async fn orders_work_over_http_too() {
    let world = empty_world().await;
    let order =
        async |op: &str, body: Json| answer(world.http.post(world.url(&format!("/sim/{op}"))).json(&body)).await;
    let id =
        order("create", json!({ "object": "Account", "fields": { "Name": "By HTTP" } })).await.json()["id"].clone();
    let updated = order("update", json!({ "id": id, "fields": { "Name": "Changed" } })).await;
    assert_eq!(updated.json(), json!({ "ok": true }));
    assert_eq!(world.query("SELECT Name FROM Account").await["records"][0]["Name"], "Changed");
    let rule = json!({ "rule": { "endpoints": ["query"], "times": 1, "fault": { "kind": "session_not_valid" } } });
    assert_eq!(order("fault", rule).await.status, 200);
    assert_eq!(world.ask("query", "SELECT Id FROM Account").await.status, 401);
    let verdict = order("oracle", json!({ "question": { "accounts": { "name": "Name" } } })).await.json();
    assert_eq!(verdict["records"][0]["fields"]["name"], json!({ "text": "Changed" }));
    assert_eq!(order("stats", json!({})).await.json()["calls"]["query"], 2);
    assert_eq!(order("nonsense", json!({})).await.refusal().0, "UNKNOWN_OP");
    assert_eq!(order("update", json!({ "id": "001Kd00001a2B3cIAE", "fields": {} })).await.status, 404);
}

#[tokio::test]
async fn a_mistyped_field_shows_text_and_live_tokens_are_told() {
    let world = empty_world().await;
    let id = world.sim.create("Account", json!({ "Name": "A", "NumberOfEmployees": 5 })).unwrap();
    world
        .sim
        .order(Command::Mistype { org: None, id, field: "NumberOfEmployees".into(), text: "five".into() })
        .unwrap();
    let shown = world.query("SELECT NumberOfEmployees FROM Account").await;
    assert_eq!(shown["records"][0]["NumberOfEmployees"], "five");
    let tokens = world.sim.order(Command::Tokens).unwrap();
    assert!(tokens["access"].as_array().unwrap().contains(&json!(world.token)), "{tokens}");
}

#[tokio::test]
async fn several_orgs_are_apart() {
    let first = OrgSpec { username: "a@oma.example".to_owned(), ..OrgSpec::default() };
    let second = OrgSpec { name: "Second".to_owned(), username: "b@oma.example".to_owned(), ..OrgSpec::default() };
    let sim = Simulator::start(Config { orgs: vec![first, second], ..Config::default() });
    let orgs = sim.order(Command::Orgs).unwrap();
    assert_ne!(orgs[0]["id"], orgs[1]["id"]);
    let world = World { http: http(), token: String::new(), sim };
    let log_in = async |username: &str| {
        let tokens =
            world.token_call("password", &[("username", username), ("password", "correct-horse")]).await.json();
        tokens["access_token"].as_str().unwrap().to_owned()
    };
    let (a, b) = (log_in("a@oma.example").await, log_in("b@oma.example").await);
    world.sim.create("Account", json!({ "Name": "In the first" })).unwrap();
    let count = async |token: &str| {
        answer(world.http.get(world.url(&format!("{DATA}/query?q=SELECT+COUNT()+FROM+Account"))).bearer_auth(token))
            .await
            .json()["totalSize"]
            .clone()
    };
    assert_eq!((count(&a).await, count(&b).await), (json!(1), json!(0)));
    let name =
        answer(world.http.get(world.url(&format!("{DATA}/query?q=SELECT+Name+FROM+Organization"))).bearer_auth(&b))
            .await
            .json();
    assert_eq!(name["records"][0]["Name"], "Second");
    assert_eq!(world.sim.stats().calls_by_org.len(), 2);
}

#[tokio::test]
async fn warmed_rows_follow_every_change() {
    let world = world(seed(50, 200, 0)).await;
    let soql = "SELECT Id, LastName, Account.Name FROM Contact";
    let cold = world.ask("query", soql).await.text;
    world.sim.order(Command::Warm { org: None, soql: soql.to_owned(), csv: false, version: None }).unwrap();
    assert_eq!(world.ask("query", soql).await.text, cold, "the same bytes");
    let contact = world.sim.ids("Contact").unwrap()[0];
    world.sim.update(contact, json!({ "LastName": "Changed" })).unwrap();
    let account = world.sim.ids("Account").unwrap()[0];
    world.sim.update(account, json!({ "Name": "Renamed parent" })).unwrap();
    let text = world.ask("query", soql).await.text;
    assert!(text.contains("\"LastName\":\"Changed\""));
    let with_parent =
        world.query(&format!("SELECT COUNT() FROM Contact WHERE AccountId = '{account}'")).await["totalSize"]
            .as_u64()
            .unwrap();
    assert_eq!(text.matches("Renamed parent").count() as u64, with_parent);
}

/// A served simulator that dies with the test.
struct Served(Child);

impl Drop for Served {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn the_binary_prints_one_line_and_stops_on_sigterm() {
    let child = Process::new(env!("CARGO_BIN_EXE_salesforce-sim"))
        .args(["serve", "--accounts", "5", "--contacts", "5", "--leads", "5", "--auto-consent", "--rotation"])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut served = Served(child);
    let mut line = String::new();
    BufReader::new(served.0.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let ready: Json = serde_json::from_str(&line).unwrap();
    for key in ["url", "org_id", "client_id", "client_secret", "username", "password", "security_token"] {
        assert!(ready[key].is_string(), "{key}");
    }
    let versions = answer(http().get(format!("{}/services/data/", ready["url"].as_str().unwrap()))).await;
    assert_eq!(versions.status, 200);
    let signalled = Process::new("kill").args(["-TERM", &served.0.id().to_string()]).status().unwrap();
    assert!(signalled.success());
    let limit = Instant::now() + Duration::from_secs(60);
    let status = loop {
        if let Some(status) = served.0.try_wait().unwrap() {
            break status;
        }
        assert!(Instant::now() < limit, "it stops");
        tokio::time::sleep(Duration::from_millis(20)).await;
    };
    assert!(status.success());
}

#[tokio::test]
async fn a_stopped_simulator_frees_its_port() {
    let sim = Simulator::start(Config::default());
    let address = sim.address();
    sim.shutdown().await;
    std::net::TcpListener::bind(address).expect("the port is free again");
}

#[tokio::test]
async fn https_is_trusted_by_those_who_know_the_authority() {
    let sim = Simulator::start(Config { tls: true, ..Config::default() });
    assert!(sim.url().starts_with("https://localhost:"));
    let stranger = http().get(format!("{}/services/data/", sim.url())).send().await;
    assert!(stranger.is_err(), "nobody else vouches for it");
    let authority = reqwest::Certificate::from_pem(sim.ca_pem().unwrap().as_bytes()).unwrap();
    let friend = reqwest::Client::builder()
        .redirect(reqwest::redirect::Policy::none())
        .tls_certs_only([authority])
        .build()
        .unwrap();
    let world = World { http: friend, token: String::new(), sim };
    let tokens = world.connect().await;
    assert_eq!(tokens["instance_url"], world.sim.url());
}
