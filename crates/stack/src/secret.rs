//! Passwords and keys of a stack: made at its start, known to nobody else, gone with its folder.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use anyhow::Context as _;
use rand::RngCore as _;

/// `bytes` random bytes.
pub(crate) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

/// 256 random bits in lower-case hexadecimal: safe in URLs, in SQL and in the configuration of NATS.
#[must_use]
pub fn random_hex() -> String {
    random_bytes::<32>().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Writes `text` to a file that only its owner may read, from the first byte on.
///
/// # Errors
/// The file can't be written.
pub fn write_private(path: &Path, text: &str) -> anyhow::Result<()> {
    let what = || format!("writing {}", path.display());
    // The mode only counts for a new file, so an old one goes first.
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(what);
        }
        _ => {}
    }
    OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(what)
}
