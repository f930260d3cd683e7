//! What an audit looked at and found, what is accepted of it, and whether both still hold.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use anyhow::{Context as _, bail};
use jiff::ToSpan as _;
use jiff::civil::Date;

/// How long a snapshot of the advisory database is good.
const GOOD_FOR_DAYS: i64 = 90;
/// The word under which an older snapshot is accepted.
const SNAPSHOT: &str = "snapshot";

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Package {
    pub(super) name: String,
    pub(super) version: String,
}

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Finding {
    pub(super) id: String,
    pub(super) package: Package,
}

/// One audit.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Record {
    /// Day of the database's newest commit.
    pub(super) snapshot: Date,
    pub(super) commit: String,
    pub(super) tool: String,
    pub(super) findings: BTreeSet<Finding>,
    pub(super) packages: BTreeSet<Package>,
}

/// The last day on which each finding is accepted, by its id.
#[derive(Debug)]
pub(super) struct Accepted(BTreeMap<String, Date>);

impl Record {
    /// What keeps `locked` from being released `today`.
    pub(super) fn problems(&self, accepted: &Accepted, locked: &BTreeSet<Package>, today: Date) -> Vec<String> {
        let audit = "have it audited: cargo x advisories CLONE";
        let unknown = locked.difference(&self.packages).map(|package| format!("{package} was never audited; {audit}"));
        let current: Vec<_> = self.findings.iter().filter(|finding| locked.contains(&finding.package)).collect();
        let open = current.iter().filter_map(|finding| {
            let why = accepted.refuses(&finding.id, today)?;
            Some(format!("{} in {}: {why}", finding.id, finding.package))
        });
        let good_until = self.snapshot.saturating_add(GOOD_FOR_DAYS.days());
        let old = (today > good_until).then(|| accepted.refuses(SNAPSHOT, today)).flatten();
        let old = old.map(|why| format!("the advisory database of {} is too old: {why}", self.snapshot));
        let needed = |id: &str| id == SNAPSHOT || current.iter().any(|finding| finding.id == id);
        let idle = accepted.0.keys().filter(|id| !needed(id)).map(|id| format!("{id} is accepted but not found"));
        unknown.chain(open).chain(old).chain(idle).collect()
    }
}

impl Accepted {
    fn refuses(&self, id: &str, today: Date) -> Option<String> {
        match self.0.get(id) {
            None => Some("not accepted".to_owned()),
            Some(until) if *until < today => Some(format!("accepted until {until} only")),
            Some(_) => None,
        }
    }
}

impl fmt::Display for Package {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}", self.name, self.version)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "# What was audited, with which advisory database, and what was found.")?;
        writeln!(out, "# Written by `cargo x advisories CLONE`; docs/releases.md says when and how.")?;
        writeln!(out, "tool {}", self.tool)?;
        writeln!(out, "{SNAPSHOT} {} {}", self.snapshot, self.commit)?;
        for Finding { id, package } in &self.findings {
            writeln!(out, "finding {id} {package}")?;
        }
        self.packages.iter().try_for_each(|package| writeln!(out, "package {package}"))
    }
}

impl FromStr for Record {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let (mut snapshot, mut tool) = (None, None);
        let (mut findings, mut packages) = (BTreeSet::new(), BTreeSet::new());
        let package = |name: &str, version: &str| Package { name: name.to_owned(), version: version.to_owned() };
        for line in lines(text) {
            match line.split(' ').collect::<Vec<_>>()[..] {
                ["tool", name, version] => tool = Some(format!("{name} {version}")),
                [SNAPSHOT, day, commit] => snapshot = Some((day.parse()?, commit.to_owned())),
                ["finding", id, name, version] => {
                    findings.insert(Finding { id: id.to_owned(), package: package(name, version) });
                }
                ["package", name, version] => {
                    packages.insert(package(name, version));
                }
                _ => bail!("can't read: {line}"),
            }
        }
        let (snapshot, commit) = snapshot.context("no snapshot is named")?;
        Ok(Self { snapshot, commit, tool: tool.context("no tool is named")?, findings, packages })
    }
}

impl FromStr for Accepted {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let read = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let (Some(id), Some(until), Some(_why)) = (words.next(), words.next(), words.next()) else {
                bail!("want an id, a day and a reason: {line}");
            };
            Ok((id.to_owned(), until.parse()?))
        };
        Ok(Self(lines(text).map(read).collect::<anyhow::Result<_>>()?))
    }
}

fn lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = "tool cargo-audit 0.22.2\nsnapshot 2026-08-21 bf5c\nfinding RUSTSEC-2023-0071 rsa 0.9.10\n\
                          package rsa 0.9.10\npackage serde 1.0.0\n";
    const ACCEPTED: &str = "# why\nRUSTSEC-2023-0071 2027-02-28 no fix\nsnapshot 2027-01-31 none newer\n";

    fn problems(accepted: &str, packages: &[(&str, &str)], today: &str) -> Vec<String> {
        let package = |(name, version): &(&str, &str)| Package { name: (*name).into(), version: (*version).into() };
        let locked = packages.iter().map(package).collect();
        let record: Record = RECORD.parse().unwrap();
        record.problems(&accepted.parse().unwrap(), &locked, today.parse().unwrap())
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let record: Record = RECORD.parse().unwrap();
        assert_eq!(record.to_string().parse::<Record>().unwrap(), record);
    }

    #[test]
    fn what_is_accepted_is_so_until_its_last_day() {
        let locked = [("rsa", "0.9.10")];
        assert_eq!(problems(ACCEPTED, &locked, "2027-01-31"), Vec::<String>::new());
        let old = "the advisory database of 2026-08-21 is too old: accepted until 2027-01-31 only";
        assert_eq!(problems(ACCEPTED, &locked, "2027-02-28"), [old]);
        let found = "RUSTSEC-2023-0071 in rsa 0.9.10: accepted until 2027-02-28 only";
        assert_eq!(problems(ACCEPTED, &locked, "2027-03-01"), [found, old]);
    }

    #[test]
    fn a_young_snapshot_needs_no_exception_and_a_finding_does() {
        assert_eq!(problems("", &[("rsa", "0.9.10")], "2026-11-19"), ["RUSTSEC-2023-0071 in rsa 0.9.10: not accepted"]);
    }

    #[test]
    fn a_version_that_nobody_audited_is_refused_and_an_idle_exception_too() {
        let said = problems(ACCEPTED, &[("serde", "1.0.1")], "2026-11-01");
        assert_eq!(
            said,
            [
                "serde 1.0.1 was never audited; have it audited: cargo x advisories CLONE",
                "RUSTSEC-2023-0071 is accepted but not found"
            ]
        );
    }

    #[test]
    fn an_exception_without_a_reason_is_refused() {
        assert!("RUSTSEC-2023-0071 2027-02-28".parse::<Accepted>().is_err());
    }
}
