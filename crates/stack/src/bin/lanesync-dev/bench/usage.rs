//! CPU time and peak memory of the services, as the kernel counts them.

use std::collections::BTreeMap;

use anyhow::Context as _;
use serde_json::{Value, json};
use stack::{ServiceName, Stack};

/// Clock ticks per second that `/proc` counts in; fixed at 100 on every Linux that we know.
const TICKS_PER_SECOND: f64 = 100.0;

/// What the services have used so far.
pub(crate) struct Snapshot(BTreeMap<ServiceName, (f64, f64)>);

impl Snapshot {
    /// Reads `/proc` for each service.
    pub(crate) fn take(stack: &Stack) -> anyhow::Result<Self> {
        let of = |name: ServiceName| -> anyhow::Result<_> {
            let pid = stack.service(name).pid();
            let read = |file: &str| {
                std::fs::read_to_string(format!("/proc/{pid}/{file}"))
                    .with_context(|| format!("reading /proc/{pid}/{file}; the benchmark runs on Linux only"))
            };
            let stat = read("stat")?;
            // The name in parentheses may hold spaces; user and system time stand 12 and 13 fields behind it.
            let fields: Vec<_> = stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
            let ticks = |index: usize| fields.get(index).and_then(|text| text.parse::<f64>().ok()).unwrap_or_default();
            let status = read("status")?;
            let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
            let peak_kb: f64 = peak.trim().trim_end_matches(" kB").parse().unwrap_or_default();
            Ok((name, ((ticks(11) + ticks(12)) / TICKS_PER_SECOND, peak_kb / 1024.0)))
        };
        Ok(Self(ServiceName::ALL.into_iter().map(of).collect::<anyhow::Result<_>>()?))
    }

    /// Microseconds of CPU per record since `before`, by service.
    pub(crate) fn cpu_us_since(&self, before: &Self, records: i64) -> Value {
        let per_record = self.0.iter().map(|(name, (seconds, _))| {
            let used = seconds - before.0.get(name).map_or(0.0, |(seconds, _)| *seconds);
            (name.short().to_owned(), json!((used * 1e7 / records.max(1) as f64).round() / 10.0))
        });
        Value::Object(per_record.collect())
    }

    /// Peak resident memory in MB, by service.
    pub(crate) fn rss_max_mb(&self) -> Value {
        Value::Object(self.0.iter().map(|(name, (_, mb))| (name.short().to_owned(), json!(mb.round()))).collect())
    }
}
