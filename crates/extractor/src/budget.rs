//! Whether a call may be made. The customer's other apps come first: we stop at a share of the org's calls, and before the
//! org as a whole runs dry.

use std::time::Duration;

use crate::salesforce::usage::OrgUsage;

/// No app of ours calls when this much of the org's limit is used.
const ORG_GUARD_PERCENT: u64 = 80;

/// Why no call is made now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pause {
    /// We used our share.
    OwnShare,
    /// The org, or the app's own limit in it, is close to its end.
    OrgGuard,
}

/// What is known when a call is asked for.
#[derive(Clone, Copy, Debug)]
pub struct Known {
    /// What the org said last, and how long ago.
    pub usage: Option<(OrgUsage, Duration)>,
    /// Calls of ours in the last 24 hours.
    pub own_calls: u64,
    /// Our share of the org's limit.
    pub share_percent: u64,
    /// What the org said is believed for this long; then one call may find out again.
    pub believed_for: Duration,
}

/// Decides whether a call may be made. An org that never said anything is no reason to pause.
///
/// # Errors
/// Why not.
pub fn check(known: &Known) -> Result<(), Pause> {
    let Some((usage, age)) = known.usage else { return Ok(()) };
    let share = usage.org.limit.saturating_mul(known.share_percent);
    if usage.org.limit > 0 && known.own_calls.saturating_mul(100) >= share {
        return Err(Pause::OwnShare);
    }
    let close = usage.org.reaches(ORG_GUARD_PERCENT) || usage.app.is_some_and(|app| app.reaches(ORG_GUARD_PERCENT));
    if close && age < known.believed_for { Err(Pause::OrgGuard) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(header: &str, own_calls: u64) -> Known {
        Known {
            usage: OrgUsage::parse(header).map(|usage| (usage, Duration::ZERO)),
            own_calls,
            share_percent: 25,
            believed_for: Duration::from_secs(900),
        }
    }

    #[test]
    fn case_33_the_tighter_ratio_rules_and_silence_is_no_pause() {
        assert_eq!(check(&known("api-usage=79999/100000", 0)), Ok(()));
        assert_eq!(check(&known("api-usage=80000/100000", 0)), Err(Pause::OrgGuard));
        assert_eq!(check(&known("api-usage=25/5000; per-app-api-usage=200/250(appName=x)", 0)), Err(Pause::OrgGuard));
        assert_eq!(check(&known("", 1_000_000)), Ok(()));
    }

    #[test]
    fn our_share_is_ours_however_much_the_org_has_left() {
        assert_eq!(check(&known("api-usage=30000/100000", 24_999)), Ok(()));
        assert_eq!(check(&known("api-usage=30000/100000", 25_000)), Err(Pause::OwnShare));
    }

    #[test]
    fn an_old_word_of_the_org_lets_one_call_find_out() {
        let mut known = known("api-usage=90000/100000", 0);
        known.usage = known.usage.map(|(usage, _)| (usage, Duration::from_secs(900)));
        assert_eq!(check(&known), Ok(()));
    }
}
