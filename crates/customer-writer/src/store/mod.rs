//! The statements, one idea per module. Every function takes a connection: the caller owns the transaction.

pub(crate) mod applied;
pub(crate) mod audit;
pub(crate) mod edit;
pub(crate) mod erase;
pub(crate) mod feed;
pub(crate) mod gone;
pub(crate) mod group;
pub(crate) mod history;
pub(crate) mod late;
pub(crate) mod list;
pub(crate) mod live;
pub(crate) mod parked;
pub(crate) mod read;
pub(crate) mod row;
pub(crate) mod standing;
pub(crate) mod workspace;

/// What the last write of a row changed: the bits of the column `touched`.
pub(crate) mod touched {
    /// Anything.
    pub(crate) const CONTENT: i16 = 1;
    /// ARR.
    pub(crate) const ARR: i16 = 2;
    /// Tier.
    pub(crate) const TIER: i16 = 4;
    /// Status.
    pub(crate) const STATUS: i16 = 8;
    /// The row was made.
    pub(crate) const CREATED: i16 = 16;
    /// Archived, or back.
    pub(crate) const ARCHIVED: i16 = 32;
    /// What the change feed tells.
    pub(crate) const FEED: i16 = ARR | TIER | STATUS | ARCHIVED;

    /// Returns the bits of what holds.
    pub(crate) fn bits(holds: [(bool, i16); 4]) -> i16 {
        holds.into_iter().filter(|(holds, _)| *holds).fold(0, |bits, (_, bit)| bits | bit)
    }
}
