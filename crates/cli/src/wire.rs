//! From generated messages to the words that answers use. An unknown word of a newer service stays readable.

use contract::common::v1::{Money as WireMoney, SalesforceObject};
use contract::convert::from_wire_time;
use domain::Object;
use jiff::Timestamp;
use serde::Serialize;

/// What a word is called that this program does not know.
pub(crate) const UNKNOWN: &str = "unknown";

/// Reads a moment; one beyond the calendar is shown as missing rather than hiding the rest of the answer.
pub(crate) fn moment(time: Option<&prost_types::Timestamp>) -> Option<Timestamp> {
    time.and_then(|time| from_wire_time("time", time).ok())
}

/// Returns the seconds of a duration.
pub(crate) fn seconds(duration: Option<&prost_types::Duration>) -> Option<i64> {
    duration.map(|duration| duration.seconds)
}

/// Reads a text that is empty when there is none.
pub(crate) fn some(text: String) -> Option<String> {
    if text.is_empty() { None } else { Some(text) }
}

/// Returns the word for an object.
pub(crate) fn object_word(number: i32) -> &'static str {
    contract::convert::object(number).map_or(UNKNOWN, Object::token)
}

/// Returns the word for a kind.
pub(crate) fn kind_word(number: i32) -> &'static str {
    contract::convert::kind(number).map_or(UNKNOWN, domain::Kind::token)
}

/// Returns the numbers of objects.
pub(crate) fn object_numbers(objects: &[Object]) -> Vec<i32> {
    objects.iter().map(|object| SalesforceObject::from(*object) as i32).collect()
}

/// An exact amount: the number is text, so that no reader makes a floating point of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Money {
    amount: String,
    currency: String,
}

impl From<WireMoney> for Money {
    fn from(money: WireMoney) -> Self {
        Self { amount: money.amount, currency: money.currency_code }
    }
}

impl std::fmt::Display for Money {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} {}", self.amount, self.currency)
    }
}
