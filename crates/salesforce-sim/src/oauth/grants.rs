//! Apps, approvals, tokens and sessions.

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, KeyInit, Mac};
use rand::Rng;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::id::Id;

/// Live approvals of one user for one app; the next one revokes the oldest.
const MOST_GRANTS: usize = 5;
/// An authorization code lives this long.
const CODE_MS: i64 = 15 * 60_000;

/// A connected app.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct AppSpec {
    /// The consumer key.
    pub client_id: String,
    /// The consumer secret.
    pub client_secret: String,
    /// The name on the consent page.
    pub name: String,
    /// The allowed redirect URIs; any when empty, so that tests may listen on any port.
    pub redirect_uris: Vec<String>,
    /// Every refresh answers a new refresh token, the old one dies.
    pub rotation: bool,
    /// Authorize without a challenge is refused.
    pub pkce_required: bool,
    /// The admin has installed the app; otherwise nobody can approve it.
    pub installed: bool,
    /// The client-credentials flow is on.
    pub client_credentials: bool,
}

impl Default for AppSpec {
    fn default() -> Self {
        Self {
            client_id: "3MVG9demoClientIdxxxxxxxxxxxxxxxx".to_owned(),
            client_secret: "demo-client-secret-0123456789".to_owned(),
            name: "Oma Sync".to_owned(),
            redirect_uris: Vec::new(),
            rotation: false,
            pkce_required: false,
            installed: true,
            client_credentials: true,
        }
    }
}

/// A user's approval of an app.
#[derive(Clone, Debug)]
pub(crate) struct Grant {
    pub(crate) client_id: String,
    pub(crate) org: Id,
    pub(crate) user: Id,
    pub(crate) scope: String,
    refresh: Option<String>,
    retired: Vec<String>,
    dead: bool,
}

/// An access token in use.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub(crate) org: Id,
    pub(crate) user: Id,
    pub(crate) scope: String,
    grant: Option<usize>,
    touched_ms: i64,
    expires_ms: i64,
}

/// An authorization code on its way to the token endpoint.
#[derive(Clone, Debug)]
pub(crate) struct Code {
    pub(crate) client_id: String,
    pub(crate) org: Id,
    pub(crate) user: Id,
    pub(crate) redirect_uri: String,
    pub(crate) challenge: Option<String>,
    pub(crate) scope: String,
    pub(crate) made_ms: i64,
}

/// Why a code was not exchanged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BadCode {
    Unknown,
    Expired,
    Verifier,
    RedirectUri,
}

/// What presenting a refresh token leads to.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Refreshed {
    /// The grant lives; with rotation, its new token.
    Alive { grant: usize, rotated: Option<String> },
    /// Unknown, revoked or pushed out.
    Dead,
    /// Rotated out before: taken for theft, the whole grant dies.
    Reused,
}

/// Everything that OAuth remembers.
#[derive(Debug, Default)]
pub(crate) struct Grants {
    pub(crate) apps: Vec<AppSpec>,
    grants: Vec<Grant>,
    sessions: HashMap<String, Session>,
    codes: HashMap<String, Code>,
    pub(crate) timeout_ms: i64,
}

impl Grants {
    pub(crate) fn new(apps: Vec<AppSpec>, timeout_ms: i64) -> Self {
        Self { apps, timeout_ms, ..Self::default() }
    }

    pub(crate) fn app(&self, client_id: &str) -> Option<&AppSpec> {
        self.apps.iter().find(|app| app.client_id == client_id)
    }

    pub(crate) fn app_mut(&mut self, client_id: &str) -> Option<&mut AppSpec> {
        self.apps.iter_mut().find(|app| app.client_id == client_id)
    }

    /// Issues a code; it ends in `==` like a real one.
    pub(crate) fn issue_code(&mut self, code: Code) -> String {
        let text = format!("aPrx{}==", random_text(40));
        self.codes.insert(text.clone(), code);
        text
    }

    /// Burns a code, whatever comes of it.
    pub(crate) fn redeem(
        &mut self,
        code: &str,
        client_id: &str,
        redirect_uri: &str,
        verifier: Option<&str>,
        now_ms: i64,
    ) -> Result<Code, BadCode> {
        let code = self.codes.remove(code).filter(|code| code.client_id == client_id).ok_or(BadCode::Unknown)?;
        if now_ms - code.made_ms > CODE_MS {
            return Err(BadCode::Expired);
        }
        if code.redirect_uri != redirect_uri {
            return Err(BadCode::RedirectUri);
        }
        let proven = match &code.challenge {
            None => true,
            Some(challenge) => verifier.is_some_and(|verifier| challenge_of(verifier) == *challenge),
        };
        if proven { Ok(code) } else { Err(BadCode::Verifier) }
    }

    /// Records an approval; the sixth of a user for an app revokes the oldest.
    pub(crate) fn approve(&mut self, client_id: &str, org: Id, user: Id, scope: &str) -> (usize, Option<String>) {
        let offline = scope.split_whitespace().any(|word| matches!(word, "refresh_token" | "offline_access"));
        let refresh = offline.then(|| format!("5Aep861{}", random_text(80)));
        let grant = Grant {
            client_id: client_id.to_owned(),
            org,
            user,
            scope: scope.to_owned(),
            refresh: refresh.clone(),
            retired: Vec::new(),
            dead: false,
        };
        self.grants.push(grant);
        if offline {
            let live: Vec<usize> = (0..self.grants.len())
                .filter(|place| {
                    let grant = &self.grants[*place];
                    !grant.dead
                        && grant.refresh.is_some()
                        && grant.client_id == client_id
                        && grant.user == user
                        && grant.org == org
                })
                .collect();
            for oldest in live.iter().take(live.len().saturating_sub(MOST_GRANTS)) {
                self.kill(*oldest);
            }
        }
        (self.grants.len() - 1, refresh)
    }

    pub(crate) fn grant(&self, grant: usize) -> &Grant {
        &self.grants[grant]
    }

    /// Presents a refresh token.
    pub(crate) fn refresh(&mut self, token: &str, client_id: &str, rotation: bool) -> Refreshed {
        let current = self
            .grants
            .iter()
            .position(|grant| grant.refresh.as_deref() == Some(token) && grant.client_id == client_id);
        if let Some(place) = current {
            if self.grants[place].dead {
                return Refreshed::Dead;
            }
            let rotated = rotation.then(|| format!("5Aep861{}", random_text(80)));
            if let Some(new) = &rotated {
                let old = self.grants[place].refresh.replace(new.clone());
                self.grants[place].retired.extend(old);
            }
            return Refreshed::Alive { grant: place, rotated };
        }
        let retired = self.grants.iter().position(|grant| grant.retired.iter().any(|old| old == token));
        match retired {
            Some(place) => {
                self.kill(place);
                Refreshed::Reused
            }
            None => Refreshed::Dead,
        }
    }

    /// Opens a session and names its access token: the 15-character org id, `!`, the rest.
    pub(crate) fn open_session(&mut self, org: Id, user: Id, scope: &str, grant: Option<usize>, now_ms: i64) -> String {
        let token = format!("{}!AQEAQ{}.{}", org.short(), random_text(60), random_text(30));
        let session = Session {
            org,
            user,
            scope: scope.to_owned(),
            grant,
            touched_ms: now_ms,
            expires_ms: now_ms + self.timeout_ms,
        };
        self.sessions.insert(token.clone(), session);
        token
    }

    /// The session of a token. Use extends it, once half of its time has passed.
    pub(crate) fn session(&mut self, token: &str, now_ms: i64) -> Option<Session> {
        let timeout_ms = self.timeout_ms;
        let session = self.sessions.get_mut(token).filter(|session| now_ms < session.expires_ms)?;
        if now_ms - session.touched_ms > timeout_ms / 2 {
            session.touched_ms = now_ms;
            session.expires_ms = now_ms + timeout_ms;
        }
        Some(session.clone())
    }

    /// Access and refresh tokens that are good now, in order.
    pub(crate) fn live_tokens(&self) -> (Vec<&str>, Vec<&str>) {
        let mut access: Vec<_> = self.sessions.keys().map(String::as_str).collect();
        access.sort_unstable();
        let live = self.grants.iter().filter(|grant| !grant.dead);
        (access, live.filter_map(|grant| grant.refresh.as_deref()).collect())
    }

    /// Ends one session.
    pub(crate) fn end_session(&mut self, token: &str) -> bool {
        self.sessions.remove(token).is_some()
    }

    /// Ends every session of an org (of all orgs when absent); refresh tokens stay.
    pub(crate) fn end_sessions(&mut self, org: Option<Id>) {
        self.sessions.retain(|_, session| org.is_some_and(|org| session.org != org));
    }

    /// Revokes a refresh token with its sessions, or a single session.
    pub(crate) fn revoke(&mut self, token: &str) -> bool {
        if self.end_session(token) {
            return true;
        }
        let grant = self.grants.iter().position(|grant| !grant.dead && grant.refresh.as_deref() == Some(token));
        grant.map(|grant| self.kill(grant)).is_some()
    }

    /// What an admin does in Setup: every approval of the org ends.
    pub(crate) fn revoke_all(&mut self, org: Id) -> usize {
        let live: Vec<usize> = (0..self.grants.len())
            .filter(|place| self.grants[*place].org == org && !self.grants[*place].dead)
            .collect();
        live.iter().for_each(|grant| self.kill(*grant));
        self.sessions.retain(|_, session| session.org != org);
        live.len()
    }

    fn kill(&mut self, grant: usize) {
        self.grants[grant].dead = true;
        self.sessions.retain(|_, session| session.grant != Some(grant));
    }
}

/// The S256 challenge of a verifier.
pub(crate) fn challenge_of(verifier: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.as_bytes()))
}

/// Base64 HMAC-SHA256 over `id` + `issued_at`.
pub(crate) fn signature(secret: &str, id: &str, issued_at: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(id.as_bytes());
    mac.update(issued_at.as_bytes());
    STANDARD.encode(mac.finalize().into_bytes())
}

fn random_text(length: usize) -> String {
    const LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    let mut random = rand::rng();
    (0..length).map(|_| char::from(LETTERS[random.random_range(0..LETTERS.len())])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "app";

    fn grants() -> (Grants, Id, Id) {
        let org = Id::numbered("00D", "Kd", 1);
        let user = Id::numbered("005", "Kd", 1);
        (Grants { timeout_ms: 7_200_000, ..Grants::default() }, org, user)
    }

    #[test]
    fn the_pkce_vectors_hold() {
        assert_eq!(
            challenge_of("dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
            "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
        );
        assert_eq!(
            challenge_of("oma-demo-verifier-0123456789-abcdefghijklmnopqrstuvwxyz_~."),
            "rMOir2QWpDIwrfawc8XyK2O9m3nNC5jt_6PLGzG_CZw"
        );
    }

    #[test]
    fn the_sixth_approval_revokes_the_oldest_and_no_other() {
        let (mut grants, org, user) = grants();
        let tokens: Vec<String> =
            (0..6).map(|_| grants.approve(APP, org, user, "api refresh_token").1.unwrap()).collect();
        assert_eq!(grants.refresh(&tokens[0], APP, false), Refreshed::Dead);
        for token in &tokens[1..] {
            assert!(matches!(grants.refresh(token, APP, false), Refreshed::Alive { .. }));
        }
    }

    #[test]
    fn a_reused_refresh_token_kills_the_new_one_and_its_sessions() {
        let (mut grants, org, user) = grants();
        let (grant, old) = grants.approve(APP, org, user, "api refresh_token");
        let access = grants.open_session(org, user, "api", Some(grant), 0);
        let Refreshed::Alive { rotated: Some(new), .. } = grants.refresh(old.as_ref().unwrap(), APP, true) else {
            panic!("the first refresh works")
        };
        assert!(grants.session(&access, 1).is_some());
        assert_eq!(grants.refresh(old.as_ref().unwrap(), APP, true), Refreshed::Reused);
        assert_eq!(grants.refresh(&new, APP, true), Refreshed::Dead);
        assert!(grants.session(&access, 1).is_none());
    }

    #[test]
    fn a_session_slides_only_after_half_of_its_time() {
        let (mut grants, org, user) = grants();
        let token = grants.open_session(org, user, "api", None, 0);
        assert!(grants.session(&token, 3_000_000).is_some());
        assert!(grants.session(&token, 7_200_001).is_none(), "early use did not extend it");
        let token = grants.open_session(org, user, "api", None, 0);
        assert!(grants.session(&token, 4_000_000).is_some());
        assert!(grants.session(&token, 7_200_001).is_some(), "use after half of the time did");
    }
}
