//! What every change must pass besides the tests.

use crate::cargo::{cargo, step};
use crate::queries;

/// All code there is, tests too, with one set of features.
pub(crate) const EVERYTHING: [&str; 4] = ["--workspace", "--all-targets", "--features", "tests/deploy-check"];

/// Formats, lints, documentation, queries: the quick ones first.
pub(crate) fn all() -> anyhow::Result<()> {
    step("checking the format", cargo()?.args(["fmt", "--all", "--check"]))?;
    let mut lints = cargo()?;
    lints.arg("clippy").args(EVERYTHING).args(["--", "-D", "warnings"]);
    step("checking the lints", &mut lints)?;
    let mut documentation = cargo()?;
    documentation.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    step("checking the documentation", &mut documentation)?;
    queries::beside_postgres(queries::Task::Compare)
}
