//! The servers of the dev loop, and the browser of its tests.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use anyhow::Context as _;
use indicatif::{ProgressBar, ProgressStyle};
use servers::{Browser, FindError, NatsServer, Postgres, Search, install, install_browser};

use crate::cargo::say;

/// A nats-server and a Postgres that will do.
pub(crate) struct Tools {
    nats: NatsServer,
    postgres: Postgres,
}

/// What the tests in a real browser need.
pub(crate) struct BrowserTools {
    browser: Browser,
    axe: PathBuf,
}

/// Finds them on this machine, or installs them into the private folder.
pub(crate) fn ensure() -> anyhow::Result<Tools> {
    let root = crate::root()?;
    let search = Search::from_env(&root);
    if let (Ok(nats), Ok(postgres)) = (search.nats_server(), search.postgres()) {
        return Ok(Tools { nats, postgres });
    }
    for error in [search.nats_server().err(), search.postgres().err()].into_iter().flatten() {
        only_missing(error)?;
    }
    let requirements = root.join("xtask/tools-requirements.txt");
    while_spinning(|report| Ok(install(search.private_folder(), "nats-server and Postgres", &requirements, report)?))?;
    Ok(Tools { nats: search.nats_server()?, postgres: search.postgres()? })
}

/// Finds a browser, its driver and the accessibility script, or installs them. Only tests and pictures ask for it.
pub(crate) fn ensure_browser() -> anyhow::Result<BrowserTools> {
    let root = crate::root()?;
    let search = Search::from_env(&root);
    if let Err(error) = search.browser() {
        only_missing(error)?;
        while_spinning(|report| Ok(install_browser(report)?))?;
    }
    if search.private_folder().axe().is_none() {
        let requirements = root.join("xtask/browser-requirements.txt");
        while_spinning(|report| Ok(install(search.private_folder(), "axe-core", &requirements, report)?))?;
    }
    let axe = search.private_folder().axe().context("the wheel of axe-core carries no axe.min.js")?;
    Ok(BrowserTools { browser: search.browser()?, axe })
}

/// A place that the user named is not replaced behind their back.
fn only_missing(error: FindError) -> anyhow::Result<()> {
    if matches!(error, FindError::Missing { .. }) { Ok(()) } else { Err(error.into()) }
}

/// Does something long that reports what takes its time: to a person by a spinner, to a log line by line.
pub(crate) fn while_spinning<T>(work: impl FnOnce(&dyn Fn(&str)) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let progress = ProgressBar::new_spinner().with_style(ProgressStyle::with_template("{spinner} {msg}")?);
    progress.enable_steady_tick(Duration::from_millis(100));
    let outcome = work(&|what| {
        if progress.is_hidden() {
            say(what);
        }
        progress.set_message(what.to_owned());
    });
    progress.finish_and_clear();
    outcome
}

impl BrowserTools {
    /// Tells the tests which browser to drive.
    pub(crate) fn name_to(&self, command: &mut Command) {
        command
            .env("LANESYNC_TEST_CHROMIUM", &self.browser.chromium)
            .env("LANESYNC_TEST_CHROMEDRIVER", &self.browser.chromedriver)
            .env("LANESYNC_TEST_AXE", &self.axe);
    }
}

impl Tools {
    /// Tells `command` which servers to use.
    pub(crate) fn name_to(&self, command: &mut Command) {
        command.env("LANESYNC_NATS_SERVER_BIN", &self.nats.program).env("LANESYNC_PG_BIN_DIR", &self.postgres.bin_dir);
    }

    /// Prints them as a shell would set them.
    #[expect(clippy::print_stdout, reason = "this is the answer to `cargo x tools`")]
    pub(crate) fn print(&self) {
        println!("LANESYNC_NATS_SERVER_BIN={} # {}", self.nats.program.display(), self.nats.version);
        println!("LANESYNC_PG_BIN_DIR={} # {}", self.postgres.bin_dir.display(), self.postgres.version);
    }
}
