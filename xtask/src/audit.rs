//! Known faults of dependencies: what `cargo audit` found is kept in `supply-chain/`, and holds for what it looked at.
//!
//! The advisory database itself is not kept here. Whoever adds or raises a dependency has it audited with a clone of
//! the database; until then `cargo x release-check` refuses the new Cargo.lock.

mod record;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use jiff::tz::TimeZone;
use serde_json::Value;

use self::record::{Accepted, Finding, Package, Record};
use crate::cargo::say;
use crate::release::{ensure_tools, output, tool};

const RECORD: &str = "supply-chain/audited.txt";
const ACCEPTED: &str = "supply-chain/accepted.txt";

/// Whether everything in Cargo.lock was audited, recently, and every finding is accepted for now.
pub(crate) fn check() -> anyhow::Result<()> {
    let record: Record = read(RECORD)?.parse().context(RECORD)?;
    let accepted: Accepted = read(ACCEPTED)?.parse().context(ACCEPTED)?;
    let today = Timestamp::now().to_zoned(TimeZone::UTC).date();
    let problems = record.problems(&accepted, &locked(&read("Cargo.lock")?), today);
    for problem in &problems {
        say(problem);
    }
    ensure!(problems.is_empty(), "dependencies are not fit for a release: docs/releases.md says what to do");
    Ok(())
}

/// Audits Cargo.lock with the advisory database that lies in `clone`, and keeps what was found.
pub(crate) fn refresh(clone: &Path) -> anyhow::Result<()> {
    ensure_tools()?;
    let clone = std::path::absolute(clone).context("finding the clone")?;
    // Of its own, because a clone may be without the files.
    let scratch = tempfile::tempdir().context("making room for the database")?;
    let database = scratch.path().join("advisory-db");
    output(Command::new("git").args(["clone", "--quiet", "--depth=1"]).arg(url(&clone)).arg(&database))?;
    let commit = output(Command::new("git").args(["log", "-1", "--format=%cs %H"]).current_dir(&database))?;
    let (day, commit) = commit.trim().split_once(' ').context("git told no commit")?;

    let mut audit = tool("cargo-audit")?;
    audit.args(["audit", "--no-fetch", "--stale", "--no-yanked", "--json", "--db"]).arg(&database);
    // It ends with 1 when it found something, which is no reason to stop.
    let audited = audit.output().context("starting cargo-audit")?;
    let Ok(report) = serde_json::from_slice::<Value>(&audited.stdout) else {
        bail!("cargo-audit: {}", String::from_utf8_lossy(&audited.stderr).trim_end());
    };
    let record = Record {
        snapshot: day.parse()?,
        commit: commit.to_owned(),
        tool: output(tool("cargo-audit")?.arg("--version"))?.trim().to_owned(),
        findings: findings(&report)?,
        packages: locked(&read("Cargo.lock")?),
    };
    fs::write(crate::root()?.join(RECORD), record.to_string()).context("keeping what was found")?;
    check()
}

fn read(file: &str) -> anyhow::Result<String> {
    fs::read_to_string(crate::root()?.join(file)).with_context(|| format!("reading {file}"))
}

fn url(clone: &Path) -> String {
    format!("file://{}", clone.display())
}

/// Vulnerabilities and warnings (unmaintained, unsound, notices) alike.
fn findings(report: &Value) -> anyhow::Result<BTreeSet<Finding>> {
    let vulnerabilities = report.pointer("/vulnerabilities/list").and_then(Value::as_array);
    let warnings = report.get("warnings").and_then(Value::as_object);
    let (Some(vulnerabilities), Some(warnings)) = (vulnerabilities, warnings) else {
        bail!("cargo-audit reports in another form than expected");
    };
    let all = vulnerabilities.iter().chain(warnings.values().filter_map(Value::as_array).flatten());
    all.map(|one| {
        let text = |pointer: &str| Some(one.pointer(pointer)?.as_str()?.to_owned());
        let package = Package { name: text("/package/name")?, version: text("/package/version")? };
        Some(Finding { id: text("/advisory/id")?, package })
    })
    .collect::<Option<_>>()
    .context("cargo-audit found something without a name")
}

/// The packages in a Cargo.lock that come from elsewhere.
fn locked(lock: &str) -> BTreeSet<Package> {
    let entries = lock.split("[[package]]").filter(|entry| entry.contains("\nsource = "));
    let value = |entry: &str, key: &str| {
        let line = entry.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = "))?;
        Some(line.trim_matches('"').to_owned())
    };
    entries
        .filter_map(|entry| Some(Package { name: value(entry, "name")?, version: value(entry, "version")? }))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_ours_is_not_audited() {
        let lock = "version = 4\n\n[[package]]\nname = \"auth\"\nversion = \"0.1.0\"\n\n\
                    [[package]]\nname = \"rsa\"\nversion = \"0.9.10\"\nsource = \"registry+somewhere\"\n";
        let rsa = Package { name: "rsa".to_owned(), version: "0.9.10".to_owned() };
        assert_eq!(locked(lock), BTreeSet::from([rsa]));
    }

    #[test]
    fn warnings_are_findings_and_another_form_of_report_is_none() {
        let one = |id: &str| {
            let package = serde_json::json!({ "name": "rsa", "version": "0.9.10" });
            serde_json::json!({ "advisory": { "id": id }, "package": package })
        };
        let report = serde_json::json!({
            "vulnerabilities": { "list": [one("RUSTSEC-1")] }, "warnings": { "unmaintained": [one("RUSTSEC-2")] }
        });
        let ids: Vec<_> = findings(&report).unwrap().into_iter().map(|finding| finding.id).collect();
        assert_eq!(ids, ["RUSTSEC-1", "RUSTSEC-2"]);
        assert!(findings(&serde_json::json!({})).is_err());
    }
}
