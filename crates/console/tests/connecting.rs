//! From nothing to a running sync and back, through the pages alone: the whole way without JavaScript.

use contract::common::v1::Plan;
use reqwest::{StatusCode, Url};

use crate::browser::{Browser, Page};
use crate::world::{PATIENCE, World};

const ROOT: &str = "/integrations/salesforce";
const CHOICE: [(&str, &str); 3] = [("environment", "production"), ("start", "all"), ("start_date", "")];

/// What the person does at Salesforce.
#[derive(Clone, Copy)]
enum Consent {
    Allow,
    Deny,
}

/// Goes to Salesforce and returns the callback's path and query.
async fn at_salesforce(browser: &Browser, authorize: &str, consent: Consent) -> String {
    let mut url = Url::parse(authorize).unwrap();
    let word = match consent {
        Consent::Allow => "allow",
        Consent::Deny => "deny",
    };
    url.query_pairs_mut().append_pair("sim_auto", word);
    let answer = browser.http().get(url).send().await.unwrap();
    let back = answer.headers().get("location").unwrap().to_str().unwrap();
    let back = Url::parse(back).unwrap();
    assert_eq!(back.path(), "/integrations/salesforce/callback");
    format!("{}?{}", back.path(), back.query().unwrap())
}

async fn begin(browser: &Browser) -> String {
    let page = browser.open(&format!("{ROOT}/connect")).await;
    let answer = browser.submit(&page, &format!("{ROOT}/connect"), &CHOICE).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    answer.location().unwrap()
}

async fn until(browser: &Browser, path: &str, what: &str, holds: impl Fn(&Page) -> bool) -> Page {
    testkit::eventually(PATIENCE, what, || async {
        let page = browser.open(path).await;
        holds(&page).then_some(page)
    })
    .await
}

#[tokio::test]
async fn an_admin_connects_maps_syncs_and_disconnects_by_forms_alone() {
    let world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    let admin = world.admin(&workspace).await;

    let authorize = begin(&admin).await;
    assert!(authorize.starts_with(world.simulator.url()), "{authorize}");
    let callback = at_salesforce(&admin, &authorize, Consent::Allow).await;
    let done = admin.get(&callback).await;
    assert_eq!(done.location().unwrap(), format!("{ROOT}/connect?done=connected"), "{}", done.body);
    // The same callback again connects nothing: its flow is over.
    let again = admin.get(&callback).await;
    assert_eq!(again.status, StatusCode::UNPROCESSABLE_ENTITY);

    let connect = format!("{ROOT}/connect");
    let ready = |page: &Page| page.state() == "connecting" && page.body.contains("Use the suggested fields");
    let page = until(&admin, &connect, "suggestions are there", ready).await;
    assert_eq!(page.heading(), "Finish connecting");
    assert!(
        page.body.contains("fields that matter can be read") && page.body.contains("Choose fields first"),
        "{}",
        page.body
    );

    let saved = admin.submit(&page, &format!("{connect}/fields"), &[]).await;
    assert_eq!(saved.location().unwrap(), format!("{connect}?done=mapping-saved"), "{}", saved.body);
    let costs = admin.open(&format!("{connect}/estimate")).await;
    assert!(costs.body.contains("160 records"), "{}", costs.body);

    let page = admin.open(&connect).await;
    let request_id = page.value_of("request_id").unwrap();
    let values = [("start", "all"), ("start_date", ""), ("request_id", request_id.as_str())];
    let started = admin.submit(&page, &format!("{connect}/start"), &values).await;
    assert_eq!(started.location().unwrap(), format!("{ROOT}?done=sync-started"), "{}", started.body);
    let page =
        until(&admin, ROOT, "the first sync is done", |page| ["healthy", "degraded"].contains(&page.state())).await;
    assert!(page.body.contains("Ada"), "who connected is shown");

    // The first sync is listed as complete; a compare may have followed by itself.
    let is_listed = |page: &Page| page.body.contains("First sync") && page.body.contains("Complete");
    let runs = until(&admin, &format!("{ROOT}/runs"), "the first sync is listed", is_listed).await;
    let oldest = runs.body.rsplit(&format!("{ROOT}/runs/")).next().unwrap().split('"').next().unwrap();
    let run = admin.open(&format!("{ROOT}/runs/{oldest}")).await;
    assert_eq!(run.heading(), "First sync");
    assert!(run.body.contains("Complete"), "{}", run.body);
    assert_eq!(
        admin.open(&format!("{ROOT}/runs/0197a0c0-0000-7000-8000-000000000001")).await.status,
        StatusCode::NOT_FOUND
    );

    // Re-sync: the run's own page follows.
    let costs = admin.open(&format!("{ROOT}/resync/estimate")).await;
    assert!(costs.body.contains("Salesforce call"), "{}", costs.body);
    let resynced = testkit::eventually(PATIENCE, "a re-sync may start", || async {
        let page = admin.open(&format!("{ROOT}/resync")).await;
        let answer =
            admin.submit(&page, &format!("{ROOT}/resync"), &[("scope", "everything"), ("object", "all")]).await;
        answer.location()
    })
    .await;
    let page = admin.open(&resynced).await;
    assert_eq!(page.heading(), "Full compare");
    let id = resynced.split("/runs/").nth(1).unwrap().split('?').next().unwrap().to_owned();
    world.lane.finished(&workspace, &id, PATIENCE, |_| {}).await.unwrap();

    // Disconnecting wants the org's name.
    let path = format!("{ROOT}/disconnect");
    let page = admin.open(&path).await;
    let org = page.heading().strip_prefix("Disconnect ").unwrap().replace("&#38;", "&").replace("&amp;", "&");
    let wrong = admin.submit(&page, &path, &[("org", "something else"), ("customers", "keep")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("This is not the org"), "{}", wrong.body);
    let right = admin.submit(&page, &path, &[("org", &org), ("customers", "keep")]).await;
    assert_eq!(right.location().unwrap(), format!("{ROOT}?done=disconnected"), "{}", right.body);
    let page = until(&admin, ROOT, "it is disconnected", |page| page.state() == "disconnected").await;
    assert!(page.body.contains("Connect again"));
}

#[tokio::test]
async fn a_refusal_keeps_what_was_chosen_and_a_swapped_callback_connects_nothing() {
    let world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    let (ada, eve) = (world.admin(&workspace).await, world.admin(&workspace).await);

    // A form that does not hold says where, and keeps what was typed.
    let connect = format!("{ROOT}/connect");
    let page = ada.open(&connect).await;
    let values = [("environment", "domain"), ("domain", ""), ("start", "own"), ("start_date", "2999-01-01")];
    let wrong = ada.submit(&page, &connect, &values).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in ["Enter your My Domain host", "Choose a date from", "value=\"2999-01-01\"", "aria-invalid=\"true\""] {
        assert!(wrong.body.contains(part), "{part}: {}", wrong.body);
    }
    // A host that is not Salesforce's is refused in words.
    let values = [("environment", "domain"), ("domain", "evil.example"), ("start", "30d")];
    let wrong = ada.submit(&page, &connect, &values).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("This is not a Salesforce address"), "{}", wrong.body);

    // Denied at Salesforce: the reason, and the start date still chosen.
    let page = ada.open(&connect).await;
    let answer = ada.submit(&page, &connect, &[("environment", "production"), ("start", "1y")]).await;
    let denied = at_salesforce(&ada, &answer.location().unwrap(), Consent::Deny).await;
    let denied = ada.get(&denied).await;
    assert_eq!(denied.status, StatusCode::CONFLICT);
    assert!(denied.body.contains("Access was not allowed in Salesforce"), "{}", denied.body);
    assert!(denied.body.contains("value=\"1y\" checked"), "{}", denied.body);

    // Eve begins a flow and slips its callback to Ada: nothing is connected, and Eve's own flow is not used up.
    let authorize = begin(&eve).await;
    let callback = at_salesforce(&eve, &authorize, Consent::Allow).await;
    let swapped = ada.get(&callback).await;
    assert_eq!(swapped.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(swapped.body.contains("was not begun in this session"), "{}", swapped.body);
    assert_eq!(ada.open(ROOT).await.state(), "not_connected");
    // Nor for somebody who is not signed in.
    let stranger = world.browser().open(&callback).await;
    assert_eq!(stranger.heading(), "Sign in");
    for query in ["", "?state=x", "?state=x&code=y&error=z", "?code=y"] {
        assert_eq!(
            ada.get(&format!("{ROOT}/callback{query}")).await.status,
            StatusCode::UNPROCESSABLE_ENTITY,
            "{query}"
        );
    }
    let own = eve.get(&callback).await;
    assert_eq!(own.location().unwrap(), format!("{connect}?done=connected"), "{}", own.body);
}
