//! Bills of materials: one CycloneDX file for each program, checked against what cargo says is built into it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use serde_json::Value;
use servers::PrivateFolder;

use crate::cargo::{cargo, forget_ourselves, say, step};
use crate::release::{output, tool};

const VERSION: &str = "0.5.9";
const TARGET: &str = "x86_64-unknown-linux-gnu";
/// How cargo-cyclonedx calls what it made of a program, beside the program's manifest.
const SUFFIX: &str = "_bin.cdx.json";
/// Programs of the dev loop, which nobody ships.
const NOT_SHIPPED: [&str; 2] = ["xtask", "lanesync-dev"];

/// Writes the bills of all programs to `folder`, and the list of licences beside them.
pub(crate) fn write(folder: &Path) -> anyhow::Result<()> {
    let mut cyclonedx = Command::new(ensure_cyclonedx()?);
    forget_ourselves(&mut cyclonedx);
    cyclonedx.args(["cyclonedx", "--quiet", "--format", "json", "--spec-version", "1.5", "--describe", "binaries"]);
    cyclonedx.args(["--no-build-deps", "--target", TARGET]).current_dir(crate::root()?);
    step("writing the bills of materials", &mut cyclonedx)?;
    let mut bills = 0;
    for bill in made()? {
        let name = bill.file_name().and_then(|name| name.to_str()).context("a bill has a name")?;
        let program = name.trim_end_matches(SUFFIX);
        if NOT_SHIPPED.contains(&program) {
            fs::remove_file(&bill).context("removing a bill that nobody needs")?;
            continue;
        }
        let named = named(&fs::read(&bill).context("reading a bill of materials")?)?;
        let package = bill.parent().context("a bill lies beside a manifest")?;
        let missing: Vec<_> = built_into(package)?.difference(&named).cloned().collect();
        ensure!(missing.is_empty(), "the bill of {program} does not name {}", missing.join(", "));
        fs::rename(&bill, folder.join(format!("{program}.cdx.json"))).context("moving a bill of materials")?;
        bills += 1;
    }
    ensure!(bills > 0, "cargo-cyclonedx wrote nothing");
    let licences = output(tool("cargo-deny")?.args(["list", "--format", "human", "--layout", "license"]))?;
    fs::write(folder.join("licences.txt"), licences).context("writing the list of licences")?;
    say(&format!("{bills} bills of materials and licences.txt lie in {}", folder.display()));
    Ok(())
}

/// Compiles cargo-cyclonedx once; nobody packages it.
fn ensure_cyclonedx() -> anyhow::Result<PathBuf> {
    let root = PrivateFolder::of_checkout(&crate::root()?).path().join(format!("cargo-cyclonedx-{VERSION}"));
    let program = root.join("bin/cargo-cyclonedx");
    if !program.is_file() {
        let mut install = cargo()?;
        install.args(["install", "--quiet", "--locked", "--debug", "--version", VERSION, "--root"]).arg(&root);
        // It runs for seconds: what its compiler saves counts more.
        install.arg("cargo-cyclonedx").env("CARGO_PROFILE_DEV_DEBUG", "false");
        step("compiling cargo-cyclonedx (once)", &mut install)?;
    }
    Ok(program)
}

/// The files that it left beside the manifests.
fn made() -> anyhow::Result<Vec<PathBuf>> {
    let root = crate::root()?;
    let mut folders = vec![root.join("xtask")];
    for room in fs::read_dir(root.join("crates")).context("listing the crates")? {
        folders.push(room?.path());
    }
    let mut bills = Vec::new();
    for folder in folders {
        for file in fs::read_dir(&folder).context("looking for bills of materials")? {
            let path = file?.path();
            if path.to_string_lossy().ends_with(SUFFIX) {
                bills.push(path);
            }
        }
    }
    Ok(bills)
}

/// What a bill names, as `name version`.
fn named(bill: &[u8]) -> anyhow::Result<BTreeSet<String>> {
    let bill: Value = serde_json::from_slice(bill).context("a bill of materials is JSON")?;
    let components = bill.get("components").and_then(Value::as_array).context("a bill of materials has components")?;
    let name = |of: &Value| Some(format!("{} {}", of.get("name")?.as_str()?, of.get("version")?.as_str()?));
    components.iter().map(name).collect::<Option<_>>().context("every component has a name and a version")
}

/// What cargo builds into the program of `package`, apart from itself, as `name version`.
fn built_into(package: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut tree = cargo()?;
    tree.args(["tree", "--edges", "normal,no-proc-macro", "--target", TARGET, "--prefix", "none", "--format", "{p}"]);
    let listed = output(tree.arg("--manifest-path").arg(package.join("Cargo.toml")))?;
    // The first line is the package itself.
    Ok(listed.lines().skip(1).filter_map(name_and_version).collect())
}

/// Reads `serde v1.0.0 (*)`.
fn name_and_version(line: &str) -> Option<String> {
    let (name, rest) = line.split_once(" v")?;
    Some(format!("{name} {}", rest.split_whitespace().next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_the_tree_and_a_component_of_a_bill_have_one_name() {
        let bill = br#"{"components": [{"name": "serde", "version": "1.0.0"}]}"#;
        let line = name_and_version("serde v1.0.0 (*)").unwrap();
        assert_eq!(named(bill).unwrap(), BTreeSet::from([line]));
        assert_eq!(name_and_version("auth v0.1.0 (/somewhere/crates/auth)").unwrap(), "auth 0.1.0");
        assert!(named(br#"{"components": [{"name": "serde"}]}"#).is_err());
    }
}
