//! Workspaces, and both ways to connect one.

use std::process::Stdio;
use std::time::Duration;

use contract::auth::v1::{self as auth, GrantState};
use contract::error::{Failure, Reason};
use contract::extractor::v1 as extractor;
use contract::mapper::v1 as mapper;
use serde_json::{Value, json};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::{Child, ChildStdout};

use crate::program::{WORKSPACE, command, lanesync};
use crate::scripted::Scripted;

/// No step of the dance takes longer.
const LIMIT: Duration = Duration::from_secs(60);

fn connection() -> auth::Connection {
    auth::Connection {
        workspace_id: WORKSPACE.into(),
        state: GrantState::Active as i32,
        org_id: "00D000000000001EAA".into(),
        org_name: "Acme".into(),
        epoch: 1,
        start_at: Some(prost_types::Timestamp { seconds: 1_704_067_200, nanos: 0 }),
        ..auth::Connection::default()
    }
}

/// Scripts what follows a new connection: contacts are mapped already, accounts are not.
fn expect_first_sync(services: &Scripted) {
    services.on("get_field_mapping", |request: mapper::GetFieldMappingRequest| {
        let entry = mapper::FieldMappingEntry { lane_field: "name".into(), ..mapper::FieldMappingEntry::default() };
        let entries = if request.kind == 2 { vec![entry] } else { Vec::new() };
        Ok(mapper::FieldMapping { kind: request.kind, entries, etag: "e0".into(), ..mapper::FieldMapping::default() })
    });
    let suggestion = mapper::FieldSuggestion {
        lane_field: "arr".into(),
        salesforce_field: "AnnualRevenue".into(),
        reason: "same meaning".into(),
    };
    services.always("suggest_field_mappings", mapper::SuggestFieldMappingsResponse { suggestions: vec![suggestion] });
    services.on("update_field_mapping", |request: mapper::UpdateFieldMappingRequest| {
        let mapping = mapper::FieldMapping { entries: request.entries, ..mapper::FieldMapping::default() };
        Ok(mapper::UpdateFieldMappingResponse { mapping: Some(mapping), preview: None })
    });
    let run = extractor::SyncRun {
        run_id: "run-1".into(),
        phase: extractor::RunPhase::Queued as i32,
        ..extractor::SyncRun::default()
    };
    services.always("start_sync", run);
}

#[tokio::test]
async fn a_workspace_is_created_with_its_plan() {
    let services = Scripted::start().await;
    services.on("create_workspace", |request: auth::CreateWorkspaceRequest| {
        assert_eq!((request.workspace_id.as_str(), request.plan), (WORKSPACE, 3));
        let (id, display_name, plan) = (request.workspace_id, request.display_name, request.plan);
        let create_time = Some(prost_types::Timestamp { seconds: 0, nanos: 500_000_000 });
        Ok(auth::Workspace { id, display_name, plan, create_time })
    });
    let args = ["workspace", "create", "Acme", "--plan", "business", "--id", WORKSPACE, "--json"];
    let ended = lanesync(&services, &args).await;
    let expected = json!({"id": WORKSPACE, "name": "Acme", "plan": "business", "created_at": "1970-01-01T00:00:00.5Z"});
    assert_eq!((ended.code, ended.json()), (0, expected));
}

#[tokio::test]
async fn all_pages_of_workspaces_make_one_list() {
    let services = Scripted::start().await;
    services.on("list_workspaces", |request: auth::ListWorkspacesRequest| {
        let workspace = |name: &str| auth::Workspace { display_name: name.into(), plan: 1, ..Default::default() };
        Ok(match request.page_token.as_str() {
            "" => auth::ListWorkspacesResponse { workspaces: vec![workspace("a")], next_page_token: "2".into() },
            _ => auth::ListWorkspacesResponse { workspaces: vec![workspace("b")], next_page_token: String::new() },
        })
    });
    let ended = lanesync(&services, &["workspace", "list"]).await;
    let rows: Vec<Vec<&str>> = ended.out.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(
        rows,
        [vec!["WORKSPACE", "NAME", "PLAN", "CREATED"], vec!["a", "starter", "-"], vec!["b", "starter", "-"]]
    );
}

#[tokio::test]
async fn client_credentials_connect_map_what_is_not_mapped_and_start_the_first_sync() {
    let services = Scripted::start().await;
    services.always("connect_client_credentials", connection());
    expect_first_sync(&services);
    let args = ["connect", "--flow", "client-credentials", "--environment", "acme.my.salesforce.com"];
    let ended = lanesync(&services, &[&args[..], &["--start-date", "2024-01-01", "--json"]].concat()).await;

    assert_eq!(ended.code, 0, "{}", ended.err);
    let answer = ended.json();
    assert_eq!(answer["connection"]["org_name"], "Acme");
    assert_eq!(answer["connection"]["start_at"], "2024-01-01T00:00:00Z");
    let mappings = json!([
        {"kind": "account", "suggested": true, "entries": 1},
        {"kind": "contact", "suggested": false, "entries": 1},
    ]);
    assert_eq!(answer["first_sync"]["mappings"], mappings);
    assert_eq!(answer["first_sync"]["run"]["id"], "run-1");

    let asked = services.asked::<auth::ConnectClientCredentialsRequest>("connect_client_credentials");
    assert_eq!(asked[0].start_at.unwrap().seconds, 1_704_067_200);
    assert_eq!(asked[0].actor, "ada");
    let saved = services.asked::<mapper::UpdateFieldMappingRequest>("update_field_mapping");
    assert_eq!(saved.len(), 1, "the mapping of contacts stays");
    assert_eq!((saved[0].kind, saved[0].etag.as_str()), (1, "e0"));
    let start = services.asked::<extractor::StartSyncRequest>("start_sync");
    assert_eq!((start.len(), start[0].request_id.len()), (1, 36));
}

#[tokio::test]
async fn services_that_have_not_heard_of_the_connection_yet_are_asked_again() {
    let services = Scripted::start().await;
    services.always("connect_client_credentials", connection());
    expect_first_sync(&services);
    let mut times = 0;
    services.on("start_sync", move |_: extractor::StartSyncRequest| {
        times += 1;
        if times < 3 {
            return Err(Failure::new(Reason::NotConnected, "No connection.").into());
        }
        Ok(extractor::SyncRun { run_id: "run-3".into(), ..extractor::SyncRun::default() })
    });
    let args = ["connect", "--flow", "client-credentials", "--start-date", "all", "--json"];
    let ended = lanesync(&services, &args).await;
    assert_eq!((ended.code, &ended.json()["first_sync"]["run"]["id"]), (0, &json!("run-3")));
}

#[tokio::test]
async fn a_sync_that_began_by_itself_is_as_good_as_one_that_was_started() {
    let services = Scripted::start().await;
    services.always("connect_client_credentials", connection());
    expect_first_sync(&services);
    let running = Failure::new(Reason::SyncAlreadyRunning, "A sync is running.").with("runId", "run-9");
    services.refuse("start_sync", running);
    services.on("get_sync_run", |request: extractor::GetSyncRunRequest| {
        Ok(extractor::SyncRun { run_id: request.run_id, ..extractor::SyncRun::default() })
    });
    let args = ["connect", "--flow", "client-credentials", "--start-date", "all", "--json"];
    let ended = lanesync(&services, &args).await;
    assert_eq!((ended.code, &ended.json()["first_sync"]["run"]["id"]), (0, &json!("run-9")));
}

#[tokio::test]
async fn another_org_than_before_is_refused_until_confirmed() {
    let services = Scripted::start().await;
    services.on("connect_client_credentials", |request: auth::ConnectClientCredentialsRequest| {
        if request.confirm_org_switch {
            return Ok(connection());
        }
        Err(Failure::new(Reason::OrgMismatch, "This is another org.").into())
    });
    let args = ["connect", "--flow", "client-credentials", "--start-date", "all", "--no-sync"];
    assert_eq!(lanesync(&services, &args).await.code, 4);
    assert_eq!(lanesync(&services, &[&args[..], &["--confirm-org-switch"]].concat()).await.code, 0);
    assert!(services.asked::<extractor::StartSyncRequest>("start_sync").is_empty(), "--no-sync");
}

/// The program in the middle of the web flow, and where its callback goes.
struct Waiting {
    program: Child,
    out: BufReader<ChildStdout>,
    redirect_uri: String,
}

/// Starts the web flow and reads the invitation.
async fn begin(services: &Scripted) -> Waiting {
    let port = stack::free_port().unwrap();
    let redirect_uri = format!("http://127.0.0.1:{port}/integrations/salesforce/callback");
    services.refuse("get_connection", Failure::new(Reason::NotConnected, "No connection."));
    let flow = auth::AuthorizeConnectionResponse {
        authorize_url: "https://login.salesforce.com/services/oauth2/authorize?client_id=x&state=s%2B1".into(),
        redirect_uri: redirect_uri.clone(),
        expire_time: None,
    };
    services.always("authorize_connection", flow);
    let args = ["connect", "--start-date", "all", "--environment", "sandbox", "--no-sync", "--json"];
    let mut program = command(services.url(), &args).stdout(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(program.stdout.take().unwrap());
    let invitation = read_line(&mut out).await;
    assert_eq!(invitation["redirect_uri"], redirect_uri);
    assert!(invitation["authorize_url"].as_str().unwrap().contains("state=s%2B1"));
    Waiting { program, out, redirect_uri }
}

async fn read_line(out: &mut BufReader<ChildStdout>) -> Value {
    let mut line = String::new();
    tokio::time::timeout(LIMIT, out.read_line(&mut line)).await.expect("a line").unwrap();
    serde_json::from_str(&line).unwrap()
}

impl Waiting {
    /// Calls the listener as a browser would.
    async fn call(&self, url: &str) -> (u16, String) {
        // Refused by nobody if the first user of the process set it already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let response = reqwest::Client::new().get(url).timeout(LIMIT).send().await.unwrap();
        assert_eq!(response.headers()["cache-control"], "no-store");
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn callback(&self, query: &str) -> (u16, String) {
        self.call(&format!("{}?{query}", self.redirect_uri)).await
    }

    /// Waits for the end; returns the exit code and the rest of the output.
    async fn end(mut self) -> (i32, Value) {
        let mut rest = String::new();
        tokio::time::timeout(LIMIT, self.out.read_to_string(&mut rest)).await.expect("an end").unwrap();
        let code = self.program.wait().await.unwrap().code().unwrap();
        (code, serde_json::from_str(&rest).unwrap())
    }
}

#[tokio::test]
async fn the_web_flow_takes_the_callback_of_its_own_state_and_no_other_request() {
    let services = Scripted::start().await;
    services.always("complete_authorization", connection());
    let waiting = begin(&services).await;

    let elsewhere = waiting.redirect_uri.replace("/callback", "/other?code=a&state=s%2B1");
    assert_eq!(waiting.call(&elsewhere).await.0, 404);
    assert_eq!(waiting.callback("code=evil&state=other").await.0, 400);
    assert_eq!(waiting.callback("code=a&code=b&state=s%2B1").await.0, 400);
    assert_eq!(waiting.callback("state=s%2B1").await.0, 400);
    assert!(services.asked::<auth::CompleteAuthorizationRequest>("complete_authorization").is_empty());

    let (status, page) = waiting.callback("code=c%25%2B&state=s%2B1").await;
    assert_eq!((status, page.as_str()), (200, "Connected. You can close this page."));
    let (code, answer) = waiting.end().await;
    assert_eq!((code, &answer["connection"]["state"]), (0, &json!("active")));

    let completed = services.asked::<auth::CompleteAuthorizationRequest>("complete_authorization");
    assert_eq!(completed.len(), 1);
    assert_eq!((completed[0].code.as_str(), completed[0].state.as_str()), ("c%+", "s+1"));
    let begun = services.asked::<auth::AuthorizeConnectionRequest>("authorize_connection");
    assert_eq!((begun[0].environment.as_str(), begun[0].start_at), ("sandbox", None));
}

#[tokio::test]
async fn a_person_who_says_no_ends_the_web_flow_with_a_refusal() {
    let services = Scripted::start().await;
    services.on("complete_authorization", |request: auth::CompleteAuthorizationRequest| {
        assert_eq!(request.error, "access_denied");
        Err::<auth::Connection, _>(Failure::new(Reason::OauthDenied, "Access was denied.").into())
    });
    let waiting = begin(&services).await;
    let (status, page) = waiting.callback("error=access_denied&error_description=no&state=s%2B1").await;
    assert_eq!(status, 400);
    assert!(page.starts_with("Not connected. Access was denied."), "{page}");
    let (code, answer) = waiting.end().await;
    assert_eq!((code, &answer["error"]["reason"]), (4, &json!("OAUTH_DENIED")));
}

#[tokio::test]
async fn a_callback_that_the_console_takes_is_waited_for() {
    let services = Scripted::start().await;
    let flow = auth::AuthorizeConnectionResponse {
        authorize_url: "https://login.salesforce.com/services/oauth2/authorize?state=s".into(),
        redirect_uri: "https://lane.example.com/integrations/salesforce/callback".into(),
        expire_time: None,
    };
    services.always("authorize_connection", flow);
    let mut times = 0;
    services.on("get_connection", move |_: auth::GetConnectionRequest| {
        times += 1;
        let not_yet = || Failure::new(Reason::NotConnected, "No connection.").into();
        if times < 3 { Err(not_yet()) } else { Ok(connection()) }
    });
    let ended = lanesync(&services, &["connect", "--start-date", "all", "--no-sync"]).await;
    assert_eq!(ended.code, 0, "{}", ended.err);
    assert!(ended.out.contains("Acme"), "{}", ended.out);
}

#[tokio::test]
async fn the_start_date_moves() {
    let services = Scripted::start().await;
    services.always("update_start_date", connection());
    assert_eq!(lanesync(&services, &["start-date", "2023-06-30"]).await.code, 0);
    assert_eq!(lanesync(&services, &["start-date", "all"]).await.code, 0);
    let asked = services.asked::<auth::UpdateStartDateRequest>("update_start_date");
    let moments: Vec<_> = asked.iter().map(|request| request.start_at.map(|at| at.seconds)).collect();
    assert_eq!(moments, [Some(1_688_083_200), None]);
}
