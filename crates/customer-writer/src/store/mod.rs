//! The statements, one idea per module. Every function takes a connection: the caller owns the transaction.

pub(crate) mod applied;
pub(crate) mod edit;
pub(crate) mod feed;
pub(crate) mod gone;
pub(crate) mod group;
pub(crate) mod late;
pub(crate) mod live;
pub(crate) mod parked;
pub(crate) mod read;
pub(crate) mod row;
pub(crate) mod workspace;

/// What the last write of a row changed: the bits of the column `touched`.
pub(crate) mod touched {
    /// Anything.
    pub(crate) const CONTENT: i16 = 1;
    /// The row was made.
    pub(crate) const CREATED: i16 = 16;
    /// What the change feed tells: ARR, tier, status, archived or back.
    pub(crate) const FEED: i16 = 2 | 4 | 8 | 32;
    /// Archived, or back.
    pub(crate) const ARCHIVED: i16 = 32;
}
