//! The certificates of an installation in containers: each in the volume of its one holder, renewed while they hold.

use std::path::Path;
use std::time::{Duration, SystemTime};

use certificates::{Authority, CERTIFICATE, CertificateError, Subject};
use contract::access::Identity;

/// How long a certificate holds.
const LIFE: Duration = Duration::from_secs(86_400);
/// The folder that the authority's key never leaves.
const AUTHORITY: &str = "authority/authority.key";

/// Issues every identity a certificate, in the place of the one it has; the authority stays the same.
///
/// A server is reached under the name of its component, and on this machine through a published port.
///
/// # Errors
/// A file can't be read or written; running again goes on from there.
pub fn issue(root: &Path) -> Result<(), CertificateError> {
    let authority = Authority::kept_in(&root.join(AUTHORITY))?;
    for identity in Identity::ALL {
        let names = [identity.name(), "localhost", "127.0.0.1"];
        let names = if is_called(identity) { &names[..] } else { &[] };
        authority.issue(&Subject::new(identity, names, LIFE))?.write(&root.join(identity.name()))?;
    }
    Ok(())
}

/// Whether every identity has a certificate that still holds.
#[must_use]
pub fn hold(root: &Path) -> bool {
    let now = SystemTime::now();
    Identity::ALL.into_iter().all(|identity| {
        let file = root.join(identity.name()).join(CERTIFICATE);
        let written = std::fs::metadata(file).and_then(|found| found.modified());
        written.is_ok_and(|written| now.duration_since(written).unwrap_or_default() < LIFE)
    })
}

/// Whether it has a server.
const fn is_called(identity: Identity) -> bool {
    matches!(identity, Identity::Auth | Identity::Extractor | Identity::Mapper | Identity::Writer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_identity_is_given_its_own_and_the_authority_stays() {
        let root = tempfile::tempdir().unwrap();
        for name in Identity::ALL.map(Identity::name).into_iter().chain(["authority"]) {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        assert!(!hold(root.path()));
        issue(root.path()).unwrap();
        assert!(hold(root.path()));
        let read = |identity: Identity, name: &str| {
            std::fs::read_to_string(root.path().join(identity.name()).join(name)).unwrap()
        };
        let before = read(Identity::Mapper, CERTIFICATE);
        assert_ne!(before, read(Identity::Auth, CERTIFICATE));

        let kept = std::fs::read_to_string(root.path().join(AUTHORITY)).unwrap();
        issue(root.path()).unwrap();
        assert_ne!(read(Identity::Mapper, CERTIFICATE), before);
        assert_eq!(std::fs::read_to_string(root.path().join(AUTHORITY)).unwrap(), kept);
    }
}
