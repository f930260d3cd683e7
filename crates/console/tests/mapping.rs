//! The mapping page, against the real services: what is chosen, tried out, saved, and refused.

use std::collections::BTreeMap;

use contract::common::v1::value::Value as Wire;
use contract::common::v1::{Plan, RecordKind, Value};
use contract::extractor::v1::SyncScope;
use contract::writer::v1::{Customer, FieldValue, ListCustomersRequest, UpdateCustomerRequest};
use reqwest::StatusCode;
use serde_json::json;
use stack::ServiceName;

use crate::browser::{Browser, Page};
use crate::world::{PATIENCE, World};

const ACCOUNTS: &str = "/integrations/salesforce/mapping/accounts";
const PEOPLE: &str = "/integrations/salesforce/mapping/people";

/// Opens the page until the org's fields are listed: the mapper is told of a new connection a moment later.
async fn listed(browser: &Browser, path: &str) -> Page {
    testkit::eventually(PATIENCE, "the fields of the org are listed", || async {
        let page = browser.open(path).await;
        page.body.contains("All fields").then_some(page)
    })
    .await
}

/// The hidden fields and present choices of the page's form, as a browser would send them.
fn form_of(page: &Page) -> Vec<(String, String)> {
    let mut pairs = Vec::new();
    for part in page.body.split("<input type=\"hidden\" name=\"").skip(1) {
        let (name, rest) = part.split_once("\" value=\"").unwrap();
        pairs.push((name.to_owned(), plain(rest.split('"').next().unwrap())));
    }
    for part in page.body.split("<select id=\"f-").skip(1) {
        let name = part.split("name=\"").nth(1).unwrap().split('"').next().unwrap();
        let body = part.split("</select>").next().unwrap();
        let chosen = body
            .split("<option value=\"")
            .skip(1)
            .find(|option| option.split('>').next().unwrap().contains(" selected"));
        let chosen = chosen.map(|option| plain(option.split('"').next().unwrap())).unwrap_or_default();
        pairs.push((name.to_owned(), chosen));
    }
    pairs.retain(|(name, _)| name != "csrf");
    pairs
}

fn plain(html: &str) -> String {
    html.replace("&#34;", "\"").replace("&#39;", "'").replace("&#60;", "<").replace("&#62;", ">").replace("&#38;", "&")
}

/// Presses a button of the page's form with some fields changed.
async fn press(browser: &Browser, page: &Page, path: &str, changes: &[(&str, &str)]) -> Page {
    let mut form = form_of(page);
    for (name, value) in changes {
        form.retain(|(known, _)| known != name);
        form.push(((*name).to_owned(), (*value).to_owned()));
    }
    let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    browser.submit(page, path, &form).await
}

/// Sends the form of the dry run.
async fn confirm(browser: &Browser, review: &Page, path: &str) -> Page {
    assert_eq!((review.status, review.heading()), (StatusCode::OK, "Review and save"), "{}", review.body);
    press(browser, review, &format!("{path}/save"), &[]).await
}

async fn mapped(world: &World, workspace: &str, field: &str) -> Option<String> {
    let mapping = world.lane.field_mapping(workspace, RecordKind::Account).await.unwrap();
    mapping.entries.into_iter().find(|entry| entry.lane_field == field).map(|entry| entry.salesforce_field)
}

/// How often each of the mapper's calls was answered.
async fn calls(world: &World) -> BTreeMap<&'static str, f64> {
    let address = world.stack.service(ServiceName::Mapper).addresses().metrics;
    let told =
        world.browser().http().get(format!("http://{address}/metrics")).send().await.unwrap().text().await.unwrap();
    let count = |name: &'static str| {
        let is_count = |line: &&str| {
            line.starts_with("rpc_server_call_duration") && line.contains("_count{") && line.contains(name)
        };
        told.lines().filter(is_count).filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    ["ListLaneFields", "GetFieldMapping", "SuggestFieldMappings", "ListCandidateFields"]
        .map(|name| (name, count(name)))
        .into()
}

async fn first_customer(world: &World, workspace: &str) -> Customer {
    let request = ListCustomersRequest { workspace_id: workspace.to_owned(), page_size: 1, ..Default::default() };
    world.lane.customers().list_customers(request).await.unwrap().into_inner().customers.remove(0)
}

#[tokio::test]
async fn an_admin_chooses_tries_and_saves_by_forms_alone() {
    let world = World::new().await;
    let poor = world.workspace("Poor", Plan::Pro).await;
    let page = world.admin(&poor).await.open(ACCOUNTS).await;
    assert!(page.body.contains("See the Business plan"), "{}", page.body);

    let workspace = world.workspace("Acme", Plan::Business).await;
    let admin = world.admin(&workspace).await;
    let page = admin.open(ACCOUNTS).await;
    assert_eq!((page.status, page.heading()), (StatusCode::OK, "Mapping"));
    assert!(page.body.contains("Connect Salesforce"), "{}", page.body);
    world.connect(&workspace).await;

    // Every suggestion at once: chosen, not saved.
    let page = listed(&admin, ACCOUNTS).await;
    let answer = press(&admin, &page, ACCOUNTS, &[("act", "use-all")]).await;
    assert_eq!(answer.status, StatusCode::SEE_OTHER, "{}", answer.body);
    let page = admin.open(&answer.location().unwrap()).await;
    assert!(page.body.contains("Will lock") && page.body.contains("data-changed"), "{}", page.body);
    assert_eq!(mapped(&world, &workspace, "name").await, None, "nothing is saved yet");
    let review = press(&admin, &page, ACCOUNTS, &[]).await;
    let saved = confirm(&admin, &review, ACCOUNTS).await;
    assert_eq!(saved.location().unwrap(), format!("{ACCOUNTS}?done=mapping-saved"), "{}", saved.body);
    assert_eq!(mapped(&world, &workspace, "phone").await.as_deref(), Some("Phone"));
    let page = admin.open(ACCOUNTS).await;
    assert!(page.body.contains("Locked") && page.body.contains("Always mapped"), "{}", page.body);

    // People: what leads do differently.
    let page = listed(&admin, PEOPLE).await;
    let answer = press(&admin, &page, PEOPLE, &[("act", "use:country")]).await;
    let page = admin.open(&answer.location().unwrap()).await;
    assert!(page.body.contains("Leads: Country instead."), "{}", page.body);
    assert!(page.body.contains("aria-current=\"page\">Contacts &#38; Leads"), "{}", page.body);

    let run = world.lane.start_when_free(&workspace, SyncScope::Changes, PATIENCE).await.unwrap();
    world.lane.finished(&workspace, &run.run_id, PATIENCE, |_| {}).await.unwrap();

    // A type that does not fit is refused at its field, and the choice is kept.
    let page = listed(&admin, ACCOUNTS).await;
    let wrong = press(&admin, &page, ACCOUNTS, &[("f.arr", "Phone"), ("f.name", "")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in [
        "The field of Account is not an amount.",
        "aria-invalid=\"true\"",
        "id=\"fault-arr\"",
        "href=\"#f-name\"",
        "<option value=\"Phone\" selected>",
    ] {
        assert!(wrong.body.contains(part), "{part}: {}", wrong.body);
    }

    // Somebody typed a domain; mapping it says so first.
    let customer = first_customer(&world, &workspace).await;
    let typed = FieldValue {
        field: "domain".to_owned(),
        value: Some(Value { value: Some(Wire::Text("=HYPERLINK(1)".to_owned())) }),
        ..Default::default()
    };
    let request = UpdateCustomerRequest {
        workspace_id: workspace.clone(),
        id: customer.id.clone(),
        fields: vec![typed],
        update_mask: Some(prost_types::FieldMask { paths: vec!["domain".to_owned()] }),
        ..Default::default()
    };
    world.lane.customers().update_customer(request).await.unwrap();
    let answer = press(&admin, &page, ACCOUNTS, &[("act", "pick:domain")]).await;
    let picker = admin.open(&answer.location().unwrap()).await;
    assert_eq!(picker.heading(), "Salesforce fields for Domain");
    let found = admin.open(&format!("{ACCOUNTS}/fields/domain?q=website&holds=yes")).await;
    assert!(found.body.contains("% filled"), "what it holds is told: {}", found.body);
    let choose =
        found.body.split("<th role=\"rowheader\" scope=\"row\"><a href=\"").nth(1).unwrap().split('"').next().unwrap();
    let page = admin.open(plain(choose).split('#').next().unwrap()).await;
    assert!(page.body.contains("<option value=\"Website\" selected>"), "{}", page.body);
    let review = press(&admin, &page, ACCOUNTS, &[]).await;
    assert!(review.body.contains("Locks: nobody can edit it in Lane"), "{}", review.body);
    assert!(review.body.contains("=HYPERLINK(1)") && review.body.contains("Download all as CSV"), "{}", review.body);
    let csv = review.body.split("<a href=\"").find(|link| link.contains("overwritten.csv")).unwrap();
    let csv = admin.get(&plain(csv.split('"').next().unwrap())).await;
    assert!(csv.header("content-type").starts_with("text/csv"));
    assert!(csv.body.contains(",Domain,'=HYPERLINK(1),"), "{}", csv.body);

    // The same record before and after, under what is not saved yet.
    let id = customer.salesforce.unwrap().id;
    let tried = press(&admin, &page, ACCOUNTS, &[("act", "try")]).await.location().unwrap();
    let tried =
        admin.open(&format!("{tried}&id=https%3A%2F%2Facme.example%2Flightning%2Fr%2FAccount%2F{id}%2Fview")).await;
    assert_eq!(tried.status, StatusCode::OK, "{}", tried.body);
    assert!(
        tried.body.contains("=HYPERLINK(1)")
            && tried.body.contains("will lock")
            && tried.body.contains("changes</span>"),
        "{}",
        tried.body
    );
    let nothing = admin.open(&format!("{ACCOUNTS}/record?id=hello")).await;
    assert_eq!(nothing.status, StatusCode::UNPROCESSABLE_ENTITY);

    let saved = confirm(&admin, &review, ACCOUNTS).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    testkit::eventually_true(PATIENCE, "the domain comes from Salesforce", || async {
        let customer = first_customer(&world, &workspace).await;
        customer.fields.iter().any(|field| field.field == "domain" && field.locked_by == "Account.Website")
    })
    .await;

    // Unmapping unlocks, and a member only looks.
    let page = listed(&admin, ACCOUNTS).await;
    let review = press(&admin, &page, ACCOUNTS, &[("f.domain", "")]).await;
    assert!(review.body.contains("Unlocks: the last value stays"), "{}", review.body);
    let member = world.browser();
    member.sign_in(&workspace, "Max", "member").await;
    let page = member.open(ACCOUNTS).await;
    assert!(
        page.body.contains("name=\"f.arr\" disabled") && page.body.contains("Only admins can do this"),
        "{}",
        page.body
    );
    let refused = press(&member, &page, ACCOUNTS, &[("f.domain", "")]).await;
    assert_eq!(refused.status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn two_admins_who_save_at_once_see_both_sides() {
    let world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    world.connect(&workspace).await;
    world.lane.adopt_suggestions(&workspace).await.unwrap();
    let (ada, eve) = (world.admin(&workspace).await, world.admin(&workspace).await);
    let (hers, other) = (listed(&ada, ACCOUNTS).await, listed(&eve, ACCOUNTS).await);

    let review = press(&ada, &hers, ACCOUNTS, &[("f.phone", "Fax"), ("f.description", "")]).await;
    let waiting = press(&eve, &other, ACCOUNTS, &[("f.phone", ""), ("f.domain", "Website")]).await;
    assert_eq!(waiting.heading(), "Review and save");
    assert_eq!(confirm(&ada, &review, ACCOUNTS).await.status, StatusCode::SEE_OTHER);

    // The dry run was fine; saving is too late.
    let clash = press(&eve, &waiting, &format!("{ACCOUNTS}/save"), &[]).await;
    assert_eq!((clash.status, clash.heading()), (StatusCode::CONFLICT, "Somebody else saved first"));
    assert!(clash.body.contains("Fax") && clash.body.contains("You both changed it."), "{}", clash.body);
    assert_eq!(mapped(&world, &workspace, "phone").await.as_deref(), Some("Fax"), "nothing of theirs is lost");
    // From the form itself even what only the other changed is told.
    let clash = press(&eve, &other, ACCOUNTS, &[("f.phone", ""), ("f.domain", "Website")]).await;
    assert_eq!(clash.status, StatusCode::CONFLICT);
    assert!(clash.body.contains("They changed it. You did not"), "{}", clash.body);

    // Mine on top, but theirs for the phone.
    let review = press(&eve, &clash, ACCOUNTS, &[("f.phone", "Fax"), ("f.domain", "Website")]).await;
    assert_eq!(confirm(&eve, &review, ACCOUNTS).await.status, StatusCode::SEE_OTHER);
    assert_eq!(mapped(&world, &workspace, "phone").await.as_deref(), Some("Fax"));
    assert_eq!(mapped(&world, &workspace, "domain").await.as_deref(), Some("Website"));
    assert_eq!(mapped(&world, &workspace, "description").await, None);
}

#[tokio::test]
async fn an_org_of_eight_hundred_fields_with_hostile_labels_stays_light_and_harmless() {
    let world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    let hostile =
        ["<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>", "\u{202e}txet lanretxe", "'; DROP TABLE--"];
    for number in 0..800_usize {
        let label = match hostile.get(number) {
            Some(label) => (*label).to_owned(),
            None if number == 4 => "x".repeat(255),
            None => format!("Wish {number}"),
        };
        let details =
            json!({ "object": "Account", "name": format!("Wish{number}__c"), "label": label, "kind": "string" });
        world.simulator.order("add_field", details).await.unwrap();
    }
    world.connect(&workspace).await;
    let admin = world.admin(&workspace).await;
    listed(&admin, ACCOUNTS).await;
    // Map a field with a hostile label, so that it stands in the row itself.
    let page = admin.open(ACCOUNTS).await;
    let changes = [("f.name", "Name"), ("f.industry", "Wish0__c"), ("f.description", "Wish1__c")];
    let review = press(&admin, &page, ACCOUNTS, &changes).await;
    assert_eq!(confirm(&admin, &review, ACCOUNTS).await.status, StatusCode::SEE_OTHER);

    world.simulator.order("reset_stats", json!({})).await.unwrap();
    let before = calls(&world).await;
    let page = admin.open(ACCOUNTS).await;
    let after = calls(&world).await;
    for (name, count) in &after {
        assert!(
            (count - before[name] - 1.0).abs() < f64::EPSILON,
            "{name} is asked once for all rows: {before:?} {after:?}"
        );
    }
    assert!(page.body.len() < 64 * 1024, "{} bytes", page.body.len());
    assert!(page.body.contains("&#60;script&#62;alert(1)"), "{}", page.body);
    let asked = world.simulator.order("requests", json!({})).await.unwrap();
    assert_eq!(asked.as_array().map(Vec::len), Some(0), "a page asks Salesforce nothing: {asked}");
    let list = admin.open(&format!("{ACCOUNTS}/fields/industry")).await;
    assert!(list.body.len() < 64 * 1024 && list.body.contains("Next"), "{} bytes", list.body.len());
    let searched = admin.open(&format!("{ACCOUNTS}/fields/industry?q=wish777__c")).await;
    assert!(
        searched.body.contains("2 fields") && searched.body.contains("<code>Wish777__c</code>"),
        "{}",
        searched.body
    );
    let last = admin.open(&format!("{ACCOUNTS}/fields/industry?from=100000")).await;
    assert_eq!(last.status, StatusCode::OK);
    let options = admin.open(&format!("{ACCOUNTS}/fields/industry?part=options")).await;
    assert!(
        options.body.matches("<option").count() > 800 && options.body.len() < 384 * 1024,
        "{} bytes",
        options.body.len()
    );
    let samples = admin.open(&format!("{ACCOUNTS}/fields/industry?part=options&holds=yes")).await;
    assert!(samples.body.contains("data-holds=\""), "what fields hold is told");
    let odd =
        admin.open(&format!("{ACCOUNTS}/fields/industry?q=%3Cscript%3E&f.name=%22%3E%3Cimg&b.name=x&etag=v1")).await;
    let clash = admin.open(&format!("{ACCOUNTS}?f.name=%22%3E%3Cimg&b.name=x&etag=%22%3E%3Cimg")).await;
    assert_eq!(clash.status, StatusCode::CONFLICT);
    for page in [page, list, searched, options, samples, odd, clash] {
        assert!(!page.body.contains("<script>") && !page.body.contains("<img"), "{}: {}", page.address, page.body);
    }
    for path in ["/integrations/salesforce/mapping/elsewhere", &format!("{ACCOUNTS}/fields/shoe_size")] {
        assert_eq!(admin.open(path).await.status, StatusCode::NOT_FOUND, "{path}");
    }
}
