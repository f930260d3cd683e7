//! A real browser: Debian's Chromium, driven over WebDriver by fantoccini.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use fantoccini::actions::{InputSource as _, KeyAction, KeyActions};
use fantoccini::elements::Element;
use fantoccini::error::CmdError;
use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use stack::{Process, Signal};

use crate::world::PATIENCE;

pub(crate) use fantoccini::key::Key;

/// Pause between two looks at a page.
const GLANCE: Duration = Duration::from_millis(50);

/// The program that starts browsers; dropping it ends them all.
pub(crate) struct Driver {
    address: String,
    _process: Process,
}

fn program(variable: &str) -> std::ffi::OsString {
    std::env::var_os(variable).expect("run the tests with: cargo x test")
}

impl Driver {
    pub(crate) async fn start(folder: &Path) -> Self {
        let log = folder.join("chromedriver.log");
        let mut command = Command::new(program("LANESYNC_TEST_CHROMEDRIVER"));
        // The browser shows times in its zone; pictures should not differ from machine to machine.
        command.args(["--port=0", "--log-level=SEVERE"]).env("TZ", "Europe/Berlin").env("LANG", "en_US.UTF-8");
        let process = Process::spawn("chromedriver", command, &log, Signal::TERM).unwrap();
        let port = testkit::eventually(PATIENCE, "chromedriver says where it listens", || async {
            let said = std::fs::read_to_string(&log).ok()?;
            let port = said.split("started successfully on port ").nth(1)?.split_once('.')?.0;
            port.parse::<u16>().ok()
        })
        .await;
        Self { address: format!("http://127.0.0.1:{port}"), _process: process }
    }

    /// A browser of its own: nobody is signed in, nothing is remembered.
    pub(crate) async fn browser(&self) -> Browser {
        let mut arguments = vec![
            "--headless",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--disable-background-networking",
            "--disable-component-update",
            "--disable-sync",
            "--no-first-run",
            "--no-default-browser-check",
            "--force-color-profile=srgb",
            "--hide-scrollbars",
            "--lang=en-US",
            "--window-size=1440,1000",
        ];
        if rustix::process::getuid().is_root() {
            // Chromium refuses to run as root with its sandbox.
            arguments.push("--no-sandbox");
        }
        let patience = PATIENCE.as_millis();
        let wanted = json!({
            "browserName": "chrome",
            "goog:chromeOptions": {
                "binary": program("LANESYNC_TEST_CHROMIUM").to_string_lossy(),
                "args": arguments,
            },
            "goog:loggingPrefs": { "browser": "ALL" },
            "timeouts": { "pageLoad": patience, "script": patience },
            "unhandledPromptBehavior": "accept",
        });
        let Value::Object(wanted) = wanted else { unreachable!("it was written as an object") };
        // The driver is on this machine: no TLS.
        let mut session = ClientBuilder::new(HttpConnector::new());
        let client = session.capabilities(wanted).connect(&self.address).await;
        Browser { client: client.unwrap_or_else(|refusal| panic!("no browser: {refusal}")) }
    }
}

/// A command that only Chromium's driver knows.
#[derive(Debug)]
struct Extension {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Extension {
    fn endpoint(&self, base: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(self.body.to_string()))
    }
}

/// A CSS selector or, beginning with `//`, an XPath.
fn at(spot: &str) -> Locator<'_> {
    if spot.starts_with("//") { Locator::XPath(spot) } else { Locator::Css(spot) }
}

/// The words of a button or link, as an XPath: by what a person reads, not by what a program calls it.
pub(crate) fn named(tag: &str, words: &str) -> String {
    format!("//{tag}[normalize-space()={words:?} and not(@hidden)]")
}

/// One window of one browser.
pub(crate) struct Browser {
    client: Client,
}

impl Browser {
    /// Looks at the page until there is what `look` looks for; `what` says what is missing when it does not come.
    pub(crate) async fn eventually<T>(&self, what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
        let looking = async {
            loop {
                if let Some(found) = look().await {
                    return found;
                }
                tokio::time::sleep(GLANCE).await;
            }
        };
        match tokio::time::timeout(PATIENCE, looking).await {
            Ok(found) => found,
            Err(_) => panic!("{what}: not on {}:\n{}", self.address().await, self.text().await),
        }
    }

    /// Opens an address and waits until it is loaded.
    pub(crate) async fn go(&self, address: &str) {
        self.client.goto(address).await.unwrap_or_else(|refusal| panic!("{address}: {refusal}"));
    }

    /// The address of the page.
    pub(crate) async fn address(&self) -> String {
        self.client.current_url().await.unwrap().into()
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        self.client.refresh().await.unwrap();
    }

    pub(crate) async fn has(&self, spot: &str) -> bool {
        self.client.find(at(spot)).await.is_ok()
    }

    /// Waits for an element.
    pub(crate) async fn wait(&self, spot: &str) -> Element {
        self.eventually(spot, async || self.client.find(at(spot)).await.ok()).await
    }

    /// What a person reads on the page.
    pub(crate) async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says something.
    pub(crate) async fn reads(&self, words: &str) {
        self.eventually(words, async || self.text().await.contains(words).then_some(())).await;
    }

    /// What a person reads in an element.
    pub(crate) async fn text_at(&self, spot: &str) -> String {
        self.eventually(spot, async || self.client.find(at(spot)).await.ok()?.text().await.ok()).await
    }

    /// The state that `<main>` names.
    pub(crate) async fn state(&self) -> String {
        let state = self.run("return document.querySelector('main')?.dataset.state ?? ''").await;
        state.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks an element, as soon as it is there and can be clicked.
    pub(crate) async fn click(&self, spot: &str) {
        self.eventually(spot, async || self.client.find(at(spot)).await.ok()?.click().await.ok()).await;
    }

    /// Types into an element what it does not hold yet.
    pub(crate) async fn fill(&self, spot: &str, text: &str) {
        let element = self.wait(spot).await;
        element.clear().await.unwrap();
        element.send_keys(text).await.unwrap();
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: impl IntoIterator<Item = impl Into<char>>) {
        let pressed =
            keys.into_iter().map(Into::into).flat_map(|value| [KeyAction::Down { value }, KeyAction::Up { value }]);
        self.perform(pressed).await;
    }

    /// Presses `key` while `held` is held down.
    pub(crate) async fn chord(&self, held: Key, key: char) {
        let held = char::from(held);
        let (down, up) = (|value| KeyAction::Down { value }, |value| KeyAction::Up { value });
        self.perform([down(held), down(key), up(key), up(held)]).await;
    }

    async fn perform(&self, actions: impl IntoIterator<Item = KeyAction>) {
        let keyboard = KeyActions::new("keyboard".into());
        let actions = actions.into_iter().fold(keyboard, |keyboard, action| keyboard.then(action));
        self.client.perform_actions(actions).await.unwrap();
    }

    /// Whether the focus is on an element.
    pub(crate) async fn is_focused(&self, spot: &str) -> bool {
        let (Ok(wanted), Ok(focused)) = (self.client.find(at(spot)).await, self.client.active_element().await) else {
            return false;
        };
        wanted.element_id() == focused.element_id()
    }

    /// Asks the page itself; null from a page that is just being left.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.client.execute(script, Vec::new()).await.unwrap_or(Value::Null)
    }

    /// Asks the page and waits until its promise is kept.
    pub(crate) async fn run_async(&self, script: &str) -> Value {
        let script = format!(
            "const done = arguments[0];
            (async () => {{ {script} }})().then(done, (error) => done({{ failed: String(error) }}))"
        );
        self.client.execute_async(&script, Vec::new()).await.unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    async fn extension(&self, path: &'static str, body: Value) -> Result<Value, CmdError> {
        self.client.issue_cmd(Extension { path, body }).await
    }

    /// A command of the browser's own protocol.
    pub(crate) async fn command(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        let answer = self.extension("goog/cdp/execute", body).await;
        answer.unwrap_or_else(|refusal| panic!("{command}: {refusal}"))
    }

    /// Switches the scripts of pages off; commands of this file still work.
    pub(crate) async fn without_scripts(&self) {
        self.command("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    }

    /// What the console of the browser holds since it was last asked: errors of scripts, refusals of the policy.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.extension("se/log", json!({ "type": "browser" })).await.unwrap();
        let entries = log.as_array().cloned().unwrap_or_default();
        entries.iter().filter_map(|entry| Some(entry["message"].as_str()?.to_owned())).collect()
    }

    /// Shows pages as on a screen of this width, light or dark.
    pub(crate) async fn look(&self, width: u32, is_dark: bool) {
        let size = json!({ "width": width, "height": 1000, "deviceScaleFactor": 1, "mobile": false });
        self.command("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if is_dark { "dark" } else { "light" };
        let features = json!({ "features": [
            { "name": "prefers-color-scheme", "value": scheme },
            { "name": "prefers-reduced-motion", "value": "reduce" },
        ] });
        self.command("Emulation.setEmulatedMedia", features).await;
    }

    /// A picture of the whole page, down to `limit` pixels.
    pub(crate) async fn picture(&self, limit: u64) -> Vec<u8> {
        let size = self.run("return [innerWidth, document.documentElement.scrollHeight]").await;
        let (width, height) = (size[0].as_u64().unwrap_or(1440), size[1].as_u64().unwrap_or(1000));
        let clip = json!({ "x": 0, "y": 0, "width": width, "height": height.min(limit), "scale": 1 });
        let shot = json!({ "format": "png", "captureBeyondViewport": true, "clip": clip });
        let answer = self.command("Page.captureScreenshot", shot).await;
        let encoded = answer["data"].as_str().expect("a picture");
        base64::engine::general_purpose::STANDARD.decode(encoded).unwrap()
    }

    /// Ends it; a browser that a failed test leaves is ended with the driver.
    pub(crate) async fn close(self) {
        self.client.close().await.unwrap();
    }
}
