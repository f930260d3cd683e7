//! The base images: official ones where a registry answers, else stand-ins that are built here.

use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;

use super::engine::{Engine, output};
use super::{Arguments, say};

/// The programs that become images, as the Dockerfile names them.
const PROGRAMS: [&str; 8] = [
    "lanesync",
    "lanesync-auth",
    "lanesync-extractor",
    "lanesync-mapper",
    "lanesync-customer-writer",
    "lanesync-console",
    "lanesync-migrate",
    "salesforce-sim",
];
/// How long a registry may take to answer.
const PATIENCE: Duration = Duration::from_secs(30);

/// What compose is told of the images.
pub(super) struct Images {
    pub(super) kind: &'static str,
    pub(super) environment: BTreeMap<String, String>,
}

/// Chooses the base images and lays out the programs.
pub(super) async fn prepare(engine: &Engine, arguments: &Arguments) -> anyhow::Result<Images> {
    let mut environment = BTreeMap::new();
    let kind = if can_pull(engine).await {
        "official"
    } else {
        say("no registry answers: building stand-ins for the base images");
        stand_ins(engine, arguments.compile).await?;
        let rust = if arguments.compile { "rust:1.95.0-slim-trixie" } else { "debian:trixie" };
        for (name, image) in [
            ("POSTGRES", "postgres:17.11-trixie"),
            ("NATS", "nats:2.15.1-alpine"),
            ("RUNTIME", "runtime:nonroot"),
            ("RUST", rust),
        ] {
            environment.insert(format!("LANESYNC_{name}_IMAGE"), format!("lanesync-stand-in/{image}"));
        }
        "stand-ins"
    };
    let programs = if arguments.compile {
        environment.insert("LANESYNC_PROFILE".to_owned(), arguments.profile.clone());
        "compiled"
    } else {
        give_programs(&given(engine))?;
        "given"
    };
    environment.insert("LANESYNC_PROGRAMS".to_owned(), programs.to_owned());
    Ok(Images { kind, environment })
}

/// Where the Dockerfile takes given programs from.
pub(super) fn given(engine: &Engine) -> PathBuf {
    engine.root().join(".local/programs")
}

/// Whether the image of NATS, the smallest, can be had as docker-compose.yml pins it.
async fn can_pull(engine: &Engine) -> bool {
    let pull = async {
        let text = engine.docker(&["compose", "config", "--images", "nats"]).await.ok()?;
        let image = text.lines().find(|image| image.contains("nats:"))?;
        engine.docker(&["pull", "--quiet", image]).await.ok()
    };
    tokio::time::timeout(PATIENCE, pull).await.is_ok_and(|pulled| pulled.is_some())
}

async fn stand_ins(engine: &Engine, with_rust: bool) -> anyhow::Result<()> {
    let script = engine.root().join("tests/compose/stand-ins.sh");
    let nats = crate::search().nats_server()?.program;
    output(engine.command(&script).arg("servers").arg(nats)).await.context("building stand-ins")?;
    if with_rust {
        let toolchain = output(engine.command("rustc").args(["--print", "sysroot"])).await?;
        output(engine.command(&script).arg("rust").arg(toolchain)).await.context("building the stand-in of rust")?;
    }
    Ok(())
}

/// Lays out the programs of this build.
fn give_programs(folder: &Path) -> anyhow::Result<()> {
    let built = crate::programs()?;
    if folder.exists() {
        std::fs::remove_dir_all(folder).context("removing given programs of before")?;
    }
    for program in PROGRAMS {
        let own = folder.join(program);
        std::fs::create_dir_all(&own).with_context(|| format!("creating {}", own.display()))?;
        std::fs::copy(built.join(program), own.join(program)).with_context(|| format!("giving {program}"))?;
        symlink(program, own.join("entrypoint")).with_context(|| format!("giving {program}"))?;
    }
    Ok(())
}
