//! What Salesforce sends a person back with.

use std::fmt;

use domain::WorkspaceId;
use jiff::Timestamp;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;

use super::state::FlowState;
use super::{ConnectError, Connected, Inner, Wish};
use crate::salesforce::Verifier;
use crate::store::connection::Flow as GrantFlow;
use crate::store::flow::{self, Flow, Step};
use crate::vault::{DataKey, Place};

const LONGEST_CODE: usize = 2_048;
const MOST_WORDS: usize = 200;

/// The parameters of a callback, decoded once.
#[derive(Clone)]
pub struct Callback {
    /// `state`.
    pub state: SecretString,
    /// `code`; empty when an error came.
    pub code: SecretString,
    /// `error`; empty when a code came.
    pub error: String,
    /// `error_description`.
    pub error_description: String,
    /// `iss`; empty when not sent.
    pub issuer: String,
}

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The error is text from outside and may hold anything.
        f.debug_struct("Callback").finish_non_exhaustive()
    }
}

impl Inner {
    pub(super) async fn complete(&self, callback: Callback) -> Result<Connected, ConnectError> {
        let now = Timestamp::now();
        let state = FlowState::read(callback.state.expose_secret()).ok_or(ConnectError::State)?;
        let workspace = state.workspace();
        let mut conn = self.store.begin(workspace).await?;
        let taken = flow::take(&mut conn, workspace, state.hash(), now).await?;
        // Committed before anything else: the state counts once, whatever comes of it.
        conn.commit().await?;
        let taken = taken.ok_or(ConnectError::State)?;

        let outcome = self.finish_flow(&taken, callback).await;
        let step = if outcome.is_ok() { Step::Stored } else { Step::Failed };
        self.note_step(workspace, &taken, step).await?;
        outcome
    }

    async fn finish_flow(&self, taken: &Flow, callback: Callback) -> Result<Connected, ConnectError> {
        let code = match read(callback) {
            Ok(code) => code,
            Err(error) => {
                self.note_refusal(taken.workspace, &taken.actor, error.to_string()).await?;
                return Err(error);
            }
        };
        let mut conn = self.store.begin(taken.workspace).await?;
        self.may_connect(&mut conn, taken.workspace).await?;
        conn.commit().await?;

        let login = self.salesforce.rules().login(&taken.login_url).map_err(ConnectError::LoginHost)?;
        if let Some(issuer) = &code.issuer
            && !self.salesforce.rules().same_side(&login, issuer)
        {
            return Err(ConnectError::OtherHost);
        }
        let place = Place { workspace: taken.workspace, connection: taken.id, epoch: 0 };
        let open = || DataKey::unwrap(&taken.key, &self.ring, &place)?.open(&place, "verifier", &taken.verifier);
        let verifier = Verifier(open().map_err(ConnectError::Sealed)?);
        let grant = match self.salesforce.exchange_code(&login, &code.code, &verifier).await {
            Ok(grant) => grant,
            Err(error) => {
                self.note_refusal(taken.workspace, &taken.actor, error.to_string()).await?;
                return Err(error.into());
            }
        };
        self.note_step(taken.workspace, taken, Step::Exchanged).await?;
        let wish = Wish {
            workspace: taken.workspace,
            environment: taken.login_url.clone(),
            start_at: taken.start_at,
            actor: taken.actor.clone(),
            confirm_org_switch: taken.confirm_org_switch,
        };
        self.connect(wish, GrantFlow::Web, taken.id, &login, grant).await
    }

    async fn note_step(&self, workspace: WorkspaceId, taken: &Flow, step: Step) -> Result<(), ConnectError> {
        let mut conn = self.store.begin(workspace).await?;
        flow::note(&mut conn, workspace, &taken.state_hash, step).await?;
        conn.commit().await?;
        Ok(())
    }
}

struct Code {
    code: SecretString,
    issuer: Option<Url>,
}

/// Decides what a callback says.
fn read(callback: Callback) -> Result<Code, ConnectError> {
    let code = callback.code.expose_secret();
    if code.is_empty() == callback.error.is_empty() || code.len() > LONGEST_CODE {
        return Err(ConnectError::Malformed);
    }
    if !callback.error.is_empty() {
        return Err(match callback.error.replace('-', "_").to_ascii_lowercase().as_str() {
            "access_denied" => ConnectError::Denied,
            "oauth_approval_error_generic" | "oauth_app_access_denied" | "oauth_app_blocked" => {
                ConnectError::NotApproved
            }
            "invalid_client" if callback.error_description.contains("must be installed") => ConnectError::NotApproved,
            _ => ConnectError::Refused { words: harmless(&callback.error, &callback.error_description) },
        });
    }
    let issuer = match callback.issuer.as_str() {
        "" => None,
        text => Some(Url::parse(text).map_err(|_| ConnectError::Malformed)?),
    };
    Ok(Code { code: callback.code, issuer })
}

/// Returns text from outside without markup and control characters, cut at 200 characters.
fn harmless(error: &str, description: &str) -> String {
    let is_harmless = |c: &char| c.is_alphanumeric() || " .,:;_-/()!?".contains(*c);
    format!("{error}: {description}").chars().filter(is_harmless).take(MOST_WORDS).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn callback(code: &str, error: &str, description: &str) -> Callback {
        Callback {
            state: "state".into(),
            code: code.into(),
            error: error.into(),
            error_description: description.into(),
            issuer: String::new(),
        }
    }

    #[test]
    fn both_code_and_error_neither_or_a_huge_code_is_malformed() {
        for (code, error) in [("", ""), ("code", "access_denied"), (&"x".repeat(2_049), "")] {
            assert!(matches!(read(callback(code, error, "")), Err(ConnectError::Malformed)));
        }
        assert!(read(callback(&"x".repeat(2_048), "", "")).is_ok());
    }

    #[test]
    fn a_no_is_told_from_a_refusal_in_both_spellings() {
        for error in ["access_denied", "access-denied"] {
            assert!(matches!(read(callback("", error, "")), Err(ConnectError::Denied)), "{error}");
        }
        let refused = read(callback("", "OAUTH_APP_BLOCKED", ""));
        assert!(matches!(refused, Err(ConnectError::NotApproved)));
    }

    #[test]
    fn words_from_outside_carry_no_markup_and_end() {
        let long = format!("<script>alert('x')</script>{}", "y".repeat(500));
        let Err(ConnectError::Refused { words }) = read(callback("", "server<b>", &long)) else { panic!("refused") };
        assert!(!words.contains(['<', '>', '\'', '"', '&']), "{words}");
        assert_eq!(words.chars().count(), 200);
    }

    #[test]
    fn a_callback_prints_nothing_of_itself() {
        let printed = format!("{:?}", callback("aPrxSecret", "5Aep-secret", "secret"));
        assert_eq!(printed, "Callback { .. }");
    }
}
