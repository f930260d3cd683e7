//! One value of one record, before it is known what it means.

use std::borrow::Cow;

/// A value as the answer holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Cell<'a> {
    /// The answer does not have the column.
    Absent,
    /// Null; an empty text too, because a bulk result can't tell them apart.
    Null,
    /// Text.
    Text(Cow<'a, str>),
    /// A number as it is written.
    Number(&'a str),
    /// True or false.
    Boolean(bool),
    /// An object or an array where a single value belongs.
    Nested,
    /// Text that is no text: NUL, or half of a surrogate pair.
    Broken,
}

impl<'a> Cell<'a> {
    /// Takes text; empty is null.
    pub(crate) fn text(text: Cow<'a, str>) -> Self {
        if text.is_empty() {
            Self::Null
        } else if text.as_bytes().contains(&0) {
            Self::Broken
        } else {
            Self::Text(text)
        }
    }
}

/// Returns a decimal number without exponent and without needless zeros, or `None` when `text` is no number.
///
/// Digits are moved, never computed with: no digit that Salesforce sent is lost, and REST and bulk agree.
pub(crate) fn canonical_number(text: &str) -> Option<Cow<'_, str>> {
    let (negative, unsigned) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = match unsigned.find(['e', 'E']) {
        Some(at) => (&unsigned[..at], parse_exponent(&unsigned[at + 1..])?),
        None => (unsigned, 0),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let all_digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let well_formed = !whole.is_empty()
        && all_digits(whole)
        && all_digits(fraction)
        && (mantissa.len() == whole.len() || !fraction.is_empty());
    if !well_formed {
        return None;
    }
    let is_canonical = exponent == 0
        && fraction.is_empty()
        && (!whole.starts_with('0') || whole.len() == 1)
        && !(negative && whole == "0");
    if is_canonical {
        return Some(Cow::Borrowed(text));
    }

    let digits = [whole, fraction].concat();
    let point = i64::try_from(whole.len()).ok()? + exponent;
    let (whole, fraction) = place_point(&digits, point);
    let whole = whole.trim_start_matches('0');
    let fraction = fraction.trim_end_matches('0');
    if whole.is_empty() && fraction.is_empty() {
        return Some(Cow::Borrowed("0"));
    }
    let sign = if negative { "-" } else { "" };
    let whole = if whole.is_empty() { "0" } else { whole };
    let point = if fraction.is_empty() { "" } else { "." };
    Some(Cow::Owned(format!("{sign}{whole}{point}{fraction}")))
}

fn parse_exponent(text: &str) -> Option<i64> {
    let text = text.strip_prefix('+').unwrap_or(text);
    // No double reaches 400 digits; more would only be a way to fill our memory.
    text.parse::<i64>().ok().filter(|exponent| (-400..=400).contains(exponent))
}

fn place_point(digits: &str, point: i64) -> (String, String) {
    let length = digits.len();
    match usize::try_from(point) {
        Ok(point) if point >= length => (digits.to_owned() + &"0".repeat(point - length), String::new()),
        Ok(point) => (digits[..point].to_owned(), digits[point..].to_owned()),
        Err(_) => {
            let zeros = usize::try_from(point.unsigned_abs()).unwrap_or(0);
            (String::new(), "0".repeat(zeros) + digits)
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_46_a_number_keeps_every_digit_and_loses_its_exponent() {
        for (written, canonical) in [
            ("1.0E15", "1000000000000000"),
            ("1000000000000000.25", "1000000000000000.25"),
            ("9.9213206E7", "99213206"),
            ("1.6147805824397E13", "16147805824397"),
            ("-1.0", "-1"),
            ("0.0", "0"),
            ("-0.0", "0"),
            ("-0", "0"),
            ("123456789012345678", "123456789012345678"),
            ("5E-3", "0.005"),
            ("1250000.50", "1250000.5"),
            ("007", "7"),
            ("1e+2", "100"),
        ] {
            assert_eq!(canonical_number(written).as_deref(), Some(canonical), "{written}");
        }
        for text in ["", "-", ".5", "1.", "1,5", "NaN", "1e", "1e999", "--1", "0x1", "1 "] {
            assert_eq!(canonical_number(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_canonical_number_is_the_same_double_and_canonical(number in prop::num::f64::NORMAL) {
            prop_assume!(number.abs() < 1e300 && number.abs() > 1e-300);
            let written = format!("{number:E}");
            let canonical = canonical_number(&written).unwrap().into_owned();
            prop_assert_eq!(canonical.parse::<f64>().unwrap(), number);
            prop_assert_eq!(canonical_number(&canonical).unwrap().into_owned(), canonical);
        }
    }
}
