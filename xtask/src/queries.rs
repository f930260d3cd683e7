//! The descriptions of SQL queries in `.sqlx`: they are why a fresh clone builds without a database.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context as _, bail};
use clap::ValueEnum;

use crate::cargo::{cargo, programs, say, step};
use crate::{handover, tools};

/// The crates that query Postgres.
const SERVICES: [&str; 4] = ["auth", "extractor", "mapper", "customer-writer"];

/// What to do with fresh descriptions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Task {
    /// Replaces those in git.
    Write,
    /// Fails if those in git differ.
    Compare,
}

#[derive(clap::Args)]
pub(crate) struct Arguments {
    task: Task,
}

/// Starts a Postgres with every service's tables and calls this program again beside it.
pub(crate) fn beside_postgres(task: Task) -> anyhow::Result<()> {
    let tools = tools::ensure()?;
    step("building the migrations", cargo()?.args(["build", "--workspace", "--bins"]))?;
    // By its place: the build may just have replaced this program.
    let own = programs(false)?.join("xtask");
    let task = task.to_possible_value().context("every task has a name")?;
    let mut dev = handover::dev(false)?;
    tools.name_to(&mut dev);
    dev.args(["with", "--migrated", "--"]).arg(own).args(["queries", task.get_name()]);
    step("checking the SQL queries against Postgres", &mut dev)
}

/// Has the compiler describe every query, and writes or compares the result.
pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    let root = crate::root()?;
    let kept = root.join(".sqlx");
    let fresh = describe(&root.join("crates"))?;
    if descriptions(&kept)? == fresh {
        return Ok(());
    }
    match arguments.task {
        Task::Write => replace(&kept, &fresh),
        Task::Compare => bail!(".sqlx is stale: run cargo x sqlx"),
    }
}

/// Compiles the services with the database at hand and returns what their queries look like.
fn describe(crates: &Path) -> anyhow::Result<BTreeMap<OsString, Vec<u8>>> {
    let described = tempfile::tempdir().context("creating a folder")?;
    // Only a crate that is really compiled again describes its queries. Its age is given back afterwards, so
    // that no other build takes it for changed.
    let sources = SERVICES.map(|service| crates.join(service).join("src/lib.rs"));
    let mut ages = Vec::new();
    for source in &sources {
        ages.push(fs::metadata(source).and_then(|found| found.modified()).context("reading a source file")?);
        set_age(source, SystemTime::now())?;
    }
    let mut compile = cargo()?;
    compile
        // As the lints are checked, so that every dependency is there already.
        .args(["clippy", "--quiet", "--keep-going"])
        .args(crate::check::EVERYTHING)
        .env("SQLX_OFFLINE", "false")
        .env("SQLX_OFFLINE_DIR", described.path());
    let outcome = step("describing the SQL queries", &mut compile);
    for (source, age) in sources.iter().zip(ages) {
        set_age(source, age)?;
    }
    outcome?;
    descriptions(described.path())
}

fn set_age(source: &Path, time: SystemTime) -> anyhow::Result<()> {
    File::options()
        .write(true)
        .open(source)
        .and_then(|file| file.set_modified(time))
        .with_context(|| format!("touching {}", source.display()))
}

/// The descriptions in a folder by file name; a folder that is not there holds none.
fn descriptions(folder: &Path) -> anyhow::Result<BTreeMap<OsString, Vec<u8>>> {
    json_files(folder)?
        .into_iter()
        .map(|path| {
            let text = fs::read(&path).with_context(|| format!("reading {}", path.display()))?;
            Ok((path.file_name().unwrap_or_default().to_owned(), text))
        })
        .collect()
}

fn replace(folder: &Path, fresh: &BTreeMap<OsString, Vec<u8>>) -> anyhow::Result<()> {
    for old in json_files(folder)? {
        fs::remove_file(&old).with_context(|| format!("removing {}", old.display()))?;
    }
    fs::create_dir_all(folder).with_context(|| format!("creating {}", folder.display()))?;
    for (name, text) in fresh {
        let path = folder.join(name);
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
    }
    say(&format!("{}: {} queries", folder.display(), fresh.len()));
    Ok(())
}

fn json_files(folder: &Path) -> anyhow::Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).with_context(|| format!("reading {}", folder.display()))?;
    let paths = entries.filter_map(Result::ok).map(|entry| entry.path());
    Ok(paths.filter(|path| path.extension().is_some_and(|end| end == "json")).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptions_that_are_no_longer_used_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
        write("query-old.json", "{}");
        write(".gitkeep", "");
        let fresh = BTreeMap::from([(OsString::from("query-new.json"), b"{}".to_vec())]);

        replace(folder.path(), &fresh).unwrap();

        assert_eq!(descriptions(folder.path()).unwrap(), fresh);
        assert!(folder.path().join(".gitkeep").exists());
    }
}
