//! The certificates of a stack whose gRPC links are sealed: one authority, and a folder for each identity.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use certificates::{AUTHORITY, Authority, CERTIFICATE, KEY, Subject};
use contract::access::Identity;
use service::config::Tls;
use service::credentials::Credentials;

/// Where every service of a stack is reached.
const NAMES: [&str; 2] = ["127.0.0.1", "localhost"];
/// How long a certificate holds.
const LIFE: Duration = Duration::from_secs(86_400);

/// Every identity's certificate, from one authority.
#[derive(Debug)]
pub struct Mutual {
    authority: Authority,
    folder: PathBuf,
}

impl Mutual {
    /// Makes an authority and issues every identity its certificate, in a folder of its own below `folder`.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn new(folder: PathBuf) -> anyhow::Result<Self> {
        let made = Self { authority: Authority::new()?, folder };
        made.renew()?;
        Ok(made)
    }

    /// Issues every identity another certificate, in the place of the one it has.
    ///
    /// # Errors
    /// A file can't be written.
    pub fn renew(&self) -> anyhow::Result<()> {
        for identity in Identity::ALL {
            let folder = self.folder(identity);
            std::fs::create_dir_all(&folder).with_context(|| format!("creating {}", folder.display()))?;
            let names = if is_served(identity) { &NAMES[..] } else { &[] };
            self.authority.issue(&Subject::new(identity, names, LIFE))?.write(&folder)?;
        }
        Ok(())
    }

    /// The files of an identity, as a service is told them.
    #[must_use]
    pub fn tls(&self, identity: Identity) -> Tls {
        tls_in(&self.folder(identity))
    }

    /// The folder with the files of an identity.
    #[must_use]
    pub fn folder(&self, identity: Identity) -> PathBuf {
        self.folder.join(identity.name())
    }

    /// The credentials of an identity, to call the services with.
    ///
    /// # Errors
    /// The files don't hold together.
    pub fn credentials(&self, identity: Identity) -> anyhow::Result<Credentials> {
        Credentials::load(&self.tls(identity))?.context("the files of a stack are all named")
    }

    /// Who vouches, for certificates of other kinds.
    #[must_use]
    pub const fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The settings by which a process calls, and is called, as an identity.
    #[must_use]
    pub fn settings(&self, identity: Identity) -> [(&'static str, PathBuf); 3] {
        let file = |name: &str| self.folder(identity).join(name);
        [
            ("LANESYNC_TLS_CERT_FILE", file(CERTIFICATE)),
            ("LANESYNC_TLS_KEY_FILE", file(KEY)),
            ("LANESYNC_TLS_CLIENT_CA_FILE", file(AUTHORITY)),
        ]
    }
}

/// The files in a folder, as a service is told them.
#[must_use]
pub fn tls_in(folder: &Path) -> Tls {
    let file = |name: &str| Some(folder.join(name));
    Tls { tls_cert_file: file(CERTIFICATE), tls_key_file: file(KEY), tls_client_ca_file: file(AUTHORITY) }
}

/// Whether anybody calls it over gRPC.
fn is_served(identity: Identity) -> bool {
    !matches!(identity, Identity::Console | Identity::Lane | Identity::Operator)
}
