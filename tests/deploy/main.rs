//! What is deployed holds together: seen without a cluster, by the tools that deploy it and read it.
//!
//! `cargo x deploy-check` brings the tools and runs this. A tool that is missing fails the test that needs it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod compose;
mod contracts;
mod manifests;
mod metrics;
mod mutual;
mod network;
mod rules;

use std::path::Path;
use std::process::Command;

use serde::Deserialize as _;
use serde_json::Value;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// One of the tools, in the checkout.
fn tool(name: &str) -> Command {
    let program = servers::PrivateFolder::of_checkout(root()).path().join("deploy/bin").join(name);
    assert!(program.exists(), "{name} is missing: cargo x deploy-check brings it");
    let mut command = Command::new(program);
    command.current_dir(root());
    command
}

/// What a tool prints when it is content.
fn output(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let said = |stream: &[u8]| String::from_utf8_lossy(stream).into_owned();
    assert!(output.status.success(), "{command:?}\n{}{}", said(&output.stdout), said(&output.stderr));
    said(&output.stdout)
}

/// The documents of a YAML file, with what anchors merge in.
fn documents(text: &str) -> Vec<Value> {
    let documents = yaml_serde::Deserializer::from_str(text).map(|document| {
        let mut document = yaml_serde::Value::deserialize(document).unwrap();
        // What is merged in may merge in more.
        while serde_json::to_string(&document).unwrap().contains(r#""<<":"#) {
            document.apply_merge().unwrap();
        }
        serde_json::to_value(document).unwrap()
    });
    documents.filter(|document| !document.is_null()).collect()
}

/// The texts of a list.
fn texts(list: &Value) -> Vec<&str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str).collect()
}

/// The items of a list; of what is no list, none.
fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The files below a folder whose names end so, in order.
fn files(folder: &str, end: &str) -> Vec<std::path::PathBuf> {
    fn walk(folder: &Path, end: &str, found: &mut Vec<std::path::PathBuf>) {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                walk(&path, end, found);
            } else if path.to_string_lossy().ends_with(end) {
                found.push(path);
            }
        }
    }
    let mut found = Vec::new();
    walk(&root().join(folder), end, &mut found);
    found.sort();
    assert!(!found.is_empty(), "{folder} holds no {end}");
    found
}
