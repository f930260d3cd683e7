//! The passwords and keys of an installation that runs in containers: made once, each laid where its one reader looks.
//!
//! Every folder below the root is a volume that one program mounts, so no program sees another's secrets. What both
//! sides of a connection must know is kept once and written to the other side from there: running again repairs a
//! copy, and never changes a secret that exists.

use std::fs;
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use certificates::file;
use rand::RngCore as _;

use crate::Role;

/// What stands for the Salesforce app's secret until there is one; only the simulated Salesforce takes it.
const SIMULATED: &str = "simulated";
/// Secrets are short; a longer file is a mistake.
const LARGEST_SECRET: u64 = 4096;

/// Who logs in to NATS, and the folder that holds the password.
const NATS_USERS: [(&str, &str); 6] = [
    ("extractor", "extractor/nats-password"),
    ("mapper", "mapper/nats-password"),
    ("writer", "customer-writer/nats-password"),
    ("console", "console/nats-password"),
    ("migrate", "migrate/nats-password"),
    // No service is the observer: an operator finds its password beside the server's own file.
    ("observer", "nats/observer-password"),
];

/// Why a secret was not made.
#[derive(Debug, thiserror::Error)]
pub enum MakeSecretsError {
    /// A file can't be read or written.
    #[error("writing {}", path.display())]
    File {
        /// Which one.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The secret that was handed over is empty, too long, or no text.
    #[error("the secret is empty, longer than 4 KiB, or not text")]
    NotASecret,
}

/// Makes what is missing below `root`: passwords of Postgres and NATS, the key of the stream store, the ring of token
/// keys, and a placeholder for the Salesforce app's secret. `database` is `host:port/name`, without a password.
///
/// # Errors
/// A file can't be written; running again goes on from there.
pub fn make(root: &Path, database: &str) -> Result<(), MakeSecretsError> {
    let admin = once(root, "postgres/admin-password", random_hex)?;
    write(root, "migrate/database-url", &url("lanesync_admin", &admin, database))?;
    let mut roles = serde_json::Map::new();
    for role in Role::ALL {
        let folder = folder_of(role);
        let kept = format!("{folder}/database-password");
        let password = once(root, &kept, random_hex)?;
        write(root, &format!("{folder}/database-url"), &url(role.name(), &password, database))?;
        roles.insert(role.name().to_owned(), password.into());
    }
    write(root, "migrate/role-passwords.json", &serde_json::Value::Object(roles).to_string())?;

    let mut server = String::new();
    for (user, kept) in NATS_USERS {
        let password = once(root, kept, random_hex)?;
        server.push_str(&format!("{}_PASSWORD: \"{password}\"\n", user.to_uppercase()));
    }
    let key = once(root, "nats/jetstream-key", random_hex)?;
    server.push_str(&format!("JETSTREAM_KEY: \"{key}\"\n"));
    write(root, "nats/nats.conf", &server)?;

    once(root, "auth/token-keys.json", token_keys)?;
    once(root, "auth/salesforce-client-secret", || SIMULATED.to_owned())?;
    Ok(())
}

/// Keeps the Salesforce app's secret that `input` holds, in place of any other.
///
/// # Errors
/// It is no secret, or can't be written.
pub fn keep_salesforce_secret(root: &Path, input: impl Read) -> Result<(), MakeSecretsError> {
    let mut text = String::new();
    let read = input.take(LARGEST_SECRET + 1).read_to_string(&mut text);
    let secret = text.trim();
    if read.is_err() || secret.is_empty() || text.len() as u64 > LARGEST_SECRET {
        return Err(MakeSecretsError::NotASecret);
    }
    write(root, "auth/salesforce-client-secret", secret)
}

const fn folder_of(role: Role) -> &'static str {
    match role {
        Role::Auth => "auth",
        Role::Extractor => "extractor",
        Role::Mapper => "mapper",
        Role::Writer => "customer-writer",
    }
}

fn url(user: &str, password: &str, database: &str) -> String {
    format!("postgres://{user}:{password}@{database}")
}

/// The secret in a file, which is made first if there is none.
fn once(root: &Path, name: &str, make: impl FnOnce() -> String) -> Result<String, MakeSecretsError> {
    let path = root.join(name);
    match fs::read_to_string(&path) {
        Ok(text) => return Ok(text),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(source) => return Err(MakeSecretsError::File { path, source }),
    }
    let secret = make();
    write(root, name, &secret)?;
    Ok(secret)
}

/// Writes a file as a whole: a reader sees the old text or the new one.
fn write(root: &Path, name: &str, text: &str) -> Result<(), MakeSecretsError> {
    let path = root.join(name);
    if fs::read_to_string(&path).is_ok_and(|held| held == text) {
        return Ok(());
    }
    file::replace(&path, text).map_err(|source| MakeSecretsError::File { path, source })
}

/// 256 random bits in lower-case hexadecimal: safe in URLs, in SQL and in the configuration of NATS.
fn random_hex() -> String {
    random_bytes().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// A ring with one new key.
fn token_keys() -> String {
    let key = base64::engine::general_purpose::STANDARD.encode(random_bytes());
    serde_json::json!({ "keys": [{ "id": "k1", "key": key }] }).to_string()
}

fn random_bytes() -> [u8; 32] {
    let mut bytes = [0; 32];
    rand::rng().fill_bytes(&mut bytes);
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;
    use crate::RolePasswords;

    const DATABASE: &str = "postgres:5432/lanesync";

    /// Empty volumes.
    fn volumes() -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        for folder in ["postgres", "nats", "migrate", "auth", "extractor", "mapper", "customer-writer", "console"] {
            fs::create_dir(root.path().join(folder)).unwrap();
        }
        root
    }

    fn read(root: &tempfile::TempDir, name: &str) -> String {
        fs::read_to_string(root.path().join(name)).unwrap()
    }

    fn contents(root: &tempfile::TempDir) -> BTreeMap<PathBuf, String> {
        let folders = fs::read_dir(root.path()).unwrap().map(|entry| entry.unwrap().path());
        let files = folders.flat_map(|folder| fs::read_dir(folder).unwrap()).map(|entry| entry.unwrap().path());
        files.map(|file| (file.clone(), fs::read_to_string(file).unwrap())).collect()
    }

    #[test]
    fn both_sides_of_every_connection_are_told_the_same() {
        let root = volumes();
        make(root.path(), DATABASE).unwrap();

        let passwords = RolePasswords::from_json(&read(&root, "migrate/role-passwords.json")).unwrap();
        for role in Role::ALL {
            let expected = url(role.name(), passwords.of(role).unwrap(), DATABASE);
            assert_eq!(read(&root, &format!("{}/database-url", folder_of(role))), expected);
        }
        let admin = read(&root, "postgres/admin-password");
        assert_eq!(read(&root, "migrate/database-url"), format!("postgres://lanesync_admin:{admin}@{DATABASE}"));
        let server = read(&root, "nats/nats.conf");
        for (user, kept) in NATS_USERS {
            let line = format!("{}_PASSWORD: \"{}\"\n", user.to_uppercase(), read(&root, kept));
            assert!(server.contains(&line), "{user} is not in the server's file");
        }
    }

    #[test]
    fn a_second_run_changes_nothing_and_repairs_a_copy() {
        let root = volumes();
        make(root.path(), DATABASE).unwrap();
        let first = contents(&root);
        // As a run leaves it that was killed on its way.
        fs::remove_file(root.path().join("nats/nats.conf")).unwrap();
        fs::write(root.path().join("migrate/role-passwords.new"), "half").unwrap();
        fs::remove_file(root.path().join("migrate/role-passwords.json")).unwrap();

        make(root.path(), DATABASE).unwrap();

        assert_eq!(contents(&root), first);
    }

    #[test]
    fn nobody_beyond_the_group_reads_a_secret() {
        let root = volumes();
        make(root.path(), DATABASE).unwrap();
        for file in contents(&root).keys() {
            let mode = fs::metadata(file).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode, file::MODE, "{}", file.display());
        }
    }

    #[test]
    fn the_salesforce_secret_outlives_later_runs() {
        let root = volumes();
        make(root.path(), DATABASE).unwrap();
        keep_salesforce_secret(root.path(), "s3cret\n".as_bytes()).unwrap();
        make(root.path(), DATABASE).unwrap();
        assert_eq!(read(&root, "auth/salesforce-client-secret"), "s3cret");
    }

    #[test]
    fn an_empty_secret_is_refused() {
        let root = volumes();
        let refused = keep_salesforce_secret(root.path(), "\n".as_bytes());
        assert!(matches!(refused, Err(MakeSecretsError::NotASecret)));
    }
}
