//! The story of a workspace as its admin walks it in a terminal, with the real program.

use contract::common::v1::value::Value as Wire;
use contract::common::v1::{Plan, RecordKind};
use contract::extractor::v1::SyncState;
use contract::mapper::v1::ValueDecision;
use contract::writer::v1::{Customer, GetCustomerRequest};
use serde_json::{Value, json};
use stack::ServiceName;

use crate::terminal::Terminal;
use crate::world::{PATIENCE, SMALL, World};

/// A world whose callback address is free, so that the program listens there itself.
async fn world() -> World {
    let callback = format!("http://127.0.0.1:{}", stack::free_port().unwrap());
    World::new(SMALL, Plan::Starter, &[(ServiceName::Auth, "LANESYNC_PUBLIC_URL", &callback)]).await
}

/// Opens an address as a browser does, follows every redirect, and returns the page at the end.
async fn browse(address: &str) -> (u16, String) {
    let browser = reqwest::Client::builder().no_proxy().build().unwrap();
    let page = browser.get(address).send().await.unwrap();
    (page.status().as_u16(), page.text().await.unwrap())
}

/// Connects by the web flow; `decision` is the button that the person presses.
async fn connect_by_web(terminal: &Terminal, decision: &str) -> (i32, Value, (u16, String)) {
    let mut story = terminal.start(&["connect", "--start-date", "all", "--actor", "Ada"]);
    let invitation = story.next().await.unwrap();
    let address = invitation["authorize_url"].as_str().unwrap();
    assert!(invitation["expires_at"].is_string(), "{invitation}");
    let page = browse(&format!("{address}&sim_auto={decision}")).await;
    let answer = story.next().await.unwrap();
    assert_eq!(story.next().await, None, "two documents and no more");
    (story.code().await, answer, page)
}

async fn in_lane(world: &World, workspace: &str, salesforce_id: &str) -> Customer {
    let request = GetCustomerRequest {
        workspace_id: workspace.to_owned(),
        salesforce_id: salesforce_id.to_owned(),
        ..Default::default()
    };
    world.lane.customers().get_customer(request).await.unwrap().into_inner()
}

fn text(customer: &Customer, id: &str) -> Option<String> {
    let field = customer.fields.iter().find(|field| field.field == id).unwrap();
    match field.value.clone()?.value? {
        Wire::Text(text) | Wire::Option(text) => Some(text),
        other => panic!("{id} is no text: {other:?}"),
    }
}

/// Watches the status until the first sync is over.
async fn watched(terminal: &Terminal) {
    let mut watch = terminal.start(&["status", "--watch"]);
    loop {
        let status = watch.next().await.expect("a watch has no end of its own");
        let state = status["state"].as_str().unwrap();
        if status["last_success_at"].is_string() {
            assert!(["healthy", "degraded"].contains(&state), "{status}");
            return;
        }
        assert!(["connecting", "first_sync", "degraded"].contains(&state), "{status}");
    }
}

#[tokio::test]
async fn an_admin_walks_the_whole_story_in_a_terminal() {
    let world = world().await;
    let anywhere = Terminal::of(&world);
    let created = anywhere.done(&["workspace", "create", "Acme"]).await;
    assert_eq!((&created["name"], &created["plan"]), (&json!("Acme"), &json!("starter")));
    let workspace = created["id"].as_str().unwrap();
    let here = anywhere.workspace(workspace);

    upgrade_and_connect(&here).await;
    watched(&here).await;
    assert_ne!(world.lane.status(workspace).await.unwrap().state(), SyncState::FirstSync);

    let id = world.ids("Account", 1).await.remove(0);
    locks(&world, &here, workspace, &id).await;
    fields(&world, &here, workspace).await;
    values(&world, &here, workspace).await;
    resync(&world, &here, workspace, &id).await;
    parked(&world, &here, workspace).await;
    headless(&world, &anywhere, &id).await;
    disconnect(&world, &here, workspace, &id).await;
}

/// The plan first, then a refusal at the consent page, then consent.
async fn upgrade_and_connect(here: &Terminal) {
    let refused = here.refused(4, "PLAN_REQUIRED", &["connect", "--start-date", "all"]).await;
    assert!(refused["remedy"].as_str().is_some_and(|remedy| remedy.contains("Business")), "{refused}");
    assert_eq!(here.done(&["status"]).await["state"], "plan_required");
    assert_eq!(here.done(&["workspace", "plan", "business"]).await["plan"], "business");
    let listed = here.done(&["workspace", "list"]).await;
    let plans: Vec<_> = listed["workspaces"].as_array().unwrap().iter().filter(|one| one["name"] == "Acme").collect();
    assert_eq!(plans.len(), 1);
    assert_eq!(plans[0]["plan"], "business");

    let (code, denied, page) = connect_by_web(here, "deny").await;
    assert_eq!((code, &denied["error"]["reason"]), (4, &json!("OAUTH_DENIED")), "{denied}");
    assert_eq!(page.0, 400, "{page:?}");
    here.refused(4, "NOT_CONNECTED", &["connection", "show"]).await;

    let (code, connected, page) = connect_by_web(here, "allow").await;
    assert_eq!(code, 0, "{connected}");
    assert_eq!(page, (200, "Connected. You can close this page.".to_owned()));
    assert_eq!(connected["connection"]["state"], "active");
    assert_eq!(connected["connection"]["connected_by"], "Ada");
    let mappings = connected["first_sync"]["mappings"].as_array().unwrap();
    assert!(mappings.iter().all(|one| one["suggested"] == true && one["entries"].as_u64() > Some(3)), "{connected}");
    let run = connected["first_sync"]["run"]["id"].as_str().unwrap();
    assert_eq!(here.done(&["runs", "show", run]).await["mode"], "backfill");
}

/// A locked field is refused as the page about exit codes says; an unlocked one is changed.
async fn locks(world: &World, here: &Terminal, workspace: &str, id: &str) {
    let listed = here.done(&["customers", "list", "--limit", "3"]).await;
    assert_eq!(listed["customers"].as_array().unwrap().len(), 3);
    assert!(listed["next_page_token"].is_string());
    let shown = here.done(&["customers", "get", id]).await;
    assert_eq!(shown["salesforce"]["id"], id);
    assert_eq!(shown["fields"]["name"]["locked_by"], "Account.Name");
    assert_eq!(shown["fields"]["domain"]["locked_by"], Value::Null, "no suggestion feeds it");

    let before = in_lane(world, workspace, id).await;
    let both = ["customers", "set", id, "name=Mine", "domain=mine.example"];
    let refused = here.refused(4, "FIELD_LOCKED", &both).await;
    assert_eq!(refused["violations"][0]["field"], "name");
    assert!(refused["violations"][0]["description"].as_str().unwrap().contains("Account.Name"), "{refused}");
    assert_eq!(in_lane(world, workspace, id).await, before, "nothing of a refused edit is applied");
    let person = here.run(&both).await;
    assert_eq!((person.code, person.out.as_str()), (4, ""));
    assert!(person.err.starts_with("error: FIELD_LOCKED: "), "{person:?}");

    let changed = here.done(&["customers", "set", id, "domain=mine.example"]).await;
    assert_eq!(changed["fields"]["domain"]["value"], "mine.example");
    assert_eq!(text(&in_lane(world, workspace, id).await, "domain").as_deref(), Some("mine.example"));

    let nobody = "001000000000009AAA";
    here.refused(3, "RESOURCE_NOT_FOUND", &["customers", "get", nobody]).await;
    here.refused(2, "ARGUMENT_INVALID", &["customers", "get", "Acme"]).await;
    let away = format!("http://127.0.0.1:{}", stack::free_port().unwrap());
    here.refused(6, "DEPENDENCY_UNAVAILABLE", &["customers", "get", id, "--writer-url", &away]).await;
}

/// Suggestions, a preview that changes nothing, and a mapping that locks a field.
async fn fields(world: &World, here: &Terminal, workspace: &str) {
    let suggested = here.done(&["mapping", "suggest", "account"]).await;
    let suggestions = suggested["suggestions"].as_array().unwrap();
    assert!(suggestions.iter().any(|one| one["lane_field"] == "arr" && one["salesforce_field"] == "ARR__c"));
    assert_eq!(suggested["applied"], Value::Null);

    let before = here.done(&["mapping", "show", "account"]).await;
    let change = ["account", "--unmap", "industry"];
    let previewed = here.done(&[&["mapping", "preview"], change.as_slice()].concat()).await;
    assert_eq!(previewed["saved"], false);
    assert_eq!(previewed["preview"]["would_unlock"], json!(["industry"]));
    assert_eq!(here.done(&["mapping", "show", "account"]).await, before, "a preview changes nothing");

    let saved = here.done(&[&["mapping", "set"], change.as_slice()].concat()).await;
    assert_eq!(saved["saved"], true);
    let held = world.lane.field_mapping(workspace, RecordKind::Account).await.unwrap();
    assert!(held.entries.iter().all(|entry| entry.lane_field != "industry"));
    world.lane.replayed(workspace, PATIENCE).await.unwrap();

    let stale = before["etag"].as_str().unwrap();
    here.refused(5, "ETAG_MISMATCH", &["mapping", "set", "account", "--unmap", "phone", "--etag", stale]).await;
    let wrong = here.refused(2, "FIELD_MAPPING_INVALID", &["mapping", "set", "account", "arr=Name"]).await;
    assert_eq!(wrong["violations"].as_array().unwrap().len(), 1, "{wrong}");
}

/// The open values, one of them decided, and its customers changed.
async fn values(world: &World, here: &Terminal, workspace: &str) {
    let is_tier = |one: &&Value| one["kind"] == "account" && one["field"] == "tier";
    let open = here.done(&["unmapped"]).await;
    let entries = open["values"].as_array().unwrap();
    assert_eq!(open["count"].as_u64().unwrap(), entries.len() as u64);
    let most = entries.iter().filter(is_tier).max_by_key(|one| one["record_count"].as_i64()).unwrap();
    let (raw, records) = (most["value"].as_str().unwrap(), most["record_count"].as_i64().unwrap());
    assert!(records > 0);

    let decision = format!("{raw}=strategic");
    let previewed = here.done(&["values", "map", "account", "tier", &decision, "--preview"]).await;
    assert_eq!((&previewed["saved"], previewed["preview"]["changed"].as_i64()), (&json!(false), Some(records)));
    let wrong = format!("{raw}=no_such_option");
    here.refused(2, "VALUE_MAPPING_INVALID", &["values", "map", "account", "tier", &wrong]).await;
    here.done(&["values", "map", "account", "tier", &decision]).await;
    world.lane.replayed(workspace, PATIENCE).await.unwrap();

    let listed = here.done(&["values", "list", "account", "tier"]).await;
    let decided = listed["values"].as_array().unwrap().iter().find(|one| one["value"] == raw).unwrap();
    assert_eq!((&decided["decision"], &decided["option"]), (&json!("map"), &json!("strategic")));
    let known = world.lane.values(workspace, RecordKind::Account, "tier").await.unwrap();
    assert!(known.iter().any(|one| one.value == raw && one.decision() == ValueDecision::Map));
    let left = here.done(&["unmapped"]).await;
    assert!(!left["values"].as_array().unwrap().iter().filter(is_tier).any(|one| one["value"] == raw), "{left}");

    let held = stack::books::holdings(&world.lane, workspace).await.unwrap();
    let strategic = held.rows.iter().filter(|((object, _), row)| {
        let value = row.fields["tier"].value.as_ref().and_then(|value| value.value.clone());
        object == "Account" && value == Some(Wire::Option("strategic".to_owned()))
    });
    assert_eq!(i64::try_from(strategic.count()).unwrap(), records, "no other value means strategic yet");
}

/// Re-sync, waited for: of changes, and of everything.
async fn resync(world: &World, here: &Terminal, workspace: &str, id: &str) {
    let estimate = here.done(&["resync", "--scope", "everything", "--estimate"]).await;
    assert!(estimate.to_string().contains("api_calls"), "{estimate}");
    world.order("update", json!({ "id": id, "fields": { "Name": "Renamed in Salesforce" } })).await;
    for scope in ["changes", "everything"] {
        let run = testkit::eventually(PATIENCE, "no other run is in hand", || async {
            let said = here.run(&["--json", "resync", "--scope", scope, "--wait"]).await;
            // Conflict: a poll that began by itself; the page about exit codes says 5.
            assert!([0, 5].contains(&said.code), "{said:?}");
            (said.code == 0).then(|| said.json())
        })
        .await;
        assert_eq!(run["phase"], "completed");
        assert!(run["ended_at"].is_string(), "{run}");
        assert_eq!(text(&in_lane(world, workspace, id).await, "name").as_deref(), Some("Renamed in Salesforce"));
    }
    assert_eq!(text(&in_lane(world, workspace, id).await, "domain").as_deref(), Some("mine.example"));
    let runs = here.done(&["runs", "list"]).await;
    assert!(runs["runs"].as_array().unwrap().len() >= 3, "{runs}");
    let balance = stack::books::balance(&world.lane, workspace, &world.simulator, "").await.unwrap();
    assert_eq!(balance.differences, Vec::<String>::new());
}

/// A record that can't be mapped is parked, listed, mended in Salesforce and read once more.
async fn parked(world: &World, here: &Terminal, workspace: &str) {
    assert_eq!(here.done(&["parked", "list"]).await["records"], json!([]));
    let id = world.ids("Account", 2).await.remove(1);
    world.order("update", json!({ "id": id, "fields": { "ARR__c": 1e19 } })).await;
    synced(here).await;
    let listed = here.done(&["parked", "list"]).await;
    let records = listed["records"].as_array().unwrap();
    assert_eq!(records.len(), 1, "{listed}");
    assert_eq!(
        (&records[0]["id"], &records[0]["code"], &records[0]["requeued_at"]),
        (&json!(id), &json!("number_out_of_range"), &Value::Null)
    );
    assert_eq!(here.done(&["status"]).await["parked_records"], 1);

    // Quietly: no change would bring it by itself.
    world.order("update_quietly", json!({ "id": id, "fields": { "ARR__c": 12.5 } })).await;
    let requeued = here.done(&["parked", "requeue"]).await;
    assert_eq!(requeued["records"].as_array().unwrap().len(), 1, "{requeued}");
    assert_eq!(requeued["runs"].as_array().unwrap().len(), 1, "{requeued}");
    testkit::eventually_true(PATIENCE, "the record is read once more", || async {
        here.done(&["parked", "list"]).await["records"] == json!([])
    })
    .await;
    let shown = here.done(&["customers", "get", &id]).await;
    assert_eq!(shown["fields"]["arr"]["value"]["amount"], "12.5");
    let arr = in_lane(world, workspace, &id).await.fields.into_iter().find(|field| field.field == "arr").unwrap();
    assert!(matches!(arr.value.and_then(|value| value.value), Some(Wire::Money(money)) if money.amount == "12.5"));
}

/// Reads changes, whatever else begins to run meanwhile.
async fn synced(here: &Terminal) {
    testkit::eventually_true(PATIENCE, "a sync of our own is over", || async {
        here.run(&["--json", "resync", "--wait"]).await.code == 0
    })
    .await;
}

/// Another workspace without a browser, by client credentials.
async fn headless(world: &World, anywhere: &Terminal, id: &str) {
    let created = anywhere.done(&["workspace", "create", "Headless", "--plan", "business"]).await;
    let workspace = created["id"].as_str().unwrap();
    let there = anywhere.workspace(workspace);
    let address = world.simulator.url();
    let flow = ["connect", "--flow", "client-credentials", "--start-date", "all"];
    let connected = there.done(&[flow.as_slice(), &["--environment", address]].concat()).await;
    assert_eq!(connected["connection"]["state"], "active");
    watched(&there).await;
    assert_eq!(text(&in_lane(world, workspace, id).await, "name").as_deref(), Some("Renamed in Salesforce"));
    assert_eq!(text(&in_lane(world, workspace, id).await, "domain"), None, "typed into the other workspace only");
    assert_eq!(
        there.done(&["connection", "show"]).await["instance_url"].as_str().unwrap().trim_end_matches('/'),
        address
    );
}

/// Fields unlock, customers stay.
async fn disconnect(world: &World, here: &Terminal, workspace: &str, id: &str) {
    let unconfirmed = here.run(&["--json", "disconnect"]).await;
    assert_eq!((unconfirmed.code, &unconfirmed.json()["error"]["reason"]), (2, &json!("ARGUMENT_INVALID")));
    assert_eq!(here.done(&["connection", "show"]).await["state"], "active");

    here.done(&["disconnect", "--yes"]).await;
    testkit::eventually_true(PATIENCE, "disconnected", || async {
        here.done(&["status"]).await["state"] == "disconnected"
    })
    .await;
    let kept = in_lane(world, workspace, id).await;
    assert!(kept.fields.iter().all(|field| field.locked_by.is_empty()));
    assert_eq!(text(&kept, "name").as_deref(), Some("Renamed in Salesforce"));
    here.done(&["customers", "set", id, "name=Mine now"]).await;
    assert_eq!(text(&in_lane(world, workspace, id).await, "name").as_deref(), Some("Mine now"));
    here.refused(4, "NOT_CONNECTED", &["resync"]).await;
}
