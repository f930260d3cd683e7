//! What must hold of a release: its dependencies, its contracts, its migrations, and what it tells about itself.

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use servers::{PrivateFolder, install};

use crate::cargo::{cargo, forget_ourselves, say, step};
use crate::tools::while_spinning;
use crate::{audit, sbom};

const REQUIREMENTS: &str = "xtask/release-requirements.txt";
/// The contracts of the last release, as buf keeps them.
const FROZEN_CONTRACTS: &str = "crates/contract/frozen/contracts.binpb";
/// The migrations of the last release, by content.
const FROZEN_MIGRATIONS: &str = "crates/migrate/released.txt";

/// Checks all of it, the quick ones first.
pub(crate) fn check() -> anyhow::Result<()> {
    ensure_tools()?;
    let deny = ["--all-features", "check", "--hide-inclusion-graph", "bans", "licenses", "sources"];
    step("checking sources and licences of the dependencies", tool("cargo-deny")?.args(deny))?;
    say("checking that every dependency was audited");
    audit::check()?;
    step("checking that migrations only expand", tool("squawk")?.args(migrations()?))?;
    contracts_still_hold()?;
    let tests = ["test", "--workspace", "--features", "tests/deploy-check", "--test", "frozen", "--test", "house"];
    step("checking that messages of the last release are read", cargo()?.args(tests))?;
    sbom::write(&folder()?)
}

/// Makes what stands in the checkout the last release: contracts, examples of every message, migrations.
pub(crate) fn freeze() -> anyhow::Result<()> {
    ensure_tools()?;
    contracts_still_hold()?;
    let image = ["build", "proto", "--exclude-source-info", "-o", FROZEN_CONTRACTS];
    step("freezing the contracts", tool("buf")?.args(image))?;
    let examples = ["run", "--quiet", "--package", "contract", "--example", "freeze"];
    step("freezing an example of every message", cargo()?.args(examples))?;
    let files = migrations()?;
    let ids = output(Command::new("git").arg("hash-object").args(&files).current_dir(crate::root()?))?;
    let lines: String = ids.lines().zip(&files).map(|(id, file)| format!("{id} {}\n", file.display())).collect();
    fs::write(crate::root()?.join(FROZEN_MIGRATIONS), lines).context("freezing the migrations")
}

/// Compares with the last release: what was frozen then, and the newest tag where the checkout knows one.
fn contracts_still_hold() -> anyhow::Result<()> {
    let root = crate::root()?;
    ensure!(
        root.join(FROZEN_CONTRACTS).is_file(),
        "{FROZEN_CONTRACTS} is missing: restore it, no release goes without"
    );
    let against =
        |what: &str, before: &OsStr| step(what, tool("buf")?.args(["breaking", "proto", "--against"]).arg(before));
    against("comparing the contracts with the frozen ones", FROZEN_CONTRACTS.as_ref())?;
    let git = |arguments: &[&str]| output(Command::new("git").args(arguments).current_dir(&root));
    let Ok(tag) = git(&["describe", "--tags", "--abbrev=0", "--match", "v[0-9]*"]) else {
        say("no tag of a release: the frozen contracts alone were compared");
        return Ok(());
    };
    let repository = git(&["rev-parse", "--path-format=absolute", "--git-common-dir"])?;
    let tagged = format!("{}#tag={},subdir=proto", repository.trim(), tag.trim());
    against(&format!("comparing the contracts with {}", tag.trim()), tagged.as_ref())
}

/// Every numbered migration, by its path in the checkout.
fn migrations() -> anyhow::Result<Vec<PathBuf>> {
    let root = crate::root()?;
    let mut files = Vec::new();
    for room in fs::read_dir(root.join("crates")).context("listing the crates")? {
        let Ok(folder) = fs::read_dir(room?.path().join("migrations")) else { continue };
        for file in folder {
            let file = file?.path();
            if file.extension().is_some_and(|end| end == "sql") {
                files.push(file.strip_prefix(&root).context("a migration lies in the checkout")?.to_owned());
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Where everything that is told about a release goes.
fn folder() -> anyhow::Result<PathBuf> {
    let folder = crate::root()?.join("target/sbom");
    fs::create_dir_all(&folder).context("creating the folder of the bills of materials")?;
    Ok(folder)
}

/// One of the programs of [`REQUIREMENTS`], in the checkout.
pub(crate) fn tool(name: &str) -> anyhow::Result<Command> {
    let root = crate::root()?;
    let program = PrivateFolder::of_checkout(&root).venv().join("bin").join(name);
    ensure!(program.is_file(), "{} was not installed", program.display());
    let mut command = Command::new(program);
    forget_ourselves(&mut command);
    command.current_dir(root);
    Ok(command)
}

pub(crate) fn ensure_tools() -> anyhow::Result<()> {
    let root = crate::root()?;
    let requirements = root.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements).with_context(|| format!("reading {REQUIREMENTS}"))?;
    let private = PrivateFolder::of_checkout(&root);
    // Written last: what an interrupted install left does not count.
    let note = private.path().join("release-tools.txt");
    if fs::read_to_string(&note).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    while_spinning(|report| Ok(install(&private, "cargo-deny, cargo-audit, buf and squawk", &requirements, report)?))?;
    fs::write(&note, wanted).with_context(|| format!("writing {}", note.display()))
}

/// Runs a command for what it prints.
pub(crate) fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("starting {program}"))?;
    if !output.status.success() {
        bail!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim_end());
    }
    String::from_utf8(output.stdout).with_context(|| format!("reading what {program} printed"))
}
