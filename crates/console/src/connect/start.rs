//! The replication start date: presets, a date of one's own, and what each would cost.

use jiff::civil::Date;
use jiff::{Timestamp, ToSpan as _, tz::TimeZone};

/// The oldest date that auth takes.
const OLDEST: &str = "1999-01-01";

/// How far back the first sync goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// What changed in the last days.
    Days(i64),
    /// Everything.
    All,
    /// What changed since a date.
    Since(Date),
}

/// A choice of the form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Preset {
    pub(super) token: &'static str,
    pub(super) label: &'static str,
}

/// The presets, in order.
pub(super) const PRESETS: [Preset; 4] = [
    Preset { token: "30d", label: "Last 30 days" },
    Preset { token: "90d", label: "Last 90 days" },
    Preset { token: "1y", label: "Last year" },
    Preset { token: "all", label: "Everything" },
];

impl Start {
    /// Reads a choice.
    ///
    /// # Errors
    /// The sentence that the form shows at the field.
    pub(super) fn read(token: &str, date: &str, now: Timestamp) -> Result<Self, &'static str> {
        match token {
            "30d" => Ok(Self::Days(30)),
            "90d" => Ok(Self::Days(90)),
            "1y" => Ok(Self::Days(365)),
            "all" => Ok(Self::All),
            "own" => {
                let date: Date = date.parse().map_err(|_| "Enter a date such as 2025-06-30.")?;
                let oldest: Date = OLDEST.parse().map_err(|_| "Enter a date such as 2025-06-30.")?;
                let today = now.to_zoned(TimeZone::UTC).date();
                if (oldest..=today).contains(&date) {
                    Ok(Self::Since(date))
                } else {
                    Err("Choose a date from 1999-01-01 to today.")
                }
            }
            _ => Err("Choose how far back to go."),
        }
    }

    /// Returns the moment; `None` for everything.
    pub(super) fn at(self, now: Timestamp) -> Option<Timestamp> {
        let midnight = |date: Date| date.to_zoned(TimeZone::UTC).map(|day| day.timestamp()).ok();
        match self {
            Self::Days(days) => midnight(now.to_zoned(TimeZone::UTC).date().checked_sub(days.days()).ok()?),
            Self::All => None,
            Self::Since(date) => midnight(date),
        }
    }

    /// Returns the moment for counting: everything is what changed since before there was anything.
    pub(super) fn counted_from(self, now: Timestamp) -> Timestamp {
        self.at(now).unwrap_or(Timestamp::UNIX_EPOCH)
    }
}

/// Returns the token of a start date that stands already, to be marked in the form.
pub(super) fn token_of(at: Option<Timestamp>, now: Timestamp) -> &'static str {
    let Some(at) = at else { return "all" };
    let days = (now.as_second() - at.as_second()) / 86_400;
    match days {
        29..=31 => "30d",
        89..=91 => "90d",
        364..=366 => "1y",
        _ => "own",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-12T09:14:30Z".parse().unwrap()
    }

    #[test]
    fn presets_begin_at_midnight_and_own_dates_lie_between_the_oldest_and_today() {
        let at = |token, date| Start::read(token, date, now()).map(|start| start.at(now()).map(|at| at.to_string()));
        assert_eq!(at("30d", ""), Ok(Some("2026-10-13T00:00:00Z".into())));
        assert_eq!(at("1y", ""), Ok(Some("2025-11-12T00:00:00Z".into())));
        assert_eq!(at("all", "2020-01-01"), Ok(None));
        assert_eq!(at("own", "2020-02-29"), Ok(Some("2020-02-29T00:00:00Z".into())));
        for (token, date) in [("own", ""), ("own", "2026-11-13"), ("own", "1998-12-31"), ("own", "29.2.2020"), ("", "")]
        {
            assert!(at(token, date).is_err(), "{token} {date}");
        }
    }

    #[test]
    fn a_start_date_is_found_again_among_the_presets() {
        for token in ["30d", "90d", "1y", "all"] {
            let at = Start::read(token, "", now()).unwrap().at(now());
            assert_eq!(token_of(at, now()), token);
        }
        assert_eq!(token_of(Some("2020-02-29T00:00:00Z".parse().unwrap()), now()), "own");
    }
}
