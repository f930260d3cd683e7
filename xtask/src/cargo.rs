//! Calls of cargo.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};

/// The cargo that runs us, in the checkout.
///
/// What `cargo run` told us about ourselves is kept from it: some build scripts (ring's is one) take a change
/// of those variables as a reason to compile everything again.
pub(crate) fn cargo() -> anyhow::Result<Command> {
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(program);
    forget_ourselves(&mut command);
    // A database that the shell happens to name must not decide what compiles.
    command.current_dir(crate::root()?).env("SQLX_OFFLINE", "true");
    Ok(command)
}

/// Takes away what `cargo run` says about this package.
pub(crate) fn forget_ourselves(command: &mut Command) {
    let about_us = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_", "CARGO_CRATE_", "CARGO_PRIMARY_"];
    for (name, _) in std::env::vars_os() {
        if about_us.iter().any(|prefix| name.to_string_lossy().starts_with(prefix)) {
            command.env_remove(name);
        }
    }
}

/// Runs `command` to its end, saying what it is for.
pub(crate) fn step(what: &str, command: &mut Command) -> anyhow::Result<()> {
    say(what);
    let status = command.status().with_context(|| format!("starting {}", command.get_program().display()))?;
    if !status.success() {
        bail!("{what}: failed");
    }
    Ok(())
}

/// Tells a person what happens; programs read the other output.
#[expect(clippy::print_stderr, reason = "this is a command for the terminal")]
pub(crate) fn say(what: &str) {
    eprintln!("cargo x: {what}");
}

/// Where cargo puts the programs of a build.
pub(crate) fn programs(release: bool) -> anyhow::Result<PathBuf> {
    // This program lies in `<target>/<profile>/`.
    let own = std::env::current_exe().context("asking where this program lies")?;
    let target = own.ancestors().nth(2).context("this program lies in a target folder")?;
    Ok(target.join(if release { "release" } else { "debug" }))
}
