//! axe-core, run in the page that a browser shows.

use std::sync::LazyLock;

use serde_json::Value;

use crate::driver::Browser;

static SCRIPT: LazyLock<String> = LazyLock::new(|| {
    let file = std::env::var_os("LANESYNC_TEST_AXE").expect("run the tests with: cargo x test");
    std::fs::read_to_string(file).unwrap()
});

/// What axe finds wrong with the page, in words; WCAG 2.2 AA and what axe calls best practice.
pub(crate) async fn faults(browser: &Browser) -> Vec<String> {
    browser.run(&SCRIPT).await;
    let run = "const found = await axe.run(document, { resultTypes: ['violations'] });
        return found.violations.flatMap((rule) => rule.nodes.map((node) =>
            `${rule.id}: ${node.target.join(' ')} ${(node.failureSummary ?? '').replace(/\\s+/g, ' ')}`));";
    let found = browser.run_async(run).await;
    match found {
        Value::Array(found) => found.into_iter().map(|one| one.as_str().unwrap_or_default().to_owned()).collect(),
        other => vec![format!("axe did not run: {other}")],
    }
}
