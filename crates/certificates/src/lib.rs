//! The authority of one installation: issues each identity its certificate, for compose, the demo and tests.
//!
//! A cluster has an authority already; there the certificates look the same and come from it. The names of the files are
//! those that Kubernetes gives them.

pub mod file;

use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use contract::access::Identity;
use rcgen::string::Ia5String;
use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, SanType,
};

/// The file with a certificate.
pub const CERTIFICATE: &str = "tls.crt";
/// The file with its private key.
pub const KEY: &str = "tls.key";
/// The file with the authority's own certificate.
pub const AUTHORITY: &str = "ca.crt";

/// How far clocks may be apart.
const GRACE: Duration = Duration::from_secs(300);
/// How long the authority itself is trusted; it is made again with every run, of the same key.
const AUTHORITY_LIFE: Duration = Duration::from_secs(10 * 365 * 86_400);

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub enum CertificateError {
    /// A name or a key is none; only other input helps.
    #[error("making a certificate")]
    Make(#[from] rcgen::Error),
    /// A file can't be read or written; running again goes on from there.
    #[error("keeping {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: std::io::Error,
    },
}

/// Whom a certificate is for.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The URIs that name its identity: one, for it to count.
    pub uris: Vec<String>,
    /// The host names and IP addresses under which its server is reached.
    pub names: Vec<String>,
    /// How long it holds.
    pub life: Duration,
}

impl Subject {
    /// An identity that is reached under `names`.
    #[must_use]
    pub fn new(identity: Identity, names: &[&str], life: Duration) -> Self {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        Self { uris: vec![identity.uri().to_owned()], names, life }
    }
}

/// A certificate with its key, and the authority that vouches for it; all in PEM.
pub struct Issued {
    certificate: String,
    key: String,
    authority: String,
}

impl Issued {
    /// Lays the three files into a folder, each as a whole: a reader sees an old one or a new one.
    ///
    /// # Errors
    /// One can't be written; the others may be.
    pub fn write(&self, folder: &Path) -> Result<(), CertificateError> {
        file::write(&folder.join(AUTHORITY), &self.authority)?;
        file::write(&folder.join(KEY), &self.key)?;
        // Last: whoever sees it has all.
        file::write(&folder.join(CERTIFICATE), &self.certificate)
    }
}

/// Vouches for identities.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
}

impl std::fmt::Debug for Authority {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Authority")
    }
}

impl Authority {
    /// Makes an authority with a new key, which is kept nowhere.
    ///
    /// # Errors
    /// Never with a working source of random numbers.
    pub fn new() -> Result<Self, CertificateError> {
        Self::of(KeyPair::generate()?)
    }

    /// Takes the key in a file; where there is none, makes one and keeps it there.
    ///
    /// # Errors
    /// The file can't be read or written, or holds no key.
    pub fn kept_in(path: &Path) -> Result<Self, CertificateError> {
        match std::fs::read_to_string(path) {
            Ok(text) => Self::of(KeyPair::from_pem(&text)?),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let key = KeyPair::generate()?;
                file::write(path, &key.serialize_pem())?;
                Self::of(key)
            }
            Err(source) => Err(CertificateError::File { path: path.to_owned(), source }),
        }
    }

    fn of(key: KeyPair) -> Result<Self, CertificateError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "lanesync authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        hold(&mut params, AUTHORITY_LIFE);
        Ok(Self { issuer: CertifiedIssuer::self_signed(params, key)? })
    }

    /// Issues a certificate with a new key.
    ///
    /// # Errors
    /// A name is none.
    pub fn issue(&self, subject: &Subject) -> Result<Issued, CertificateError> {
        let mut params = CertificateParams::new(subject.names.clone())?;
        for uri in &subject.uris {
            params.subject_alt_names.push(SanType::URI(Ia5String::try_from(uri.as_str())?));
        }
        params.distinguished_name.push(DnType::CommonName, "lanesync");
        params.use_authority_key_identifier_extension = true;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        if !subject.names.is_empty() {
            params.extended_key_usages.push(ExtendedKeyUsagePurpose::ServerAuth);
        }
        hold(&mut params, subject.life);
        let key = KeyPair::generate()?;
        let certificate = params.signed_by(&key, &self.issuer)?;
        Ok(Issued { certificate: certificate.pem(), key: key.serialize_pem(), authority: self.issuer.pem() })
    }
}

/// Makes a certificate hold from a moment ago for `life`.
fn hold(params: &mut CertificateParams, life: Duration) {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(GRACE);
    params.not_after = epoch + now + life;
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    const DAY: Duration = Duration::from_secs(86_400);

    #[test]
    fn an_authority_stays_the_same_over_runs_and_another_is_another() {
        let folder = tempfile::tempdir().unwrap();
        let kept = folder.path().join("authority.key");
        let key = |authority: &Authority| authority.issuer.key().serialize_pem();

        let first = Authority::kept_in(&kept).unwrap();
        let again = Authority::kept_in(&kept).unwrap();

        assert_eq!(key(&first), key(&again));
        assert_ne!(key(&first), key(&Authority::new().unwrap()));
        let mode = std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o440);
    }

    #[test]
    fn what_is_issued_is_laid_down_in_three_files_and_replaced_as_a_whole() {
        let folder = tempfile::tempdir().unwrap();
        let authority = Authority::new().unwrap();
        let subject = Subject::new(Identity::Auth, &["auth", "127.0.0.1"], DAY);

        let read = |name: &str| std::fs::read_to_string(folder.path().join(name)).unwrap();
        authority.issue(&subject).unwrap().write(folder.path()).unwrap();
        let first = (read(CERTIFICATE), read(KEY), read(AUTHORITY));
        authority.issue(&subject).unwrap().write(folder.path()).unwrap();

        assert!(first.0.contains("BEGIN CERTIFICATE") && first.1.contains("PRIVATE KEY"));
        assert_ne!((read(CERTIFICATE), read(KEY)), (first.0, first.1));
        assert_eq!(read(AUTHORITY), first.2);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 3);
    }
}
