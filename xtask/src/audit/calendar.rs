//! Days, as far as the end of an exception needs them.

use std::fmt;
use std::str::FromStr;
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::Context as _;

/// A day of the calendar, written as 2027-02-28; days compare as they follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Day {
    year: i64,
    month: i64,
    day: i64,
}

impl Day {
    pub(super) fn today() -> anyhow::Result<Self> {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).context("the clock stands before 1970")?;
        Ok(Self::from_number(i64::try_from(since.as_secs() / 86_400)?))
    }

    /// The day `days` later.
    pub(super) fn after(self, days: i64) -> Self {
        Self::from_number(self.number() + days)
    }

    /// Days since 1970-01-01. Years are counted from March, so that the leap day is a year's last.
    fn number(self) -> i64 {
        let year = if self.month <= 2 { self.year - 1 } else { self.year };
        let in_year = (153 * ((self.month + 9) % 12) + 2) / 5 + self.day - 1;
        year * 365 + year / 4 - year / 100 + year / 400 + in_year - 719_468
    }

    fn from_number(number: i64) -> Self {
        let number = number + 719_468;
        let (era, in_era) = (number / 146_097, number % 146_097);
        let year_of_era = (in_era - in_era / 1_460 + in_era / 36_524 - in_era / 146_096) / 365;
        let in_year = in_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * in_year + 2) / 153;
        let month = (from_march + 2) % 12 + 1;
        let year = era * 400 + year_of_era + i64::from(month <= 2);
        Self { year, month, day: in_year - (153 * from_march + 2) / 5 + 1 }
    }
}

impl FromStr for Day {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> anyhow::Result<Self> {
        let numbers: Vec<i64> = text.split('-').map_while(|number| number.parse().ok()).collect();
        let [year, month, day] = numbers[..] else { anyhow::bail!("{text} is no day such as 2027-02-28") };
        let read = Self { year, month, day };
        // A day that does not exist comes back as another.
        anyhow::ensure!(Self::from_number(read.number()) == read, "{text} is no day such as 2027-02-28");
        Ok(read)
    }
}

impl fmt::Display for Day {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_follow_each_other_over_leap_years() {
        let mut day: Day = "1999-12-31".parse().unwrap();
        for _ in 0..3_000 {
            let next = day.after(1);
            assert!(next > day && next.number() == day.number() + 1, "{day}, then {next}");
            day = next;
        }
        assert_eq!(day.to_string(), "2008-03-18");
        assert_eq!("2026-08-21".parse::<Day>().unwrap().after(90).to_string(), "2026-11-19");
    }

    #[test]
    fn a_day_that_does_not_exist_is_refused() {
        for text in ["2027-02-29", "2027-13-01", "2027-00-10", "2027-02", "soon", "2027-02-28-1"] {
            assert!(text.parse::<Day>().is_err(), "{text}");
        }
    }
}
