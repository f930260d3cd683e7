//! Dates and moments as Salesforce writes them, and the simulator's clock.

use std::sync::atomic::{AtomicI64, Ordering};

const DAY_MS: i64 = 86_400_000;
const FROZEN_OFF: i64 = i64::MIN;

/// The server's clock: real time plus an offset, or standing still.
#[derive(Debug)]
pub(crate) struct Clock {
    offset_ms: AtomicI64,
    frozen_ms: AtomicI64,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { offset_ms: AtomicI64::new(0), frozen_ms: AtomicI64::new(FROZEN_OFF) }
    }

    /// Milliseconds since 1970, as the server sees it.
    pub(crate) fn now_ms(&self) -> i64 {
        match self.frozen_ms.load(Ordering::Relaxed) {
            FROZEN_OFF => jiff::Timestamp::now().as_millisecond() + self.offset_ms.load(Ordering::Relaxed),
            frozen => frozen,
        }
    }

    /// The stamp of a change made now: whole seconds.
    pub(crate) fn stamp(&self) -> i64 {
        whole_second(self.now_ms())
    }

    /// Moves the clock by `offset_ms` from real time and lets it run.
    pub(crate) fn set_offset(&self, offset_ms: i64) {
        self.offset_ms.store(offset_ms, Ordering::Relaxed);
        self.frozen_ms.store(FROZEN_OFF, Ordering::Relaxed);
    }

    /// Stops the clock at a moment.
    pub(crate) fn freeze(&self, at_ms: i64) {
        self.frozen_ms.store(at_ms, Ordering::Relaxed);
    }

    /// Moves the clock forward, whether it runs or stands.
    pub(crate) fn advance(&self, by_ms: i64) {
        match self.frozen_ms.load(Ordering::Relaxed) {
            FROZEN_OFF => {
                self.offset_ms.fetch_add(by_ms, Ordering::Relaxed);
            }
            frozen => self.frozen_ms.store(frozen + by_ms, Ordering::Relaxed),
        }
    }
}

pub(crate) fn whole_second(ms: i64) -> i64 {
    ms.div_euclid(1000) * 1000
}

pub(crate) fn day_of(ms: i64) -> i64 {
    ms.div_euclid(DAY_MS)
}

pub(crate) fn start_of_day(day: i64) -> i64 {
    day * DAY_MS
}

/// `2026-08-02T10:11:12.000+0000`: 28 characters, no colon, always UTC.
pub(crate) fn datetime_text(ms: i64) -> String {
    let (year, month, day) = civil(day_of(ms));
    let of_day = ms.rem_euclid(DAY_MS);
    let (second, milli) = (of_day / 1000, of_day % 1000);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}.{milli:03}+0000",
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

pub(crate) fn date_text(day: i64) -> String {
    let (year, month, day) = civil(day);
    format!("{year:04}-{month:02}-{day:02}")
}

/// `Tue, 11 Aug 2026 08:00:00 GMT`.
pub(crate) fn http_date(ms: i64) -> String {
    const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (year, month, day) = civil(day_of(ms));
    let second = ms.rem_euclid(DAY_MS) / 1000;
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        DAYS[day_of(ms).rem_euclid(7) as usize],
        MONTHS[month as usize - 1],
        second / 3600,
        second / 60 % 60,
        second % 60
    )
}

/// Reads the date of an `If-Modified-Since` header.
pub(crate) fn parse_http_date(text: &str) -> Option<i64> {
    let stamp = jiff::fmt::rfc2822::parse(text.trim()).ok()?;
    Some(stamp.timestamp().as_millisecond())
}

/// Reads `YYYY-MM-DD`.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    if bytes.len() != 10 || bytes[4] != b'-' || bytes[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..])?);
    let date = jiff::civil::Date::new(year as i16, month as i8, day as i8).ok()?;
    Some(days_from_civil(i64::from(date.year()), i64::from(date.month()), i64::from(date.day())))
}

/// Reads `YYYY-MM-DDThh:mm:ss[.fff](Z|+hh:mm|+hhmm)`; the zone must be there.
pub(crate) fn parse_datetime(text: &str) -> Option<i64> {
    let day = parse_date(text.get(..10)?)?;
    let rest = text.get(10..)?.as_bytes();
    if rest.len() < 10 || rest[0] != b'T' || rest[3] != b':' || rest[6] != b':' {
        return None;
    }
    let (hour, minute, second) = (digits(&rest[1..3])?, digits(&rest[4..6])?, digits(&rest[7..9])?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let mut zone = &rest[9..];
    let mut milli = 0;
    if zone.first() == Some(&b'.') {
        let count = zone[1..].iter().take_while(|byte| byte.is_ascii_digit()).count();
        if count == 0 || count > 9 {
            return None;
        }
        for place in 0..3 {
            milli = milli * 10 + zone[1..=count].get(place).map_or(0, |byte| i64::from(byte - b'0'));
        }
        zone = &zone[1 + count..];
    }
    let offset_minutes = match zone {
        b"Z" => 0,
        [sign @ (b'+' | b'-'), a, b, b':', c, d] | [sign @ (b'+' | b'-'), a, b, c, d] => {
            let (hours, minutes) = (digits(&[*a, *b])?, digits(&[*c, *d])?);
            if hours > 14 || minutes > 59 {
                return None;
            }
            let total = hours * 60 + minutes;
            if *sign == b'-' { -total } else { total }
        }
        _ => return None,
    };
    Some(start_of_day(day) + ((hour * 60 + minute - offset_minutes) * 60 + second) * 1000 + milli)
}

fn digits(bytes: &[u8]) -> Option<i64> {
    bytes.iter().try_fold(0, |number, byte| byte.is_ascii_digit().then(|| number * 10 + i64::from(byte - b'0')))
}

/// Year, month and day of a day number (the usual shift to years that begin in March).
pub(crate) fn civil(day: i64) -> (i64, i64, i64) {
    let shifted = day + 719_468;
    let era = shifted.div_euclid(146_097);
    let of_era = shifted.rem_euclid(146_097);
    let year_of_era = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 { shifted_month + 3 } else { shifted_month - 9 };
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

pub(crate) fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let of_year = (153 * (if month > 2 { month - 3 } else { month + 9 }) + 2) / 5 + day - 1;
    let of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + of_year;
    era * 146_097 + of_era - 719_468
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_of_every_age_survive_a_round_trip() {
        for text in [
            "2026-08-02T10:11:12.000+0000",
            "1700-01-01T00:00:00.000+0000",
            "1969-12-31T23:59:59.000+0000",
            "1970-01-01T00:00:00.000+0000",
            "4000-12-31T00:00:00.000+0000",
            "2024-02-29T23:59:59.999+0000",
        ] {
            assert_eq!(datetime_text(parse_datetime(text).unwrap()), text);
        }
        assert_eq!(date_text(parse_date("1899-12-31").unwrap()), "1899-12-31");
    }

    #[test]
    fn offsets_are_moved_to_utc_and_a_missing_zone_is_refused() {
        let at = |text: &str| parse_datetime(text).map(datetime_text);
        assert_eq!(at("2026-08-01T03:00:00+03:00").unwrap(), "2026-08-01T00:00:00.000+0000");
        assert_eq!(at("2026-08-01T00:00:00.5Z").unwrap(), "2026-08-01T00:00:00.500+0000");
        assert_eq!(at("2026-08-01T03:00:00"), None);
        assert_eq!(at("2026-08-01T03:00:00 03:00"), None);
        assert_eq!(at("2026-02-30T03:00:00Z"), None);
    }

    #[test]
    fn http_dates_round_trip() {
        let at = parse_datetime("2026-08-11T08:00:00Z").unwrap();
        assert_eq!(http_date(at), "Tue, 11 Aug 2026 08:00:00 GMT");
        assert_eq!(parse_http_date("Tue, 11 Aug 2026 08:00:00 GMT"), Some(at));
    }
}
