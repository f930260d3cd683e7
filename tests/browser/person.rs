//! Somebody at a page: with a mouse, with the keyboard alone, or with scripts switched off.

use crate::driver::{Browser, Key};
use crate::world::{ROOT, World};

/// How the pages are worked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Clicks.
    Mouse,
    /// Only Tab, arrows, Space, Enter and letters: nothing is clicked, nothing is focused by a program.
    Keyboard,
    /// Clicks in a browser that runs no script.
    WithoutScripts,
}

/// Who works them.
pub(crate) struct Person<'w> {
    world: &'w World,
    pub(crate) browser: Browser,
    way: Way,
}

/// More stops than any page has.
const STOPS: usize = 600;

impl<'w> Person<'w> {
    pub(crate) async fn new(world: &'w World, way: Way) -> Self {
        let browser = world.browser().await;
        if way == Way::WithoutScripts {
            browser.without_scripts().await;
        }
        Self { world, browser, way }
    }

    /// Types an address of the console into the address bar.
    pub(crate) async fn open(&self, path: &str) {
        self.browser.go(&self.world.at(&format!("{ROOT}{path}"))).await;
    }

    /// Presses a button or follows a link.
    pub(crate) async fn press(&self, spot: &str) {
        match self.way {
            Way::Mouse | Way::WithoutScripts => self.browser.click(spot).await,
            Way::Keyboard => {
                self.reach(spot).await;
                self.browser.press([Key::Enter]).await;
            }
        }
    }

    /// Chooses one of some radio buttons: Tab leads to the group, arrows to the button.
    pub(crate) async fn pick(&self, name: &str, value: &str) {
        let wanted = format!("input[name='{name}'][value='{value}']");
        match self.way {
            Way::Mouse | Way::WithoutScripts => self.browser.click(&wanted).await,
            Way::Keyboard => {
                self.reach(&format!("input[name='{name}']:checked")).await;
                for _ in 0..20 {
                    if self.browser.has(&format!("{wanted}:checked")).await {
                        return;
                    }
                    self.browser.press([Key::Down]).await;
                }
                panic!("arrows do not lead to {wanted}");
            }
        }
    }

    /// Chooses an option of a list.
    pub(crate) async fn choose(&self, list: &str, value: &str) {
        match self.way {
            Way::Mouse | Way::WithoutScripts => self.browser.click(&format!("{list} option[value='{value}']")).await,
            Way::Keyboard => {
                self.reach(list).await;
                self.browser.press([Key::Home]).await;
                for _ in 0..60 {
                    if self.browser.has(&format!("{list} option[value='{value}']:checked")).await {
                        return;
                    }
                    self.browser.press([Key::Down]).await;
                }
                panic!("arrows do not lead to {value:?} of {list}");
            }
        }
    }

    /// Replaces what a text field holds.
    pub(crate) async fn fill(&self, spot: &str, text: &str) {
        match self.way {
            Way::Mouse | Way::WithoutScripts => self.browser.fill(spot, text).await,
            Way::Keyboard => {
                self.reach(spot).await;
                self.browser.chord(Key::Control, 'a').await;
                self.browser.press(text.chars()).await;
            }
        }
    }

    /// Chooses a Salesforce field on the mapping page: the script makes a searchable field of the list.
    pub(crate) async fn map(&self, lane_field: &str, path: &str, words: &str) {
        if self.way == Way::WithoutScripts {
            self.choose(&format!("#f-{lane_field}"), path).await;
            return;
        }
        let field = format!("input#f-{lane_field}");
        match self.way {
            Way::Keyboard => self.reach(&field).await,
            _ => self.browser.click(&field).await,
        }
        self.browser.chord(Key::Control, 'a').await;
        self.browser.press(words.chars()).await;
        self.browser.wait(&format!("#f-{lane_field}-list .active")).await;
        self.browser.press([Key::Enter]).await;
        let chosen = format!("return document.getElementById('f-{lane_field}-select').value");
        assert_eq!(self.browser.run(&chosen).await, path, "“{words}” leads to another field");
    }

    /// Signs in, from the first page that anybody sees.
    pub(crate) async fn sign_in(&self, workspace: &str, name: &str) {
        self.open("").await;
        self.choose("[name=workspace]", workspace).await;
        self.fill("[name=name]", name).await;
        self.press("button").await;
        self.browser.wait("main[data-state]").await;
    }

    /// Waits until the page is in one of some states: by itself, or by loading it again where no script does.
    pub(crate) async fn until_state(&self, states: &[&str]) {
        self.until_it(&states.join(" or "), async || states.contains(&self.browser.state().await.as_str())).await;
    }

    /// Waits until something is on the page.
    pub(crate) async fn until(&self, spot: &str) {
        self.until_it(spot, async || self.browser.has(spot).await).await;
    }

    async fn until_it(&self, what: &str, mut is_there: impl AsyncFnMut() -> bool) {
        let look = async || {
            if is_there().await {
                return Some(());
            }
            self.look_again().await;
            None
        };
        self.browser.eventually(what, look).await;
    }

    /// A page without its stream shows news only when it is loaded again.
    async fn look_again(&self) {
        if self.way == Way::WithoutScripts || !self.browser.has("[data-stream]").await {
            self.browser.reload().await;
        }
    }

    /// Presses Tab until the focus is on an element.
    async fn reach(&self, spot: &str) {
        self.browser.wait(spot).await;
        for _ in 0..STOPS {
            if self.browser.is_focused(spot).await {
                return;
            }
            self.browser.press([Key::Tab]).await;
        }
        panic!("Tab does not lead to {spot} on {}", self.browser.address().await);
    }
}
