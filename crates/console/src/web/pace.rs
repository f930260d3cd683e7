//! Who asks too much is told to wait (S27). Each replica counts for itself.

use std::num::NonZeroU32;
use std::time::Duration;

use governor::clock::{Clock as _, DefaultClock};
use governor::{DefaultKeyedRateLimiter, Quota};

/// Changes that one session may make in a minute.
const CHANGES: u32 = 60;
/// Pages that one session may see in a minute; live parts and lists ask often.
const PAGES: u32 = 600;
/// Flows to Salesforce that one workspace may begin in an hour.
const FLOWS: u32 = 10;
/// Sign-ins that one browser may try in a minute.
const SIGN_INS: u32 = 20;

/// What somebody does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Act {
    /// Changes something.
    Change,
    /// Looks at a page.
    Look,
    /// Begins a flow to Salesforce.
    Connect,
    /// Tries to sign in.
    SignIn,
}

/// How often each has done what.
#[derive(Debug)]
pub(crate) struct Pace {
    changes: DefaultKeyedRateLimiter<String>,
    looks: DefaultKeyedRateLimiter<String>,
    flows: DefaultKeyedRateLimiter<String>,
    sign_ins: DefaultKeyedRateLimiter<String>,
}

impl Pace {
    /// Begins with nobody.
    pub(crate) fn new() -> Self {
        let limiter = |quota| DefaultKeyedRateLimiter::keyed(quota);
        let times = |count| NonZeroU32::new(count).unwrap_or(NonZeroU32::MIN);
        Self {
            changes: limiter(Quota::per_minute(times(CHANGES))),
            looks: limiter(Quota::per_minute(times(PAGES))),
            flows: limiter(Quota::per_hour(times(FLOWS))),
            sign_ins: limiter(Quota::per_minute(times(SIGN_INS))),
        }
    }

    /// Counts an act of `key`, or says how long to wait.
    ///
    /// # Errors
    /// The time until the act is fine again.
    pub(crate) fn count(&self, act: Act, key: &str) -> Result<(), Duration> {
        let limiter = match act {
            Act::Change => &self.changes,
            Act::Look => &self.looks,
            Act::Connect => &self.flows,
            Act::SignIn => &self.sign_ins,
        };
        limiter.check_key(&key.to_owned()).map_err(|not_until| not_until.wait_time_from(DefaultClock::default().now()))
    }

    /// Forgets those who have been quiet; called now and then.
    pub(crate) fn tidy(&self) {
        for limiter in [&self.changes, &self.looks, &self.flows, &self.sign_ins] {
            limiter.retain_recent();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s27_a_session_makes_sixty_changes_a_minute_and_others_are_not_held_up() {
        let pace = Pace::new();
        assert!((0..60).all(|_| pace.count(Act::Change, "one").is_ok()));
        let wait = pace.count(Act::Change, "one").unwrap_err();
        assert!(wait <= Duration::from_secs(60) && !wait.is_zero(), "{wait:?}");
        assert!(pace.count(Act::Change, "other").is_ok());
        assert!((0..10).all(|_| pace.count(Act::Connect, "workspace").is_ok()));
        assert!(pace.count(Act::Connect, "workspace").is_err());
    }
}
