//! The one word that people see for a workspace's sync; one function decides it, so every page and metric agree.

/// Where a workspace's sync stands, in order of precedence: the first that applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum SyncState {
    /// The plan does not include Salesforce.
    PlanRequired,
    /// Never connected.
    NotConnected,
    /// Was connected.
    Disconnected,
    /// Connected; the first sync was not started.
    Connecting,
    /// Salesforce refused the grant.
    AuthRevoked,
    /// Waits for API calls; resumes by itself.
    QuotaExhausted,
    /// The first load runs.
    FirstSync,
    /// Syncing, with something to look at.
    Degraded(Degradation),
    /// Up to date.
    Healthy,
}

/// What there is to look at.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Degradation {
    /// An object is paused: hidden, or a mapped field of it is.
    ObjectPaused,
    /// Records are parked.
    ParkedRecords,
    /// Picklist values have no mapping.
    UnmappedValues,
    /// The last compare found more vanished records than is safe to archive.
    NeedsLook,
    /// Salesforce has not answered for a quarter of an hour: nothing to do.
    SalesforceSilent,
    /// Changes are applied later than promised.
    Late,
}

impl SyncState {
    /// The names of all states, in order of precedence.
    pub const TOKENS: [&str; 9] = [
        "plan_required",
        "not_connected",
        "disconnected",
        "connecting",
        "auth_revoked",
        "quota_exhausted",
        "first_sync",
        "degraded",
        "healthy",
    ];

    /// Returns the stable name, whatever there is to look at.
    #[must_use]
    pub fn token(self) -> &'static str {
        let [plan, never, ended, connecting, revoked, quota, first, degraded, healthy] = Self::TOKENS;
        match self {
            Self::PlanRequired => plan,
            Self::NotConnected => never,
            Self::Disconnected => ended,
            Self::Connecting => connecting,
            Self::AuthRevoked => revoked,
            Self::QuotaExhausted => quota,
            Self::FirstSync => first,
            Self::Degraded(_) => degraded,
            Self::Healthy => healthy,
        }
    }
}

impl Degradation {
    /// Returns the stable reason code.
    #[must_use]
    pub fn reason(self) -> &'static str {
        match self {
            Self::ObjectPaused => "object_paused",
            Self::ParkedRecords => "parked_records",
            Self::UnmappedValues => "unmapped_values",
            Self::NeedsLook => "needs_look",
            Self::SalesforceSilent => "salesforce_unavailable",
            Self::Late => "late",
        }
    }
}

/// Where the grant stands, as far as the state needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Grant {
    /// There never was one.
    Never,
    /// There is one.
    Active,
    /// Salesforce refused it.
    Revoked,
    /// It was ended.
    Ended,
}

/// What the state is decided from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Whether the plan includes Salesforce.
    pub plan_allows: bool,
    /// Where the grant stands.
    pub grant: Grant,
    /// Whether a first sync was ever started.
    pub first_sync_started: bool,
    /// Whether every object was loaded once.
    pub first_sync_done: bool,
    /// Whether reads wait for API calls.
    pub waits_for_quota: bool,
    /// Objects that are paused.
    pub paused_objects: u64,
    /// Parked records.
    pub parked: u64,
    /// Open unmapped values.
    pub unmapped: u64,
    /// Whether the last compare needs a look.
    pub needs_look: bool,
    /// Whether Salesforce has been silent for longer than a hiccup.
    pub salesforce_silent: bool,
    /// Whether changes are later than promised.
    pub late: bool,
}

/// Decides the state.
#[must_use]
pub fn decide(facts: &Facts) -> SyncState {
    if !facts.plan_allows {
        return SyncState::PlanRequired;
    }
    match facts.grant {
        Grant::Never => return SyncState::NotConnected,
        Grant::Ended => return SyncState::Disconnected,
        Grant::Revoked => return SyncState::AuthRevoked,
        Grant::Active => {}
    }
    if !facts.first_sync_started {
        return SyncState::Connecting;
    }
    if facts.waits_for_quota {
        return SyncState::QuotaExhausted;
    }
    if !facts.first_sync_done {
        return SyncState::FirstSync;
    }
    degradations(facts).next().map_or(SyncState::Healthy, SyncState::Degraded)
}

/// Returns everything that there is to look at, in order of precedence; it matters when the state is [`SyncState::Degraded`].
pub fn degradations(facts: &Facts) -> impl Iterator<Item = Degradation> + use<> {
    let all = [
        (facts.paused_objects > 0, Degradation::ObjectPaused),
        (facts.parked > 0, Degradation::ParkedRecords),
        (facts.unmapped > 0, Degradation::UnmappedValues),
        (facts.needs_look, Degradation::NeedsLook),
        (facts.salesforce_silent, Degradation::SalesforceSilent),
        (facts.late, Degradation::Late),
    ];
    all.into_iter().filter(|(applies, _)| *applies).map(|(_, degradation)| degradation)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEALTHY: Facts = Facts {
        plan_allows: true,
        grant: Grant::Active,
        first_sync_started: true,
        first_sync_done: true,
        waits_for_quota: false,
        paused_objects: 0,
        parked: 0,
        unmapped: 0,
        needs_look: false,
        salesforce_silent: false,
        late: false,
    };

    #[test]
    fn the_first_state_that_applies_wins() {
        assert_eq!(decide(&HEALTHY), SyncState::Healthy);
        assert_eq!(
            decide(&Facts { unmapped: 1, late: true, ..HEALTHY }),
            SyncState::Degraded(Degradation::UnmappedValues)
        );
        assert_eq!(decide(&Facts { first_sync_done: false, unmapped: 1, ..HEALTHY }), SyncState::FirstSync);
        assert_eq!(
            decide(&Facts { waits_for_quota: true, first_sync_done: false, ..HEALTHY }),
            SyncState::QuotaExhausted
        );
        assert_eq!(
            decide(&Facts { grant: Grant::Revoked, first_sync_started: false, ..HEALTHY }),
            SyncState::AuthRevoked
        );
        assert_eq!(decide(&Facts { plan_allows: false, grant: Grant::Never, ..HEALTHY }), SyncState::PlanRequired);
    }

    #[test]
    fn everything_to_look_at_is_told_and_the_state_names_the_first() {
        let facts = Facts { parked: 3, salesforce_silent: true, late: true, ..HEALTHY };
        let all: Vec<_> = degradations(&facts).map(Degradation::reason).collect();
        assert_eq!(all, ["parked_records", "salesforce_unavailable", "late"]);
        assert_eq!(decide(&facts), SyncState::Degraded(Degradation::ParkedRecords));
        assert_eq!(degradations(&HEALTHY).count(), 0);
    }
}
