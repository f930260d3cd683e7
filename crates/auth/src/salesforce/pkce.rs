//! Proof key for code exchange, S256 always.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

/// The secret half of the proof: 43 characters of 256 random bits, one per flow.
#[derive(Debug)]
pub struct Verifier(pub SecretString);

impl Verifier {
    /// Makes a new one.
    #[must_use]
    pub fn generate() -> Self {
        let bytes: Zeroizing<[u8; 32]> = Zeroizing::new(rand::random());
        Self(SecretString::from(URL_SAFE_NO_PAD.encode(bytes.as_slice())))
    }
}

/// Returns the public half of the proof.
#[must_use]
pub fn challenge(verifier: &Verifier) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.0.expose_secret().as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s1_the_challenge_is_the_one_of_the_published_vectors() {
        for (verifier, expected) in [
            ("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
            (
                "oma-demo-verifier-0123456789-abcdefghijklmnopqrstuvwxyz_~.",
                "rMOir2QWpDIwrfawc8XyK2O9m3nNC5jt_6PLGzG_CZw",
            ),
        ] {
            assert_eq!(challenge(&Verifier(verifier.into())), expected);
        }
    }

    #[test]
    fn s1_a_verifier_has_43_characters_and_is_used_once() {
        let (one, other) = (Verifier::generate(), Verifier::generate());
        assert_eq!(one.0.expose_secret().len(), 43);
        assert_ne!(one.0.expose_secret(), other.0.expose_secret());
        assert!(!format!("{one:?}").contains(one.0.expose_secret()));
    }
}
