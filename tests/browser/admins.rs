//! Two admins at one mapping at once.

use serde_json::json;

use crate::driver::{Browser, Key, named};
use crate::world::{ROOT, World, tell};

#[test]
fn the_second_of_two_admins_sees_what_the_first_saved_and_loses_nothing() {
    tell(|world| async move { save_at_once(&world).await });
}

async fn save_at_once(world: &World) {
    let org = world.org("Two admins", json!({ "accounts": 12, "contacts": 6, "leads": 6 })).await;
    let workspace = world.synced("Two admins", &org).await;
    let ada = world.signed_in(&workspace, "Ada", "admin").await;
    let bob = world.signed_in(&workspace, "Bob", "admin").await;
    for admin in [&ada, &bob] {
        admin.go(&world.at(&format!("{ROOT}/mapping/accounts"))).await;
        admin.wait("input#f-phone").await;
    }

    free(&ada, "phone").await;
    ada.reads("Unlocks").await;
    ada.click(&named("button", "Save mapping")).await;
    ada.reads("The mapping is saved").await;
    assert_eq!(world.feeding(&workspace, "phone").await, None);

    // Bob began before Ada saved; what he holds is shown beside what she saved, and nothing of either is lost.
    free(&bob, "industry").await;
    bob.reads("Somebody else saved first").await;
    let page = bob.text().await;
    assert!(page.contains("Phone") && page.contains("Industry"), "both changes are shown: {page}");
    assert!(world.feeding(&workspace, "industry").await.is_some(), "nothing of his is saved yet");
    bob.click(&named("button", "Apply mine on top")).await;
    bob.reads("counted over every record").await;
    bob.click(&named("button", "Save mapping")).await;
    bob.reads("The mapping is saved").await;
    assert_eq!(world.feeding(&workspace, "industry").await, None);
    assert_eq!(world.feeding(&workspace, "phone").await, None, "hers is kept");
    for admin in [ada, bob] {
        admin.close().await;
    }
}

/// Takes the feed of a field away and asks what that does.
async fn free(admin: &Browser, field: &str) {
    admin.click(&format!("input#f-{field}")).await;
    admin.chord(Key::Control, 'a').await;
    admin.press("not map".chars()).await;
    admin.wait(&format!("#f-{field}-list .active")).await;
    admin.press([Key::Enter]).await;
    admin.click("//button[normalize-space()='Review and save']").await;
}
