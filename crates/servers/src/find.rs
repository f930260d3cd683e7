//! Looks for nats-server, Postgres and, for tests, Chromium where machines have them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{PrivateFolder, Version};

/// The oldest nats-server we run on: older ones lose acknowledged messages or lack limits we set.
const OLDEST_NATS: Version = Version::new(2, 12, 6);
/// The oldest Postgres we run on.
const OLDEST_POSTGRES: Version = Version::new(15, 0, 0);
/// The oldest Chromium that draws our pages as people's browsers do: `:has()`, `text-wrap` and headless as a window.
const OLDEST_CHROMIUM: Version = Version::new(128, 0, 0);

/// Names the program itself; nothing else is looked at when it is set.
const NATS_VARIABLE: &str = "LANESYNC_NATS_SERVER_BIN";
/// Names the folder of `postgres` and `initdb`; nothing else is looked at when it is set.
const POSTGRES_VARIABLE: &str = "LANESYNC_PG_BIN_DIR";
/// Names the browser itself; nothing else is looked at when it is set.
const CHROMIUM_VARIABLE: &str = "LANESYNC_CHROMIUM_BIN";
/// Names the driver itself; nothing else is looked at when it is set.
const CHROMEDRIVER_VARIABLE: &str = "LANESYNC_CHROMEDRIVER_BIN";
/// What the browser is called, where it is called anything.
const CHROMIUM_NAMES: [&str; 4] = ["chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];
/// Where macOS keeps it.
const CHROMIUM_APPS: [&str; 2] = [
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
];

/// A nats-server that is new enough.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NatsServer {
    /// The program.
    pub program: PathBuf,
    /// What it says it is.
    pub version: Version,
}

/// A Postgres that is new enough and complete: `postgres` and `initdb` lie side by side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Postgres {
    /// The folder of its programs.
    pub bin_dir: PathBuf,
    /// What it says it is.
    pub version: Version,
}

/// A Chromium that is new enough, and the driver of the same major version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Browser {
    /// The browser.
    pub chromium: PathBuf,
    /// The program that drives it.
    pub chromedriver: PathBuf,
    /// What the browser says it is.
    pub version: Version,
}

/// Why a server was not found.
#[derive(Debug, thiserror::Error)]
pub enum FindError {
    /// No place had one that is new enough.
    #[error("no {server} {oldest} or later on this machine")]
    Missing {
        /// The server that was looked for.
        server: &'static str,
        /// The oldest version that would do.
        oldest: Version,
    },
    /// The user named a place, and what is there does not do.
    #[error("{variable} names {}, which is no {server} {oldest} or later", place.display())]
    NamedOneDoesNotDo {
        /// The environment variable that names the place.
        variable: &'static str,
        /// What it says.
        place: PathBuf,
        /// The server that was looked for.
        server: &'static str,
        /// The oldest version that would do.
        oldest: Version,
    },
}

/// The places to look at.
#[derive(Clone, Debug)]
pub struct Search {
    nats_named: Option<PathBuf>,
    postgres_named: Option<PathBuf>,
    chromium_named: Option<PathBuf>,
    chromedriver_named: Option<PathBuf>,
    path: OsString,
    private: PrivateFolder,
}

impl Search {
    /// The places that this process's environment and the checkout at `root` name.
    #[must_use]
    pub fn from_env(root: &Path) -> Self {
        Self {
            nats_named: std::env::var_os(NATS_VARIABLE).map(PathBuf::from),
            postgres_named: std::env::var_os(POSTGRES_VARIABLE).map(PathBuf::from),
            chromium_named: std::env::var_os(CHROMIUM_VARIABLE).map(PathBuf::from),
            chromedriver_named: std::env::var_os(CHROMEDRIVER_VARIABLE).map(PathBuf::from),
            path: std::env::var_os("PATH").unwrap_or_default(),
            private: PrivateFolder::of_checkout(root),
        }
    }

    /// The private folder this search looks into last.
    #[must_use]
    pub fn private_folder(&self) -> &PrivateFolder {
        &self.private
    }

    /// The first nats-server that is new enough: as named, on the path, or installed by us.
    ///
    /// # Errors
    /// None was found, or the named one does not do.
    pub fn nats_server(&self) -> Result<NatsServer, FindError> {
        if let Some(program) = &self.nats_named {
            return nats_at(program).ok_or_else(|| FindError::NamedOneDoesNotDo {
                variable: NATS_VARIABLE,
                place: program.clone(),
                server: "nats-server",
                oldest: OLDEST_NATS,
            });
        }
        std::env::split_paths(&self.path)
            .chain([self.private.venv().join("bin")])
            .find_map(|folder| nats_at(&folder.join("nats-server")))
            .ok_or(FindError::Missing { server: "nats-server", oldest: OLDEST_NATS })
    }

    /// The first Postgres that is new enough and complete: as named, on the path, where packages put it,
    /// or installed by us.
    ///
    /// # Errors
    /// None was found, or the named one does not do.
    pub fn postgres(&self) -> Result<Postgres, FindError> {
        if let Some(bin_dir) = &self.postgres_named {
            return postgres_at(bin_dir).ok_or_else(|| FindError::NamedOneDoesNotDo {
                variable: POSTGRES_VARIABLE,
                place: bin_dir.clone(),
                server: "Postgres",
                oldest: OLDEST_POSTGRES,
            });
        }
        std::env::split_paths(&self.path)
            .flat_map(behind_links)
            .chain(packaged())
            .chain(self.private.postgres_bins())
            .find_map(|bin_dir| postgres_at(&bin_dir))
            .ok_or(FindError::Missing { server: "Postgres", oldest: OLDEST_POSTGRES })
    }

    /// The first Chromium that is new enough, as named or where machines have it, with a driver that fits it.
    ///
    /// # Errors
    /// None was found, or the named one does not do.
    pub fn browser(&self) -> Result<Browser, FindError> {
        let (chromium, version) = self.chromium()?;
        let fits = |driver: &Path| version_of(driver).is_some_and(|found| found.major() == version.major());
        if let Some(driver) = &self.chromedriver_named {
            let refused = || FindError::NamedOneDoesNotDo {
                variable: CHROMEDRIVER_VARIABLE,
                place: driver.clone(),
                server: "chromedriver",
                oldest: version,
            };
            return fits(driver)
                .then(|| Browser { chromium, chromedriver: driver.clone(), version })
                .ok_or_else(refused);
        }
        std::env::split_paths(&self.path)
            .map(|folder| folder.join("chromedriver"))
            .find(|driver| fits(driver))
            .map(|chromedriver| Browser { chromium, chromedriver, version })
            .ok_or(FindError::Missing { server: "chromedriver", oldest: version })
    }

    fn chromium(&self) -> Result<(PathBuf, Version), FindError> {
        let new_enough = |program: PathBuf| {
            let version = version_of(&program).filter(|version| *version >= OLDEST_CHROMIUM)?;
            Some((program, version))
        };
        if let Some(program) = &self.chromium_named {
            return new_enough(program.clone()).ok_or_else(|| FindError::NamedOneDoesNotDo {
                variable: CHROMIUM_VARIABLE,
                place: program.clone(),
                server: "Chromium",
                oldest: OLDEST_CHROMIUM,
            });
        }
        std::env::split_paths(&self.path)
            .flat_map(|folder| CHROMIUM_NAMES.map(|name| folder.join(name)))
            .chain(CHROMIUM_APPS.map(PathBuf::from))
            .find_map(new_enough)
            .ok_or(FindError::Missing { server: "Chromium", oldest: OLDEST_CHROMIUM })
    }
}

/// A folder of the path, and the folder that its `postgres` really lies in: distributions put links to
/// some of the programs on the path, and the rest only beside the real one.
fn behind_links(folder: PathBuf) -> Vec<PathBuf> {
    let real = folder.join("postgres").canonicalize().ok().and_then(|program| program.parent().map(Path::to_owned));
    match real {
        Some(real) if real != folder => vec![real, folder],
        Some(_) => vec![folder],
        None => Vec::new(),
    }
}

/// Where Debian, Homebrew and the PostgreSQL packages for macOS put Postgres, newest first.
fn packaged() -> Vec<PathBuf> {
    let mut found = Vec::new();
    for (parent, prefix) in
        [("/usr/lib/postgresql", ""), ("/opt/homebrew/opt", "postgresql@"), ("/usr/local/opt", "postgresql@")]
    {
        let Ok(entries) = std::fs::read_dir(parent) else {
            continue;
        };
        let mut versions: Vec<(u32, PathBuf)> = entries
            .filter_map(Result::ok)
            .filter_map(|entry| {
                let name = entry.file_name().into_string().ok()?;
                let major = name.strip_prefix(prefix)?.parse().ok()?;
                Some((major, entry.path().join("bin")))
            })
            .collect();
        versions.sort_by_key(|(major, _)| std::cmp::Reverse(*major));
        found.extend(versions.into_iter().map(|(_, bin)| bin));
    }
    found
}

fn nats_at(program: &Path) -> Option<NatsServer> {
    let version = version_of(program).filter(|version| *version >= OLDEST_NATS)?;
    Some(NatsServer { program: program.to_owned(), version })
}

fn postgres_at(bin_dir: &Path) -> Option<Postgres> {
    let version = version_of(&bin_dir.join("postgres")).filter(|version| *version >= OLDEST_POSTGRES)?;
    version_of(&bin_dir.join("initdb")).filter(|initdb| *initdb == version)?;
    Some(Postgres { bin_dir: bin_dir.to_owned(), version })
}

fn version_of(program: &Path) -> Option<Version> {
    if !program.is_file() {
        return None;
    }
    let answer = Command::new(program).arg("--version").output().ok()?;
    if !answer.status.success() {
        return None;
    }
    Version::printed_in(&String::from_utf8_lossy(&answer.stdout)).ok()
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    /// A program that prints `says` when asked for its version.
    fn program(folder: &Path, name: &str, says: &str) {
        let path = folder.join(name);
        std::fs::write(&path, format!("#!/bin/sh\necho '{says}'\n")).unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    }

    fn search(path: &[&Path], private: &Path) -> Search {
        Search {
            nats_named: None,
            postgres_named: None,
            chromium_named: None,
            chromedriver_named: None,
            path: std::env::join_paths(path).unwrap(),
            private: PrivateFolder::of_checkout(private),
        }
    }

    #[test]
    fn a_nats_server_that_is_too_old_does_not_hide_a_newer_one() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(old.path(), "nats-server", "nats-server: v2.9.10");
        program(new.path(), "nats-server", "nats-server: v2.12.6");

        let found = search(&[old.path(), new.path()], old.path()).nats_server().unwrap();

        assert_eq!(found.program, new.path().join("nats-server"));
        assert_eq!(found.version, Version::new(2, 12, 6));
    }

    #[test]
    fn a_named_server_that_does_not_do_is_an_error_and_not_replaced() {
        let (named, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(named.path(), "nats-server", "nats-server: v2.10.0");
        program(other.path(), "nats-server", "nats-server: v2.15.1");

        let mut search = search(&[other.path()], other.path());
        search.nats_named = Some(named.path().join("nats-server"));

        let refused = search.nats_server().unwrap_err();
        assert!(matches!(refused, FindError::NamedOneDoesNotDo { .. }));
    }

    #[test]
    fn a_postgres_without_initdb_does_not_count() {
        let (lone, whole) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(lone.path(), "postgres", "postgres (PostgreSQL) 17.1");
        program(whole.path(), "postgres", "postgres (PostgreSQL) 15.2");
        program(whole.path(), "initdb", "initdb (PostgreSQL) 15.2");

        let found = search(&[lone.path(), whole.path()], lone.path()).postgres().unwrap();

        assert_eq!(found.version, Version::new(15, 2, 0));
    }

    #[test]
    fn a_driver_of_another_browser_does_not_count() {
        let (old, new) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(old.path(), "chromium", "Chromium 156.0.8078.108 built on Debian");
        program(old.path(), "chromedriver", "ChromeDriver 131.0.1 (abc)");
        program(new.path(), "chromedriver", "ChromeDriver 156.0.8078.1 (abc)");

        let found = search(&[old.path(), new.path()], old.path()).browser().unwrap();
        assert_eq!(found.chromium, old.path().join("chromium"));
        assert_eq!(found.chromedriver, new.path().join("chromedriver"));

        let alone = search(&[old.path()], old.path()).browser().unwrap_err();
        assert!(matches!(alone, FindError::Missing { server: "chromedriver", .. }));
    }

    #[test]
    fn a_linked_postgres_is_found_with_its_neighbours() {
        let (links, real) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        program(real.path(), "postgres", "postgres (PostgreSQL) 16.3");
        program(real.path(), "initdb", "initdb (PostgreSQL) 16.3");
        std::os::unix::fs::symlink(real.path().join("postgres"), links.path().join("postgres")).unwrap();

        let found = search(&[links.path()], links.path()).postgres().unwrap();

        assert_eq!(found.bin_dir.canonicalize().unwrap(), real.path().canonicalize().unwrap());
    }
}
