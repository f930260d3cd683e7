//! A client that nobody here wrote: python's `simple-salesforce`.

use std::path::{Path, PathBuf};
use std::process::{Command as Process, Output};

use salesforce_sim::{Config, Seed, Simulator};

const VERSION: &str = "1.12.6";

/// The target folder, found from the test binary in `target/<profile>/deps/`.
fn target_folder() -> PathBuf {
    let binary = std::env::current_exe().unwrap();
    binary.ancestors().nth(3).expect("target/<profile>/deps/<test>").to_owned()
}

fn run(command: &mut Process, what: &str) -> Output {
    let output = command.output().unwrap_or_else(|error| {
        panic!("{what}: {error}. Install python3 with its venv module (Debian: apt install python3 python3-venv).")
    });
    assert!(
        output.status.success(),
        "{what} failed. Install python3 with venv and pip (Debian: apt install python3 python3-venv) and allow access to PyPI.\n{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    output
}

/// A virtual environment with the client in it; made once, then reused.
fn python() -> PathBuf {
    let folder = target_folder().join(format!("simple-salesforce-{VERSION}"));
    let python = folder.join("bin/python");
    let installed = |python: &Path| {
        let check =
            format!("import importlib.metadata as m, sys; sys.exit(m.version('simple-salesforce') != '{VERSION}')");
        Process::new(python).args(["-c", &check]).output().is_ok_and(|output| output.status.success())
    };
    if !installed(&python) {
        run(Process::new("python3").args(["-m", "venv"]).arg(&folder), "making a python environment");
        run(
            Process::new(&python).args([
                "-m",
                "pip",
                "install",
                "--quiet",
                "--disable-pip-version-check",
                &format!("simple-salesforce=={VERSION}"),
            ]),
            "installing simple-salesforce",
        );
    }
    python
}

#[test]
fn simple_salesforce_logs_in_queries_describes_follows_changes_and_runs_bulk() {
    let python = python();
    let config = Config {
        seed: Some(Seed { accounts: 2_345, contacts: 3_000, leads: 100, nasty: true, ..Seed::default() }),
        ..Config::default()
    };
    let (org, app) = (config.orgs[0].clone(), config.apps[0].clone());
    let sim = Simulator::start(config);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/simple_salesforce_client.py");
    let output = run(
        Process::new(python)
            .arg(script)
            .env("SIM_URL", sim.url())
            .env("SIM_USERNAME", &org.username)
            .env("SIM_PASSWORD", &org.password)
            .env("SIM_SECURITY_TOKEN", &org.security_token)
            .env("SIM_CLIENT_ID", &app.client_id)
            .env("SIM_CLIENT_SECRET", &app.client_secret),
        "the simple-salesforce script",
    );
    let said = String::from_utf8_lossy(&output.stdout);
    for step in [
        "soap login",
        "password login",
        "client credentials",
        "query",
        "query_all",
        "query_all_iter",
        "describe",
        "crud",
        "updated",
        "deleted",
        "bulk2",
        "errors",
    ] {
        assert!(said.lines().any(|line| line == format!("ok {step}")), "{step}\n{said}");
    }
}
