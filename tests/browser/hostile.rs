//! The worst that a CRM can hold, on every page: shown as text, run by nobody.

use serde_json::json;

use crate::axe;
use crate::driver::Browser;
use crate::walk::past_every_page;
use crate::world::{World, tell};

/// Markup that would run, ends attributes, looks like a template, and does so in one value.
const HOSTILE: &str = "\"'><img src=x onerror=\"window.ran=1\"><script>window.ran=1</script>{{90909*90909}}${90909*90909}<%= 90909*90909 %>";
/// What the templates of several engines would make of it; nothing else on a page says so.
const CALCULATED: &str = "8264446281";

#[test]
fn hostile_values_are_text_on_every_page() {
    tell(|world| async move { look_for_damage(&world).await });
}

async fn look_for_damage(world: &World) {
    let seed = json!({ "accounts": 40, "contacts": 60, "leads": 30, "nasty": true });
    let org = world.org(&format!("Evil {HOSTILE}"), seed).await;
    let picklist =
        json!({ "org": org.id, "object": "Account", "field": "Customer_Tier__c", "value": HOSTILE, "label": HOSTILE });
    world.order("picklist_value", picklist).await;
    let field = json!({ "org": org.id, "object": "Account", "name": "Evil__c", "label": HOSTILE, "kind": "string" });
    world.order("add_field", field).await;
    for (object, fields) in [
        (
            "Account",
            json!({ "Name": HOSTILE, "Website": "javascript:window.ran=1", "Industry": HOSTILE, "Description": HOSTILE,
                "Phone": "\"><b>1", "Customer_Tier__c": HOSTILE, "BillingCountry": "<b>\"'>{{90909*90909}}" }),
        ),
        ("Contact", json!({ "LastName": "<img src=x onerror=window.ran=1>", "Title": HOSTILE })),
        ("Lead", json!({ "LastName": "<img src=x onerror=window.ran=1>", "Title": HOSTILE, "Company": HOSTILE })),
    ] {
        world.order("mass_update", json!({ "org": org.id, "object": object, "fields": fields })).await;
    }
    let workspace = world.synced(&format!("Evil {HOSTILE}"), &org).await;
    world.live_a_little(&workspace, &org).await;
    let browser = world.signed_in(&workspace, &format!("Eve {}", "<b>\"'>{{90909*90909}}"), "admin").await;
    let mut shown = 0;
    past_every_page(world, &workspace, &browser, async |stop| {
        assert_harmless(stop.browser, stop.name).await;
        shown += usize::from(stop.browser.text().await.contains("onerror"));
    })
    .await;
    assert!(shown >= 10, "the values are shown, as text, on {shown} pages only");
    browser.close().await;
}

async fn assert_harmless(browser: &Browser, name: &str) {
    let ran = browser.run("return window.ran === undefined").await;
    assert_eq!(ran, json!(true), "{name}: a value ran as a script");
    let strange = "return [...document.querySelectorAll(
        'img, iframe, object, embed, base, script:not([src]), [href^=\"javascript:\" i], [src^=\"javascript:\" i], [style]')]
        .map((one) => one.outerHTML).concat([...document.querySelectorAll('*')].flatMap((one) => [...one.attributes]
        .filter((attribute) => attribute.name.startsWith('on')).map((attribute) => attribute.name)))";
    assert_eq!(browser.run(strange).await, json!([]), "{name}: a value became markup");
    // Also in what is not read: attributes, fields of forms.
    let all = "return [document.documentElement.outerHTML, ...[...document.querySelectorAll('input, textarea')]
        .map((field) => field.value)].join(' ')";
    let all = browser.run(all).await;
    assert!(!all.as_str().unwrap().contains(CALCULATED), "{name}: a template ran");
    let complaints: Vec<_> = browser.complaints().await;
    let refusals: Vec<_> = complaints.iter().filter(|one| !one.contains("status of 4")).collect();
    assert!(refusals.is_empty(), "{name}: {refusals:?}");
    let broken: Vec<_> = axe::faults(browser).await.into_iter().filter(|fault| !fault.starts_with("color")).collect();
    assert!(broken.is_empty(), "{name}: {broken:?}");
}
