//! Cookies: `__Host-`, Secure, HttpOnly, SameSite=Lax. The secret is in the browser, only its hash is stored.

use http::{HeaderMap, HeaderValue, header};
use rand::RngCore as _;
use secrecy::{ExposeSecret as _, SecretString};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Names who is signed in.
pub(crate) const SESSION_COOKIE: &str = "__Host-lanesync";
/// Binds a form to a browser before anybody is signed in, and a sign-in at the provider to the browser that began it.
pub(crate) const VISIT_COOKIE: &str = "__Host-lanesync-visit";

/// 256 random bits in hex, known to one browser only.
#[derive(Clone, Debug)]
pub(crate) struct Token(SecretString);

impl Token {
    /// Draws a new one.
    pub(crate) fn random() -> Self {
        let mut bytes = [0_u8; 32];
        rand::rng().fill_bytes(&mut bytes);
        Self(SecretString::from(hex(&bytes)))
    }

    /// Returns the token that a browser sent under `name`, if it has the form of one.
    pub(crate) fn sent(headers: &HeaderMap, name: &str) -> Option<Self> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(known, _)| *known == name)?;
        let well_formed = value.len() == 64 && value.bytes().all(|byte| byte.is_ascii_hexdigit());
        well_formed.then(|| Self(SecretString::from(value.to_owned())))
    }

    /// Returns what stands for it on our side.
    pub(crate) fn hash(&self) -> String {
        hash(self.0.expose_secret())
    }

    /// Returns what a form must carry; it does not lead back to the token.
    pub(crate) fn csrf(&self) -> String {
        hash(&format!("csrf:{}", self.0.expose_secret()))
    }

    /// Whether a form carries [`Self::csrf`].
    pub(crate) fn vouches_for(&self, sent: &str) -> bool {
        self.csrf().as_bytes().ct_eq(sent.as_bytes()).into()
    }
}

/// Sets or removes a cookie.
#[derive(Clone, Debug)]
pub(crate) enum Cookie {
    /// The browser keeps the token until it is closed; the server forgets it earlier.
    Set(&'static str, Token),
    /// The browser forgets it.
    Forget(&'static str),
}

impl Cookie {
    /// Returns the header's value.
    pub(crate) fn header(&self) -> HeaderValue {
        let line = match self {
            Self::Set(name, token) => {
                format!("{name}={}; Path=/; Secure; HttpOnly; SameSite=Lax", token.0.expose_secret())
            }
            Self::Forget(name) => format!("{name}=; Path=/; Secure; HttpOnly; SameSite=Lax; Max-Age=0"),
        };
        let mut value = HeaderValue::from_str(&line).unwrap_or(HeaderValue::from_static(""));
        value.set_sensitive(true);
        value
    }
}

/// Returns the SHA-256 of a text in hex.
pub(crate) fn hash(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // Writing to a String never fails.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sent(line: &str) -> Option<Token> {
        let mut headers = HeaderMap::new();
        headers.insert(header::COOKIE, line.parse().unwrap());
        Token::sent(&headers, SESSION_COOKIE)
    }

    #[test]
    fn s31_a_cookie_is_bound_to_the_host_and_out_of_reach_of_scripts() {
        let token = Token::random();
        let line = Cookie::Set(SESSION_COOKIE, token.clone()).header();
        let line = line.to_str().unwrap();
        assert!(line.starts_with("__Host-lanesync=") && line.ends_with("; Path=/; Secure; HttpOnly; SameSite=Lax"));
        assert_eq!(sent(line.split(';').next().unwrap()).unwrap().hash(), token.hash());
        assert!(!line.contains(&token.hash()));
        assert!(!format!("{token:?}").contains(token.0.expose_secret()));
    }

    #[test]
    fn what_is_not_a_token_is_none() {
        for line in ["", "__Host-lanesync=", "__Host-lanesync=../../x", "other=1", &format!("x{SESSION_COOKIE}=1")] {
            assert!(sent(line).is_none(), "{line}");
        }
    }

    #[test]
    fn s32_a_form_of_another_session_is_not_vouched_for() {
        let (one, other) = (Token::random(), Token::random());
        assert!(one.vouches_for(&one.csrf()));
        assert!(!one.vouches_for(&other.csrf()));
        assert!(!one.vouches_for(""));
        assert_ne!(one.csrf(), one.hash());
    }
}
