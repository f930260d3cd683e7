//! Builds the product and hands over to `lanesync-dev`.

use std::ffi::OsStr;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

use anyhow::Context as _;

use crate::cargo::{cargo, forget_ourselves, programs, step};
use crate::tools;

/// The package of the tests that drive a browser.
const BROWSER_TESTS: &str = "tests";
/// Tests wait more than they compute, so more of them run at once than there are cores.
const FEWEST_TEST_THREADS: usize = 4;

/// Builds everything and becomes `lanesync-dev <action> <arguments>`.
pub(crate) fn run(action: &str, arguments: &[String], release: bool) -> anyhow::Result<()> {
    let tools = tools::ensure()?;
    let mut build = cargo()?;
    build.args(["build", "--workspace", "--bins"]);
    if release {
        build.arg("--release");
    }
    step("building the product", &mut build)?;

    let mut dev = dev(release)?;
    tools.name_to(&mut dev);
    become_program(dev.arg(action).args(arguments))
}

/// Has the tests that look at every page and every state keep all their pictures in `folder`.
pub(crate) fn shots(folder: &Path) -> anyhow::Result<()> {
    let folder = std::path::absolute(folder).context("finding the folder for the pictures")?;
    let looking = ["--test", "browser", "--", "pages::", "states::"].map(str::to_owned);
    test_with(&looking, &[("LANESYNC_SHOTS_DIR", folder.as_os_str())])
}

/// Builds everything and becomes the test run, with `arguments` for `cargo test`; the whole run, which has none, ends
/// with the check of docker-compose.yml.
pub(crate) fn test(arguments: &[String]) -> anyhow::Result<()> {
    test_with(arguments, &[])
}

fn test_with(arguments: &[String], settings: &[(&str, &OsStr)]) -> anyhow::Result<()> {
    let tools = tools::ensure()?;
    let browser = needs_browser(arguments).then(tools::ensure_browser).transpose()?;
    let names_packages = names_packages(arguments);
    let mut build = cargo()?;
    build.args(["build", "--workspace", "--bins"]);
    if !names_packages {
        // In one go, so that tests and programs share every dependency.
        build.arg("--tests");
    }
    step("building the product and its tests", &mut build)?;

    let test = cargo()?;
    let mut dev = dev(false)?;
    tools.name_to(&mut dev);
    if let Some(browser) = browser {
        browser.name_to(&mut dev);
    }
    dev.envs(settings.iter().copied());
    dev.env("SQLX_OFFLINE", "true").current_dir(crate::root()?);
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        dev.env("RUST_TEST_THREADS", cores.max(FEWEST_TEST_THREADS).to_string());
    }
    dev.arg("with");
    if arguments.is_empty() {
        dev.arg("--compose-check");
    }
    dev.arg("--").arg(test.get_program()).args(["test", "--no-fail-fast"]);
    if !names_packages {
        dev.arg("--workspace");
    }
    become_program(dev.args(arguments))
}

/// `lanesync-dev` as it was just built.
pub(crate) fn dev(release: bool) -> anyhow::Result<Command> {
    let mut dev = Command::new(programs(release)?.join("lanesync-dev"));
    forget_ourselves(&mut dev);
    Ok(dev)
}

/// Replaces this program, so that signals and the exit code need no messenger. Returns only on failure.
fn become_program(command: &mut Command) -> anyhow::Result<()> {
    let error = command.exec();
    Err(error).with_context(|| format!("starting {}", command.get_program().display()))
}

fn names_packages(arguments: &[String]) -> bool {
    for_cargo(arguments).any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
}

/// Whoever tests a single crate needs no browser for it.
fn needs_browser(arguments: &[String]) -> bool {
    let named = |argument: &String| argument.trim_start_matches("-p").trim_start_matches("--package=") == BROWSER_TESTS;
    !names_packages(arguments) || for_cargo(arguments).any(named)
}

/// What comes before the words for the tests themselves.
fn for_cargo(arguments: &[String]) -> impl Iterator<Item = &String> {
    arguments.iter().take_while(|argument| *argument != "--")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_named_package_is_seen_only_before_the_words_for_the_tests() {
        let words = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
        assert!(names_packages(&words("-p mapper")));
        assert!(names_packages(&words("--package=mapper")));
        assert!(!names_packages(&words("some_name -- -p")));
    }

    #[test]
    fn only_who_runs_the_tests_of_the_whole_needs_a_browser() {
        let words = |text: &str| text.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        for needs in ["", "--test browser", "-p tests", "-ptests", "--package=tests", "-p mapper -p tests"] {
            assert!(needs_browser(&words(needs)), "{needs}");
        }
        for needs_none in ["-p mapper", "--package=mapper", "-p mapper -- tests"] {
            assert!(!needs_browser(&words(needs_none)), "{needs_none}");
        }
    }
}
