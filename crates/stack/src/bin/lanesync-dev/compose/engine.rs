//! Docker as this machine has it: one command at a time, its output kept.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rustix::process::Pid;
use serde_json::Value;
use tokio::process::Command;

/// How long a container may take until it is healthy again.
const PATIENCE: Duration = Duration::from_secs(120);

/// Whether there is an engine to check on.
pub(super) enum Found {
    Engine(Engine),
    Nothing { why: String },
}

/// A Docker engine with compose and buildx.
pub(super) struct Engine {
    version: String,
    /// Where the plugins lie, if docker itself has none.
    plugins: Option<PathBuf>,
    root: PathBuf,
}

impl Engine {
    /// Looks for an engine, and lends it plugins where it has none.
    pub(super) async fn find() -> anyhow::Result<Found> {
        let root =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().context("finding the checkout")?;
        let mut engine = Self { version: String::new(), plugins: None, root };
        match engine.docker(&["version", "--format", "{{.Server.Version}}"]).await {
            Ok(version) => engine.version = version,
            Err(error) => return Ok(Found::Nothing { why: format!("no Docker engine: {error:#}") }),
        }
        if engine.has_plugins().await {
            return Ok(Found::Engine(engine));
        }
        let folder = engine.root.join(".local/docker");
        engine.plugins = Some(folder.clone());
        if !engine.has_plugins().await {
            super::say("lending docker its compose and buildx plugins");
            let mut fetch = Command::new(engine.root.join("tests/compose/plugins.sh"));
            if let Err(error) = output(fetch.arg(&folder)).await {
                return Ok(Found::Nothing { why: format!("no docker compose: {error:#}") });
            }
        }
        Ok(Found::Engine(engine))
    }

    pub(super) fn version(&self) -> &str {
        &self.version
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    async fn has_plugins(&self) -> bool {
        let compose = self.docker(&["compose", "version", "--short"]).await;
        let second = compose.is_ok_and(|version| version.trim_start_matches('v').starts_with(['2', '3', '4', '5']));
        second && self.docker(&["buildx", "version"]).await.is_ok()
    }

    /// Removes the images of a project.
    async fn remove_images(&self, project: &str) -> anyhow::Result<()> {
        let reference = format!("reference={project}/*");
        let ids = self.docker(&["image", "ls", "--quiet", "--filter", &reference]).await?;
        if !ids.is_empty() {
            let remove: Vec<_> = ["image", "rm", "--force"].into_iter().chain(ids.lines()).collect();
            self.docker(&remove).await?;
        }
        Ok(())
    }

    /// Runs a docker command to its end and returns what it said.
    pub(super) async fn docker(&self, arguments: &[&str]) -> anyhow::Result<String> {
        output(self.command("docker").args(arguments)).await
    }

    /// A command in the checkout that finds the plugins.
    pub(super) fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.root).env("DOCKER_BUILDKIT", "1").kill_on_drop(true);
        if let Some(plugins) = &self.plugins {
            command.env("DOCKER_CONFIG", plugins);
        }
        command
    }
}

/// What this machine does not have and the check can't bring, told apart from what breaks.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Lacking(String);

/// Projects of this check; the id of its process follows.
const PROJECTS: &str = "lanesync-check-";
/// The exit code by which a script says that this machine lacks something (`EX_UNAVAILABLE`).
const LACKING: i32 = 69;

/// One compose project, with the settings of the demo and a name of its own.
pub(super) struct Compose<'a> {
    engine: &'a Engine,
    environment: BTreeMap<String, String>,
    is_mutual: bool,
    project: String,
}

impl<'a> Compose<'a> {
    pub(super) fn new(engine: &'a Engine, mut environment: BTreeMap<String, String>, is_mutual: bool) -> Self {
        // Its process tells whether a project is still somebody's: see `sweep`.
        let project = format!("{PROJECTS}{}", std::process::id());
        environment.insert("LANESYNC_IMAGES".to_owned(), project.clone());
        Self { engine, environment, is_mutual, project }
    }

    /// Removes what checks left behind that were killed.
    pub(super) async fn sweep(engine: &Engine) -> anyhow::Result<()> {
        let listed = engine.docker(&["compose", "ls", "--all", "--format", "json"]).await?;
        for name in abandoned(&listed)? {
            super::say(&format!("removing {name}, which a check that was killed left behind"));
            engine
                .docker(&["compose", "--project-name", &name, "down", "--volumes", "--remove-orphans", "-t", "1"])
                .await?;
            engine.remove_images(&name).await?;
        }
        Ok(())
    }

    /// Whether its gRPC links are sealed by mutual TLS.
    pub(super) const fn is_mutual(&self) -> bool {
        self.is_mutual
    }

    pub(super) fn engine(&self) -> &Engine {
        self.engine
    }

    /// Everything away: containers, networks, volumes, and images, of which no other check could use a layer.
    pub(super) async fn down(&self) -> anyhow::Result<()> {
        self.run(&["--profile", "*", "down", "--volumes", "--remove-orphans", "--timeout", "50"]).await?;
        self.engine.remove_images(&self.project).await
    }

    /// Runs a command of compose and returns what it said.
    pub(super) async fn run(&self, arguments: &[&str]) -> anyhow::Result<String> {
        let mut command = self.engine.command("docker");
        command.args(["compose", "--env-file", "deploy/compose/demo.env", "--project-name", &self.project]);
        if self.is_mutual {
            command.args(["--env-file", "deploy/compose/mtls.env"]);
        }
        output(command.args(arguments).envs(&self.environment)).await
    }

    /// `docker compose up --wait`, as a person types it.
    pub(super) async fn up(&self) -> anyhow::Result<()> {
        let up = self.run(&["up", "--wait", "--wait-timeout", "180", "--no-build"]).await;
        if up.is_err() {
            super::say(&self.last_words().await);
        }
        up.map(|_| ())
    }

    /// The file as compose understands it, with the services that `up` starts.
    pub(super) async fn config(&self) -> anyhow::Result<Value> {
        let text = self.run(&["config", "--format", "json"]).await?;
        serde_json::from_str(&text).context("reading what compose understood")
    }

    /// The id of a service's container.
    pub(super) async fn container(&self, service: &str) -> anyhow::Result<String> {
        let ids = self.run(&["ps", "--all", "--quiet", service]).await?;
        let id = ids.lines().next().with_context(|| format!("{service} has no container"))?;
        Ok(id.to_owned())
    }

    /// What the engine knows of a container.
    pub(super) async fn inspect(&self, container: &str) -> anyhow::Result<Value> {
        let text = self.engine.docker(&["inspect", container]).await?;
        let mut all: Vec<Value> = serde_json::from_str(&text).context("reading what the engine knows")?;
        all.pop().context("the engine knows nothing")
    }

    /// Waits until services are healthy.
    pub(super) async fn healthy(&self, services: &[&str]) -> anyhow::Result<()> {
        let deadline = Instant::now() + PATIENCE;
        for service in services {
            let container = self.container(service).await?;
            loop {
                let state = self.inspect(&container).await?["State"].take();
                if state["Running"] == true && state["Health"]["Status"] == "healthy" {
                    break;
                }
                ensure!(Instant::now() < deadline, "{service} is not healthy again: {}", state["Status"]);
                tokio::time::sleep(Duration::from_millis(250)).await;
            }
        }
        Ok(())
    }

    /// The ends of the logs, for a person who wants to know what went wrong.
    pub(super) async fn last_words(&self) -> String {
        self.run(&["logs", "--no-color", "--tail", "15"]).await.unwrap_or_default()
    }
}

/// The projects of checks whose process is gone.
fn abandoned(listed: &str) -> anyhow::Result<Vec<String>> {
    let projects: Vec<Value> = serde_json::from_str(listed).context("reading the list of projects")?;
    let names = projects.iter().filter_map(|project| project["Name"].as_str());
    let of_nobody = |name: &&str| {
        let process = name.strip_prefix(PROJECTS).and_then(|id| id.parse().ok()).and_then(Pid::from_raw);
        process.is_some_and(|process| rustix::process::test_kill_process(process).is_err())
    };
    Ok(names.filter(of_nobody).map(str::to_owned).collect())
}

/// Runs a command to its end; a failure is told by what it said.
pub(super) async fn output(command: &mut Command) -> anyhow::Result<String> {
    let program = command.as_std().get_program().display().to_string();
    let done = command.output().await.with_context(|| format!("starting {program}"))?;
    if !done.status.success() {
        let said = String::from_utf8_lossy(&done.stderr);
        let lines: Vec<_> = said.trim().lines().collect();
        let last = lines.len().saturating_sub(15);
        if done.status.code() == Some(LACKING) {
            return Err(Lacking(lines[last..].join("\n")).into());
        }
        bail!("{program} failed ({}): {}", done.status, lines[last..].join("\n"));
    }
    Ok(String::from_utf8_lossy(&done.stdout).trim().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_checks_whose_process_is_gone_are_abandoned() {
        let own = std::process::id();
        // No process has the highest id that there can be.
        let listed = format!(
            r#"[{{"Name":"lanesync"}},{{"Name":"{PROJECTS}{own}"}},{{"Name":"{PROJECTS}{}"}},{{"Name":"{PROJECTS}x"}}]"#,
            i32::MAX
        );
        assert_eq!(abandoned(&listed).unwrap(), [format!("{PROJECTS}{}", i32::MAX)]);
    }

    #[tokio::test]
    async fn what_a_machine_lacks_is_told_apart_from_what_breaks() {
        let exit = async |code: &str| output(Command::new("sh").args(["-c", code])).await.unwrap_err();
        assert!(exit("echo 'missing debootstrap' >&2; exit 69").await.is::<Lacking>());
        assert!(!exit("exit 1").await.is::<Lacking>());
    }
}
