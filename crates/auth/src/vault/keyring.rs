//! The keys that wrap data keys. They come from a mounted file and live in memory only.

use std::fmt;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde::Deserialize;
use sha2::Sha256;
use zeroize::{Zeroize as _, Zeroizing};

/// A key-encryption key.
pub(super) struct Kek {
    pub(super) id: String,
    pub(super) key: Zeroizing<[u8; 32]>,
}

/// The keys of the installation: the first wraps, all unwrap.
pub struct KeyRing {
    keys: Vec<Kek>,
}

/// Why there is no key ring. It never holds a key.
#[derive(Debug, thiserror::Error)]
pub enum KeyRingError {
    /// The file is not readable.
    #[error("reading the token keys file")]
    Unreadable(#[source] std::io::Error),
    /// The file is not what it should be.
    #[error("the token keys file is not of the form {{\"keys\":[{{\"id\":…,\"key\":…}}]}} (line {line})")]
    Malformed {
        /// Where reading stopped.
        line: usize,
    },
    /// There is no key.
    #[error("the token keys file holds no key")]
    Empty,
    /// A key is not 32 bytes of base64.
    #[error("key {id:?} is not base64 of 32 bytes")]
    WrongLength {
        /// Its id.
        id: String,
    },
    /// An id is empty, too long, or there twice.
    #[error("key id {id:?} is empty, longer than 64 characters, or there twice")]
    BadId {
        /// The id.
        id: String,
    },
}

#[derive(Deserialize)]
struct File {
    keys: Vec<FileKey>,
}

#[derive(Deserialize)]
struct FileKey {
    id: String,
    key: String,
}

impl Drop for FileKey {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

impl KeyRing {
    /// Reads the keys file. There is no way on without it: no key, no service.
    ///
    /// # Errors
    /// When the file is absent, malformed, empty, or a key has not 32 bytes.
    pub fn load(path: &Path) -> Result<Self, KeyRingError> {
        let text = Zeroizing::new(std::fs::read_to_string(path).map_err(KeyRingError::Unreadable)?);
        Self::parse(&text)
    }

    /// Reads the text of a keys file.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn parse(text: &str) -> Result<Self, KeyRingError> {
        // The error of serde_json may quote the text, so only the line is kept.
        let file: File = serde_json::from_str(text).map_err(|error| KeyRingError::Malformed { line: error.line() })?;
        let mut keys: Vec<Kek> = Vec::with_capacity(file.keys.len());
        for entry in &file.keys {
            let known = keys.iter().any(|key| key.id == entry.id);
            if entry.id.is_empty() || entry.id.len() > 64 || known {
                return Err(KeyRingError::BadId { id: entry.id.chars().take(64).collect() });
            }
            let wrong_length = || KeyRingError::WrongLength { id: entry.id.clone() };
            let bytes = Zeroizing::new(STANDARD.decode(entry.key.trim()).map_err(|_| wrong_length())?);
            let mut key = Zeroizing::new([0; 32]);
            if bytes.len() != key.len() {
                return Err(wrong_length());
            }
            key.copy_from_slice(&bytes);
            keys.push(Kek { id: entry.id.clone(), key });
        }
        if keys.is_empty() { Err(KeyRingError::Empty) } else { Ok(Self { keys }) }
    }

    /// Returns the id of the key that wraps.
    #[must_use]
    pub fn newest_id(&self) -> &str {
        &self.newest().id
    }

    /// Whether the ring holds the key of this id.
    #[must_use]
    pub fn holds(&self, id: &str) -> bool {
        self.find(id).is_some()
    }

    pub(super) fn newest(&self) -> &Kek {
        self.keys.first().expect("a ring is never empty: parse refuses that")
    }

    pub(super) fn find(&self, id: &str) -> Option<&Kek> {
        self.keys.iter().find(|key| key.id == id)
    }

    /// Returns a proof, made with the newest key, that we wrote `message` for `purpose`.
    #[must_use]
    pub fn sign(&self, purpose: &str, message: &[u8]) -> [u8; 32] {
        mac(self.newest(), purpose, message).finalize().into_bytes().into()
    }

    /// Whether `proof` was made by [`Self::sign`] with a key that we still hold.
    #[must_use]
    pub fn verify(&self, purpose: &str, message: &[u8], proof: &[u8]) -> bool {
        self.keys.iter().any(|key| mac(key, purpose, message).verify_slice(proof).is_ok())
    }
}

fn mac(kek: &Kek, purpose: &str, message: &[u8]) -> Hmac<Sha256> {
    // The wrapping key itself never signs: each purpose has a key of its own, derived from it.
    let begin = |key: &[u8]| Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes a key of any length");
    let mut derive = begin(kek.key.as_slice());
    derive.update(b"lanesync.v1.derive.");
    derive.update(purpose.as_bytes());
    let derived: Zeroizing<[u8; 32]> = Zeroizing::new(derive.finalize().into_bytes().into());
    let mut mac = begin(derived.as_slice());
    mac.update(message);
    mac
}

impl fmt::Debug for KeyRing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.keys.iter().map(|key| &key.id)).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const K1: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

    #[test]
    fn s9_the_ring_is_refused_unless_every_key_has_32_bytes_and_its_own_id() {
        let ring = KeyRing::parse(&format!(r#"{{"keys":[{{"id":"k1","key":"{K1}"}}]}}"#)).unwrap();
        assert_eq!(ring.newest_id(), "k1");

        for text in [
            "".to_owned(),
            "{}".to_owned(),
            r#"{"keys":[]}"#.to_owned(),
            r#"{"keys":[{"id":"k1","key":"AAEC"}]}"#.to_owned(),
            r#"{"keys":[{"id":"k1","key":"?"}]}"#.to_owned(),
            format!(r#"{{"keys":[{{"id":"","key":"{K1}"}}]}}"#),
            format!(r#"{{"keys":[{{"id":"k1","key":"{K1}"}},{{"id":"k1","key":"{K1}"}}]}}"#),
        ] {
            let error = KeyRing::parse(&text).unwrap_err();
            assert!(!format!("{error:?} {error}").contains("AAEC"), "{error:?}");
        }
        assert!(matches!(KeyRing::load(Path::new("/nowhere/keys.json")), Err(KeyRingError::Unreadable(_))));
    }

    #[test]
    fn a_proof_holds_for_its_message_and_purpose_only() {
        let ring = KeyRing::parse(&format!(r#"{{"keys":[{{"id":"k1","key":"{K1}"}}]}}"#)).unwrap();
        let proof = ring.sign("page", b"17");
        assert!(ring.verify("page", b"17", &proof));
        assert!(!ring.verify("page", b"18", &proof));
        assert!(!ring.verify("other", b"17", &proof));
        assert!(!format!("{ring:?}").contains("AAEC"));
    }
}
