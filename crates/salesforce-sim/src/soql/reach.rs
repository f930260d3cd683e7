//! How far into the indexes a filter can reach: bounds that every matching row lies within.

use std::collections::BTreeSet;

use super::ast::Operator;
use super::bind::Access;
use super::filter::Test;
use crate::id::Id;
use crate::schema::{ID, STAMP};
use crate::value::Value;

/// Bounds on the (stamp, id) pair and on the id; both ends included.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    pub(super) low: (i64, Id),
    pub(super) high: (i64, Id),
    pub(super) id_low: Id,
    pub(super) id_high: Id,
    /// The only ids that can match.
    pub(super) ids: Option<BTreeSet<Id>>,
}

impl Reach {
    pub(super) fn everything() -> Self {
        Self { low: (i64::MIN, Id::MIN), high: (i64::MAX, Id::MAX), id_low: Id::MIN, id_high: Id::MAX, ids: None }
    }

    pub(super) fn narrows_stamps(&self) -> bool {
        self.low.0 != i64::MIN || self.high.0 != i64::MAX
    }

    /// The bounds of a filter.
    pub(super) fn of(test: &Test) -> Self {
        match test {
            Test::And(terms) => terms.iter().map(Self::of).fold(Self::everything(), Self::and),
            Test::Or(terms) => terms.iter().map(Self::of).reduce(Self::or).unwrap_or_else(Self::everything),
            Test::Compare(Access::Column(STAMP), operator, Value::DateTime(at)) => {
                Self::everything().with_stamp(*operator, *at)
            }
            Test::Compare(Access::Column(ID), operator, Value::Id(id)) => Self::everything().with_id(*operator, *id),
            Test::Within(Access::Column(STAMP), operator, Value::DateTime(from), Value::DateTime(to)) => {
                let everything = Self::everything();
                match operator {
                    Operator::Equal => {
                        everything.with_stamp(Operator::GreaterOrEqual, *from).with_stamp(Operator::Less, *to)
                    }
                    Operator::Greater => everything.with_stamp(Operator::GreaterOrEqual, *to),
                    Operator::GreaterOrEqual => everything.with_stamp(Operator::GreaterOrEqual, *from),
                    Operator::Less => everything.with_stamp(Operator::Less, *from),
                    Operator::LessOrEqual => everything.with_stamp(Operator::Less, *to),
                    Operator::NotEqual | Operator::Like => everything,
                }
            }
            Test::Ids(Access::Column(ID), ids, false) => {
                Self { ids: Some(ids.iter().copied().collect()), ..Self::everything() }
            }
            _ => Self::everything(),
        }
    }

    fn with_stamp(mut self, operator: Operator, at: i64) -> Self {
        match operator {
            Operator::Equal => (self.low, self.high) = ((at, Id::MIN), (at, Id::MAX)),
            Operator::Greater => self.low = (at.saturating_add(1), Id::MIN),
            Operator::GreaterOrEqual => self.low = (at, Id::MIN),
            Operator::Less => self.high = (at.saturating_sub(1), Id::MAX),
            Operator::LessOrEqual => self.high = (at, Id::MAX),
            Operator::NotEqual | Operator::Like => {}
        }
        self
    }

    fn with_id(mut self, operator: Operator, id: Id) -> Self {
        match operator {
            Operator::Equal => {
                self.ids = Some(BTreeSet::from([id]));
                (self.id_low, self.id_high) = (id, id);
            }
            Operator::Greater | Operator::GreaterOrEqual => self.id_low = id,
            Operator::Less | Operator::LessOrEqual => self.id_high = id,
            Operator::NotEqual | Operator::Like => {}
        }
        self
    }

    fn and(self, other: Self) -> Self {
        let mut both = Self {
            low: self.low.max(other.low),
            high: self.high.min(other.high),
            id_low: self.id_low.max(other.id_low),
            id_high: self.id_high.min(other.id_high),
            ids: match (self.ids, other.ids) {
                (Some(a), Some(b)) => Some(&a & &b),
                (a, b) => a.or(b),
            },
        };
        // stamp >= T and id > X together put the pair past (T, X): what keyset paging needs.
        both.low = both.low.max((both.low.0, both.id_low));
        both.high = both.high.min((both.high.0, both.id_high));
        both
    }

    fn or(self, other: Self) -> Self {
        Self {
            low: self.low.min(other.low),
            high: self.high.max(other.high),
            id_low: self.id_low.min(other.id_low),
            id_high: self.id_high.max(other.id_high),
            ids: match (self.ids, other.ids) {
                (Some(a), Some(b)) => Some(&a | &b),
                _ => None,
            },
        }
    }
}
