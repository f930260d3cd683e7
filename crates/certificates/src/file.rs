//! Files that are replaced as a whole, read by their owner and its group only.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use crate::CertificateError;

/// The owner reads, and a server that runs as somebody else reads as a member of the owner's group.
pub const MODE: u32 = 0o440;

pub(crate) fn write(path: &Path, text: &str) -> Result<(), CertificateError> {
    replace(path, text).map_err(|source| CertificateError::File { path: path.to_owned(), source })
}

/// Replaces a file: a reader sees the old text or the new one, whole.
///
/// # Errors
/// When the folder can't be written to; the old text is still there.
pub fn replace(path: &Path, text: &str) -> io::Result<()> {
    let new = path.with_extension("new");
    // What a killed run left behind has a mode that forbids writing.
    match fs::remove_file(&new) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&new)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}
