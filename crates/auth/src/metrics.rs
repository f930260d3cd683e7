//! The names of all metrics of auth.

use std::collections::{HashMap, VecDeque};
use std::sync::{LazyLock, Mutex, PoisonError};
use std::time::{Duration, Instant};

use domain::WorkspaceId;
use opentelemetry::KeyValue;
use opentelemetry::metrics::Counter;

use crate::salesforce::Permanent;

static REFRESHES: LazyLock<Counter<u64>> =
    LazyLock::new(|| service::metrics::meter().u64_counter("lanesync.oauth.refreshes").with_unit("{refresh}").build());

static ANOMALIES: LazyLock<Counter<u64>> =
    LazyLock::new(|| service::metrics::meter().u64_counter("lanesync.oauth.anomalies").with_unit("{anomaly}").build());

/// What became of a refresh.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refreshed {
    /// A new token is stored.
    Succeeded,
    /// Somebody else's newer token was there first.
    Superseded,
    /// No answer that counts; tried again later.
    Postponed,
    /// The grant is dead.
    Revoked,
}

/// Counts a refresh.
pub(crate) fn count_refresh(refreshed: Refreshed) {
    let outcome = match refreshed {
        Refreshed::Succeeded => "succeeded",
        Refreshed::Superseded => "superseded",
        Refreshed::Postponed => "postponed",
        Refreshed::Revoked => "revoked",
    };
    REFRESHES.add(1, &[KeyValue::new("lanesync.outcome", outcome)]);
}

/// Counts something that should not happen to tokens.
pub(crate) fn count_anomaly(reason: &'static str) {
    tracing::warn!(reason, "token anomaly");
    ANOMALIES.add(1, &[KeyValue::new("lanesync.reason", reason)]);
}

/// Counts a refused grant; after a lost reply it is what rotation does to the token that was lost.
pub(crate) fn count_refused_grant(why: Permanent, after_doubt: bool) {
    match (why, after_doubt) {
        (Permanent::InvalidGrant, true) => count_anomaly("refused_after_lost_reply"),
        (Permanent::InvalidGrant, false) => count_anomaly("grant_refused"),
        (Permanent::AppNotApproved | Permanent::AppRefused, _) => count_anomaly("app_refused"),
        (Permanent::InactiveUser | Permanent::InactiveOrg | Permanent::Other, _) => {}
    }
}

/// More attempts than this in a minute mean that somebody's tokens are rejected over and over.
const USUAL_PER_MINUTE: usize = 3;
const MINUTE: Duration = Duration::from_secs(60);

/// The last attempts to refresh, by workspace.
#[derive(Debug, Default)]
struct Attempts(HashMap<WorkspaceId, VecDeque<Instant>>);

impl Attempts {
    /// Notes an attempt and returns whether there are too many.
    fn note(&mut self, workspace: WorkspaceId, now: Instant) -> bool {
        self.0.retain(|_, times| times.back().is_some_and(|last| now.duration_since(*last) < MINUTE));
        let times = self.0.entry(workspace).or_default();
        times.retain(|time| now.duration_since(*time) < MINUTE);
        times.push_back(now);
        times.len() > USUAL_PER_MINUTE
    }
}

static ATTEMPTS: LazyLock<Mutex<Attempts>> = LazyLock::new(Mutex::default);

/// Notes an attempt to refresh; more than three a minute are an anomaly.
pub(crate) fn note_refresh_attempt(workspace: WorkspaceId) {
    if ATTEMPTS.lock().unwrap_or_else(PoisonError::into_inner).note(workspace, Instant::now()) {
        count_anomaly("refreshed_too_often");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s21_more_than_three_refreshes_a_minute_are_an_anomaly() {
        let (mut attempts, workspace, start) = (Attempts::default(), WorkspaceId::generate(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!([0, 1, 2, 3].map(|second| attempts.note(workspace, at(second))), [false, false, false, true]);
        assert!(!attempts.note(WorkspaceId::generate(), at(4)));
        assert!(!attempts.note(workspace, at(120)));
    }
}
