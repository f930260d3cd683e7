//! A real browser: Debian's Chromium, driven over WebDriver.
//!
//! WebDriver is a dozen calls of JSON over HTTP, and `reqwest` is in the tree. The crates that wrap it (fantoccini,
//! thirtyfour) change the features of serde_json, url and what stands on them for every crate of a test build, so that
//! tests and programs no longer share what cargo compiled.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use base64::Engine as _;
use serde_json::{Value, json};
use stack::{Process, Signal};

use crate::world::PATIENCE;

/// How long one command may take; most wait for a page.
const COMMAND_LIMIT: Duration = Duration::from_secs(60);
/// The key under which WebDriver hands out elements.
const ELEMENT: &str = "element-6066-11e4-a52e-4f735466cecf";

/// Keys as WebDriver spells them.
pub(crate) mod key {
    pub(crate) const TAB: &str = "\u{e004}";
    pub(crate) const ENTER: &str = "\u{e007}";
    pub(crate) const HOME: &str = "\u{e011}";
    pub(crate) const DOWN: &str = "\u{e015}";
    pub(crate) const CONTROL: &str = "\u{e009}";
}

/// The program that starts browsers; dropping it ends them all.
pub(crate) struct Driver {
    address: String,
    http: reqwest::Client,
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
        let http = reqwest::Client::builder().no_proxy().timeout(COMMAND_LIMIT).build().unwrap();
        Self { address: format!("http://127.0.0.1:{port}"), http, _process: process }
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
        let options = json!({ "binary": program("LANESYNC_TEST_CHROMIUM").to_string_lossy(), "args": arguments });
        let wanted = json!({ "capabilities": { "alwaysMatch": {
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": { "browser": "ALL" },
            "unhandledPromptBehavior": "accept",
        } } });
        let answer = call(&self.http, reqwest::Method::POST, &format!("{}/session", self.address), Some(&wanted)).await;
        let answer = answer.unwrap_or_else(|refusal| panic!("no browser: {refusal}"));
        let session = answer["sessionId"].as_str().expect("a new session has an id");
        Browser { address: format!("{}/session/{session}", self.address), http: self.http.clone() }
    }
}

async fn call(
    http: &reqwest::Client,
    method: reqwest::Method,
    address: &str,
    body: Option<&Value>,
) -> Result<Value, String> {
    let mut request = http.request(method, address);
    if let Some(body) = body {
        request = request.json(body);
    }
    let answer = request.send().await.map_err(|error| error.to_string())?;
    let mut answer: Value = answer.json().await.map_err(|error| error.to_string())?;
    match answer["value"].get("error") {
        Some(error) => Err(format!("{error}: {}", answer["value"]["message"].as_str().unwrap_or_default())),
        None => Ok(answer["value"].take()),
    }
}

/// One window of one browser.
pub(crate) struct Browser {
    address: String,
    http: reqwest::Client,
}

/// An element of the page that is shown now.
#[derive(Clone)]
pub(crate) struct Element(String);

impl Element {
    fn wire(&self) -> Value {
        json!({ ELEMENT: self.0 })
    }
}

/// The words of a button or link, as an XPath: by what a person reads, not by what a program calls it.
pub(crate) fn named(tag: &str, words: &str) -> String {
    format!("//{tag}[normalize-space()={words:?} and not(@hidden)]")
}

impl Browser {
    async fn post(&self, path: &str, body: Value) -> Result<Value, String> {
        call(&self.http, reqwest::Method::POST, &format!("{}/{path}", self.address), Some(&body)).await
    }

    async fn get(&self, path: &str) -> Result<Value, String> {
        call(&self.http, reqwest::Method::GET, &format!("{}/{path}", self.address), None).await
    }

    /// Opens an address and waits until it is loaded.
    pub(crate) async fn go(&self, address: &str) {
        self.post("url", json!({ "url": address })).await.unwrap_or_else(|refusal| panic!("{address}: {refusal}"));
    }

    /// The address of the page.
    pub(crate) async fn address(&self) -> String {
        self.get("url").await.unwrap().as_str().unwrap_or_default().to_owned()
    }

    /// Loads the page again.
    pub(crate) async fn reload(&self) {
        self.post("refresh", json!({})).await.unwrap();
    }

    /// The first element at a CSS selector or, beginning with `//`, an XPath.
    pub(crate) async fn find(&self, spot: &str) -> Option<Element> {
        let using = if spot.starts_with("//") { "xpath" } else { "css selector" };
        let found = self.post("element", json!({ "using": using, "value": spot })).await.ok()?;
        Some(Element(found[ELEMENT].as_str()?.to_owned()))
    }

    pub(crate) async fn has(&self, spot: &str) -> bool {
        self.find(spot).await.is_some()
    }

    /// Waits for an element.
    pub(crate) async fn wait(&self, spot: &str) -> Element {
        let found = tokio::time::timeout(PATIENCE, async {
            loop {
                if let Some(found) = self.find(spot).await {
                    return found;
                }
            }
        });
        match found.await {
            Ok(found) => found,
            Err(_) => panic!("{spot} is not on {}:\n{}", self.address().await, self.text().await),
        }
    }

    /// What a person reads on the page.
    pub(crate) async fn text(&self) -> String {
        self.run("return document.body.innerText").await.as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the page says something.
    pub(crate) async fn reads(&self, words: &str) {
        let read = tokio::time::timeout(PATIENCE, async { while !self.text().await.contains(words) {} });
        if read.await.is_err() {
            panic!("“{words}” is not on {}:\n{}", self.address().await, self.text().await);
        }
    }

    /// What a person reads in an element.
    pub(crate) async fn text_at(&self, spot: &str) -> String {
        let element = self.wait(spot).await;
        self.run_with("return arguments[0].innerText", &[element.wire()]).await.as_str().unwrap_or_default().to_owned()
    }

    /// The state that `<main>` names.
    pub(crate) async fn state(&self) -> String {
        let state = self.run("return document.querySelector('main')?.dataset.state ?? ''").await;
        state.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks an element, as soon as it is there and can be clicked.
    pub(crate) async fn click(&self, spot: &str) {
        let clicked = tokio::time::timeout(PATIENCE, async {
            let mut last = String::new();
            loop {
                let Some(element) = self.find(spot).await else { continue };
                match self.post(&format!("element/{}/click", element.0), json!({})).await {
                    Ok(_) => return last,
                    Err(refusal) => last = refusal,
                }
            }
        });
        if clicked.await.is_err() {
            panic!("{spot} can't be clicked on {}:\n{}", self.address().await, self.text().await);
        }
    }

    /// Types into an element what it does not hold yet.
    pub(crate) async fn fill(&self, spot: &str, text: &str) {
        let element = self.wait(spot).await;
        self.post(&format!("element/{}/clear", element.0), json!({})).await.unwrap();
        self.post(&format!("element/{}/value", element.0), json!({ "text": text })).await.unwrap();
    }

    /// Presses keys, one after the other, wherever the focus is.
    pub(crate) async fn press(&self, keys: &[&str]) {
        let mut actions = Vec::new();
        for key in keys {
            actions.push(json!({ "type": "keyDown", "value": key }));
            actions.push(json!({ "type": "keyUp", "value": key }));
        }
        self.perform(actions).await;
    }

    /// Presses `key` while `held` is held down.
    pub(crate) async fn chord(&self, held: &str, key: &str) {
        let actions = [("keyDown", held), ("keyDown", key), ("keyUp", key), ("keyUp", held)];
        self.perform(actions.map(|(kind, key)| json!({ "type": kind, "value": key })).into()).await;
    }

    async fn perform(&self, actions: Vec<Value>) {
        let body = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] });
        self.post("actions", body).await.unwrap();
    }

    /// Whether the focus is on an element.
    pub(crate) async fn is_focused(&self, spot: &str) -> bool {
        let Some(element) = self.find(spot).await else { return false };
        self.run_with("return document.activeElement === arguments[0]", &[element.wire()]).await == json!(true)
    }

    /// Asks the page itself.
    pub(crate) async fn run(&self, script: &str) -> Value {
        self.run_with(script, &[]).await
    }

    async fn run_with(&self, script: &str, arguments: &[Value]) -> Value {
        let answer = self.post("execute/sync", json!({ "script": script, "args": arguments })).await;
        answer.unwrap_or(Value::Null)
    }

    /// Asks the page and waits until its promise is kept.
    pub(crate) async fn run_async(&self, script: &str) -> Value {
        let body = json!({ "script": format!("const done = arguments[0]; (async () => {{ {script} }})().then(done, (error) => done({{ failed: String(error) }}))"), "args": [] });
        self.post("execute/async", body).await.unwrap_or_else(|refusal| panic!("{refusal}"))
    }

    /// A command of the browser's own protocol.
    pub(crate) async fn command(&self, command: &str, parameters: Value) -> Value {
        let body = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", body).await.unwrap_or_else(|refusal| panic!("{command}: {refusal}"))
    }

    /// Switches the scripts of pages off; commands of this file still work.
    pub(crate) async fn without_scripts(&self) {
        self.command("Emulation.setScriptExecutionDisabled", json!({ "value": true })).await;
    }

    /// What the console of the browser holds since it was last asked: errors of scripts, refusals of the policy.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = self.post("se/log", json!({ "type": "browser" })).await.unwrap();
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
        call(&self.http, reqwest::Method::DELETE, &self.address, None).await.unwrap();
    }
}
