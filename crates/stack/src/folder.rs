//! The private folder of one stack.

use std::fs::{DirBuilder, File, Metadata};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

const PREFIX: &str = "lanesync-";
const LOCK: &str = "owner.lock";
/// A folder this young may belong to somebody who is about to lock it.
const SETTLED: Duration = Duration::from_secs(60);

/// A folder for logs, data and secrets; it is removed when this value is dropped.
///
/// Its owner holds a lock on it. A folder whose owner was killed is unlocked, and the next owner of a folder
/// removes it.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    _lock: File,
}

impl Folder {
    /// A new folder for `purpose`, which becomes part of its name.
    ///
    /// # Errors
    /// The place for temporary files can't be written.
    pub fn new(purpose: &str) -> anyhow::Result<Self> {
        let parent = temporary();
        sweep(&parent);
        let path = parent.join(format!("{PREFIX}{purpose}-{:08x}", rand::random::<u32>()));
        // Postgres runs as another user below root's folder: it may pass through, but not look around.
        let mode = if rustix::process::getuid().is_root() { 0o711 } else { 0o700 };
        DirBuilder::new().mode(mode).create(&path).with_context(|| format!("creating {}", path.display()))?;
        let lock = File::create(path.join(LOCK)).context("creating the lock of a folder")?;
        lock.lock().context("locking a folder")?;
        Ok(Self { path, _lock: lock })
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// A folder inside that only this user may enter.
    ///
    /// # Errors
    /// It can't be created.
    pub fn private(&self, name: &str) -> anyhow::Result<PathBuf> {
        let path = self.path.join(name);
        if !path.is_dir() {
            DirBuilder::new().mode(0o700).create(&path).with_context(|| format!("creating {}", path.display()))?;
        }
        Ok(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // A file that can't be removed is left to the next sweep.
        std::fs::remove_dir_all(&self.path).ok();
    }
}

/// The place for temporary files, if other users may pass through it or if that doesn't matter.
fn temporary() -> PathBuf {
    let named = std::env::temp_dir();
    if rustix::process::getuid().is_root() && !servers::open_to_others(&named) {
        return PathBuf::from("/tmp");
    }
    named
}

/// Removes the folders whose owners were killed.
fn sweep(parent: &Path) {
    let Ok(entries) = std::fs::read_dir(parent) else {
        return;
    };
    for entry in entries.filter_map(Result::ok) {
        if entry.file_name().to_string_lossy().starts_with(PREFIX) && is_left_over(&entry.path()) {
            std::fs::remove_dir_all(entry.path()).ok();
        }
    }
}

fn is_left_over(path: &Path) -> bool {
    let is_ours = |found: &Metadata| found.is_dir() && found.uid() == rustix::process::getuid().as_raw();
    if !path.symlink_metadata().is_ok_and(|found| is_ours(&found)) {
        return false;
    }
    let Ok(lock) = File::open(path.join(LOCK)) else {
        return false;
    };
    let age = lock.metadata().and_then(|found| found.modified()).ok().and_then(|modified| modified.elapsed().ok());
    age.is_some_and(|age| age > SETTLED) && lock.try_lock().is_ok()
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;

    /// Makes a folder look as old as one that a killed owner left an hour ago.
    fn age(path: &Path) {
        let hour_ago = SystemTime::now() - Duration::from_secs(3600);
        let lock = File::options().write(true).open(path.join(LOCK)).unwrap();
        lock.set_modified(hour_ago).unwrap();
    }

    #[test]
    fn a_folder_goes_with_its_owner() {
        let folder = Folder::new("test").unwrap();
        let path = folder.path().to_owned();
        std::fs::write(path.join("log"), "text").unwrap();

        drop(folder);

        assert!(!path.exists());
    }

    #[test]
    fn an_old_folder_is_swept_only_when_its_owner_is_gone() {
        let parent = tempfile::tempdir().unwrap();
        let owned = parent.path().join("lanesync-owned");
        let left = parent.path().join("lanesync-left");
        let foreign = parent.path().join("somebody-else");
        for path in [&owned, &left, &foreign] {
            std::fs::create_dir(path).unwrap();
            File::create(path.join(LOCK)).unwrap();
            age(path);
        }
        let owner = File::open(owned.join(LOCK)).unwrap();
        owner.lock().unwrap();

        sweep(parent.path());

        assert!(owned.exists());
        assert!(!left.exists());
        assert!(foreign.exists());
    }
}
