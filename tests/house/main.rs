//! The plan of the house, kept true: the table in ARCHITECTURE.md is compared with what the crates really import.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod migrations;
mod pii;
mod protocol;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{DependencyKind, MetadataCommand};

type Imports = BTreeMap<String, BTreeSet<String>>;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Reads the rows "| `room` | what for | `may` `import` | talks to |" of the table under the heading of the rooms.
fn planned() -> Imports {
    let text = std::fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let table = text.split("## The rooms").nth(1).expect("ARCHITECTURE.md has a heading 'The rooms'");
    let table = table.split("\n## ").next().unwrap();
    let names = |cell: &str| cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<BTreeSet<_>>();
    let mut plan = Imports::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').collect();
        for room in names(cells[1]) {
            plan.insert(room, names(cells[3]));
        }
    }
    plan
}

/// Returns what every crate of ours imports of ours, by the kinds of dependency asked for.
fn real(kinds: &[DependencyKind]) -> Imports {
    let metadata = MetadataCommand::new().manifest_path(root().join("Cargo.toml")).no_deps().exec().unwrap();
    let ours: BTreeSet<_> = metadata.packages.iter().map(|package| package.name.to_string()).collect();
    let imports = metadata.packages.iter().map(|package| {
        let of_ours = package.dependencies.iter().filter(|dep| kinds.contains(&dep.kind) && ours.contains(&dep.name));
        (package.name.to_string(), of_ours.map(|dep| dep.name.clone()).collect())
    });
    imports.collect()
}

#[test]
fn every_crate_imports_only_what_the_plan_allows() {
    let plan = planned();
    for (room, imports) in real(&[DependencyKind::Normal, DependencyKind::Build]) {
        let allowed = plan.get(&room).unwrap_or_else(|| panic!("{room} is not in the table of ARCHITECTURE.md"));
        let forbidden: Vec<_> = imports.difference(allowed).collect();
        assert!(forbidden.is_empty(), "{room} imports {forbidden:?}, which the plan does not allow");
    }
}

#[test]
fn the_plan_names_no_room_that_is_not_there_and_no_import_that_nobody_needs() {
    let real = real(&[DependencyKind::Normal, DependencyKind::Build]);
    for (room, allowed) in planned() {
        let imports = real.get(&room).unwrap_or_else(|| panic!("the plan has a room {room}, the workspace does not"));
        let unused: Vec<_> = allowed.difference(imports).collect();
        assert!(unused.is_empty(), "the plan lets {room} import {unused:?}, but it does not");
    }
}

#[test]
fn services_meet_in_contract_and_never_import_each_other() {
    let services = ["auth", "extractor", "mapper", "customer-writer"];
    for (room, imports) in real(&[DependencyKind::Normal, DependencyKind::Build, DependencyKind::Development]) {
        let imported: Vec<_> = services.into_iter().filter(|service| imports.contains(*service)).collect();
        assert!(imported.is_empty(), "{room} imports the services {imported:?}");
    }
}

#[test]
fn test_rooms_never_reach_the_product() {
    for (room, imports) in real(&[DependencyKind::Normal, DependencyKind::Build]) {
        let is_product = !["testkit", "tests", "stack"].contains(&room.as_str());
        let leaks: Vec<_> =
            ["testkit", "stack", "salesforce-sim"].into_iter().filter(|test| imports.contains(*test)).collect();
        assert!(!is_product || leaks.is_empty(), "{room} imports {leaks:?}, which are for tests only");
    }
}
