//! Moments of Salesforce's clock, in milliseconds. Salesforce writes them in a form of its own.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A moment of Salesforce's clock, never of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stamp(i64);

/// The latest moment that Salesforce can hold: the end of the year 4000, and a day for offsets.
const LATEST: i64 = 64_092_297_600_000;
/// The earliest moment that Salesforce can hold in any datetime field is in 1700.
const EARLIEST: i64 = -8_520_336_000_000;

impl Stamp {
    /// Makes a stamp of milliseconds since 1970.
    #[must_use]
    pub fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Returns milliseconds since 1970.
    #[must_use]
    pub fn as_millis(self) -> i64 {
        self.0
    }

    /// Reads `2026-08-02T10:11:12.000+0000`, with `Z` or a colon in the offset too; `None` when it is anything else.
    ///
    /// A strict RFC 3339 parser refuses Salesforce's form, which has no colon.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let bytes = text.as_bytes();
        let well_punctuated = bytes.len() >= 20
            && bytes[4] == b'-'
            && bytes[7] == b'-'
            && bytes[10] == b'T'
            && bytes[13] == b':'
            && bytes[16] == b':';
        if !well_punctuated {
            return None;
        }
        let year = digits(&bytes[..4])?;
        let (month, day) = (digits(&bytes[5..7])?, digits(&bytes[8..10])?);
        let (hour, minute, second) = (digits(&bytes[11..13])?, digits(&bytes[14..16])?, digits(&bytes[17..19])?);
        let in_range = (1..=12).contains(&month)
            && (1..=days_in(year, month)).contains(&day)
            && hour < 24
            && minute < 60
            && second <= 60;
        if !in_range {
            return None;
        }
        let (fraction, offset) = split_fraction(&bytes[19..])?;
        let days = days_from_civil(year, month, day);
        let seconds = days * 86_400 + hour * 3_600 + minute * 60 + second - offset_seconds(offset)?;
        let millis = seconds * 1_000 + fraction;
        (EARLIEST..=LATEST).contains(&millis).then_some(Self(millis))
    }

    /// Reads the `Date` header of an HTTP answer.
    #[must_use]
    pub fn from_http_date(text: &str) -> Option<Self> {
        jiff::fmt::rfc2822::parse(text).ok().map(|moment| Self(moment.timestamp().as_millisecond()))
    }

    /// Returns the moment earlier by `span`.
    #[must_use]
    pub fn earlier(self, span: std::time::Duration) -> Self {
        Self(self.0.saturating_sub(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns the moment later by `span`.
    #[must_use]
    pub fn later(self, span: std::time::Duration) -> Self {
        Self(self.0.saturating_add(i64::try_from(span.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Returns the moment half way to `other`.
    #[must_use]
    pub fn midway(self, other: Self) -> Self {
        Self(self.0 + (other.0 - self.0) / 2)
    }

    /// Returns the moment in the words of `jiff`.
    #[must_use]
    pub fn to_timestamp(self) -> Timestamp {
        Timestamp::from_millisecond(self.0).unwrap_or(Timestamp::MAX)
    }
}

impl From<Timestamp> for Stamp {
    fn from(moment: Timestamp) -> Self {
        Self(moment.as_millisecond())
    }
}

/// As a SOQL literal and as canonical text: RFC 3339 in UTC, milliseconds only where there are any.
impl fmt::Display for Stamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (days, rest) = (self.0.div_euclid(86_400_000), self.0.rem_euclid(86_400_000));
        let (year, month, day) = civil_from_days(days);
        let (seconds, millis) = (rest / 1_000, rest % 1_000);
        let (hour, minute, second) = (seconds / 3_600, seconds / 60 % 60, seconds % 60);
        write!(f, "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}")?;
        if millis > 0 {
            write!(f, ".{millis:03}")?;
        }
        f.write_str("Z")
    }
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// Splits `.000+0000` into milliseconds and the offset.
fn split_fraction(rest: &[u8]) -> Option<(i64, &[u8])> {
    let [b'.', fraction_and_offset @ ..] = rest else {
        return Some((0, rest));
    };
    let length = fraction_and_offset.iter().take_while(|byte| byte.is_ascii_digit()).count();
    if length == 0 || length > 9 {
        return None;
    }
    let (fraction, offset) = fraction_and_offset.split_at(length);
    let millis = (0..3).try_fold(0, |number, place| {
        let digit = fraction.get(place).map_or(Some(0), |byte| digits(&[*byte]))?;
        Some(number * 10 + digit)
    })?;
    Some((millis, offset))
}

fn offset_seconds(offset: &[u8]) -> Option<i64> {
    let (sign, hours, minutes) = match offset {
        b"Z" => return Some(0),
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] | [sign @ (b'+' | b'-'), h1, h2, m1, m2] => {
            (*sign, digits(&[*h1, *h2])?, digits(&[*m1, *m2])?)
        }
        _ => return None,
    };
    if hours > 14 || minutes > 59 {
        return None;
    }
    let seconds = hours * 3_600 + minutes * 60;
    Some(if sign == b'-' { -seconds } else { seconds })
}

fn is_leap(year: i64) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn days_in(year: i64, month: i64) -> i64 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 in the proleptic Gregorian calendar, by eras of 400 years.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year - era * 400;
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days - era * 146_097;
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_48_every_form_of_salesforce_is_read() {
        for (text, canonical) in [
            ("2026-08-02T10:11:12.000+0000", "2026-08-02T10:11:12Z"),
            ("2026-08-02T10:11:12Z", "2026-08-02T10:11:12Z"),
            ("2026-08-02T10:11:12.345Z", "2026-08-02T10:11:12.345Z"),
            ("2026-08-02T10:11:12+03:00", "2026-08-02T07:11:12Z"),
            ("1700-01-01T00:00:00.000+0000", "1700-01-01T00:00:00Z"),
            ("1969-12-31T23:59:59.000+0000", "1969-12-31T23:59:59Z"),
            ("4000-12-31T00:00:00.000+0000", "4000-12-31T00:00:00Z"),
            ("2024-02-29T00:00:00.000+1400", "2024-02-28T10:00:00Z"),
        ] {
            assert_eq!(Stamp::parse(text).unwrap().to_string(), canonical, "{text}");
        }
    }

    #[test]
    fn what_is_no_moment_is_refused() {
        for text in [
            "",
            "2026-08-02",
            "2026-08-02T10:11:12",
            "2026-13-02T10:11:12Z",
            "2023-02-29T10:11:12Z",
            "2026-08-02T24:00:00Z",
            "9999-12-31T00:00:00.000+0000",
            "2026-08-02T10:11:12.+0000",
            "2026-08-02 10:11:12Z",
            "2026-08-02T10:11:12.000+1500",
        ] {
            assert_eq!(Stamp::parse(text), None, "{text}");
        }
    }

    #[test]
    fn the_date_header_is_server_time() {
        let stamp = Stamp::from_http_date("Tue, 11 Aug 2026 08:00:00 GMT").unwrap();
        assert_eq!(stamp.to_string(), "2026-08-11T08:00:00Z");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(millis in EARLIEST..LATEST) {
            prop_assert_eq!(Stamp::parse(&Stamp(millis).to_string()), Some(Stamp(millis)));
        }
    }
}
