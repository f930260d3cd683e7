//! The Dockerfile and the protocol buffers.

use crate::{output, tool};

#[test]
fn hadolint_finds_nothing_in_the_dockerfile() {
    output(tool("hadolint").arg("Dockerfile"));
}

#[test]
fn buf_finds_nothing_in_the_contracts() {
    let listed = output(tool("buf").args(["ls-files", "proto"]));
    assert!(listed.contains("writer.proto"), "{listed}");
    output(tool("buf").args(["lint", "proto"]));
}

#[test]
fn the_contracts_are_formatted() {
    output(tool("buf").args(["format", "--diff", "--exit-code", "proto"]));
}
