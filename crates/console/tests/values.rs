//! The values of option fields: decided in the page, told by the mapper, carried by the customers.

use contract::common::v1::{Plan, RecordKind};
use contract::mapper::v1::{FieldMappingEntry, ValueDecision, ValueMapping};
use contract::writer::v1::{ListCustomersRequest, RowFilter};
use reqwest::StatusCode;
use serde_json::json;

use crate::browser::Page;
use crate::world::{PATIENCE, World};

const ROOT: &str = "/integrations/salesforce/values";

async fn tiers(world: &World, workspace: &str) -> Vec<ValueMapping> {
    world.lane.values(workspace, RecordKind::Account, "tier").await.unwrap()
}

fn find<'v>(values: &'v [ValueMapping], text: &str) -> &'v ValueMapping {
    values.iter().find(|value| value.value == text).unwrap_or_else(|| panic!("no value {text:?}"))
}

/// Customers that have a tier, as the writer tells.
async fn with_tier(world: &World, workspace: &str, option: &str) -> i64 {
    let request = ListCustomersRequest {
        workspace_id: workspace.to_owned(),
        page_size: 1,
        filter: Some(RowFilter { tiers: vec![option.to_owned()], ..Default::default() }),
        count_total: true,
        ..Default::default()
    };
    world.lane.customers().list_customers(request).await.unwrap().into_inner().total_size.unwrap()
}

/// The fields that stand in the form of the accounts besides what a person fills in.
fn kept(page: &Page) -> Vec<(String, String)> {
    vec![("etag".to_owned(), page.value_of("etag").unwrap())]
}

async fn send(browser: &crate::browser::Browser, page: &Page, path: &str, filled: &[(&str, &str)]) -> Page {
    let kept = kept(page);
    let mut values: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    values.extend_from_slice(filled);
    browser.submit(page, path, &values).await
}

#[tokio::test]
async fn values_are_checked_mapped_ignored_and_matched_and_customers_follow() {
    let world = World::new().await;
    let workspace = world.synced("Acme").await;
    let admin = world.admin(&workspace).await;
    let (path, form) = (format!("{ROOT}/tier"), format!("{ROOT}/tier/accounts"));

    let page = admin.open(&path).await;
    assert_eq!(page.heading(), "Tier: what Salesforce values become");
    assert!(
        page.body.contains("From Account.Customer_Tier__c") && page.body.contains("Contacts &#38; Leads"),
        "{}",
        page.body
    );
    assert!(page.body.contains("keeps the value it had") && page.body.contains(" ARR</small>"), "{}", page.body);
    let before = tiers(&world, &workspace).await;
    let (enterprise, strategic) = (find(&before, "Enterprise"), find(&before, "Strategic"));
    assert!(page.body.contains(&format!("id=\"v-{}\">Enterprise<", enterprise.id)));
    assert_eq!(with_tier(&world, &workspace, "strategic").await, 0);

    // What it would do is told exactly, and nothing is done.
    let ticks = [("pick", enterprise.id.as_str()), ("pick", strategic.id.as_str()), ("bulk", "strategic")];
    let checked = send(&admin, &page, &form, &[&ticks[..], &[("do", "check")]].concat()).await;
    let carried = enterprise.record_count + strategic.record_count;
    assert_eq!(checked.status, StatusCode::OK);
    assert!(checked.body.contains("Nothing is saved yet. 2 values would be decided"), "{}", checked.body);
    assert!(
        checked.body.contains(&format!("{carried} customers would change, with no Salesforce call")),
        "{}",
        checked.body
    );
    assert_eq!(checked.body.matches(" checked>").count(), 2, "the ticks stay");
    assert_eq!(find(&tiers(&world, &workspace).await, "Enterprise").decision(), ValueDecision::Open);

    let calls = world.lane.status(&workspace).await.unwrap().api_calls_used;
    let saved = send(&admin, &checked, &form, &[&ticks[..], &[("do", "save")]].concat()).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let told = admin.open(&saved.location().unwrap()).await;
    let sentence = format!("2 values saved. {carried} customers change, from what Lane has stored: no Salesforce call");
    assert!(told.body.contains(&sentence), "{}", told.body);
    let after = tiers(&world, &workspace).await;
    for value in ["Enterprise", "Strategic"] {
        let value = find(&after, value);
        assert_eq!((value.decision(), value.option.as_str()), (ValueDecision::Map, "strategic"));
    }
    world.lane.replayed(&workspace, PATIENCE).await.unwrap();
    assert_eq!(with_tier(&world, &workspace, "strategic").await, carried);
    assert_eq!(world.lane.status(&workspace).await.unwrap().api_calls_used, calls, "no Salesforce call");

    // A row's own list: ignored, and one reopened.
    let page = admin.open(&path).await;
    let smb = find(&after, "SMB");
    let (to, was) = (format!("to-{}", smb.id), format!("was-{}", smb.id));
    let reopened = (format!("to-{}", enterprise.id), format!("was-{}", enterprise.id));
    let rows = [(to.as_str(), "-"), (was.as_str(), ""), (reopened.0.as_str(), ""), (reopened.1.as_str(), "strategic")];
    let saved = send(&admin, &page, &form, &[&rows[..], &[("do", "save")]].concat()).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let after = tiers(&world, &workspace).await;
    assert_eq!(find(&after, "SMB").decision(), ValueDecision::Ignore);
    assert_eq!(find(&after, "Enterprise").decision(), ValueDecision::Open);
    world.lane.replayed(&workspace, PATIENCE).await.unwrap();
    assert_eq!(with_tier(&world, &workspace, "strategic").await, carried, "a reopened value keeps the old one");
    let ignored = admin.open(&format!("{path}?show=ignored")).await;
    assert!(ignored.body.contains(&smb.id) && !ignored.body.contains(&enterprise.id), "{}", ignored.body);

    // Same names: shown first, then mapped; what is unticked stays.
    let page = admin.open(&format!("{form}/same-names")).await;
    assert!(page.body.contains("Enterprise") && page.body.contains("would be decided"), "{}", page.body);
    let saved = send(&admin, &page, &format!("{form}/same-names"), &[("pick", enterprise.id.as_str())]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let after = tiers(&world, &workspace).await;
    assert_eq!(find(&after, "Enterprise").option, "enterprise");
    assert_eq!(find(&after, "Mid-Market").decision(), ValueDecision::Open);

    // Nothing chosen, nothing ticked: said, not swallowed.
    let page = admin.open(&path).await;
    let refused = send(&admin, &page, &form, &[("bulk", "smb"), ("do", "save")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("Tick the values first"), "{}", refused.body);
}

#[tokio::test]
async fn two_admins_at_once_members_and_options() {
    let world = World::new().await;
    let workspace = world.synced("Acme").await;
    let (ada, bob) = (world.admin(&workspace).await, world.admin(&workspace).await);
    let (path, form) = (format!("{ROOT}/tier"), format!("{ROOT}/tier/accounts"));
    let values = tiers(&world, &workspace).await;
    let (smb, mid) = (find(&values, "SMB").id.clone(), find(&values, "Mid-Market").id.clone());

    let (hers, his) = (ada.open(&path).await, bob.open(&path).await);
    let saved = send(&ada, &hers, &form, &[("pick", &smb), ("bulk", "smb"), ("do", "save")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let (to, was) = (format!("to-{mid}"), format!("was-{mid}"));
    // His form still says that SMB is open; he does not touch it.
    let (to_smb, was_smb) = (format!("to-{smb}"), format!("was-{smb}"));
    let chosen = [(to.as_str(), "mid_market"), (was.as_str(), ""), (to_smb.as_str(), ""), (was_smb.as_str(), "")];
    let conflict = send(&bob, &his, &form, &[&chosen[..], &[("do", "save")]].concat()).await;
    assert_eq!(conflict.status, StatusCode::CONFLICT);
    assert!(
        conflict.body.contains("Somebody else saved first") && conflict.body.contains("Not saved. Saved now:"),
        "{}",
        conflict.body
    );
    assert_eq!(find(&tiers(&world, &workspace).await, "Mid-Market").decision(), ValueDecision::Open);
    let saved = send(&bob, &conflict, &form, &[&chosen[..2], &[("do", "save")]].concat()).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let after = tiers(&world, &workspace).await;
    assert_eq!(
        (find(&after, "Mid-Market").option.as_str(), find(&after, "SMB").option.as_str()),
        ("mid_market", "smb")
    );

    // Options: renamed and added; one in use stays.
    let options = format!("{form}/options");
    let page = ada.open(&options).await;
    let seen = page.value_of("seen").unwrap();
    let wish = [("seen", seen.as_str()), ("name-smb", "Small <b>"), ("add", "Partner\r\n")];
    let saved = ada.submit(&page, &options, &wish).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let page = ada.open(&path).await;
    assert!(page.body.contains("Small &#60;b&#62;") && page.body.contains("value=\"partner\""), "{}", page.body);
    let stale = ada.submit(&page, &options, &wish).await;
    assert_eq!(stale.status, StatusCode::CONFLICT, "made of options that are no more");
    let seen = stale.value_of("seen").unwrap();
    let refused = ada.submit(&stale, &options, &[("seen", &seen), ("remove", "smb")]).await;
    assert_eq!(refused.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(refused.body.contains("The options can’t be saved"), "{}", refused.body);

    let member = world.browser();
    member.sign_in(&workspace, "Max", "member").await;
    let page = member.open(&path).await;
    assert!(page.body.contains("Only admins can do this") && !page.body.contains("name=\"pick\""), "{}", page.body);
    let refused = send(&member, &page, &form, &[("pick", &smb), ("bulk", "-"), ("do", "save")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn thousands_of_hostile_values_are_paged_escaped_and_mapped_by_search() {
    let world = World::new().await;
    let hostile = [
        "<script>alert(1)</script>".to_owned(),
        "\"><img src=x onerror=alert(1)>".to_owned(),
        "abc\u{202e}gpj.exe".to_owned(),
        "שלום עולם בע״מ".to_owned(),
        "🦾".repeat(127),
        "Ä".repeat(255),
        "'; drop table customers; --".to_owned(),
    ];
    let many = (0..4_000).map(|at| format!("Segment {at:04}"));
    let values: Vec<String> = hostile.iter().cloned().chain(many).collect();
    let field =
        json!({ "object": "Account", "name": "Segment__c", "label": "Segment", "kind": "picklist", "values": values });
    world.order("add_field", field).await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    world.connect(&workspace).await;
    world.lane.adopt_suggestions(&workspace).await.unwrap();
    let entry = |lane: &str, path: &str| FieldMappingEntry {
        lane_field: lane.into(),
        salesforce_field: path.into(),
        ..Default::default()
    };
    let entries = vec![entry("name", "Name"), entry("tier", "Segment__c")];
    world.lane.map_fields(&workspace, RecordKind::Account, entries).await.unwrap();

    let admin = world.admin(&workspace).await;
    let (path, form) = (format!("{ROOT}/tier"), format!("{ROOT}/tier/accounts"));
    let page = admin.open(&path).await;
    assert!(page.body.contains("1–50 of 4,007") && page.body.contains("Never used"), "{}", page.body);
    assert!(page.body.len() < 150_000, "{} bytes", page.body.len());
    for (query, shown) in [
        ("script", "&#60;script&#62;alert(1)"),
        ("img", "&#34;&#62;&#60;img src=x"),
        ("gpj", "<bdi id"),
        ("drop", "&#39;; drop"),
    ] {
        let page = admin.open(&format!("{path}?q={query}")).await;
        assert!(page.body.contains(shown), "{query}: {}", page.body);
        assert!(!page.body.contains("<script>alert") && !page.body.contains("<img"), "{query}");
    }
    let odd = admin.open(&format!("{path}?q=%22%3E%3Cimg+src%3Dx&show=%3Cb%3E&accounts=%3Cb%3E&decided=%3Cb%3E")).await;
    assert!(odd.status == StatusCode::OK && !odd.body.contains("<img") && !odd.body.contains("<b>"), "{}", odd.body);

    // All that a search finds, also on the pages behind.
    let page = admin.open(&format!("{path}?q=segment+01")).await;
    assert!(page.body.contains("All 100 found, also those on other pages"), "{}", page.body);
    let filled = [("q", "segment 01"), ("show", "all"), ("all", "1"), ("bulk", "enterprise"), ("do", "save")];
    let saved = send(&admin, &page, &form, &filled).await;
    assert!(saved.location().unwrap().contains("decided=100"), "{}", saved.body);
    let mapped = tiers(&world, &workspace).await.into_iter().filter(|value| value.decision() == ValueDecision::Map);
    let mapped: Vec<_> = mapped.collect();
    assert_eq!(mapped.len(), 100);
    assert!(mapped.iter().all(|value| value.value.starts_with("Segment 01") && value.option == "enterprise"));

    // The hostile ones too are mapped byte by byte.
    let known = tiers(&world, &workspace).await;
    let page = admin.open(&path).await;
    let mut ticks: Vec<_> = hostile.iter().map(|text| ("pick", find(&known, text).id.as_str())).collect();
    ticks.extend([("bulk", "-"), ("do", "save")]);
    let saved = send(&admin, &page, &form, &ticks).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    let known = tiers(&world, &workspace).await;
    assert!(hostile.iter().all(|text| find(&known, text).decision() == ValueDecision::Ignore));
}

#[tokio::test]
async fn who_has_nothing_to_map_yet_is_led_on() {
    let world = World::new().await;
    let poor = world.workspace("Poor", Plan::Pro).await;
    let page = world.admin(&poor).await.open(&format!("{ROOT}/status")).await;
    assert_eq!(page.heading(), "Salesforce sync is part of Business");
    assert!(page.body.contains("/integrations/salesforce/plan"));
    let workspace = world.workspace("Acme", Plan::Business).await;
    let admin = world.admin(&workspace).await;
    let page = admin.open(&format!("{ROOT}/status")).await;
    assert_eq!(page.heading(), "Salesforce is not connected");
    world.connect(&workspace).await;
    let page = testkit::eventually(PATIENCE, "the page says that no field feeds it", || async {
        let page = admin.open(&format!("{ROOT}/status")).await;
        page.body.contains("No Salesforce field feeds Status here").then_some(page)
    })
    .await;
    assert!(page.body.contains("/integrations/salesforce/mapping/accounts#row-status"), "{}", page.body);
    assert_eq!(admin.open(&format!("{ROOT}/nothing")).await.status, StatusCode::NOT_FOUND);
}
