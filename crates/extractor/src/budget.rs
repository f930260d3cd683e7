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

/// Returns how many calls a share allows in 24 hours.
#[must_use]
pub fn own_limit(org_limit: u64, share_percent: u64) -> u64 {
    org_limit.saturating_mul(share_percent).div_ceil(100)
}

/// Decides whether a call may be made. An org that never said anything is no reason to pause.
///
/// # Errors
/// Why not.
pub fn check(known: &Known) -> Result<(), Pause> {
    let Some((usage, age)) = known.usage else { return Ok(()) };
    if usage.org.limit > 0 && known.own_calls >= own_limit(usage.org.limit, known.share_percent) {
        return Err(Pause::OwnShare);
    }
    let close = usage.org.reaches(ORG_GUARD_PERCENT) || usage.app.is_some_and(|app| app.reaches(ORG_GUARD_PERCENT));
    if close && age < known.believed_for { Err(Pause::OrgGuard) } else { Ok(()) }
}

/// Whether another share ends a wait for calls: our share was used up, the new one has room, and the org as a whole too.
#[must_use]
pub fn ends_wait(known: &Known, new_share_percent: u64) -> bool {
    let new = Known { share_percent: new_share_percent, ..*known };
    check(known) == Err(Pause::OwnShare) && check(&new).is_ok()
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
    fn only_a_larger_share_with_room_ends_a_wait() {
        let used_up = known("api-usage=30000/100000", 25_000);
        assert!(ends_wait(&used_up, 30));
        assert!(!ends_wait(&used_up, 25) && !ends_wait(&used_up, 10));
        let full_org = known("api-usage=85000/100000", 25_000);
        assert!(!ends_wait(&full_org, 90), "others used up the org's calls");
        assert!(!ends_wait(&known("api-usage=81000/100000", 10), 90), "it is not our share that is waited for");
    }

    #[test]
    fn a_limit_that_does_not_divide_counts_as_it_is_shown() {
        assert_eq!((own_limit(1_234, 25), own_limit(0, 25), own_limit(100, 8)), (309, 0, 8));
        assert_eq!(check(&known("api-usage=1/1234", 308)), Ok(()));
        assert_eq!(check(&known("api-usage=1/1234", 309)), Err(Pause::OwnShare));
    }

    #[test]
    fn an_old_word_of_the_org_lets_one_call_find_out() {
        let mut known = known("api-usage=90000/100000", 0);
        known.usage = known.usage.map(|(usage, _)| (usage, Duration::from_secs(900)));
        assert_eq!(check(&known), Ok(()));
    }
}
