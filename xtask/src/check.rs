//! What every change must pass besides the tests.

use crate::cargo::{cargo, step};
use crate::queries;

/// Formats, lints, documentation, queries: the quick ones first.
pub(crate) fn all() -> anyhow::Result<()> {
    step("checking the format", cargo()?.args(["fmt", "--all", "--check"]))?;
    let lints = ["clippy", "--workspace", "--all-targets", "--features", "tests/deploy-check", "--", "-D", "warnings"];
    step("checking the lints", cargo()?.args(lints))?;
    let mut documentation = cargo()?;
    documentation.args(["doc", "--workspace", "--no-deps"]).env("RUSTDOCFLAGS", "-D warnings");
    step("checking the documentation", &mut documentation)?;
    queries::beside_postgres(queries::Task::Compare)
}
