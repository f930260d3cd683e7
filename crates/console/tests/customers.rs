//! Customers and contacts, against the real services: what is shown, what is locked, what an edit really changes.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use contract::common::v1::{Money, Plan, RecordKind, Value, value};
use contract::extractor::v1::SyncScope;
use contract::writer::v1::{
    CreateCustomerRequest, Customer, FieldValue, GetContactRequest, GetCustomerRequest, ListContactsRequest,
};
use reqwest::StatusCode;
use serde_json::json;

use crate::browser::{Browser, Page};
use crate::world::{PATIENCE, World};

const ROOT: &str = "/integrations/salesforce";
const SCRIPT: &str = "<script>alert(1)</script>\"'&";
/// Fields that no mapping feeds in these tests.
const FREE: [&str; 4] = ["phone", "employee_count", "description", "arr"];

/// A name as an attacker writes it: markup, quotes, right-to-left, as long as Salesforce lets it be.
fn hostile() -> String {
    format!("{SCRIPT}\u{202e}\u{5d0}\u{5d1}").chars().chain("x".repeat(255).chars()).take(255).collect()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&#38;").replace('<', "&#60;").replace('>', "&#62;").replace('"', "&#34;").replace('\'', "&#39;")
}

/// A workspace with a mapping of everything but [`FREE`], and everything read.
async fn synced(world: &World) -> String {
    let workspace = world.workspace("Acme", Plan::Business).await;
    world.connect(&workspace).await;
    world.lane.adopt_suggestions(&workspace).await.unwrap();
    let mut entries = world.lane.field_mapping(&workspace, RecordKind::Account).await.unwrap().entries;
    entries.retain(|entry| !FREE.contains(&entry.lane_field.as_str()));
    world.lane.map_fields(&workspace, RecordKind::Account, entries).await.unwrap();
    sync(world, &workspace).await;
    workspace
}

async fn sync(world: &World, workspace: &str) {
    let run = world.lane.start_when_free(workspace, SyncScope::Changes, PATIENCE).await.unwrap();
    world.lane.finished(workspace, &run.run_id, PATIENCE, |_| {}).await.unwrap();
}

async fn customer(world: &World, workspace: &str, id: &str) -> Customer {
    let request = GetCustomerRequest { workspace_id: workspace.into(), id: id.into(), ..Default::default() };
    world.lane.customers().get_customer(request).await.unwrap().into_inner()
}

fn text(customer: &Customer, field: &str) -> Option<String> {
    let found = customer.fields.iter().find(|known| known.field == field)?;
    match found.value.as_ref()?.value.as_ref()? {
        value::Value::Text(text) | value::Value::Number(text) => Some(text.clone()),
        value::Value::Money(money) => Some(format!("{} {}", money.amount, money.currency_code)),
        _ => None,
    }
}

/// Returns the ids of the rows that a list links to.
fn listed(page: &Page, what: &str) -> Vec<String> {
    let before = format!("<th role=\"rowheader\" scope=\"row\"><a href=\"{ROOT}/{what}/");
    page.body.split(&before).skip(1).map(|link| link.split('"').next().unwrap().to_owned()).collect()
}

async fn save(browser: &Browser, page: &Page, path: &str, values: &[(&str, &str)]) -> Page {
    let marks: Vec<_> = values
        .iter()
        .filter_map(|(name, _)| {
            let was = format!("was.{}", name.strip_prefix("field.")?);
            let mark = page.value_of(&was)?;
            Some((was, mark))
        })
        .collect();
    let mut form = values.to_vec();
    form.extend(marks.iter().map(|(name, mark)| (name.as_str(), mark.as_str())));
    browser.submit(page, path, &form).await
}

#[tokio::test]
async fn a_synced_customer_shows_who_decides_each_field_and_takes_edits_of_the_others() {
    let world = World::new().await;
    let ids = world.simulator.order("ids", json!({ "object": "Account", "state": "live", "limit": 2 })).await.unwrap();
    let ids: Vec<String> = serde_json::from_value(ids.get("ids").cloned().unwrap_or(ids)).unwrap();
    let name = hostile();
    let fields = json!({ "Name": name, "Customer_Tier__c": SCRIPT });
    world.simulator.order("update", json!({ "id": ids[0], "fields": fields })).await.unwrap();
    let workspace = synced(&world).await;
    let admin = world.admin(&workspace).await;

    // Found by its name, whatever that says.
    let mut address = admin.address(&format!("{ROOT}/customers"));
    address.query_pairs_mut().append_pair("q", SCRIPT).append_pair("mark", "unmapped").append_pair("order", "name");
    let found = admin.open(&format!("{}?{}", address.path(), address.query().unwrap())).await;
    let [id] = &listed(&found, "customers")[..] else { panic!("{}", found.body) };
    assert!(found.body.contains(&escaped(&name)) && !found.body.contains("<script>alert"), "{}", found.body);
    assert!(found.body.contains("Needs mapping<span class=\"hidden\">: Tier of "), "{}", found.body);

    let path = format!("{ROOT}/customers/{id}");
    let page = admin.open(&path).await;
    assert_eq!(page.heading(), escaped(&name));
    assert!(!page.body.contains("<script>alert"), "{}", page.body);
    for part in [
        "<strong>Locked.</strong> Synced from Salesforce: <code>Account.Name</code>, read ",
        &format!("{ROOT}/mapping/accounts#field-name"),
        &format!("Salesforce says “<bdi>{}</bdi>”, which has no mapping", escaped(SCRIPT)),
        &format!("{ROOT}/values/tier"),
        &format!("Account {}", ids[0]),
        "Open in Salesforce",
        "id=\"contacts\"",
    ] {
        assert!(page.body.contains(part), "{part}: {}", page.body);
    }
    // The id of Salesforce leads here too.
    let by_record = admin.get(&format!("{ROOT}/customers/{}", ids[0])).await;
    assert_eq!(by_record.location().unwrap(), path);

    // What nothing feeds is edited here, and only that is written.
    let before = customer(&world, &workspace, id).await;
    let values = [
        ("field.phone", SCRIPT),
        ("field.arr", "1,250,000.50"),
        ("currency.arr", "eur"),
        ("field.description", "one\r\ntwo"),
        ("field.employee_count", "42"),
    ];
    let saved = save(&admin, &page, &path, &values).await;
    assert_eq!(saved.location().unwrap(), format!("{path}?done=customer-saved"), "{}", saved.body);
    let after = customer(&world, &workspace, id).await;
    let stands = ["phone", "arr", "description", "employee_count"].map(|field| text(&after, field).unwrap());
    assert_eq!(stands, [SCRIPT, "1250000.50 EUR", "one\ntwo", "42"]);
    assert_eq!(text(&after, "name"), text(&before, "name"));
    let page = admin.open(&format!("{path}?done=customer-saved")).await;
    assert!(page.body.contains("The customer is saved.") && page.body.contains(&escaped(SCRIPT)), "{}", page.body);
    // Sent as it came, it changes nothing.
    let same = save(&admin, &page, &path, &[("field.phone", SCRIPT)]).await;
    assert_eq!(same.location().unwrap(), format!("{path}?done=nothing-changed"), "{}", same.body);

    // A bad value: told at its field, what was typed stays typed, and nothing of the form is saved.
    let wrong = save(&admin, &page, &path, &[("field.phone", "999"), ("field.employee_count", "many")]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    for part in ["Enter a number such as", "id=\"fault-employee_count\"", "value=\"many\"", "value=\"999\""] {
        assert!(wrong.body.contains(part), "{part}: {}", wrong.body);
    }
    // A locked field by a form that no page of ours makes.
    let forged = admin.submit(&page, &path, &[("field.name", "Mine now"), ("field.phone", "999")]).await;
    assert_eq!(forged.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(forged.body.contains("Locked: Account.Name feeds it"), "{}", forged.body);
    assert_eq!(customer(&world, &workspace, id).await, after, "a refused form changes nothing");
    // Somebody else was faster: asked once, then overwritten.
    let stale = page;
    let page = admin.open(&path).await;
    save(&admin, &page, &path, &[("field.phone", "1")]).await;
    let late = save(&admin, &stale, &path, &[("field.phone", "2")]).await;
    assert_eq!(late.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(late.body.contains("Somebody else changed this to “1”"), "{}", late.body);
    let again = save(&admin, &late, &path, &[("field.phone", "2")]).await;
    assert_eq!(again.status, StatusCode::SEE_OTHER, "{}", again.body);
    assert_eq!(text(&customer(&world, &workspace, id).await, "phone").unwrap(), "2");

    // Why: the raw value, the field, the run that read it.
    let why = admin.open(&format!("{path}/why/tier")).await;
    for part in ["which has no mapping yet", "Account.Customer_Tier__c", &escaped(SCRIPT), &ids[0], "this run"] {
        assert!(why.body.contains(part), "{part}: {}", why.body);
    }
    let run = why.body.split(&format!("href=\"{ROOT}/runs/")).nth(1).unwrap().split('"').next().unwrap();
    assert_eq!(admin.open(&format!("{ROOT}/runs/{run}")).await.status, StatusCode::OK);
    let why = admin.open(&format!("{path}/why/phone")).await;
    assert!(why.body.contains("No Salesforce field feeds it"), "{}", why.body);
    assert_eq!(admin.open(&format!("{path}/why/nothing")).await.status, StatusCode::NOT_FOUND);

    // A member sees all of it and changes nothing.
    let member = world.browser();
    member.sign_in(&workspace, "Max", "member").await;
    let looked = member.open(&path).await;
    assert!(looked.body.contains("Only admins can do this"), "{}", looked.body);
    assert_eq!(save(&member, &looked, &path, &[("field.phone", "3")]).await.status, StatusCode::FORBIDDEN);

    // Deleted in Salesforce: archived here, and said so.
    world.simulator.order("delete", json!({ "id": ids[0] })).await.unwrap();
    sync(&world, &workspace).await;
    let page = testkit::eventually(PATIENCE, "the customer is archived", || async {
        let page = admin.open(&path).await;
        page.body.contains("<strong>Archived</strong>").then_some(page)
    })
    .await;
    assert!(page.body.contains("the record was deleted in Salesforce"), "{}", page.body);
    assert!(!listed(&admin.open(&format!("{ROOT}/customers")).await, "customers").contains(id));
    assert_eq!(listed(&admin.open(&format!("{ROOT}/customers?show=archived")).await, "customers"), [id.as_str()]);

    // Disconnected: everything stays and can be edited.
    let request = contract::auth::v1::DisconnectConnectionRequest {
        workspace_id: workspace.clone(),
        actor: "Ada".into(),
        ..Default::default()
    };
    world.lane.connections().disconnect_connection(request).await.unwrap();
    let unlocked = |page: &Page| !page.body.contains("<strong>Locked.</strong>");
    let page = testkit::eventually(PATIENCE, "the locks are gone", || async {
        let page = admin.open(&path).await;
        (unlocked(&page) && page.state() == "disconnected").then_some(page)
    })
    .await;
    assert!(page.body.contains("every field can be edited"), "{}", page.body);
    let saved = save(&admin, &page, &path, &[("field.name", "Mine now")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    assert_eq!(text(&customer(&world, &workspace, id).await, "name").unwrap(), "Mine now");
    let why = admin.open(&format!("{path}/why/tier")).await;
    assert_eq!(why.status, StatusCode::OK, "{}", why.body);
}

#[tokio::test]
async fn contacts_are_listed_searched_and_told_from_leads() {
    let world = World::new().await;
    let workspace = synced(&world).await;
    let admin = world.admin(&workspace).await;

    // Page by page, each row once.
    let mut seen = BTreeSet::new();
    let mut next = format!("{ROOT}/contacts?order=name");
    let mut pages = 0;
    loop {
        let page = admin.open(&next).await;
        let ids = listed(&page, "contacts");
        assert!(ids.len() <= 50, "{}", ids.len());
        seen.extend(ids);
        pages += 1;
        let link = page.body.split("rel=\"next\"").next().filter(|before| before.len() < page.body.len());
        let Some(link) = link else { break };
        next = link.rsplit("href=\"").next().unwrap().split('"').next().unwrap().replace("&#38;", "&");
    }
    let all = ListContactsRequest { workspace_id: workspace.clone(), page_size: 1000, ..Default::default() };
    let known = world.lane.customers().list_contacts(all).await.unwrap().into_inner().contacts;
    assert_eq!(seen, known.iter().map(|contact| contact.id.clone()).collect());
    assert!(pages > 1, "{pages}");
    let counted = admin.open(&format!("{ROOT}/contacts?count=yes")).await;
    assert!(counted.body.contains(&format!("{} contacts", known.len())), "{}", counted.body);
    // A place in another list leads to its beginning.
    let astray = admin.get(&format!("{ROOT}/contacts?after=nonsense&tier=smb")).await;
    assert_eq!(astray.location().unwrap(), format!("{ROOT}/contacts?tier=smb"));

    // One contact: its customer, its locks, its story, and the customer's page lists it.
    let contact = known.iter().find(|contact| !contact.customer_id.is_empty()).unwrap();
    let path = format!("{ROOT}/contacts/{}", contact.id);
    let page = admin.open(&path).await;
    assert!(page.body.contains(&format!("{ROOT}/customers/{}", contact.customer_id)), "{}", page.body);
    assert!(page.body.contains(&format!("{ROOT}/mapping/people#field-name")), "{}", page.body);
    let at = admin.open(&format!("{ROOT}/contacts?customer={}", contact.customer_id)).await;
    assert!(listed(&at, "contacts").contains(&contact.id), "{}", at.body);
    let at = admin.open(&format!("{ROOT}/customers/{}", contact.customer_id)).await;
    assert!(at.body.contains(&format!("{ROOT}/contacts/")), "{}", at.body);
    let why = admin.open(&format!("{path}/why/name")).await;
    assert!(why.body.contains("Contact.Name") || why.body.contains("Lead.Name"), "{}", why.body);
    // A locked field of a contact stays as it is.
    let forged = admin.submit(&page, &path, &[("field.name", "Mine now")]).await;
    assert_eq!(forged.status, StatusCode::UNPROCESSABLE_ENTITY);
    let request = GetContactRequest { workspace_id: workspace, id: contact.id.clone(), ..Default::default() };
    assert_eq!(&world.lane.customers().get_contact(request).await.unwrap().into_inner(), contact);
}

#[tokio::test]
async fn what_is_made_by_hand_is_ours_on_any_plan() {
    let world = World::new().await;
    let workspace = world.workspace("Poor", Plan::Starter).await;
    let admin = world.admin(&workspace).await;
    let path = format!("{ROOT}/customers");
    let page = admin.open(&path).await;
    assert!(page.body.contains("No customers yet") && page.body.contains("See Business plan"), "{}", page.body);
    let page = admin.open(&format!("{path}?q=x")).await;
    assert!(page.body.contains("No customers found") && page.body.contains("Clear filters"), "{}", page.body);

    // A form that does not hold keeps what was typed.
    let new = format!("{path}/new");
    let page = admin.open(&new).await;
    assert_eq!(page.heading(), "New customer");
    let wrong = admin.submit(&page, &new, &[("field.name", ""), ("field.domain", SCRIPT)]).await;
    assert_eq!(wrong.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(wrong.body.contains("Enter the name.") && wrong.body.contains(&escaped(SCRIPT)), "{}", wrong.body);
    let foreign = admin.submit(&page, &new, &[("field.name", "x"), ("field.tier", "gone")]).await;
    assert_eq!(foreign.status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(foreign.body.contains("This is not an option of the field."), "{}", foreign.body);

    // Hostile text in every field that takes any.
    let name = hostile();
    let fields = ["website", "domain", "industry", "owner_name", "owner_email", "phone", "country", "description"];
    let names: Vec<_> = fields.iter().map(|field| format!("field.{field}")).collect();
    let mut form: Vec<(&str, &str)> = names.iter().map(|field| (field.as_str(), name.as_str())).collect();
    form.extend([("field.name", name.as_str()), ("field.tier", "smb"), ("field.status", "active")]);
    let made = admin.submit(&page, &new, &form).await;
    let to = made.location().unwrap_or_else(|| panic!("{}", made.body));
    let id = to.split("/customers/").nth(1).unwrap().split('?').next().unwrap().to_owned();
    let stands = customer(&world, &workspace, &id).await;
    for field in fields {
        assert_eq!(text(&stands, field).as_deref(), Some(name.as_str()), "{field}");
    }
    for place in [format!("{path}/{id}"), path.clone(), format!("{path}/{id}/why/name")] {
        let page = admin.open(&place).await;
        assert_eq!(page.status, StatusCode::OK, "{place}: {}", page.body);
        assert!(!page.body.contains("<script>alert") && page.body.contains(&escaped(&name)), "{place}: {}", page.body);
    }
    let page = admin.open(&format!("{path}/{id}")).await;
    assert!(page.body.contains("Made in Lane") && !page.body.contains("Locked"), "{}", page.body);

    // Its contact.
    let new = format!("{ROOT}/contacts/new?customer={id}");
    let page = admin.open(&new).await;
    let form = [("customer", id.as_str()), ("field.name", "Grace"), ("field.email", "grace@acme.example")];
    let made = admin.submit(&page, &format!("{ROOT}/contacts/new"), &form).await;
    assert!(made.location().unwrap().ends_with("?done=contact-created"), "{}", made.body);
    let found = admin.open(&format!("{ROOT}/contacts?q=grace%40acme&source=lane")).await;
    assert_eq!(listed(&found, "contacts").len(), 1, "{}", found.body);
    assert!(admin.open(&format!("{path}/{id}")).await.body.contains("Grace"));

    // Another workspace sees nothing of it.
    let other = world.workspace("Other", Plan::Business).await;
    let stranger = world.admin(&other).await;
    assert_eq!(stranger.open(&format!("{path}/{id}")).await.status, StatusCode::NOT_FOUND);

    // Highest ARR first, and filters by option.
    for (name, amount) in [("Small", "10"), ("Large", "1000"), ("Middle", "100")] {
        let money = Money { amount: amount.into(), currency_code: "EUR".into() };
        let field = |field: &str, value| FieldValue {
            field: field.into(),
            value: Some(Value { value: Some(value) }),
            ..Default::default()
        };
        let fields = vec![field("name", value::Value::Text(name.into())), field("arr", value::Value::Money(money))];
        let request = CreateCustomerRequest { workspace_id: workspace.clone(), fields };
        world.lane.customers().create_customer(request).await.unwrap();
    }
    let ranked = admin.open(&format!("{path}?order=arr")).await.body;
    let place = |name: &str| ranked.find(name).unwrap_or_else(|| panic!("{name}: {ranked}"));
    assert!(place("1,000 EUR") < place("100 EUR") && place("100 EUR") < place("10 EUR"), "{ranked}");
    let filtered = admin.open(&format!("{path}?tier=smb&status=active")).await;
    assert_eq!(listed(&filtered, "customers"), [id]);
}

#[tokio::test]
async fn a_silent_service_leaves_the_rest_of_the_page() {
    let mut world = World::new().await;
    let workspace = world.workspace("Acme", Plan::Business).await;
    let admin = world.admin(&workspace).await;
    let page = admin.open(&format!("{ROOT}/customers/new")).await;
    let made = admin.submit(&page, &format!("{ROOT}/customers/new"), &[("field.name", "Acme")]).await;
    let path = made.location().unwrap().split('?').next().unwrap().to_owned();
    world.stack.service_mut(stack::ServiceName::Mapper).kill().await.unwrap();
    let begun = Instant::now();
    let page = admin.open(&path).await;
    assert_eq!((page.status, page.heading()), (StatusCode::OK, "Acme"));
    assert!(begun.elapsed() < Duration::from_secs(60), "{:?}", begun.elapsed());
    let saved = save(&admin, &page, &path, &[("field.country", "FI")]).await;
    assert_eq!(saved.status, StatusCode::SEE_OTHER, "{}", saved.body);
    world.stack.service_mut(stack::ServiceName::Writer).kill().await.unwrap();
    let page = admin.open(&format!("{ROOT}/customers")).await;
    assert_eq!(page.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(page.body.contains("No answer from the service that keeps customers"), "{}", page.body);
}
