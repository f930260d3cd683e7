//! What stands on a command line, read once: plans, kinds, dates, assignments.

use domain::{Kind, Object, Plan};
use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// Reads a plan.
pub(crate) fn plan(text: &str) -> Result<Plan, String> {
    Plan::from_token(text).ok_or_else(|| "a plan is starter, pro or business".to_owned())
}

/// Reads a kind, in singular or plural.
pub(crate) fn kind(text: &str) -> Result<Kind, String> {
    let singular = text.strip_suffix('s').unwrap_or(text);
    Kind::from_token(singular).ok_or_else(|| "a kind is account or contact".to_owned())
}

/// Reads an object, in singular or plural and any case.
pub(crate) fn object(text: &str) -> Result<Object, String> {
    let lower = text.to_ascii_lowercase();
    let singular = lower.strip_suffix('s').unwrap_or(&lower);
    Object::from_token(singular).ok_or_else(|| "an object is account, contact or lead".to_owned())
}

/// A replication start date.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StartDate {
    /// No record is too old.
    All,
    /// Records stamped at or after this moment.
    At(Timestamp),
}

impl StartDate {
    /// Returns the moment; nothing means everything.
    pub(crate) fn moment(self) -> Option<Timestamp> {
        match self {
            Self::All => None,
            Self::At(moment) => Some(moment),
        }
    }
}

/// Reads `all`, a date (its beginning in UTC) or a moment with its zone.
pub(crate) fn start_date(text: &str) -> Result<StartDate, String> {
    if text == "all" {
        return Ok(StartDate::All);
    }
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(StartDate::At(moment));
    }
    let form = || "a start date is all, a date such as 2024-01-31, or a moment such as 2024-01-31T12:00:00Z".to_owned();
    let date: Date = text.parse().map_err(|_| form())?;
    let midnight = date.to_zoned(TimeZone::UTC).map_err(|_| form())?;
    Ok(StartDate::At(midnight.timestamp()))
}

/// `NAME=VALUE` from the command line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// What stands before the sign.
    pub(crate) name: String,
    /// What stands after it.
    pub(crate) value: String,
}

/// Reads `field=value`; the name ends at the first sign, since field ids contain none.
pub(crate) fn field_assignment(text: &str) -> Result<Assignment, String> {
    assignment(text, text.split_once('='), "FIELD=VALUE")
}

/// Reads `raw value=option`; the raw value ends at the last sign, since option keys contain none.
pub(crate) fn value_assignment(text: &str) -> Result<Assignment, String> {
    assignment(text, text.rsplit_once('='), "RAW=OPTION")
}

fn assignment(text: &str, split: Option<(&str, &str)>, form: &str) -> Result<Assignment, String> {
    match split {
        Some((name, value)) if !name.is_empty() => Ok(Assignment { name: name.to_owned(), value: value.to_owned() }),
        _ => Err(format!("{text:?} is not of the form {form}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_start_date_is_all_a_date_or_a_moment() {
        assert_eq!(start_date("all"), Ok(StartDate::All));
        let january = StartDate::At("2024-01-31T00:00:00Z".parse().unwrap());
        assert_eq!(start_date("2024-01-31"), Ok(january));
        let zoned = StartDate::At("2024-01-31T11:00:00Z".parse().unwrap());
        assert_eq!(start_date("2024-01-31T12:00:00+01:00"), Ok(zoned));
        for wrong in ["", "yesterday", "31.01.2024", "2024-02-30"] {
            assert!(start_date(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_field_ends_at_the_first_sign_and_a_raw_value_at_the_last() {
        let assignment = |name: &str, value: &str| Ok(Assignment { name: name.into(), value: value.into() });
        assert_eq!(field_assignment("website=https://x/?a=b"), assignment("website", "https://x/?a=b"));
        assert_eq!(value_assignment("A = B=gold"), assignment("A = B", "gold"));
        assert_eq!(field_assignment("phone="), assignment("phone", ""));
        assert!(field_assignment("phone").is_err());
        assert!(field_assignment("=x").is_err());
    }

    #[test]
    fn words_are_read_in_singular_and_plural() {
        assert_eq!(kind("accounts"), Ok(Kind::Account));
        assert_eq!(object("Leads"), Ok(Object::Lead));
        assert!(kind("lead").is_err());
        assert!(plan("gold").is_err());
    }
}
