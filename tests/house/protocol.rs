//! The table of docs/protocol.md, kept true: every rule has tests, and every test it names is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::root;

/// The rules that there are.
const RULES: std::ops::RangeInclusive<u32> = 1..=19;

/// Reads the rows "| 7 | what holds | `test` `test` |".
fn shown() -> BTreeMap<u32, BTreeSet<String>> {
    let text = std::fs::read_to_string(root().join("docs/protocol.md")).unwrap();
    let mut shown = BTreeMap::new();
    for row in text.lines() {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let Some(rule) = cells.get(1).and_then(|cell| cell.parse().ok()) else { continue };
        let tests = cells[3].split('`').skip(1).step_by(2).map(str::to_owned).collect();
        assert!(shown.insert(rule, tests).is_none(), "rule {rule} has two rows");
    }
    shown
}

/// Returns the names of all test functions below a folder: functions that follow an attribute ending in `test` or `test(…)`,
/// or that stand in a `proptest!` block.
fn tests_below(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            tests_below(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let text = std::fs::read_to_string(&path).unwrap();
            let mut is_test = false;
            for line in text.lines().map(str::trim) {
                if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
                    is_test = true;
                } else if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_test) {
                    found.extend(rest.split('(').next().map(str::to_owned));
                    is_test = false;
                }
            }
        }
    }
}

fn tests() -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for folder in ["crates", "tests"] {
        tests_below(&root().join(folder), &mut found);
    }
    found
}

/// The rule in a name such as `rule_07_a_job_moves_only_its_own_cursor`.
fn rule_of(test: &str) -> Option<u32> {
    test.strip_prefix("rule_")?.split('_').next()?.parse().ok()
}

#[test]
fn every_rule_of_the_protocol_has_tests_and_each_of_them_is_there() {
    let (shown, tests) = (shown(), tests());
    assert!(shown.keys().copied().eq(RULES), "docs/protocol.md has the rules {:?}", shown.keys());
    for (rule, named) in &shown {
        assert!(!named.is_empty(), "no test shows rule {rule}");
        let gone: Vec<_> = named.difference(&tests).collect();
        assert!(gone.is_empty(), "docs/protocol.md names tests of rule {rule} that are not there: {gone:?}");
    }
}

#[test]
fn every_test_of_a_rule_is_named_in_the_table() {
    let shown = shown();
    let forgotten: Vec<_> = tests()
        .into_iter()
        .filter(|test| rule_of(test).is_some_and(|rule| !shown.get(&rule).is_some_and(|named| named.contains(test))))
        .collect();
    assert!(forgotten.is_empty(), "add to docs/protocol.md: {forgotten:?}");
}
