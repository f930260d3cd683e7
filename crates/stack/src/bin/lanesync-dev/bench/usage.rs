//! CPU time and peak memory, as the kernel counts them: of the services, and of the servers that work for them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Value, json};
use stack::{ServiceName, Simulator, Stack};

/// Clock ticks per second that `/proc` counts in; fixed at 100 on every Linux that we know.
const TICKS_PER_SECOND: f64 = 100.0;

/// What everybody has used so far.
pub(crate) struct Snapshot {
    cpu_seconds: BTreeMap<String, f64>,
    rss_max_mb: BTreeMap<String, f64>,
}

/// One process, as `/proc` shows it.
struct Process {
    parent: u32,
    seconds: f64,
    command: String,
}

impl Process {
    fn read(pid: u32) -> anyhow::Result<Self> {
        let read = |file: &str| {
            std::fs::read_to_string(format!("/proc/{pid}/{file}"))
                .with_context(|| format!("reading /proc/{pid}/{file}; the benchmark runs on Linux only"))
        };
        let stat = read("stat")?;
        // The name in parentheses may hold spaces; the parent stands one field behind it, user and system time 11 and 12.
        let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
        let parent = fields.get(1).and_then(|text| text.parse().ok()).unwrap_or_default();
        let seconds = (number(11) + number(12)) / TICKS_PER_SECOND;
        Ok(Self { parent, seconds, command: read("cmdline")?.replace('\0', " ") })
    }
}

impl Snapshot {
    /// Reads `/proc`.
    pub(crate) fn take(stack: &Stack, simulator: &Simulator) -> anyhow::Result<Self> {
        let (mut cpu_seconds, mut rss_max_mb) = (BTreeMap::new(), BTreeMap::new());
        for name in ServiceName::ALL {
            let pid = stack.service(name).pid();
            cpu_seconds.insert(name.short().to_owned(), Process::read(pid)?.seconds);
            rss_max_mb.insert(name.short().to_owned(), peak_mb(pid)?);
        }
        cpu_seconds.insert("simulator".to_owned(), Process::read(simulator.pid())?.seconds);
        if let Some(pid) = stack.nats_pid() {
            cpu_seconds.insert("nats".to_owned(), Process::read(pid)?.seconds);
        }
        if let Some(pid) = stack.postgres_pid() {
            for (name, seconds) in backends_of(pid)? {
                *cpu_seconds.entry(name).or_default() += seconds;
            }
        }
        Ok(Self { cpu_seconds, rss_max_mb })
    }

    /// Microseconds of CPU per record since `before`, by process.
    pub(crate) fn cpu_us_since(&self, before: &Self, records: i64) -> Value {
        let per_record = self.cpu_seconds.iter().map(|(name, seconds)| {
            let used = seconds - before.cpu_seconds.get(name).copied().unwrap_or_default();
            (name.clone(), json!((used * 1e7 / records.max(1) as f64).round() / 10.0))
        });
        Value::Object(per_record.collect())
    }

    /// Peak resident memory in MB, by service.
    pub(crate) fn rss_max_mb(&self) -> Value {
        Value::Object(self.rss_max_mb.iter().map(|(name, mb)| (name.clone(), json!(mb.round()))).collect())
    }
}

fn peak_mb(pid: u32) -> anyhow::Result<f64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).context("reading the memory of a service")?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
    let peak_kb: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap_or_default();
    Ok(peak_kb / 1024.0)
}

/// Returns what the processes of a Postgres server used, by the role that they work for.
fn backends_of(server: u32) -> anyhow::Result<BTreeMap<String, f64>> {
    let mut used = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").context("listing processes")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process that ended since the listing used what we no longer see.
        let Ok(process) = Process::read(pid) else { continue };
        if process.parent == server {
            let role = process.command.split_whitespace().find_map(|word| word.strip_prefix("lanesync_"));
            *used.entry(format!("postgres_{}", role.unwrap_or("itself"))).or_default() += process.seconds;
        }
    }
    Ok(used)
}
