//! Builds the product and hands over to `lanesync-dev`.

use std::os::unix::process::CommandExt as _;
use std::process::Command;

use anyhow::Context as _;

use crate::cargo::{cargo, forget_ourselves, programs, step};
use crate::tools;

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

/// Builds everything and becomes the test run, with `arguments` for `cargo test`.
pub(crate) fn test(arguments: &[String]) -> anyhow::Result<()> {
    let tools = tools::ensure()?;
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
    dev.env("SQLX_OFFLINE", "true").current_dir(crate::root()?);
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        dev.env("RUST_TEST_THREADS", cores.max(FEWEST_TEST_THREADS).to_string());
    }
    dev.args(["with", "--"]).arg(test.get_program()).args(["test", "--no-fail-fast"]);
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
    arguments
        .iter()
        .take_while(|argument| *argument != "--")
        .any(|argument| argument.starts_with("-p") || argument.starts_with("--package"))
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
}
