//! Who is signed in, and until when.

mod cookie;
mod store;

use contract::convert::InvalidField;
use domain::WorkspaceId;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

pub(crate) use cookie::{Cookie, SESSION_COOKIE, Token, VISIT_COOKIE, hash};
pub(crate) use store::{Sessions, StoreError};

/// Longest time without a request (S31).
const IDLE: SignedDuration = SignedDuration::from_mins(30);
/// Longest time in all (S31).
const WHOLE: SignedDuration = SignedDuration::from_hours(12);
/// How old the note of the last request may get before it is written again.
const NOTE_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// Flows to Salesforce that one session may have begun and not finished.
const FLOWS: usize = 5;

/// What somebody may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Role {
    /// Changes.
    Admin,
    /// Looks.
    Member,
}

impl Role {
    /// Reads a role as claims write it; whatever is not an admin only looks.
    pub(crate) fn of_claim(text: &str) -> Option<Self> {
        match text {
            "admin" => Some(Self::Admin),
            "member" => Some(Self::Member),
            _ => None,
        }
    }
}

/// A person and the workspace they are in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    /// Stable id at the provider.
    pub(crate) subject: String,
    /// Name for people.
    pub(crate) name: String,
    /// What they may do.
    pub(crate) role: Role,
    /// Where.
    workspace: String,
}

impl Member {
    /// Returns a member of a workspace.
    ///
    /// # Errors
    /// When the workspace is not a UUID.
    pub(crate) fn new(subject: &str, name: &str, role: Role, workspace: &str) -> Result<Self, InvalidField> {
        let workspace: WorkspaceId = contract::convert::workspace_id(workspace)?;
        let name = name.trim();
        let name = if name.is_empty() { subject } else { name };
        Ok(Self {
            subject: subject.to_owned(),
            name: name.chars().take(100).collect(),
            role,
            workspace: workspace.to_string(),
        })
    }

    /// Returns the workspace as the contracts write it.
    pub(crate) fn workspace(&self) -> String {
        self.workspace.clone()
    }

    /// Whether they may change anything.
    pub(crate) fn is_admin(&self) -> bool {
        self.role == Role::Admin
    }
}

/// A way to Salesforce that this session began: only its callback counts here.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Flow {
    /// Hash of the state that travels with the browser.
    pub(crate) state: String,
    /// What was chosen, to be offered again after a refusal.
    pub(crate) environment: String,
    /// The chosen start date in the form's words.
    pub(crate) start: String,
    /// The date of a start of one's own.
    pub(crate) start_date: String,
}

/// Somebody who is signed in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// Who.
    pub(crate) member: Member,
    /// When they signed in.
    begun_at: Timestamp,
    /// When they were last seen.
    seen_at: Timestamp,
    /// Flows to Salesforce, oldest first.
    pub(crate) flows: Vec<Flow>,
}

impl Session {
    /// Begins a session.
    pub(crate) fn new(member: Member, now: Timestamp) -> Self {
        Self { member, begun_at: now, seen_at: now, flows: Vec::new() }
    }

    /// Whether it counts at `now`.
    pub(crate) fn is_alive(&self, now: Timestamp) -> bool {
        now.duration_since(self.seen_at) < IDLE && now.duration_since(self.begun_at) < WHOLE
    }

    /// Notes a request; `true` when that is worth writing down.
    pub(crate) fn note(&mut self, now: Timestamp) -> bool {
        let due = now.duration_since(self.seen_at) >= NOTE_EVERY;
        if due {
            self.seen_at = now;
        }
        due
    }

    /// Remembers a flow that was begun.
    pub(crate) fn begin(&mut self, flow: Flow) {
        self.flows.push(flow);
        let surplus = self.flows.len().saturating_sub(FLOWS);
        self.flows.drain(..surplus);
    }

    /// Takes the flow of a callback's state: it counts once.
    pub(crate) fn take_flow(&mut self, state: &str) -> Option<Flow> {
        let hash = cookie::hash(state);
        let at = self.flows.iter().position(|flow| flow.state == hash)?;
        Some(self.flows.remove(at))
    }
}

impl Flow {
    /// Describes a flow by the state that goes with it.
    pub(crate) fn new(state: &str, environment: &str, start: &str, start_date: &str) -> Self {
        let text = |text: &str| text.chars().take(255).collect();
        Self {
            state: cookie::hash(state),
            environment: text(environment),
            start: text(start),
            start_date: text(start_date),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + minutes * 60).unwrap()
    }

    fn session() -> Session {
        let member = Member::new("u1", "Ada", Role::Admin, "0197a0c0-0000-7000-8000-000000000001").unwrap();
        Session::new(member, at(0))
    }

    #[test]
    fn s31_a_session_ends_after_half_an_hour_of_silence_and_after_twelve_hours() {
        let mut session = session();
        assert!(session.is_alive(at(29)));
        assert!(!session.is_alive(at(30)));
        for minute in (20..720).step_by(20) {
            assert!(session.is_alive(at(minute)), "{minute}");
            assert!(session.note(at(minute)));
        }
        assert!(!session.is_alive(at(720)));
    }

    #[test]
    fn a_flow_counts_once_and_only_by_its_own_state() {
        let mut session = session();
        session.begin(Flow::new("state-1", "sandbox", "90d", ""));
        assert_eq!(session.take_flow("state-2"), None);
        assert_eq!(session.take_flow("state-1").unwrap().environment, "sandbox");
        assert_eq!(session.take_flow("state-1"), None);
    }

    #[test]
    fn only_the_newest_flows_are_remembered() {
        let mut session = session();
        for number in 0..9 {
            session.begin(Flow::new(&format!("s{number}"), "production", "all", ""));
        }
        assert_eq!(session.flows.len(), FLOWS);
        assert!(session.take_flow("s3").is_none() && session.take_flow("s8").is_some());
    }

    #[test]
    fn a_workspace_is_a_uuid_and_an_unknown_role_is_none() {
        assert!(Member::new("u1", "Ada", Role::Member, "../other").is_err());
        assert_eq!(Role::of_claim("owner"), None);
    }
}
