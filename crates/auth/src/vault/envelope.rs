//! Sealing and opening with XChaCha20-Poly1305.

use std::fmt;

use chacha20poly1305::aead::{Aead as _, Generate as _, KeyInit as _, Payload};
use chacha20poly1305::{Key, XChaCha20Poly1305, XNonce};
use domain::{Epoch, WorkspaceId};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;
use zeroize::Zeroizing;

use super::KeyRing;

const NONCE_LENGTH: usize = 24;

/// What a secret belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// The workspace.
    pub workspace: WorkspaceId,
    /// The connection, or the flow that may become one.
    pub connection: Uuid,
    /// The epoch that it was sealed in.
    pub epoch: Epoch,
}

impl Place {
    /// Returns the associated data of a field. Every part but the last has a fixed length, so no two places read alike.
    fn of_field(&self, field: &str) -> Vec<u8> {
        let mut data = b"lanesync.auth.v1".to_vec();
        data.extend_from_slice(self.workspace.0.as_bytes());
        data.extend_from_slice(self.connection.as_bytes());
        data.extend_from_slice(&self.epoch.to_be_bytes());
        data.extend_from_slice(field.as_bytes());
        data
    }
}

/// A text that only its data key and [`Place`] open.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed(pub Vec<u8>);

/// A data key that only the ring opens.
#[derive(Clone, PartialEq, Eq)]
pub struct WrappedKey {
    /// Id of the key that wraps it.
    pub kek_id: String,
    /// Nonce and sealed key.
    pub bytes: Vec<u8>,
}

/// Why something did not open. It never tells more.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// The ring does not hold the key.
    #[error("the key ring holds no key {kek_id:?}")]
    UnknownKey {
        /// Its id.
        kek_id: String,
    },
    /// Wrong key, wrong place, or changed bytes.
    #[error("the sealed value does not open here")]
    Refused,
}

/// The key of one connection; wiped when dropped.
pub struct DataKey(Zeroizing<[u8; 32]>);

impl DataKey {
    /// Makes a new one.
    #[must_use]
    pub fn generate() -> Self {
        Self(Zeroizing::new(Key::generate().into()))
    }

    /// Wraps the key with the newest key of the ring.
    #[must_use]
    pub fn wrap(&self, ring: &KeyRing, place: &Place) -> WrappedKey {
        let kek = ring.newest();
        let bytes = encrypt(&kek.key, self.0.as_slice(), &place.of_field(&key_field(&kek.id)));
        WrappedKey { kek_id: kek.id.clone(), bytes }
    }

    /// Unwraps a key.
    ///
    /// # Errors
    /// When the ring lacks the key, or the wrapped key belongs elsewhere.
    pub fn unwrap(wrapped: &WrappedKey, ring: &KeyRing, place: &Place) -> Result<Self, OpenError> {
        let kek = ring.find(&wrapped.kek_id).ok_or_else(|| OpenError::UnknownKey { kek_id: wrapped.kek_id.clone() })?;
        let bytes = decrypt(&kek.key, &wrapped.bytes, &place.of_field(&key_field(&kek.id)))?;
        let mut key = Zeroizing::new([0; 32]);
        if bytes.len() != key.len() {
            return Err(OpenError::Refused);
        }
        key.copy_from_slice(&bytes);
        Ok(Self(key))
    }

    /// Seals a text for one field.
    #[must_use]
    pub fn seal(&self, place: &Place, field: &str, secret: &SecretString) -> Sealed {
        Sealed(encrypt(&self.0, secret.expose_secret().as_bytes(), &place.of_field(field)))
    }

    /// Opens a field.
    ///
    /// # Errors
    /// When it was sealed for another place or field, or was changed.
    pub fn open(&self, place: &Place, field: &str, sealed: &Sealed) -> Result<SecretString, OpenError> {
        let bytes = decrypt(&self.0, &sealed.0, &place.of_field(field))?;
        let text = std::str::from_utf8(&bytes).map_err(|_| OpenError::Refused)?;
        Ok(SecretString::from(text))
    }
}

fn key_field(kek_id: &str) -> String {
    format!("data_key.{kek_id}")
}

fn encrypt(key: &[u8; 32], clear: &[u8], aad: &[u8]) -> Vec<u8> {
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    let nonce = XNonce::generate();
    let sealed =
        cipher.encrypt(&nonce, Payload { msg: clear, aad }).expect("XChaCha20-Poly1305 seals any text below 256 GiB");
    [nonce.as_slice(), &sealed].concat()
}

fn decrypt(key: &[u8; 32], sealed: &[u8], aad: &[u8]) -> Result<Zeroizing<Vec<u8>>, OpenError> {
    let (nonce, sealed) = sealed.split_at_checked(NONCE_LENGTH).ok_or(OpenError::Refused)?;
    let nonce = XNonce::try_from(nonce).map_err(|_| OpenError::Refused)?;
    let cipher = XChaCha20Poly1305::new(&Key::from(*key));
    cipher.decrypt(&nonce, Payload { msg: sealed, aad }).map(Zeroizing::new).map_err(|_| OpenError::Refused)
}

impl fmt::Debug for DataKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DataKey")
    }
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealed({} bytes)", self.0.len())
    }
}

impl fmt::Debug for WrappedKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WrappedKey({:?})", self.kek_id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ring(ids: &[(&str, u8)]) -> KeyRing {
        use base64::Engine as _;
        let keys: Vec<_> = ids
            .iter()
            .map(|(id, byte)| {
                let key = base64::engine::general_purpose::STANDARD.encode([*byte; 32]);
                serde_json::json!({ "id": id, "key": key })
            })
            .collect();
        KeyRing::parse(&serde_json::json!({ "keys": keys }).to_string()).unwrap()
    }

    fn place() -> Place {
        Place { workspace: WorkspaceId::generate(), connection: Uuid::now_v7(), epoch: 3 }
    }

    #[test]
    fn s8_a_secret_opens_only_where_it_was_sealed() {
        let (ring, place) = (ring(&[("k1", 1)]), place());
        let key = DataKey::generate();
        let (wrapped, sealed) = (key.wrap(&ring, &place), key.seal(&place, "refresh_token", &"5Aep861".into()));

        let again = DataKey::unwrap(&wrapped, &ring, &place).unwrap();
        assert_eq!(again.open(&place, "refresh_token", &sealed).unwrap().expose_secret(), "5Aep861");

        let elsewhere = [
            Place { workspace: WorkspaceId::generate(), ..place },
            Place { connection: Uuid::now_v7(), ..place },
            Place { epoch: 4, ..place },
        ];
        for other in elsewhere {
            assert!(DataKey::unwrap(&wrapped, &ring, &other).is_err(), "{other:?}");
            assert!(again.open(&other, "refresh_token", &sealed).is_err(), "{other:?}");
        }
        assert!(again.open(&place, "access_token", &sealed).is_err());
    }

    #[test]
    fn a_changed_or_cut_secret_does_not_open() {
        let place = place();
        let key = DataKey::generate();
        let sealed = key.seal(&place, "access_token", &"secret".into());
        for length in 0..sealed.0.len() {
            assert!(key.open(&place, "access_token", &Sealed(sealed.0[..length].to_vec())).is_err());
        }
        for index in 0..sealed.0.len() {
            let mut changed = sealed.clone();
            changed.0[index] ^= 1;
            assert!(key.open(&place, "access_token", &changed).is_err());
        }
    }

    #[test]
    fn s10_a_new_first_key_wraps_and_the_old_one_still_unwraps() {
        let place = place();
        let (old, both, new) = (ring(&[("k1", 1)]), ring(&[("k2", 2), ("k1", 1)]), ring(&[("k2", 2)]));
        let wrapped = DataKey::generate().wrap(&old, &place);

        let rewrapped = DataKey::unwrap(&wrapped, &both, &place).unwrap().wrap(&both, &place);
        assert_eq!(rewrapped.kek_id, "k2");
        assert!(DataKey::unwrap(&rewrapped, &new, &place).is_ok());
        assert_eq!(DataKey::unwrap(&wrapped, &new, &place).unwrap_err(), OpenError::UnknownKey { kek_id: "k1".into() });
    }
}
