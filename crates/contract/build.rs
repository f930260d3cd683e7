//! Generates the messages from `proto/` at build time, without protoc.

use std::path::PathBuf;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let root = PathBuf::from("../../proto");
    println!("cargo:rerun-if-changed={}", root.display());
    let files = [
        "lanesync/common/v1/common.proto",
        "lanesync/event/v1/event.proto",
        "lanesync/status/v1/status.proto",
        "lanesync/admin/v1/workspace_state.proto",
        "lanesync/auth/v1/auth.proto",
        "lanesync/extractor/v1/extractor.proto",
        "lanesync/mapper/v1/mapper.proto",
        "lanesync/writer/v1/writer.proto",
    ];
    let descriptors = protox::compile(files, [&root])?;
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("descriptor.bin"), prost::Message::encode_to_vec(&descriptors))?;
    // An access token must never be printed, so its Debug is written by hand in `secret.rs`.
    tonic_prost_build::configure().skip_debug(["lanesync.auth.v1.AccessToken"]).compile_fds(descriptors)?;
    Ok(())
}
